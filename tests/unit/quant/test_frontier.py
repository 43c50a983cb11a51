"""The frontier against closed forms, Black-Litterman against its authors' figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from bot.quant.allocation_problem import AllocationProblem
from bot.quant.black_litterman import Posterior, black_litterman
from bot.quant.book_limits import BookLimits, violations
from bot.quant.expected_returns import (
    joined,
    jump_equivalent_variance,
    perp_returns,
    with_forecast_error,
)
from bot.quant.frontier import Frontier, efficient_frontier, frontier_weights, minimum_variance_weight
from bot.quant.mean_variance import allocate
from bot.quant.no_answer import NoAnswer

MU = np.array([0.10, 0.14, 0.20, 0.05])
ROOT = np.array([[0.2, 0, 0, 0], [0.1, 0.25, 0, 0], [0.15, 0.1, 0.35, 0], [0.0, 0.05, 0.02, 0.1]])
COVARIANCE = ROOT @ ROOT.T


def problem(**limits: object) -> AllocationProblem:
    """Four assets, fully invested, wide box unless said."""
    given: dict[str, object] = {"lower": np.full(4, -5.0), "upper": np.full(4, 5.0), "net": 1.0, **limits}
    bounds = BookLimits(**given)  # type: ignore[arg-type]
    return AllocationProblem(mu=MU, covariance=COVARIANCE, held=np.zeros(4), limits=bounds)


def drawn(answer: Frontier | NoAnswer) -> Frontier:
    """The frontier, or the failure's reason in the test's output."""
    assert isinstance(answer, Frontier), answer
    return answer


def test_without_inequalities_every_point_is_the_closed_form() -> None:
    """Twenty books; those that no box binds are the solutions of the linear system at their returns."""
    found = drawn(efficient_frontier(problem(beta=np.array([1.0, 1.2, 1.5, 0.3]))))
    assert len(found.points) == 20
    assert found.failed == ()
    free = [point for point in found.points if not any(name.startswith("box") for name in point.binding)]
    assert len(free) >= 12
    for point in free:
        expected = frontier_weights(MU, COVARIANCE, point.expected_return)
        assert not isinstance(expected, NoAnswer)
        assert point.weights == pytest.approx(expected, abs=2e-4)
        assert point.beta == pytest.approx(float(np.array([1.0, 1.2, 1.5, 0.3]) @ point.weights))


def test_the_frontier_rises_and_its_first_point_has_least_variance() -> None:
    """More return never at less risk; the variance is 1 / (1'S^-1 1) at the start."""
    points = drawn(efficient_frontier(problem(), 15)).points
    risks, returns = [p.volatility for p in points], [p.expected_return for p in points]
    assert risks == sorted(risks)
    assert returns == sorted(returns)
    assert risks[0] == pytest.approx(1 / math.sqrt(float(np.linalg.inv(COVARIANCE).sum())), rel=1e-5)


def test_limits_hold_on_every_point_and_the_last_is_the_best_asset() -> None:
    """Long only, at most 60 % each: the highest return is 60 % of the best and 40 % of the next."""
    bound = problem(lower=np.zeros(4), upper=np.full(4, 0.6))
    found = drawn(efficient_frontier(bound))
    for point in found.points:
        assert violations(bound.limits, point.weights, bound.held) == ()
        assert point.gross == pytest.approx(1.0, abs=1e-5)
    assert found.points[-1].weights == pytest.approx([0.0, 0.4, 0.6, 0.0], abs=1e-3)
    assert found.points[-1].net == pytest.approx(1.0)


def test_no_point_is_dominated_by_random_books() -> None:
    """Ten thousand random long-only books: none has more return at less risk than the frontier's interpolation."""
    found = drawn(efficient_frontier(problem(lower=np.zeros(4), upper=np.ones(4)), 25))
    books = np.random.default_rng(0).dirichlet(np.ones(4), 10_000)
    risk = np.sqrt(np.einsum("ki,ij,kj->k", books, COVARIANCE, books))
    earned = books @ MU
    curve_return = np.array([p.expected_return for p in found.points])
    curve_risk = np.array([p.volatility for p in found.points])
    inside = (earned >= curve_return[0]) & (earned <= curve_return[-1])
    # the curve is convex: interpolation lies a hair above it
    assert (risk[inside] >= np.interp(earned[inside], curve_return, curve_risk) - 2e-3).all()


def test_a_point_knows_its_leverage_and_shortfall() -> None:
    """ES is the mean of the worst 2.5 % of the rows; unknown with fewer than forty."""
    rows = np.random.default_rng(1).multivariate_normal(np.zeros(4), COVARIANCE / 365, 400)
    found = drawn(efficient_frontier(problem(), 3, rows))
    outcome = np.sort(rows @ found.points[0].weights)
    assert found.points[0].es_daily == pytest.approx(-outcome[:10].mean())
    assert drawn(efficient_frontier(problem(), 3, rows[:39])).points[0].es_daily is None
    assert found.points[1].es_daily is not None


def test_best_sharpe_is_the_tangency_book() -> None:
    """On a fine frontier the best point is near S^-1 mu scaled to one."""
    tangency = np.linalg.solve(COVARIANCE, MU)
    tangency /= tangency.sum()
    best = drawn(efficient_frontier(problem(upper=np.full(4, 1.0), lower=np.full(4, -0.5)), 60)).best_sharpe
    highest = float(MU @ tangency) / math.sqrt(float(tangency @ COVARIANCE @ tangency))
    assert best is not None
    assert best.sharpe == pytest.approx(highest, rel=2e-3)


def test_no_frontier_has_a_reason() -> None:
    """Limits that contradict each other are named; a single point is no frontier."""
    broken = efficient_frontier(problem(gross_max=0.5))
    assert isinstance(broken, NoAnswer)
    assert broken.reason == "infeasible"
    assert "gross" in broken.detail
    assert "net" in broken.detail
    few = efficient_frontier(problem(), 1)
    assert isinstance(few, NoAnswer)
    assert few.reason == "out_of_range"
    blind = efficient_frontier(replace(problem(), mu=np.full(4, np.nan)))
    assert blind == NoAnswer("expected_return_unknown", "")


def test_a_book_without_risk_has_no_sharpe() -> None:
    """Dollar-neutral with a floor of nothing: the first point is empty."""
    first = drawn(efficient_frontier(problem(net=0.0), 3)).points[0]
    assert first.sharpe is None
    assert first.volatility == 0.0


def test_closed_form_refuses_what_has_no_single_answer() -> None:
    """Equal returns leave the target undetermined; a NaN is no covariance."""
    same = frontier_weights(np.full(4, 0.1), COVARIANCE, 0.1)
    unknown = frontier_weights(MU, np.full((4, 4), np.nan), 0.1)
    assert isinstance(same, NoAnswer)
    assert isinstance(unknown, NoAnswer)
    assert (same.reason, unknown.reason) == ("singular_covariance", "not_finite")


def test_high_correlation_turns_the_second_asset_short() -> None:
    """BTC 60 %, ETH 80 %: zero at r = 0.75, negative at 0.9; the optimiser agrees at 0.5."""
    assert minimum_variance_weight(0.6, 0.8, 0.75) == pytest.approx(0.0, abs=1e-12)
    at_nine = minimum_variance_weight(0.6, 0.8, 0.9)
    assert isinstance(at_nine, float)
    assert at_nine == pytest.approx((0.36 - 0.432) / (0.36 + 0.64 - 0.864))
    covariance = np.array([[0.36, 0.24], [0.24, 0.64]])
    found = allocate(AllocationProblem(mu=np.zeros(2), covariance=covariance, held=np.zeros(2), return_weight=0.0,
                                       limits=BookLimits(lower=np.full(2, -2.0), upper=np.full(2, 2.0), net=1.0)))
    assert found.weights[1] == pytest.approx(minimum_variance_weight(0.6, 0.8, 0.5), abs=1e-6)


def test_two_copies_have_no_minimum_variance_weight() -> None:
    """Equal and perfectly correlated, or deviations that are none."""
    for answer, reason in ((minimum_variance_weight(0.6, 0.6, 1.0), "singular_covariance"),
                           (minimum_variance_weight(0.0, 0.6, 0.5), "out_of_range")):
        assert isinstance(answer, NoAnswer)
        assert answer.reason == reason


def he_litterman() -> tuple[np.ndarray, np.ndarray]:
    """The seven countries of He and Litterman (1999): covariance and market weights."""
    lower = [[], [.488], [.478, .664], [.515, .655, .861], [.439, .310, .355, .354], [.512, .608, .783, .777, .405],
             [.491, .779, .668, .653, .306, .652]]
    correlation = np.eye(7)
    for i, row in enumerate(lower):
        for j, value in enumerate(row):
            correlation[i, j] = correlation[j, i] = value
    deviations = np.array([0.160, 0.203, 0.248, 0.271, 0.210, 0.200, 0.187])
    return correlation * np.outer(deviations, deviations), np.array([.016, .022, .052, .055, .116, .124, .615])


def test_equilibrium_and_posterior_of_he_and_litterman() -> None:
    """Their tables: what equilibrium implies, and what it becomes if Germany is seen 5 % over the rest of Europe."""
    covariance, weights = he_litterman()
    view = np.array([[0.0, 0.0, -0.295, 1.0, 0.0, -0.705, 0.0]])
    doubt = 0.05 * (view @ covariance @ view.T)[0]
    found = black_litterman(covariance, weights, view, np.array([0.05]), doubt)
    assert isinstance(found, Posterior)
    assert 100 * found.equilibrium == pytest.approx([3.9, 6.9, 8.4, 9.0, 4.3, 6.8, 7.6], abs=0.06)
    assert 100 * found.mu == pytest.approx([4.3, 7.6, 9.3, 11.0, 4.5, 7.0, 8.1], abs=0.06)
    # the view moves weights by a multiple of itself: countries outside it keep the market's share of 1 / (1 + tau)
    outside = [0, 1, 4, 6]
    assert found.weights[outside] == pytest.approx(weights[outside] / 1.05, abs=1e-9)


def test_posterior_is_the_formula_with_inverses() -> None:
    """Two views: M and mu as the paper writes them; no view gives equilibrium."""
    covariance, weights = he_litterman()
    views = np.array([[1.0, 0, 0, -1, 0, 0, 0], [0, 0, 0, 0, 1.0, 0, 0]])
    q, omega = np.array([0.01, 0.06]), np.array([0.002, 0.001])
    found = black_litterman(covariance, weights, views, q, omega)
    assert isinstance(found, Posterior)
    prior = np.linalg.inv(0.05 * covariance)
    m = np.linalg.inv(prior + views.T @ np.diag(1 / omega) @ views)
    assert found.mu_covariance == pytest.approx(m)
    assert found.mu == pytest.approx(m @ (prior @ found.equilibrium + views.T @ np.diag(1 / omega) @ q))
    plain = black_litterman(covariance, weights, np.empty((0, 7)), np.empty(0), np.empty(0))
    assert isinstance(plain, Posterior)
    assert plain.mu == pytest.approx(plain.equilibrium)


def test_views_that_mean_nothing_are_refused() -> None:
    """Certainty without variance, unknown numbers, a singular covariance; shapes are the caller's mistake."""
    covariance, weights = he_litterman()
    view, q, one = np.eye(7)[:1], np.array([0.05]), np.array([0.01])
    answers = [black_litterman(covariance, weights, view, q, np.array([0.0])),
               black_litterman(covariance, weights, view, np.array([np.nan]), one),
               black_litterman(np.zeros((7, 7)), weights, view, q, one)]
    assert [each.reason if isinstance(each, NoAnswer) else each for each in answers] == [
        "out_of_range", "not_finite", "singular_covariance"]
    with pytest.raises(ValueError, match="fit together"):
        black_litterman(covariance, weights[:6], view, q, one)


def test_funding_is_paid_by_longs_in_expected_returns() -> None:
    """10.95 % a year is off a long's expectation, negative funding adds to it."""
    assert perp_returns(np.zeros(2), np.array([0.0, 0.05]), np.array([0.1095, -0.02])) == pytest.approx([-0.1095, 0.07])


def test_jump_variance_keeps_an_optimiser_from_putting_everything_into_pairs() -> None:
    """8 % carry at 1.3 % basis volatility: 470 times equity with the basis alone, single digits with failures."""
    calm = jump_equivalent_variance(0.013, 0.0)
    real = jump_equivalent_variance(0.013)
    assert isinstance(calm, float)
    assert isinstance(real, float)
    assert 0.08 / calm == pytest.approx(473, abs=1)
    assert real == pytest.approx(0.013**2 + 0.035 * 0.16)
    assert 0.08 / real < 15
    assert isinstance(jump_equivalent_variance(0.01, -1.0), NoAnswer)


def test_uncertain_funding_adds_variance_and_pairs_stand_beside() -> None:
    """The diagonal grows by the error squared; pairs are uncorrelated with perps."""
    widened = with_forecast_error(COVARIANCE, np.array([0.1, 0.0, 0.0, 0.2]))
    assert np.diag(widened) - np.diag(COVARIANCE) == pytest.approx([0.01, 0, 0, 0.04])
    whole = joined(COVARIANCE, np.array([0.005, 0.006]))
    assert whole.shape == (6, 6)
    assert np.diag(whole)[4:] == pytest.approx([0.005, 0.006])
    assert not whole[:4, 4:].any()
