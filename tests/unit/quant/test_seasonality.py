"""Hour-of-week factors of volatility."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from bot.quant.seasonality import HOURS_OF_WEEK, NS_PER_HOUR, hour_factors, hour_of_week, variance_share


def ns(*when: int) -> int:
    """UTC instant in nanoseconds."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[arg-type, misc]


MONDAY_ONE = ns(2024, 1, 1, 1)
"""2024-01-01 was a Monday; the hour that ends at 01:00 is the week's first."""


def test_the_week_begins_with_the_hour_that_ends_monday_at_one() -> None:
    """Known calendar days: Monday's first hour is 0, Sunday's last is 167."""
    assert hour_of_week(MONDAY_ONE) == 0
    assert hour_of_week(ns(2024, 1, 8, 0)) == 167
    assert hour_of_week(ns(2025, 6, 28, 15)) == 5 * 24 + 14  # a Saturday


def test_a_planted_profile_is_found() -> None:
    """Mondays at 14 h twice as wild as all else: the factor says about twice, and squares average 1."""
    rng = np.random.default_rng(2)
    count = 168 * 400
    closed = MONDAY_ONE + NS_PER_HOUR * np.arange(count, dtype=np.int64)
    sizes = np.where(np.arange(count) % 168 == 14, 2.0, 1.0)
    factors = hour_factors(0.01 * sizes * rng.standard_normal(count), closed)
    assert factors is not None
    assert factors[14] / np.delete(factors, 14).mean() == pytest.approx(2.0, rel=0.15)
    assert np.mean(factors**2) == pytest.approx(1.0)


def test_twelve_weeks_of_every_hour_are_needed() -> None:
    """Eleven are too few, and so is one hour that is always missing; a flat market has no profile."""
    closed = MONDAY_ONE + NS_PER_HOUR * np.arange(168 * 12, dtype=np.int64)
    returns = np.random.default_rng(1).standard_normal(168 * 12)
    assert hour_factors(returns, closed) is not None
    assert hour_factors(returns[:-1], closed[:-1]) is None
    returns[5::168] = np.nan
    assert hour_factors(returns, closed) is None
    assert hour_factors(np.zeros(168 * 12), closed) is None


def test_the_share_of_the_next_hours_is_their_mean_squared_factor() -> None:
    """A whole week is 1 whatever the profile; a stretch wraps from Sunday to Monday."""
    factors = np.ones(HOURS_OF_WEEK)
    factors[0] = 3.0
    late_sunday = ns(2024, 1, 7, 23) + 120 * 1_000_000_000
    assert variance_share(factors.tolist(), late_sunday, 1) == pytest.approx(1.0)
    assert variance_share(factors.tolist(), late_sunday, 2) == pytest.approx(5.0)
    assert variance_share(factors.tolist(), late_sunday, HOURS_OF_WEEK) == pytest.approx(float(np.mean(factors**2)))
    with pytest.raises(ValueError, match="hours"):
        variance_share(factors.tolist(), late_sunday, 0)
