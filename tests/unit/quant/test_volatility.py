"""A symbol's volatility state: equal to the vector formulas, fallbacks in order, choice by loss, caps by maximum."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from bot.quant.ewma import decay_of, ewma_variance, smoothed
from bot.quant.garch import GarchParams, filter_variance, variance_sum
from bot.quant.garch_guards import VolatilityReason
from bot.quant.har import HarFit, har_variance
from bot.quant.symbol_models import FitRequest, fit_symbol
from bot.quant.volatility import (
    SIZING,
    Average,
    SymbolModels,
    VolatilityParams,
    VolatilityState,
    cap_sigma,
    day_closed,
    forecast,
    hour_closed,
    is_stale,
    refit_reason,
    with_models,
)
from tests.unit.quant.series import garch_series, log_rv_series

PARAMS = VolatilityParams()
RETURNS = 0.01 * garch_series(400, omega=0.4, alpha=0.1, beta=0.85, nu=6.0)
REALISED = log_rv_series(400, (-0.78, 0.35, 0.35, 0.2), 0.4)
GARCH = GarchParams(model="garch_t", omega=0.4, alpha=0.1, beta=0.85, nu=6.0)
HAR = HarFit(constant=-0.78, day=0.35, week=0.35, month=0.2, residual_variance=0.16, rows=300)
MODELS = SymbolModels(symbol="x", garch=GARCH, variance_next_pct2=8.0, har=HAR)


def after(days: int, models: SymbolModels | None = MODELS, hours: int = 40) -> VolatilityState:
    """The state after so many days of the series."""
    state = VolatilityState()
    for each in 0.002 * np.random.default_rng(1).standard_normal(hours):
        state = hour_closed(state, float(each), PARAMS)
    if models is not None:
        state = with_models(state, models)
    for each, realised in zip(RETURNS[:days], REALISED[:days], strict=True):
        state = day_closed(state, float(each), float(realised), models, PARAMS)
    return state


def test_the_state_follows_the_vector_formulas() -> None:
    """After 200 days every average, the GARCH filter and HAR are what the arrays give."""
    state = after(200)
    assert state.daily.known == pytest.approx(ewma_variance(RETURNS[:200], decay_of(11.2))[-1], rel=1e-12)
    assert state.realised.known == pytest.approx(smoothed(REALISED[:200], decay_of(4.265))[-1], rel=1e-12)
    assert state.garch_pct2 == pytest.approx(filter_variance(100.0 * RETURNS[:200], GARCH, before=8.0)[-1], rel=1e-12)
    har = next(each for each in forecast(state, MODELS, PARAMS).models if each.source == "har")
    assert har.sigma_day**2 == pytest.approx(har_variance(HAR, REALISED[:200])[-1], rel=1e-9)


def test_a_state_survives_its_encoding() -> None:
    """Snapshots are its JSON, models included."""
    state = after(50)
    assert msgspec.json.decode(msgspec.json.encode(state), type=VolatilityState) == state
    assert msgspec.json.decode(msgspec.json.encode(MODELS), type=SymbolModels) == MODELS


def test_unknown_returns_change_no_average() -> None:
    """Hour or day, None or NaN; the month keeps its hole."""
    state = after(60)
    for unknown in (None, math.nan):
        assert hour_closed(state, unknown, PARAMS) == state
        moved = day_closed(state, unknown, unknown, MODELS, PARAMS)
        assert (moved.daily, moved.realised, moved.losses) == (state.daily, state.realised, state.losses)
        assert moved.month[-1] is None
        assert state.garch_pct2 is not None
        assert moved.garch_pct2 == pytest.approx(0.4 + 0.95 * state.garch_pct2)


def test_sizing_follows_the_lowest_recent_loss() -> None:
    """Whichever candidate has lost least over enough days is chosen; before that, the order of trust."""
    state = after(100)
    assert forecast(after(10), MODELS, PARAMS).source_size is None
    for place, source in enumerate(SIZING):
        losses = tuple(Average(0.3 if other == place else 0.5, 100) for other in range(len(SIZING)))
        chosen = forecast(msgspec.structs.replace(state, losses=losses), MODELS, PARAMS)
        assert chosen.source_size == source
        assert chosen.sigma_size_day == {m.source: m.sigma_day for m in chosen.models}[source]
    fresh = msgspec.structs.replace(state, losses=(Average(),) * len(SIZING))
    assert forecast(fresh, MODELS, PARAMS).source_size == "har"


def test_losses_are_the_mean_qlike_of_yesterdays_forecast() -> None:
    """The first scored day costs exactly RV / h - ln(RV / h) - 1 under the forecast that stood before it."""
    before = after(35)
    sigma = {each.source: each.sigma_day for each in forecast(before, MODELS, PARAMS).models}
    moved = day_closed(before, float(RETURNS[35]), float(REALISED[35]), MODELS, PARAMS)
    for place, source in enumerate(SIZING):
        ratio = REALISED[35] / sigma[source] ** 2
        seen, loss = before.losses[place].seen, ratio - math.log(ratio) - 1.0
        weight = 1.0 / (seen + 1) if seen < 30 else 1.0 - 0.5 ** (1.0 / 90.0)  # a plain mean first, then 90 days
        expected = (1.0 - weight) * before.losses[place].value + weight * loss
        assert moved.losses[place].value == pytest.approx(expected)


def test_caps_take_the_largest_of_all_models() -> None:
    """Also of implied volatility, which joins where a series is given and is missed where one was promised."""
    state = after(100)
    plain = forecast(state, MODELS, PARAMS)
    assert plain.sigma_cap_day == max(each.sigma_day for each in plain.models)
    implied = forecast(state, MODELS, PARAMS, implied_annual=2.5)
    assert implied.source_cap == "implied"
    assert implied.sigma_cap_day == pytest.approx(2.5 / math.sqrt(365))
    missed = forecast(state, MODELS, PARAMS, implied_wanted=True)
    assert VolatilityReason.NO_IMPLIED in missed.reasons
    assert VolatilityReason.NO_IMPLIED not in implied.reasons


def test_the_chain_of_fallbacks() -> None:
    """GARCH, then EWMA, then the venue's figure, then nothing; each step has its reason."""
    state = after(100)
    assert VolatilityReason.FALLBACK_EWMA not in forecast(state, MODELS, PARAMS).reasons
    stale = forecast(state, MODELS, PARAMS, stale=True)
    assert {VolatilityReason.STALE, VolatilityReason.FALLBACK_EWMA} <= set(stale.reasons)
    assert "garch" not in {each.source for each in stale.models}
    none = forecast(after(100, models=None), None, PARAMS)
    assert {VolatilityReason.NO_MODEL, VolatilityReason.FALLBACK_EWMA} <= set(none.reasons)
    assert none.tradable
    young = forecast(VolatilityState(), None, PARAMS, venue_realised_day=0.04)
    assert VolatilityReason.FALLBACK_VENUE in young.reasons
    assert young.sigma_cap_day == pytest.approx(0.04)
    assert young.sigma_size_day == pytest.approx(0.04)
    nothing = forecast(after(0, models=None), None, PARAMS)
    assert not nothing.tradable
    assert nothing.reasons[-1] is VolatilityReason.UNTRADABLE


