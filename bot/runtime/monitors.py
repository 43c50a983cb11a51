"""The invariants that need the engine alone, looked at after every step of a running daemon (failure catalogue).

A breach is told once per subject; the daemon logs it, pages, and hands it to the engine, which stops opening or halts.
What needs the venues' own truth is checked in simulation; here its place is taken by reconciliation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.domain.commands import SubmitOrder
from bot.domain.events import AnyEvent, InvariantBroken, SessionStarted
from bot.domain.orders import OrderIntent
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos, OrderId, Owner, Venue
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.portfolio.pairs import Pair, PairState
from bot.risk.modes import Mode
from bot.runtime.order_parents import base_out, opening_bound

SWEEP_NS: Final = NS_PER_S
"""Pairs are looked at this often by the engine's own time."""
MONEY_NS: Final = 60 * NS_PER_MINUTE
"""The attribution is summed this often."""
UNWIND_NS: Final = 11 * NS_PER_S
"""R9's ten seconds, and one for the deadline itself."""
PAGE_NS: Final = 66 * NS_PER_S
AGE_SLACK: Final = 1.01
TOLD_MAX: Final = 1_000
HALTING: Final = frozenset({"I2", "I4", "I12"})
"""These mean that orders leave which must not: HALTED, not only no opens."""
_LEAVING: Final = (PairState.UNWINDING, PairState.CLOSING)


