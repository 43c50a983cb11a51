"""A market whose venues change their instruments: grids, intervals, identities, delistings (F39, F45-F47).

It stands between the embedded market and everyone else: the exchange and the bot see the same changed market. What
will change is fixed when it is made, from the plan's strikes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import (
    EVENT_RANK,
    BarsClosed,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    MarketEvent,
    Marks,
    Print,
    Prints,
    Quote,
    Quotes,
)
from bot.domain.instrument import Instrument
from bot.domain.ports import Due, MarketSource
from bot.domain.values import NS_PER_HOUR, NS_PER_S, InstrumentId, Nanos
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Strike

KINDS: Final = frozenset({
    FaultKind.DELISTING, FaultKind.GRID_CHANGED, FaultKind.INTERVAL_CHANGED, FaultKind.IDENTITY_CHANGED,
})
COARSER: Final = 10
"""A new tick and lot are so many old ones."""
_OTHER: Final = Decimal(1000)
_USUAL_RATE: Final = Decimal("0.0001")


class ListingsMarket:
    """Implements `MarketSource` on top of another one."""

    def __init__(self, inner: MarketSource, instruments: Iterable[Instrument], strikes: Iterable[Strike]) -> None:
        self._inner = inner
        self._first = {each.id: each for each in instruments}
        self._rules = dict(self._first)
        """As they are now, in the order of events popped."""
        self._rates: dict[InstrumentId, FundingRate] = {}
        self._own: list[tuple[int, int, int, MarketEvent]] = []
        self._number = 0
        self._plan(tuple(strike for strike in strikes if strike.kind in KINDS))

    @property
    def changes(self) -> int:
        """How many changes are still to come."""
        return sum(isinstance(entry[3], InstrumentsChanged) for entry in self._own)

    # ---------------------------------------------------------------------------------------------- the port

    def next_due(self) -> Due | None:
        """When the next event is due; the inner market ends it all."""
        due = self._inner.next_due()
        return due if due is None or not self._own else min(due, self._own[0][:2])

    def pop(self) -> MarketEvent:
        """The next event, as the changed venues tell it."""
        due = self._inner.next_due()
        if self._own and (due is None or self._own[0][:2] <= due):
            event = heapq.heappop(self._own)[3]
            if isinstance(event, InstrumentsChanged):
                self._changed(event)
            return event
        return self._as_told(self._inner.pop())

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Passed on."""
        self._inner.show_ticks(until_ns, from_ns)

    # ----------------------------------------------------------------------------------------- what will change

    def _plan(self, strikes: tuple[Strike, ...]) -> None:
        rules = dict(self._first)
        ends = [(s.end_ns, s, True) for s in strikes if s.kind is FaultKind.IDENTITY_CHANGED]
        for at_ns, strike, is_end in sorted([*((s.at_ns, s, False) for s in strikes), *ends],
                                            key=lambda row: (row[0], row[1].kind.value, row[1].venue)):
            old = self._struck(rules, strike, at_ns)
            if old is None:
                continue
            new = self._with(old, strike, at_ns, is_end=is_end)
            if new != old:
                rules[new.id] = new
                self._push(at_ns, InstrumentsChanged(Nanos(at_ns), new.venue, (new,)))

    def _struck(self, rules: dict[InstrumentId, Instrument], strike: Strike, at_ns: int) -> Instrument | None:
        """The instrument that the strike's draw picks at its venue, if it has not ended."""
        there = [rules[name] for name, each in self._first.items() if each.venue == strike.venue
                 and (each.is_perp or strike.kind is not FaultKind.INTERVAL_CHANGED)]
        if not there:
            return None
        picked = there[int(strike.draw * len(there))]
        return None if picked.delist_ns is not None and picked.delist_ns <= at_ns else picked

    def _with(self, old: Instrument, strike: Strike, at_ns: int, *, is_end: bool) -> Instrument:
        replace = msgspec.structs.replace
        match strike.kind:
            case FaultKind.DELISTING:
                return replace(old, delist_ns=old.delist_ns or Nanos(at_ns + int(strike.size) * NS_PER_S))
            case FaultKind.GRID_CHANGED:
                first = self._first[old.id]
                factor = COARSER if old.grid == first.grid else 1
                return replace(old, tick_size=first.tick_size * factor, lot_size=first.lot_size * factor,
                               since_ns=Nanos(at_ns))
            case FaultKind.INTERVAL_CHANGED if old.funding is not None:
                shorter = max(old.funding.interval_h // 2, 1)
                return replace(old, funding=replace(old.funding, interval_h=shorter))
            case FaultKind.IDENTITY_CHANGED:
                return replace(old, multiplier=Decimal(1) if is_end else _OTHER)
        return old

    def _push(self, at_ns: int, event: MarketEvent) -> None:
        self._number += 1
        heapq.heappush(self._own, (at_ns, EVENT_RANK[type(event)], self._number, event))

    # ------------------------------------------------------------------------------------------- as it is told

    def _changed(self, event: InstrumentsChanged) -> None:
        for rules in event.instruments:
            self._rules[rules.id] = rules
            self._between(rules.id, event.at_ns)

    def _ended(self, name: InstrumentId, at_ns: int) -> bool:
        rules = self._rules.get(name)
        return rules is not None and rules.delist_ns is not None and rules.delist_ns <= at_ns

    def _coarse(self, name: InstrumentId) -> bool:
        rules = self._rules.get(name)
        return rules is not None and rules.grid != self._first[name].grid

    def _as_told(self, event: MarketEvent) -> MarketEvent:
        at_ns = event.at_ns
        match event:
            case Quotes():
                told = tuple(self._quote(quote) for quote in event.quotes if not self._ended(quote.instrument, at_ns))
                return Quotes(at_ns, event.venue, told, event.values)
            case Marks():
                marks = tuple(mark for mark in event.marks if not self._ended(mark.instrument, at_ns))
                return Marks(at_ns, event.venue, marks, event.values)
            case Prints():
                return Prints(at_ns, event.venue, tuple(
                    seen for each in event.prints if not self._ended(each.instrument, at_ns)
                    and (seen := self._print(each)).quantity_lots))
            case BarsClosed():
                bars = tuple(bar for bar in event.bars if not self._ended(bar.instrument, at_ns))
                return BarsClosed(at_ns, event.venue, bars)
            case FundingSettled():
                return self._settled(event)
        return event

    def _quote(self, quote: Quote) -> Quote:
        if not self._coarse(quote.instrument):
            return quote
        bid = max(quote.bid_ticks // COARSER, 1)
        return Quote(quote.instrument, bid, max(-(-quote.ask_ticks // COARSER), bid + 1), quote.bid_lots // COARSER,
                     quote.ask_lots // COARSER, quote.depth_lots // COARSER)

    def _print(self, seen: Print) -> Print:
        if not self._coarse(seen.instrument):
            return seen
        return Print(seen.instrument, seen.side, max(seen.price_ticks // COARSER, 1), seen.quantity_lots // COARSER)

    def _settled(self, event: FundingSettled) -> FundingSettled:
        told = []
        for rate in event.rates:
            if self._ended(rate.instrument, event.at_ns):
                continue
            self._rates[rate.instrument] = rate
            now_h = self._interval_h(rate.instrument)
            parts = rate.interval_h // now_h
            told.append(rate if parts <= 1 else FundingRate(rate.instrument, rate.settled_ns, rate.rate / parts, now_h))
        for rate in event.rates:
            self._between(rate.instrument, event.at_ns)
        return FundingSettled(event.at_ns, event.venue, tuple(told))

    def _interval_h(self, name: InstrumentId) -> int:
        rule = self._rules[name].funding
        return rule.interval_h if rule is not None else 1

    def _between(self, name: InstrumentId, after_ns: int) -> None:
        """Settlements of the shorter interval until the inner market's own next one."""
        first, now_h = self._first[name].funding, self._interval_h(name)
        if first is None or now_h >= first.interval_h:
            return
        step, long_step = now_h * NS_PER_HOUR, first.interval_h * NS_PER_HOUR
        last = self._rates.get(name)
        rate = last.rate * now_h / last.interval_h if last is not None else _USUAL_RATE * now_h / 8
        planned = {entry[0] for entry in self._own if isinstance(entry[3], FundingSettled)
                   and entry[3].rates[0].instrument == name}
        at_ns = (after_ns // step + 1) * step
        while at_ns % long_step:
            if at_ns not in planned and not self._ended(name, at_ns):
                settled = FundingRate(name, Nanos(at_ns), rate.quantize(Decimal("1e-8")), now_h)
                self._push(at_ns, FundingSettled(Nanos(at_ns), self._first[name].venue, (settled,)))
            at_ns += step
