"""Exponentially weighted variance: the recursion, its start, its half-life, and what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bot.quant.ewma import decay_of, ewma_variance, half_life_of, smoothed

RETURNS = np.random.default_rng(5).standard_normal(200) * 0.02


def test_row_t_is_the_recursion_over_rows_up_to_t() -> None:
    """Mean of the first 30 squares, then decay by decay: pandas' recursion seeded the same way agrees."""
    variance = ewma_variance(RETURNS, 0.94)
    squares = RETURNS**2
    seeded = pd.Series(np.concatenate(([squares[:30].mean()], squares[30:])))
    assert variance[29:] == pytest.approx(seeded.ewm(alpha=0.06, adjust=False).mean().to_numpy(), rel=1e-12)
    assert np.isnan(variance[:29]).all()


def test_later_rows_change_no_earlier_forecast() -> None:
    """Truncating the series leaves the rows that remain as they were."""
    assert ewma_variance(RETURNS[:90], 0.94)[29:] == pytest.approx(ewma_variance(RETURNS, 0.94)[29:90], rel=1e-15)


def test_riskmetrics_decay_has_a_half_life_of_eleven_periods() -> None:
    """0.94 halves in 11.2 periods, and a half-life of 24 hours comes back as 24."""
    assert half_life_of(0.94) == pytest.approx(11.2, abs=0.01)
    assert half_life_of(decay_of(24.0)) == pytest.approx(24.0)


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf])
def test_an_unknown_return_leaves_the_variance_as_it_was(unknown: float) -> None:
    """A NaN is no zero, and a price of zero no crash: neither lowers the variance nor makes it unknown."""
    holed = RETURNS.copy()
    holed[100] = unknown
    variance = ewma_variance(holed, 0.94)
    assert variance[100] == variance[99]
    assert variance[101] == pytest.approx(0.94 * variance[99] + 0.06 * RETURNS[101] ** 2)


def test_too_short_a_series_has_no_forecast() -> None:
    """With 29 known returns there is no seed."""
    assert np.isnan(ewma_variance(RETURNS[:29], 0.94)).all()


@pytest.mark.parametrize("bad", [0.0, 1.0, 1.2, math.nan])
def test_a_decay_that_forgets_nothing_or_everything_is_refused(bad: float) -> None:
    """One line that says what was wrong."""
    with pytest.raises(ValueError, match="decay"):
        ewma_variance(RETURNS, bad)


def test_half_life_and_seed_must_be_positive() -> None:
    """Zero of either is a mistake of the caller."""
    with pytest.raises(ValueError, match="half-life"):
        decay_of(0.0)
    with pytest.raises(ValueError, match="seed_points"):
        smoothed(RETURNS, 0.9, seed_points=0)
