"""What allocation costs: the quadratic program directly and through cvxpy, covariances, betas, a frontier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as untyped_cvxpy
import numpy as np
import pytest
import sklearn.covariance
from msgspec.structs import replace

from bot.quant.allocation_problem import AllocationProblem
from bot.quant.beta import beta_reading
from bot.quant.book_limits import BookLimits, Group
from bot.quant.covariance import age_weights, estimate, ledoit_wolf_shrinkage, weighted_covariance
from bot.quant.frontier import efficient_frontier
from bot.quant.mean_variance import MeanVarianceSolver, allocate
from tests.benchmarks.figures import best, table

pytestmark = pytest.mark.benchmark
cvxpy: Any = untyped_cvxpy
ROUNDS = 10


def problem(size: int, seed: int) -> AllocationProblem:
    """A book with every kind of limit; the same shape for every seed."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((size, 5)) * 0.3
    half = size // 2
    limits = BookLimits(
        lower=np.full(size, -0.3), upper=np.full(size, 0.3), gross_max=2.0, turnover_max=1.5,
        groups=(Group("binance", tuple(range(half)), 0.9), Group("bybit", tuple(range(half, size)), 1.2)),
        beta=np.linspace(0.5, 1.5, size), beta_band=0.05, margin_rates=np.linspace(0.1, 0.5, size), margin_max=0.6,
    )
    return AllocationProblem(
        mu=rng.standard_normal(size) * 0.2, covariance=factors @ factors.T + np.diag(rng.uniform(0.05, 0.4, size)),
        held=rng.standard_normal(size) * 0.02, limits=limits, cost=rng.uniform(0.001, 0.01, size), risk_aversion=3.0)


def parametrised(template: AllocationProblem) -> Callable[[AllocationProblem], np.ndarray]:
    """The same problem in cvxpy, compiled once; the returned function takes new numbers and solves again."""
    limits, size = template.limits, len(template.mu)
    w, mu, root, held = (cvxpy.Variable(size), cvxpy.Parameter(size), cvxpy.Parameter((size, size)),
                         cvxpy.Parameter(size))
    cost = cvxpy.Parameter(size, nonneg=True)
    trade = cvxpy.Variable(size)
    moved = cvxpy.abs(trade)
    risk = template.risk_aversion / 2 * cvxpy.sum_squares(root @ w)
    rows = [trade == w - held, w <= limits.upper, w >= limits.lower, cvxpy.norm1(w) <= limits.gross_max,
            cvxpy.sum(moved) <= limits.turnover_max, cvxpy.abs(limits.beta @ w) <= limits.beta_band,
            limits.margin_rates @ cvxpy.abs(w) <= limits.margin_max]
    rows += [cvxpy.norm1(w[list(group.members)]) <= group.gross_max for group in limits.groups]
    asked = cvxpy.Problem(cvxpy.Maximize(mu @ w - risk - cost @ moved), rows)

    def solve(given: AllocationProblem) -> np.ndarray:
        mu.value, held.value, cost.value = given.mu, given.held, given.cost
        root.value = np.linalg.cholesky(given.covariance).T
        asked.solve(solver="CLARABEL")
        return np.asarray(w.value)

    return solve


def test_the_program_directly_and_through_cvxpy(show: Callable[[str], None]) -> None:
    """Re-solved with new numbers: ours afresh, ours on the built solver, cvxpy with parameters; equal books."""
    rows = [("assets", "afresh ms", "re-solved ms", "cvxpy ms", "cvxpy / re-solved")]
    for size in (20, 40):
        problems = [problem(size, seed) for seed in range(ROUNDS)]
        solver, by_cvxpy = MeanVarianceSolver(), parametrised(problems[0])
        solver.solve(problems[0])
        assert solver.solve(problems[1]).weights == pytest.approx(by_cvxpy(problems[1]), abs=1e-3)

        def each(solve: Callable[[AllocationProblem], object], given: list[AllocationProblem] = problems) -> float:
            return best(lambda: [solve(one) for one in given]) / ROUNDS * 1e3

        fresh, again, theirs = each(allocate), each(solver.solve), each(by_cvxpy)
        rows.append((str(size), f"{fresh:.2f}", f"{again:.2f}", f"{theirs:.2f}", f"{theirs / again:.1f}"))
    show(table("allocation: box, gross, two venues, beta, turnover, margin, costs", rows))


def test_covariance_beta_and_frontier(show: Callable[[str], None]) -> None:
    """The smaller parts, each beside what it replaces where there is such a thing."""
    returns = np.random.default_rng(1).standard_normal((500, 20)) * 0.03
    market, coin = returns[:, 0], returns[:, 0] + returns[:, 1]

    def ours() -> float:
        weights = age_weights(500, 1.0)
        return ledoit_wolf_shrinkage(returns, weights, weighted_covariance(returns, weights))

    rows = [("part", "ms"),
            ("Ledoit-Wolf of 20 assets, 500 rows, numpy", f"{best(ours) * 1e3:.2f}"),
            ("the same by scikit-learn", f"{best(lambda: sklearn.covariance.ledoit_wolf(returns)) * 1e3:.2f}"),
            ("estimate: checks, EWMA, shrinkage, proof", f"{best(lambda: estimate(returns)) * 1e3:.2f}"),
            ("beta of one coin, all estimators, 500 days", f"{best(lambda: beta_reading(coin, market)) * 1e3:.2f}"),
            ("frontier of 20 points, 40 assets",
             f"{best(lambda: efficient_frontier(replace(problem(40, 1), cost=None))) * 1e3:.1f}")]
    show(table("allocation: parts", rows))
