"""QLIKE, Mincer-Zarnowitz and Diebold-Mariano against hand values, statsmodels and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from bot.quant.forecast_tests import diebold_mariano, mincer_zarnowitz, qlike, qlike_losses

RNG = np.random.default_rng(14)
TRUE = np.exp(RNG.normal(-8.0, 0.35, 800))
REALISED = TRUE * RNG.chisquare(24, 800) / 24


def test_qlike_by_hand() -> None:
    """Half the realised variance costs 2 - ln 2 - 1; a perfect forecast costs nothing."""
    assert qlike(np.array([4.0]), np.array([2.0])) == pytest.approx(2.0 - math.log(2.0) - 1.0)
    assert qlike(np.array([4.0, 3.0]), np.array([4.0, 3.0])) == pytest.approx(0.0)


def test_qlike_punishes_the_forecast_that_is_too_low_more() -> None:
    """Half costs more than double: the reason why it suits risk."""
    low, high = qlike_losses(np.array([1.0, 1.0]), np.array([0.5, 2.0]))
    assert low > high


def test_qlike_leaves_out_what_is_unknown() -> None:
    """NaN, zero and negative numbers are no rows; none at all is None."""
    realised = np.array([1.0, math.nan, 0.0, 2.0])
    assert qlike(realised, np.array([1.0, 1.0, 1.0, math.nan])) == pytest.approx(0.0)
    assert qlike(realised, np.full(4, math.nan)) is None


def test_expected_qlike_is_least_at_the_truth() -> None:
    """Scaling true forecasts up or down by a tenth raises the loss, although the proxy is noisy."""
    losses = [qlike(REALISED, factor * TRUE) or math.nan for factor in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


def test_bias_regression_is_statsmodels_hac() -> None:
    """Coefficients, HAC errors and the joint test, in units of 1e-4 where an unscaled matrix would be singular."""
    result = mincer_zarnowitz(REALISED, TRUE, lags=6)
    assert result is not None
    theirs = sm.OLS(REALISED, sm.add_constant(TRUE)).fit(cov_type="HAC", cov_kwds={"maxlags": 6})
    assert (result.intercept, result.slope) == pytest.approx(tuple(theirs.params), rel=1e-6)
    assert (result.intercept_se, result.slope_se) == pytest.approx(tuple(theirs.bse), rel=1e-6)
    wald = theirs.wald_test((np.eye(2), np.array([0.0, 1.0])), use_f=False, scalar=True)
    assert result.p_unbiased == pytest.approx(float(wald.pvalue), rel=1e-4)
    assert result.r2 == pytest.approx(float(theirs.rsquared), rel=1e-6)
    assert result.p_unbiased > 0.01


def test_a_biased_forecast_is_rejected() -> None:
    """Twice the truth is not unbiased."""
    result = mincer_zarnowitz(REALISED, 2.0 * TRUE)
    assert result is not None
    assert result.slope == pytest.approx(0.5, abs=0.06)
    assert result.p_unbiased < 1e-6


def test_too_few_rows_or_a_forecast_that_stands_still_have_no_regression() -> None:
    """Nineteen rows, or a constant."""
    assert mincer_zarnowitz(REALISED[:19], TRUE[:19]) is None
    assert mincer_zarnowitz(REALISED, np.full(800, 1e-4)) is None


def test_diebold_mariano_is_the_hac_mean_test_of_statsmodels() -> None:
    """Regression of the difference on a constant with Bartlett errors."""
    a, b = qlike_losses(REALISED, TRUE), qlike_losses(REALISED, 1.3 * TRUE)
    result = diebold_mariano(a, b, lags=5)
    assert result is not None
    theirs = sm.OLS(a - b, np.ones(800)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    assert result.statistic == pytest.approx(float(theirs.tvalues[0]), rel=1e-9)
    assert result.p_value == pytest.approx(float(theirs.pvalues[0]), rel=1e-6)
    assert result.mean_difference < 0.0


def test_equal_forecasts_are_not_told_apart() -> None:
    """Under the null the test rejects about five times in a hundred."""
    rejected = 0
    for seed in range(300):
        noise = np.random.default_rng(seed)
        result = diebold_mariano(noise.standard_normal(250) ** 2, noise.standard_normal(250) ** 2)
        assert result is not None
        rejected += result.p_value < 0.05
    assert 4 <= rejected <= 33


def test_losses_that_never_differ_or_are_few_are_no_test() -> None:
    """No variance, no statistic."""
    assert diebold_mariano(np.ones(50), np.ones(50)) is None
    assert diebold_mariano(np.ones(10), np.zeros(10)) is None
