"""Creates whose replies are lost: none is sent twice, and what became of each is known in time or somebody is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from bot.domain.commands import Alert, AnyCommand, SubmitOrder
from bot.domain.events import AnyEvent, InstrumentsChanged, OperatorAction, OrderUnknown
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, OrderId, Venue
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.runtime.breaches import Breaches
from bot.runtime.invariants import Invariants
from bot.runtime.sim_plan import OperatorOrder, SimPlan, draw_plan
from bot.runtime.sim_process import SimProcess
from bot.runtime.sim_profiles import profile_named
from bot.runtime.sim_world import START_NS, SimWorld, eager, small_market
from bot.runtime.simulate import Engines
from bot.venues.simulated.faults import FaultPlan, FaultRates
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import SimulatedParams
from tests.simulation.killing import VENUES

RESOLVED_S = 30.0
"""An outcome that is unknown for longer must have been told."""
CYCLE_NS = 10 * NS_PER_MINUTE
QUIET_NS = 3 * NS_PER_MINUTE
"""After the last lost reply: whatever is unknown must be resolved by then."""
_IN_DOUBT = (OrderState.SENT, OrderState.UNKNOWN)


@dataclass
class Replies:
    """What became of the creates."""

    lost: int = 0
    slowest_s: float = 0.0
    untold: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    in_doubt: int = 0


class Doubts(Invariants):
    """The invariants, and how long each create has been in doubt."""

    def __init__(self, world: SimWorld, maker: Engines, breaches: Breaches) -> None:
        super().__init__(world, maker, breaches)
        self.found = Replies()
        self.since: dict[OrderId, int] = {}
        self._told: set[OrderId] = set()
        self._mine: Any = None

    def process_started(self, engine: Any, *rest: Any) -> None:
        """Another engine is at work."""
        super().process_started(engine, *rest)
        self._mine = engine

    def sending(self, at_ns: int, command: AnyCommand, *, unwritten: bool = False) -> None:
        """A command leaves."""
        super().sending(at_ns, command, unwritten=unwritten)
        if isinstance(command, SubmitOrder):
            self.since[command.order.intent.order_id] = at_ns
        elif isinstance(command, Alert):
            self._told |= {order_id for order_id in self.since if order_id in command.text}

    def seen(self, event: AnyEvent, step: Step, **dying: Any) -> None:
        """The engine has answered."""
        super().seen(event, step, **dying)
        orders = self._mine.state.orders
        for order_id, sent_ns in tuple(self.since.items()):
            waited_s = (event.at_ns - sent_ns) / NS_PER_S
            if orders[order_id].state not in _IN_DOUBT:
                del self.since[order_id]
                self.found.slowest_s = max(self.found.slowest_s, waited_s)
            if waited_s > RESOLVED_S + 10.0 and order_id not in self._told:  # it is unknown after the time limit
                self.found.untold.append(f"{order_id} in doubt for {waited_s} s")
                self._told.add(order_id)


def _plan(seed: int) -> SimPlan:
    """All is opened and flattened again every ten minutes, for as long as it takes."""
    embedded = small_market(EmbeddedParams())
    drawn = draw_plan(seed, profile_named("calm"), 10.0, START_NS, VENUES, tuple(coin.coin for coin in embedded.coins))
    end_ns = START_NS + 10 * NS_PER_DAY
    orders = tuple(OperatorOrder(START_NS + n * CYCLE_NS + after_ns, action) for n in range(10 * NS_PER_DAY // CYCLE_NS)
                   for after_ns, action in ((5 * NS_PER_MINUTE, OperatorAction.FLATTEN),
                                            (9 * NS_PER_MINUTE, OperatorAction.RESUME)))
    rates = FaultRates.of(lost_answer=0.6, lost_request=0.3, late_booking=0.2, dropped_event=0.4, read_failure=0.1)
    return msgspec.structs.replace(
        drawn, faults=FaultPlan(rates=rates, start_ns=START_NS, end_ns=end_ns), deaths=(), orders=orders,
        quiet_ns=end_ns, end_ns=end_ns + NS_PER_HOUR)


def _busy_engine(seed: int) -> Engines:
    params = eager(EngineParams())
    execution = msgspec.structs.replace(params.execution, slice_s=5.0, slices_max=40, slice_usd_max=150.0)
    return Engines(msgspec.structs.replace(params, execution=execution, rebalance_every_s=300, rebalance_offset_s=60,
                                           seed=seed))


def lose(creates: int, seed: int) -> Replies:
    """Run until so many creates have lost their replies, and on until nothing is in doubt."""
    plan = _plan(seed)
    world = SimWorld(plan, small_market(EmbeddedParams()), SimulatedParams())
    maker, breaches = _busy_engine(seed), Breaches(seed)
    doubts = Doubts(world, maker, breaches)
    process = SimProcess(world, maker, doubts)
    process.start(world.first_ns)
    stop_ns = 0
    while (event := world.schedule.pop()) is not None and not (stop_ns and event.at_ns > stop_ns):
        if isinstance(event, InstrumentsChanged):
            world.went_by(event)
        doubts.expect(event)
        process.take(event)
        doubts.found.lost += isinstance(event, OrderUnknown)
        if not stop_ns and doubts.found.lost >= creates:
            stop_ns = event.at_ns + QUIET_NS
    doubts.found.twice = [f"{venue}: {repeats}" for venue in world.exchange.venues
                          if (repeats := world.exchange.account(Venue(venue)).repeats)]
    doubts.found.breaches = [f"{breach.invariant}: {breach.text}" for breach in breaches.kept]
    doubts.found.in_doubt = sum(event_ns < stop_ns - 60 * NS_PER_S for event_ns in doubts.since.values())
    return doubts.found


def _holds(found: Replies, creates: int) -> None:
    assert found.lost >= creates, "not enough was sent"
    assert found.twice == []
    assert found.breaches == []
    assert found.untold == []
    assert found.in_doubt == 0


def test_F10_a_thousand_creates_with_lost_replies() -> None:
    """No duplicate at the venue; every unknown resolved within 30 s, or alerted."""
    _holds(lose(1_000, seed=1), 1_000)


@pytest.mark.storm
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2])
def test_F10_ten_thousand_creates_with_lost_replies(seed: int) -> None:
    """The same, ten times as many."""
    _holds(lose(10_000, seed), 10_000)
