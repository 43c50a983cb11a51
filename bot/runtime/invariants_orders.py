"""Invariants of orders, against the venues' truth: I1, I2, I4, I8-I12, I13, I15 and rule R3."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import SubmitOrder
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    Control,
    InstrumentsChanged,
    OperatorAction,
    SessionStarted,
    VenueConnection,
)
from bot.domain.orders import OrderIntent
from bot.domain.values import NS_PER_S, ZERO, OrderId, Venue
from bot.engine.engine import Engine
from bot.execution.order_ids import is_ours
from bot.execution.order_states import OrderState
from bot.risk.modes import Mode
from bot.runtime.breaches import Breaches
from bot.runtime.order_parents import OpeningBound, opening_bound
from bot.runtime.sim_truth import SentOrder, Truth

_DATA_AGE_NS_MAX: Final = 120 * NS_PER_S
"""Twice the embedded market's cadence."""
_STOPS: Final = (OperatorAction.PAUSE, OperatorAction.FLATTEN, OperatorAction.KILL, OperatorAction.KILL_HOLD)
_ONE: Final = Decimal(1)
_CLOCK_NS: Final = NS_PER_S
"""So far a venue's clock may be off ours."""
_COLLAR_MAX: Final = 0.15
"""The collar of odd prices, and of the order on top of it."""
_SLICES_AT_ONCE: Final = Decimal("1.5")


