"""The market as the bot sees it: silent, frozen, crossed, empty or odd, while the venues trade the true one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import Mark, MarketEvent, Marks, Quote, Quotes
from bot.domain.values import InstrumentId, Venue
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults, Strike

_QUOTE_KINDS: Final = (FaultKind.QUOTE_SPIKE, FaultKind.QUOTE_CROSSED, FaultKind.QUOTE_EMPTY, FaultKind.QUOTE_LOST)
_MARK_KINDS: Final = (FaultKind.MARK_SPIKE, FaultKind.MARK_LOST, FaultKind.MARK_NONSENSE)
_NONSENSE: Final = (Decimal("NaN"), Decimal(0), Decimal(-1), Decimal("Infinity"))


class Lens:
    """Bends market events on their way to the engine; `seen` is called once for each, in order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._frozen: dict[InstrumentId, Quote] = {}
        self._frozen_in: dict[Venue, Strike] = {}

    def seen(self, event: MarketEvent) -> MarketEvent | None:
        """What reaches the engine of it; None: nothing."""
        if not isinstance(event, Quotes | Marks):
            return event
        faults = self._faults
        if faults.plan.strikes and faults.during(FaultKind.MARKET_SILENT, event.venue, event.at_ns) is not None:
            faults.count(FaultKind.MARKET_SILENT)
            return None
        return self._quotes(event) if isinstance(event, Quotes) else self._marks(event)

    # --------------------------------------------------------------------------------------------------- quotes

    def _quotes(self, event: Quotes) -> Quotes | None:
        quotes = event.quotes
        if self._faults.plan.strikes:
            quotes = self._gone(event, self._as_frozen(event))
        if self._faults.active:
            for kind in _QUOTE_KINDS:
                size = self._faults.draw(kind, event.venue, "quotes", event.at_ns)
                if size is not None and quotes:
                    quotes = _bent(kind, size, quotes)
        if quotes is event.quotes:
            return event
        return msgspec.structs.replace(event, quotes=quotes) if quotes else None

    def _as_frozen(self, event: Quotes) -> tuple[Quote, ...]:
        """The same prices again and again, under new stamps."""
        strike = self._faults.during(FaultKind.QUOTES_FROZEN, event.venue, event.at_ns)
        if strike is None:
            return event.quotes
        if self._frozen_in.get(event.venue) != strike:
            self._frozen_in[event.venue] = strike
            for quote in event.quotes:
                self._frozen.pop(quote.instrument, None)
        self._faults.count(FaultKind.QUOTES_FROZEN)
        return tuple(self._frozen.setdefault(quote.instrument, quote) for quote in event.quotes)

    def _gone(self, event: Quotes, quotes: tuple[Quote, ...]) -> tuple[Quote, ...]:
        """One market of many is silent."""
        strike = self._faults.during(FaultKind.ONE_SILENT, event.venue, event.at_ns)
        if strike is None or not quotes:
            return quotes
        self._faults.count(FaultKind.ONE_SILENT)
        names = sorted(quote.instrument for quote in event.quotes)
        gone = names[int(strike.draw * len(names))]
        return tuple(quote for quote in quotes if quote.instrument != gone)

    # ---------------------------------------------------------------------------------------------------- marks

    def _marks(self, event: Marks) -> Marks | None:
        marks = event.marks
        if self._faults.plan.strikes:
            apart = self._faults.during(FaultKind.MARK_APART, event.venue, event.at_ns)
            if apart is not None:
                self._faults.count(FaultKind.MARK_APART)
                share = 1.0 + (apart.size if apart.draw < 0.5 else -apart.size)
                marks = tuple(_times(mark, share) for mark in marks)
        if self._faults.active:
            for kind in _MARK_KINDS:
                size = self._faults.draw(kind, event.venue, "marks", event.at_ns)
                if size is not None and marks:
                    marks = _other(kind, size, marks)
        if marks is event.marks:
            return event
        return msgspec.structs.replace(event, marks=marks) if marks else None


def _bent(kind: FaultKind, size: float, quotes: tuple[Quote, ...]) -> tuple[Quote, ...]:
    """One of the quotes is wrong or missing."""
    place = int(size * 1_000) % len(quotes)
    quote = quotes[place]
    if kind is FaultKind.QUOTE_LOST:
        return (*quotes[:place], *quotes[place + 1:])
    if kind is FaultKind.QUOTE_CROSSED:
        bad = msgspec.structs.replace(quote, bid_ticks=quote.ask_ticks + int(size * 20), ask_ticks=quote.bid_ticks)
    elif kind is FaultKind.QUOTE_EMPTY:
        bad = msgspec.structs.replace(quote, **({"bid_lots": 0} if size < 0.5 else {"ask_ticks": 0, "ask_lots": 0}))
    else:
        share = 0.4 + 1.6 * size  # -60 % to +100 %
        bad = msgspec.structs.replace(quote, bid_ticks=max(int(quote.bid_ticks * share), 1),
                                      ask_ticks=max(int(quote.ask_ticks * share), 1) + 1)
    return (*quotes[:place], bad, *quotes[place + 1:])


def _other(kind: FaultKind, size: float, marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """One of the marks is wrong or missing."""
    place = int(size * 1_000) % len(marks)
    mark = marks[place]
    if kind is FaultKind.MARK_LOST:
        return (*marks[:place], *marks[place + 1:])
    if kind is FaultKind.MARK_NONSENSE:
        bad = msgspec.structs.replace(mark, mark=_NONSENSE[int(size * len(_NONSENSE))])
    else:
        bad = msgspec.structs.replace(mark, mark=_scaled(mark.mark, 0.4 + 1.6 * size))
    return (*marks[:place], bad, *marks[place + 1:])


def _times(mark: Mark, share: float) -> Mark:
    return msgspec.structs.replace(mark, mark=_scaled(mark.mark, share))


def _scaled(price: Decimal, share: float) -> Decimal:
    """The price times a share, on its own grid."""
    return max((price * Decimal(repr(round(share, 6)))).quantize(price), price / 1_000_000)
