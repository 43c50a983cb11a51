"""The plan of a simulated seed, the report of many, and the journal of a process that can die."""

from __future__ import annotations

import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.events import DeadlineReached, OperatorAction
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos, Venue
from bot.engine.step import Note, Step
from bot.runtime.breaches import KEPT_MAX, Breaches
from bot.runtime.sim_plan import CLOSING_NS, SimPlan, draw_plan
from bot.runtime.sim_profiles import PROFILES, profile_named
from bot.runtime.sim_report import SeedReport, merge
from bot.runtime.sim_storage import MemoryJournal
from bot.runtime.sim_world import START_NS

DECIDED = Step(notes=(Note("something", ()),))


def drawn(seed: int = 3, profile: str = "hostile", days: float = 2.0) -> SimPlan:
    return draw_plan(seed, profile_named(profile), days, START_NS, (Venue("alpha"), Venue("beta")), ("BTC", "XRP"))


def test_equal_seeds_give_equal_plans_and_others_do_not() -> None:
    """A failing seed can be run again."""
    assert drawn() == drawn()
    assert drawn() != drawn(seed=4)


@pytest.mark.parametrize("profile", [p.name for p in PROFILES])
def test_the_end_of_a_run_is_free_of_faults(profile: str) -> None:
    """Safety first, then liveness: nothing goes wrong after `quiet_ns`, and an operator resumes there."""
    plan = drawn(profile=profile)
    assert plan.start_ns < plan.quiet_ns < plan.end_ns
    assert plan.faults.end_ns == plan.quiet_ns
    assert all(plan.start_ns < strike.at_ns <= strike.end_ns <= plan.quiet_ns for strike in plan.faults.strikes)
    assert all(death.at_ns < plan.quiet_ns for death in plan.deaths)
    late = [order for order in plan.orders if order.at_ns >= plan.quiet_ns]
    assert late[0].action is OperatorAction.RESUME
    assert late[-1].at_ns == plan.end_ns - CLOSING_NS
    assert late[-1].action in (OperatorAction.FLATTEN, OperatorAction.PAUSE)


def test_two_days_of_a_profile_hold_about_what_it_says() -> None:
    """Counts are per day, over the part with faults."""
    profile = profile_named("hostile")
    share = (drawn().quiet_ns - drawn().start_ns) / NS_PER_DAY
    assert len(drawn().deaths) == pytest.approx(profile.deaths * share, abs=1.5)


@pytest.mark.parametrize("days", [0.0, 0.2, float("nan"), float("inf"), -1.0])
def test_impossible_days_are_refused(days: float) -> None:
    """One quiet end must fit."""
    with pytest.raises(ConfigRefused, match="days"):
        drawn(days=days)


def test_what_was_not_committed_dies_with_the_process() -> None:
    """Events that decided nothing wait up to a second for their commit; a decided one takes them along."""
    journal = MemoryJournal()
    for second, step, row in ((1.0, Step(), b"a"), (1.1, DECIDED, b"b"), (1.2, Step(), b"c")):
        journal.add(DeadlineReached(Nanos(int(second * NS_PER_S))), step, (row, row))
    assert journal.lose_tail() == 1
    assert journal.rows == [(b"a", b"a"), (b"b", b"b")]


def test_waiting_events_are_committed_after_a_second() -> None:
    """The next event a second later finds them safe."""
    journal = MemoryJournal()
    for second, row in ((1.0, b"a"), (1.5, b"b"), (2.0, b"c")):
        journal.add(DeadlineReached(Nanos(int(second * NS_PER_S))), Step(), (row, row))
    assert journal.lose_tail() == 1
    assert [row for row, _ in journal.rows] == [b"a", b"b"]


def test_a_breach_counts_once_per_subject_and_few_are_kept() -> None:
    """A broken invariant must not bury the first line."""
    breaches = Breaches(seed=5)
    for number in range(KEPT_MAX + 10):
        breaches.add("I5", f"subject {number}", START_NS, "differs")
        breaches.add("I5", f"subject {number}", START_NS + 1, "still differs")
    assert breaches.count == KEPT_MAX + 10
    assert len(breaches.kept) == KEPT_MAX
    assert (breaches.kept[0].seed, breaches.kept[0].invariant, breaches.kept[0].at) == (5, "I5", "2025-01-01T00:00:00Z")


def _seed(violations: int, trace_hash: str) -> SeedReport:
    breaches = Breaches(1)
    for number in range(violations):
        breaches.add("I1", str(number), START_NS, "x")
    return SeedReport(
        plan=drawn(), events=10, orders=2, fills=1, compared=3, violations=violations, failing=tuple(breaches.kept),
        faults=(("lost_answer", 2),), rare_states=(("unknown_at_restart", 1),), trace_hash=trace_hash, cpu_s=0.5,
    )


def test_the_report_sums_seeds_and_keeps_their_order() -> None:
    """Counts add up; the trace hash depends on which seed came first."""
    both = merge([_seed(0, "a"), _seed(2, "b")], days=2.0, profile="normal", wall_s=1.0, cpu_s=0.25)
    assert (both.seeds, both.violations, len(both.failing), both.events, both.orders) == (2, 2, 2, 20, 4)
    assert both.faults == {"lost_answer": 4}
    assert both.rare_states == {"unknown_at_restart": 2}
    assert both.cpu_s == 1.25
    turned = merge([_seed(2, "b"), _seed(0, "a")], days=2.0, profile="normal", wall_s=1.0, cpu_s=0.25)
    assert turned.trace_hash != both.trace_hash
