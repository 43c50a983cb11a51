"""Orders: from a wish through risk to a command, and every answer of a venue back into the order's state."""

from __future__ import annotations

import msgspec

from bot.domain.commands import AnyCommand, CancelOrder, QueryOrder, SubmitOrder
from bot.domain.events import (
    CancelFailed,
    ErrorClass,
    Fill,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
)
from bot.domain.orders import OrderIntent, Refusal, TimeInForce
from bot.domain.values import HEDGE, NS_PER_S, Nanos, OrderId, Owner, is_pair_owner
from bot.engine import breaker_desk, foreign, rate_desk, rejects
from bot.engine.exposure import exposure_of, order_key
from bot.engine.state import EngineState
from bot.engine.turn import Turn
from bot.execution import order_states
from bot.execution.order_ids import client_order_id
from bot.execution.order_states import Order, OrderState
from bot.execution.pair_moves import WantedOrder
from bot.portfolio.hedge_legs import HedgeLeg
from bot.risk import throttle
from bot.risk.limits import RUNAWAY, Shrunk, review


def place(turn: Turn, owner: Owner, wanted: WantedOrder, parent_id: str, lots_step: int = 1) -> bool:
    """Put a wish before risk; an approved order leaves with this step, perhaps at a smaller size. True if it does.

    Args:
        lots_step: what a smaller size must be a multiple of.
    """
    turn.state.session.orders_made += 1
    session = turn.state.session
    order_id = client_order_id(session.account, session.epoch, session.orders_made)
    intent = _intent(turn, owner, wanted, parent_id, order_id)
    verdict = review(intent, exposure_of(turn, intent, lots_step), turn.params.risk, turn.now_ns, session.epoch)
    if isinstance(verdict, Refusal):
        _refused(turn, verdict)
        return False
    if isinstance(verdict, Shrunk):
        turn.refusals.append(verdict.cut)
        verdict = verdict.order
        intent, wanted = verdict.intent, msgspec.structs.replace(wanted, lots=verdict.intent.quantity_lots)
    turn.state.orders[intent.order_id] = Order(intent=intent, sent_ns=turn.now_ns)
    turn.state.live_orders[intent.order_id] = None
    if not intent.reduces_owner:
        usd = _notional_usd(turn, wanted)
        turn.state.recent_opens.append((turn.now_ns, usd))
        throttle.note_open(turn.state.throttle, turn.now_ns, order_key(intent), usd)
    turn.commands.append(SubmitOrder(verdict))
    return True


def hedge_lots(turn: Turn, owner: Owner, wanted: WantedOrder, hedge: WantedOrder) -> int:
    """How many lots of its hedge risk would let follow an opening order: both legs are checked before either is sent.

    What binds is recorded as the hedge's own; 0: nothing of the pair leaves.
    """
    intent = _intent(turn, owner, hedge, "", OrderId(""))
    exposure = exposure_of(turn, intent)
    first_usd = _notional_usd(turn, wanted)
    same_venue = turn.venue_of(wanted.instrument) == intent.venue
    exposure = msgspec.structs.replace(
        exposure, gross_usd=exposure.gross_usd + first_usd,
        venue_gross_usd=exposure.venue_gross_usd + (first_usd if same_venue else 0.0),
    )
    verdict = review(intent, exposure, turn.params.risk, turn.now_ns, turn.state.session.epoch)
    if isinstance(verdict, Refusal):
        turn.refusals.append(verdict)
        return 0
    if isinstance(verdict, Shrunk):
        turn.refusals.append(verdict.cut)
        return verdict.order.intent.quantity_lots
    return hedge.lots


def _notional_usd(turn: Turn, wanted: WantedOrder) -> float:
    instrument = turn.instrument(wanted.instrument)
    return float(instrument.quantity(wanted.lots) * instrument.price(wanted.limit_ticks))


def _intent(turn: Turn, owner: Owner, wanted: WantedOrder, parent_id: str, order_id: OrderId) -> OrderIntent:
    instrument = turn.instrument(wanted.instrument)
    net = turn.ledger.net(wanted.instrument)
    size = instrument.quantity(wanted.lots)
    return OrderIntent(
        order_id=order_id, owner=owner, venue=instrument.venue, instrument=wanted.instrument, side=wanted.side,
        quantity_lots=wanted.lots, limit_price_ticks=wanted.limit_ticks, time_in_force=wanted.time_in_force,
        reduces_owner=wanted.reduces_owner,
        reduce_only=instrument.is_perp and wanted.reduces_owner and net * int(wanted.side) < 0 and size <= abs(net),
        parent_id=parent_id, purpose=wanted.purpose,
        data_age_ns=turn.now_ns - turn.state.market.quotes[wanted.instrument][0],
    )


def _refused(turn: Turn, refusal: Refusal) -> None:
    turn.refusals.append(refusal)
    if refusal.limit in RUNAWAY:
        text = f"{refusal.limit}: {refusal.value:g} above {refusal.allowed:g}"
        if turn.state.modes.halt(turn.reason("runaway", text, "operator: resume")):
            turn.alert("runaway", f"halted, {text}", page=True)


