"""Columns -> the events of the 60 s grid, an hour at a time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import repeat

from bot.domain.events import (
    EVENT_RANK,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    Mark,
    Marks,
    Quote,
    Quotes,
)
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_MINUTE, Nanos
from bot.venues.simulated.market.columns import DayColumns, Layout, VenueRows
from bot.venues.simulated.market.funding import FundingDay
from bot.venues.simulated.market.instruments import with_interval
from bot.venues.simulated.market.streams import MINUTES_PER_DAY

_RATE_PLACES = -8
_MINUTES = 60

GridEvent = Marks | Quotes | FundingSettled | InstrumentsChanged


def hour_events(
    day: DayColumns, hour: int, layout: Layout, perps: tuple[Instrument, ...],
) -> list[GridEvent]:
    """The events of minutes 60 * hour + 1 .. 60 * hour + 60, in the order of time, rank and venue."""
    first = hour * _MINUTES
    columns = slice(first, first + _MINUTES)
    times = [Nanos(day.midnight_ns + (first + k) * NS_PER_MINUTE) for k in range(1, _MINUTES + 1)]
    indices = _decimals(day.index_steps[:, columns].tolist(), layout.steps)
    streams: list[Iterator[GridEvent]] = [
        map(Marks, times, repeat(venue.venue), _marks(day, columns, venue, layout, indices))
        for venue in layout.venues if venue.perps]
    streams += [
        map(Quotes, times, repeat(venue.venue), _quotes(day, columns, venue)) for venue in layout.venues]
    events: list[GridEvent] = [event for minute in zip(*streams, strict=True) for event in minute]
    rare = _rare(day, first, layout, perps)
    if rare:
        events = sorted(events + rare, key=_order)
    return events


def settlements(
    funding: FundingDay, midnight_ns: int, layout: Layout, perps: tuple[Instrument, ...], first: int = 0,
    last: int = MINUTES_PER_DAY,
) -> list[FundingSettled]:
    """Settlements of minutes `first` < minute <= `last` of a day, one event per venue and instant, oldest first."""
    venue_of = {row: number for number, venue in enumerate(layout.venues) for row in venue.perps}
    settled: dict[tuple[int, int], list[FundingRate]] = {}
    for rate in funding.settlements:
        if first < rate.minute <= last:
            settled.setdefault((rate.minute, venue_of[rate.row]), []).append(FundingRate(
                perps[rate.row].id, Nanos(midnight_ns + rate.minute * NS_PER_MINUTE),
                Decimal(rate.rate_e8).scaleb(_RATE_PLACES), rate.interval_h))
    return [FundingSettled(rates[0].settled_ns, layout.venues[number].venue, tuple(rates))
            for (_, number), rates in sorted(settled.items(), key=lambda item: item[0])]


def announced_changes(day: DayColumns) -> list[tuple[int, int, int]]:
    """(minute, perpetual, interval): a change is told one minute later, so the old rate never meets the new rule."""
    begin = day.block.funding_begin
    told = [(1, row, begin.interval_h[row]) for row in begin.changed]
    return told + [(change.minute + 1, change.row, change.interval_h) for change in day.block.funding.changes]


def _rare(day: DayColumns, first: int, layout: Layout, perps: tuple[Instrument, ...]) -> list[GridEvent]:
    """What not every minute has: settlements, and intervals that change."""
    events: list[GridEvent] = []
    events += settlements(day.block.funding, day.midnight_ns, layout, perps, first, first + _MINUTES)
    for minute, row, interval_h in announced_changes(day):
        if first < minute <= first + _MINUTES:
            changed = with_interval(perps[row], interval_h)
            at_ns = Nanos(day.midnight_ns + minute * NS_PER_MINUTE)
            events.append(InstrumentsChanged(at_ns, changed.venue, (changed,)))
    return events


def _order(event: GridEvent) -> tuple[int, int, str]:
    return event.at_ns, EVENT_RANK[type(event)], event.venue


def _decimals(steps: list[list[int]], sizes: tuple[Decimal, ...]) -> list[list[Decimal]]:
    return [[size * count for count in row] for row, size in zip(steps, sizes, strict=True)]


def _marks(
    day: DayColumns, columns: slice, venue: VenueRows, layout: Layout, indices: list[list[Decimal]],
) -> Iterator[tuple[Mark, ...]]:
    rows = list(venue.perps)
    marks = _decimals(
        day.mark_steps[rows, columns].tolist(), tuple(layout.steps[coin] for coin in venue.perp_coins))
    estimates = day.block.funding.estimate[rows, columns].tolist()
    return zip(*(
        map(Mark, repeat(name), mark, indices[coin], estimate)
        for name, coin, mark, estimate in zip(venue.perp_ids, venue.perp_coins, marks, estimates, strict=True)
    ), strict=True)


def _quotes(day: DayColumns, columns: slice, venue: VenueRows) -> Iterator[tuple[Quote, ...]]:
    rows, book = list(venue.rows), day.book
    fields = [
        values[rows, columns].tolist()
        for values in (book.bid_ticks, book.ask_ticks, book.bid_lots, book.ask_lots, book.depth_lots)]
    return zip(*(
        map(Quote, repeat(name), *values) for name, *values in zip(venue.ids, *fields, strict=True)), strict=True)
