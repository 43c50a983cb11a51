"""Where a protective stop stands: volatility-scaled, by average true range, and a ratchet that only tightens.

Prices are floats of one unit, arrays oldest first. Stops are for directional positions; a stop on one leg of a hedged
pair destroys the hedge. Sources: Wilder (1978) for ATR; quant reference section 11.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]

ATR_BARS: Final = 14


def volatility_stop(
    entry: float, side: int, sigma_daily: float, days: float, multiple: float = 2.5,
) -> float | NoAnswer:
    """entry x exp(-side k sigma sqrt(h)): k deviations of the holding period away.

    Args:
        side: +1 for a long (the stop lies below), -1 for a short.
        sigma_daily: volatility of log returns per day. days: the horizon h. multiple: k, 2.5 to 3.
    """
    if side not in (1, -1):
        return NoAnswer("out_of_range", f"side {side}: +1 or -1")
    if not all(math.isfinite(each) and each > 0.0 for each in (entry, sigma_daily, days, multiple)):
        return NoAnswer("out_of_range", f"entry {entry}, sigma {sigma_daily}, days {days}, k {multiple}: positive")
    return entry * math.exp(-side * multiple * sigma_daily * math.sqrt(days))


def touch_probability(multiple: float) -> float:
    """Chance that noise alone touches a stop k deviations away within the horizon: 2 (1 - Phi(k)).

    4.6 % at 2, 0.27 % at 3.
    """
    return float(2.0 * ndtr(-multiple))


def true_ranges(high: Vector, low: Vector, close: Vector) -> Vector:
    """max(high - low, |high - last close|, |low - last close|), shape (n,); the first bar has its own range only."""
    before = np.concatenate((close[:1], close[:-1]))
    spans = np.maximum(np.abs(high - before), np.abs(low - before))
    spans[:1] = 0.0
    return np.asarray(np.maximum(high - low, spans), dtype=np.float64)


def average_true_range(high: Vector, low: Vector, close: Vector, bars: int = ATR_BARS) -> Vector | NoAnswer:
    """Wilder's average: the mean of the first `bars` ranges, then (n - 1) / n of itself and 1 / n of the next.

    Returns:
        Shape (n,); NaN before the first full window. Row t uses rows <= t.
    """
    if not high.shape == low.shape == close.shape:
        raise ValueError(f"shapes differ: {high.shape}, {low.shape}, {close.shape}")
    if bars < 1 or len(close) < bars:
        return NoAnswer("too_little_history", f"{len(close)} bars, {max(bars, 1)} needed")
    if not (np.isfinite(high).all() and np.isfinite(low).all() and np.isfinite(close).all()) or (high < low).any():
        return NoAnswer("not_finite", "a bar is missing, or its high lies below its low")
    ranges = true_ranges(high, low, close)
    average = np.full(len(ranges), np.nan)
    average[bars - 1] = ranges[:bars].mean()
    for row in range(bars, len(ranges)):
        average[row] = (average[row - 1] * (bars - 1) + ranges[row]) / bars
    return average


def atr_stop(entry: float, side: int, atr: float, multiple: float = 3.0) -> float | NoAnswer:
    """entry - side k ATR; a long's stop is never below zero."""
    if side not in (1, -1):
        return NoAnswer("out_of_range", f"side {side}: +1 or -1")
    if not all(math.isfinite(each) and each > 0.0 for each in (entry, atr, multiple)):
        return NoAnswer("out_of_range", f"entry {entry}, ATR {atr}, multiple {multiple}: positive")
    return max(entry - side * multiple * atr, 0.0)


def chandelier_stops(high: Vector, low: Vector, atr: Vector, side: int, multiple: float = 3.0) -> Vector | NoAnswer:
    """A trailing stop hung from the best price since entry, k ATR away, that never moves back.

    Args:
        high, low, atr: shape (n,), bars since entry; the stop after bar t guards bar t + 1.
    Returns:
        Shape (n,).
    """
    if side not in (1, -1):
        return NoAnswer("out_of_range", f"side {side}: +1 or -1")
    if not len(atr) or not (np.isfinite(high).all() and np.isfinite(low).all() and np.isfinite(atr).all()):
        return NoAnswer("not_finite", "no bar, or one is missing")
    if side > 0:
        return np.asarray(np.maximum.accumulate(np.maximum.accumulate(high) - multiple * atr), dtype=np.float64)
    return np.asarray(np.minimum.accumulate(np.minimum.accumulate(low) + multiple * atr), dtype=np.float64)


def stop_distance(entry: float, stop: float, side: int) -> float | NoAnswer:
    """The loss at the stop as a fraction of the entry price: what `fixed_fraction_size` asks for."""
    distance = side * (entry - stop) / entry if entry > 0.0 else math.nan
    if not (math.isfinite(distance) and distance > 0.0):
        return NoAnswer("out_of_range", f"a stop at {stop} does not protect an entry at {entry} on side {side}")
    return distance
