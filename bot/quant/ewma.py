"""Exponentially weighted variance: `v = decay v + (1 - decay) r^2`, started from the mean of the first squares.

Source: RiskMetrics (1996); quant-reference 5.2. The unit of the result is the square of the returns' unit.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

DAILY_DECAY: Final = 0.94
"""RiskMetrics' daily decay: a half-life of 11.2 days."""
REALISED_DECAY: Final = 0.85
"""Decay for realised variances, which are far less noisy than squared daily returns."""
FAST_HALF_LIFE_H: Final = 24.0
SLOW_HALF_LIFE_H: Final = 168.0
SEED_POINTS: Final = 30


def decay_of(half_life: float) -> float:
    """The decay whose weights halve every `half_life` rows.

    Raises:
        ValueError: unless `half_life` is above 0.
    """
    if not half_life > 0:
        raise ValueError(f"half-life {half_life} must be above 0")
    return math.pow(0.5, 1.0 / half_life)


def half_life_of(decay: float) -> float:
    """Rows after which the weight of a square has halved.

    Raises:
        ValueError: unless `decay` is within (0, 1).
    """
    _check(decay)
    return math.log(0.5) / math.log(decay)


def ewma_variance(returns: Vector, decay: float, seed_points: int = SEED_POINTS) -> Vector:
    """Variance forecasts that use the past alone.

    Args:
        returns: shape (n,), oldest first. NaN or infinite says nothing: the variance stays as it was.
        decay: weight of the past, within (0, 1).
        seed_points: known squares whose mean starts the recursion.
    Returns:
        Shape (n,), row t = forecast for t + 1 from rows <= t; NaN until `seed_points` returns are known.
    Raises:
        ValueError: for a decay outside (0, 1) or no seed.
    """
    return smoothed(np.square(returns), decay, seed_points)


def smoothed(squares: Vector, decay: float, seed_points: int = SEED_POINTS) -> Vector:
    """`ewma_variance` of what is squared already, realised variances for instance; same rows, same rules for NaN."""
    _check(decay)
    if seed_points < 1:
        raise ValueError(f"seed_points {seed_points} must be at least 1")
    out = np.full(len(squares), np.nan)
    known = np.flatnonzero(np.isfinite(squares))
    if len(known) < seed_points:
        return out
    start = int(known[seed_points - 1])
    value = float(squares[known[:seed_points]].mean())
    rows = [value]
    fresh = 1.0 - decay
    for square in squares[start + 1:].tolist():
        if square < math.inf:  # false for a NaN too
            value = decay * value + fresh * square
        rows.append(value)
    out[start:] = rows
    return out


def _check(decay: float) -> None:
    """Refuse a decay that forgets nothing or everything."""
    if not 0.0 < decay < 1.0:
        raise ValueError(f"decay {decay} must be above 0 and below 1")
