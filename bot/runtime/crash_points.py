"""Named places where a rehearsal may kill the process."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.runtime.clock import sleep_us

NAMES: Final = (
    "before_commit", "after_commit", "before_send", "after_send", "before_order", "after_order", "before_answer",
    "after_answer", "before_books", "after_books", "before_snapshot", "after_snapshot", "before_latch", "after_latch",
)
"""Commit: a journal row. Send: any command; order: a create. Answer: a venue's word enters the engine, or has been
folded. Books: the simulated exchange's own commit. Latch: the kill latch is written."""
_FORM: Final = re.compile(r"([a-z_]+):([1-9]\d{0,8})(?:\+(\d{1,9}))?")


class CrashAt(msgspec.Struct, frozen=True):
    """The `number`-th visit of a place, or `delay_us` later: then a write or a sync may be half done."""

    name: str
    number: int
    delay_us: int | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.number}" + ("" if self.delay_us is None else f"+{self.delay_us}")


class CrashPoints:
    """Calls `act` with (name, count of this name so far, from 1) at each place; by default nothing happens."""

    def __init__(self, act: Callable[[str, int], None] | None = None) -> None:
        self._act = act
        self.counts = dict.fromkeys(NAMES, 0)

    def __call__(self, name: str) -> None:
        """The program has come to this place."""
        if self._act is not None:
            self.counts[name] += 1
            self._act(name, self.counts[name])


def crash_at_from(text: str) -> CrashAt:
    """What `name:n` or `name:n+microseconds` asks for.

    Raises:
        ConfigRefused: not of that form.
    """
    found = _FORM.fullmatch(text)
    if found is None or found[1] not in NAMES:
        raise ConfigRefused(f"EVENKEEL_CRASH_AT={text}: must be NAME:N or NAME:N+MICROSECONDS, N >= 1, with NAME one "
                            f"of {', '.join(NAMES)}")
    return CrashAt(found[1], int(found[2]), None if found[3] is None else int(found[3]))


def crash_points_at(wanted: CrashAt) -> CrashPoints:
    """SIGKILL to ourselves at that place; with a delay a thread does it while the process goes on."""

    def act(name: str, count: int) -> None:
        if name != wanted.name or count != wanted.number:
            return
        if wanted.delay_us is None:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=_kill_after, args=(wanted.delay_us,), daemon=True).start()

    return CrashPoints(act)


def crash_points_from(text: str) -> CrashPoints:
    """Crash points of the environment (tests of recovery only); empty: none.

    Raises:
        ConfigRefused: not of the form that `crash_at_from` takes.
    """
    return crash_points_at(crash_at_from(text)) if text else CrashPoints()


def _kill_after(delay_us: int) -> None:
    sleep_us(delay_us)
    os.kill(os.getpid(), signal.SIGKILL)
