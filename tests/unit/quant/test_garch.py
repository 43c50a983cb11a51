"""GARCH recursions and fits against arch's published S&P 500 fits, arch itself, closed forms and known truths."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from arch import arch_model
from arch.data import sp500
from scipy import optimize, stats
from scipy.special import gamma as gamma_function

from bot.quant.garch import (
    GarchParams,
    Model,
    filter_variance,
    first_variance,
    log_densities,
    log_density,
    next_variance,
    unit_shocks,
    variance_sum,
)
from bot.quant.garch_fit import _ARCH, choose_by_bic, fit_garch
from bot.quant.garch_guards import FitGuards, VolatilityReason, band_reason, input_reason, params_reason, winsorised
from bot.quant.garch_likelihood import Likelihood
from tests.unit.quant.series import garch_series

Vector = npt.NDArray[np.float64]

SERIES = garch_series(1_000, nu=4.0)
PARAMS = GarchParams(model="garch_t", omega=0.5, alpha=0.08, beta=0.88, nu=4.0)
EGARCH = GarchParams(model="egarch_t", omega=0.1, alpha=0.15, gamma=-0.05, beta=0.95, nu=5.0)


@pytest.fixture(scope="module")
def sp500_pct() -> Vector:
    """Daily returns of the S&P 500, 1999 to 2018, per cent, as arch's documentation takes them."""
    return np.asarray(100.0 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy())


@pytest.mark.parametrize(("model", "loglik", "values"), [
    ("garch_normal", -6936.72, {"mu": 0.0564, "omega": 0.0175, "alpha": 0.1022, "gamma": 0.0, "beta": 0.8852}),
    ("gjr_normal", -6822.88, {"mu": 0.0175, "omega": 0.0196, "alpha": 0.0, "gamma": 0.1831, "beta": 0.8922}),
])
def test_the_documented_fits_of_the_sp500_are_reproduced(
    sp500_pct: Vector, model: Model, loglik: float, values: dict[str, float]
) -> None:
    """Log-likelihood and coefficients as arch's documentation prints them (constant mean, 5,030 days)."""
    fit = fit_garch(sp500_pct, model, mean="constant")
    assert fit.params is not None
    assert fit.points == 5_030
    # the filter's own likelihood, not the one the optimiser reported
    assert fit.loglik == pytest.approx(loglik, abs=0.05)
    for name, value in values.items():
        assert getattr(fit.params, name) == pytest.approx(value, abs=2e-4)


def test_bic_is_the_documented_one(sp500_pct: Vector) -> None:
    """13,907.5 for the constant-mean GARCH(1,1): five per cent of a point is print rounding."""
    fit = fit_garch(sp500_pct, "garch_normal", mean="constant")
    assert fit.bic == pytest.approx(13_907.5, abs=0.1)


@pytest.mark.parametrize("model", ["garch_normal", "garch_t", "gjr_normal", "gjr_t"])
def test_the_fast_likelihood_finds_archs_optimum(model: Model) -> None:
    """Same log-likelihood to 1e-6 relative and the same parameters, from a cold start."""
    returns = garch_series(1_000, gamma=0.06 if model.startswith("gjr") else 0.0, beta=0.85, seed=11)
    theirs = arch_model(returns, mean="Zero", p=1, q=1, rescale=False, **_ARCH[model]).fit(disp="off")
    ours = Likelihood(returns, model).optimum(None)
    assert ours.converged
    assert ours.loglik == pytest.approx(theirs.loglikelihood, rel=1e-6)
    assert ours.params.alpha == pytest.approx(theirs.params["alpha[1]"], abs=2e-3)
    assert ours.params.beta == pytest.approx(theirs.params["beta[1]"], abs=5e-3)


@pytest.mark.parametrize("targeting", [False, True])
def test_the_gradient_is_the_derivative(targeting: bool) -> None:
    """Against finite differences, away from the optimum."""
    likelihood = Likelihood(SERIES, "gjr_t", targeting=targeting)
    theta = np.array([0.05, 0.07, 0.85, 4.5]) if targeting else np.array([0.06, 0.05, 0.07, 0.85, 4.5])
    work = likelihood.targeted if targeting else likelihood.value
    error = optimize.check_grad(lambda x: work(x)[0], lambda x: work(x)[1], theta)
    assert error < 1e-6


