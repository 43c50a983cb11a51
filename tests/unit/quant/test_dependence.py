"""Correlation and copulas against scipy, published tail dependence and simulated laws whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bot.quant.copula_scenarios import EmpiricalMargin, StudentMargin, copula_scenarios
from bot.quant.dependence import (
    DccParams,
    dcc_next,
    ewma_correlation,
    fit_copula_nu,
    fit_dcc,
    kendall_correlation,
    nearest_correlation,
    pair_log_likelihood,
)
from bot.quant.tail_risk import historical_var_es, student_var_es


def jointly_t(rho: float, nu: float, size: int, seed: int = 3) -> np.ndarray:
    """Two jointly t columns."""
    law = stats.multivariate_t(shape=[[1.0, rho], [rho, 1.0]], df=nu, seed=seed)
    return np.asarray(law.rvs(size))


def dcc_rows(a: float, b: float, size: int, seed: int = 17) -> np.ndarray:
    """Three columns of unit variance whose correlation follows DCC around 0.5."""
    rng = np.random.default_rng(seed)
    long_run = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    q, rows = long_run.copy(), np.empty((size, 3))
    for day in range(size):
        scale = 1 / np.sqrt(np.diag(q))
        rows[day] = np.linalg.cholesky(q * np.outer(scale, scale)) @ rng.standard_normal(3)
        q = (1 - a - b) * long_run + a * np.outer(rows[day], rows[day]) + b * q
    return rows


def test_kendalls_tau_is_scipys_and_its_sine_the_correlation_of_an_elliptical_law() -> None:
    """Heavy tails do not tilt it: rho 0.6 of a t with 2.5 degrees of freedom."""
    rows = jointly_t(0.6, 2.5, 1500)
    tau = stats.kendalltau(rows[:, 0], rows[:, 1]).statistic
    estimate = kendall_correlation(rows)[0, 1]
    assert estimate == pytest.approx(math.sin(math.pi * tau / 2), rel=1e-12)
    assert estimate == pytest.approx(0.6, abs=0.05)


def test_nearest_correlation_is_positive_definite_with_ones() -> None:
    """Three pairwise estimates that contradict each other are reconciled; a sound matrix is left alone."""
    torn = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    mended = nearest_correlation(torn)
    assert np.linalg.eigvalsh(mended)[0] > 0
    assert np.diag(mended) == pytest.approx(np.ones(3))
    sound = np.array([[1.0, 0.3], [0.3, 1.0]])
    assert nearest_correlation(sound) == pytest.approx(sound)


def test_ewma_correlation_with_equal_weights_is_the_sample_and_else_follows_the_newest() -> None:
    """Two regimes: +0.8, then -0.8."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((400, 2))
    x[:, 1] = np.where(np.arange(400) < 200, 0.8, -0.8) * x[:, 0] + 0.6 * x[:, 1]
    moments = x.T @ x
    assert ewma_correlation(x, 1.0)[0, 1] == pytest.approx(moments[0, 1] / math.sqrt(moments[0, 0] * moments[1, 1]))
    assert ewma_correlation(x, 0.97)[0, 1] == pytest.approx(-0.8, abs=0.1)


def test_dcc_forecast_is_its_recursion_and_constant_without_reaction() -> None:
    """Written out for two days of reaction; a = b = 0 gives the sample correlation."""
    rows = dcc_rows(0.05, 0.9, 200)
    long_run = rows.T @ rows / len(rows)
    scale = 1 / np.sqrt(np.diag(long_run))
    assert dcc_next(rows, DccParams(0.0, 0.0)) == pytest.approx(long_run * np.outer(scale, scale))
    q = long_run
    for row in rows:
        q = 0.05 * long_run + 0.05 * np.outer(row, row) + 0.9 * q
    scale = 1 / np.sqrt(np.diag(q))
    assert dcc_next(rows, DccParams(0.05, 0.9)) == pytest.approx(q * np.outer(scale, scale))


def test_pair_likelihood_is_scipys_density_without_its_margins() -> None:
    """Sum of log densities of the bivariate normal at the day's correlation, less those of its margins."""
    rows, params = dcc_rows(0.05, 0.9, 60)[:, :2], DccParams(0.06, 0.9)
    q = long_run = rows.T @ rows / len(rows)
    total = 0.0
    for row in rows:
        rho = q[0, 1] / math.sqrt(q[0, 0] * q[1, 1])
        joint = stats.multivariate_normal(cov=[[1, rho], [rho, 1]]).logpdf(row)
        total += joint + math.log(2 * math.pi)
        q = 0.04 * long_run + 0.06 * np.outer(row, row) + 0.9 * q
    assert pair_log_likelihood(rows, params) == pytest.approx(total)


def test_dcc_finds_the_dynamics_it_was_simulated_with() -> None:
    """a 0.06, b 0.90 within their errors; independent rows show none to speak of."""
    found = fit_dcc(dcc_rows(0.06, 0.90, 2500))
    assert found.a == pytest.approx(0.06, abs=0.02)
    assert found.b == pytest.approx(0.90, abs=0.05)
    still = fit_dcc(np.random.default_rng(1).standard_normal((800, 2)))
    assert still.a < 0.03
    assert fit_dcc(np.random.default_rng(1).standard_normal((100, 1))) == DccParams(0.0, 0.0)


def test_copula_degrees_of_freedom_are_found_whatever_the_margins() -> None:
    """A t copula with 4 degrees under exponentiated margins."""
    rows = np.exp(jointly_t(0.5, 4.0, 3000))
    assert fit_copula_nu(rows, kendall_correlation(rows[:1500])) == pytest.approx(4.0, abs=1.2)


