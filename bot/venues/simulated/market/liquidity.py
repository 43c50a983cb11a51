"""The touch, the depth behind it and the turnover of every instrument and minute, in whole ticks and lots.

The stated model: a listing's figures hold in a quiet minute; spread grows and size shrinks with (volatility / its
long-run level) to `stress_power`, turnover grows in proportion; each minute has lognormal noise of its own. Nothing
here is state, so it is computed only where it is read.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.venues.simulated.market.instruments import Row
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array, IntArray, stream

_RATIO_MIN: Final = 0.2
_RATIO_MAX: Final = 8.0
_DRAWS: Final = len(("spread", "bid", "ask", "depth", "turnover"))


class Liquidity(msgspec.Struct, frozen=True):
    """One day of quotes; arrays have shape (n_instruments, 1440)."""

    bid_ticks: IntArray
    ask_ticks: IntArray
    bid_lots: IntArray
    ask_lots: IntArray
    depth_lots: IntArray
    """Within 50 bp of the touch, each side, the touch included."""
    turnover_usd: Array
    """Traded in the minute that ends here."""


def liquidity_day(
    params: EmbeddedParams, rows: tuple[Row, ...], seed: int, day: int, mid: Array, vol_ratio: Array,
) -> Liquidity:
    """Quotes around `mid`, shape (n_instruments, 1440), given the coins' volatility ratio, shape (n_coins, 1440)."""
    ratio = np.clip(vol_ratio, _RATIO_MIN, _RATIO_MAX)
    coin_rows = [row.coin_row for row in rows]
    stress = (ratio**params.stress_power)[coin_rows]
    draws = np.stack([
        stream(seed, f"liquidity/{row.instrument.id}", day).standard_normal((_DRAWS, MINUTES_PER_DAY)) for row in rows])
    spread = _column(rows, "spread_bps") * 1e-4 * stress * np.exp(params.spread_log_sd * draws[:, 0])
    bid_ticks, ask_ticks = touch(rows, mid, spread)
    per_lot = mid * np.array([float(row.instrument.lot_size) for row in rows])[:, None] * stress
    noise = np.exp(params.size_log_sd * draws[:, 1:4])
    touch_lots = _column(rows, "touch_usd") / per_lot
    bid_lots, ask_lots = _lots(touch_lots * noise[:, 0]), _lots(touch_lots * noise[:, 1])
    depth_lots = np.maximum(
        _lots(_column(rows, "depth_usd") / per_lot * noise[:, 2]), np.maximum(bid_lots, ask_lots))
    sd = params.turnover_log_sd
    turnover = _column(rows, "turnover_hour_usd") / 60.0 * ratio[coin_rows] * np.exp(sd * draws[:, 4] - 0.5 * sd * sd)
    return Liquidity(bid_ticks, ask_ticks, bid_lots, ask_lots, depth_lots, turnover)


def touch(rows: tuple[Row, ...], mid: Array, spread: Array) -> tuple[IntArray, IntArray]:
    """Best bid and ask in ticks around a mid price; at least one tick apart, never below one tick.

    Args:
        mid: shape (n_instruments, t), USD; `spread`: same shape, fraction of the mid.
    """
    middle = mid / np.array([float(row.instrument.tick_size) for row in rows])[:, None]
    # a spread below one tick is shown as one: the bid is then the tick at or below the middle
    half = np.maximum(middle * spread * 0.5, 0.5)
    bid = np.maximum(np.floor(middle - half + 0.5), 1.0).astype(np.int64)
    ask = np.maximum(np.floor(middle + half + 0.5).astype(np.int64), bid + 1)
    return bid, ask


def _column(rows: tuple[Row, ...], name: str) -> Array:
    return np.array([float(getattr(row.listing, name)) for row in rows])[:, None]


def _lots(lots: Array) -> IntArray:
    return np.maximum(lots, 1.0).astype(np.int64)
