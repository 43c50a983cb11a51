"""The invariants of the failure catalogue, checked after every event against the venues' truth (simulation only).

Most events touch nothing: a market event without commands is looked at only where a pair is off or a trade has not
reached our books. Every ten simulated minutes everything is swept.
"""

from __future__ import annotations

from typing import Final

from bot.domain.commands import Alert, AnyCommand, QueryOrder, ReadAccount, SubmitOrder
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    BarsClosed,
    Control,
    ErrorClass,
    Fill,
    ForcedFill,
    InvariantBroken,
    Marks,
    OperatorAction,
    OrderReport,
    Prints,
    Quotes,
    ReadFailed,
    SessionStarted,
)
from bot.domain.values import HEDGE, NS_PER_MINUTE, NS_PER_S, OrderId, Venue
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.execution.order_ids import is_ours
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from bot.runtime.breaches import Breaches
from bot.runtime.invariants_books import BookInvariants
from bot.runtime.invariants_engine import EngineInvariants
from bot.runtime.invariants_orders import OrderInvariants
from bot.runtime.invariants_pairs import PairInvariants
from bot.runtime.monitors import Monitors
from bot.runtime.rare_states import RareStates
from bot.runtime.sim_ports import EngineMaker
from bot.runtime.sim_truth import Trade, Truth
from bot.runtime.sim_world import SimWorld

_MARKET: Final = (Quotes, Marks, Prints, BarsClosed)
_TELL_TRADES: Final = (Fill, ForcedFill, OrderReport, AccountReport)
_SWEEP_NS: Final = 10 * NS_PER_MINUTE
SETTLED_NS: Final = 120 * NS_PER_S
"""I20: so long after the last fault everything works again."""
FLAT_NS: Final = 180 * NS_PER_S
"""After a kill every venue is flat by then, counted while all can be reached (unknown orders take time to prove)."""
_KILLS: Final = (OperatorAction.KILL, OperatorAction.KILL_HOLD)
_WAITS_NS: Final = {"depeg": 75 * NS_PER_MINUTE, "peg_unknown": 6 * NS_PER_MINUTE}
"""An hour of calm, and what it takes to see it; prices of stablecoins come every five minutes."""
_OPERATORS: Final = ("operator", "flatten", "kill", "drawdown", "daily_loss", "runaway")
"""Reasons that hold until an operator lifts them; any other must be gone once faults are off."""


