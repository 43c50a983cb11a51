"""The life of one order: what is sent, booked, unknown, finished. Unknown is a state, not an error (rules R1-R3)."""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from bot.domain.events import (
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
)
from bot.domain.orders import OrderIntent
from bot.domain.values import NS_PER_S, Nanos
from bot.execution.params import ExecutionParams


class OrderState(Enum):
    """Every state an order of ours can be in."""

    SENT = "sent"
    """Committed and handed to a sender; no answer yet."""
    OPEN = "open"
    UNKNOWN = "unknown"
    """A create may have left and nothing proves its outcome."""
    SETTLING = "settling"
    """The venue says it is finished; trades it counts are still missing here."""
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    """Proven absent: never booked, and its validity window is over."""


LIVE: Final = frozenset({OrderState.SENT, OrderState.OPEN, OrderState.UNKNOWN, OrderState.SETTLING})
_FINAL: Final = {
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELLED,
    OrderStatus.EXPIRED: OrderState.EXPIRED,
    OrderStatus.REJECTED: OrderState.REJECTED,
}


class Order(msgspec.Struct):
    """An order and what the venue has told us of it."""

    intent: OrderIntent
    sent_ns: Nanos
    state: OrderState = OrderState.SENT
    filled_lots: int = 0
    """Sum of the trades booked here; never falls."""
    closed_state: OrderState | None = None
    closed_filled_lots: int | None = None
    """What the venue counted when it closed the order."""
    doubt_since_ns: Nanos | None = None
    """Since when the order waits for proof (UNKNOWN, SETTLING, or an answer that is overdue)."""
    next_query_ns: Nanos | None = None
    query_delay_ns: int = 0
    cancel_sent_ns: Nanos | None = None
    alerted: bool = False
    reject: str = ""

    @property
    def live(self) -> bool:
        """Whether it may still fill at the venue, as far as we can prove."""
        return self.state in LIVE

    @property
    def remaining_lots(self) -> int:
        """What may still fill: nothing once it is finished."""
        return max(self.intent.quantity_lots - self.filled_lots, 0) if self.live else 0


def on_accepted(order: Order, event: OrderAccepted) -> None:
    """The venue has booked it. A late acknowledgement never reopens a finished order."""
    if order.state in (OrderState.SENT, OrderState.UNKNOWN):
        order.state = OrderState.OPEN
        _clear_doubt(order)


def on_rejected(order: Order, event: OrderRejected) -> None:
    """The venue proved non-acceptance; one that already traded was accepted after all."""
    if order.live and order.filled_lots == 0:
        order.state = OrderState.REJECTED
        order.reject = event.reason.value
        _clear_doubt(order)


def on_unknown(order: Order, event: OrderUnknown, params: ExecutionParams) -> None:
    """The answer is lost. The order stays live until something is proven."""
    if order.state in (OrderState.SENT, OrderState.OPEN):
        order.state = OrderState.UNKNOWN
        doubt(order, event.at_ns, params)


def on_closed(order: Order, event: OrderClosed, params: ExecutionParams) -> None:
    """The venue says it is finished; it is so here once the trades agree with the venue's count."""
    if order.live:
        _close(order, event.at_ns, _FINAL.get(event.status, OrderState.CANCELLED), event.filled_lots, params)


def on_fill(order: Order, quantity_lots: int, at_ns: Nanos) -> None:
    """One trade, already deduplicated by the ledger. Books at any age."""
    order.filled_lots += quantity_lots
    if order.state is OrderState.SENT or order.state is OrderState.UNKNOWN:
        order.state = OrderState.OPEN
    if order.state is OrderState.SETTLING and order.filled_lots >= (order.closed_filled_lots or 0):
        _finish(order)
    elif order.state is OrderState.OPEN and order.filled_lots >= order.intent.quantity_lots:
        order.state = OrderState.FILLED
        _clear_doubt(order)


def on_report(order: Order, event: OrderReport, params: ExecutionParams) -> None:
    """The answer to a query (its trades are booked before this is called). Absence needs proof (R3)."""
    if not order.live:
        return
    if event.found and event.status is not None:
        if event.status is OrderStatus.OPEN:
            if order.state is OrderState.SETTLING:
                return  # an older answer: the venue has closed it, its trades are still awaited
            order.state = OrderState.OPEN
            _clear_doubt(order)
        else:
            _close(order, event.at_ns, _FINAL[event.status], event.filled_lots, params)
        return
    taken_ns = event.at_ns if event.taken_ns is None else event.taken_ns
    provable = taken_ns >= provable_ns(order, params)
    if not event.found and event.sources >= 2 and provable and order.filled_lots == 0:
        order.state = OrderState.NOT_PLACED
        _clear_doubt(order)


def doubt(order: Order, at_ns: Nanos, params: ExecutionParams) -> None:
    """Start (or go on) asking the venue: first query after 0.5 s, then backing off to 10 s."""
    if order.doubt_since_ns is None:
        order.doubt_since_ns = at_ns
        order.query_delay_ns = int(params.unknown_first_query_s * NS_PER_S)
        order.next_query_ns = Nanos(at_ns + order.query_delay_ns)


def queried(order: Order, at_ns: Nanos, params: ExecutionParams) -> None:
    """A query has just been sent: plan the next, in case this one brings no proof.

    Backing off never passes the instant from which absence can be proven: a pair may be waiting for that proof.
    """
    order.query_delay_ns = min(order.query_delay_ns * 2, int(params.unknown_query_max_s * NS_PER_S))
    next_ns, proof_ns = at_ns + order.query_delay_ns, provable_ns(order, params)
    order.next_query_ns = Nanos(proof_ns if at_ns < proof_ns < next_ns else next_ns)


def provable_ns(order: Order, params: ExecutionParams) -> int:
    """From when on a venue's "not found" proves that this order was never booked (R3)."""
    endless = order.intent.venue in params.venues_without_validity
    after_s = params.absence_without_validity_s if endless else params.absence_after_s
    return order.sent_ns + int(after_s * NS_PER_S)


def _close(order: Order, at_ns: Nanos, state: OrderState, filled_lots: int, params: ExecutionParams) -> None:
    order.closed_state = state
    order.closed_filled_lots = max(filled_lots, order.closed_filled_lots or 0)
    if order.filled_lots >= order.closed_filled_lots:
        _finish(order)
        return
    if order.state is not OrderState.SETTLING:  # told again, it has been waiting since the first time
        order.state = OrderState.SETTLING
        order.doubt_since_ns = None
    doubt(order, at_ns, params)


def _finish(order: Order) -> None:
    full = order.filled_lots >= order.intent.quantity_lots
    order.state = OrderState.FILLED if full else (order.closed_state or OrderState.CANCELLED)
    _clear_doubt(order)


def _clear_doubt(order: Order) -> None:
    order.doubt_since_ns = None
    order.next_query_ns = None
    order.query_delay_ns = 0
