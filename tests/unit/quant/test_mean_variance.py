"""Allocation against textbook books, closed forms, cvxpy on random problems, and the limits themselves."""

from __future__ import annotations

import math
from typing import Any

import cvxpy as untyped_cvxpy
import numpy as np
import pytest
from msgspec.structs import replace

from bot.quant.allocation_problem import AllocationProblem
from bot.quant.book_limits import BookLimits, Group, Violation, rounded_book, violations
from bot.quant.mean_variance import STAGES, MeanVarianceSolver, Settings, allocate

cvxpy: Any = untyped_cvxpy
TIRED = Settings(iterations_max=1)
"""A stage that gives up after one iteration."""


def box(size: int, upper: float = 10.0, lower: float | None = None, **limits: object) -> BookLimits:
    """Limits with the same box for all."""
    low = -upper if lower is None else lower
    return BookLimits(lower=np.full(size, low), upper=np.full(size, upper), **limits)  # type: ignore[arg-type]


def random_problem(seed: int, size: int = 12) -> AllocationProblem:
    """A book with every kind of limit, about half of which bind."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((size, 3)) * 0.4
    tradable = np.ones(size, dtype=bool)
    tradable[rng.integers(size)] = False
    half = size // 2
    return AllocationProblem(
        mu=rng.standard_normal(size) * 0.2, held=rng.standard_normal(size) * 0.05,
        covariance=factors @ factors.T + np.diag(rng.uniform(0.05, 0.3, size)),
        cost=rng.uniform(0.0, 0.02, size) * (rng.random(size) > 0.3), risk_aversion=float(rng.uniform(1.0, 6.0)),
        limits=box(
            size, float(rng.uniform(0.1, 0.5)), gross_max=float(rng.uniform(0.8, 2.0)), tradable=tradable,
            groups=(Group("binance", tuple(range(half)), float(rng.uniform(0.4, 1.0))),
                    Group("bybit", tuple(range(half, size)), float(rng.uniform(0.4, 1.0)))),
            beta=rng.normal(1.0, 0.3, size), beta_target=0.0, beta_band=0.05 if seed % 3 else 0.0,
            turnover_max=float(rng.uniform(0.7, 2.0)), margin_rates=rng.uniform(0.1, 0.5, size), margin_max=0.5,
        ),
    )


def by_cvxpy(problem: AllocationProblem) -> tuple[float, np.ndarray] | None:
    """The same problem in another modelling language; None if it says there is no book."""
    limits, w = problem.limits, cvxpy.Variable(len(problem.mu))
    cost = np.zeros(len(problem.mu)) if problem.cost is None else problem.cost
    moved = cvxpy.abs(w - problem.held)
    objective = (problem.return_weight * problem.mu @ w - cost @ moved
                 - problem.risk_aversion / 2 * cvxpy.quad_form(w, cvxpy.psd_wrap(problem.covariance)))
    fixed = np.zeros(len(problem.mu), bool) if limits.tradable is None else ~limits.tradable
    rows = [w[~fixed] <= limits.upper[~fixed], w[~fixed] >= limits.lower[~fixed]]
    if fixed.any():
        rows.append(w[fixed] == problem.held[fixed])
    if math.isfinite(limits.gross_max):
        rows.append(cvxpy.norm1(w) <= limits.gross_max)
    rows += [cvxpy.norm1(w[list(g.members)]) <= g.gross_max for g in limits.groups]
    if limits.beta is not None and math.isfinite(limits.beta_band):
        rows.append(cvxpy.abs(limits.beta @ w - limits.beta_target) <= limits.beta_band)
    if math.isfinite(limits.turnover_max):
        rows.append(cvxpy.sum(moved) <= limits.turnover_max)
    if limits.margin_rates is not None:
        rows.append(limits.margin_rates @ cvxpy.abs(w) <= limits.margin_max)
    if limits.net is not None:
        rows.append(cvxpy.sum(w) == limits.net)
    asked = cvxpy.Problem(cvxpy.Maximize(objective), rows)
    asked.solve(solver="CLARABEL")
    return (float(asked.value), np.asarray(w.value)) if asked.status == "optimal" else None


def objective_of(problem: AllocationProblem, weights: np.ndarray) -> float:
    """What is maximised, written out."""
    cost = 0.0 if problem.cost is None else float(problem.cost @ np.abs(weights - problem.held))
    risk = problem.risk_aversion / 2 * float(weights @ problem.covariance @ weights)
    return problem.return_weight * float(problem.mu @ weights) - risk - cost


@pytest.mark.parametrize("seed", range(12))
def test_the_book_is_the_one_cvxpy_finds(seed: int) -> None:
    """Objective to a millionth, weights to a ten-thousandth, or both find that there is no book."""
    problem = random_problem(seed)
    found, oracle = allocate(problem), by_cvxpy(problem)
    if oracle is None:
        assert found.reason == "infeasible"
        return
    assert found.optimal
    assert objective_of(problem, found.weights) == pytest.approx(oracle[0], abs=1e-6)
    assert found.weights == pytest.approx(oracle[1], abs=1e-4)
    assert violations(problem.limits, found.weights, problem.held) == ()


@pytest.mark.parametrize("seed", range(4))
def test_the_other_formulation_finds_the_same_book(seed: int) -> None:
    """Risk as |L'w|^2 with tighter settings: the fallback answers the same question."""
    problem = random_problem(seed)
    first, second = allocate(problem), allocate(problem, STAGES[1:])
    assert second.reason == first.reason
    assert second.weights == pytest.approx(first.weights, abs=1e-4)


