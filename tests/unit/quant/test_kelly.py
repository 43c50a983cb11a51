"""Kelly sizes against published examples, brute-force maximisation and simulated wealth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.quant import kelly
from bot.quant.kelly import KellySize
from bot.quant.no_answer import NoAnswer


def number(answer: float | NoAnswer) -> float:
    """The number, or the failure's reason in the test's output."""
    assert isinstance(answer, float), answer
    return answer


def test_a_coin_that_lands_heads_six_times_in_ten_is_worth_a_fifth() -> None:
    """Kelly's rule at even odds is 2p - 1; at 2 to 1 with a fair coin a quarter."""
    assert kelly.kelly_coin(0.6, 1.0) == pytest.approx(0.2)
    assert kelly.kelly_coin(0.5, 2.0) == pytest.approx(0.25)
    assert kelly.kelly_coin(0.4, 1.0) == pytest.approx(-0.2)


def test_single_asset_example_of_eleven_per_cent_and_fifteen_volatility() -> None:
    """mu 11 %, r 6 %, sigma 15 %: 2.22 times, growing 5.6 % over cash (Thorp's example)."""
    size = number(kelly.kelly_fraction(0.11 - 0.06, 0.15))
    assert size == pytest.approx(2.2222, abs=1e-4)
    assert kelly.growth_rate(size, 0.05, 0.15) == pytest.approx(0.05**2 / (2 * 0.15**2))
    assert kelly.growth_rate(2.0 * size, 0.05, 0.15) == pytest.approx(0.0)


def test_several_assets_solve_the_linear_system() -> None:
    """Two correlated assets by hand: inverse of [[.04, .03], [.03, .09]] is [[.09, -.03], [-.03, .04]] / .0027."""
    sizes = kelly.kelly_weights(np.array([0.05, 0.06]), np.array([[0.04, 0.03], [0.03, 0.09]]))
    assert not isinstance(sizes, NoAnswer)
    assert sizes == pytest.approx([(0.09 * 0.05 - 0.03 * 0.06) / 0.0027, (0.04 * 0.06 - 0.03 * 0.05) / 0.0027])


def test_carry_with_two_failures_in_a_hundred_years() -> None:
    """mu 8 %, lambda 2 %, J 50 %: 1.75, half Kelly 0.87; mu 1 % does not pay for the failures: 0."""
    assert kelly.kelly_with_jumps(0.08, 0.013, 0.02, 0.5) == pytest.approx(1.75, abs=0.01)
    half = kelly.carry_size(0.08, 0.013, 0.02, 0.5, t_statistic=1e6)
    assert isinstance(half, KellySize)
    assert half.size == pytest.approx(0.87, abs=0.01)
    assert kelly.kelly_with_jumps(0.01, 0.013, 0.02, 0.5) == 0.0


@pytest.mark.parametrize(("mu", "sigma", "jumps", "loss"), [
    (0.08, 0.013, 0.02, 0.5), (0.3, 0.2, 0.1, 0.4), (0.1, 0.5, 0.05, 0.3), (0.2, 0.0, 0.1, 1.0), (0.5, 1.0, 0.0, 0.5),
])
def test_jump_size_is_the_maximum_found_by_search(mu: float, sigma: float, jumps: float, loss: float) -> None:
    """No size on a fine grid below ruin grows faster."""
    found = number(kelly.kelly_with_jumps(mu, sigma, jumps, loss))
    grid = np.linspace(0.0, 1.0 / loss, 200_001)[:-1]
    growth = mu * grid - sigma**2 * grid**2 / 2 + jumps * np.log1p(-loss * grid)
    best = float(grid[int(np.argmax(growth))])
    # without jumps nothing keeps the diffusion's optimum below 1 / J
    assert min(found, float(grid[-1])) == pytest.approx(best, abs=2e-5)


def test_without_jumps_it_is_the_plain_formula() -> None:
    """lambda = 0 gives mu / sigma^2, where that leaves no failure to ruin it."""
    assert kelly.kelly_with_jumps(0.1, 0.5, 0.0, 0.5) == pytest.approx(kelly.kelly_fraction(0.1, 0.5))


def test_half_kelly_keeps_three_quarters_of_growth() -> None:
    """1 - (1 - c)^2, which is the ratio of growth rates."""
    full = number(kelly.kelly_fraction(0.1, 0.3))
    assert kelly.growth_kept(0.5) == 0.75
    assert kelly.growth_rate(0.5 * full, 0.1, 0.3) / kelly.growth_rate(full, 0.1, 0.3) == pytest.approx(0.75)


