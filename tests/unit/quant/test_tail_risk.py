"""VaR and ES against order statistics written out, numpy's quantiles, closed forms by scipy.stats, and known laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from bot.quant.tail_risk import (
    component_es,
    historical_var_es,
    marginal_es,
    normal_var_es,
    rows_needed,
    student_density,
    student_var_es,
)


def draws(size: int, legs: int = 1, seed: int = 1) -> np.ndarray:
    """Student t with 4 degrees of freedom."""
    return np.random.default_rng(seed).standard_t(4, size=(size, legs))


def test_historical_var_is_the_weibull_quantile_and_es_the_mean_of_the_k_worst() -> None:
    """Of 1..1000 losses the 1 % tail holds ten: VaR stands at position 10.01, ES is the mean of the ten worst."""
    pnl = -np.arange(1.0, 1001.0)
    np.random.default_rng(3).shuffle(pnl)
    tail = historical_var_es(pnl, 0.99)
    assert tail.var == pytest.approx(-np.quantile(pnl, 0.01, method="weibull"), rel=1e-12)
    assert tail.var == pytest.approx(1000 - 9.01)
    assert tail.es == pytest.approx(np.mean(np.arange(991, 1001)))
    assert tail.rows == 1000


@pytest.mark.parametrize("rows", [200, 731, 1000])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.975, 0.99])
def test_var_equals_numpys_weibull_quantile(rows: int, level: float) -> None:
    """The partial sort takes the same two rows as the library's full one."""
    pnl = draws(rows)[:, 0]
    assert historical_var_es(pnl, level).var == pytest.approx(-np.quantile(pnl, 1 - level, method="weibull"), rel=1e-9)


def test_es_with_a_fractional_count_is_the_integral_of_the_step_quantile() -> None:
    """The tail of 2.5 % of 730 rows holds 18.25: the 19th worst counts a quarter."""
    pnl = draws(730)[:, 0]
    worst = np.sort(pnl)
    assert historical_var_es(pnl, 0.975).es == pytest.approx(-(worst[:18].sum() + 0.25 * worst[18]) / 18.25)


def test_weibull_covers_its_level_where_numpys_default_does_not() -> None:
    """The next draw falls below the 1 % VaR of 500 draws in 1 % of cases; below numpy's default quantile in 1.2 %."""
    rng = np.random.default_rng(11)
    uniform = rng.random((4_000, 500))
    ours = np.array([-historical_var_es(row, 0.99).var for row in uniform])
    default = np.quantile(uniform, 0.01, axis=1)
    assert ours.mean() == pytest.approx(0.0100, abs=3e-4)  # a uniform's quantile is its own probability of a breach
    assert default.mean() == pytest.approx((1 + 499 * 0.01) / 501, abs=3e-4)
    assert default.mean() > 0.0115


def test_below_one_row_in_the_tail_both_are_the_worst_row() -> None:
    """Twenty days say nothing about the hundredth worst; the worst of them is the least that can be said."""
    pnl = draws(20)[:, 0]
    tail = historical_var_es(pnl, 0.99)
    assert tail.var == tail.es == -pnl.min()
    assert historical_var_es(np.array([-3.0]), 0.99).es == 3.0


def test_rows_needed_for_five_in_the_tail() -> None:
    """200 rows at 97.5 %, 500 at 99 %."""
    assert (rows_needed(0.95), rows_needed(0.975), rows_needed(0.99)) == (100, 200, 500)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    """95 is not 0.95, and certainty is no level."""
    with pytest.raises(ValueError, match=r"between 0 and 1"):
        historical_var_es(np.zeros(3), level)


@pytest.mark.parametrize("pnl", [[], [1.0, math.nan], [1.0, math.inf]])
def test_no_rows_or_unknown_rows_are_refused(pnl: list[float]) -> None:
    """A missing day is not a calm one."""
    with pytest.raises(ValueError, match="finite"):
        historical_var_es(np.array(pnl), 0.99)


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
def test_component_es_sums_to_the_books(level: float) -> None:
    """Euler: the parts are means over the same tail rows."""
    legs = draws(733, 6)
    parts = component_es(legs, level)
    assert parts.sum() == pytest.approx(historical_var_es(legs.sum(axis=1), level).es, rel=1e-12)