def test_unbound_it_is_the_closed_form() -> None:
    """Without limits that bind, the book is (g S)^-1 mu."""
    problem = replace(random_problem(1), limits=box(12), cost=None)
    expected = np.linalg.solve(problem.risk_aversion * problem.covariance, problem.mu)
    assert allocate(problem).weights == pytest.approx(expected, abs=1e-5)


def test_textbook_minimum_variance_book_of_three_stocks() -> None:
    """Microsoft, Nordstrom and Starbucks as Zivot's text has them: 44.1, 36.6 and 19.3 %."""
    covariance = np.array([[0.0100, 0.0018, 0.0011], [0.0018, 0.0109, 0.0026], [0.0011, 0.0026, 0.0199]])
    mu = np.array([0.0427, 0.0015, 0.0285])
    problem = AllocationProblem(mu=mu, covariance=covariance, held=np.zeros(3), limits=box(3, net=1.0),
                                return_weight=0.0)
    found = allocate(problem)
    assert found.weights == pytest.approx([0.441, 0.366, 0.193], abs=1e-3)
    assert found.expected_return == pytest.approx(0.0249, abs=1e-4)
    assert found.volatility == pytest.approx(0.0727, abs=1e-4)
    # the efficient book with Microsoft's mean
    efficient = allocate(replace(problem, return_floor=0.0427))
    assert efficient.weights == pytest.approx([0.8275, -0.0907, 0.2633], abs=1e-3)
    assert efficient.binding == ("return_floor",)


def test_resolving_takes_new_numbers_and_new_shapes() -> None:
    """One solver over many problems, some of another shape, answers as fresh ones do."""
    solver = MeanVarianceSolver()
    problems = [random_problem(seed) for seed in (1, 1, 2, 4, 5)]
    problems.insert(2, replace(problems[0], cost=None))
    for problem in problems:
        assert solver.solve(problem).weights == pytest.approx(allocate(problem).weights, abs=1e-4)


def test_costs_make_holding_optimal_near_the_optimum() -> None:
    """Inside the no-trade region c'|w - w0| outweighs the gain: the held book is the answer, to the last digit."""
    problem = AllocationProblem(mu=np.array([0.1, 0.05]), covariance=np.eye(2) * 0.1, held=np.zeros(2), limits=box(2))
    problem = replace(problem, held=allocate(problem).weights + 0.02, cost=np.full(2, 0.01))
    assert allocate(problem).weights == pytest.approx(problem.held, abs=1e-6)