def test_a_filtered_variance_that_left_its_band_is_not_believed() -> None:
    """Six times the 30-day EWMA's volatility: the forecast goes on without GARCH and says why."""
    state = after(100)
    assert state.span_30d.known is not None
    wild = msgspec.structs.replace(state, garch_pct2=36.5e4 * state.span_30d.known)
    result = forecast(wild, MODELS, PARAMS)
    assert VolatilityReason.FORECAST_OUT_OF_BAND in result.reasons
    assert "garch" not in {each.source for each in result.models}


def test_a_fit_without_garch_stops_the_filter() -> None:
    """Reasons travel into the forecast."""
    refused = msgspec.structs.replace(MODELS, garch=None, variance_next_pct2=9.0,
                                      reasons=(VolatilityReason.PERSISTENCE_HIGH,))
    state = with_models(after(60), refused)
    assert state.garch_pct2 is None
    assert forecast(state, refused, PARAMS).reasons == (
        VolatilityReason.PERSISTENCE_HIGH, VolatilityReason.FALLBACK_EWMA)


DAY = 86_400_000_000_000


def test_models_are_fitted_again_when_they_are_due() -> None:
    """None yet, a week old, and stale from two weeks on."""
    models = msgspec.structs.replace(MODELS, data_ns=100 * DAY)
    assert refit_reason(after(60), None, 0, PARAMS) is VolatilityReason.NO_MODEL
    assert refit_reason(after(60), models, 107 * DAY - 1, PARAMS) is None
    assert refit_reason(after(60), models, 107 * DAY, PARAMS) is VolatilityReason.REFIT_DUE
    assert not is_stale(models, 114 * DAY, PARAMS)
    assert is_stale(models, 114 * DAY + 1, PARAMS)


def test_a_shock_asks_for_a_fit_at_once_and_ordinary_days_do_not() -> None:
    """The mean log-likelihood since the fit, three standard errors below the sample's; a new fit starts afresh."""
    fitted = fit_symbol(FitRequest(symbol="x", daily_returns=tuple(RETURNS.tolist()), data_ns=100 * DAY))
    state = with_models(after(60), fitted)
    assert state.logliks == ()
    for each in RETURNS[:40]:
        state = day_closed(state, float(each), None, fitted, PARAMS)
    assert len(state.logliks) == 30
    assert refit_reason(state, fitted, 101 * DAY, PARAMS) is None
    crashed = day_closed(with_models(state, fitted), -0.45, None, fitted, PARAMS)
    assert refit_reason(crashed, fitted, 101 * DAY, PARAMS) is VolatilityReason.SHOCK
    assert refit_reason(with_models(crashed, fitted), fitted, 101 * DAY, PARAMS) is None


