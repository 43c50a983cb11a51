"""Every TWAP plan, whatever the sizes: on the grid, monotone, exact, never below a minimum, fixed by its seed."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.values import NS_PER_S
from bot.execution.params import ExecutionParams
from bot.execution.twap import plan_slices
from bot.portfolio.pairs import Slice
from tests.unit.execution.scenes import T0

STEPS = st.sampled_from([Decimal("0.001"), Decimal("0.05"), Decimal(1), Decimal("0.0003")])
PARAMS = st.builds(ExecutionParams, slices_max=st.integers(1, 40), time_jitter=st.floats(0, 0.99),
                   size_jitter=st.floats(0, 0.99), slice_s=st.floats(1, 300))
PLANS = {
    "step": STEPS, "start": st.integers(0, 5_000), "target": st.integers(0, 5_000), "clip": st.integers(0, 600),
    "least": st.integers(0, 300), "seed": st.integers(0, 9), "params": PARAMS,
}


def plan(step: Decimal, start: int, target: int, clip: int, least: int, seed: int,
         params: ExecutionParams) -> tuple[Slice, ...]:
    """All sizes are given in steps."""
    return plan_slices(seed=seed, parent_id="p", start_base=start * step, target_base=target * step, step_base=step,
                       clip_base=clip * step, min_base=least * step, now_ns=T0, params=params)


@given(**PLANS)
def test_a_plan_is_monotone_on_the_grid_and_exact(step: Decimal, start: int, target: int, clip: int, least: int,
                                                  seed: int, params: ExecutionParams) -> None:
    """Cumulative sizes go one way, each a whole number of steps, and end exactly at the target."""
    sizes = [start * step, *(each.cumulative_base for each in plan(step, start, target, clip, least, seed, params))]
    assert sizes[-1] == target * step
    assert sizes == sorted(sizes, reverse=target < start)
    assert all(size % step == 0 for size in sizes)


@given(**PLANS)
def test_no_slice_is_below_the_minimum_and_none_is_one_too_many(step: Decimal, start: int, target: int, clip: int,
                                                                 least: int, seed: int,
                                                                 params: ExecutionParams) -> None:
    """Each slice can be sent to both venues, unless the whole change is too small to."""
    slices = plan(step, start, target, clip, least, seed, params)
    sizes = [start * step, *(each.cumulative_base for each in slices)]
    assert 1 <= len(slices) <= params.slices_max
    smallest = min(abs(b - a) for a, b in zip(sizes, sizes[1:], strict=False))
    assert smallest >= min(max(least, 1), abs(target - start)) * step


@given(**PLANS)
def test_due_times_never_turn_round_and_stay_within_the_jitter(step: Decimal, start: int, target: int, clip: int,
                                                               least: int, seed: int,
                                                               params: ExecutionParams) -> None:
    """The first slice is due at once, later ones in order, none after its last possible instant."""
    dues = [each.due_ns for each in plan(step, start, target, clip, least, seed, params)]
    assert dues[0] == T0
    assert dues == sorted(dues)
    assert dues[-1] - T0 <= (len(dues) - 1 + params.time_jitter) * params.slice_s * NS_PER_S + 1


@given(**PLANS)
def test_a_plan_is_fixed_by_its_inputs(step: Decimal, start: int, target: int, clip: int, least: int, seed: int,
                                       params: ExecutionParams) -> None:
    """The same seed and parent give the same slices."""
    assert plan(step, start, target, clip, least, seed, params) == plan(step, start, target, clip, least, seed, params)
