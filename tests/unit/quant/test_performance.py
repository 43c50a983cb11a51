"""Performance numbers against hand-made values, brute-force formulas and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.quant import performance
from bot.quant.market_beta import market_beta, newey_west_lags
from bot.quant.performance import (
    annual_volatility,
    autocorrelations,
    cagr,
    calmar,
    drawdown,
    hit_rate,
    sharpe,
    sharpe_autocorrelated,
    sharpe_standard_error,
    sortino,
)

ALTERNATING = np.array([0.01, -0.005] * 10)
"""Mean 0.0025, deviation 0.0075 on each side: the standard deviation (n - 1) is 0.0075 sqrt(20/19)."""


def autoregressive(rho: float, size: int, seed: int = 7) -> np.ndarray:
    """An AR(1) series of unit innovations."""
    noise = np.random.default_rng(seed).standard_normal(size)
    series = np.empty(size)
    series[0] = noise[0]
    for i in range(1, size):
        series[i] = rho * series[i - 1] + noise[i]
    return series


def test_sharpe_is_mean_over_deviation_in_annual_units() -> None:
    """Two alternating returns give a ratio that can be written down."""
    assert sharpe(ALTERNATING) == pytest.approx(0.0025 / (0.0075 * math.sqrt(20 / 19)) * math.sqrt(365))


def test_standard_error_follows_the_per_day_formula() -> None:
    """sqrt((1 + SR^2 / 2) / n) per day, times sqrt(365)."""
    daily = 0.0025 / (0.0075 * math.sqrt(20 / 19))
    assert sharpe_standard_error(ALTERNATING) == pytest.approx(math.sqrt((1 + daily**2 / 2) / 20) * math.sqrt(365))


def test_autocorrelations_match_the_double_loop() -> None:
    """The vectorised sums equal the definition."""
    x = autoregressive(0.4, 50)
    centred = x - x.mean()
    expected = [sum(centred[t] * centred[t - k] for t in range(k, 50)) / sum(centred**2) for k in (1, 2, 3)]
    assert autocorrelations(x, 3) == pytest.approx(expected)


def test_correction_that_leaves_no_variance_is_unknown() -> None:
    """Perfect alternation (lag-1 autocorrelation -19/20) makes one lag's yearly variance negative: no number then."""
    assert autocorrelations(ALTERNATING, 1) == pytest.approx([-19 / 20])
    assert sharpe_autocorrelated(ALTERNATING, lags=1) is None


def test_autocorrelations_need_lags_variance_and_known_values() -> None:
    """No lag, as many lags as points, a flat series or a hole: no answer, and no corrected ratio."""
    assert autocorrelations(ALTERNATING, 0) is None
    assert autocorrelations(ALTERNATING, len(ALTERNATING)) is None
    assert autocorrelations(np.full(20, 0.1), 2) is None
    assert autocorrelations(np.append(ALTERNATING, np.nan), 2) is None
    assert sharpe_autocorrelated(ALTERNATING, lags=0) is None
    assert sharpe_autocorrelated(np.full(20, 0.1)) is None


def test_positive_autocorrelation_lowers_the_ratio_as_lo_says() -> None:
    """For AR(1) with 0.46 a year's ratio shrinks by about sqrt((1 + rho) / (1 - rho))."""
    returns = 0.001 + 0.01 * autoregressive(0.46, 20_000)
    plain, corrected = sharpe(returns), sharpe_autocorrelated(returns, lags=30)
    assert plain is not None
    assert corrected is not None
    assert plain / corrected == pytest.approx(math.sqrt(1.46 / 0.54), rel=0.06)


def test_correction_equals_the_variance_of_the_summed_year() -> None:
    """eta(q) comes from Var(sum of q returns) = sum over all pairs of the autocovariance: checked pair by pair."""
    returns = 0.001 + 0.01 * autoregressive(0.3, 400)
    lags = 5
    rho = autocorrelations(returns, lags)
    assert rho is not None
    pairs = sum(1.0 if i == j else rho[abs(i - j) - 1] for i in range(365) for j in range(365) if abs(i - j) <= lags)
    daily = returns.mean() / returns.std(ddof=1)
    assert sharpe_autocorrelated(returns, lags) == pytest.approx(daily * 365 / math.sqrt(pairs))


def test_volatility_is_annual_and_may_be_zero() -> None:
    """A book that never moves has volatility 0, which is a measurement, and no Sharpe ratio."""
    assert annual_volatility(ALTERNATING) == pytest.approx(0.0075 * math.sqrt(20 / 19) * math.sqrt(365))
    assert annual_volatility(np.zeros(30)) == 0.0
    assert sharpe(np.full(30, 0.001)) is None


def test_cagr_uses_a_year_of_365_days() -> None:
    """21 % in two years is 10 % a year; half a year of +10 % is +21 %."""
    assert cagr(1.21, 730) == pytest.approx(0.10)
    assert cagr(1.1, 182.5) == pytest.approx(0.21)
    assert cagr(0.0, 400) == -1.0


def test_cagr_of_a_short_run_is_unknown() -> None:
    """Three good days are not a year."""
    assert cagr(1.02, 3.0) is None