def test_a_linear_book_of_jointly_t_legs_meets_its_closed_form() -> None:
    """t margins with the copula's own degrees of freedom: the book is t with deviation sqrt(b'Sb)."""
    correlation = np.array([[1.0, 0.7, 0.2], [0.7, 1.0, 0.1], [0.2, 0.1, 1.0]])
    sd, book = np.array([0.03, 0.04, 0.06]), np.array([1000.0, -600.0, 300.0])
    made = copula_scenarios(correlation, 4.0, [StudentMargin(0.0, each, 4.0) for each in sd], 400_000,
                            np.random.default_rng(2))
    deviation = math.sqrt((book * sd) @ correlation @ (book * sd))
    for level in (0.95, 0.975, 0.99):
        expected = student_var_es(0.0, deviation, 4.0, level)
        got = made.tail(book, level)
        assert got.var == pytest.approx(expected.var, rel=0.012)
        assert got.es == pytest.approx(expected.es, rel=0.02)


def test_empirical_margins_come_back_as_they_went_in() -> None:
    """Quantiles of the draws are those of the sample, its extremes the bounds."""
    sample = np.random.default_rng(4).standard_t(3, size=700) * 0.03
    made = copula_scenarios(np.eye(1), 4.0, [EmpiricalMargin(sample)], 200_000, np.random.default_rng(5)).returns[:, 0]
    assert (made.min(), made.max()) == pytest.approx((sample.min(), sample.max()))
    for probability in (0.01, 0.05, 0.5, 0.95):
        assert np.quantile(made, probability) == pytest.approx(
            np.quantile(sample, probability, method="weibull"), abs=0.002)
    assert historical_var_es(made, 0.975).es == pytest.approx(historical_var_es(sample, 0.975).es, rel=0.03)


@pytest.mark.parametrize(("nu", "rho", "published"), [(4.0, 0.5, 0.25), (4.0, 0.9, 0.63), (10.0, 0.5, 0.08)])
def test_joint_extremes_are_as_likely_as_the_books_table_says(nu: float, rho: float, published: float) -> None:
    """QRM's table of tail dependence of the t copula; measured at the 0.05 % quantile, hence above its limit."""
    limit = 2 * stats.t(nu + 1).cdf(-math.sqrt((nu + 1) * (1 - rho) / (1 + rho)))
    assert limit == pytest.approx(published, abs=0.005)
    uniform = [EmpiricalMargin(np.linspace(0.0, 1.0, 20_001))] * 2
    pair = np.array([[1.0, rho], [rho, 1.0]])
    rows = copula_scenarios(pair, nu, uniform, 1_000_000, np.random.default_rng(6)).returns
    joint = np.mean((rows < 0.0005).all(axis=1)) / 0.0005
    assert limit - 0.02 < joint < limit + 0.09


def test_a_hedge_survives_where_basis_is_a_factor_of_its_own() -> None:
    """Coin and basis drawn apart, legs as their sums: long spot against short perp loses basis alone."""
    factors = [StudentMargin(0.0, 0.04, 3.0), StudentMargin(0.0, 0.0003, 3.0)]
    loadings = np.array([[1.0, 1.0], [0.0, 1.0]])
    made = copula_scenarios(np.eye(2), 4.0, factors, 100_000, np.random.default_rng(7), loadings=loadings)
    assert made.returns.shape == (100_000, 2)
    assert made.tail(np.array([1000.0, -1000.0]), 0.99).es == pytest.approx(
        student_var_es(0.0, 0.3, 3.0, 0.99).es, rel=0.05)


def test_antithetic_draws_have_no_error_in_the_mean() -> None:
    """Symmetric margins average to zero exactly; without it they do not; the seed makes both repeatable."""
    def mean(antithetic: bool) -> float:
        return float(copula_scenarios(np.eye(1), 5.0, [StudentMargin(0.0, 1.0, 5.0)], 5_001 - antithetic,
                                      np.random.default_rng(8), antithetic=antithetic).returns.mean())

    assert abs(mean(True)) < 1e-3
    assert abs(mean(False)) > 1e-3
    assert mean(False) == mean(False)


@pytest.mark.parametrize(("correlation", "draws"), [
    (np.eye(3), 100), (np.eye(2), 101), (np.eye(2), 0), (np.array([[1.0, 2.0], [2.0, 1.0]]), 100),
])
def test_impossible_draws_are_refused(correlation: np.ndarray, draws: int) -> None:
    """Another number of margins, an odd or empty sample, a correlation of two."""
    with pytest.raises(ValueError, match=r"draws|positive definite"):
        copula_scenarios(correlation, 4.0, [StudentMargin(0.0, 1.0, 4.0)] * 2, draws, np.random.default_rng(1))


def test_too_few_or_unknown_rows_and_parameters_without_mean_reversion_are_refused() -> None:
    """Thirty rows are the least; a + b = 1 never returns."""
    for rows in (np.zeros((29, 2)), np.full((40, 2), np.nan), np.zeros(40)):
        with pytest.raises(ValueError, match="rows"):
            kendall_correlation(rows)
    rows = np.random.default_rng(1).standard_normal((40, 2))
    with pytest.raises(ValueError, match="decay"):
        ewma_correlation(rows, 0.0)
    for a, b in ((0.1, 0.9), (-0.1, 0.5), (0.1, -0.1)):
        with pytest.raises(ValueError, match="sum to less"):
            dcc_next(rows, DccParams(a, b))
