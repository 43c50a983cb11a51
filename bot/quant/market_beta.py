"""Beta to the market with a standard error that survives autocorrelation (Newey-West), numpy only.

Source: quant-reference section 10; Newey and West (1987) with the Bartlett kernel and L = floor(4 (n / 100)^(2/9)).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

ROWS_MIN: Final = 20
"""Two coefficients and their error from fewer days would be read as knowledge."""


class MarketBeta(msgspec.Struct, frozen=True):
    """The slope on the market, its standard error, and how both came about."""

    value: float
    se: float
    lags: int
    rows: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval under normality."""
        return self.value - 1.96 * self.se, self.value + 1.96 * self.se


def newey_west_lags(rows: int) -> int:
    """The usual bandwidth floor(4 (n / 100)^(2/9))."""
    return math.floor(4.0 * math.pow(rows / 100.0, 2.0 / 9.0))


def market_beta(returns: Vector, market: Vector, lags: int | None = None) -> MarketBeta | None:
    """Regress returns on a constant and the market's; HAC standard error of the slope, no small-sample factor.

    Args:
        returns: shape (n,), fractions per day, oldest first. A row with a NaN here or in the market is left out, and
            its neighbours then count as adjacent.
        market: shape (n,), the market's returns over the same days.
        lags: autocovariances that count; default `newey_west_lags`.
    Returns:
        None with fewer than `ROWS_MIN` known rows, or a market that does not move.
    Raises:
        ValueError: if the shapes differ.
    """
    if returns.shape != market.shape:
        raise ValueError(f"returns have shape {returns.shape}, the market {market.shape}")
    known = np.isfinite(returns) & np.isfinite(market)
    y, x = returns[known], market[known]
    if len(y) < ROWS_MIN or float(np.std(x)) <= 1e-12 * max(float(np.abs(x).max()), 1e-300):
        return None
    design = np.column_stack((np.ones_like(x), x))
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    count = min(newey_west_lags(len(y)) if lags is None else lags, len(y) - 1)
    scores = design * (y - design @ coefficients)[:, None]
    variance = float((inverse @ _long_run(scores, count) @ inverse)[1, 1])
    return MarketBeta(float(coefficients[1]), math.sqrt(max(variance, 0.0)), count, len(y))


def _long_run(scores: Matrix, lags: int) -> Matrix:
    """Sum of the scores' autocovariances under the Bartlett kernel; shape (k, k), positive semi-definite."""
    total: Matrix = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        total = total + (1.0 - lag / (lags + 1.0)) * (cross + cross.T)
    return total
