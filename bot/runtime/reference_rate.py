"""A market source with a published series beside it: one `ReferenceRate` a day, known the day before."""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.events import EVENT_RANK, MarketEvent, ReferenceRate
from bot.domain.ports import Due, MarketSource
from bot.domain.values import NS_PER_DAY, Nanos


class WithReferenceRate:
    """Merges a source with a daily series; days for which the series has no value give no event."""

    def __init__(self, source: MarketSource, name: str, annual: Callable[[int], float | None], from_ns: int) -> None:
        """`annual(at_ns)`: the yield known at that instant, as a fraction per year, or None."""
        self._source = source
        self._name = name
        self._annual = annual
        self._next_ns = -(-from_ns // NS_PER_DAY) * NS_PER_DAY
        self._rank = EVENT_RANK[ReferenceRate]

    def next_due(self) -> Due | None:
        """The earlier of both; the series alone does not keep a run going."""
        due = self._source.next_due()
        if due is None:
            return None
        if self._next_ns > due[0]:
            return due
        self._skip_unknown(due[0])
        rate = (self._next_ns, self._rank)
        return min(due, rate)

    def pop(self) -> MarketEvent:
        """The next event."""
        due = self._source.next_due()
        if due is not None and (self._next_ns, self._rank) < due:
            annual = self._annual(self._next_ns)
            at_ns, self._next_ns = self._next_ns, self._next_ns + NS_PER_DAY
            if annual is not None:
                return ReferenceRate(Nanos(at_ns), self._name, annual)
        return self._source.pop()

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Passed on."""
        self._source.show_ticks(until_ns, from_ns)

    def _skip_unknown(self, before_ns: int) -> None:
        while self._next_ns <= before_ns and self._annual(self._next_ns) is None:
            self._next_ns += NS_PER_DAY
