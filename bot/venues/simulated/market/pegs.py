"""A market source with the prices of stablecoins beside it: one `PegPrices` per venue every five minutes.

Nothing else of the market depends on them. A depeg is planned: the price falls within a quarter of its time, stays
low, and is back at the end. What trades in the currency is quoted in it and does not change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import EVENT_RANK, MarketEvent, PegPrices
from bot.domain.instrument import Instrument
from bot.domain.ports import Due, MarketSource
from bot.domain.values import NS_PER_MINUTE, Nanos, Venue
from bot.venues.simulated.market.streams import stream

EVERY_NS: Final = 5 * NS_PER_MINUTE
_NOISE_BPS: Final = 1.5
_PLACES: Final = Decimal("0.000001")
_RANK: Final = EVENT_RANK[PegPrices]


class Depeg(msgspec.Struct, frozen=True, kw_only=True):
    """One currency off its peg for a while."""

    currency: str
    at_ns: int
    end_ns: int
    depth: float
    """How far below one dollar it goes, a fraction."""
    said_by: Venue = Venue("")
    """Only this venue says so, and it is wrong; empty: it is so, and all do."""


class WithPegs:
    """Merges a source with what its venues say of the currencies they quote in."""

    def __init__(self, source: MarketSource, instruments: Iterable[Instrument], seed: int, from_ns: int,
                 depegs: tuple[Depeg, ...] = ()) -> None:
        """Prices lie strictly after `from_ns`, and are the same wherever a source begins."""
        self._source = source
        self._seed = seed
        self._depegs = depegs
        quoted = {each.venue: each.quote for each in instruments if each.quote != "USD"}
        first_ns = (from_ns // EVERY_NS + 1) * EVERY_NS
        self._next = [(first_ns, venue, quoted[venue]) for venue in sorted(quoted)]

    def next_due(self) -> Due | None:
        """The earlier of both; prices alone do not keep a run going."""
        due = self._source.next_due()
        return due if due is None or not self._next else min(due, (self._next[0][0], _RANK))

    def pop(self) -> MarketEvent:
        """The next event."""
        due = self._source.next_due()
        if due is None or not self._next or due <= (self._next[0][0], _RANK):
            return self._source.pop()
        at_ns, venue, currency = self._next[0]
        heapq.heapreplace(self._next, (at_ns + EVERY_NS, venue, currency))
        return PegPrices(Nanos(at_ns), venue, ((currency, self._price(at_ns, venue, currency)),))

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Passed on."""
        self._source.show_ticks(until_ns, from_ns)

    def _price(self, at_ns: int, venue: Venue, currency: str) -> Decimal:
        noise = stream(self._seed, f"peg/{venue}/{currency}", at_ns // EVERY_NS).standard_normal()
        price = 1.0 + max(-3.0, min(noise, 3.0)) * _NOISE_BPS * 1e-4
        for depeg in self._depegs:
            if depeg.currency == currency and depeg.at_ns <= at_ns < depeg.end_ns and depeg.said_by in ("", venue):
                price -= depeg.depth * _share(depeg, at_ns)
        return Decimal(repr(max(price, 0.01))).quantize(_PLACES)


def _share(depeg: Depeg, at_ns: int) -> float:
    """How much of its depth a depeg has: a quarter of its time down, a half low, a quarter back."""
    passed = (at_ns - depeg.at_ns) / (depeg.end_ns - depeg.at_ns)
    return min(4 * passed, 4 * (1 - passed), 1.0)
