"""Factors built from the past only, and prices of risk against simulated truth and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api

from bot.quant import factors
from bot.quant.factors import FactorReturns
from bot.quant.no_answer import NoAnswer

DAYS, ASSETS = 30 + 7 * 4, 9
RNG = np.random.default_rng(31)
DAILY = RNG.standard_normal((DAYS, ASSETS)) * 0.03
MARKET = DAILY.mean(axis=1)
FUNDING = RNG.standard_normal((DAYS, ASSETS)) * np.linspace(1e-4, 9e-4, ASSETS)
VOLUME = np.exp(RNG.standard_normal((DAYS, ASSETS))) * np.linspace(1e6, 9e6, ASSETS)
HOURLY = RNG.standard_normal((DAYS * 24, ASSETS)) * 0.005


def built(answer: FactorReturns | NoAnswer) -> FactorReturns:
    """The factors, or the failure's reason in the test's output."""
    assert isinstance(answer, FactorReturns), answer
    return answer


def test_characteristics_are_their_definitions() -> None:
    """Thirty days before the day, written out asset by asset."""
    day = 40
    assert factors.funding_volatility(FUNDING, day)[3] == pytest.approx(np.std(FUNDING[10:40, 3], ddof=1))
    assert factors.amihud_illiquidity(DAILY, VOLUME, day)[3] == pytest.approx(
        np.mean(np.abs(DAILY[10:40, 3]) / VOLUME[10:40, 3]))
    r = HOURLY[240:960, 3]
    assert factors.realised_skewness(HOURLY, day)[3] == pytest.approx(
        math.sqrt(720) * np.sum(r**3) / np.sum(r**2) ** 1.5)


def test_a_week_is_ranked_by_what_was_known_before_it() -> None:
    """Whatever happens from the week's first day on, the characteristics do not change; cut the future off to see."""
    whole = built(factors.weekly_factors(DAILY, MARKET, FUNDING, VOLUME, HOURLY))
    funding, volume, hourly = FUNDING.copy(), VOLUME.copy(), HOURLY.copy()
    start = int(whole.first_days[2])
    funding[start:] *= -7.0
    volume[start:] *= 100.0
    hourly[start * 24 :] = hourly[start * 24 :][::-1]
    again = built(factors.weekly_factors(DAILY, MARKET, funding, volume, hourly))
    assert again.returns[:3] == pytest.approx(whole.returns[:3])
    assert not np.allclose(again.returns[3], whole.returns[3])


def test_a_factor_is_the_top_third_less_the_bottom_third() -> None:
    """Funding volatility grows with the place by construction: long the last three, short the first three."""
    found = built(factors.weekly_factors(DAILY, MARKET, FUNDING, VOLUME, HOURLY))
    week = np.prod(1 + DAILY[30:37], axis=0) - 1
    order = np.argsort(np.std(FUNDING[:30], axis=0, ddof=1))
    assert found.returns[0, 1] == pytest.approx(week[order[-3:]].mean() - week[order[:3]].mean())
    assert found.returns[0, 0] == pytest.approx(np.prod(1 + MARKET[30:37]) - 1)
    assert found.names == ("MKT", "FVOL", "LIQ", "SKEW")
    assert list(found.first_days) == [30, 37, 44, 51]


def test_missing_data_leave_an_asset_out_and_too_few_leave_the_week_unknown() -> None:
    """A hole in the window is no characteristic; below six ranked assets there is no tercile."""
    holed = FUNDING.copy()
    holed[5, :4] = np.nan
    found = built(factors.weekly_factors(DAILY, MARKET, holed, VOLUME, HOURLY))
    assert math.isnan(found.returns[0, 1])
    assert np.isfinite(found.returns[0, 2:]).all()
    assert np.isfinite(found.returns[1, 1])
    assert math.isnan(factors.long_short_return(np.arange(6.0), np.array([0.1, 0.1, 0.1, 0.1, 0.1, np.nan])))
    dry = VOLUME.copy()
    dry[3, 2] = 0.0
    assert math.isnan(factors.amihud_illiquidity(DAILY, dry, 30)[2])
    assert math.isnan(factors.realised_skewness(np.zeros((720, 1)), 30)[0])
    for short in (factors.funding_volatility(FUNDING, 20), factors.amihud_illiquidity(DAILY, VOLUME, 20),
                  factors.realised_skewness(HOURLY, 20)):
        assert np.isnan(short).all()


