"""Fault simulation: whole days of the deciding bot from a seed, in a world that loses, delays, doubles, refuses, kills.

Per seed: a market, an exchange with faults, an operator, and a process that dies and comes back through its journal.
The first part of a run has faults (safety), the last has none (the bot must come back to rest). Everything follows
from the seed; two processes with different hash seeds give the same trace.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import msgspec

from bot.domain.errors import BotError
from bot.domain.events import (
    BarsClosed,
    FundingSettled,
    InstrumentsChanged,
    Marks,
    PegPrices,
    Prints,
    Quotes,
    ReferenceRate,
    TradingHalted,
)
from bot.domain.values import Nanos, Venue
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.runtime.breaches import Breaches
from bot.runtime.clock import Stopwatch
from bot.runtime.invariants import Invariants
from bot.runtime.sim_lens import Lens
from bot.runtime.sim_plan import SimPlan, draw_plan
from bot.runtime.sim_ports import EngineMaker
from bot.runtime.sim_process import SimProcess
from bot.runtime.sim_profiles import profile_named
from bot.runtime.sim_report import SeedReport, SimReport, merge
from bot.runtime.sim_strikes import STRUCK_HERE, strike_process
from bot.runtime.sim_trace import Tracer
from bot.runtime.sim_world import START_NS, SimWorld, eager, missed_rates, small_market
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams

__all__ = ["SimReport", "run_seed", "simulate_seeds"]

WORKERS: Final = 2
WHOLE_EVERY: Final = 4
"""In every so manieth seed the journal is replayed from its first row, in the others from the newest snapshot."""
_MARKET: Final = (Quotes, Marks, Prints, BarsClosed, FundingSettled, TradingHalted, InstrumentsChanged, ReferenceRate,
                  PegPrices)

_ERRORS: Final = (BotError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake in the bot may raise; its seed ends there."""

Progress = Callable[[int, int, SeedReport], None]
"""(seeds done, seeds in all, the newest one's report)"""


