"""HAR: tomorrow's log realised variance from today's, the week's and the month's (Corsi 2009), by least squares.

    log RV' = c0 + c1 log RV + c2 mean_7(log RV) + c3 mean_30(log RV)
    forecast = exp(that + half the residual variance)

RV is the sum of squared hourly (or five-minute) log returns of a day, a fraction squared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

WEEK: Final = 7
MONTH: Final = 30
FIT_ROWS_MIN: Final = 100
"""Fewer complete rows than this are no regression on what happened a month ago."""
HOURS_MIN: Final = 20
"""Known hours that make a day's realised variance; missing ones count at the mean of the known."""


class HarFit(msgspec.Struct, frozen=True, kw_only=True):
    """The regression and what it was made from."""

    constant: float
    day: float
    week: float
    month: float
    residual_variance: float
    """Of log RV, with n - 4 degrees of freedom."""
    rows: int
    data_ns: int = 0


def realised_variance(returns: Matrix) -> Vector:
    """Sum of squared returns within each day.

    Args:
        returns: shape (n_days, n_per_day), log returns as fractions; NaN = unknown.
    Returns:
        Shape (n_days,), fraction squared. A day with unknown returns is scaled up to the whole day; NaN if fewer than
        `HOURS_MIN` / 24 of it is known.
    """
    known = np.isfinite(returns)
    counts = known.sum(axis=1)
    sums = np.where(known, np.square(returns), 0.0).sum(axis=1)
    whole = returns.shape[1]
    enough = counts >= whole * HOURS_MIN / 24
    return np.where(enough, sums * whole / np.maximum(counts, 1), np.nan)


def log_realised(realised: Vector) -> Vector:
    """Log of realised variances; a day that did not move at all has no logarithm: NaN."""
    positive = realised > 0
    return np.where(positive, np.log(np.where(positive, realised, 1.0)), np.nan)


def trailing_mean(values: Vector, rows: int) -> Vector:
    """Mean of the last `rows` rows including this one, NaN rows left out.

    Returns:
        Shape (n,); NaN before `rows` rows have passed, and where under two thirds of them are known.
    """
    known = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(known, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(known)))
    out = np.full(len(values), np.nan)
    if len(values) >= rows:
        n = counts[rows:] - counts[:-rows]
        out[rows - 1:] = np.where(3 * n >= 2 * rows, (sums[rows:] - sums[:-rows]) / np.maximum(n, 1), np.nan)
    return out


def regressors(log_rv: Vector) -> Matrix:
    """Rows (1, log RV, week, month), shape (n, 4): row t uses rows <= t; NaN where one of them is not known."""
    return np.column_stack(
        (np.ones(len(log_rv)), log_rv, trailing_mean(log_rv, WEEK), trailing_mean(log_rv, MONTH))
    )


def fit_har(realised: Vector, *, data_ns: int = 0) -> HarFit | None:
    """Least squares on the whole of `realised`.

    Args:
        realised: shape (n_days,), fraction squared, oldest first; NaN = unknown.
    Returns:
        None with fewer than `FIT_ROWS_MIN` complete rows, or regressors that do not move.
    """
    log_rv = log_realised(realised)
    x, y = regressors(log_rv)[:-1], log_rv[1:]
    complete = np.isfinite(x).all(axis=1) & np.isfinite(y)
    rows = int(complete.sum())
    if rows < FIT_ROWS_MIN:
        return None
    coefficients, _, rank, _ = np.linalg.lstsq(x[complete], y[complete], rcond=None)
    if rank < 4:
        return None
    residual = y[complete] - x[complete] @ coefficients
    c0, c1, c2, c3 = coefficients.tolist()
    return HarFit(constant=c0, day=c1, week=c2, month=c3, residual_variance=float(residual @ residual) / (rows - 4),
                  rows=rows, data_ns=data_ns)


def har_variance(fit: HarFit, realised: Vector) -> Vector:
    """Forecasts of tomorrow's realised variance, shape (n,), fraction squared: row t from rows <= t; NaN = unknown."""
    beta = np.array([fit.constant, fit.day, fit.week, fit.month])
    exponent = regressors(log_realised(realised)) @ beta + 0.5 * fit.residual_variance
    return np.asarray(np.exp(np.minimum(exponent, 700.0)))


def har_next(fit: HarFit, last_month: Sequence[float | None]) -> float | None:
    """The last row of `har_variance` alone, without arrays: what a running bot asks for every day.

    Args:
        last_month: realised variances, oldest first; None = unknown. The newest 30 count.
    Returns:
        Fraction squared; None with fewer than 30 rows, or where `har_variance` has a NaN.
    """
    if len(last_month) < MONTH:
        return None
    logs = [math.log(each) if each is not None and each > 0 else None for each in last_month[-MONTH:]]
    day, week, month = logs[-1], _mean_known(logs[-WEEK:]), _mean_known(logs)
    if day is None or week is None or month is None:
        return None
    exponent = fit.constant + fit.day * day + fit.week * week + fit.month * month + 0.5 * fit.residual_variance
    return math.exp(min(exponent, 700.0))


def _mean_known(values: Sequence[float | None]) -> float | None:
    """Mean of the known ones; None under two thirds of them."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if 3 * len(known) >= 2 * len(values) else None