def cancel(turn: Turn, order: Order) -> None:
    """Ask the venue to cancel; the order stays live until the venue proves otherwise."""
    order.cancel_sent_ns = turn.now_ns
    intent = order.intent
    turn.commands.append(CancelOrder(intent.venue, intent.instrument, intent.order_id))


def cancel_all(turn: Turn, *, opening_only: bool = False) -> int:
    """Cancel every live order that may rest; how many were asked for."""
    asked = 0
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        if opening_only and order.intent.reduces_owner:
            continue
        cancel(turn, order)
        asked += 1
    return asked


# ------------------------------------------------------------------------------------------------------- answers


def on_accepted(turn: Turn, event: OrderAccepted) -> None:
    """The venue has it."""
    order = turn.state.orders.get(event.order_id)
    if order is not None:
        breaker_desk.on_taken(turn, event.venue)
        order_states.on_accepted(order, event)
        rests = order.state is OrderState.OPEN and order.intent.time_in_force is not TimeInForce.IOC
        if rests and order.cancel_sent_ns is not None:
            cancel(turn, order)  # the cancel may have come before the order, found nothing, and be over
        _settle(turn, order)


def on_rejected(turn: Turn, event: OrderRejected) -> None:
    """The venue refused it, and proved so."""
    order = turn.state.orders.get(event.order_id)
    if order is None:
        return
    if order.live:
        breaker_desk.on_reject(turn, event.venue, event.reason)
    order_states.on_rejected(order, event)
    rate_desk.heed(turn, event.venue, event.reason, event.retry_after_s, event.text)
    turn.note("order_rejected", order_id=event.order_id, instrument=order.intent.instrument,
              reason=event.reason.value, text=event.text[:200], purpose=order.intent.purpose)
    rejects.on_rejected(turn, order.intent.instrument, event)
    _settle(turn, order)


def on_unknown(turn: Turn, event: OrderUnknown) -> None:
    """A create whose outcome is not known: ask, never send again (R1, R2)."""
    rate_desk.heed(turn, event.venue, event.error, event.retry_after_s, event.why)
    order = turn.state.orders.get(event.order_id)
    if order is not None:
        if order.state is OrderState.SENT:  # told once; what a stream has told of meanwhile is not unknown
            breaker_desk.on_error(turn, event.venue, event.error, create=True)
        order_states.on_unknown(order, event, turn.params.execution)
        turn.note("order_unknown", order_id=event.order_id, instrument=order.intent.instrument, why=event.why[:200])
        turn.look(order.intent.owner)


def on_closed(turn: Turn, event: OrderClosed) -> None:
    """The venue says it is over."""
    order = turn.state.orders.get(event.order_id)
    if order is not None:
        breaker_desk.on_taken(turn, event.venue)
        order_states.on_closed(order, event, turn.params.execution)
        _settle(turn, order)


def on_cancel_failed(turn: Turn, event: CancelFailed) -> None:
    """Neither success nor failure of the order: ask what it is."""
    rate_desk.heed(turn, event.venue, event.error, event.retry_after_s, event.why)
    breaker_desk.on_error(turn, event.venue, event.error, create=False)
    order = turn.state.orders.get(event.order_id)
    if order is not None and order.live:
        order_states.doubt(order, event.at_ns, turn.params.execution)
        turn.look(order.intent.owner)


def on_report(turn: Turn, event: OrderReport) -> None:
    """A query was answered: its trades first, then its state."""
    breaker_desk.on_read(turn, event.venue)
    for fill in event.fills:
        on_fill(turn, fill)
    order = turn.state.orders.get(event.order_id)
    if order is not None:
        was_live = order.live
        order_states.on_report(order, event, turn.params.execution)
        if was_live and order.state is OrderState.NOT_PLACED:
            turn.note("order_not_placed", order_id=event.order_id, instrument=order.intent.instrument)
        if event.status is OrderStatus.OPEN and order.live and order.cancel_sent_ns is not None:
            cancel(turn, order)  # the cancel was refused or lost, and the order still rests (F20)
        _settle(turn, order)


def on_fill(turn: Turn, fill: Fill) -> None:
    """A trade of ours: booked once, at any age, for whoever owns the order."""
    if foreign.is_unknown(turn, fill.venue, fill.instrument):
        return
    order = turn.state.orders.get(fill.order_id)
    owner = order.intent.owner if order is not None else foreign.owner_of(fill.order_id)
    turn.revalue_owner(owner)
    turn.revalue(fill.instrument)
    instrument = turn.rules_then(fill)
    if not turn.ledger.apply_fill(fill, owner, instrument, turn.state.market.mid(fill.instrument)):
        return
    turn.state.venues[fill.venue].moved_ns = turn.now_ns
    turn.note("fill_booked", order_id=fill.order_id, instrument=fill.instrument, owner=owner,
              side=fill.side.name.lower(), quantity_base=instrument.quantity(fill.quantity_lots),
              price=instrument.price(fill.price_ticks), fee=fill.fee, fee_in_base=fill.fee_in_base, maker=fill.maker)
    if order is None:
        foreign.on_fill(turn, fill)
        return
    if not order.live and order.filled_lots + fill.quantity_lots > (order.closed_filled_lots or 0):
        turn.alert("late_fill", f"{fill.instrument}: order {fill.order_id} filled after it was {order.state.value}")
    order_states.on_fill(order, fill.quantity_lots, fill.at_ns)
    if (pair := turn.state.pairs.get(owner)) is not None:
        pair.fruitless = 0
    elif owner == HEDGE:
        turn.state.hedge.legs.setdefault(fill.instrument, HedgeLeg(instrument=fill.instrument)).fruitless = 0
    if order.filled_lots > order.intent.quantity_lots:
        turn.alert("overfill", f"{fill.instrument}: order {fill.order_id} filled {order.filled_lots} lots of "
                               f"{order.intent.quantity_lots}", page=True)
    _settle(turn, order)


