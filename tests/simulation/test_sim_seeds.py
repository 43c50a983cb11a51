"""Seeded days with faults: no invariant breaks, every run repeats, and the storm reaches what it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_HOUR, Venue
from bot.engine.params import EngineParams
from bot.runtime.sim_report import SeedReport
from bot.runtime.sim_trace import Tracer
from bot.runtime.simulate import SeedTask, plan_of, run_seed, simulate_seeds
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, Strike
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams

ROOT = Path(__file__).parents[2]


def task(seed: int, days: float = 0.5, profile: str = "default") -> SeedTask:
    return SeedTask(engine=EngineParams(), embedded=EmbeddedParams(), simulated=SimulatedParams(), seed=seed,
                    days=days, profile=profile)


def told(report: SeedReport) -> list[str]:
    return [f"{breach.invariant} {breach.at} {breach.text}" for breach in report.failing]


@pytest.mark.parametrize("seed", range(6))
def test_default_faults_break_no_invariant(seed: int) -> None:
    """Lost, late, doubled, refused answers, venues down, deaths and operators: nothing that must never be."""
    report = run_seed(task(seed))
    assert report.violations == 0, told(report)
    assert report.compared > 100


@pytest.mark.parametrize("profile", ["calm", "normal", "hostile", "crash"])
def test_every_profile_runs_without_a_violation(profile: str) -> None:
    """Each kind of day is survived, the crash day with its planted moves too."""
    report = run_seed(task(101, profile=profile))
    assert report.violations == 0, told(report)


def test_faults_and_rare_states_are_reached() -> None:
    """A plan that never gets anywhere proves nothing: the first faults and the states they lead to are counted."""
    report = run_seed(task(7, days=1.0, profile="hostile"))
    faults, rare = dict(report.faults), dict(report.rare_states)
    for kind in ("lost_answer", "lost_request", "late_booking", "rejected", "delayed_answer", "duplicated",
                 "dropped_event", "read_failure", "venue_down", "operator_resume"):
        assert faults.get(kind, 0) > 0, kind
    assert sum(count for name, count in faults.items() if name.startswith("death_")) >= 5
    for state in ("unknown_at_restart", "duplicate_fill_seen", "not_placed_proven", "unwinding_reached",
                  "breaker_opened", "breaker_probing", "breaker_closed"):
        assert rare[state] > 0, state


def test_same_seed_gives_the_same_trace_under_any_hash_seed() -> None:
    """Two processes with different PYTHONHASHSEED make the same decisions on the same events."""
    documents = []
    for hash_seed in ("1", "4242"):
        run = subprocess.run(
            [sys.executable, "-m", "bot", "sim", "--seeds", "3", "--days", "0.5", "--json"], cwd=ROOT, check=True,
            capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": hash_seed}, timeout=120,
        )
        documents.append(json.loads(run.stdout))
    for document in documents:
        assert document.pop("wall_s") > 0
        assert document.pop("cpu_s") > 0
    assert documents[0] == documents[1]
    assert documents[0]["violations"] == 0


@pytest.mark.parametrize("alone", [False, True])
def test_F44_a_depeg_in_the_middle_of_trading_breaks_no_invariant(alone: bool) -> None:
    """All venues say so: everything leaves and nothing opens. One alone: nothing happens."""
    work = task(3, days=0.4, profile="normal")
    plan = plan_of(work)
    at_ns = plan.start_ns + NS_PER_HOUR * 2
    strike = Strike(FaultKind.DEPEG, at_ns, at_ns + NS_PER_HOUR * 2, Venue("alpha"), 0.1, 0.0 if alone else 0.9)
    faults = FaultPlan(start_ns=plan.start_ns, end_ns=plan.quiet_ns, strikes=(strike,), rates=plan.faults.rates)
    lines: list[str] = []
    report = run_seed(work, plan=msgspec.structs.replace(plan, faults=faults, deaths=(), orders=plan.orders[-6:]),
                      tracer=Tracer(lines.append))
    assert report.violations == 0, told(report)
    assert dict(report.faults)["depeg"] == 1
    assert any("peg_judged" in line for line in lines) != alone
    assert any("reason=depeg" in line for line in lines) != alone


def test_F07_books_that_are_thin_all_day_fill_in_parts_and_break_no_invariant() -> None:
    """Hundreds of orders get less than they asked for; legs are hedged on what was filled and all ends whole."""
    work = task(1, days=0.3, profile="normal")
    plan = plan_of(work)
    strikes = tuple(Strike(FaultKind.THIN_BOOK, plan.start_ns, plan.quiet_ns, Venue(venue), 0.01)
                    for venue in ("alpha", "beta"))
    faults = FaultPlan(start_ns=plan.start_ns, end_ns=plan.quiet_ns, strikes=strikes, rates=plan.faults.rates)
    report = run_seed(work, plan=msgspec.structs.replace(plan, faults=faults))
    assert report.violations == 0, told(report)
    assert dict(report.rare_states)["partial_fill"] > 50
    assert dict(report.faults)["thin_book"] > 100


def test_I6_coins_whose_market_ended_unseen_count_as_their_venue_counts_them() -> None:
    """A market falls silent and is delisted before it speaks again: what is left there breaks no conservation."""
    work = task(1, days=0.3, profile="normal")
    plan = plan_of(work)
    at_ns = plan.start_ns + NS_PER_HOUR * 8 // 5
    strikes = (Strike(FaultKind.DELISTING, at_ns, at_ns, Venue("beta"), 3600.0, 0.1),
               Strike(FaultKind.MARKET_SILENT, at_ns + NS_PER_HOUR // 2, at_ns + NS_PER_HOUR * 10 // 9, Venue("beta")))
    faults = FaultPlan(start_ns=plan.start_ns, end_ns=plan.quiet_ns, strikes=strikes)
    report = run_seed(work, plan=msgspec.structs.replace(plan, faults=faults, deaths=(), orders=plan.orders[-6:]))
    assert report.fills > 10
    assert report.violations == 0, told(report)


@pytest.mark.storm
@pytest.mark.parametrize(("seed", "profile", "found"), [
    (3, "hostile", "a rest under a coarser lot passed off as flat"), (11, "hostile", "a kill softened by a hold"),
    (19, "hostile", "a page that died with its process"), (20, "hostile", "dust worth an order left after a kill"),
    (81, "hostile", "two transfers of one amount, one of them lost"),
    (53, "hostile", "an interval announced between settlements"), (1004, "hostile", "a short by hand, liquidated"),
    (1009, "hostile", "a resume that nobody heard"), (2010, "hostile", "an odd price seconded by an older one"),
    (2017, "hostile", "orders in lots of the old grid"),
    (3015, "hostile", "orders that face each other taken for none"),
    (626, "normal", "a rest that drifted over its venue's minimum"),
])
def test_days_on_which_something_was_found_stay_whole(seed: int, profile: str, found: str) -> None:
    """Days that once broke an invariant; each cause also has a test of its own."""
    report = run_seed(task(seed, days=1.0, profile=profile))
    assert report.violations == 0, (found, told(report))


def test_seeds_in_two_workers_give_the_report_of_one() -> None:
    """The order of the results is that of the seeds, whoever is done first."""
    args = (EngineParams(), EmbeddedParams(), SimulatedParams())
    both = simulate_seeds(*args, 11, 12, 0.25, "normal")
    first, second = (simulate_seeds(*args, seed, seed, 0.25, "normal") for seed in (11, 12))
    assert both.seeds == 2
    assert both.orders == first.orders + second.orders
    assert both.events == first.events + second.events
    assert first.trace_hash != second.trace_hash


def test_unknown_profile_and_impossible_days_are_one_line() -> None:
    """The line names what there is."""
    args = (EngineParams(), EmbeddedParams(), SimulatedParams())
    with pytest.raises(ConfigRefused, match="profile 'mild': unknown; there are calm, normal"):
        simulate_seeds(*args, 0, 0, 1.0, "mild")
    with pytest.raises(ConfigRefused, match="days = 0.1: must lie between"):
        simulate_seeds(*args, 0, 0, 0.1, "normal")
