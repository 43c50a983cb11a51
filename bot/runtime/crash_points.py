"""Named places where a test may kill the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

from bot.domain.errors import ConfigRefused

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


def crash_points_from(text: str) -> CrashPoints:
    """Crash points from `name:n` (tests of recovery only): SIGKILL to ourselves at the n-th `name`; empty: none.

    Raises:
        ConfigRefused: not of that form.
    """
    if not text:
        return CrashPoints()
    wanted, _, number = text.partition(":")
    if wanted not in NAMES or not number.isdigit() or int(number) < 1:
        raise ConfigRefused(f"EVENKEEL_CRASH_AT={text}: must be NAME:N with NAME one of {', '.join(NAMES)}, N >= 1")

    def act(name: str, count: int) -> None:
        if name == wanted and count == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    return CrashPoints(act)