class SeedTask(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker needs for one seed."""

    engine: EngineParams
    embedded: EmbeddedParams
    simulated: SimulatedParams
    seed: int
    days: float
    profile: str


class Engines:
    """Engines of the seed's parameters."""

    def __init__(self, params: EngineParams) -> None:
        self._params = params

    def create(self) -> Engine:
        """A fresh engine."""
        return Engine(self._params)

    def restore(self, data: bytes) -> Engine:
        """The engine behind a snapshot."""
        return Engine.restore(self._params, data)


def simulate_seeds(
    engine_params: EngineParams, embedded_params: EmbeddedParams, simulated_params: SimulatedParams,
    seed_first: int, seed_last: int, days: float, profile: str, on_progress: Progress | None = None,
) -> SimReport:
    """Run the seeds from the first to the last, both included, in two processes if there is more than one.

    Raises:
        ConfigRefused: an unknown profile, an impossible number of days.
    """
    watch = Stopwatch()
    profile_named(profile)
    tasks = [SeedTask(engine=engine_params, embedded=embedded_params, simulated=simulated_params, seed=seed, days=days,
                      profile=profile) for seed in range(seed_first, seed_last + 1)]
    plan_of(tasks[0])
    reports = []
    for done, report in enumerate(_results(tasks), start=1):
        reports.append(report)
        if on_progress is not None:
            on_progress(done, len(tasks), report)
    return merge(reports, days=days, profile=profile, wall_s=watch.wall_s(),
                 cpu_s=watch.cpu_s() if len(tasks) > 1 else 0.0)


def _results(tasks: list[SeedTask]) -> Iterator[SeedReport]:
    """The seeds' reports in their order, whichever worker is faster."""
    if len(tasks) == 1:
        yield run_seed(tasks[0])
        return
    with ProcessPoolExecutor(min(WORKERS, len(tasks)), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run_seed, tasks)


def plan_of(task: SeedTask) -> SimPlan:
    """The plan of a seed, without running it."""
    market = small_market(task.embedded)
    return draw_plan(task.seed, profile_named(task.profile), task.days, START_NS,
                     tuple(Venue(venue.venue) for venue in market.venues), tuple(coin.coin for coin in market.coins))


def run_seed(
    task: SeedTask, engines: EngineMaker | None = None, plan: SimPlan | None = None, *, tracer: Tracer | None = None,
    until: tuple[str, ...] = (),
) -> SeedReport:
    """One seed from beginning to end, by its own plan or another.

    Args:
        task: the seed and its parameters.
        engines: makes the engines; tests plant bugs through it.
        plan: instead of the seed's own.
        tracer: told of every event and step.
        until: stop at the first breach of any of these invariants.
    """
    watch = Stopwatch()
    plan = plan or plan_of(task)
    world = SimWorld(plan, small_market(task.embedded), task.simulated)
    maker = engines or Engines(knowing(msgspec.structs.replace(eager(task.engine), seed=plan.seed), plan))
    breaches = Breaches(plan.seed, until)
    invariants = Invariants(world, maker, breaches)
    process = SimProcess(world, maker, invariants, tracer)
    process.start(world.first_ns)
    try:
        _live(world, process, invariants, breaches)
        at_ns = world.schedule.now_ns
        if not breaches.hopeless:
            process.prove_journal(at_ns, whole=plan.seed % WHOLE_EVERY == 0)
            invariants.finish(at_ns)
    except _ERRORS as error:
        text = f"the bot raised {type(error).__name__}: {error}"
        breaches.add("RAISED", type(error).__name__, world.schedule.now_ns, text)
    if tracer is not None:
        for breach in breaches.kept:
            tracer.broken(breach)
    fills = sum(len(world.exchange.account(venue).fills) for venue in world.venues)
    faults = {**world.exchange.fault_counts, **process.done, **_of_plan(plan)}
    return SeedReport(
        plan=plan, events=process.events, orders=len(invariants.orders.sent), fills=fills, compared=invariants.compared,
        violations=breaches.count, failing=tuple(breaches.kept), faults=tuple(sorted(faults.items())),
        rare_states=tuple(invariants.rare.counts.items()), trace_hash=process.trace.hexdigest(), cpu_s=watch.cpu_s(),
        hits=tuple(world.exchange.faults.hit_names),
    )


def knowing(params: EngineParams, plan: SimPlan) -> EngineParams:
    """The parameters of somebody who knows which of these venues have no validity window."""
    execution = msgspec.structs.replace(params.execution, venues_without_validity=plan.faults.no_validity)
    return msgspec.structs.replace(params, execution=execution)


def _live(world: SimWorld, process: SimProcess, invariants: Invariants, breaches: Breaches) -> None:
    """Pop the schedule to its end, through every death, unless too much is broken."""
    schedule = world.schedule
    lens = Lens(world.exchange.faults)
    strikes = deque(s for s in world.plan.faults.strikes if s.kind in STRUCK_HERE)
    while not breaches.hopeless:
        event = schedule.pop(strikes[0].at_ns if strikes else None)
        if event is None:
            if not strikes:
                return
            strike_process(strikes.popleft(), world, process, invariants)
            continue
        if isinstance(event, InstrumentsChanged):
            world.went_by(event)
        seen = lens.seen(event) if isinstance(event, Quotes | Marks) else event
        if seen is None:
            continue
        invariants.expect(seen)
        death = process.take(seen)
        if death is not None:
            restart_ns = Nanos(event.at_ns + death.down_ns)
            _dead_until(world, process, restart_ns)
            while strikes and strikes[0].at_ns <= restart_ns:
                strikes.popleft()


def _dead_until(world: SimWorld, process: SimProcess, restart_ns: Nanos) -> None:
    """Nobody is there: the market goes on, answers fall on the floor, the operator reaches the KILL file alone."""
    schedule = world.schedule
    schedule.wake(None)
    rates: list[FundingSettled] = []
    while (event := schedule.pop(until_ns=restart_ns - 1)) is not None:
        if isinstance(event, InstrumentsChanged):
            world.went_by(event)
        elif isinstance(event, FundingSettled):
            rates.append(event)
        elif not isinstance(event, _MARKET):
            process.missed(event)
    process.restart(restart_ns)
    for missed in missed_rates(rates, restart_ns):
        schedule.inject(missed)


def _of_plan(plan: SimPlan) -> dict[str, int]:
    """What the plan does to the world by itself."""
    moves = sum(move.log_jump != 0.0 for move in plan.scenarios)
    kinds = [strike.kind for strike in plan.faults.strikes]
    return {"market_move": moves, "venue_down_window": kinds.count(FaultKind.VENUE_DOWN),
            FaultKind.DEPEG.value: kinds.count(FaultKind.DEPEG)}
