"""Filtered historical simulation: known volatility regimes, the hedge that must survive the filter, unknown inputs."""

from __future__ import annotations

import numpy as np
import pytest

from bot.quant.fhs import (
    Scenarios,
    TailReason,
    fhs_pnl,
    fhs_var_es,
    joint_scenarios,
    plain_scenarios,
    standardised,
    volatility_of_legs,
)
from bot.quant.tail_risk import historical_var_es, marginal_es

ROWS = 600


def two_regimes(rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """One coin: half the days at 1 %, half at 4 % volatility, and that volatility."""
    sigma = np.where(np.arange(rows) < rows // 2, 0.01, 0.04)
    return sigma * np.random.default_rng(5).standard_normal(rows), sigma


def panel() -> tuple[np.ndarray, np.ndarray]:
    """Two coins, each spot and perp (with a basis of its own) and funding of the first: five legs."""
    rng = np.random.default_rng(9)
    coin = rng.standard_t(4, size=(ROWS, 2)) * 0.03
    perp = coin + rng.standard_normal((ROWS, 2)) * 0.0003
    funding = rng.standard_normal(ROWS) * 1e-4
    returns = np.column_stack((coin[:, 0], perp[:, 0], coin[:, 1], perp[:, 1], funding))
    sigma = volatility_of_legs(np.exp(rng.standard_normal((ROWS, 2)) * 0.3) * 0.03, np.array([0, 0, 1, 1, -1]))
    return returns, sigma


def test_var_follows_the_volatility_of_tomorrow_not_of_the_sample() -> None:
    """Plain history says one number, too low in the wild regime, far too high in the calm one; the filter says each."""
    returns, sigma = two_regimes()
    rows = standardised(returns[:, None], sigma[:, None])
    for tomorrow in (0.01, 0.04):
        filtered = fhs_var_es(np.ones(1), rows, np.array([tomorrow]), 0.99)
        assert filtered.var == pytest.approx(2.326 * tomorrow, rel=0.04)
    # half the days hardly ever lose as much: the 1 % quantile of the mixture is the 2 % quantile of the wild half
    assert historical_var_es(returns, 0.99).var == pytest.approx(0.04 * 2.054, rel=0.04)


def test_a_hedge_survives_the_filter_because_its_legs_share_one_volatility() -> None:
    """Long spot, short perp loses basis alone; with volatilities 2 % apart it would seem to lose many times that."""
    returns, sigma = panel()
    book, tomorrow = np.array([1.0, -1.0, 0.0, 0.0, 0.0]), sigma[-1].copy()
    shared = joint_scenarios(returns, sigma, tomorrow, 0.975)
    assert isinstance(shared, Scenarios)
    basis = np.std(returns[:, 0] - returns[:, 1])
    assert shared.tail(book, 0.975).es < 8 * basis
    torn = sigma * np.array([1.02, 1.0, 1.0, 1.0, 1.0]) ** np.sign(np.sin(np.arange(ROWS)))[:, None]
    apart = joint_scenarios(returns, torn, tomorrow, 0.975)
    assert isinstance(apart, Scenarios)
    assert apart.tail(book, 0.975).es > 2 * shared.tail(book, 0.975).es


def test_projecting_the_book_first_gives_the_same_rows() -> None:
    """One matrix-vector product equals scaling every leg of every day."""
    returns, sigma = panel()
    book = np.array([1e3, -1e3, -200.0, 250.0, 800.0])
    slow = (returns / sigma * sigma[-1] * book).sum(axis=1)
    assert fhs_pnl(book, standardised(returns, sigma), sigma[-1]) == pytest.approx(slow)
    made = joint_scenarios(returns, sigma, sigma[-1], 0.99)
    assert isinstance(made, Scenarios)
    assert made.pnl(book) == pytest.approx(slow)
    assert made.filtered


def test_components_sum_to_the_tail_of_the_same_scenarios() -> None:
    """What the governor cuts by adds up to what it cuts."""
    returns, sigma = panel()
    made = joint_scenarios(returns, sigma, sigma[-1], 0.975)
    assert isinstance(made, Scenarios)
    book = np.array([1e3, -1e3, -200.0, 250.0, 800.0])
    assert made.component_es(book, 0.975).sum() == pytest.approx(made.tail(book, 0.975).es, rel=1e-12)
    order = np.array([0.0, 0.0, 0.0, -250.0, 0.0])
    assert marginal_es(made.pnl(book), made.pnl(order), 0.975) == pytest.approx(
        made.tail(book + order, 0.975).es - made.tail(book, 0.975).es)


def test_funding_is_not_scaled_with_the_price_volatility() -> None:
    """A leg of coin -1 keeps its own size whatever tomorrow's volatility."""
    returns, sigma = panel()
    assert (sigma[:, 4] == 1.0).all()
    made = joint_scenarios(returns, sigma, volatility_of_legs(np.array([0.3, 0.3]), np.array([0, 0, 1, 1, -1])), 0.975)
    assert isinstance(made, Scenarios)
    assert made.returns[:, 4] == pytest.approx(returns[:, 4])


def test_rows_with_a_hole_are_left_out_not_filled() -> None:
    """A missing day of one leg takes the whole day away."""
    returns, sigma = panel()
    returns[7, 2] = np.nan
    made = joint_scenarios(returns, sigma, sigma[-1], 0.975)
    assert isinstance(made, Scenarios)
    assert len(made.returns) == ROWS - 1
    plain = plain_scenarios(returns, 0.975)
    assert isinstance(plain, Scenarios)
    assert not plain.filtered
    assert plain.returns == pytest.approx(np.delete(returns, 7, axis=0))


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.1, np.inf])
def test_an_unknown_volatility_of_tomorrow_is_a_reason(bad: float) -> None:
    """No silent default for the one number that everything is scaled by."""
    returns, sigma = panel()
    tomorrow = sigma[-1].copy()
    tomorrow[1] = bad
    assert joint_scenarios(returns, sigma, tomorrow, 0.975) is TailReason.NO_VOLATILITY


def test_too_little_history_is_a_reason() -> None:
    """200 days are the least for 97.5 %, 500 for 99 %; days without a volatility do not count."""
    returns, sigma = panel()
    assert joint_scenarios(returns[:499], sigma[:499], sigma[-1], 0.99) is TailReason.TOO_FEW_ROWS
    assert isinstance(joint_scenarios(returns[:500], sigma[:500], sigma[-1], 0.99), Scenarios)
    assert plain_scenarios(returns[:199], 0.975) is TailReason.TOO_FEW_ROWS
    sigma[:101] = np.nan
    assert joint_scenarios(returns, sigma, sigma[-1], 0.99) is TailReason.TOO_FEW_ROWS


def test_standardising_refuses_shapes_and_volatilities_that_are_none() -> None:
    """Programming mistakes, not market states."""
    with pytest.raises(ValueError, match="shape"):
        standardised(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="above 0"):
        standardised(np.ones((3, 1)), np.array([[1.0], [0.0], [1.0]]))
