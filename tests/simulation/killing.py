"""A simulated hour in which the kill switch is set while an order is on its way, under one kind of fault; measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from bot.domain.commands import Alert, AnyCommand, CancelOrder, SubmitOrder
from bot.domain.events import AnyEvent, Control, InstrumentsChanged, OperatorAction
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos, OrderId, Venue
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.runtime.breaches import Breaches
from bot.runtime.invariants import Invariants
from bot.runtime.sim_plan import Death, OperatorOrder, SimPlan, draw_plan
from bot.runtime.sim_process import SimProcess
from bot.runtime.sim_profiles import profile_named
from bot.runtime.sim_world import START_NS, SimWorld, eager, small_market
from bot.runtime.simulate import Engines
from bot.venues.simulated.fault_kinds import FaultRow, Shape
from bot.venues.simulated.faults import FaultPlan, FaultRates, Strike
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams

VENUES = (Venue("alpha"), Venue("beta"))
STRUCK = VENUES[0]
"""The venue of a fault that strikes one venue."""
ABOUT_NS = START_NS + 150 * NS_PER_S
"""Half a minute after the first rebalance: pairs are being opened in slices."""
MOMENT_NS = 5_000_000
WINDOW_NS = 90 * NS_PER_S
"""Longer than the bound of a kill: a venue that is away so long is paged."""
END_NS = START_NS + 12 * NS_PER_MINUTE
SHARE = 0.25
"""Probability of a fault of chance at each opportunity, times the kind's own share."""


