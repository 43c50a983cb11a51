"""Named places where a test may kill the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NAMES: Final = ("before_commit", "after_commit", "before_send", "after_send", "before_answer")


class CrashPoints:
    """Calls `act` with (name, count of this name so far, from 1) at each place; by default nothing happens."""

    def __init__(self, act: Callable[[str, int], None] | None = None) -> None:
        self._act = act
        self._counts = dict.fromkeys(NAMES, 0)

    def __call__(self, name: str) -> None:
        """The program has come to this place."""
        if self._act is not None:
            self._counts[name] += 1
            self._act(name, self._counts[name])
