"""`sim`: seeded days with faults, every invariant checked after every event; one seed again, shrunk, or by a plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_DAY
from bot.options import Screen, SimOptions
from bot.runtime.clock import Stopwatch
from bot.runtime.sim_plan import SimPlan
from bot.runtime.sim_plan_text import fault_count, plan_lines, read_plan
from bot.runtime.sim_report import SeedReport, merge
from bot.runtime.sim_shrink import Shrinker
from bot.runtime.sim_trace import Tracer
from bot.runtime.simulate import SeedTask, SimReport, plan_of, run_seed, simulate_seeds
from bot.settings import Settings

_LINES = 10
"""So many lines of progress where nobody watches a bar."""


def run_sim(settings: Settings, options: SimOptions) -> SimReport:
    """Run the seeds, or the one plan, and report violations, faults, rare states and one trace hash.

    Raises:
        ConfigRefused: an unknown profile, an impossible number of days, a file that is no plan.
    """
    if options.plan is not None or options.explain or options.trace is not None:
        return _run_one(settings, options)
    screen, watch, told = options.screen, Stopwatch(), _Told()

    def progress(done: int, total: int, report: SeedReport) -> None:
        told.take(report)
        if screen is None:
            return
        for line in broken(report):
            screen.progress(line)
        text = f"seed {report.plan.seed}, {told.rate:.1f} days per CPU-minute, {told.violations} violations"
        screen.advance(done / total, text)
        if total > 1 and done * _LINES // total > (done - 1) * _LINES // total:
            screen.progress(f"{done} of {total} seeds in {watch.wall_s():.0f} s: {told.orders} orders, {told.faults} "
                            f"faults, {told.violations} violations, {told.rate:.1f} days per CPU-minute")

    report = simulate_seeds(settings.engine, settings.embedded, settings.simulated, options.seed_first,
                            options.seed_last, options.days, options.profile, progress)
    if screen is not None:
        screen.progress(_summary(report))
    return report


def shrink_sim(settings: Settings, options: SimOptions) -> SimPlan | None:
    """The smallest plan found that breaks the same invariant as the seed does; None if it breaks none.

    Raises:
        ConfigRefused: an unknown profile, an impossible number of days, a file that is no plan.
    """
    task, plan = _task(settings, options)
    _say(options.screen, f"running seed {plan.seed} whole")
    first = run_seed(task, plan=plan)
    if not first.failing:
        return None
    breach = first.failing[0]
    for line in broken(first):
        _say(options.screen, line)
    _say(options.screen, f"looking for the least that still breaks {breach.invariant}")

    def fails(smaller: SimPlan) -> bool:
        return any(found.invariant == breach.invariant
                   for found in run_seed(task, plan=smaller, until=(breach.invariant,)).failing)

    shrinker = Shrinker(plan, list(first.hits), fails, lambda text: _say(options.screen, text))
    found = shrinker.shrink()
    _say(options.screen, f"{fault_count(found)} faults break {breach.invariant}, after {shrinker.runs} runs")
    for line in plan_lines(found):
        _say(options.screen, line)
    return found


def broken(report: SeedReport) -> list[str]:
    """One line for each broken invariant."""
    return [f"seed {breach.seed}: {breach.invariant} broken at {breach.at}: {breach.text}" for breach in report.failing]


def _run_one(settings: Settings, options: SimOptions) -> SimReport:
    """One seed, or a plan from a file: its plan is told first, its steps are traced if asked for."""
    watch = Stopwatch()
    task, plan = _task(settings, options)
    for line in plan_lines(plan):
        _say(options.screen, line)
    with _tracer(options.trace) as tracer:
        seed = run_seed(task, plan=plan, tracer=tracer)
    days = (plan.end_ns - plan.start_ns) / NS_PER_DAY
    report = merge([seed], days=round(days, 6), profile=plan.profile, wall_s=watch.wall_s(), cpu_s=0.0)
    for line in broken(seed):
        _say(options.screen, line)
    _say(options.screen, _summary(report))
    return report


def _task(settings: Settings, options: SimOptions) -> tuple[SeedTask, SimPlan]:
    plan = None if options.plan is None else read_plan(options.plan)
    task = SeedTask(
        engine=settings.engine, embedded=settings.embedded, simulated=settings.simulated, days=options.days,
        seed=options.seed_first if plan is None else plan.seed,
        profile=options.profile if plan is None else plan.profile,
    )
    return task, plan or plan_of(task)


@contextmanager
def _tracer(path: Path | None) -> Iterator[Tracer | None]:
    """Writes to the file while the run goes; `-` is stdout."""
    if path is None:
        yield None
    elif str(path) == "-":
        yield Tracer(sys.stdout.write)
    else:
        try:
            file = path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise ConfigRefused(f"--trace {path}: cannot be written: {error.strerror}") from None
        with file:
            yield Tracer(file.write)


def _say(screen: Screen | None, text: str) -> None:
    if screen is not None:
        screen.progress(text)


def _summary(report: SimReport) -> str:
    per_minute = 60 * report.seeds * report.days / max(report.cpu_s, 1e-9)
    reached = sum(count > 0 for count in report.rare_states.values())
    return (f"{report.seeds} seeds of {report.days:g} days: {report.violations} violations, {report.orders} orders, "
            f"{sum(report.faults.values())} faults of {len(report.faults)} kinds, {reached} of "
            f"{len(report.rare_states)} rare states, {per_minute:.1f} days per CPU-minute")


class _Told(msgspec.Struct):
    """What the seeds so far came to."""

    days: float = 0.0
    cpu_s: float = 0.0
    orders: int = 0
    faults: int = 0
    violations: int = 0

    def take(self, report: SeedReport) -> None:
        """One more seed."""
        self.days += (report.plan.end_ns - report.plan.start_ns) / NS_PER_DAY
        self.cpu_s += report.cpu_s
        self.orders += report.orders
        self.faults += sum(dict(report.faults).values())
        self.violations += report.violations

    @property
    def rate(self) -> float:
        """Simulated days per minute of CPU time."""
        return 60 * self.days / max(self.cpu_s, 1e-9)