@dataclass
class Measured:
    """Seconds from the kill; per venue where the venue has a say."""

    at_ns: int = 0
    breaches: list[str] = field(default_factory=list)
    orders_open: int = 0
    held: int = 0
    """Venues that were not flat at the kill."""
    last_opening_s: float | None = None
    uncancelled: set[OrderId] = field(default_factory=set)
    cancels_s: float = 0.0
    open_s: dict[Venue, float] = field(default_factory=dict)
    """The last instant at which an order that was open at the kill was open at its venue."""
    unflat_s: dict[Venue, float] = field(default_factory=dict)
    """The last instant at which the venue was not flat."""
    proven_flat_s: float | None = None
    pages: list[tuple[float, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    mode: str = ""


class Judge(Invariants):
    """The invariants, and a stopwatch that reads the venues' own books after every event."""

    def __init__(self, world: SimWorld, maker: Engines, breaches: Breaches) -> None:
        super().__init__(world, maker, breaches)
        self.found = Measured()
        self._exchange = world.exchange
        self._mine: Any = None
        self._set_ns: int | None = None
        self._open: set[OrderId] = set()

    def process_started(self, engine: Any, *rest: Any) -> None:
        """Another engine is at work."""
        super().process_started(engine, *rest)
        self._mine = engine

    def sending(self, at_ns: int, command: AnyCommand, *, unwritten: bool = False) -> None:
        """A command leaves."""
        super().sending(at_ns, command, unwritten=unwritten)
        if self._set_ns is None:
            return
        after_s = (at_ns - self._set_ns) / NS_PER_S
        if isinstance(command, SubmitOrder) and not command.order.intent.reduces_owner:
            self.found.last_opening_s = after_s
        elif isinstance(command, CancelOrder) and command.order_id in self.found.uncancelled:
            self.found.uncancelled.discard(command.order_id)
            self.found.cancels_s = after_s
        elif isinstance(command, Alert) and command.page and command.name != "killed":
            self.found.pages.append((after_s, f"{command.name}: {command.text}"))

    def expect(self, event: AnyEvent) -> None:
        """Just before the engine sees it: what is open when the switch is set."""
        super().expect(event)
        if isinstance(event, Control) and event.action is OperatorAction.KILL and self._set_ns is None:
            self._set_ns = self.found.at_ns = event.at_ns
            self._open = set(self._mine.state.live_orders)
            for venue in self._exchange.venues:
                self._open |= set(self._exchange.account(venue).open)
                self.found.held += not self._exchange.flat(venue)
            self.found.orders_open, self.found.uncancelled = len(self._open), set(self._open)

    def seen(self, event: AnyEvent, step: Step, **dying: Any) -> None:
        """The engine has answered."""
        super().seen(event, step, **dying)
        if self._set_ns is None:
            return
        after_s = (event.at_ns - self._set_ns) / NS_PER_S
        self.found.uncancelled &= self._mine.state.live_orders.keys()
        for venue in self._exchange.venues:
            if self._open & self._exchange.account(venue).open.keys():
                self.found.open_s[venue] = after_s
            if not self._exchange.flat(venue):
                self.found.unflat_s[venue] = after_s
        if any(note.name == "kill_verified_flat" for note in step.notes):
            self.found.proven_flat_s = after_s


def undisturbed(seed: int) -> SimPlan:
    """A plan without any fault: the switch is set as soon as an order leaves after `ABOUT_NS`."""
    embedded = small_market(EmbeddedParams())
    drawn = draw_plan(seed, profile_named("calm"), 0.25, START_NS, VENUES, tuple(coin.coin for coin in embedded.coins))
    kill = OperatorOrder(ABOUT_NS, OperatorAction.KILL, wants_order=True)
    return msgspec.structs.replace(drawn, faults=FaultPlan(start_ns=ABOUT_NS, end_ns=END_NS), deaths=(), orders=(kill,),
                                   quiet_ns=END_NS, end_ns=END_NS)


def plan_with(row: FaultRow, seed: int, kill_ns: int, *, death: Death | None = None) -> SimPlan:
    """The same market with one kind of fault around `kill_ns`, where an order is on its way without it.

    A chance is drawn from ten seconds before; a window or an instant begins a moment before the switch is set.
    """
    begin_ns = kill_ns - 10 * NS_PER_S
    faults = FaultPlan(start_ns=begin_ns, end_ns=END_NS)
    if row.shape is Shape.CHANCE:
        shares = {row.kind: min(row.share * SHARE, 0.5)}
        faults = msgspec.structs.replace(faults, rates=FaultRates(shares=shares))
    else:
        at_ns = kill_ns - MOMENT_NS
        end_ns = at_ns + (WINDOW_NS if row.shape is Shape.WINDOW else 0)
        strike = Strike(row.kind, at_ns, end_ns, STRUCK if row.of_venue else Venue(""), row.size_max * 0.5, 0.3)
        faults = msgspec.structs.replace(faults, strikes=(strike,))
    kill = OperatorOrder(kill_ns, OperatorAction.KILL)
    return msgspec.structs.replace(undisturbed(seed), faults=faults, orders=(kill,),
                                   deaths=(death,) if death is not None else ())


def killed(plan: SimPlan) -> Measured:
    """Run the plan to its end."""
    world = SimWorld(plan, small_market(EmbeddedParams()), SimulatedParams())
    maker = Engines(msgspec.structs.replace(eager(EngineParams()), seed=plan.seed))
    breaches = Breaches(plan.seed)
    judge = Judge(world, maker, breaches)
    process = SimProcess(world, maker, judge)
    process.start(world.first_ns)
    while (event := world.schedule.pop()) is not None:
        if isinstance(event, InstrumentsChanged):
            world.went_by(event)
        judge.expect(event)
        died = process.take(event)
        if died is not None:
            _missed_until(world, process, Nanos(event.at_ns + died.down_ns))
    judge.found.breaches = [f"{breach.invariant} at {breach.at}: {breach.text}" for breach in breaches.kept]
    judge.found.counts = dict(world.exchange.fault_counts)
    judge.found.mode = process.engine.state.modes.mode().value
    return judge.found


def _missed_until(world: SimWorld, process: SimProcess, restart_ns: Nanos) -> None:
    world.schedule.wake(None)
    while world.schedule.pop(until_ns=restart_ns - 1) is not None:
        pass
    process.restart(restart_ns)