def _settle(turn: Turn, order: Order) -> None:
    if not order.live:
        turn.state.live_orders.pop(order.intent.order_id, None)
    owner = order.intent.owner
    if is_pair_owner(owner) or owner == HEDGE:
        turn.look(owner)


# --------------------------------------------------------------------------------------------------------- doubt


def resolve_doubts(turn: Turn) -> None:
    """Ask after every order whose answer is lost or overdue; alert after 30 s and block the venue's opens."""
    params = turn.params.execution
    for order_id in tuple(turn.state.live_orders):
        order = turn.state.orders[order_id]
        if order.state is OrderState.SENT and turn.now_ns - order.sent_ns >= int(params.answer_overdue_s * NS_PER_S):
            breaker_desk.on_error(turn, order.intent.venue, ErrorClass.TIMEOUT, create=True)
            order.state = OrderState.UNKNOWN
            order_states.doubt(order, turn.now_ns, params)
            turn.look(order.intent.owner)
        if order.next_query_ns is not None and order.next_query_ns <= turn.now_ns:
            _ask(turn, order)
        doubt_ns = order.doubt_since_ns
        if doubt_ns is not None and not order.alerted and turn.now_ns - doubt_ns >= params.unknown_alert_s * NS_PER_S:
            order.alerted = True
            _alert_unknown(turn, order)
    _lift_unknown(turn)


def _ask(turn: Turn, order: Order) -> None:
    """Query an order in doubt; where the venue has no validity window it may still come, so it is cancelled too."""
    intent, params = order.intent, turn.params.execution
    calm_ns = turn.state.venues[intent.venue].reads_from_ns
    if calm_ns > turn.now_ns:
        order.next_query_ns = Nanos(calm_ns)
        return
    order_states.queried(order, turn.now_ns, params)
    if order.state is OrderState.UNKNOWN and intent.venue in params.venues_without_validity:
        turn.commands.append(CancelOrder(intent.venue, intent.instrument, intent.order_id))
    turn.commands.append(QueryOrder(intent.venue, intent.instrument, intent.order_id))


def _alert_unknown(turn: Turn, order: Order) -> None:
    intent = order.intent
    text = f"order {intent.order_id} ({intent.purpose}, {intent.instrument}) is {order.state.value} for 30 s"
    turn.alert("order_unresolved", text, page=True)
    reason = turn.reason("order_unresolved", text, "the venue's proof")
    turn.state.modes.block_venue(intent.venue, reason)


def _lift_unknown(turn: Turn) -> None:
    for venue, reasons in turn.state.modes.venues.items():
        if "order_unresolved" in reasons and not any(
            turn.state.orders[order_id].alerted and turn.state.orders[order_id].intent.venue == venue
            for order_id in turn.state.live_orders
        ):
            del reasons["order_unresolved"]


def next_doubt_ns(turn: Turn) -> Nanos | None:
    """When the next query, overdue answer or alert is due."""
    params = turn.params.execution
    due: int | None = None
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        times = []
        if order.next_query_ns is not None:
            times.append(int(order.next_query_ns))
        elif order.state is OrderState.SENT:
            times.append(order.sent_ns + int(params.answer_overdue_s * NS_PER_S))
        if order.doubt_since_ns is not None and not order.alerted:
            times.append(order.doubt_since_ns + int(params.unknown_alert_s * NS_PER_S))
        for at_ns in times:
            due = at_ns if due is None or at_ns < due else due
    return Nanos(due) if due is not None else None


def forget_old(turn: Turn) -> None:
    """Drop finished orders after some days; the ledger remembers their trades for ever."""
    kept_ns = int(turn.params.execution.orders_kept_days * 86_400 * NS_PER_S)
    old = [order_id for order_id, order in turn.state.orders.items()
           if not order.live and turn.now_ns - order.sent_ns > kept_ns]
    for order_id in old:
        del turn.state.orders[OrderId(order_id)]


def adopt_recorded(state: EngineState, command: AnyCommand, at_ns: Nanos) -> None:
    """An order on record that this build did not decide itself: it may live at the venue, so it is kept in doubt."""
    if isinstance(command, SubmitOrder) and command.order.intent.order_id not in state.orders:
        intent = command.order.intent
        state.orders[intent.order_id] = Order(intent=intent, sent_ns=at_ns)
        state.live_orders[intent.order_id] = None
