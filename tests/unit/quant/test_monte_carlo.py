"""Paths against arch's bootstrap, closed forms of GARCH variance and of a random walk's maximum, hand-made outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bot.quant.book_paths import run_paths
from bot.quant.copula_scenarios import StudentMargin, copula_scenarios
from bot.quant.monte_carlo import (
    JointRows,
    VarianceModel,
    bootstrap_steps,
    copula_steps,
    filtered_steps,
    horizon_returns,
    stationary_indices,
    summary,
)
from bot.quant.path_book import KeeperRule
from tests.unit.quant.made_books import RATE, carry, legs_of, pools_of

ONE_COIN = np.array([0, 0], dtype=np.intp)


def joint(rows: int = 300, seed: int = 2) -> JointRows:
    """Spot and perp of one coin, with funding."""
    rng = np.random.default_rng(seed)
    spot = rng.standard_normal(rows) * 0.03
    perp = spot + rng.standard_normal(rows) * 0.0005
    return JointRows(returns=np.column_stack((spot, perp)),
                     funding=np.column_stack((np.zeros(rows), rng.normal(3e-4, 2e-4, rows))))


def garch(variance_next: float, alpha: float = 0.1, beta: float = 0.85, long_run: float = 9e-4) -> VarianceModel:
    """One coin at 3 % a day in the long run."""
    return VarianceModel(omega=np.array([(1 - alpha - beta) * long_run]), alpha=np.array([alpha]),
                         beta=np.array([beta]), variance_next=np.array([variance_next]))


def test_blocks_are_geometric_consecutive_and_uniform() -> None:
    """Mean block ten, each row as likely as any, the row after the last is the first."""
    made = stationary_indices(50, 400, 500, 10.0, np.random.default_rng(1))
    follows = (made[:, 1:] - made[:, :-1]) % 50 == 1
    assert follows.mean() == pytest.approx(0.9 + 0.1 / 50, abs=0.003)
    assert (made[:, 1:][made[:, :-1] == 49] == 0).mean() > 0.85
    assert np.bincount(made.ravel(), minlength=50) / made.size == pytest.approx(np.full(50, 0.02), rel=0.1)


def test_the_error_of_a_mean_is_that_of_archs_bootstrap() -> None:
    """AR(1) with 0.6: blocks of twenty show twice the error that independent draws pretend; arch says the same."""
    from arch.bootstrap import StationaryBootstrap

    noise, series = np.random.default_rng(3).standard_normal(600), np.zeros(600)
    for day in range(1, 600):
        series[day] = 0.6 * series[day - 1] + noise[day]
    ours = series[stationary_indices(600, 600, 2000, 20.0, np.random.default_rng(4))].mean(axis=1).std()
    alone = series[stationary_indices(600, 600, 2000, 1.0, np.random.default_rng(5))].mean(axis=1).std()
    arch_mean = StationaryBootstrap(20, series, seed=6).apply(lambda x: np.array([x.mean()]), 2000).std()
    assert ours == pytest.approx(arch_mean, rel=0.06)
    assert ours / alone == pytest.approx(2.0, abs=0.4)


def test_joint_rows_stay_whole() -> None:
    """Every drawn row is a row of history, in returns and funding alike."""
    rows = joint(40)
    indices = stationary_indices(40, 25, 30, 5.0, np.random.default_rng(1))
    for place, step in enumerate(bootstrap_steps(rows, indices)):
        assert (step.returns == rows.returns[indices[:, place]]).all()
        assert step.funding is not None
        assert (step.funding == rows.funding[indices[:, place]]).all()


@pytest.mark.parametrize("variance_next", [9e-4, 36e-4, 2e-4])
def test_the_variance_of_a_horizon_is_garchs_closed_form_not_sqrt_of_time(variance_next: float) -> None:
    """Sum of V + p^j (h - V) over ten days; from a wild day sqrt-time says far too much, from a calm one too little."""
    spot = np.random.default_rng(2).standard_normal(4000)
    spot = (spot - spot.mean()) / spot.std() * 0.03
    rows = JointRows(returns=np.expm1(np.column_stack((spot, spot))), funding=np.zeros((4000, 2)))
    indices = stationary_indices(4000, 10, 40_000, 1.0, np.random.default_rng(3))
    steps = filtered_steps(rows, np.full((4000, 1), 0.03), ONE_COIN, garch(variance_next), indices)
    measured = np.var(np.log1p(horizon_returns(steps)[:, 0]))
    expected = sum(9e-4 + 0.95**day * (variance_next - 9e-4) for day in range(10))
    assert measured == pytest.approx(expected, rel=0.05)
    if variance_next != 9e-4:
        assert abs(measured / (10 * variance_next) - 1) > 0.1


def test_a_hedge_survives_the_filtered_paths() -> None:
    """Spot and perp are scaled by one ratio: ten days of a wild market leave basis alone."""
    rows = joint()
    indices = stationary_indices(300, 10, 2000, 1.0, np.random.default_rng(4))
    made = horizon_returns(filtered_steps(rows, np.full((300, 1), 0.03), ONE_COIN, garch(36e-4), indices))
    assert np.std(made[:, 0] - made[:, 1]) < 0.0005 * math.sqrt(10) * 4
    assert np.std(made[:, 0]) > 0.1


def test_extremes_are_scaled_with_their_day_and_no_return_falls_below_minus_one() -> None:
    """At five times the volatility a low of -30 % becomes -83 %, not -150 %."""
    rows = JointRows(returns=np.full((30, 1), 0.01), funding=np.zeros((30, 1)), low=np.full((30, 1), -0.30),
                     high=np.full((30, 1), 0.2))
    steps = filtered_steps(rows, np.full((30, 1), 0.01), np.array([0]), garch(25e-4), np.zeros((2, 1), dtype=np.intp))
    step = next(steps)
    assert step.low is not None
    assert step.high is not None
    assert step.low[0, 0] == pytest.approx(0.7**5 - 1)
    assert step.high[0, 0] == pytest.approx(1.2**5 - 1)


def test_one_shock_cannot_decide_a_year() -> None:
    """A day of a hundred deviations enters the next day's variance as fifteen."""
    rows = JointRows(returns=np.full((30, 1), 1.0), funding=np.zeros((30, 1)))
    model = garch(1e-4, alpha=0.1, beta=0.85, long_run=1e-4)
    steps = list(filtered_steps(rows, np.full((30, 1), 0.01), np.array([0]), model, np.zeros((1, 2), dtype=np.intp)))
    second = math.log1p(steps[1].returns[0, 0]) / math.log(2.0)  # ratio of volatilities, path over history
    assert second**2 == pytest.approx((5e-6 + (0.1 * 225 + 0.85) * 1e-4) / 1e-4)


