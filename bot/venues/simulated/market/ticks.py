"""1 s ticks between two 60 s points: a Brownian bridge and prints from streams of their own.

A minute's ticks are keyed by (seed, coin or instrument, minute) and bound to the points at both ends, so they are the
same whoever asks for which part of them, and the 60 s path never depends on them. The composite's bridge has the
minute's own volatility and is shared by all instruments of a coin; each instrument's distance to it has a bridge far
smaller, so that no false basis appears inside a minute.

Prints: the minute's turnover falls on its 59 inner seconds in exponential shares; each second shows at most one buy at
the ask and one sell at the bid, more on the side the price moves to.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.domain.events import Mark, MarketEvent, Marks, Print, Prints, Quote, Quotes
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos, Side
from bot.venues.simulated.market.columns import DayColumns, Layout, VenueRows, whole_steps
from bot.venues.simulated.market.path import PathModel, Point
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array, IntArray, stream

_SECONDS: Final = 60
_INNER: Final = _SECONDS - 1
_OWN_BRIDGE_BPS: Final = 0.25
"""Standard deviation over a minute of an instrument's distance to the composite, times the coin's `noise_bps`."""
_SIZE_LOG_SD: Final = 0.3
_MOVE_SHARE: Final = 0.35


class _Seconds(msgspec.Struct, frozen=True):
    """Seconds 1 .. 59 of a minute; arrays are (rows, 59)."""

    index_steps: list[list[int]]
    mark_steps: list[list[int]]
    estimates: list[float | None]
    bid_ticks: list[list[int]]
    ask_ticks: list[list[int]]
    bid_lots: list[list[int]]
    ask_lots: list[list[int]]
    depth_lots: list[int]
    buy_lots: list[list[int]]
    sell_lots: list[list[int]]


def minute_ticks(model: PathModel, layout: Layout, day: DayColumns, minute: int) -> list[MarketEvent]:
    """The ticks inside minute `minute` (1 .. 1440) of the day, in the order of time, rank and venue."""
    seconds = _seconds(model, layout, day, minute)
    begin_ns = day.midnight_ns + (minute - 1) * NS_PER_MINUTE
    events: list[MarketEvent] = []
    for second in range(_INNER):
        at_ns = Nanos(begin_ns + (second + 1) * NS_PER_S)
        events.extend(
            Marks(at_ns, venue.venue, _marks(layout, venue, seconds, second)) for venue in layout.venues if venue.perps)
        for venue in layout.venues:
            events.append(Quotes(at_ns, venue.venue, _quotes(venue, seconds, second)))
            prints = _prints(venue, seconds, second)
            if prints:
                events.append(Prints(at_ns, venue.venue, prints))
    return events


def _seconds(model: PathModel, layout: Layout, day: DayColumns, minute: int) -> _Seconds:
    rows, column, number = model.rows, minute - 1, day.block.day * MINUTES_PER_DAY + minute
    begin, end = _ends(day, column)
    coin_rows = [row.coin_row for row in rows]
    perp_coins = [coin_rows[row] for row in model.perp_rows]
    coins = [f"ticks/{coin.coin}" for coin in model.params.coins]
    draws = np.stack([stream(model.seed, name, number).standard_normal(_SECONDS) for name in coins])
    log_index = _bridge(np.log(begin.index), np.log(end.index), day.block.vol_minute[:, column], draws)
    index = np.exp(log_index)

    streams = [stream(model.seed, f"ticks/{row.instrument.id}", number) for row in rows]
    draws = np.stack([own.standard_normal(_SECONDS) for own in streams])
    distance_sd = np.array([model.params.coins[coin].noise_bps for coin in coin_rows]) * _OWN_BRIDGE_BPS * 1e-4
    distance = _bridge(
        begin.mid / begin.index[coin_rows] - 1.0, end.mid / end.index[coin_rows] - 1.0, distance_sd, draws)
    mid = index[coin_rows] * (1.0 + distance)
    bid, ask = _touch(model, day, column, mid)
    sizes = np.exp(_SIZE_LOG_SD * np.stack([own.standard_normal((2, _INNER)) for own in streams]))
    book = day.book
    bid_lots = np.maximum(book.bid_lots[:, column, None] * sizes[:, 0], 1.0).astype(np.int64)
    ask_lots = np.maximum(book.ask_lots[:, column, None] * sizes[:, 1], 1.0).astype(np.int64)

    shares = np.stack([own.standard_exponential(_INNER) for own in streams])
    usd = book.turnover_usd[:, column, None] * shares / shares.sum(axis=1, keepdims=True)
    moves = np.diff(log_index, axis=1, prepend=np.log(begin.index)[:, None])
    buyers = 0.5 + _MOVE_SHARE * np.tanh(moves * np.sqrt(_SECONDS) / day.block.vol_minute[:, column, None])
    lots = usd / (mid * np.array([float(row.instrument.lot_size) for row in rows])[:, None])
    buys = (lots * buyers[coin_rows]).astype(np.int64)
    sells = (lots * (1.0 - buyers[coin_rows])).astype(np.int64)

    share = np.arange(1, _SECONDS) / _SECONDS
    smooth = begin.smooth[:, None] + (end.smooth - begin.smooth)[:, None] * share
    step = np.array([float(value) for value in layout.steps])
    return _Seconds(
        index_steps=whole_steps(index, step).tolist(),
        mark_steps=whole_steps(index[perp_coins] * (1.0 + smooth), step[perp_coins]).tolist(),
        estimates=_estimates(day, column), bid_ticks=bid.tolist(), ask_ticks=ask.tolist(),
        bid_lots=bid_lots.tolist(), ask_lots=ask_lots.tolist(), depth_lots=book.depth_lots[:, column].tolist(),
        buy_lots=buys.tolist(), sell_lots=sells.tolist())


def _ends(day: DayColumns, column: int) -> tuple[Point, Point]:
    """The 60 s points at which the minute begins and ends."""
    block = day.block
    points = [
        Point(block.index[:, at], block.mid[:, at], block.smooth[:, at]) if at >= 0 else day.begin
        for at in (column - 1, column)]
    return points[0], points[1]


def _bridge(begin: Array, end: Array, sd: Array, draws: Array) -> Array:
    """Brownian bridges at seconds 1 .. 59, shape (n, 59), from draws of shape (n, 60); `sd` is a whole minute's."""
    walk = np.cumsum(draws, axis=1) * (sd / np.sqrt(_SECONDS))[:, None]
    share = np.arange(1, _SECONDS + 1) / _SECONDS
    path = begin[:, None] + walk + share * (end - begin - walk[:, -1])[:, None]
    return np.asarray(path[:, :-1], dtype=np.float64)