def test_cap_sigma_scales_a_day_down_and_follows_mean_reversion_beyond() -> None:
    """Six hours are half a day's sigma; three days of GARCH are its variance sum if that is the largest."""
    state = msgspec.structs.replace(after(100), floor_day=None)
    volatility = forecast(state, MODELS, PARAMS)
    assert volatility.sigma_cap_day is not None
    assert cap_sigma(volatility, state, MODELS, 6.0) == pytest.approx(0.5 * volatility.sigma_cap_day)
    rising = msgspec.structs.replace(state, garch_pct2=7.0)
    only = msgspec.structs.replace(forecast(rising, MODELS, PARAMS), models=tuple(
        each for each in forecast(rising, MODELS, PARAMS).models if each.source == "garch"))
    assert cap_sigma(only, rising, MODELS, 72.0) == pytest.approx(math.sqrt(variance_sum(GARCH, 7.0, 3) * 1e-4))


def test_cap_sigma_does_not_fall_below_the_quiet_end_of_its_year() -> None:
    """The 20th percentile of a year's daily volatilities is the floor."""
    state = after(120)
    assert state.floor_day == sorted(state.year)[int(0.2 * (len(state.year) - 1))]
    volatility = forecast(state, MODELS, PARAMS)
    raised = msgspec.structs.replace(state, floor_day=0.5)
    assert cap_sigma(volatility, raised, MODELS, 24.0) == pytest.approx(0.5)


def test_the_hour_of_the_week_may_raise_a_cap_sigma_and_never_lowers_it() -> None:
    """Factors of 2 double it, factors of a half leave it."""
    state = after(100)
    volatility = forecast(state, MODELS, PARAMS)
    plain = cap_sigma(volatility, state, MODELS, 9.0, now_ns=0)
    assert plain is not None
    for factor, expected in ((2.0, 2.0), (0.5, 1.0)):
        models = msgspec.structs.replace(MODELS, hour_factors=(factor,) * 168)
        assert cap_sigma(volatility, state, models, 9.0, now_ns=0) == pytest.approx(expected * plain)


def test_without_volatility_there_is_no_cap_sigma() -> None:
    """Unknown stays unknown."""
    nothing = forecast(VolatilityState(), None, PARAMS)
    assert cap_sigma(nothing, VolatilityState(), None, 9.0) is None


def test_parameters_refuse_what_makes_no_sense() -> None:
    """Each bound names its setting."""
    for bad in (
        {"window_days": 100}, {"refit_days": 0.0}, {"shock_deviations": 0.0}, {"fast_half_life_h": 500.0},
        {"daily_half_life_d": 0.0}, {"qlike_days_min": 0}, {"floor_quantile": 1.0},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            VolatilityParams(**bad)
    assert day_closed(after(60), 0.01, 1e-4, MODELS, VolatilityParams(floor_quantile=0.0)).floor_day is None


# ------------------------------------------------------------------------------------------- symbol models

HOURS = tuple((0.005 * np.random.default_rng(3).standard_normal(24 * 7 * 13)).tolist())
REQUEST = FitRequest(
    symbol="b:X", daily_returns=tuple(RETURNS.tolist()), realised=tuple(REALISED.tolist()), hourly_returns=HOURS,
    hourly_last_ns=1_700_000_000_000_000_000 // 3_600_000_000_000 * 3_600_000_000_000, data_ns=7,
)


def test_one_call_fits_everything_of_a_symbol() -> None:
    """GARCH with its next variance, HAR, 168 factors, and the stamp of the data."""
    models = fit_symbol(REQUEST)
    assert models.garch is not None
    assert models.har is not None
    assert (len(models.hour_factors), models.data_ns, models.points) == (168, 7, 400)
    assert models.variance_next_pct2 is not None


def test_several_models_are_told_apart_by_bic() -> None:
    """The lowest BIC is chosen, and shown."""
    both = fit_symbol(msgspec.structs.replace(REQUEST, models=("garch_t", "garch_normal")))
    each = [fit_symbol(msgspec.structs.replace(REQUEST, models=(m,))) for m in ("garch_t", "garch_normal")]
    assert both.bic == min(one.bic or math.inf for one in each)


def test_a_symbol_too_young_for_anything_says_why() -> None:
    """No GARCH, no HAR, no factors, one reason."""
    models = fit_symbol(FitRequest(symbol="b:X", daily_returns=(0.01, None, -0.02), hourly_returns=(0.01,)))
    assert (models.garch, models.har, models.hour_factors) == (None, None, ())
    assert models.reasons == (VolatilityReason.TOO_FEW_POINTS,)
