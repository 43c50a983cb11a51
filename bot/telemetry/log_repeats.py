"""A storm of errors does not fill the disk: repeated lines are counted, and each kind of line has a budget.

It concerns warnings and errors. A line that says what the last one of its kind said is held back for a minute; beyond
the budget of its kind (200 lines in ten seconds) lines are held back whatever they say. The next line of that kind, or
the end of the log, tells how many there were: nothing disappears unsaid.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Final

import structlog

from bot.telemetry.names import LogEvent

WINDOW_S: Final = 10.0
LINES_MAX: Final = 200
"""Of one kind in one window."""
REPEATS_S: Final = 60.0
"""So long a line that says the same is held back."""
_KINDS_MAX: Final = 1_000
_LEVELS: Final = frozenset({"warning", "error", "critical"})
_UNEQUAL: Final = frozenset({"timestamp", "at_ns"})
"""Keys in which two lines that say the same may differ."""


class _Kind:
    """What is remembered of one kind of line."""

    __slots__ = ("began_s", "held_back", "last", "passed", "told_s")

    def __init__(self, now_s: float) -> None:
        self.began_s = self.told_s = now_s
        self.passed = self.held_back = 0
        self.last: object = None


class RepeatFilter:
    """A structlog processor; stands behind the one that stamps the line, whose time it goes by."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The line, with the number of those held back before it; raises `structlog.DropEvent` to hold it back."""
        if event.get("level") not in _LEVELS:
            return event
        now_s = datetime.fromisoformat(event["timestamp"]).timestamp()
        kind = self._kind(str(event.get("event", ""))[:64], now_s)
        if not 0 <= now_s - kind.began_s < WINDOW_S:
            kind.began_s, kind.passed = now_s, 0
        content = tuple(sorted((key, repr(value)) for key, value in event.items() if key not in _UNEQUAL))
        repeated = content == kind.last and 0 <= now_s - kind.told_s < REPEATS_S
        if repeated or kind.passed >= LINES_MAX:
            kind.held_back += 1
            raise structlog.DropEvent
        kind.last, kind.told_s = content, now_s
        kind.passed += 1
        if kind.held_back:
            event["held_back_before"], kind.held_back = kind.held_back, 0
        return event

    def untold(self) -> list[dict[str, Any]]:
        """One line for each kind of which lines were held back since its last; they count as told now."""
        lines = [{"event": LogEvent.LOG_REPEATED.value, "level": "warning", "of": name, "held_back": kind.held_back}
                 for name, kind in self._kinds.items() if kind.held_back]
        for kind in self._kinds.values():
            kind.held_back = 0
        return lines

    def _kind(self, name: str, now_s: float) -> _Kind:
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= _KINDS_MAX:  # names come from a fixed list; made-up ones are not remembered
                self._kinds.clear()
            kind = self._kinds[name] = _Kind(now_s)
        return kind