class Invariants:
    """Everything that must never be, for one seed."""

    def __init__(self, world: SimWorld, engines: EngineMaker, breaches: Breaches) -> None:
        self._world = world
        self._breaches = breaches
        self._truth = Truth(world.exchange)
        self.rare = RareStates()
        self.orders = OrderInvariants(self._truth, breaches)
        self._own = EngineInvariants(breaches)
        self._pairs = PairInvariants(self._truth, breaches)
        self._books = BookInvariants(self._truth, engines, breaches)
        self._engine: Engine = engines.create()
        self._monitors = Monitors(self._engine, self._monitored)
        """What the daemon itself would see; it must see nothing here either."""
        self._trades: list[Trade] = []
        """Booked by us in the step in hand."""
        self._swept_ns = self._started_ns = 0
        self._killed = False
        self._flat_by_ns: int | None = None
        self._paged_ns = 0
        self._settled = False
        self._banned_until_ns: dict[Venue, int] = {}
        """Bans that the process at work has been told of."""

    def breach(self, invariant: str, subject: str, at_ns: int, text: str) -> None:
        """A breach seen by the driver itself."""
        self._breaches.add(invariant, subject, at_ns, text)

    def _monitored(self, event: InvariantBroken) -> None:
        self._breaches.add(f"MONITOR {event.invariant}", event.text, event.at_ns, event.text)

    @property
    def compared(self) -> int:
        """How often books and venue were compared to the last digit."""
        return self._books.compared

    # ------------------------------------------------------------------------------------------ the process' life

    def process_started(self, engine: Engine, intents: dict[OrderId, None], epoch: int, at_ns: int) -> None:
        """Another engine is at work."""
        self._engine, self._started_ns = engine, at_ns
        self._banned_until_ns.clear()
        self._own.process_started()
        self._monitors = Monitors(engine, self._monitored)
        self.orders.process_started(intents, epoch)
        if epoch > 1:
            self._truth.read_anew(engine.ledger)
        self._pairs.unreachable(at_ns)
        if self._flat_by_ns is not None:
            self._flat_by_ns = at_ns + FLAT_NS

    def process_died(self, event: AnyEvent, place: str, step: Step) -> None:
        """What the death left behind: an order that was never committed was never confirmed; a kill is latched."""
        if isinstance(event, Control) and place == "before_commit":
            if event.action in _KILLS:
                self.orders.latched()
                self._kill(event)
            else:
                self.orders.unheard()
        if any(isinstance(command, SubmitOrder) for command in step.commands):
            self.rare.note("died_with_order_sent" if place == "after_send" else "died_with_order_unsent")

    def stood_still(self, at_ns: int) -> None:
        """The process could do nothing until now."""
        self._pairs.unreachable(at_ns)
        if self._flat_by_ns is not None:
            self._flat_by_ns = at_ns + FLAT_NS

    def latched_while_down(self, event: Control) -> None:
        """A kill was ordered while nobody ran."""
        self.rare.note("kill_while_down")
        self.orders.latched()
        self._kill(event)

    # ------------------------------------------------------------------------------------------------ each event

    def expect(self, event: AnyEvent) -> None:
        """Called before the engine sees the event."""
        if isinstance(event, _MARKET):
            return
        if isinstance(event, ReadFailed) and event.error is ErrorClass.BANNED and event.retry_after_s is not None:
            self._banned_until_ns[event.venue] = event.at_ns + int(event.retry_after_s * NS_PER_S)
        self.rare.before(event, self._engine)
        self.orders.before(event)

    def sending(self, at_ns: int, command: AnyCommand, *, unwritten: bool = False) -> None:
        """A command leaves; `unwritten`: storage has failed, it has no record (allowed to what only reduces)."""
        if isinstance(command, ReadAccount | QueryOrder):
            until_ns = self._banned_until_ns.get(command.venue, 0)
            if at_ns < until_ns - NS_PER_S:
                self._breaches.add("F26", f"{command.venue} {until_ns}", at_ns,
                                   f"{command.venue} is read {(until_ns - at_ns) / NS_PER_S:.0f} s before its ban ends")
        if isinstance(command, SubmitOrder):
            self._trades += self._truth.read(self._engine.ledger)
            self.orders.after(at_ns, self._engine)
            self.orders.sending(at_ns, command, self._engine, unwritten=unwritten)
        elif isinstance(command, Alert):
            self._pairs.told(at_ns, command)
            if command.page and command.name != "killed":
                self._paged_ns = at_ns

    def seen(self, event: AnyEvent, step: Step, *, dying: bool = False) -> None:
        """The engine has answered; `dying`: not all of it left, so nobody can be blamed for not telling."""
        self._monitors.seen(event, step)
        at_ns, engine = event.at_ns, self._engine
        trades, self._trades = [*self._trades, *self._truth.read(engine.ledger)], []
        if isinstance(event, _MARKET) and not step.commands:
            if not (self._truth.unseen or self._pairs.off or trades or at_ns - self._swept_ns >= _SWEEP_NS):
                return
        else:
            self.rare.after(event, step, engine)
        if not dying:
            self._own.seen(event, step, engine)
        self._own_rules(event)
        if trades or isinstance(event, _TELL_TRADES):
            self._books.traded(at_ns, (*trades, *_trades_in(event)), engine)
        self.orders.after(at_ns, engine)
        self._reachable(at_ns)
        if dying:
            return
        self._pairs.check(at_ns, engine, self.orders.sent, quiet=self._settled)
        if isinstance(event, AccountReport):
            quiet = self.orders.quiet_at(event.venue) and not engine.state.live_orders
            self._books.reported(event, engine, quiet=quiet)
        if at_ns - self._swept_ns >= _SWEEP_NS:
            self._sweep(at_ns)

    def _own_rules(self, event: AnyEvent) -> None:
        """The kill switch: it holds across a restart (I14) and ends flat."""
        at_ns, mode = event.at_ns, self._engine.state.modes.mode()
        if isinstance(event, Control):
            if event.action in _KILLS:
                self._kill(event)
            elif event.action is OperatorAction.RESUME:
                self._killed, self._flat_by_ns = False, None
        if self._killed and isinstance(event, Control | SessionStarted) and mode is not Mode.HALTED:
            self._breaches.add("I14", f"{at_ns}", at_ns, f"the kill switch is set and the mode is {mode.value}")
        if self._flat_by_ns is not None and at_ns >= self._flat_by_ns:
            self._must_be_flat(at_ns)

    def _kill(self, event: Control) -> None:
        self._killed = True
        if event.action is OperatorAction.KILL:
            self._flat_by_ns = event.at_ns + FLAT_NS
            self._paged_ns = 0

    def _must_be_flat(self, at_ns: int) -> None:
        self._flat_by_ns = None
        exchange = self._world.exchange
        left = [venue for venue in exchange.venues if not exchange.flat(venue)]
        if left and not self._paged_ns:
            self._breaches.add("KILL", f"{at_ns}", at_ns, f"{', '.join(left)} not flat {FLAT_NS // NS_PER_S} s after "
                                                          "the kill, and nobody paged")

    def _reachable(self, at_ns: int) -> None:
        """While a venue is down the clocks that need it stand still."""
        down = self._world.deaf(at_ns)
        self.rare.holds("one_legged_with_venue_down", down and self._pairs.one_legged)
        self.rare.holds("unknown_with_venue_down", down and self.orders.unknown(self._engine))
        if down:
            self._pairs.unreachable(at_ns)
            if self._flat_by_ns is not None:
                self._flat_by_ns = at_ns + FLAT_NS

    # --------------------------------------------------------------------------------------------------- sweeps

    def _sweep(self, at_ns: int) -> None:
        self._swept_ns = at_ns
        for venue in self._truth.exchange.venues:
            for order in self._truth.exchange.account(venue).open.values():
                known = self._engine.state.orders.get(order.order_id)
                late = is_ours(order.order_id) and at_ns - order.arrived_ns > 60 * NS_PER_S
                if late and (known is None or not known.live):
                    self._breaches.add("I21", order.order_id, at_ns, f"{venue} has {order.order_id} open, we do not")
        self._intervals(at_ns)
        self._settled = at_ns >= max(self._world.plan.quiet_ns, self._started_ns) + SETTLED_NS
        if self._settled:
            self._works(at_ns)

    def _intervals(self, at_ns: int) -> None:
        """F39: rates are compared per hour, by the interval that each venue has, never by a usual one."""
        for leg, history in self._engine.state.market.funding.items():
            rules = self._engine.state.market.instruments.get(leg)
            true = self._world.rules(leg) if rules is not None else None
            if true is not None and true.funding is not None and history.count \
                    and history.next_interval_h != true.funding.interval_h:
                self._breaches.add("F39", leg, at_ns, f"{leg} settles every {true.funding.interval_h} h, we count "
                                                      f"{history.next_interval_h} h")

    def _works(self, at_ns: int) -> None:
        """I20: faults are off; each venue trades or is stopped by an operator, and no outcome stays unknown."""
        modes = self._engine.state.modes
        for reason in modes.reasons():
            if reason.name not in _OPERATORS:
                self._breaches.add("I20", reason.name, at_ns, f"still {reason.name} ({reason.text}) without any fault")
        for venue in self._world.venues:
            for name, reason in modes.venues.get(venue, {}).items():
                if at_ns - reason.since_ns > SETTLED_NS and not self._cools_down(at_ns, venue, name):
                    self._breaches.add("I20", f"{venue} {name}", at_ns, f"{venue} is still blocked: {name} "
                                                                        f"({reason.text})")
        for order_id in self._engine.state.live_orders:
            order = self._engine.state.orders[order_id]
            if at_ns - order.sent_ns > SETTLED_NS and not order.alerted:
                self._breaches.add("I20", order_id, at_ns, f"order {order_id} is {order.state.value} since "
                                                           f"{(at_ns - order.sent_ns) / NS_PER_S:.0f} s")

    def _cools_down(self, at_ns: int, venue: Venue, name: str) -> bool:
        """Whether a block has a time of its own to wait, and that is not over."""
        if name in _WAITS_NS:
            return at_ns < self._world.plan.quiet_ns + _WAITS_NS[name]
        held = self._engine.state.venues[venue].breakers.get(name.removeprefix("breaker_"))
        return held is not None and held.open_until_ns is not None and at_ns <= held.open_until_ns

    def finish(self, at_ns: int) -> None:
        """The run is over and everything must be at rest: pairs whole or flat, every order and every cent agreed."""
        engine = self._engine
        self._sweep(at_ns)
        self.orders.at_rest(at_ns, engine)
        self._books.at_rest(at_ns, engine)
        for pair in engine.state.pairs.values():
            if pair.state not in (PairState.HEDGED, PairState.FLAT):
                self._breaches.add("I20", pair.pair_id, at_ns, f"{pair.pair_id} ends {pair.state.value}")
        for leg in engine.state.hedge.legs.values():
            if leg.parent is not None:
                self._breaches.add("I20", leg.instrument, at_ns, f"the hedge in {leg.instrument} is still being traded")
        for instrument, held in engine.ledger.legs(HEDGE):
            if instrument not in engine.state.hedge.legs:
                self._breaches.add("I20", instrument, at_ns, f"{held:f} of the hedge that nobody minds")
        if self._truth.unseen:
            missing = ", ".join(trade_id for _, trade_id in self._truth.unseen)
            self._breaches.add("I7", "unseen", at_ns, f"trades never reached our books: {missing}")


def _trades_in(event: AnyEvent) -> tuple[Trade, ...]:
    """The trades an event tells of, whether we had them before or not."""
    if isinstance(event, Fill | ForcedFill):
        return (event,)
    return event.fills if isinstance(event, OrderReport | AccountReport) else ()
