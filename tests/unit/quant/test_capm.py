"""CAPM for perps: unfunded positions, HAC errors by two libraries, and the cases that are often computed wrongly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.quant import capm
from bot.quant.capm import FactorModel
from bot.quant.market_beta import market_beta
from bot.quant.no_answer import NoAnswer

RNG = np.random.default_rng(23)
MARKET = RNG.standard_normal(500) * 0.03
FUNDING_FACTOR = RNG.standard_normal(500) * 0.01
COIN = 0.0004 + 1.2 * MARKET - 0.5 * FUNDING_FACTOR + RNG.standard_normal(500) * 0.02


def fitted(answer: FactorModel | NoAnswer) -> FactorModel:
    """The model, or the failure's reason in the test's output."""
    assert isinstance(answer, FactorModel), answer
    return answer


def test_one_factor_agrees_with_our_own_newey_west() -> None:
    """statsmodels' HAC error of the slope is `market_beta`'s, to the last digits that matter."""
    own = market_beta(COIN, MARKET)
    assert own is not None
    model = fitted(capm.factor_model(COIN, MARKET[:, None], ("MKT",)))
    assert model.loading("MKT").value == pytest.approx(own.value, rel=1e-9)
    assert model.loading("MKT").se == pytest.approx(own.se, rel=1e-9)
    assert (model.lags, model.rows) == (own.lags, own.rows)


def test_several_factors_recover_what_was_built_in() -> None:
    """Loadings within three errors of the truth, the residual of the right size, R2 as the variance says."""
    model = fitted(capm.factor_model(COIN, np.column_stack((MARKET, FUNDING_FACTOR)), ("MKT", "FVOL")))
    for factor, truth in (("MKT", 1.2), ("FVOL", -0.5)):
        loading = model.loading(factor)
        assert abs(loading.value - truth) < 3 * loading.se
        assert loading.interval[0] < truth + loading.se
        assert loading.t == loading.value / loading.se
    assert model.residual_sd == pytest.approx(0.02, rel=0.1)
    assert model.r_squared == pytest.approx(1 - 0.02**2 / float(COIN.var()), abs=0.03)


def test_overlapping_horizons_need_their_lags() -> None:
    """Weekly sums of daily returns, every day one: the error with six lags is far above the one without."""
    kernel = np.ones(7)
    y, x = np.convolve(COIN, kernel, "valid"), np.convolve(MARKET, kernel, "valid")[:, None]
    with_lags = fitted(capm.factor_model(y, x, ("MKT",), lags=6)).alpha.se
    assert with_lags > 1.8 * fitted(capm.factor_model(y, x, ("MKT",), lags=0)).alpha.se


def test_leverage_multiplies_premium_and_funding_but_not_cash() -> None:
    """10 times, premium 11 %, funding 10.95 %: 0.5 %; a cash rate of 4.5 % inside the leverage would make it 45.5 %."""
    found = capm.equity_return(10.0, 1.0, 0.11, 0.1095)
    assert found.total == pytest.approx(0.005)
    assert found.total + 10 * 0.045 == pytest.approx(0.455)
    paid = capm.equity_return(10.0, 1.0, 0.11, 0.1095, collateral_rate=0.045)
    assert paid.total == pytest.approx(0.05)


def test_a_short_receives_funding_and_pays_the_premium() -> None:
    """Signs by side: short 2 times, beta 1, premium 5 %, funding 12 %: 14 %."""
    found = capm.equity_return(-2.0, 1.0, 0.05, 0.12)
    assert (found.total, found.premium, found.funding) == pytest.approx((0.14, -0.10, 0.24))


def test_alpha_is_levered_too() -> None:
    """2 times 3 % of alpha is 6 %."""
    assert capm.equity_return(2.0, 0.0, 0.05, 0.0, alpha=0.03).total == pytest.approx(0.06)


def test_break_even_funding_is_a_years_premium_over_its_settlements() -> None:
    """Beta 1, premium 7 %: 0.64 bp per 8 h; at that funding the long earns nothing."""
    rate = capm.break_even_funding_8h(1.0, 0.07)
    assert rate == pytest.approx(0.639e-4, rel=1e-3)
    assert capm.equity_return(5.0, 1.0, 0.07, rate * 1095).total == pytest.approx(0.0, abs=1e-12)


def test_twelve_per_cent_on_a_premium_of_seven_implies_five_of_cash() -> None:
    """r = E - beta lambda: 5 % at beta 1, impossible (negative) above beta 1.71; and the textbook sum leads back."""
    assert capm.implied_risk_free(0.12, 1.0, 0.07) == pytest.approx(0.05)
    assert capm.implied_risk_free(0.12, 1.72, 0.07) < 0.0 < capm.implied_risk_free(0.12, 1.71, 0.07)
    assert capm.cost_of_equity(1.0, 0.07, 0.05) == pytest.approx(0.12)


def test_expected_return_is_loadings_times_premia() -> None:
    """Per week 0.2 % on the market and -0.1 % on the other, 52 weeks; a factor without a price is refused by name."""
    model = fitted(capm.factor_model(COIN, np.column_stack((MARKET, FUNDING_FACTOR)), ("MKT", "FVOL")))
    b, f = model.loading("MKT").value, model.loading("FVOL").value
    premia = {"MKT": 0.002, "FVOL": -0.001}
    assert capm.expected_from_factors(model, premia, 52.0) == pytest.approx((0.002 * b - 0.001 * f) * 52)
    assert capm.expected_from_factors(model, premia, 52.0, with_alpha=True) == pytest.approx(
        (0.002 * b - 0.001 * f + model.alpha.value) * 52)
    assert capm.expected_from_factors(model, {"MKT": 0.002}, 52.0) == NoAnswer(
        "premium_unknown", "no price of risk for FVOL")


def test_a_weak_multi_factor_model_is_pulled_to_capm() -> None:
    """t = 1: half way; t = 0: CAPM alone."""
    assert capm.shrunk_to_capm(0.20, 0.10, 1.0) == pytest.approx(0.15)
    assert capm.shrunk_to_capm(0.20, 0.10, 0.0) == 0.10


def test_what_cannot_be_fitted_has_a_reason() -> None:
    """Too few rows for the factors, a factor that is constant or made of others; shapes are the caller's mistake."""
    two = np.column_stack((MARKET, 2.0 * MARKET))
    answers = [
        capm.factor_model(COIN[:39], MARKET[:39, None], ("MKT",)),
        capm.factor_model(COIN, np.full((500, 1), 0.01), ("MKT",)),
        capm.factor_model(COIN, two, ("MKT", "TWICE")),
        capm.factor_model(np.full(500, np.nan), two, ("MKT", "TWICE")),
    ]
    assert [answer.reason if isinstance(answer, NoAnswer) else answer for answer in answers] == [
        "too_little_history", "factors_do_not_move", "factors_do_not_move", "too_little_history"]
    with pytest.raises(ValueError, match="names"):
        capm.factor_model(COIN, two, ("MKT",))
    certain = capm.Loading("MKT", 1.0, 0.0)
    assert certain.t == math.inf
