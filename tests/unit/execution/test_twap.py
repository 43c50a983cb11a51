"""TWAP plans: where the cuts lie, when slices are due, what is never planned."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.execution.params import ExecutionParams
from bot.execution.twap import plan_slices, slice_index
from bot.portfolio.pairs import Slice
from tests.unit.execution.scenes import T0, after

STEADY = ExecutionParams(time_jitter=0.0, size_jitter=0.0)


def plan(start: str, target: str, *, clip: str = "1", least: str = "0", step: str = "0.1",
         params: ExecutionParams = STEADY, urgent: bool = False) -> tuple[Slice, ...]:
    return plan_slices(seed=1, parent_id="p", start_base=Decimal(start), target_base=Decimal(target),
                       step_base=Decimal(step), clip_base=Decimal(clip), min_base=Decimal(least), now_ns=T0,
                       params=params, urgent=urgent)


def test_without_jitter_slices_are_equal_and_evenly_spaced() -> None:
    """4 units in clips of 1: four slices, 30 s apart, the first at once."""
    assert plan("0", "4") == tuple(Slice(after(30 * n), Decimal(n + 1)) for n in range(4))


def test_a_reduction_runs_downwards() -> None:
    """From 2 to 0 in two steps."""
    assert [each.cumulative_base for each in plan("2", "0")] == [Decimal(1), Decimal(0)]


def test_slices_max_bounds_the_number_however_small_the_clip() -> None:
    """A clip of one step would make a hundred slices; twelve are made."""
    assert len(plan("0", "10", clip="0.1")) == 12


def test_a_change_below_the_minimum_is_one_slice() -> None:
    """What cannot be cut is not cut."""
    assert plan("0", "1.5", clip="0.1", least="1") == (Slice(T0, Decimal("1.5")),)


def test_a_change_smaller_than_a_step_still_ends_at_the_target() -> None:
    """An off-grid holding can be closed to the last unit."""
    assert plan("0.05", "0") == (Slice(T0, Decimal(0)),)


def test_urgent_slices_are_not_spaced() -> None:
    """All due now."""
    assert {each.due_ns for each in plan("0", "4", urgent=True)} == {T0}


def test_an_empty_touch_still_gives_a_plan() -> None:
    """A clip of zero (nothing displayed) falls back to the least allowed size."""
    assert len(plan("0", "4", clip="0", least="2")) == 2


def test_jitter_moves_times_and_sizes_but_never_the_first_or_the_end() -> None:
    """Due at once, exactly at the target; between them the figures differ from the steady plan."""
    steady, jittered = plan("0", "4"), plan("0", "4", params=ExecutionParams())
    assert (jittered[0].due_ns, jittered[-1].cumulative_base) == (T0, Decimal(4))
    assert jittered[1].due_ns != steady[1].due_ns


def test_a_step_of_zero_is_refused() -> None:
    """There is no grid to cut on."""
    with pytest.raises(ValueError, match="step_base"):
        plan("0", "1", step="0")


def test_missed_slices_are_taken_one_at_a_time() -> None:
    """No catch-up burst (F27): after a pause the next slice is the next one, not the last one due."""
    slices = plan("0", "4")
    assert slice_index(slices, 1, after(1000)) == 1
    assert slice_index(slices, 1, after(29)) is None
    assert slice_index(slices, 4, after(1000)) is None
