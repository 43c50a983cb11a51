"""The efficient frontier under the same limits as the live book, and the closed forms that check it.

Weights are signed fractions of equity, returns annual. Sources: Markowitz (1952); Merton (1972) for the closed form;
quant reference section 8.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.allocation_problem import Allocation, AllocationProblem
from bot.quant.book_limits import weighted_sum
from bot.quant.mean_variance import MeanVarianceSolver
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

POINTS: Final = 20
GREED: Final = 1e-5
"""The risk aversion at which the book of highest return is looked for."""
TAIL_SHARE: Final = 0.025


class FrontierPoint(msgspec.Struct, frozen=True):
    """The book of least variance among those that reach a return."""

    weights: Vector
    expected_return: float
    volatility: float
    gross: float
    """Leverage: the sum of absolute weights."""
    net: float
    beta: float | None
    es_daily: float | None
    """97.5 % expected shortfall of a day on the rows given, a positive fraction of equity."""
    sharpe: float | None
    """Expected return over volatility; None without risk."""
    binding: tuple[str, ...]


class Frontier(msgspec.Struct, frozen=True):
    """Points from least variance to highest return, and which targets could not be reached."""

    points: tuple[FrontierPoint, ...]
    failed: tuple[tuple[float, str], ...]
    """(target return, reason) of points that were not solved; normally none."""

    @property
    def best_sharpe(self) -> FrontierPoint | None:
        """The point of highest return per risk."""
        rated = [point for point in self.points if point.sharpe is not None]
        return max(rated, key=lambda point: point.sharpe or 0.0) if rated else None


def efficient_frontier(
    problem: AllocationProblem, points: int = POINTS, daily_rows: Matrix | None = None,
) -> Frontier | NoAnswer:
    """Books of least variance for evenly spaced returns, under the problem's limits; costs of trading are left out.

    Args:
        points: 2 to 200, of which the first is the book of least variance and the last that of highest return.
        daily_rows: shape (n_rows, n_assets), returns per day for expected shortfall; None leaves it unknown.
    Returns:
        `NoAnswer`: `out_of_range`, or why not even the ends can be found (`infeasible: net, gross`).
    """
    if not 2 <= points <= 200:
        return NoAnswer("out_of_range", f"{points} points: 2 to 200")
    solver, replace = MeanVarianceSolver(), msgspec.structs.replace
    calm = replace(problem, risk_aversion=1.0, return_weight=0.0, return_floor=None, cost=None)
    greedy = replace(calm, risk_aversion=GREED, return_weight=1.0)
    ends = []
    for asked in (calm, greedy):
        found = solver.solve(asked)
        if not found.optimal or found.expected_return is None:
            conflict = f"cannot be kept together: {', '.join(found.conflict)}" if found.conflict else ""
            return NoAnswer(found.reason, conflict)
        ends.append(found)
    low, high = (each.expected_return or 0.0 for each in ends)
    rows = [_point(problem, ends[0], daily_rows)]
    failed: list[tuple[float, str]] = []
    for target in np.linspace(low, high, points)[1:]:
        # the highest return is reached to the solver's tolerance only: ask for a hair less
        floor = float(target) - 1e-7 * max(abs(high - low), 1e-6)
        found = solver.solve(replace(calm, return_floor=floor))
        if found.optimal:
            rows.append(_point(problem, found, daily_rows))
        else:
            failed.append((float(target), found.reason))
    return Frontier(tuple(rows), tuple(failed))


def frontier_weights(mu: Vector, covariance: Matrix, target_return: float) -> Vector | NoAnswer:
    """Closed form without inequalities: least variance with mu'w = target and weights that sum to one.

    Solves [2S mu 1; mu' 0 0; 1' 0 0].
    """
    size = len(mu)
    system = np.zeros((size + 2, size + 2))
    system[:size, :size] = 2.0 * covariance
    system[:size, size], system[size, :size] = mu, mu
    system[:size, size + 1] = system[size + 1, :size] = 1.0
    right = np.zeros(size + 2)
    right[size], right[size + 1] = target_return, 1.0
    if not (np.isfinite(system).all() and math.isfinite(target_return)):
        return NoAnswer("not_finite", "an expected return or a covariance is unknown")
    if np.linalg.matrix_rank(system) < size + 2:
        return NoAnswer("singular_covariance", "equal expected returns or copies of an asset leave no single book")
    return np.asarray(np.linalg.solve(system, right)[:size], dtype=np.float64)


def minimum_variance_weight(first_sd: float, second_sd: float, correlation: float) -> float | NoAnswer:
    """Weight of the *second* of two assets in the book of least variance: (s1^2 - r s1 s2) / (s1^2 + s2^2 - 2 r s1 s2).

    Zero at r = s1 / s2 and negative above: a high correlation lowers the more volatile asset and turns it short.
    """
    if not (first_sd > 0.0 and second_sd > 0.0 and -1.0 <= correlation <= 1.0):
        return NoAnswer("out_of_range", f"sd {first_sd} and {second_sd} positive, correlation {correlation} in [-1, 1]")
    shared = correlation * first_sd * second_sd
    spread = first_sd**2 + second_sd**2 - 2.0 * shared
    if spread <= 1e-12 * (first_sd**2 + second_sd**2):
        return NoAnswer("singular_covariance", "two copies of one asset")
    return (first_sd**2 - shared) / spread


def _point(problem: AllocationProblem, found: Allocation, daily_rows: Matrix | None) -> FrontierPoint:
    weights = found.weights
    earned, risk = found.expected_return or 0.0, found.volatility or 0.0
    limits = problem.limits
    return FrontierPoint(
        weights=weights, expected_return=earned, volatility=risk, gross=float(np.abs(weights).sum()),
        net=float(weights.sum()), beta=None if limits.beta is None else weighted_sum(limits.beta, weights),
        es_daily=None if daily_rows is None else _expected_shortfall(daily_rows, weights),
        sharpe=earned / risk if risk > 0.0 else None, binding=found.binding,
    )


def _expected_shortfall(daily_rows: Matrix, weights: Vector) -> float | None:
    """Mean loss of the worst 2.5 % of the known days; None with fewer than 40 of them."""
    there = np.flatnonzero(weights)
    outcome = daily_rows[:, there] @ weights[there]
    outcome = np.sort(outcome[np.isfinite(outcome)])
    worst = int(len(outcome) * TAIL_SHARE)
    return -float(outcome[:worst].mean()) if worst >= 1 else None
