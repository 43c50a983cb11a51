"""Hourly history of coins for risk studies: perp mark, spot and settled funding on one clock, from files or the demo.

A close belongs to the hour that it ends. Hours that are missing are NaN; nothing is carried over them.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR
from bot.storage.history import HistoryFolder
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.path import PathModel, simulate_days

Vector = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

_HOUR_S: Final = 3_600
_DAYS_MIN: Final = 120
_QUOTES: Final = ("USDT", "USDC")


class CoinHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One coin at one venue. All arrays have shape (n,), one row an hour, oldest first."""

    coin: str
    venue: str
    closed_ns: Times
    """The instant at which each hour ends, UTC."""
    perp: Vector
    """Mark (its own close where the venue has no marks), USD."""
    spot: Vector
    """Spot close, USD; all NaN without a spot market."""
    funding: Vector
    """Rate settled at the hour's end, a fraction of notional that longs pay; 0 where nothing was settled."""
    source: str

    def daily(self, values: Vector) -> Vector:
        """The values at 00 UTC, shape (n_days,)."""
        found: Vector = values[self.closed_ns % NS_PER_DAY == 0]
        return found

    @property
    def day_ns(self) -> Times:
        """The midnights that `daily` stands at."""
        found: Times = self.closed_ns[self.closed_ns % NS_PER_DAY == 0]
        return found

    def daily_funding(self) -> Vector:
        """Funding settled in the 24 h up to each midnight after the first, shape (n_days - 1,)."""
        total = np.cumsum(self.funding)
        return np.diff(total[self.closed_ns % NS_PER_DAY == 0])


def from_folder(history: HistoryFolder, venue: str, coins: tuple[str, ...], from_ns: int | None = None,
                to_ns: int | None = None) -> tuple[CoinHistory, ...]:
    """Coins of one venue from Parquet history.

    Raises:
        DataRefused: a coin has no hourly perpetual there, or less than 120 days of it.
    """
    return tuple(_coin(history, venue, coin, from_ns, to_ns) for coin in coins)


def _coin(history: HistoryFolder, venue: str, coin: str, from_ns: int | None, to_ns: int | None) -> CoinHistory:
    begin, end = from_ns if from_ns is not None else 0, to_ns if to_ns is not None else 1 << 62
    have = {(info.kind, info.symbol) for kind in ("ohlcv", "mark", "funding") for info in history.series(kind)
            if info.venue == venue and info.bar_s in (0, _HOUR_S)}
    quote = next((each for each in _QUOTES if {("mark", perp_of(coin, each)), ("ohlcv", perp_of(coin, each))} & have),
                 None)
    if quote is None:
        raise DataRefused(f"{history.folder}: no hourly mark or bars of {coin}'s perpetual at {venue}; choose another"
                          " --symbols or --venues")
    symbol = perp_of(coin, quote)
    if ("mark", symbol) in have:
        marks = history.marks(venue, symbol, _HOUR_S, begin, end)
        ts_ns, perp, source = marks.ts_ns, marks.mark, "mark"
    else:
        bars = history.bars(venue, symbol, _HOUR_S, begin, end)
        ts_ns, perp, source = bars.ts_ns, bars.close, "close for mark"
    if len(ts_ns) < _DAYS_MIN * 24:
        raise DataRefused(f"{history.folder}: {venue} {coin}: {len(ts_ns)} hours, {_DAYS_MIN * 24} are needed")
    closed_ns = np.arange(ts_ns[0] + NS_PER_HOUR, ts_ns[-1] + 2 * NS_PER_HOUR, NS_PER_HOUR, dtype=np.int64)
    spot_ns: Times = np.zeros(0, dtype=np.int64)
    spot: Vector = np.zeros(0)
    if ("ohlcv", f"{coin}/{quote}") in have:
        row = history.bars(venue, f"{coin}/{quote}", _HOUR_S, begin, end)
        spot_ns, spot = row.ts_ns + NS_PER_HOUR, row.close
    funding = np.zeros(len(closed_ns))
    if ("funding", symbol) in have:
        settled = history.funding(venue, symbol, int(closed_ns[0]), int(closed_ns[-1]))
        funding[(settled.ts_ns - closed_ns[0]) // NS_PER_HOUR] = settled.rate
        source += ", funding settled"
    else:
        funding[:] = np.nan
    return CoinHistory(coin=coin, venue=venue, closed_ns=closed_ns, perp=_on_grid(closed_ns, ts_ns + NS_PER_HOUR, perp),
                       spot=_on_grid(closed_ns, spot_ns, spot), funding=funding, source=source)


def perp_of(coin: str, quote: str) -> str:
    """A linear perpetual's symbol."""
    return f"{coin}/{quote}:{quote}"


def _on_grid(grid: Times, at_ns: Times, values: Vector) -> Vector:
    """Values at their places on an hourly grid, NaN elsewhere."""
    found = np.full(len(grid), np.nan)
    if len(at_ns):
        places = (at_ns - grid[0]) // NS_PER_HOUR
        inside = (places >= 0) & (places < len(grid))
        found[places[inside]] = values[inside]
    return found


def from_demo(params: EmbeddedParams, seed: int, coins: tuple[str, ...], days: int, start_ns: int
              ) -> tuple[CoinHistory, ...]:
    """The embedded market's first days, each coin at the first venue that has both its spot and its perpetual.

    Raises:
        DataRefused: a coin is not in the embedded market.
    """
    model = PathModel(params, seed)
    blocks = list(simulate_days(params, seed, days))
    closed_ns = start_ns - start_ns % NS_PER_DAY + NS_PER_HOUR * np.arange(1, days * 24 + 1, dtype=np.int64)
    found = []
    for coin in coins:
        places: dict[str, dict[bool, int]] = {}
        for place, row in enumerate(model.rows):
            if row.instrument.coin == coin:
                places.setdefault(row.instrument.venue, {})[row.instrument.is_perp] = place
        venue = next((name for name, legs in places.items() if len(legs) == 2), None)
        if venue is None:
            known = ", ".join(dict.fromkeys(row.instrument.coin for row in model.rows))
            raise DataRefused(f"{coin}: not on the embedded market (it has {known}); give --data DIR for others")
        spot_row, perp_row = places[venue][False], places[venue][True]
        number = model.perp_rows.index(perp_row)
        funding = np.zeros(len(closed_ns))
        for block in blocks:
            for settled in block.funding.settlements:
                if settled.row == number:
                    funding[block.day * 24 + settled.minute // 60 - 1] = settled.rate_e8 * 1e-8
        found.append(CoinHistory(
            coin=coin, venue=venue, closed_ns=closed_ns, perp=np.concatenate([b.mark[number, 59::60] for b in blocks]),
            spot=np.concatenate([b.mid[spot_row, 59::60] for b in blocks]), funding=funding,
            source="embedded market"))
    return tuple(found)