class Monitors:
    """Implements `RunObserver`; `report` takes each breach once."""

    def __init__(self, engine: Engine, report: Callable[[InvariantBroken], None]) -> None:
        self._engine = engine
        self._report = report
        self._told: dict[tuple[str, str], None] = {}
        self._sent: dict[OrderId, None] = {}
        self._booked: dict[OrderId, int] = {}
        self._off_ns: dict[Owner, int] = {}
        self._swept_ns = self._summed_ns = 0
        self._mode = Mode.RUN
        self._unreconciled: frozenset[Venue] = frozenset()
        self.looks = 0
        """How many steps were looked at in full."""

    def seen(self, event: AnyEvent, step: Step) -> None:
        """The engine has answered: look at what leaves, what is out, and from time to time at everything."""
        at_ns, state = event.at_ns, self._engine.state
        if isinstance(event, SessionStarted):
            self._sent.clear()
            self._off_ns.clear()
        if step.commands:
            self._leaving(at_ns, step)
        if state.live_orders or self._booked:
            self._orders(at_ns)
        if at_ns - self._swept_ns >= SWEEP_NS:
            self._swept_ns = at_ns
            self._sweep(at_ns)
        if step.decided:
            self._remember()

    def _remember(self) -> None:
        """What held before the next step: an order may leave in the very step that forbids the next one."""
        modes = self._engine.state.modes
        self._mode = modes.mode()
        self._unreconciled = frozenset(venue for venue, reasons in modes.venues.items() if "not_reconciled" in reasons)

    def _tell(self, at_ns: Nanos, invariant: str, subject: str, text: str) -> None:
        if (invariant, subject) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[invariant, subject] = None
        self._report(InvariantBroken(at_ns=at_ns, invariant=invariant, text=text[:300], halts=invariant in HALTING))

    # -------------------------------------------------------------------------------------------------- leaving

    def _leaving(self, at_ns: Nanos, step: Step) -> None:
        self.looks += 1
        for refusal in step.refusals:
            if refusal.intent.reduces_owner:
                self._tell(at_ns, "I19", refusal.limit, f"a reducing order was refused by {refusal.limit}")
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                intent = command.order.intent
                if intent.order_id in self._sent:
                    self._tell(at_ns, "I2", intent.order_id, f"order {intent.order_id} leaves a second time")
                if len(self._sent) >= 100 * TOLD_MAX:
                    self._sent.clear()
                self._sent[intent.order_id] = None
                if command.order.fence != self._engine.state.session.epoch:
                    self._tell(at_ns, "I12", intent.order_id, f"order of epoch {command.order.fence}")
                self._shape(at_ns, intent)
                (self._reducing if intent.reduces_owner else self._opening)(at_ns, intent)

    def _shape(self, at_ns: Nanos, intent: OrderIntent) -> None:
        rules = self._engine.state.market.instruments[intent.instrument]
        least = 1 if intent.reduces_owner else rules.lots_min
        if intent.quantity_lots < least or intent.limit_price_ticks < 1:
            self._tell(at_ns, "I11", intent.order_id,
                       f"{intent.instrument}: {intent.quantity_lots} lots at {intent.limit_price_ticks} ticks")

    def _opening(self, at_ns: Nanos, intent: OrderIntent) -> None:
        engine = self._engine
        mode = engine.state.modes.mode()
        if mode is not Mode.RUN and self._mode is not Mode.RUN:
            self._tell(at_ns, "I4", intent.order_id, f"{intent.instrument}: an order opens in {mode.value}")
        if intent.venue in self._unreconciled and "not_reconciled" in engine.state.modes.venue_reasons(intent.venue):
            self._tell(at_ns, "I13", intent.order_id, f"{intent.instrument}: opens before reconciliation")
        cadence_s = engine.state.session.cadence_s
        oldest_s = max(engine.params.risk.data_age_s_max, 2 * cadence_s if cadence_s > 1 else 0.0)
        if not 0 <= intent.data_age_ns <= AGE_SLACK * oldest_s * NS_PER_S:
            self._tell(at_ns, "I9", intent.order_id, f"opens on data {intent.data_age_ns / NS_PER_S:g} s old")
        self._within_parent(at_ns, intent)

    def _within_parent(self, at_ns: Nanos, intent: OrderIntent) -> None:
        """I15: held, out and this order together stay within the parent's target, a step and the coin fee."""
        bound = opening_bound(self._engine.state, intent)
        if bound is None:
            self._tell(at_ns, "I15", intent.order_id, f"{intent.instrument}: opens without a parent")
            return
        rules = self._engine.state.market.instruments[intent.instrument]
        held = abs(self._engine.ledger.quantity(intent.instrument, intent.owner))
        worst = held + base_out(self._engine.state, intent, reducing=False)
        target = bound.target_base / (1 - rules.taker_fee) if rules.fee_in_base else bound.target_base
        if worst > target + bound.step_base:
            self._tell(at_ns, "I15", intent.order_id,
                       f"{intent.instrument}: could reach {worst:f}, its parent ends at {target:f}")

    def _reducing(self, at_ns: Nanos, intent: OrderIntent) -> None:
        """I4: what reduces may not cross zero even if all that is out fills."""
        held = self._engine.ledger.quantity(intent.instrument, intent.owner)
        most = base_out(self._engine.state, intent, reducing=True)
        if held * int(intent.side) >= 0 or most > abs(held):
            self._tell(at_ns, "I4", intent.order_id, f"{intent.instrument}: reduces {held:f} by up to {most:f}")

    # ------------------------------------------------------------------------------------------------- what is out

    def _orders(self, at_ns: Nanos) -> None:
        """I8: filled size never falls and lies within the order, up to what was alerted as an overfill."""
        state = self._engine.state
        now: dict[OrderId, int] = {}
        for order_id in state.live_orders:
            filled = state.orders[order_id].filled_lots
            if filled < self._booked.get(order_id, 0) or filled < 0:
                self._tell(at_ns, "I8", order_id, f"order {order_id} fell to {filled} filled lots")
            now[order_id] = filled
        self._booked = now

    def _sweep(self, at_ns: Nanos) -> None:
        state = self._engine.state
        for pair in state.pairs.values():
            if pair.unhedged_since_ns is not None:
                self._off(at_ns, pair, pair.unhedged_since_ns)
        if at_ns - self._summed_ns >= MONEY_NS and state.session.trading:
            self._summed_ns = at_ns
            ledger = self._engine.ledger
            residual = ledger.check(ledger.equity_usd())
            if residual != 0:
                self._tell(at_ns, "I6", "residual", f"attribution leaves {residual:f} USD")

    def _off(self, at_ns: Nanos, pair: Pair, since_ns: Nanos) -> None:
        """I3: a pair that is off is being unwound after ten seconds, and a person knows after sixty."""
        age_ns = at_ns - since_ns
        leaves = pair.state in _LEAVING or (pair.parent is not None and not pair.parent.opening)
        subject = f"{pair.pair_id} {since_ns}"
        if age_ns > UNWIND_NS and not leaves:
            self._tell(at_ns, "I3", subject, f"{pair.pair_id}: off for {age_ns / NS_PER_S:.0f} s and not unwinding")
        if age_ns > PAGE_NS and (pair.paged_ns is None or at_ns - pair.paged_ns > PAGE_NS):
            self._tell(at_ns, "I3", f"{subject} page", f"{pair.pair_id}: off for {age_ns / NS_PER_S:.0f} s, not paged")
