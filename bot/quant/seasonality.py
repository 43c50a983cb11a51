"""Hour-of-week seasonality of volatility: each hour's usual size relative to the mean hour (quant-reference 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

HOURS_OF_WEEK: Final = 168
WEEKS_MIN: Final = 12
NS_PER_HOUR: Final = 3_600_000_000_000
MONDAY_HOUR: Final = 96
"""1970-01-01 was a Thursday: so many hours later a Monday begins."""


def hour_of_week(closed_ns: int) -> int:
    """The hour that ends at this instant: 0 = Monday 00:00 to 01:00 UTC, 167 = Sunday 23:00 to 24:00."""
    return (closed_ns // NS_PER_HOUR - 1 - MONDAY_HOUR) % HOURS_OF_WEEK


def hour_factors(returns: Vector, closed_ns: npt.NDArray[np.int64], *, shrink_weeks: float = 8.0) -> Vector | None:
    """Volatility of each hour of the week relative to the mean hour.

    Mean absolute return by hour of week over the mean of all, shrunk to 1 as if `shrink_weeks` average weeks had been
    seen too (12 values make a noisy mean); squares of the factors average 1, so that a week's variance is unchanged.

    Args:
        returns: shape (n,), hourly log returns; NaN = unknown.
        closed_ns: shape (n,), the instant at which each hour ends.
        shrink_weeks: weight of the flat profile.
    Returns:
        Shape (168,), index = `hour_of_week`; None unless every hour of the week is known at least `WEEKS_MIN` times.
    """
    known = np.isfinite(returns)
    hours = (closed_ns[known] // NS_PER_HOUR - 1 - MONDAY_HOUR) % HOURS_OF_WEEK
    sizes = np.abs(returns[known])
    counts = np.bincount(hours, minlength=HOURS_OF_WEEK)
    if counts.min() < WEEKS_MIN:
        return None
    overall = float(sizes.mean())
    if overall <= 0:
        return None
    means = np.bincount(hours, weights=sizes, minlength=HOURS_OF_WEEK) / counts / overall
    factors = (means * counts + shrink_weeks) / (counts + shrink_weeks)
    return np.asarray(factors / np.sqrt(np.mean(np.square(factors))))


def variance_share(factors: Sequence[float], from_ns: int, hours: int) -> float:
    """Seasonal weight of the next `hours` hours: the mean of their squared factors; 1 is an average stretch.

    Args:
        factors: 168 of them, from `hour_factors`.
        from_ns: now; the first hour is the one that ends at the next full hour.
        hours: at least 1.
    Raises:
        ValueError: for no hour.
    """
    if hours < 1:
        raise ValueError(f"hours {hours} must be at least 1")
    first = hour_of_week((from_ns // NS_PER_HOUR + 1) * NS_PER_HOUR)
    return math.fsum(factors[(first + step) % HOURS_OF_WEEK] ** 2 for step in range(hours)) / hours