def test_component_es_is_the_gradient_of_es_in_each_legs_size() -> None:
    """Growing a leg by a little grows ES by its component times that little."""
    legs, step = draws(733, 4), 1e-6
    parts = component_es(legs, 0.975)
    for leg in range(4):
        scale = np.ones(4)
        scale[leg] += step
        grown = historical_var_es((legs * scale).sum(axis=1), 0.975).es
        assert (grown - historical_var_es(legs.sum(axis=1), 0.975).es) / step == pytest.approx(parts[leg], rel=1e-4)


def test_a_hedge_has_a_negative_component() -> None:
    """Long 1 and short 0.5 of the same thing: parts 2 and -1 of a half-sized loss."""
    x = draws(733)[:, 0]
    parts = component_es(np.column_stack((x, -0.5 * x)), 0.975)
    assert parts[1] == pytest.approx(-0.5 * parts[0])


def test_component_es_of_a_book_smaller_than_its_tail_takes_every_row() -> None:
    """With a single row there is nothing to choose."""
    assert component_es(np.array([[-1.0, 2.0]]), 0.975) == pytest.approx([1.0, -2.0])


def test_marginal_es_is_the_difference_and_negative_for_a_hedge() -> None:
    """An order against the book lowers ES; one along with it adds its own."""
    book = draws(733)[:, 0]
    assert marginal_es(book, -0.25 * book, 0.975) == pytest.approx(-0.25 * historical_var_es(book, 0.975).es)
    assert marginal_es(book, 0.5 * book, 0.975) == pytest.approx(0.5 * historical_var_es(book, 0.975).es)
    with pytest.raises(ValueError, match="rows"):
        marginal_es(book, book[1:], 0.975)


@pytest.mark.parametrize(("level", "var", "es"), [(0.95, 1.645, 2.063), (0.975, 1.960, 2.338), (0.99, 2.326, 2.665)])
def test_normal_var_and_es_of_the_textbooks(level: float, var: float, es: float) -> None:
    """1.645, 1.960, 2.326 standard deviations; ES 2.063, 2.338 (near the 99 % VaR, as Basel III has it), 2.665."""
    tail = normal_var_es(0.0, 1.0, level)
    assert (round(tail.var, 3), round(tail.es, 3)) == (var, es)


def test_a_portfolio_of_the_textbooks_loses_its_one_day_var() -> None:
    """Hull: 10 M in a stock of 2 % a day has a 10-day 99 % VaR of 1,471,300 (one day 465,300)."""
    assert normal_var_es(0.0, 10e6 * 0.02, 0.99).var == pytest.approx(465_300, rel=1e-3)
    assert normal_var_es(0.0, 10e6 * 0.02 * math.sqrt(10), 0.99).var == pytest.approx(1_471_300, rel=1e-3)


@pytest.mark.parametrize("nu", [2.5, 3.0, 4.0, 8.0, 50.0])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_student_var_and_es_match_scipy(nu: float, level: float) -> None:
    """Quantile of the unit-variance t, and its tail mean by numerical integration."""
    mean, sd = 0.002, 0.03
    scale = sd * math.sqrt((nu - 2) / nu)
    law = stats.t(nu, loc=mean, scale=scale)
    cut = law.ppf(1 - level)
    below = integrate.quad(lambda x: x * law.pdf(x), -math.inf, cut, limit=200)[0]
    tail = student_var_es(mean, sd, nu, level)
    assert tail.var == pytest.approx(-cut, rel=1e-9)
    assert tail.es == pytest.approx(-below / (1 - level), rel=1e-6)


def test_student_with_infinite_degrees_is_the_normal() -> None:
    """And a very large nu comes near it."""
    assert student_var_es(0.01, 0.2, math.inf, 0.99) == normal_var_es(0.01, 0.2, 0.99)
    assert student_var_es(0.01, 0.2, 1e7, 0.99).es == pytest.approx(normal_var_es(0.01, 0.2, 0.99).es, rel=1e-5)


@pytest.mark.parametrize(("sd", "nu"), [(-1.0, 4.0), (math.nan, 4.0), (math.inf, 4.0), (1.0, 2.0), (1.0, math.nan)])
def test_a_t_without_variance_is_refused(sd: float, nu: float) -> None:
    """At nu = 2 there is no standard deviation to scale by."""
    with pytest.raises(ValueError, match="nu"):
        student_var_es(0.0, sd, nu, 0.99)


def test_density_matches_scipy() -> None:
    """The log-gamma form."""
    assert student_density(-2.3, 3.7) == pytest.approx(stats.t(3.7).pdf(-2.3), rel=1e-12)