def test_half_kelly_halves_with_one_chance_in_eight() -> None:
    """x^(2/c - 1): 12.5 % at half Kelly, 50 % at full, certain at twice."""
    assert kelly.probability_of_falling_to(0.5, 0.5) == pytest.approx(0.125)
    assert kelly.probability_of_falling_to(0.5, 1.0) == pytest.approx(0.5)
    assert kelly.probability_of_falling_to(0.5, 2.0) == 1.0
    assert kelly.probability_of_falling_to(0.5, 3.0) == 1.0


def test_the_chance_of_falling_agrees_with_simulated_wealth() -> None:
    """Half Kelly on a diffusion: the share of paths that ever fall to 70 % is 0.7^3 = 0.343 (steps miss a few)."""
    rng = np.random.default_rng(11)
    mu, sigma, steps, size = 0.5, 1.0, 2_000, 0.25
    step = 30.0 / steps
    shocks = rng.standard_normal((1_500, steps)) * size * sigma * math.sqrt(step)
    paths = np.cumsum(shocks + (size * mu - (size * sigma) ** 2 / 2) * step, axis=1)
    hit = float(np.mean(paths.min(axis=1) <= math.log(0.7)))
    assert hit == pytest.approx(number(kelly.probability_of_falling_to(0.7, 0.5)), abs=0.035)


def test_an_unproven_edge_is_taken_at_a_quarter_and_shrunk() -> None:
    """t = 2 leaves four fifths of the edge and a quarter of Kelly; t = 3 is proven; no t is not."""
    doubted = kelly.carry_size(0.08, 0.013, 0.02, 0.5, t_statistic=2.0)
    proven = kelly.carry_size(0.08, 0.013, 0.02, 0.5, t_statistic=3.0)
    unknown = kelly.carry_size(0.08, 0.013, 0.02, 0.5)
    assert isinstance(doubted, KellySize)
    assert isinstance(proven, KellySize)
    assert isinstance(unknown, KellySize)
    assert (doubted.edge, doubted.fraction) == pytest.approx((0.064, 0.25))
    assert (proven.edge, proven.fraction) == pytest.approx((0.072, 0.5))
    assert (unknown.edge, unknown.fraction) == (0.08, 0.25)


def test_a_size_of_zero_says_why() -> None:
    """No edge, or one that failures eat."""
    reasons = []
    for mu in (-0.01, 0.005, 0.08):
        size = kelly.carry_size(mu, 0.013, 0.02, 0.5, t_statistic=9.0)
        assert isinstance(size, KellySize)
        reasons.append(size.reason)
    assert reasons == ["no_edge", "edge_below_jump", "growth"]


def test_what_cannot_be_sized_has_a_reason() -> None:
    """NaN, no variance, probabilities outside (0, 1), copies of one asset."""
    answers = [
        kelly.kelly_fraction(math.nan, 0.2), kelly.kelly_fraction(0.1, 0.0), kelly.kelly_coin(1.0, 1.0),
        kelly.kelly_coin(0.5, 0.0), kelly.kelly_with_jumps(0.1, math.nan, 0.1, 0.5),
        kelly.kelly_with_jumps(0.1, 0.1, 0.1, 0.0), kelly.shrunk_edge(0.1, math.inf),
        kelly.carry_size(0.1, 0.1, 0.1, 0.5, fraction=0.0), kelly.carry_size(0.1, 0.1, 0.1, 0.5, t_statistic=math.nan),
        kelly.carry_size(0.1, -0.1, 0.1, 0.5), kelly.probability_of_falling_to(1.0, 0.5),
        kelly.probability_of_falling_to(0.5, 0.0), kelly.kelly_weights(np.array([np.nan]), np.eye(1)),
        kelly.kelly_weights(np.ones(2), np.ones((2, 2))), kelly.kelly_weights(np.ones(2), np.zeros((2, 2))),
    ]
    assert [answer.reason if isinstance(answer, NoAnswer) else answer for answer in answers] == [
        "not_finite", "no_variance", "probability_out_of_range", "odds_not_positive", "not_finite", "out_of_range",
        "not_finite", "out_of_range", "not_finite", "out_of_range", "out_of_range", "out_of_range", "not_finite",
        "singular_covariance", "singular_covariance",
    ]
    with pytest.raises(ValueError, match="3 assets"):
        kelly.kelly_weights(np.ones(3), np.eye(2))
