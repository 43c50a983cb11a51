"""Columns of several legs -> market events of a stretch of time, in the engine's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from bot.domain.events import (
    EVENT_RANK,
    Bar,
    BarsClosed,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    Mark,
    MarketEvent,
    Marks,
    Quote,
    Quotes,
    TradingHalted,
)
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, Venue
from bot.runtime.bar_grid import Floats, Ints, Mask
from bot.runtime.history_legs import Leg

MISSING_BAR = "missing_bar"

Keyed = tuple[int, int, str, int, MarketEvent]
"""(at_ns, rank, venue, order within the rank, event)"""
Item = TypeVar("Item")
Rows = tuple[Ints, Iterable[Item]]
_KEY = itemgetter(0, 1, 2, 3)


def events_between(legs: Sequence[Leg], from_ns: int, to_ns: int) -> list[MarketEvent]:
    """Every event with from <= at < to, by instant, rank, venue; the legs stand in the order of venue and symbol."""
    keyed: list[Keyed] = []
    for venue, own in by_venue(legs):
        keyed += _grouped(own, from_ns, to_ns, _changes, venue, 0, InstrumentsChanged)
        keyed += _grouped(own, from_ns, to_ns, _halts, venue, 1, _halted)
        keyed += _grouped(own, from_ns, to_ns, _valuing_marks, venue, 0, Marks)
        keyed += _grouped(own, from_ns, to_ns, _margin_marks, venue, 1, _margin_only)
        keyed += _grouped(own, from_ns, to_ns, _bars, venue, 0, BarsClosed)
        keyed += _grouped(own, from_ns, to_ns, _quotes, venue, 1, _opening_quotes)
        keyed += _grouped(own, from_ns, to_ns, _settlements, venue, 0, FundingSettled)
    keyed.sort(key=_KEY)
    return [one[4] for one in keyed]


def warmup_between(legs: Sequence[Leg], from_ns: int, to_ns: int) -> list[MarketEvent]:
    """The closes and settlements alone."""
    keyed: list[Keyed] = []
    for venue, own in by_venue(legs):
        keyed += _grouped(own, from_ns, to_ns, _bars, venue, 0, BarsClosed)
        keyed += _grouped(own, from_ns, to_ns, _settlements, venue, 0, FundingSettled)
    keyed.sort(key=_KEY)
    return [one[4] for one in keyed]


def by_venue(legs: Sequence[Leg]) -> list[tuple[Venue, list[Leg]]]:
    """The legs of each venue, venues by name."""
    names = sorted({leg.venue for leg in legs})
    return [(Venue(name), [leg for leg in legs if leg.venue == name]) for name in names]


def _grouped(legs: Sequence[Leg], from_ns: int, to_ns: int, rows_of: Callable[[Leg, int, int], Rows[Item]],
             venue: Venue, order: int, make: Callable[[Nanos, Venue, tuple[Item, ...]], MarketEvent]) -> list[Keyed]:
    """One event per instant from the rows of all legs; within it the legs keep their order."""
    times: list[Ints] = []
    items: list[Item] = []
    for leg in legs:
        at_ns, rows = rows_of(leg, from_ns, to_ns)
        if len(at_ns):
            times.append(at_ns)
            items.extend(rows)
    if not items:
        return []
    all_times = np.concatenate(times)
    by_time = np.argsort(all_times, kind="stable")
    all_times = all_times[by_time]
    items = [items[place] for place in by_time.tolist()]
    starts = np.flatnonzero(np.diff(all_times, prepend=all_times[0] - 1))
    bounds = [*starts.tolist(), len(items)]
    keyed: list[Keyed] = []
    for at, first, after in zip(all_times[starts].tolist(), bounds, bounds[1:], strict=False):
        event = make(at, venue, tuple(items[first:after]))
        keyed.append((at, EVENT_RANK[type(event)], venue, order, event))
    return keyed


def _span(at_ns: Ints, from_ns: int, to_ns: int) -> slice:
    first, after = np.searchsorted(at_ns, (from_ns, to_ns)).tolist()
    return slice(first, after)


def _decimals(values: Floats) -> Iterable[Decimal]:
    """Each float as the shortest decimal that means it."""
    return map(Decimal, map(repr, values.tolist()))


def _bars(leg: Leg, from_ns: int, to_ns: int) -> Rows[Bar]:
    bars = leg.bars
    part = _span(bars.end_ns, from_ns, to_ns)
    end_ns = bars.end_ns[part]
    lengths_s = ((end_ns - bars.start_ns[part]) // NS_PER_S).tolist()
    closes = list(_decimals(bars.close[part]))
    fills = bars.fills[part]
    if not fills.any():
        # closes alone: no volume that anything could fill against
        return end_ns, map(Bar, repeat(leg.id), lengths_s, closes, closes, closes, closes, repeat(0.0))
    volume = np.where(fills, bars.volume[part], 0.0).tolist()
    return end_ns, map(Bar, repeat(leg.id), lengths_s, _decimals(bars.open[part]), _decimals(bars.high[part]),
                       _decimals(bars.low[part]), closes, volume)


def _quotes(leg: Leg, from_ns: int, to_ns: int) -> Rows[Quote]:
    quotes = leg.quotes
    part = _span(quotes.at_ns, from_ns, to_ns)
    touch = quotes.touch_lots[part].tolist()
    return quotes.at_ns[part], map(Quote, repeat(leg.id), quotes.bid_ticks[part].tolist(),
                                   quotes.ask_ticks[part].tolist(), touch, touch, quotes.depth_lots[part].tolist())


def _valuing_marks(leg: Leg, from_ns: int, to_ns: int) -> Rows[Mark]:
    return _marks(leg, from_ns, to_ns, leg.marks.values)


def _margin_marks(leg: Leg, from_ns: int, to_ns: int) -> Rows[Mark]:
    return _marks(leg, from_ns, to_ns, ~leg.marks.values)


def _marks(leg: Leg, from_ns: int, to_ns: int, wanted: Mask) -> Rows[Mark]:
    marks = leg.marks
    part = _span(marks.at_ns, from_ns, to_ns)
    kept = wanted[part]
    index, estimate = marks.index[part][kept], marks.estimate[part][kept]
    no_index, no_estimate = np.isnan(index), np.isnan(estimate)
    indices: Iterable[Any] = repeat(None) if no_index.all() else (
        None if value != value else Decimal(repr(value)) for value in index.tolist())
    estimates: Iterable[Any] = repeat(None) if no_estimate.all() else (
        None if value != value else value for value in estimate.tolist())
    return marks.at_ns[part][kept], map(Mark, repeat(leg.id), _decimals(marks.mark[part][kept]), indices, estimates)


def _settlements(leg: Leg, from_ns: int, to_ns: int) -> Rows[FundingRate]:
    funding = leg.funding
    part = _span(funding.at_ns, from_ns, to_ns)
    at_ns = funding.at_ns[part]
    return at_ns, map(FundingRate, repeat(leg.id), at_ns.tolist(), _decimals(funding.rate[part]),
                      funding.interval_h[part].tolist())


def _halts(leg: Leg, from_ns: int, to_ns: int) -> Rows[InstrumentId]:
    at_ns = leg.halts_ns[_span(leg.halts_ns, from_ns, to_ns)]
    return at_ns, [leg.id] * len(at_ns)


def _changes(leg: Leg, from_ns: int, to_ns: int) -> Rows[Instrument]:
    # the first rules come with the session, not as a change
    at_ns = leg.rules.at_ns[1:]
    part = _span(at_ns, from_ns, to_ns)
    return at_ns[part], leg.rules.instruments[1:][part]


def _halted(at_ns: Nanos, venue: Venue, instruments: tuple[InstrumentId, ...]) -> TradingHalted:
    return TradingHalted(at_ns, venue, instruments, MISSING_BAR)


def _margin_only(at_ns: Nanos, venue: Venue, marks: tuple[Mark, ...]) -> Marks:
    return Marks(at_ns, venue, marks, False)


def _opening_quotes(at_ns: Nanos, venue: Venue, quotes: tuple[Quote, ...]) -> Quotes:
    return Quotes(at_ns, venue, quotes, False)
