"""What a simulated day with faults costs, where the time goes, and how much memory it takes."""

from __future__ import annotations

import cProfile
import pstats
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.engine.params import EngineParams
from bot.runtime.simulate import SeedTask, run_seed
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams
from tests.benchmarks.figures import best, table

pytestmark = pytest.mark.benchmark

PACKAGE = Path(__file__).parents[2] / "bot"
SEED = 1
PARTS = {"invariants": "invariants", "rare_states": "invariants", "sim_truth": "invariants", "breaches": "invariants"}


def day(profile: str) -> SeedTask:
    return SeedTask(engine=EngineParams(), embedded=EmbeddedParams(), simulated=SimulatedParams(), seed=SEED, days=1.0,
                    profile=profile)


@pytest.mark.parametrize("profile", ["normal", "hostile"])
def test_days_per_cpu_minute(profile: str, show: Callable[[str], None]) -> None:
    """2 venues, 8 instruments, 60 s ticks, 1 s while orders move, every invariant after every event."""
    reports = []
    seconds = best(lambda: reports.append(run_seed(day(profile))), rounds=2)
    report = reports[0]
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [("a simulated day", "events", "orders", "faults", "CPU s", "days/CPU-min", "us each event"),
            (profile, f"{report.events:,}", str(report.orders), str(sum(dict(report.faults).values())),
             f"{seconds:.2f}", f"{60 / seconds:.1f}", f"{seconds / report.events * 1e6:.0f}")]
    show(table("fault simulation", rows, f"peak memory of the process {peak_mib:.0f} MiB"))
    assert report.violations == 0


def test_where_the_time_of_a_day_goes(show: Callable[[str], None]) -> None:
    """Own time by folder; what checks the bot stands apart from what drives it."""
    profiler = cProfile.Profile()
    profiler.runcall(run_seed, day("normal"))
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own_s, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        spent[_part(file)] += own_s
    whole = sum(spent.values())
    rows = [("part", "share"), *((name, f"{seconds / whole:.0%}") for name, seconds in spent.most_common(10))]
    show(table("fault simulation: where the time goes", rows, "profiled, so small calls weigh more than they cost"))
    assert whole > 0.0


def _part(file: str) -> str:
    path = Path(file)
    if not path.is_relative_to(PACKAGE):
        return "library and built in"
    stem = path.stem
    for beginning, part in PARTS.items():
        if stem.startswith(beginning):
            return part
    return "/".join(path.relative_to(PACKAGE).parts[:2] if "venues" in file else path.relative_to(PACKAGE).parts[:1])
