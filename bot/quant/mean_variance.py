"""Mean-variance allocation: maximise mu'w - g/2 w'Sw - c'|w - w0| under the limits of a book, or hold and say why.

A solution counts only if Clarabel calls it solved *and* it passes `violations`, an independent reading of the limits.
What fails goes down a chain: the other formulation with tighter settings, the closed form where no inequality binds,
hold.
Source: Markowitz (1952); quant reference section 8.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.allocation_problem import (
    Allocation,
    AllocationProblem,
    broken,
    hold,
    limit_names,
    unknown,
    without,
)
from bot.quant.book_limits import weighted_sum
from bot.quant.covariance import positive_definite
from bot.quant.no_answer import NoAnswer
from bot.quant.quadratic_program import INTERNAL, Program, Shape, Sparse, program

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

WEIGHT_DIGITS: Final = 7
"""Weights are rounded so: a ten-millionth of equity is nobody's trade, and a solver's last bits reach no record."""
BINDING_PRICE_MIN: Final = 1e-4
"""A limit whose shadow price is below this share of the largest marginal return does not bind."""
CONFLICT_SHARE: Final = 1e-3
"""A row is part of a conflict if it has this share of the largest multiplier in the proof of infeasibility."""


class Settings(msgspec.Struct, frozen=True):
    """How hard a stage tries."""

    iterations_max: int = 100
    tolerance: float = 1e-9
    factored: bool = False


STAGES: Final = (Settings(), Settings(400, 1e-10, factored=True))


class MeanVarianceSolver:
    """Solves problem after problem; one of the same shape as the last takes new numbers into the same factorisation.

    A re-solved problem equals a fresh one to the tolerance, not to the last bit: where equal inputs must give equal
    books whatever was solved before (the engine), call `allocate`.
    """

    def __init__(self, stages: tuple[Settings, ...] = STAGES) -> None:
        self._stages = stages
        self._built: dict[Settings, tuple[Shape, Any]] = {}

    def solve(self, problem: AllocationProblem) -> Allocation:
        """The optimal book, or the held one with the reason."""
        reason = unknown(problem)
        if reason:
            return hold(problem, reason)
        limits = problem.limits
        free = np.flatnonzero(limits.free())
        fixed = np.where(limits.free(), 0.0, limits.fixed_weights(problem.held))
        if not len(free):
            return _nothing_to_choose(problem, fixed)
        sound = positive_definite(problem.covariance[np.ix_(free, free)])
        if isinstance(sound, NoAnswer):
            return hold(problem, sound.reason)
        covariance = problem.covariance.copy()
        covariance[np.ix_(free, free)] = sound[0]
        mended = msgspec.structs.replace(problem, covariance=covariance)
        for stage in self._stages:
            answer = self._try(mended, stage, fixed)
            if answer is not None:
                return answer
        return _closed_form(mended, free, fixed) or hold(problem, "not_solved")

    def feasible(self, problem: AllocationProblem) -> bool:
        """Whether the first stage finds any book inside the limits."""
        import clarabel

        return bool(self._run(problem, self._stages[0])[1].status == clarabel.SolverStatus.Solved)

    def _try(self, problem: AllocationProblem, stage: Settings, fixed: Vector) -> Allocation | None:
        """One stage: an answer that holds (a book or a proof that there is none), or None."""
        import clarabel

        asked, solution = self._run(problem, stage)
        if solution.status == clarabel.SolverStatus.PrimalInfeasible:
            proof = _dearest(asked.labels, np.abs(np.asarray(solution.z)), CONFLICT_SHARE)
            return msgspec.structs.replace(hold(problem, "infeasible"), conflict=_conflict(problem, proof))
        if solution.status != clarabel.SolverStatus.Solved:
            return None
        weights = fixed.copy()
        weights[asked.free] = np.asarray(solution.x)[: len(asked.free)]
        prices = np.abs(np.asarray(solution.z))
        prices[: asked.shape.equalities] = 0.0
        binding = _dearest(asked.labels, np.append(prices, 1.0), BINDING_PRICE_MIN)
        return _optimal(problem, weights, "clarabel_factored" if stage.factored else "clarabel", binding)

    def _run(self, problem: AllocationProblem, stage: Settings) -> tuple[Program, Any]:
        """The problem as it was asked, and Clarabel's answer."""
        cost = np.zeros_like(problem.mu) if problem.cost is None else problem.cost
        asked = program(
            problem.return_weight * problem.mu, problem.covariance, problem.risk_aversion, cost, problem.held,
            problem.limits, problem.return_floor, problem.mu, stage.factored,
        )
        return asked, self._solver(asked, stage).solve()

    def _solver(self, asked: Program, stage: Settings) -> Any:
        """The solver of this shape with the problem's numbers."""
        import clarabel

        built = self._built.get(stage)
        if built is not None and built[0] == asked.shape:
            built[1].update(P=asked.p_data, q=asked.q, A=asked.a_data, b=asked.b)
            return built[1]
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.presolve_enable, settings.max_threads = False, False, 1
        settings.max_iter = stage.iterations_max
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = stage.tolerance
        p = Sparse(asked.variables, asked.variables, asked.p_indptr, asked.p_indices, asked.p_data)
        a = Sparse(len(asked.b), asked.variables, asked.a_indptr, asked.a_indices, asked.a_data)
        equalities = asked.shape.equalities
        cones = [clarabel.ZeroConeT(equalities)] if equalities else []
        cones.append(clarabel.NonnegativeConeT(len(asked.b) - equalities))
        solver = clarabel.DefaultSolver(p, asked.q, a, asked.b, cones, settings)
        self._built[stage] = (asked.shape, solver)
        return solver