def test_an_untradable_asset_keeps_its_weight_and_may_be_unknown() -> None:
    """It counts in beta and gross as held; with no weight its numbers may be missing altogether."""
    limits = box(3, 1.0, beta=np.array([1.0, 1.0, 1.2]), beta_band=0.0, tradable=np.array([True, False, True]))
    problem = AllocationProblem(mu=np.zeros(3), covariance=np.eye(3), held=np.array([0.0, 0.5, 0.0]), limits=limits)
    found = allocate(problem)
    assert found.weights[1] == 0.5
    assert limits.beta is not None
    assert float(limits.beta @ found.weights) == pytest.approx(0.0, abs=1e-6)
    unknown = np.eye(3)
    unknown[1] = unknown[:, 1] = np.nan
    blind = replace(problem, held=np.zeros(3), mu=np.array([0.1, np.nan, 0.0]), covariance=unknown,
                    limits=replace(limits, beta=np.array([1.0, np.nan, 1.2])))
    assert allocate(blind).optimal


def test_binding_limits_are_named_dearest_first() -> None:
    """A gross cap of 0.5 on a book that wants 2 binds, and so does the box of the better asset."""
    limits = box(2, 0.4, gross_max=0.5, names=("BTC", "ETH"))
    problem = AllocationProblem(mu=np.array([0.5, 0.3]), covariance=np.eye(2) * 0.1, held=np.zeros(2), limits=limits)
    found = allocate(problem)
    assert found.weights == pytest.approx([0.4, 0.1], abs=1e-6)
    assert found.binding == ("gross", "box:BTC")


@pytest.mark.parametrize(("limits", "conflict"), [
    ({"net": 1.0, "gross_max": 0.5}, {"net", "gross"}),
    ({"net": 1.0, "upper": 0.2}, {"net", "box"}),
    ({"beta": np.ones(3), "beta_target": 2.0, "beta_band": 0.1, "gross_max": 1.0}, {"beta", "gross"}),
    ({"turnover_max": 0.1, "groups": (Group("okx", (0, 1, 2), 0.1),)}, {"turnover", "group:okx"}),
    ({"margin_rates": np.ones(3), "margin_max": 0.1, "turnover_max": 0.1}, {"turnover", "margin"}),
])
def test_an_infeasible_book_is_held_and_the_conflict_named(limits: dict[str, object], conflict: set[str]) -> None:
    """Exactly the limits that cannot be kept together, though others are there; lifting one of them gives a book."""
    given = {"gross_max": 5.0, "beta": np.array([0.9, 1.0, 1.1]), "beta_band": 3.0, **limits}
    problem = AllocationProblem(mu=np.array([0.1, 0.2, 0.3]), covariance=np.eye(3) * 0.1, held=np.full(3, 0.2),
                                limits=box(3, **given))  # type: ignore[arg-type]
    found = allocate(problem)
    assert (found.optimal, found.reason, found.method) == (False, "infeasible", "hold")
    assert found.weights == pytest.approx(problem.held)
    assert set(found.conflict) == conflict
    assert found.volatility is None


def test_a_return_that_cannot_be_reached_is_named() -> None:
    """The floor and the box."""
    problem = AllocationProblem(mu=np.full(2, 0.1), covariance=np.eye(2), held=np.zeros(2), limits=box(2, 1.0),
                                return_floor=0.5)
    assert set(allocate(problem).conflict) == {"return_floor", "box"}


def test_a_tired_solver_hands_on_to_the_next_stage() -> None:
    """One iteration is not optimal; the second stage solves, and says so."""
    problem = random_problem(1)
    found = allocate(problem, (TIRED, STAGES[1]))
    assert found.method == "clarabel_factored"
    assert found.weights == pytest.approx(allocate(problem).weights, abs=1e-4)


