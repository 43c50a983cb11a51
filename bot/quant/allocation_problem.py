"""What an allocation is asked and what it answers; what makes a question unanswerable; how a single limit is lifted.

Weights are signed fractions of equity; mu, S and the cost of trading speak of the same period (annual by convention).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.book_limits import BookLimits, Violation, violations, weighted_sum

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

LIFTED: Final = 1e3
"""What a lifted box allows: a thousand times equity."""


class AllocationProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One allocation: what is expected, what it risks, what trading costs, what is held, what is allowed.

    Raises:
        ValueError: if shapes differ, or the risk aversion is not positive.
    """

    mu: Vector
    """Shape (n,), expected return per unit weight, funding included."""
    covariance: Matrix
    """Shape (n, n)."""
    held: Vector
    """Shape (n,), w0."""
    limits: BookLimits
    risk_aversion: float = 2.0
    """g: the growth-optimal (Kelly) book at 1, half Kelly at 2."""
    cost: Vector | None = None
    """Shape (n,), of changing a weight by one, in the unit of mu (one-way cost times yearly turnover); None: free."""
    return_weight: float = 1.0
    """0 looks for the least variance alone (used with `return_floor`)."""
    return_floor: float | None = None
    """Least mu'w."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        size = len(self.limits.lower)
        for key, shape in (("mu", (size,)), ("held", (size,)), ("cost", (size,)), ("covariance", (size, size))):
            value = getattr(self, key)
            if value is not None and value.shape != shape:
                raise ValueError(f"{key} has shape {value.shape}, the limits speak of {size} assets")
        if not 0.0 < self.risk_aversion < math.inf:
            raise ValueError(f"risk_aversion = {self.risk_aversion}: must be positive")


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """The book to hold, and how it came about. Not optimal means `weights` is what is held already."""

    weights: Vector
    optimal: bool
    reason: str
    """`optimal`, or why it is held: `infeasible`, `not_solved`, `expected_return_unknown`, `covariance_unknown`,
    `singular_covariance`, `held_unknown`, `beta_unknown`, `margin_unknown`, `cost_unknown`, `box_empty`."""
    method: str
    """`clarabel`, `clarabel_factored`, `closed_form`, `hold`."""
    binding: tuple[str, ...] = ()
    """Limits with a shadow price, dearest first."""
    conflict: tuple[str, ...] = ()
    """Limits that cannot be kept together, if infeasible: without any one of them there would be a book."""
    expected_return: float | None = None
    volatility: float | None = None
    """Of the optimal book, in the units of mu and the root of S's; None when held."""


def unknown(problem: AllocationProblem) -> str:
    """Why the problem cannot be posed, or nothing. An asset with no weight to choose or hold may be unknown."""
    limits, held = problem.limits, problem.held
    if not np.isfinite(held).all():
        return "held_unknown"
    free = limits.free()
    if (limits.upper < limits.lower).any():
        return "box_empty"
    matter = free | (limits.fixed_weights(held) != 0.0)
    for values, where, reason in (
        (problem.mu, matter if problem.return_floor is not None else free, "expected_return_unknown"),
        (limits.beta, matter, "beta_unknown"), (limits.margin_rates, matter, "margin_unknown"),
        (problem.cost, free, "cost_unknown"),
    ):
        if values is not None and not np.isfinite(values[where]).all():
            return reason
    if problem.cost is not None and (problem.cost[free] < 0.0).any():
        return "cost_unknown"
    if limits.margin_rates is not None and (limits.margin_rates[matter] < 0.0).any():
        return "margin_unknown"
    return "" if np.isfinite(problem.covariance[np.ix_(matter, matter)]).all() else "covariance_unknown"


def hold(problem: AllocationProblem, reason: str) -> Allocation:
    """What is held stays, and why."""
    return Allocation(weights=problem.held.copy(), optimal=False, reason=reason, method="hold")


def broken(problem: AllocationProblem, weights: Vector) -> tuple[Violation, ...]:
    """Limits and the return floor that these weights do not keep."""
    broken = violations(problem.limits, weights, problem.held)
    if problem.return_floor is not None:
        earned = weighted_sum(problem.mu, weights)
        if not earned >= problem.return_floor - 1e-6 * max(abs(problem.return_floor), 1e-3):
            broken += (Violation("return_floor", earned, problem.return_floor),)
    return broken


def limit_names(problem: AllocationProblem) -> tuple[str, ...]:
    """Every limit that the problem has, the box as one."""
    limits = problem.limits
    there = {
        "box": True, "return_floor": problem.return_floor is not None, "gross": math.isfinite(limits.gross_max),
        "net": limits.net is not None, "beta": limits.beta is not None and math.isfinite(limits.beta_band),
        "turnover": math.isfinite(limits.turnover_max), "margin": limits.margin_rates is not None,
        **{f"group:{group.name}": True for group in limits.groups},
    }
    return tuple(name for name, present in there.items() if present)


def without(problem: AllocationProblem, limit: str) -> AllocationProblem:
    """The same problem with one limit lifted; the box is widened to a thousand times equity."""
    limits, replace = problem.limits, msgspec.structs.replace
    if limit == "return_floor":
        return replace(problem, return_floor=None)
    if limit == "box":
        room = limits.upper > limits.lower
        return replace(problem, limits=replace(
            limits, lower=np.where(room, -LIFTED, limits.lower), upper=np.where(room, LIFTED, limits.upper)))
    if limit.startswith("group:"):
        kept = tuple(group for group in limits.groups if f"group:{group.name}" != limit)
        return replace(problem, limits=replace(limits, groups=kept))
    field, value = {
        "gross": ("gross_max", math.inf), "net": ("net", None), "beta": ("beta_band", math.inf),
        "turnover": ("turnover_max", math.inf), "margin": ("margin_rates", None),
    }[limit]
    return replace(problem, limits=replace(limits, **{field: value}))
