"""An order that takes: what it gets from the ladder of the present quote, level by level, and what becomes of it."""

from __future__ import annotations

from bot.domain.events import OrderAccepted, OrderRejected, OrderStatus, RejectReason
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import Nanos
from bot.venues.simulated.account import VenueOrder
from bot.venues.simulated.admission import reject_of
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.resting import join_queue


def arrive(desk: Desk, at_ns: Nanos, intent: OrderIntent, decided_ns: Nanos | None = None) -> None:
    """An order reaches the venue: rejected, or accepted and matched at once.

    One decided before its instrument's ticks or lots changed is off the new grid and refused.
    """
    if desk.account.find(intent.order_id) is not None:
        desk.account.repeats[intent.order_id] = desk.account.repeats.get(intent.order_id, 0) + 1
        desk.tell(OrderRejected(at_ns, desk.venue, intent.order_id, RejectReason.DUPLICATE_ID,
                                "this client id was used before"), True)
        return
    regridded_ns = desk.board.regridded_ns.get(intent.instrument)
    if decided_ns is not None and regridded_ns is not None and decided_ns <= regridded_ns:
        desk.tell(OrderRejected(at_ns, desk.venue, intent.order_id, RejectReason.PRECISION,
                                "price or size is off the grid: tick or lot has changed"), True)
        return
    order = VenueOrder(
        order_id=intent.order_id, instrument=intent.instrument, side=intent.side, quantity_lots=intent.quantity_lots,
        limit_price_ticks=intent.limit_price_ticks, time_in_force=intent.time_in_force, reduce_only=intent.reduce_only,
        arrived_ns=at_ns, number=desk.account.arrivals)
    reject = reject_of(desk, intent)
    if reject is not None:
        order.status = OrderStatus.REJECTED
        desk.account.file(order)
        desk.tell(OrderRejected(at_ns, desk.venue, intent.order_id, *reject), True)
        return
    desk.account.file(order)
    desk.tell(OrderAccepted(at_ns, desk.venue, intent.order_id), True)
    if order.time_in_force is not TimeInForce.POST_ONLY:
        take(desk, at_ns, order)
    settle(desk, at_ns, order)
    if order.status is OrderStatus.OPEN:
        join_queue(desk, order)


def take(desk: Desk, at_ns: Nanos, order: VenueOrder) -> None:
    """Take what the limit reaches, best level first; what is taken is gone until the next quote."""
    for price, lots in desk.board.levels(order.instrument, order.side):
        if (price - order.limit_price_ticks) * order.side > 0:
            return
        taken = desk.lots_allowed(order, min(lots, order.open_lots))
        if taken <= 0:
            return
        desk.board.take(order.instrument, price, taken)
        desk.fill(at_ns, order, taken, price, maker=False)


def settle(desk: Desk, at_ns: Nanos, order: VenueOrder) -> None:
    """After matching: filled, expired, or still open."""
    if order.open_lots == 0:
        desk.close(at_ns, order, OrderStatus.FILLED)
    elif order.time_in_force is TimeInForce.IOC or desk.lots_allowed(order, 1) == 0:
        desk.close(at_ns, order, OrderStatus.EXPIRED)
    if order.filled_lots:
        desk.drop_idle_reduce_only(at_ns, order.instrument)