def test_freed_factors_do_not_move_with_the_market_and_keep_their_own_mean() -> None:
    """The slope on the market is gone; what a factor earns beyond beta times the market stays."""
    rng = np.random.default_rng(1)
    market = 0.002 + rng.standard_normal(300) * 0.05
    factor = 0.004 + 0.6 * market + rng.standard_normal(300) * 0.01
    free = factors.freed_of_market(np.column_stack((market, factor)))
    assert np.corrcoef(free[:, 0], free[:, 1])[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert free[:, 1].mean() == pytest.approx(0.004, abs=0.002)
    assert np.array_equal(free[:, 0], market)
    holed = np.column_stack((market, factor))
    holed[7, 1] = np.nan
    assert math.isnan(factors.freed_of_market(holed)[7, 1])
    with pytest.raises(ValueError, match="does not move"):
        factors.freed_of_market(np.ones((10, 2)))


def test_mean_premia_have_the_hac_error_of_statsmodels() -> None:
    """A regression on a constant: same mean, same error."""
    rng = np.random.default_rng(5)
    series = 0.01 + np.convolve(rng.standard_normal(304), np.ones(5) / 5, "valid")
    fit = statsmodels.api.OLS(series, np.ones(300)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False})
    found = factors.mean_premia(series[:, None], ("FVOL",), lags=4)[0]
    assert (found.value, found.se) == pytest.approx((float(fit.params[0]), float(fit.bse[0])))
    assert found.t == pytest.approx(found.value / found.se)


def test_fama_macbeth_finds_the_premia_that_were_built_in() -> None:
    """Forty assets, 600 weeks: premia within three errors, and no return for no risk."""
    rng = np.random.default_rng(2)
    premia = np.array([0.004, -0.003])
    moves = premia + rng.standard_normal((600, 2)) * 0.03
    betas = np.column_stack((rng.normal(1.1, 0.4, 40), rng.normal(0.0, 0.8, 40)))
    assets = moves @ betas.T + rng.standard_normal((600, 40)) * 0.02
    found = factors.fama_macbeth(assets, moves, ("MKT", "FVOL"))
    assert not isinstance(found, NoAnswer)
    zero, *prices = found
    assert zero.factor == "zero"
    assert abs(zero.value) < 3 * zero.se
    for price, truth in zip(prices, premia, strict=True):
        assert abs(price.value - truth) < 3 * price.se


def test_fama_macbeth_is_two_passes_of_least_squares() -> None:
    """First pass per asset, second per week, both by statsmodels; holes leave an asset out of its week."""
    rng = np.random.default_rng(3)
    moves = rng.standard_normal((60, 1)) * 0.03
    assets = moves * rng.normal(1.0, 0.5, 8) + rng.standard_normal((60, 8)) * 0.02
    assets[4, 2] = np.nan
    betas = np.array([statsmodels.api.OLS(assets[k, i], statsmodels.api.add_constant(moves[k])).fit().params[1]
                      for i in range(8) for k in [np.isfinite(assets[:, i])]])
    prices = [statsmodels.api.OLS(row[k], statsmodels.api.add_constant(betas[k])).fit().params[1]
              for row in assets for k in [np.isfinite(row)]]
    found = factors.fama_macbeth(assets, moves, ("MKT",))
    assert not isinstance(found, NoAnswer)
    assert found[1].value == pytest.approx(float(np.mean(prices)))


def test_too_little_to_price_risk_has_a_reason() -> None:
    """Few assets, few days, few weeks with enough assets; unknown means stay unknown."""
    rng = np.random.default_rng(4)
    moves, assets = rng.standard_normal((60, 1)), rng.standard_normal((60, 8))
    apart = rng.standard_normal((120, 4))
    apart[60:, :2], apart[:60, 2:] = np.nan, np.nan
    cases = [
        factors.weekly_factors(DAILY[:, :5], MARKET, FUNDING[:, :5], VOLUME[:, :5], HOURLY[:, :5]),
        factors.weekly_factors(DAILY[:36], MARKET[:36], FUNDING[:36], VOLUME[:36], HOURLY[: 36 * 24]),
        factors.fama_macbeth(assets[:30], moves[:30], ("MKT",)),
        factors.fama_macbeth(assets[:, :3], moves, ("MKT",)),
        factors.fama_macbeth(apart, rng.standard_normal((120, 1)), ("MKT",)),
    ]
    assert [case.reason if isinstance(case, NoAnswer) else case for case in cases] == [
        "too_few_assets", "too_little_history", "too_little_history", "too_few_assets", "too_little_history"]
    unknown = factors.mean_premia(np.full((5, 1), np.nan), ("LIQ",))[0]
    assert math.isnan(unknown.value)
    assert factors.RiskPrice("LIQ", 0.1, 0.0, 5).t == math.inf
    with pytest.raises(ValueError, match="share a shape"):
        factors.weekly_factors(DAILY, MARKET, FUNDING, VOLUME, HOURLY[:-1])


def test_weeks_that_cannot_be_priced_are_left_out() -> None:
    """Loadings from half the weeks, returns of two assets in the other half: those weeks say nothing."""
    rng = np.random.default_rng(6)
    moves, assets = rng.standard_normal((90, 1)), rng.standard_normal((90, 6))
    assets[45:, 1:] = np.nan
    found = factors.fama_macbeth(assets, moves, ("MKT",))
    assert not isinstance(found, NoAnswer)
    assert found[1].rows == 45
