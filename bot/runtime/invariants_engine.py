"""The invariants that need no venue's truth: what the engine's own state and its orders must never show.

The same checks run in fault simulation and beside a daemon. A step without orders, and without a pair that is off,
costs a few comparisons.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import Alert, SubmitOrder
from bot.domain.events import AnyEvent
from bot.domain.orders import OrderIntent
from bot.domain.values import HEDGE, NS_PER_S, OrderId
from bot.engine import hedge_room
from bot.engine.engine import Engine
from bot.engine.exposure import data_age_s_max
from bot.engine.state import EngineState
from bot.engine.step import Step
from bot.engine.turn import Turn
from bot.portfolio.pairs import Pair, PairState
from bot.risk.modes import Mode
from bot.runtime.breaches import Breaches
from bot.runtime.order_parents import base_out, opening_bound

_PAGE_SLACK_NS: Final = 5 * NS_PER_S
"""An alert leaves at most this long after its cause."""
_ONE: Final = Decimal(1)
_MARKS_SLACK: Final = 1.01
"""V and limit prices differ."""


class EngineInvariants:
    """Looks at every step after the engine has answered; tells `breaches`."""

    def __init__(self, breaches: Breaches) -> None:
        self._breaches = breaches
        self._booked: dict[OrderId, int] = {}
        self._paged_ns: dict[str, int] = {}

    def process_started(self) -> None:
        """Another engine is at work: what it has forgotten is not held against it here."""
        self._booked.clear()

    def seen(self, event: AnyEvent, step: Step, engine: Engine) -> None:
        """The engine has answered this event with this step."""
        at_ns, state = event.at_ns, engine.state
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                self._order(at_ns, command, engine)
            elif isinstance(command, Alert) and command.page and command.name == "one_legged":
                self._paged_ns[command.text.partition(":")[0]] = at_ns
        if state.live_orders or self._booked:
            self._fills(at_ns, state)
        for pair in state.pairs.values():
            if pair.unhedged_since_ns is not None and at_ns > pair.unhedged_since_ns:
                self._one_legged(at_ns, pair, engine)

    # --------------------------------------------------------------------------------------------------- orders

    def _order(self, at_ns: int, command: SubmitOrder, engine: Engine) -> None:
        state, intent = engine.state, command.order.intent
        if command.order.fence != state.session.epoch:
            self._say("I12", intent, at_ns, f"carries epoch {command.order.fence}, not {state.session.epoch}")
        if intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
            self._say("I11", intent, at_ns, f"{intent.quantity_lots} lots at {intent.limit_price_ticks} ticks")
            return
        if intent.reduces_owner:
            self._reducing(at_ns, intent, engine)
        else:
            self._opening(at_ns, intent, engine)

    def _opening(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        state, rules = engine.state, engine.state.market.instruments[intent.instrument]
        mode = state.modes.mode()
        if mode is not Mode.RUN:
            self._say("I4", intent, at_ns, f"opens in {mode.value}")
        if "not_reconciled" in state.modes.venue_reasons(intent.venue):
            self._say("I13", intent, at_ns, "opens before its venue has been reconciled")
        age_s = intent.data_age_ns / NS_PER_S
        if not 0 <= age_s <= data_age_s_max(Turn(state, engine.ledger, engine.params, state.now_ns)):
            self._say("I9", intent, at_ns, f"opens on data {age_s:g} s old")
        usd = float(rules.quantity(intent.quantity_lots) * rules.price(intent.limit_price_ticks))
        if usd > engine.params.risk.order_notional_max_usd:
            self._say("I10", intent, at_ns, f"is worth {usd:.0f} USD")
        if intent.owner == HEDGE:
            self._hedging(at_ns, intent, engine)
        bound = opening_bound(state, intent)
        if bound is None:
            self._say("I15", intent, at_ns, "opens without a parent")
            return
        held = abs(engine.ledger.quantity(intent.instrument, intent.owner))
        grossed = bound.target_base / (_ONE - rules.taker_fee) if rules.fee_in_base else bound.target_base
        worst = held + base_out(state, intent, reducing=False)
        if worst > grossed + bound.step_base:
            self._say("I15", intent, at_ns, f"could bring the leg to {worst:f}, its parent ends at {grossed:f}")

    def _hedging(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        """The hedge: no order where opens are blocked, and never more of it than its share of the equity."""
        state, turn = engine.state, Turn(engine.state, engine.ledger, engine.params, engine.state.now_ns)
        blocked = state.modes.blocks_open(intent.venue, intent.instrument)
        if blocked:
            self._say("I4", intent, at_ns, f"opens the hedge while {blocked} blocks it")
        worst = sum(abs(hedge_room.held_usd(turn, leg)) for leg in state.hedge.legs)
        for order_id in state.live_orders:
            other = state.orders[order_id]
            if other.intent.owner == HEDGE and not other.intent.reduces_owner:
                rules = state.market.rules_at(other.intent.instrument, other.sent_ns)
                worst += float(rules.quantity(other.remaining_lots) * rules.price(other.intent.limit_price_ticks))
        most = engine.params.hedge.notional_share_max * float(engine.ledger.equity_usd())
        if not worst <= _MARKS_SLACK * most:
            self._say("I10", intent, at_ns, f"could bring the hedge to {worst:.0f} USD of {most:.0f}")

    def _reducing(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        held = engine.ledger.quantity(intent.instrument, intent.owner)
        most = base_out(engine.state, intent, reducing=True)
        if held * int(intent.side) >= 0 or most > abs(held):
            self._say("I4", intent, at_ns, f"reduces {held:f} by up to {most:f}")

    def _fills(self, at_ns: int, state: EngineState) -> None:
        """I8: what is filled never falls and stays within the order's size."""
        for order_id in (*state.live_orders, *self._booked):
            order = state.orders.get(order_id)
            if order is None:
                self._booked.pop(order_id, None)
                continue
            if order.filled_lots < self._booked.get(order_id, 0):
                self._say("I8", order.intent, at_ns, f"fell to {order.filled_lots} booked lots")
            if order.live:
                self._booked[order_id] = order.filled_lots
            else:
                self._booked.pop(order_id, None)

    # ----------------------------------------------------------------------------------------------------- pairs

    def _one_legged(self, at_ns: int, pair: Pair, engine: Engine) -> None:
        """I3: off for ten seconds it is on its way out, off for a minute the operator has been told, and is again."""
        since_ns, execution = pair.unhedged_since_ns or at_ns, engine.params.execution
        age_ns = at_ns - since_ns
        leaves = pair.state in (PairState.UNWINDING, PairState.CLOSING) or (
            pair.parent is not None and not pair.parent.opening)
        if age_ns > int(execution.unwind_after_s * NS_PER_S) and not leaves:
            self._breaches.add("I3", f"{pair.pair_id} {since_ns}", at_ns,
                               f"{pair.pair_id} is off for {age_ns / NS_PER_S:.1f} s, {pair.state.value}")
        page_ns = int(execution.page_after_s * NS_PER_S) + _PAGE_SLACK_NS
        if age_ns > page_ns and at_ns - max(self._paged_ns.get(str(pair.coin), 0), pair.paged_ns or 0) > page_ns:
            self._breaches.add("I3", f"{pair.pair_id} {since_ns} page", at_ns,
                               f"{pair.pair_id} is off for {age_ns / NS_PER_S:.1f} s and the operator not told")

    def _say(self, invariant: str, intent: OrderIntent, at_ns: int, what: str) -> None:
        self._breaches.add(invariant, f"own {intent.order_id}", at_ns,
                           f"order {intent.order_id} ({intent.purpose} {intent.side.name.lower()} {intent.instrument} "
                           f"for {intent.owner}) {what}")