def test_drawdown_finds_depth_place_and_time_under_water() -> None:
    """120 to 90 is a quarter; the stretch below 120 lasts to the last point below."""
    result = drawdown(np.array([100.0, 120.0, 100.0, 90.0, 110.0, 121.0, 120.0]))
    assert result is not None
    assert result.depth == pytest.approx(0.25)
    assert (result.peak, result.trough, result.longest_under_water) == (1, 3, 3)


def test_rising_equity_has_no_drawdown_and_no_calmar() -> None:
    """Depth 0 is a fact, a ratio to it is not."""
    result = drawdown(np.array([1.0, 1.1, 1.2]))
    assert result is not None
    assert (result.depth, result.longest_under_water) == (0.0, 0)
    assert calmar(0.2, result.depth) is None
    assert calmar(0.2, 0.1) == pytest.approx(2.0)


def test_drawdown_to_zero_is_total_and_from_zero_unknown() -> None:
    """Losing everything is a depth of 1; a series that starts at nothing has no peak."""
    result = drawdown(np.array([10.0, 0.0]))
    assert result is not None
    assert result.depth == 1.0
    assert drawdown(np.array([0.0, 10.0])) is None


def test_sortino_counts_losses_alone() -> None:
    """Downside deviation of the alternating series: sqrt(0.005^2 / 2)."""
    assert sortino(ALTERNATING) == pytest.approx(0.0025 / math.sqrt(0.005**2 / 2) * math.sqrt(365))
    assert sortino(np.abs(ALTERNATING)) is None


def test_hit_rate_leaves_out_idle_days() -> None:
    """Days that did not move say nothing about being right."""
    assert hit_rate(np.array([0.01, 0.02, 0.01, -0.01] * 4 + [0.0] * 100)) == pytest.approx(0.75)
    assert hit_rate(np.zeros(100)) is None


@pytest.mark.parametrize("name", ["sharpe", "sharpe_standard_error", "sharpe_autocorrelated", "annual_volatility",
                                  "sortino", "hit_rate"])
def test_too_few_or_unknown_points_give_none(name: str) -> None:
    """Nothing is made of nine days or of a series with a hole."""
    measure = getattr(performance, name)
    assert measure(ALTERNATING[:9]) is None
    assert measure(np.append(ALTERNATING, np.nan)) is None


def brute_force_se(y: np.ndarray, x: np.ndarray, lags: int) -> float:
    """The HAC error as a double sum over all pairs of days, in plain loops."""
    design = np.column_stack((np.ones(len(x)), x))
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    errors = y - design @ beta
    meat = np.zeros((2, 2))
    for s in range(len(x)):
        for t in range(len(x)):
            weight = max(0.0, 1.0 - abs(s - t) / (lags + 1.0))
            meat += weight * errors[s] * errors[t] * np.outer(design[s], design[t])
    bread = np.linalg.inv(design.T @ design)
    return float(np.sqrt((bread @ meat @ bread)[1, 1]))


def test_beta_and_its_error_match_the_double_sum() -> None:
    """Slope by least squares, error by the definition of the Bartlett kernel."""
    x = 0.03 * autoregressive(0.0, 120, seed=1)
    y = 0.5 * x + 0.01 * autoregressive(0.5, 120, seed=2)
    found = market_beta(y, x)
    assert found is not None
    assert found.value == pytest.approx(np.polyfit(x, y, 1)[0])
    assert found.lags == newey_west_lags(120) == 4
    assert found.se == pytest.approx(brute_force_se(y, x, 4))
    assert list(found.interval) == pytest.approx([found.value - 1.96 * found.se, found.value + 1.96 * found.se])


def test_beta_error_matches_statsmodels() -> None:
    """The same number as a library that others trust, where it is installed."""
    regression = pytest.importorskip("statsmodels.regression.linear_model")
    x = 0.03 * autoregressive(0.1, 400, seed=3)
    y = 0.02 * x + 0.004 * autoregressive(0.4, 400, seed=4)
    fit = regression.OLS(y, np.column_stack((np.ones(400), x))).fit(
        cov_type="HAC", cov_kwds={"maxlags": newey_west_lags(400)})
    found = market_beta(y, x)
    assert found is not None
    assert [found.value, found.se] == pytest.approx([fit.params[1], fit.bse[1]])


def test_bandwidth_is_the_usual_rule() -> None:
    """floor(4 (n / 100)^(2/9)): 4 at 100 days, 7 at five years."""
    assert [newey_west_lags(n) for n in (30, 100, 365, 1825)] == [3, 4, 5, 7]


def test_beta_leaves_out_unknown_days_and_refuses_few_or_flat_ones() -> None:
    """A NaN on either side removes the day; 19 days, or a market that stands still, answer nothing."""
    x = 0.03 * autoregressive(0.0, 40, seed=5)
    y = 2.0 * x
    y[3], x[7] = np.nan, np.nan
    found = market_beta(y, x)
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert found.rows == 38
    assert market_beta(y[:20], x[:20]) is None
    assert market_beta(np.ones(30), np.full(30, 0.01)) is None
    with pytest.raises(ValueError, match="shape"):
        market_beta(y, x[:-1])
