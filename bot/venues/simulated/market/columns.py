"""A day of points as the whole numbers that events carry: ticks, lots and price steps."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np

from bot.domain.values import Coin, InstrumentId, Nanos, Venue
from bot.venues.simulated.market.liquidity import Liquidity, liquidity_day
from bot.venues.simulated.market.path import DayBlock, DayState, PathModel, Point
from bot.venues.simulated.market.streams import Array, IntArray

_STEPS_PER_TICK = 100


class VenueRows(msgspec.Struct, frozen=True):
    """Which rows belong to a venue: of all instruments, and of perpetuals with their coins."""

    venue: Venue
    rows: tuple[int, ...]
    ids: tuple[InstrumentId, ...]
    perps: tuple[int, ...]
    perp_ids: tuple[InstrumentId, ...]
    perp_coins: tuple[int, ...]


class Layout(msgspec.Struct, frozen=True):
    """Venues in order of name (the order of events), and the price step of each coin's marks and indices."""

    venues: tuple[VenueRows, ...]
    steps: tuple[Decimal, ...]
    """Per coin: a hundredth of its finest tick."""


class DayColumns(msgspec.Struct, frozen=True):
    """One day, ready to become events. Arrays are (rows, 1440); column k - 1 is minute k after midnight."""

    midnight_ns: Nanos
    block: DayBlock
    begin: Point
    book: Liquidity
    mark_steps: IntArray
    index_steps: IntArray


def layout_of(model: PathModel) -> Layout:
    """The layout of a market's instruments."""
    numbers = {row: number for number, row in enumerate(model.perp_rows)}
    venues = []
    for venue in sorted({row.instrument.venue for row in model.rows}):
        own = [n for n, row in enumerate(model.rows) if row.instrument.venue == venue]
        perps = [n for n in own if model.rows[n].instrument.is_perp]
        venues.append(VenueRows(
            venue, tuple(own), tuple(model.rows[n].instrument.id for n in own), tuple(numbers[n] for n in perps),
            tuple(model.rows[n].instrument.id for n in perps), tuple(model.rows[n].coin_row for n in perps)))
    steps = []
    for coin in model.params.coins:
        ticks = [row.instrument.tick_size for row in model.rows if row.instrument.coin == Coin(coin.coin)]
        steps.append(min(ticks, default=Decimal(1)) / _STEPS_PER_TICK)
    return Layout(tuple(venues), tuple(steps))


def columns_of(model: PathModel, layout: Layout, state: DayState, midnight_ns: int) -> DayColumns:
    """The day that begins with `state`, drawn and rounded."""
    block = model.day(state)
    book = liquidity_day(model.params, model.rows, model.seed, state.day, block.mid, block.vol_ratio)
    perp_coins = [model.rows[row].coin_row for row in model.perp_rows]
    step = np.array([float(value) for value in layout.steps])
    return DayColumns(
        Nanos(midnight_ns), block, model.midnight(state), book,
        mark_steps=whole_steps(block.mark, step[perp_coins]), index_steps=whole_steps(block.index, step))


def whole_steps(prices: Array, step: Array) -> IntArray:
    """Prices, shape (n, t), in whole steps, shape (n,); at least one."""
    return np.maximum(np.rint(prices / step[:, None]), 1.0).astype(np.int64)
