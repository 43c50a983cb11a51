"""HAR on log realised variance: against statsmodels, a known truth, and what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from bot.quant.har import (
    fit_har,
    har_next,
    har_variance,
    log_realised,
    realised_variance,
    regressors,
    trailing_mean,
)
from tests.unit.quant.series import log_rv_series

REALISED = log_rv_series(600, (-0.6, 0.35, 0.35, 0.2), 0.5)


def test_the_regression_is_statsmodels() -> None:
    """Coefficients and residual variance of ordinary least squares on the same rows."""
    fit = fit_har(REALISED)
    assert fit is not None
    x = regressors(np.log(REALISED))[29:-1]
    result = sm.OLS(np.log(REALISED)[30:], x).fit()
    assert [fit.constant, fit.day, fit.week, fit.month] == pytest.approx(result.params.tolist(), rel=1e-8)
    assert fit.residual_variance == pytest.approx(float(result.mse_resid), rel=1e-8)
    assert fit.rows == 570


def test_known_coefficients_are_recovered() -> None:
    """20,000 simulated days give the cascade back."""
    fit = fit_har(log_rv_series(20_000, (-0.6, 0.35, 0.35, 0.2), 0.5))
    assert fit is not None
    assert (fit.day, fit.week, fit.month) == pytest.approx((0.35, 0.35, 0.2), abs=0.05)
    assert fit.residual_variance == pytest.approx(0.25, rel=0.03)


def test_the_forecast_is_unbiased_in_levels() -> None:
    """Half the residual variance in the exponent makes realised over forecast average 1 for log-normal noise."""
    realised = log_rv_series(20_000, (-0.6, 0.35, 0.35, 0.2), 0.5)
    fit = fit_har(realised)
    assert fit is not None
    ratio = realised[1:] / har_variance(fit, realised)[:-1]
    assert float(np.nanmean(ratio)) == pytest.approx(1.0, abs=0.02)


def test_row_t_uses_rows_up_to_t() -> None:
    """Forecasts of a truncated series equal those of the whole, and the array-free step is the last row."""
    fit = fit_har(REALISED)
    assert fit is not None
    whole = har_variance(fit, REALISED)
    assert har_variance(fit, REALISED[:200])[30:] == pytest.approx(whole[30:200], rel=1e-12)
    assert har_next(fit, REALISED[:200].tolist()) == pytest.approx(whole[199], rel=1e-12)


def test_unknown_days_make_unknown_forecasts_only_where_they_must() -> None:
    """A hole today leaves no forecast today; a hole of three weeks leaves no month."""
    fit = fit_har(REALISED)
    assert fit is not None
    holed = REALISED.copy()
    holed[300] = math.nan
    holed[400:421] = math.nan
    forecast = har_variance(fit, holed)
    assert math.isnan(forecast[300])
    assert math.isfinite(forecast[301])
    assert math.isnan(forecast[421])
    for row in (300, 301, 421):
        values = [None if math.isnan(each) else each for each in holed[: row + 1].tolist()]
        ours = har_next(fit, values)
        assert (ours is None) == math.isnan(forecast[row])
    assert har_next(fit, [1e-4] * 29) is None


def test_too_few_rows_or_no_movement_give_no_fit() -> None:
    """A hundred complete rows are the least; constant variances have no slope."""
    assert fit_har(REALISED[:129]) is None
    assert fit_har(REALISED[:131]) is not None
    assert fit_har(np.full(300, 1e-4)) is None


def test_realised_variance_scales_missing_hours_and_refuses_too_many() -> None:
    """Twenty known hours count for 24; nineteen are no day; a day that stood still has no logarithm."""
    hours = np.full((3, 24), 0.01)
    hours[1, :4] = math.nan
    hours[2, :5] = math.nan
    variance = realised_variance(hours)
    assert variance[:2] == pytest.approx([24e-4, 24e-4])
    assert math.isnan(variance[2])
    assert np.isnan(log_realised(np.array([0.0, math.nan]))).all()


def test_trailing_means_need_two_thirds_of_their_rows() -> None:
    """Shorter series have none at all."""
    assert trailing_mean(np.array([1.0, 2.0, math.nan, 4.0]), 3)[2:] == pytest.approx([1.5, 3.0])
    assert math.isnan(trailing_mean(np.array([1.0, math.nan, math.nan]), 3)[2])
    assert np.isnan(trailing_mean(np.ones(2), 3)).all()
