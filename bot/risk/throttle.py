"""What was sent and traded of late, so that a loop is seen before it costs money (F29 runaway, F43 in and out)."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, Nanos

EQUAL_WITHIN_NS: Final = NS_PER_S
"""Equal orders closer together than this are a loop: no execution of ours tries again so soon."""
_HOURS_PER_DAY: Final = 24


class ThrottleState(msgspec.Struct):
    """Bounded memory of opening orders and of pairs that were left."""

    hours: dict[int, float] = {}
    """Opening notional in USD by hour since the epoch, for a day."""
    sent: list[tuple[Nanos, str]] = []
    """Opening orders of the last second: (when, everything that makes two of them equal)."""
    trips: dict[str, list[Nanos]] = {}
    """By candidate (`long|short`): when it was left, or grown again after it had been cut, within a day."""


def note_open(state: ThrottleState, at_ns: Nanos, order: str, notional_usd: float) -> None:
    """An opening order leaves."""
    hour = at_ns // NS_PER_HOUR
    state.hours[hour] = state.hours.get(hour, 0.0) + notional_usd
    for old in [each for each in state.hours if each <= hour - _HOURS_PER_DAY]:
        del state.hours[old]
    state.sent[:] = [row for row in state.sent if at_ns - row[0] < EQUAL_WITHIN_NS]
    state.sent.append((at_ns, order))


def equal_orders(state: ThrottleState, at_ns: Nanos, order: str) -> int:
    """How many equal opening orders left within the last second."""
    return sum(1 for sent_ns, name in state.sent if name == order and at_ns - sent_ns < EQUAL_WITHIN_NS)


def day_usd(state: ThrottleState, at_ns: Nanos) -> float:
    """Opening notional of this hour and the 23 before it."""
    hour = at_ns // NS_PER_HOUR
    return sum(usd for each, usd in state.hours.items() if each > hour - _HOURS_PER_DAY)


def note_trip(state: ThrottleState, at_ns: Nanos, candidate: str) -> None:
    """A pair was left, or grown again after it had been cut: one way in and out."""
    kept = [each for each in state.trips.get(candidate, []) if at_ns - each < NS_PER_DAY]
    state.trips[candidate] = [*kept, at_ns]


def trips(state: ThrottleState, at_ns: Nanos, candidate: str) -> int:
    """Ways in and out of this candidate within the last day."""
    return sum(1 for each in state.trips.get(candidate, ()) if at_ns - each < NS_PER_DAY)


def forget(state: ThrottleState) -> None:
    """An operator has looked and resumed: the counts begin anew."""
    state.hours.clear()
    state.sent.clear()
    state.trips.clear()