@pytest.mark.parametrize("limits", [
    {}, {"net": 1.0}, {"beta": np.array([1.0, 1.3, 0.7]), "beta_band": 0.05}, {"beta": np.ones(3), "beta_band": 0.0},
    {"beta": np.array([1.0, 1.3, 0.7]), "beta_target": -0.5, "beta_band": 0.1, "net": 0.2, "gross_max": 50.0},
])
def test_with_no_solver_the_closed_form_serves_where_it_applies(limits: dict[str, object]) -> None:
    """All stages tired: equalities and the beta band alone still give the optimal book."""
    problem = AllocationProblem(mu=np.array([0.1, 0.2, -0.05]), covariance=np.diag([0.1, 0.2, 0.3]) + 0.05,
                                held=np.zeros(3), limits=box(3, **limits))  # type: ignore[arg-type]
    found = allocate(problem, (TIRED,))
    assert (found.method, found.optimal) == ("closed_form", True)
    assert found.weights == pytest.approx(allocate(problem).weights, abs=1e-5)


@pytest.mark.parametrize("seed", [1, 2])
def test_with_no_solver_and_no_closed_form_it_holds(seed: int) -> None:
    """Not optimal is never traded: what is held stays, with the reason."""
    problem = random_problem(seed)
    for blocked in (problem, replace(problem, cost=None), replace(problem, cost=None, return_floor=0.0)):
        found = allocate(blocked, (TIRED,))
        assert (found.optimal, found.reason, found.method) == (False, "not_solved", "hold")
        assert np.array_equal(found.weights, problem.held)


def test_dependent_equalities_leave_no_closed_form() -> None:
    """A beta of one for all says the same as the net: the system is singular, and the book is held."""
    problem = AllocationProblem(mu=np.zeros(2), covariance=np.eye(2), held=np.zeros(2),
                                limits=box(2, net=1.0, beta=np.ones(2), beta_target=1.0, beta_band=0.0))
    singular = replace(problem, limits=replace(problem.limits, beta_target=0.5))
    assert allocate(singular, (TIRED,)).reason == "not_solved"


def test_nothing_to_choose_is_optimal_if_allowed() -> None:
    """All untradable: the held book, or the limits it breaks."""
    limits = box(2, 1.0, gross_max=1.0, tradable=np.array([False, False]))
    problem = AllocationProblem(mu=np.array([0.1, 0.1]), covariance=np.eye(2), held=np.array([0.4, 0.4]), limits=limits)
    found = allocate(problem)
    assert found.method == "closed_form"
    assert found.expected_return == pytest.approx(0.08)
    tight = allocate(replace(problem, limits=replace(limits, gross_max=0.5), return_floor=0.2))
    assert (tight.reason, tight.conflict) == ("infeasible", ("gross", "return_floor"))


def test_unknown_numbers_hold_the_book_with_their_reason() -> None:
    """A NaN anywhere it matters, an empty box, a covariance that is none."""
    good = random_problem(1)
    size = len(good.mu)
    hole = np.full(size, np.nan)
    broken = good.covariance.copy()
    broken[0, 1] = broken[1, 0] = np.nan
    wrong = np.eye(size)
    wrong[0, 1] = wrong[1, 0] = 5.0
    limits = good.limits
    cases = {
        "expected_return_unknown": replace(good, mu=hole), "held_unknown": replace(good, held=hole),
        "cost_unknown": replace(good, cost=np.full(size, -1.0)), "covariance_unknown": replace(good, covariance=broken),
        "beta_unknown": replace(good, limits=replace(limits, beta=hole)),
        "margin_unknown": replace(good, limits=replace(limits, margin_rates=-np.ones(size))),
        "box_empty": replace(good, limits=replace(limits, lower=limits.upper + 1.0)),
        "singular_covariance": replace(good, covariance=wrong),
    }
    assert {reason: allocate(problem).reason for reason, problem in cases.items()} == {each: each for each in cases}
    assert allocate(replace(good, cost=hole)).reason == "cost_unknown"
    assert not any(allocate(problem).optimal for problem in cases.values())