def allocate(problem: AllocationProblem, stages: tuple[Settings, ...] = STAGES) -> Allocation:
    """Solve one problem afresh: equal problems give equal books, whatever was solved before."""
    return MeanVarianceSolver(stages).solve(problem)


def _nothing_to_choose(problem: AllocationProblem, fixed: Vector) -> Allocation:
    """A book without choice is optimal if it is allowed."""
    breaches = broken(problem, fixed)
    if breaches:
        return msgspec.structs.replace(hold(problem, "infeasible"), conflict=tuple(each.limit for each in breaches))
    return _optimal(problem, fixed, "closed_form", ()) or hold(problem, "not_solved")


def _optimal(problem: AllocationProblem, weights: Vector, method: str, binding: tuple[str, ...]) -> Allocation | None:
    """The allocation, unless a limit is broken after all."""
    weights = np.asarray(np.round(weights, WEIGHT_DIGITS) + 0.0)
    if not np.isfinite(weights).all() or broken(problem, weights):
        return None
    there = np.flatnonzero(weights)
    variance = float(weights[there] @ problem.covariance[np.ix_(there, there)] @ weights[there])
    return Allocation(
        weights=weights, optimal=True, reason="optimal", method=method, binding=binding,
        expected_return=weighted_sum(problem.mu, weights), volatility=math.sqrt(max(variance, 0.0)),
    )


def _dearest(labels: tuple[str, ...], prices: Vector, share: float) -> tuple[str, ...]:
    """Names of the rows whose multiplier reaches a share of the largest, each once, dearest first."""
    rows = np.flatnonzero(prices[: len(labels)] > share * float(prices.max()))
    names = (labels[row] for row in rows[np.argsort(-prices[rows], kind="stable")])
    return tuple(dict.fromkeys(name for name in names if name not in INTERNAL))


def _conflict(problem: AllocationProblem, proof: tuple[str, ...]) -> tuple[str, ...]:
    """The limits of a proof of infeasibility that are all needed: lift any one of them, and there is a book."""
    suspects = tuple(dict.fromkeys("box" if name.startswith("box:") else name for name in proof))
    bare, solver = msgspec.structs.replace(problem, cost=None), MeanVarianceSolver(STAGES[:1])
    for limit in limit_names(problem):
        bare = bare if limit in suspects else without(bare, limit)
    needed: list[str] = []
    for limit in suspects:
        lifted = without(bare, limit)
        if solver.feasible(lifted):
            needed.append(limit)
        else:
            bare = lifted
    return tuple(needed)


def _closed_form(problem: AllocationProblem, free: npt.NDArray[np.int64], fixed: Vector) -> Allocation | None:
    """The stationary point under the equalities alone, where trading is free and it breaks no limit.

    If it leaves the beta band, the optimum under that limit lies on the edge it passed.
    """
    if problem.return_floor is not None or (problem.cost is not None and (problem.cost[free] > 0.0).any()):
        return None
    limits = problem.limits
    equalities: list[tuple[Vector, float]] = []
    if limits.net is not None:
        equalities.append((np.ones(len(free)), limits.net - float(fixed.sum())))
    weights = _stationary(problem, free, fixed, equalities)
    if weights is not None and limits.beta is not None:
        gap = weighted_sum(limits.beta, weights) - limits.beta_target
        if abs(gap) > limits.beta_band:
            edge = limits.beta_target + math.copysign(limits.beta_band, gap) - weighted_sum(limits.beta, fixed)
            weights = _stationary(problem, free, fixed, [*equalities, (limits.beta[free], edge)])
    return None if weights is None else _optimal(problem, weights, "closed_form", ())


def _stationary(
    problem: AllocationProblem, free: npt.NDArray[np.int64], fixed: Vector, equalities: list[tuple[Vector, float]],
) -> Vector | None:
    """Solve [gS A'; A 0] [w; y] = [mu - gS fixed; b] for the free weights; None if the rows depend on each other."""
    stuck = np.flatnonzero(fixed)
    size, count = len(free), len(equalities)
    system = np.zeros((size + count, size + count))
    system[:size, :size] = problem.risk_aversion * problem.covariance[np.ix_(free, free)]
    right = np.zeros(size + count)
    pull = problem.covariance[np.ix_(free, stuck)] @ fixed[stuck]
    right[:size] = problem.return_weight * problem.mu[free] - problem.risk_aversion * pull
    for place, (row, bound) in enumerate(equalities):
        system[size + place, :size] = system[:size, size + place] = row
        right[size + place] = bound
    try:
        found = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        return None
    weights = fixed.copy()
    weights[free] = found[:size]
    return weights