def _touch(model: PathModel, day: DayColumns, column: int, mid: Array) -> tuple[IntArray, IntArray]:
    """Bid and ask in ticks: the minute's width around each second's middle."""
    width = (day.book.ask_ticks - day.book.bid_ticks)[:, column, None]
    ticks = mid / np.array([float(row.instrument.tick_size) for row in model.rows])[:, None]
    bid = np.maximum(np.floor(ticks - 0.5 * width + 0.5), 1.0).astype(np.int64)
    return bid, bid + width


def _estimates(day: DayColumns, column: int) -> list[float | None]:
    """The last published running rate; None in the first minute of an interval, when the venue has no sample yet."""
    estimate = day.block.funding.estimate
    if column == 0:
        return [None] * estimate.shape[0]
    begun = {settled.row for settled in day.block.funding.settlements if settled.minute == column}
    return [None if row in begun else value for row, value in enumerate(estimate[:, column - 1].tolist())]


def _marks(layout: Layout, venue: VenueRows, seconds: _Seconds, second: int) -> tuple[Mark, ...]:
    return tuple(
        Mark(name, layout.steps[coin] * seconds.mark_steps[perp][second],
             layout.steps[coin] * seconds.index_steps[coin][second], seconds.estimates[perp])
        for name, perp, coin in zip(venue.perp_ids, venue.perps, venue.perp_coins, strict=True))


def _quotes(venue: VenueRows, seconds: _Seconds, second: int) -> tuple[Quote, ...]:
    return tuple(
        Quote(name, seconds.bid_ticks[row][second], seconds.ask_ticks[row][second], seconds.bid_lots[row][second],
              seconds.ask_lots[row][second], max(seconds.depth_lots[row], seconds.bid_lots[row][second],
                                                 seconds.ask_lots[row][second]))
        for name, row in zip(venue.ids, venue.rows, strict=True))


def _prints(venue: VenueRows, seconds: _Seconds, second: int) -> tuple[Print, ...]:
    prints = []
    for name, row in zip(venue.ids, venue.rows, strict=True):
        bought, sold = seconds.buy_lots[row][second], seconds.sell_lots[row][second]
        if bought > 0:
            prints.append(Print(name, Side.BUY, seconds.ask_ticks[row][second], bought))
        if sold > 0:
            prints.append(Print(name, Side.SELL, seconds.bid_ticks[row][second], sold))
    return tuple(prints)
