"""Laws of allocation and hedge: limits hold, nothing allowed is better, rounding shrinks, a hedge never hurts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.domain.values import InstrumentId
from bot.quant.allocation_problem import AllocationProblem
from bot.quant.book_limits import BookLimits, Group, rounded_book, violations
from bot.quant.mean_variance import allocate
from bot.strategy.hedge import HedgeHeld, HedgeInstrument, HedgeParams, plan_hedge


def objective(problem: AllocationProblem, weights: np.ndarray) -> float:
    """What is maximised, written out."""
    cost = 0.0 if problem.cost is None else float(problem.cost @ np.abs(weights - problem.held))
    risk = problem.risk_aversion / 2 * float(weights @ problem.covariance @ weights)
    return float(problem.mu @ weights) - risk - cost


def made(seed: int, size: int, gross: float, band: float, turnover: float) -> AllocationProblem:
    """A problem whose held book is allowed, so that there always is a book."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size)) * 0.3
    limits = BookLimits(
        lower=-rng.uniform(0.0, 0.5, size), upper=rng.uniform(0.05, 0.5, size), gross_max=gross,
        groups=(Group("one", tuple(range(0, size, 2)), gross / 1.5),), beta=rng.normal(1.0, 0.4, size), beta_band=band,
        turnover_max=turnover, margin_rates=rng.uniform(0.05, 0.4, size),
        tradable=rng.random(size) > 0.2,
    )
    return AllocationProblem(
        mu=rng.standard_normal(size) * 0.3, covariance=root @ root.T + 0.02 * np.eye(size), held=np.zeros(size),
        limits=limits, cost=rng.uniform(0.0, 0.02, size) * (rng.random(size) > 0.4),
        risk_aversion=float(rng.uniform(0.5, 8.0)))


PROBLEMS = st.builds(made, st.integers(0, 10_000), st.integers(1, 12), st.floats(0.05, 2.0), st.floats(0.0, 0.3),
                     st.floats(0.05, 2.0))


@settings(max_examples=60, deadline=None)
@given(PROBLEMS)
def test_a_book_is_found_within_its_limits_and_nothing_near_it_is_better(problem: AllocationProblem) -> None:
    """Optimal, allowed, and no random allowed book beats it by more than the solver's tolerance."""
    found = allocate(problem)
    assert found.optimal, found.reason
    assert violations(problem.limits, found.weights, problem.held) == ()
    best, rng = objective(problem, found.weights), np.random.default_rng(0)
    for scale in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            other = found.weights + scale * rng.standard_normal(len(found.weights))
            other = np.where(problem.limits.free(), np.clip(other, problem.limits.lower, problem.limits.upper), 0.0)
            if not violations(problem.limits, other, problem.held, tolerance=0.0):
                assert objective(problem, other) <= best + 1e-5


@settings(max_examples=60, deadline=None)
@given(PROBLEMS, st.integers(0, 1_000))
def test_rounding_never_makes_a_weight_larger_and_reports_every_breach(problem: AllocationProblem, seed: int) -> None:
    """Towards zero on the grid: sums of sizes stay within their caps; what is broken is said."""
    rng = np.random.default_rng(seed)
    weights = allocate(problem).weights
    steps, smallest = rng.uniform(0.001, 0.05, len(weights)), rng.uniform(0.0, 0.05, len(weights))
    rounded = rounded_book(problem.limits, weights, problem.held, steps, smallest)
    assert (np.abs(rounded.weights) <= np.abs(weights) + 1e-9).all()
    assert rounded.violations == violations(problem.limits, rounded.weights, problem.held)
    assert not any(each.limit.startswith(("gross", "group", "margin", "box")) for each in rounded.violations)
    for asset in rounded.dropped:
        assert rounded.weights[asset] == problem.held[asset]


@settings(max_examples=300, deadline=None)
@given(
    exposure=st.floats(-30_000, 30_000), held_lots=st.integers(-200, 200), beta=st.floats(0.3, 2.0),
    cost_bps=st.floats(0.0, 60.0), funding=st.floats(-0.5, 0.5), cap=st.floats(0.0, 20_000.0),
    step=st.sampled_from([0.0, 7.0, 100.0, 900.0]), smallest=st.sampled_from([0.0, 5.0, 100.0]),
    target=st.floats(-1.0, 1.0), negative=st.booleans(),
)
def test_a_hedge_never_makes_beta_worse_and_ends_in_its_band_unless_it_says_why(
    exposure: float, held_lots: int, beta: float, cost_bps: float, funding: float, cap: float, step: float,
    smallest: float, target: float, negative: bool,
) -> None:
    """Inside the band after it, or capped, or too small an order; the gap never grows except by a cap."""
    one = HedgeInstrument(
        instrument=InstrumentId("a:BTC-PERP"), beta=-beta if negative else beta, cost_bps=cost_bps,
        funding_bps_h=funding, notional_max_usd=cap, step_usd=step, smallest_usd=smallest)
    held = HedgeHeld(one.instrument, held_lots * (step or 50.0)) if held_lots else HedgeHeld()
    found = plan_hedge(exposure, 10_000.0, held, (one,), HedgeParams(target_beta=target))
    if found.beta_before is None or found.beta_after is None or found.reason == "no_instrument":
        assert found.notional_usd == held.notional_usd
        return
    before, after = abs(found.beta_before - target), abs(found.beta_after - target)
    if found.reason == "capped":
        assert abs(found.notional_usd) <= cap + 1e-6
        return
    assert after <= max(before, found.band) + 1e-9
    if found.reason == "to_edge":
        assert after <= max(found.band, step * beta / 10_000.0) + 1e-9
    if found.reason in ("in_band", "below_smallest"):
        assert found.notional_usd == held.notional_usd
    # the same plan again, from where it led, is at rest
    again = plan_hedge(exposure, 10_000.0, HedgeHeld(found.instrument, found.notional_usd), (one,),
                       HedgeParams(target_beta=target))
    if again.reason != "capped":
        assert again.notional_usd == found.notional_usd


@settings(max_examples=60, deadline=None)
@given(PROBLEMS)
def test_equal_problems_give_equal_books_to_the_last_bit(problem: AllocationProblem) -> None:
    """Solved afresh, the answer depends on the question alone."""
    first = allocate(problem)
    allocate(replace(problem, mu=problem.mu[::-1].copy()))
    assert allocate(problem).weights.tobytes() == first.weights.tobytes()