def test_the_likelihood_of_a_variance_below_zero_is_worse_than_any() -> None:
    """The optimiser may step outside its bounds; it is sent back, not given a NaN."""
    value, gradient = Likelihood(SERIES, "garch_t").value(np.array([-5.0, 0.1, 0.8, 5.0]))
    assert value >= 1e9
    assert np.isfinite(gradient).all()


def test_models_without_a_fast_likelihood_are_refused_by_it() -> None:
    """EGARCH goes to arch."""
    with pytest.raises(ValueError, match="egarch_t"):
        Likelihood(SERIES, "egarch_t")


@pytest.mark.parametrize("model", ["garch_t", "gjr_t", "egarch_t", "garch_skewt"])
def test_the_filter_is_archs_conditional_variance(model: Model) -> None:
    """Row by row, start value included, with the last row being arch's one-step forecast."""
    result = arch_model(SERIES, mean="Zero", p=1, q=1, rescale=False, **_ARCH[model]).fit(disp="off")
    fit = fit_garch(SERIES, model)
    assert fit.params is not None
    fixed = arch_model(SERIES, mean="Zero", p=1, q=1, rescale=False, **_ARCH[model]).fix(_in_archs_order(fit.params))
    ours = np.append(first_variance(SERIES, fit.params), filter_variance(SERIES, fit.params))
    assert ours[:-1] == pytest.approx(np.asarray(fixed.conditional_volatility) ** 2, rel=1e-9)
    assert ours[-1] == pytest.approx(float(fixed.forecast(horizon=1).variance.iloc[-1, 0]), rel=1e-9)
    assert fit.loglik == pytest.approx(float(fixed.loglikelihood), rel=1e-9)
    assert fit.loglik == pytest.approx(float(result.loglikelihood), rel=1e-5)


def _in_archs_order(params: GarchParams) -> list[float]:
    values = [params.omega, params.alpha]
    values += [params.gamma] if params.model in ("gjr_t", "egarch_t") else []
    values += [params.beta, params.nu or 0.0]
    return values + ([params.skew] if params.model == "garch_skewt" else [])


def test_known_parameters_are_recovered() -> None:
    """6,000 simulated days give omega, alpha, beta and nu back within a few standard errors."""
    fit = fit_garch(garch_series(6_000, nu=5.0, seed=21))
    assert fit.params is not None
    assert fit.params.alpha == pytest.approx(0.08, abs=0.03)
    assert fit.params.beta == pytest.approx(0.88, abs=0.05)
    assert fit.params.nu == pytest.approx(5.0, abs=0.8)
    assert fit.params.variance_mean == pytest.approx(12.5, rel=0.3)


def test_a_warm_start_ends_at_the_same_optimum() -> None:
    """Started from another week's parameters the log-likelihood is the same to 1e-6."""
    cold = fit_garch(SERIES[7:])
    assert cold.params is not None
    warm = fit_garch(SERIES[7:], start=fit_garch(SERIES[:-7]).params)
    assert warm.loglik == pytest.approx(cold.loglik, rel=1e-6)


def test_a_start_of_another_model_is_not_used() -> None:
    """GARCH parameters say nothing about EGARCH's; the fit is the cold one."""
    cold = fit_garch(SERIES, "egarch_t")
    assert fit_garch(SERIES, "egarch_t", start=PARAMS).loglik == pytest.approx(cold.loglik, rel=1e-9)


def test_bic_prefers_the_model_that_made_the_data() -> None:
    """A strong leverage effect is worth its parameter; without one it is not."""
    fits = [fit_garch(garch_series(2_000, alpha=0.02, gamma=0.2, beta=0.82, seed=8), m) for m in ("garch_t", "gjr_t")]
    plain = [fit_garch(garch_series(2_000, seed=9), model) for model in ("garch_t", "gjr_t")]
    chosen, plainly = choose_by_bic(fits), choose_by_bic(plain)
    assert chosen is not None
    assert plainly is not None
    assert (chosen.model, plainly.model) == ("gjr_t", "garch_t")
    assert choose_by_bic([fit_garch(SERIES[:50])]) is None


# ------------------------------------------------------------------------------------------- guards


def test_too_few_points_are_refused() -> None:
    """249 returns are no fit; the reason says so."""
    fit = fit_garch(SERIES[:249])
    assert (fit.usable, fit.reasons) == (False, (VolatilityReason.TOO_FEW_POINTS,))


