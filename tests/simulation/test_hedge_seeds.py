"""Seeded days with a hedge that trades at every decision: a target beta, no cost band, every fault there is."""

from __future__ import annotations

import pytest

from bot.engine.params import EngineParams
from bot.runtime.sim_report import SeedReport
from bot.runtime.simulate import SeedTask, run_seed
from bot.strategy.hedge import HedgeParams
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams

RESTLESS = EngineParams(hedge=HedgeParams(target_beta=0.2, band=0.003, risk_weight_bps=10_000.0))
"""Whatever drifts out of so narrow a band is traded: the hedge has orders out all day."""


def hedged(seed: int, days: float, profile: str) -> SeedReport:
    return run_seed(SeedTask(engine=RESTLESS, embedded=EmbeddedParams(), simulated=SimulatedParams(), seed=seed,
                             days=days, profile=profile))


def told(report: SeedReport) -> list[str]:
    return [f"{breach.invariant} {breach.at} {breach.text}" for breach in report.failing]


@pytest.mark.parametrize("seed", [3, 11])
def test_a_hedge_under_faults_breaks_no_invariant(seed: int) -> None:
    """Opened, killed and restarted with: within its cap, never where opens are blocked, and flat after a kill."""
    report = hedged(seed, 0.25, "hostile")
    assert report.violations == 0, told(report)
    rare = dict(report.rare_states)
    assert rare["hedge_flattened"]
    assert rare["hedge_at_restart"]


@pytest.mark.storm
@pytest.mark.timeout(900)
@pytest.mark.parametrize("profile", ["normal", "hostile", "crash"])
@pytest.mark.parametrize("seed", range(10))
def test_days_of_a_restless_hedge_break_no_invariant(seed: int, profile: str) -> None:
    """Ten days of each kind."""
    report = hedged(seed, 1.0, profile)
    assert report.violations == 0, told(report)
