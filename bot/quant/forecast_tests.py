"""How good variance forecasts are: QLIKE, the bias regression of Mincer and Zarnowitz, Diebold and Mariano's test.

Source: Patton (2011) for QLIKE's robustness to a noisy proxy; Mincer, Zarnowitz (1969); Diebold, Mariano (1995);
Newey, West (1987).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.market_beta import newey_west_lags

Vector = npt.NDArray[np.float64]

ROWS_MIN: Final = 20


class MincerZarnowitz(msgspec.Struct, frozen=True, kw_only=True):
    """realised = a + b forecast; unbiased forecasts have a = 0 and b = 1."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    p_unbiased: float
    """p value of the joint hypothesis (Wald, HAC, chi-squared with 2 degrees)."""
    r2: float
    rows: int


class DieboldMariano(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the first forecast loses less than the second."""

    mean_difference: float
    """Mean loss of the first minus mean loss of the second; negative = the first is better."""
    statistic: float
    p_value: float
    """Two-sided, normal."""
    rows: int


def qlike_losses(realised: Vector, forecast: Vector) -> Vector:
    """RV / h - ln(RV / h) - 1 per row, shape (n,): 0 for a perfect forecast; NaN where either is unknown or not > 0."""
    fine = np.isfinite(realised) & np.isfinite(forecast) & (realised > 0) & (forecast > 0)
    ratio = np.where(fine, realised, 1.0) / np.where(fine, forecast, 1.0)
    return np.where(fine, ratio - np.log(ratio) - 1.0, np.nan)


def qlike(realised: Vector, forecast: Vector) -> float | None:
    """Mean QLIKE over the rows known to both; None if there is none."""
    losses = qlike_losses(realised, forecast)
    known = losses[np.isfinite(losses)]
    return float(known.mean()) if len(known) else None


def mincer_zarnowitz(realised: Vector, forecast: Vector, lags: int | None = None) -> MincerZarnowitz | None:
    """Regress realised on forecast with HAC errors (Bartlett).

    Args:
        realised, forecast: shape (n,), same unit; rows with a NaN in either are left out.
        lags: default `newey_west_lags`.
    Returns:
        None with fewer than `ROWS_MIN` rows, or a forecast that does not move.
    """
    from scipy.special import chdtrc

    known = np.isfinite(realised) & np.isfinite(forecast)
    y, x = realised[known], forecast[known]
    if len(y) < ROWS_MIN or float(np.ptp(x)) <= 1e-12 * float(np.abs(x).max()):
        return None
    size = float(np.mean(np.abs(x)))
    design = np.column_stack((np.full(len(x), size), x)) / size  # variances of 1e-4: without a scale X'X is singular
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ (y / size)
    residual = y / size - design @ coefficients
    scores = design * residual[:, None]
    count = newey_west_lags(len(y)) if lags is None else lags
    middle = scores.T @ scores
    for lag in range(1, min(count, len(y) - 1) + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle = middle + (1.0 - lag / (count + 1.0)) * (cross + cross.T)
    covariance = inverse @ middle @ inverse
    gap = coefficients - np.array([0.0, 1.0])
    wald = float(gap @ np.linalg.solve(covariance, gap))
    total = float(np.square(y / size - (y / size).mean()).sum())
    return MincerZarnowitz(
        intercept=float(coefficients[0]) * size, slope=float(coefficients[1]),
        intercept_se=math.sqrt(float(covariance[0, 0])) * size, slope_se=math.sqrt(float(covariance[1, 1])),
        p_unbiased=float(chdtrc(2.0, wald)), r2=1.0 - float(residual @ residual) / total if total > 0 else math.nan,
        rows=len(y),
    )


def diebold_mariano(losses_a: Vector, losses_b: Vector, lags: int | None = None) -> DieboldMariano | None:
    """Test of equal expected loss on the rows known to both, HAC variance (Bartlett).

    Args:
        losses_a, losses_b: shape (n,), per-row losses (`qlike_losses`) of two forecasts of the same thing.
        lags: default `newey_west_lags`.
    Returns:
        None with fewer than `ROWS_MIN` rows, or losses that never differ.
    """
    difference = losses_a - losses_b
    difference = difference[np.isfinite(difference)]
    n = len(difference)
    if n < ROWS_MIN:
        return None
    mean = float(difference.mean())
    centred = difference - mean
    count = min(newey_west_lags(n) if lags is None else lags, n - 1)
    long_run = float(centred @ centred) / n
    for lag in range(1, count + 1):
        long_run += 2.0 * (1.0 - lag / (count + 1.0)) * float(centred[lag:] @ centred[:-lag]) / n
    if not long_run > 0:
        return None
    statistic = mean / math.sqrt(long_run / n)
    return DieboldMariano(mean_difference=mean, statistic=statistic,
                          p_value=math.erfc(abs(statistic) / math.sqrt(2.0)), rows=n)