def test_copula_paths_have_the_variance_of_their_recursion() -> None:
    """Same closed form, shocks from a t copula with t(8) margins of unit variance."""
    generator = np.random.default_rng(11)
    loadings = np.array([[1.0, 1.0]])
    steps = copula_steps(
        lambda: copula_scenarios(np.eye(1), 6.0, [StudentMargin(0.0, 1.0, 8.0)], 40_000, generator,
                                 loadings=loadings).returns,
        garch(36e-4), ONE_COIN, np.zeros((5, 2)), np.zeros((40_000, 5), dtype=np.intp))
    made = horizon_returns(steps)
    assert made[:, 0] == pytest.approx(made[:, 1])
    expected = sum(9e-4 + 0.95**day * 27e-4 for day in range(5))
    assert np.var(np.log1p(made[:, 0])) == pytest.approx(expected, rel=0.06)


def test_the_share_of_liquidated_paths_is_the_reflection_law_of_a_random_walk() -> None:
    """A short at 4x, steps of +-2 % in logs, 100 of them: P(max >= m) = P(S >= m) + P(S > m), exactly."""
    rows = JointRows(returns=np.expm1(np.array([[0.02], [-0.02]])), funding=np.zeros((2, 1)))
    paths, count = 20_000, 100
    indices = np.random.default_rng(12).integers(2, size=(paths, count))
    out = run_paths(legs_of((-1000,), (True,)), pools_of((0.0, 250.0)), KeeperRule(acts=False),
                    bootstrap_steps(rows, indices), paths)
    barrier = math.ceil(math.log((1 + 1 / 4) / (1 + RATE)) / 0.02)
    up = stats.binom(count, 0.5)
    ends = 2 * np.arange(count + 1) - count
    exact = sum(up.pmf(k) for k in range(count + 1) if ends[k] >= barrier)
    exact += sum(up.pmf(k) for k in range(count + 1) if ends[k] > barrier)
    made = summary(out)
    assert made.liquidated[0] == pytest.approx(exact, abs=4 * made.standard_error(exact))


