"""What a series of daily returns says about a run: Sharpe and its error, drawdown, Sortino, Calmar, hit rate.

Numbers out of arrays, nothing else. One rule for what is missing: too few points, a NaN in the series, or a measure
that does not exist (no variance, no loss) gives None; never 0. Returns are fractions per day, oldest first; a year has
365 days. Source: quant-reference section 15; Lo (2002) for the correction of the Sharpe ratio.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

DAYS_PER_YEAR: Final = 365
RETURNS_MIN: Final = 10
"""Fewer daily returns than this have no useful standard deviation."""
CAGR_DAYS_MIN: Final = 28.0
"""A shorter run is not worth a year's exponent."""
VARIANCE_FLOOR: Final = 1e-12
"""A standard deviation below this share of the largest return is rounding, not risk."""


class Drawdown(msgspec.Struct, frozen=True):
    """The deepest fall and the longest time below a former peak."""

    depth: float
    """Fraction of the peak lost, from 0 (never fell) to 1."""
    peak: int
    trough: int
    """Indices into the equity series; equal if it never fell."""
    longest_under_water: int
    """Points from a peak to the last one still below it, or to the series' end; the longest such stretch."""


def sharpe(returns: Vector) -> float | None:
    """Mean over standard deviation (n - 1) of daily returns, times sqrt(365).

    Args:
        returns: shape (n_days,), fractions, net of everything.
    Returns:
        The annual ratio; None below `RETURNS_MIN` points, with a NaN, or without variance.
    """
    return _annual(_daily_sharpe(returns), math.sqrt(DAYS_PER_YEAR))


def sharpe_standard_error(returns: Vector) -> float | None:
    """Standard error of `sharpe` for independent normal returns: sqrt((1 + SR^2 / 2) / n) per day, annualised.

    Autocorrelated returns (carry) have a larger one: read it as a lower bound. None where `sharpe` is None.
    """
    daily = _daily_sharpe(returns)
    if daily is None:
        return None
    return math.sqrt((1.0 + 0.5 * daily**2) / len(returns)) * math.sqrt(DAYS_PER_YEAR)


def sharpe_autocorrelated(returns: Vector, lags: int | None = None) -> float | None:
    """The annual Sharpe ratio corrected for autocorrelation (Lo 2002): daily SR x eta(365).

    eta(q) = q / sqrt(q + 2 sum_{k<q} (q - k) rho_k). All n - 1 sample autocorrelations sum to -1/2 by construction, so
    the sum stops early; carry returns remember weeks, hence sqrt(n) and not the shorter Newey-West bandwidth.

    Args:
        returns: shape (n_days,), fractions.
        lags: how many autocorrelations count; default floor(sqrt(n)), at most 364.
    Returns:
        None where `sharpe` is None, and where the sum turns the variance negative.
    """
    daily = _daily_sharpe(returns)
    if daily is None:
        return None
    count = min(lags if lags is not None else math.isqrt(len(returns)), DAYS_PER_YEAR - 1, len(returns) - 1)
    rho = autocorrelations(returns, count)
    if rho is None:
        return None
    weights = DAYS_PER_YEAR - np.arange(1, count + 1)
    spread = DAYS_PER_YEAR + 2.0 * float(weights @ rho)
    return daily * DAYS_PER_YEAR / math.sqrt(spread) if spread > 0.0 else None


def autocorrelations(returns: Vector, lags: int) -> Vector | None:
    """Sample autocorrelations at lags 1..lags, shape (lags,); each over the whole variance (so |rho| <= 1).

    None with a NaN, without variance, or unless 0 < lags < n.
    """
    if not 0 < lags < len(returns) or not _has_variance(returns):
        return None
    centred = returns - returns.mean()
    variance = float(centred @ centred)
    return np.array([float(centred[k:] @ centred[:-k]) / variance for k in range(1, lags + 1)])


def annual_volatility(returns: Vector) -> float | None:
    """Standard deviation (n - 1) of daily returns times sqrt(365), a fraction; 0.0 if all returns are equal.

    None below `RETURNS_MIN` points or with a NaN.
    """
    if not _enough(returns):
        return None
    return float(np.std(returns, ddof=1)) * math.sqrt(DAYS_PER_YEAR)


def cagr(growth: float, days: float) -> float | None:
    """Yearly growth rate of a whole period: growth^(365 / days) - 1, a fraction.

    Args:
        growth: end value over start value; at or below 0 everything is lost, and the answer is -1.
        days: length of the period.
    Returns:
        None below `CAGR_DAYS_MIN` days or with a NaN.
    """
    if days < CAGR_DAYS_MIN or not math.isfinite(growth):
        return None
    return math.pow(growth, DAYS_PER_YEAR / days) - 1.0 if growth > 0.0 else -1.0


def drawdown(equity: Vector) -> Drawdown | None:
    """The deepest fall from a peak and the longest stretch under water.

    Args:
        equity: shape (n,), positive levels (or an index), oldest first.
    Returns:
        None for fewer than two points, a NaN, or a level at or below 0 before the last (no peak to measure from).
    """
    if len(equity) < 2 or not np.isfinite(equity).all() or (equity[:-1] <= 0.0).any():
        return None
    peaks = np.maximum.accumulate(equity)
    falls = 1.0 - equity / peaks
    trough = int(np.argmax(falls))
    peak = int(np.argmax(equity[: trough + 1]))
    return Drawdown(float(falls[trough]), peak, trough, _longest_under_water(equity, peaks))


def _longest_under_water(equity: Vector, peaks: Vector) -> int:
    """Points from a peak to the last one still below it, at the longest."""
    at_peak = np.flatnonzero(equity >= peaks)
    starts = np.searchsorted(at_peak, np.arange(len(equity)), side="right") - 1
    return int((np.arange(len(equity)) - at_peak[starts]).max())


def sortino(returns: Vector) -> float | None:
    """Mean over downside deviation sqrt(mean(min(r, 0)^2)), target 0, times sqrt(365).

    None below `RETURNS_MIN` points, with a NaN, or if no day lost anything (the ratio does not exist).
    """
    if not _enough(returns):
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _annual(float(returns.mean()) / downside, math.sqrt(DAYS_PER_YEAR)) if downside > 0.0 else None


def calmar(cagr_fraction: float | None, depth: float | None) -> float | None:
    """Yearly growth over the deepest drawdown; None if either is unknown or nothing was ever lost."""
    if cagr_fraction is None or not depth:
        return None
    return cagr_fraction / depth


def hit_rate(returns: Vector) -> float | None:
    """Share of days above 0 among the days that moved at all; None below `RETURNS_MIN` of those, or with a NaN."""
    moved = returns[returns != 0.0]
    return float(np.mean(moved > 0.0)) if _enough(moved) else None


def _daily_sharpe(returns: Vector) -> float | None:
    """Mean over standard deviation, per day."""
    if not _enough(returns) or not _has_variance(returns):
        return None
    return float(returns.mean()) / float(np.std(returns, ddof=1))


def _has_variance(returns: Vector) -> bool:
    """Whether the series moves by more than rounding."""
    if not np.isfinite(returns).all():
        return False
    return float(np.std(returns)) > VARIANCE_FLOOR * max(float(np.abs(returns).max()), 1e-300)


def _enough(returns: Vector) -> bool:
    """Whether there are points enough, all of them known."""
    return len(returns) >= RETURNS_MIN and bool(np.isfinite(returns).all())


def _annual(ratio: float | None, factor: float) -> float | None:
    """A daily ratio in annual units."""
    return None if ratio is None else ratio * factor
