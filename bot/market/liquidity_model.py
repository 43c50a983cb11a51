"""Spread and depth where history has none: one stated function of venue, kind, coin and what has been traded lately.

With V the turnover in million USD per hour (the smaller of the mean of the last 24 h and of the last 168 h, so that a
surge does not pretend depth), per side of the book:

    half spread = factor * 1.5 / sqrt(V) bp, at least 0.1 (BTC, ETH) or 0.5 (others), at most 25
    depth 50 bp  = 0.03 * V
    touch        = 0.05 * depth 50 bp

with factor 1 for perpetuals, 1.5 for spot, times 1.25 on a venue that is not one of the three large books. Calibrated
on public figures of 2024-25, on the dear side: Hyperliquid BTC has a mean half spread of 0.12 bp and 1.5 M USD within
50 bp per side at V = 50 (model: 0.27 bp, 1.5 M), ETH 0.23 bp and 2.1 M at V = 31 (0.34 bp, 0.9 M). Binance BTC and ETH
quote one tick (under 0.1 bp) with tens of millions within 50 bp; the model has 0.1 bp and 15 and 9 M.
Before anything has traded V is 0: the widest spread, and no depth.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.domain.instrument import Kind
from bot.domain.values import NS_PER_HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPREAD_AT_1_MUSD_BPS: Final = 1.5
HALF_SPREAD_MAX_BPS: Final = 25.0
FLOOR_MAJORS_BPS: Final = 0.1
FLOOR_OTHERS_BPS: Final = 0.5
DEPTH_SHARE_OF_HOUR: Final = 0.03
TOUCH_SHARE_OF_DEPTH: Final = 0.05
SPOT_FACTOR: Final = 1.5
SMALL_VENUE_FACTOR: Final = 1.25
MAJORS: Final = frozenset({"BTC", "ETH"})
LARGE_VENUES: Final = frozenset({"binance", "bybit", "okx"})
SHORT_H: Final = 24
LONG_H: Final = 168


def trailing_turnover_usd_h(end_ns: Ints, turnover_usd: Floats, at_ns: Ints) -> Floats:
    """What traded per hour before each instant: the smaller of the 24 h mean and the 168 h mean.

    Args:
        end_ns: shape (n,), closing times of the bars, ascending.
        turnover_usd: shape (n,), volume times close of each bar; NaN counts as nothing traded.
        at_ns: shape (m,), the instants asked for.
    Returns:
        Shape (m,), USD per hour, from bars with end <= at alone, each counted to the dollar. Hours without a bar count
        as nothing traded.
    """
    # whole dollars add up exactly: a window's sum does not depend on where the series begins
    whole = np.rint(np.nan_to_num(turnover_usd, nan=0.0)).astype(np.int64)
    total = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(whole)))
    upto = np.searchsorted(end_ns, at_ns, side="right")
    means = [
        (total[upto] - total[np.searchsorted(end_ns, at_ns - hours * NS_PER_HOUR, side="right")]) / hours
        for hours in (SHORT_H, LONG_H)
    ]
    return np.asarray(np.minimum(means[0], means[1]))


def half_spread_bps(venue: str, kind: Kind, coin: str, turnover_usd_h: Floats) -> Floats:
    """Half the spread in bp of the price, for each turnover in USD per hour."""
    factor = (SPOT_FACTOR if kind is Kind.SPOT else 1.0) * (1.0 if venue in LARGE_VENUES else SMALL_VENUE_FACTOR)
    floor = FLOOR_MAJORS_BPS if coin in MAJORS else FLOOR_OTHERS_BPS
    with np.errstate(divide="ignore"):
        raw = factor * SPREAD_AT_1_MUSD_BPS / np.sqrt(turnover_usd_h / 1e6)
    return np.clip(raw, floor, HALF_SPREAD_MAX_BPS)


def depth_usd(turnover_usd_h: Floats) -> tuple[Floats, Floats]:
    """USD per side at the touch, and within 50 bp of it (the touch included)."""
    within = DEPTH_SHARE_OF_HOUR * turnover_usd_h
    return TOUCH_SHARE_OF_DEPTH * within, within