def test_a_year_of_a_hedged_pair_earns_its_funding_and_the_keeper_keeps_it_alive() -> None:
    """Mean funding of 3 bp a day on 3000; liquidations only where nobody acts."""
    rows = joint(400)
    indices = stationary_indices(400, 365, 300, 10.0, np.random.default_rng(13))
    book = (carry(), pools_of((1000.0, 1000.0)))
    kept = summary(run_paths(*book, KeeperRule(), bootstrap_steps(rows, indices), 300))
    alone = summary(run_paths(*book, KeeperRule(acts=False), bootstrap_steps(rows, indices), 300))
    assert kept.any_liquidated < 0.02 < 0.15 < alone.any_liquidated
    assert kept.funding_quantiles_usd[0.5] == pytest.approx(365 * 3e-4 * 3000, rel=0.5)
    assert kept.ruin == 0.0
    assert kept.drawdown_above[0.10] <= kept.drawdown_above[0.05] < 0.1


def test_a_summary_counts_what_the_paths_did() -> None:
    """Four paths of spot alone: quantiles, drawdowns and ruin by hand."""
    levels = np.array([[1.0, 0.9, 1.2], [1.0, 0.4, 0.8], [1.0, 1.1, 1.3], [1.0, 0.7, 0.6]])
    rows = JointRows(returns=(levels[:, 1:] / levels[:, :-1] - 1).reshape(-1, 1), funding=np.zeros((8, 1)))
    indices = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    out = run_paths(legs_of((100,), (False,)), pools_of((0.0, 0.0)), KeeperRule(), bootstrap_steps(rows, indices), 4)
    made = summary(out, ruin_level=0.5, quantiles=(0.0, 1.0), drawdowns=(0.05, 0.35, 0.6))
    assert made.wealth_quantiles_usd == pytest.approx({0.0: 60.0, 1.0: 130.0})
    assert made.drawdown_above == {0.05: 0.75, 0.35: 0.5, 0.6: 0.0}
    assert (made.ruin, made.any_liquidated, made.paths) == (0.25, 0.0, 4)
    assert made.under_water_steps == {0.0: 0.0, 1.0: 2.0}
    assert made.standard_error(0.5) == 0.25


@pytest.mark.parametrize("name", ["returns", "funding", "low", "high"])
def test_a_hole_in_the_rows_is_refused_by_name(name: str) -> None:
    """It would be drawn again and again."""
    arrays = {each: np.zeros((5, 1)) for each in ("returns", "funding", "low", "high")}
    arrays[name] = np.full((5, 1), np.nan)
    with pytest.raises(ValueError, match=name):
        next(bootstrap_steps(JointRows(**arrays), np.zeros((1, 1), dtype=np.intp)))


@pytest.mark.parametrize(("rows", "block"), [(0, 5.0), (10, 0.5), (10, math.nan)])
def test_a_bootstrap_of_nothing_is_refused(rows: int, block: float) -> None:
    """No rows, or blocks shorter than one."""
    with pytest.raises(ValueError, match="block"):
        stationary_indices(rows, 5, 5, block, np.random.default_rng(1))


def test_a_horizon_without_steps_is_refused() -> None:
    """There is no return over no time."""
    with pytest.raises(ValueError, match="at least one step"):
        horizon_returns(iter(()))
