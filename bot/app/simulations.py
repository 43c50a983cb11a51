"""`sim`: seeded days with faults, every invariant checked after every event."""

from __future__ import annotations

from bot.options import SimOptions
from bot.runtime.simulate import SimReport, simulate_seeds
from bot.settings import Settings


def run_sim(settings: Settings, options: SimOptions) -> SimReport:
    """Run the seeds and report violations, faults, rare states and one trace hash."""
    raise SystemExit(70)