class OrderInvariants:
    """Looks at every order as it leaves and until it is over."""

    def __init__(self, truth: Truth, breaches: Breaches) -> None:
        self._truth = truth
        self._breaches = breaches
        self.sent: dict[OrderId, SentOrder] = {}
        self.live: dict[OrderId, SentOrder] = {}
        """Those that we or the venue may still consider alive."""
        self._intents: dict[OrderId, None] = {}
        self._epoch = 0
        self._unreconciled: dict[Venue, int] = {}
        self._stopped = self._stopped_before = False

    def process_started(self, intents: dict[OrderId, None], epoch: int) -> None:
        """A new process; `intents` is its journal's live record of what is committed."""
        self._intents, self._epoch = intents, epoch
        for sent in self.live.values():
            sent.booked_lots = 0

    def latched(self) -> None:
        """A kill was ordered while nobody ran: it holds from the next start."""
        self._stopped = True

    def unheard(self) -> None:
        """The last operator's order died with the process before it was committed: the operator was told so."""
        self._stopped = self._stopped_before

    def before(self, event: AnyEvent) -> None:
        """What the event itself forbids or allows, whatever the engine makes of it."""
        match event:
            case SessionStarted():
                for instrument in event.instruments:
                    self._truth.instruments[instrument.id] = instrument
                    self._unreconciled[instrument.venue] = event.at_ns
            case InstrumentsChanged():
                for instrument in event.instruments:
                    self._truth.instruments[instrument.id] = instrument
            case VenueConnection(up=True):
                self._unreconciled[event.venue] = event.at_ns
            case AccountReport():
                if event.taken_ns + _CLOCK_NS >= self._unreconciled.get(event.venue, 0):
                    self._unreconciled.pop(event.venue, None)
            case Control():
                self._stopped_before = self._stopped
                self._stopped = event.action in _STOPS or (self._stopped and event.action is not OperatorAction.RESUME)
            case _:
                pass

    # ------------------------------------------------------------------------------------------------- sending

    def sending(self, at_ns: int, command: SubmitOrder, engine: Engine, *, unwritten: bool) -> None:
        """One create leaves."""
        intent = command.order.intent
        if intent.order_id not in self._intents and not (unwritten and intent.reduces_owner):
            self._say("I1", intent, at_ns, "leaves before its intent is committed")
        if intent.order_id in self.sent:
            self._say("I2", intent, at_ns, "is sent a second time")
        if command.order.fence != self._epoch:
            self._say("I12", intent, at_ns, f"carries epoch {command.order.fence}, not {self._epoch}")
        self._shape(at_ns, intent)
        if intent.reduces_owner:
            self._reducing(at_ns, intent, engine)
        else:
            self._opening(at_ns, intent, engine)
        self.sent[intent.order_id] = self.live[intent.order_id] = SentOrder(intent, at_ns)

    def _shape(self, at_ns: int, intent: OrderIntent) -> None:
        rules = self._truth.instruments[intent.instrument]
        if intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
            self._say("I11", intent, at_ns, f"{intent.quantity_lots} lots at {intent.limit_price_ticks} ticks")
            return
        if intent.reduces_owner and rules.is_perp:
            return  # venues let a position be closed below their minimums
        notional = rules.quantity(intent.quantity_lots) * rules.price(intent.limit_price_ticks)
        if intent.quantity_lots < rules.lots_min or notional < rules.notional_min_usd:
            self._say("I11", intent, at_ns, f"{intent.quantity_lots} lots worth {notional:f} USD: below a minimum")

    def _opening(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        mode = engine.state.modes.mode()
        if mode is not Mode.RUN or self._stopped:
            self._say("I4", intent, at_ns, f"opens in {mode.value}" + (", an operator has stopped" * self._stopped))
        if intent.venue in self._unreconciled:
            self._say("I13", intent, at_ns, "opens before its venue has been reconciled")
        if not 0 <= intent.data_age_ns <= _DATA_AGE_NS_MAX:
            self._say("I9", intent, at_ns, f"opens on data {intent.data_age_ns / NS_PER_S:g} s old")
        for other in self._slot(intent):
            if not other.intent.reduces_owner:
                self._say("I2", intent, at_ns, f"opens while {other.intent.order_id} is unresolved")
        self._near_market(at_ns, intent)
        self._within_parent(at_ns, intent, engine)
        self._within_limits(at_ns, intent, engine)

    def _within_limits(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        """I10: order size, and gross notional at the venues as if everything that is out filled (1 % for the marks)."""
        limits = engine.params.risk
        price = self._truth.instruments[intent.instrument].price(intent.limit_price_ticks)
        order_usd = float(self._truth.instruments[intent.instrument].quantity(intent.quantity_lots) * price)
        if order_usd > limits.order_notional_max_usd:
            self._say("I10", intent, at_ns, f"is worth {order_usd:.0f} USD")
        gross_usd, equity_usd = self._truth.gross_usd(engine.state.market), float(self._truth.exchange.equity_usd())
        for other in self.live.values():
            if not other.intent.reduces_owner:
                rules = self._truth.instruments[other.intent.instrument]
                lots = self._truth.may_fill_lots(other)
                gross_usd += float(rules.quantity(lots) * rules.price(other.intent.limit_price_ticks))
        if gross_usd + order_usd > 1.01 * limits.gross_leverage_max * equity_usd:
            self._say("I10", intent, at_ns, f"could bring gross notional to {gross_usd + order_usd:.0f} USD "
                                            f"on {equity_usd:.0f} USD of equity")

    def _near_market(self, at_ns: int, intent: OrderIntent) -> None:
        """I10: whatever was shown to us, no opening order is priced far beyond the market that is."""
        quote = self._truth.exchange.quote(intent.instrument)
        if quote is None:
            return
        beyond = intent.limit_price_ticks / ((quote.bid_ticks + quote.ask_ticks) / 2) - 1
        if int(intent.side) * beyond > _COLLAR_MAX:
            self._say("I10", intent, at_ns, f"is priced {100 * beyond:+.1f} % off the market")

    def _paced(self, at_ns: int, intent: OrderIntent, bound: OpeningBound) -> None:
        """I15: a patient parent works a slice at a time; what was missed is not caught up at once."""
        parent = bound.parent
        if parent.urgent or intent.purpose not in ("open", "close"):
            return
        before, most = parent.start_base, ZERO
        for each in parent.slices:
            most, before = max(most, abs(each.cumulative_base - before)), each.cumulative_base
        rules = self._truth.instruments[intent.instrument]
        allowed = _SLICES_AT_ONCE * most / (_ONE - rules.taker_fee) + bound.step_base + rules.lot_size
        if rules.quantity(intent.quantity_lots) > allowed:
            self._say("I15", intent, at_ns, f"takes {rules.quantity(intent.quantity_lots):f} at once, a slice of its "
                                            f"parent is {most:f}")

    def _within_parent(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        """I15: what the leg holds at worst stays within its parent's target, up to one step and the coin fee."""
        bound = opening_bound(engine.state, intent)
        if bound is None:
            self._say("I15", intent, at_ns, "opens without a parent")
            return
        self._paced(at_ns, intent, bound)
        rules = self._truth.instruments[intent.instrument]
        held = engine.ledger.quantity(intent.instrument, intent.owner)
        held += self._truth.unseen_base(self.sent, intent.owner, intent.instrument)
        opening = sum(self._truth.may_fill_lots(o) for o in self._slot(intent) if not o.intent.reduces_owner)
        worst = abs(held) + rules.quantity(opening + intent.quantity_lots)
        grossed = bound.target_base / (_ONE - rules.taker_fee) if rules.fee_in_base else bound.target_base
        if worst > grossed + bound.step_base:
            self._say("I15", intent, at_ns, f"could bring the leg to {worst:f}, its parent ends at {grossed:f}")

    def _reducing(self, at_ns: int, intent: OrderIntent, engine: Engine) -> None:
        """I4: a reducing order may not cross zero even if everything that is out fills."""
        rules = self._truth.instruments[intent.instrument]
        held = engine.ledger.quantity(intent.instrument, intent.owner)
        held += self._truth.unseen_base(self.sent, intent.owner, intent.instrument)
        out = sum(self._truth.may_fill_lots(o) for o in self._slot(intent) if o.intent.reduces_owner)
        most = rules.quantity(out + intent.quantity_lots)
        if held * int(intent.side) >= 0 or most > abs(held):
            self._say("I4", intent, at_ns, f"reduces {held:f} by up to {most:f}")

    def _slot(self, intent: OrderIntent) -> list[SentOrder]:
        """Orders of the same owner and instrument that are not over."""
        return [sent for sent in self.live.values()
                if sent.intent.owner == intent.owner and sent.intent.instrument == intent.instrument]

    # --------------------------------------------------------------------------------------------- what follows

    def after(self, at_ns: int, engine: Engine) -> None:
        """Our state of every order that is out against the venue's."""
        for order_id, sent in tuple(self.live.items()):
            self._follow(at_ns, order_id, sent, engine)

    def _follow(self, at_ns: int, order_id: OrderId, sent: SentOrder, engine: Engine) -> None:
        order = engine.state.orders.get(order_id)
        intent = sent.intent
        if order is None:
            self._say("I8", intent, at_ns, "was sent and is forgotten")
            del self.live[order_id]
            return
        known = self._truth.order(intent.venue, order_id)
        traded = known.filled_lots if known is not None else 0
        if order.filled_lots > min(traded, intent.quantity_lots):
            self._say("I8", intent, at_ns, f"has {order.filled_lots} lots booked, {traded} traded")
        if order.filled_lots < sent.booked_lots:
            self._say("I8", intent, at_ns, f"fell from {sent.booked_lots} to {order.filled_lots} booked lots")
        sent.booked_lots = order.filled_lots
        if order.live:
            return
        open_lots = self._truth.may_fill_lots(sent)
        if open_lots or order.filled_lots != traded:
            self._say("R3", intent, at_ns, f"counts as {order.state.value} with {order.filled_lots} lots; at the venue "
                                           f"{traded} are filled and {open_lots} may still")
        del self.live[order_id]

    def at_rest(self, at_ns: int, engine: Engine) -> None:
        """I2, I8, I20 once nothing may be out any more: one create per id, every intent finished or alerted."""
        for venue in self._truth.exchange.venues:
            for order_id, count in self._truth.exchange.account(venue).creates.items():
                if not is_ours(order_id):
                    continue
                if count > 1:
                    self._breaches.add("I2", order_id, at_ns, f"{count} creates of {order_id} reached {venue}")
                if order_id not in self.sent:
                    self._breaches.add("I1", order_id, at_ns, f"{venue} has {order_id}, which was never sent")
        for sent in self.sent.values():
            order = engine.state.orders.get(sent.intent.order_id)
            if order is None:
                continue  # forgotten after some days, when it was long over
            known = self._truth.order(sent.intent.venue, sent.intent.order_id)
            if order.filled_lots != (known.filled_lots if known is not None else 0):
                self._say("I8", sent.intent, at_ns, f"ends with {order.filled_lots} lots booked")
        for order_id in engine.state.live_orders:
            order = engine.state.orders[order_id]
            if not order.alerted:
                self._say("I20", order.intent, at_ns, f"is still {order.state.value} since "
                                                      f"{(at_ns - order.sent_ns) / NS_PER_S:.0f} s, not alerted")

    def unknown(self, engine: Engine) -> bool:
        """Whether an order's outcome is unknown to us now."""
        return any(engine.state.orders[order_id].state is OrderState.UNKNOWN for order_id in engine.state.live_orders)

    def quiet_at(self, venue: Venue) -> bool:
        """No order of ours is out at the venue."""
        return all(sent.intent.venue != venue for sent in self.live.values())

    def _say(self, invariant: str, intent: OrderIntent, at_ns: int, what: str) -> None:
        self._breaches.add(invariant, intent.order_id, at_ns,
                           f"order {intent.order_id} ({intent.purpose} {intent.side.name.lower()} "
                           f"{intent.instrument} for {intent.owner}) {what}")
