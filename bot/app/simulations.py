"""`sim`: seeded days with faults, every invariant checked after every event."""

from __future__ import annotations

from bot.options import SimOptions
from bot.runtime.sim_report import SeedReport
from bot.runtime.simulate import SimReport, simulate_seeds
from bot.settings import Settings

_LINES = 10
"""So many lines of progress."""


def run_sim(settings: Settings, options: SimOptions) -> SimReport:
    """Run the seeds and report violations, faults, rare states and one trace hash.

    Raises:
        ConfigRefused: an unknown profile, an impossible number of days.
    """
    screen = options.screen

    def progress(done: int, total: int, report: SeedReport) -> None:
        if screen is None:
            return
        for breach in report.failing:
            screen.progress(f"seed {breach.seed}: {breach.invariant} broken at {breach.at}: {breach.text}")
        if total > 1 and done * _LINES // total > (done - 1) * _LINES // total:
            screen.progress(f"{done} of {total} seeds done, the last one {report.plan.seed}: {report.orders} orders, "
                            f"{sum(dict(report.faults).values())} faults, {report.violations} violations")

    report = simulate_seeds(settings.engine, settings.embedded, settings.simulated, options.seed_first,
                            options.seed_last, options.days, options.profile, progress)
    if screen is not None:
        per_minute = 60 * report.seeds * report.days / max(report.cpu_s, 1e-9)
        screen.progress(f"{report.seeds} seeds of {report.days:g} days: {report.violations} violations, "
                        f"{report.orders} orders, {sum(report.faults.values())} faults of {len(report.faults)} kinds, "
                        f"{per_minute:.1f} days per CPU-minute")
    return report
