"""A failing seed shrinks to the few faults that break it, and the plan that is left runs again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_HOUR
from bot.runtime.sim_plan import SimPlan
from bot.runtime.sim_plan_text import encode_plan, fault_count, plan_lines, read_plan
from bot.runtime.sim_shrink import Shrinker
from bot.runtime.simulate import plan_of, run_seed
from tests.simulation.test_planted_bugs import timeout_taken_as_reject
from tests.simulation.test_sim_seeds import task

FAULTS_MAX = 10


def test_a_failing_seed_shrinks_to_ten_faults_at_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A lost answer taken as a reject: the one lost answer is left, and its plan fails again from a file."""
    timeout_taken_as_reject(monkeypatch)
    work = task(1, days=0.25, profile="hostile")
    first = run_seed(work, until=("R3",))
    assert "R3" in {breach.invariant for breach in first.failing}

    def fails(plan: SimPlan) -> bool:
        return any(breach.invariant == "R3" for breach in run_seed(work, plan=plan, until=("R3",)).failing)

    shrinker = Shrinker(first.plan, list(first.hits), fails, lambda text: None)
    plan = shrinker.shrink()
    assert 0 < fault_count(plan) <= FAULTS_MAX
    assert fault_count(plan) < fault_count(first.plan) + len(first.hits)
    file = tmp_path / "plan.json"
    file.write_text(encode_plan(plan), encoding="utf-8")
    assert read_plan(file) == plan
    assert fails(read_plan(file))


def test_a_plan_of_all_hits_repeats_the_run_of_its_chances() -> None:
    """Chosen explicitly, the same hits give the same trace."""
    work = task(2, days=0.25, profile="hostile")
    drawn = run_seed(work)
    chosen = msgspec.structs.replace(drawn.plan.faults, chosen=drawn.hits)
    assert run_seed(work, plan=msgspec.structs.replace(drawn.plan, faults=chosen)).trace_hash == drawn.trace_hash


def test_a_plan_is_told_in_the_order_of_time() -> None:
    """One line for each thing that will happen, whatever its kind."""
    plan = plan_of(task(2, days=1.0, profile="hostile"))
    lines = plan_lines(plan)
    times = [line[:23] for line in lines if line[:2] == "20"]
    assert times == sorted(times)
    assert len(times) == fault_count(plan) + sum(order.at_ns >= plan.quiet_ns for order in plan.orders)


@pytest.mark.parametrize(("change", "says"), [
    ({"profile": "mild"}, "profile 'mild': unknown"), ({"quiet_ns": 0}, "must follow each other"),
    ({"end_ns": 2**62}, "longer than"), ({"request_timeout_ms": float("inf")}, "not a plan"),
    ({"request_timeout_ms": 0.0}, "request_timeout_ms"), ({"deaths": ((1, "nowhere", False, 1),)}, "'nowhere'"),
    ({"orders": ((1, "kill", False),)}, "outside the run"), ({"seed": "x"}, "not a plan"), ({"more": 1}, "not a plan"),
])
def test_a_plan_that_cannot_run_is_one_line(change: dict[str, object], says: str, tmp_path: Path) -> None:
    """The line names the file and what is wrong with it."""
    document = msgspec.to_builtins(plan_of(task(2, days=1.0, profile="calm")))
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode({**document, **change}))
    with pytest.raises(ConfigRefused, match=says) as refused:
        read_plan(file)
    assert "\n" not in str(refused.value)


def test_a_strike_outside_the_run_is_refused(tmp_path: Path) -> None:
    """A window that ends before it begins too."""
    plan = plan_of(task(2, days=1.0, profile="hostile"))
    strike = msgspec.structs.replace(plan.faults.strikes[0], end_ns=plan.start_ns - NS_PER_HOUR)
    file = tmp_path / "plan.json"
    file.write_text(encode_plan(msgspec.structs.replace(
        plan, faults=msgspec.structs.replace(plan.faults, strikes=(strike,)))), encoding="utf-8")
    with pytest.raises(ConfigRefused, match="does not lie within the run"):
        read_plan(file)
