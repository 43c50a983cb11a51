"""Impossible settings are refused by name."""

from __future__ import annotations

import math

import pytest

from bot.domain.errors import ConfigRefused
from bot.runtime.params import RuntimeParams


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_never_arrives_is_refused(speed: float) -> None:
    """The line names the key."""
    with pytest.raises(ConfigRefused, match=r"runtime\.speed"):
        RuntimeParams(speed=speed)


def test_every_other_number_must_be_above_zero_and_finite() -> None:
    """Infinite speed is the one exception."""
    assert RuntimeParams(speed=math.inf).speed == math.inf
    with pytest.raises(ConfigRefused, match=r"runtime\.stop_wait_s"):
        RuntimeParams(stop_wait_s=math.inf)
    with pytest.raises(ConfigRefused, match=r"runtime\.watch_ms"):
        RuntimeParams(watch_ms=0)
