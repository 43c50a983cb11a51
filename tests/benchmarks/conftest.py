"""Fixtures of the benchmarks: where figures go, and one recorded stretch of the embedded market."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import bot.__main__  # noqa: F401 - before numpy: it asks linear algebra for one thread, as every run of the bot has
from tests.benchmarks.recorded import Recorded, record


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print past pytest's capture: figures are shown whatever the flags."""
    def put(text: str) -> None:
        with capsys.disabled():
            print(text)

    return put


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """Two days of the embedded market with its 20 instruments, traded."""
    return record(days=2)