def test_a_callers_mistake_is_an_error() -> None:
    """Shapes that differ, limits without meaning, an aversion that is none."""
    with pytest.raises(ValueError, match="mu has shape"):
        AllocationProblem(mu=np.ones(2), covariance=np.eye(3), held=np.ones(3), limits=box(3))
    with pytest.raises(ValueError, match="risk_aversion"):
        AllocationProblem(mu=np.ones(1), covariance=np.eye(1), held=np.ones(1), limits=box(1), risk_aversion=0.0)
    for kind in ({"gross_max": math.nan}, {"turnover_max": -1.0}, {"beta": np.ones(3)}, {"names": ("a",)},
                 {"groups": (Group("x", (0,), -1.0),)}, {"upper": math.inf}):
        with pytest.raises(ValueError, match=r"must be|has shape|names for"):
            box(2, **kind)


def test_rounding_goes_to_lots_drops_crumbs_and_checks_again() -> None:
    """Towards zero, so gross holds; the beta that rounding leaves open is reported, and so is every other breach."""
    limits = box(3, 1.0, gross_max=0.62, beta=np.array([1.0, 1.0, 1.0]), beta_band=0.01)
    rounded = rounded_book(limits, np.array([0.30, -0.309, 0.004]), np.array([0.0, 0.0, 0.01]),
                           steps=np.array([0.1, 0.02, 0.001]), smallest=np.array([0.05, 0.05, 0.05]))
    assert rounded.weights == pytest.approx([0.3, -0.3, 0.01])
    assert rounded.dropped == (2,)
    assert rounded.violations == ()
    off = rounded_book(limits, np.array([0.30, -0.29, 0.0]), np.zeros(3), np.full(3, 0.1), np.zeros(3))
    assert [each.limit for each in off.violations] == ["beta"]
    assert (off.violations[0].value, off.violations[0].allowed) == pytest.approx((0.1, 0.01))
    with pytest.raises(ValueError, match="lot step"):
        rounded_book(limits, np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3))


def test_every_limit_is_found_broken_with_value_and_allowed() -> None:
    """One book that breaks them all; a NaN breaks what it touches."""
    limits = box(2, 1.0, gross_max=1.0, net=0.0, groups=(Group("okx", (0,), 0.5),), beta=np.ones(2), beta_band=0.1,
                 turnover_max=0.5, margin_rates=np.ones(2), tradable=np.array([True, False]), names=("A", "B"))
    held = np.array([0.0, 0.0])
    found = violations(limits, np.array([1.5, 0.5]), held)
    assert [(each.limit, each.value, each.allowed) for each in found] == [
        ("box:A", 1.5, 1.0), ("untradable:B", 0.5, 0.0), ("gross", 2.0, 1.0), ("net", 2.0, 0.0),
        ("group:okx", 1.5, 0.5), ("beta", 2.0, 0.1), ("turnover", 2.0, 0.5), ("margin", 2.0, 1.0),
    ]
    assert violations(limits, held, held) == ()
    assert {"box:A", "gross", "beta"} <= {each.limit for each in violations(limits, np.array([np.nan, 0.0]), held)}
    assert violations(limits, np.array([-1.2, 0.0]), held)[0] == Violation("box:A", -1.2, -1.0)


def test_an_answer_that_breaks_a_limit_is_not_given_out() -> None:
    """A solver content with a few per cent calls a book solved that is outside its limits: the check refuses it."""
    problem, sloppy = random_problem(2), Settings(tolerance=0.03)
    assert allocate(problem, (sloppy,)).reason == "not_solved"
    assert allocate(problem, (sloppy, STAGES[1])).method == "clarabel_factored"
