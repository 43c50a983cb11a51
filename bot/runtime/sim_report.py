"""What simulated days came to: one seed's report, and the report of all seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from bot.runtime.breaches import Breach
from bot.runtime.sim_plan import SimPlan


class SeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """One seed's run."""

    plan: SimPlan
    events: int
    orders: int
    fills: int
    compared: int
    """How often books and venue were compared to the last digit."""
    violations: int
    failing: tuple[Breach, ...]
    faults: tuple[tuple[str, int], ...]
    rare_states: tuple[tuple[str, int], ...]
    trace_hash: str
    cpu_s: float
    hits: tuple[str, ...] = ()
    """Every single hit of a chance, by name: what a shrunk plan chooses from."""


class SimReport(msgspec.Struct, frozen=True, kw_only=True):
    """All seeds together; nothing but `wall_s` and `cpu_s` differs between two runs."""

    seeds: int
    days: float
    """Per seed."""
    profile: str
    violations: int
    failing: tuple[Breach, ...]
    faults: dict[str, int]
    rare_states: dict[str, int]
    events: int
    orders: int
    fills: int
    compared: int
    trace_hash: str
    wall_s: float
    cpu_s: float


def merge(reports: Iterable[SeedReport], *, days: float, profile: str, wall_s: float, cpu_s: float) -> SimReport:
    """The report of all seeds, in the order of the seeds; `cpu_s` is that of this process alone."""
    seeds = list(reports)
    trace = hashlib.sha256()
    faults: dict[str, int] = {}
    rare: dict[str, int] = {}
    for seed in seeds:
        trace.update(seed.trace_hash.encode())
        for name, count in seed.faults:
            faults[name] = faults.get(name, 0) + count
        for name, count in seed.rare_states:
            rare[name] = rare.get(name, 0) + count
    return SimReport(
        seeds=len(seeds), days=days, profile=profile, violations=sum(seed.violations for seed in seeds),
        failing=tuple(breach for seed in seeds for breach in seed.failing),
        faults=dict(sorted(faults.items())), rare_states=rare, events=sum(seed.events for seed in seeds),
        orders=sum(seed.orders for seed in seeds), fills=sum(seed.fills for seed in seeds),
        compared=sum(seed.compared for seed in seeds), trace_hash=trace.hexdigest(), wall_s=round(wall_s, 3),
        cpu_s=round(cpu_s + sum(seed.cpu_s for seed in seeds), 3),
    )