def test_gaps_are_refused_above_five_per_cent() -> None:
    """With 6 % unknown there is no fit; with 4 % there is, on what is known."""
    holed = SERIES.copy()
    holed[::16] = math.nan
    assert fit_garch(holed).reasons == (VolatilityReason.GAPS,)
    holed = SERIES.copy()
    holed[::25] = math.nan
    fit = fit_garch(holed)
    assert (fit.usable, fit.points) == (True, 960)


@pytest.mark.parametrize("returns", [np.zeros(400), np.where(np.arange(400) % 3 == 0, 1.0, 0.0)])
def test_a_series_that_hardly_moves_is_refused(returns: Vector) -> None:
    """Constant, or flat on more than half of its days."""
    assert fit_garch(returns).reasons == (VolatilityReason.CONSTANT_SERIES,)


def test_outliers_are_held_for_the_fit_and_not_for_the_filter() -> None:
    """One return of 40 sd is winsorised with a reason; the filtered variance still sees all of it."""
    wild = SERIES.copy()
    wild[-1] = 40.0 * SERIES.std()
    fit = fit_garch(wild, guards=FitGuards(band_high=100.0))
    assert fit.params is not None
    assert VolatilityReason.WINSORISED in fit.reasons
    assert fit.variance_next == pytest.approx(
        next_variance(fit.params, float(filter_variance(wild[:-1], fit.params)[-1]), wild[-1]), rel=1e-9)
    held, moved = winsorised(wild, FitGuards())
    assert (moved, held.max() < wild[-1]) == (1, True)


def test_an_integrated_fit_is_refitted_to_the_sample_variance() -> None:
    """A level shift drives persistence to 1; variance targeting brings it below, and says so."""
    fit = fit_garch(np.concatenate((garch_series(700, seed=2), 4.0 * garch_series(300, seed=3))))
    assert fit.params is not None
    assert VolatilityReason.VARIANCE_TARGETED in fit.reasons
    assert fit.params.persistence < 0.999


def test_persistence_that_targeting_cannot_lower_is_a_refusal() -> None:
    """A volatility that only grows has no mean: reason, no parameters."""
    growing = np.random.default_rng(4).standard_normal(800) * np.exp(np.linspace(0.0, 4.0, 800))
    fit = fit_garch(growing, "garch_t")
    assert fit.params is None
    assert fit.reasons[-1] is VolatilityReason.PERSISTENCE_HIGH


def test_a_tail_without_variance_is_clipped() -> None:
    """Shocks of a t with 2 degrees drive nu to its bound; it is set to 2.5 with a reason."""
    wild = np.random.default_rng(6).standard_t(1.6, 1_500)
    fit = fit_garch(wild, guards=FitGuards(winsor_sd=1e6, band_high=1e6, band_low=1e-6))
    assert VolatilityReason.NU_CLIPPED in fit.reasons
    assert fit.params is not None
    assert fit.params.nu == 2.5


def test_a_forecast_outside_the_band_is_refused() -> None:
    """Five times the 30-day EWMA's volatility is the end of belief."""
    fit = fit_garch(SERIES, guards=FitGuards(band_low=0.9999, band_high=1.0001))
    assert fit.reasons[-1] is VolatilityReason.FORECAST_OUT_OF_BAND
    assert fit.params is None
    assert band_reason(4.0, 1.0, FitGuards()) is None
    assert band_reason(26.0, 1.0, FitGuards()) is VolatilityReason.FORECAST_OUT_OF_BAND
    assert band_reason(0.03, 1.0, FitGuards()) is VolatilityReason.FORECAST_OUT_OF_BAND
    assert band_reason(math.nan, 1.0, FitGuards()) is VolatilityReason.FORECAST_OUT_OF_BAND


def test_parameters_at_their_bounds_are_refused() -> None:
    """Omega at the optimiser's lower bound, a NaN, and an explosive persistence each have their reason."""
    at_bound = GarchParams(model="garch_t", omega=1e-8, alpha=0.05, beta=0.9, nu=4.0)
    assert params_reason(at_bound, 1.0) is VolatilityReason.OMEGA_AT_BOUND
    unknown = GarchParams(model="garch_t", omega=math.nan, alpha=0.05, beta=0.9, nu=4.0)
    assert params_reason(unknown, 1.0) is VolatilityReason.NOT_CONVERGED
    explosive = GarchParams(model="garch_t", omega=0.1, alpha=0.2, beta=0.8, nu=4.0)
    assert params_reason(explosive, 1.0) is VolatilityReason.PERSISTENCE_HIGH
    assert params_reason(EGARCH, 1.0) is None


def test_a_fit_that_does_not_converge_is_tried_once_more_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second try is arch's own; when that fails too, the reasons name both."""
    optimum = Likelihood(SERIES, "garch_t").optimum(None)
    failed = type(optimum)(params=optimum.params, loglik=optimum.loglik, converged=False)
    monkeypatch.setattr(Likelihood, "optimum", lambda self, start: failed)
    rescued = fit_garch(SERIES)
    assert rescued.reasons == (VolatilityReason.RETRIED,)
    assert rescued.loglik == pytest.approx(optimum.loglik, rel=1e-6)
    again = fit_garch(SERIES, start=PARAMS)
    assert again.reasons == (VolatilityReason.RETRIED, VolatilityReason.NOT_CONVERGED)
    assert not again.usable


def test_guards_refuse_thresholds_without_sense() -> None:
    """Each bound names its setting."""
    for bad in ({"points_min": 10}, {"gap_share_max": 0.9}, {"winsor_sd": 1.0}, {"nu_min": 1.9}, {"band_low": 2.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            FitGuards(**bad)


def test_input_of_infinite_returns_counts_as_unknown() -> None:
    """A price of zero makes an infinite log return: no number to fit."""
    holed = SERIES[:300].copy()
    holed[:60] = -math.inf
    assert input_reason(holed, FitGuards()) is VolatilityReason.TOO_FEW_POINTS


# ------------------------------------------------------------------------------------------- recursions


def test_an_unknown_return_counts_at_its_expected_square() -> None:
    """The forecast then drifts towards the mean by the persistence; EGARCH's by beta."""
    assert next_variance(PARAMS, 20.0, math.nan) == pytest.approx(0.5 + 0.96 * 20.0)
    assert next_variance(EGARCH, 20.0, math.nan) == pytest.approx(math.exp(0.1 + 0.95 * math.log(20.0)))


def test_falls_weigh_more_under_gjr() -> None:
    """The extra weight is gamma, for negative returns alone."""
    params = GarchParams(model="gjr_t", omega=0.5, alpha=0.05, gamma=0.1, beta=0.85, nu=5.0)
    assert next_variance(params, 10.0, -3.0) == pytest.approx(0.5 + 0.15 * 9.0 + 8.5)
    assert next_variance(params, 10.0, 3.0) == pytest.approx(0.5 + 0.05 * 9.0 + 8.5)


@pytest.mark.parametrize("params", [PARAMS, EGARCH, GarchParams(
    model="gjr_t", omega=0.5, alpha=0.05, gamma=0.1, beta=0.85, nu=5.0, mu=0.2)])
def test_a_filter_is_its_steps_one_by_one(params: GarchParams) -> None:
    """Bit for bit, unknown rows included: a bot that goes day by day and a fit that goes at once agree."""
    returns = SERIES[:50].copy()
    returns[[7, 20]] = math.nan, -math.inf
    value, steps = first_variance(returns, params), []
    for each in returns.tolist():
        value = next_variance(params, value, each)
        steps.append(value)
    assert filter_variance(returns, params).tolist() == steps


def test_filtering_goes_on_from_a_variance_that_is_handed_over() -> None:
    """Two halves, the second started from the first's last forecast, equal the whole."""
    whole = filter_variance(SERIES, PARAMS)
    first = filter_variance(SERIES[:400], PARAMS)
    assert filter_variance(SERIES[400:], PARAMS, before=float(first[-1])) == pytest.approx(whole[400:], rel=1e-12)


def test_nothing_known_starts_no_filter() -> None:
    """All NaN has no first variance."""
    with pytest.raises(ValueError, match="no return is known"):
        filter_variance(np.full(5, math.nan), PARAMS)


def test_variance_sum_is_the_sum_of_archs_analytic_forecasts() -> None:
    """Twenty steps ahead, GARCH and GJR."""
    models: tuple[Model, ...] = ("garch_t", "gjr_t")
    for model in models:
        fit = fit_garch(SERIES, model)
        assert fit.params is not None
        assert fit.variance_next is not None
        fixed = arch_model(SERIES, mean="Zero", p=1, q=1, rescale=False, **_ARCH[model]).fix(
            _in_archs_order(fit.params))
        theirs = float(fixed.forecast(horizon=20).variance.iloc[-1].sum())
        assert variance_sum(fit.params, fit.variance_next, 20) == pytest.approx(theirs, rel=1e-9)


def test_an_integrated_model_has_no_mean_to_return_to() -> None:
    """From 0.999 on the sum is h1 times n."""
    params = GarchParams(model="garch_t", omega=0.01, alpha=0.1, beta=0.8995, nu=4.0)
    assert variance_sum(params, 9.0, 30) == 270.0
    assert params.variance_mean is None
    with pytest.raises(ValueError, match="steps"):
        variance_sum(params, 9.0, 0)


def test_egarch_sums_to_what_a_simulation_gives() -> None:
    """Quadrature against 400,000 simulated paths of five steps with shocks held within 15 sd."""
    rng = np.random.default_rng(17)
    nu = EGARCH.nu or 0.0
    logs = np.full(400_000, math.log(8.0))
    total = np.full(400_000, 8.0)
    for _ in range(4):
        z = np.clip(rng.standard_t(nu, 400_000) * math.sqrt((nu - 2.0) / nu), -15.0, 15.0)
        impact = EGARCH.alpha * (np.abs(z) - math.sqrt(2 / math.pi)) + EGARCH.gamma * z
        logs = EGARCH.omega + EGARCH.beta * logs + impact
        total += np.exp(logs)
    assert variance_sum(EGARCH, 8.0, 5) == pytest.approx(float(total.mean()), rel=2e-3)
    assert variance_sum(EGARCH, 8.0, 1) == 8.0


@pytest.mark.parametrize("nu", [None, 3.0, 6.0])
def test_unit_shocks_are_the_t_with_unit_variance(nu: float | None) -> None:
    """Weights sum to one; the mean absolute shock is the closed form; the normal's variance is 1."""
    points, weights = unit_shocks(nu)
    assert weights.sum() == pytest.approx(1.0)
    if nu is None:
        assert points**2 @ weights == pytest.approx(1.0, rel=1e-6)
        expected = math.sqrt(2.0 / math.pi)
    else:
        expected = (
            2.0 * math.sqrt(nu - 2.0) * gamma_function((nu + 1) / 2)
            / (math.sqrt(math.pi) * (nu - 1) * gamma_function(nu / 2))
        )
    assert np.abs(points) @ weights == pytest.approx(expected, rel=3e-3)


def test_densities_are_scipys() -> None:
    """Unit-variance t and normal, row by row; unknown rows stay unknown."""
    returns, variances = np.array([1.0, -2.0, math.nan]), np.array([4.0, 9.0, 1.0])
    scale = np.sqrt(variances * (4.0 - 2.0) / 4.0)
    ours = log_densities(returns, variances, PARAMS)
    assert ours[:2] == pytest.approx(stats.t.logpdf(returns[:2], 4.0, scale=scale[:2]))
    assert math.isnan(ours[2])
    normal = GarchParams(model="garch_normal", omega=0.1, alpha=0.1, beta=0.8, mu=0.5)
    assert log_densities(returns, variances, normal)[:2] == pytest.approx(
        stats.norm.logpdf(returns[:2], 0.5, np.sqrt(variances[:2])))


@pytest.mark.parametrize("params", [
    PARAMS, GarchParams(model="garch_normal", omega=0.1, alpha=0.1, beta=0.8, mu=0.3),
    GarchParams(model="garch_skewt", omega=0.1, alpha=0.1, beta=0.8, nu=4.0, skew=-0.2),
])
def test_one_density_is_a_row_of_many(params: GarchParams) -> None:
    """Scalar and array forms agree, on both sides of the skew's joint."""
    returns = np.array([-3.0, -0.2, 0.0, 0.1, 5.0])
    rows = log_densities(returns, np.full(5, 4.0), params)
    assert [log_density(each, 4.0, params) for each in returns.tolist()] == pytest.approx(rows.tolist(), rel=1e-12)


def test_a_wild_egarch_stays_within_floats() -> None:
    """Parameters no guard has seen yet: the recursion neither overflows nor takes the logarithm of nothing."""
    wild = GarchParams(model="egarch_t", omega=-50.0, alpha=-30.0, gamma=5.0, beta=0.99, nu=5.0)
    path = filter_variance(np.array([0.1, 40.0, -60.0, 0.0, 3.0] * 50), wild)
    assert np.isfinite(path).all()
    assert (path > 0.0).all()
