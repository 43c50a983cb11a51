"""The way back from a venue to us: latency, and the faults that lose, delay or double what was said."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.events import (
    EVENT_RANK,
    AccountEvent,
    AccountReport,
    CancelFailed,
    CashMoved,
    ErrorClass,
    Fill,
    ForcedFill,
    FundingPaid,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderUnknown,
    ReadFailed,
    TransferEnded,
)
from bot.domain.values import Nanos, Venue
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults
from bot.venues.simulated.latency import Latency
from bot.venues.simulated.pending import Delivery, Pending

_AT_ONCE: Final = (FundingPaid, ForcedFill, CashMoved)
"""Told at the instant of the booking, ahead of its acks and fills (`EVENT_RANK`)."""
_DROPPABLE: Final = (Fill, ForcedFill, FundingPaid, OrderClosed, TransferEnded)
_REPEATABLE: Final = (OrderAccepted, OrderRejected, OrderClosed, Fill, ForcedFill, FundingPaid)


class DeliveryRoute:
    """Puts events towards us into the pending heap, and says what is left of them when they are due."""

    def __init__(self, pending: Pending, latency: Latency, faults: Faults) -> None:
        self._pending = pending
        self._latency = latency
        self._faults = faults
        self.answer_lost = False
        """The answer to the request in hand never reaches us."""

    def tell(self, event: AccountEvent, answers: bool) -> None:
        """An event booked at `event.at_ns` sets out towards us."""
        venue, booked = event.venue, event.at_ns
        operation = type(event).__name__
        if answers and self.answer_lost:
            return
        if not answers and isinstance(event, _DROPPABLE) and self._dropped(venue, operation, booked):
            return
        due = booked if isinstance(event, _AT_ONCE) else self._latency.returns(venue, booked)
        if not isinstance(event, CashMoved):
            due = Nanos(due + self._faults.span_ns(FaultKind.DELAYED_ANSWER, venue, operation, booked)
                        + self._faults.span_ns(FaultKind.REORDERED, venue, operation, booked))
        self.push(event, due)
        again = 0
        if isinstance(event, _REPEATABLE):
            again = self._faults.span_ns(FaultKind.DUPLICATED, venue, operation, booked)
        elif isinstance(event, OrderReport | AccountReport):
            again = self._faults.span_ns(FaultKind.OLD_REPORT_AGAIN, venue, operation, booked)
        if again:
            self.push(event, Nanos(due + again))

    def _dropped(self, venue: Venue, operation: str, at_ns: int) -> bool:
        """Whether the private stream keeps this to itself."""
        faults = self._faults
        if faults.plan.strikes:
            for kind in (FaultKind.PRIVATE_DEAD, FaultKind.RECONNECT_GAP):
                if faults.during(kind, venue, at_ns) is not None:
                    faults.count(kind)
                    return True
            lossy = faults.during(FaultKind.PRIVATE_LOSSY, venue, at_ns)
            if lossy is not None and faults.lossy(FaultKind.PRIVATE_LOSSY, venue, operation, lossy.size):
                return True
        return faults.hits(FaultKind.DROPPED_EVENT, venue, operation, at_ns)

    def push(self, event: AccountEvent, due_ns: Nanos, own: bool = False) -> None:
        """Deliver an event at an instant, stamped with it; `own`: it does not come from a venue."""
        stamped = event if event.at_ns == due_ns else msgspec.structs.replace(event, at_ns=due_ns)
        self._pending.push(due_ns, EVENT_RANK[type(event)], event.venue, Delivery(stamped, own))

    def received(self, due: Delivery) -> AccountEvent | None:
        """What reaches us of an event that is due: while its venue is down, answers are unknown, the rest is lost."""
        event = due.event
        venue, at_ns = event.venue, event.at_ns
        if due.own or not self._faults.plan.strikes or not self._faults.down(venue, at_ns):
            return event
        why = "connection lost"
        match event:
            case OrderAccepted() | OrderRejected():
                self._faults.count(FaultKind.VENUE_DOWN)
                return OrderUnknown(at_ns, venue, event.order_id, why, ErrorClass.UNREACHABLE)
            case OrderReport():
                self._faults.count(FaultKind.VENUE_DOWN)
                return ReadFailed(at_ns, venue, event.order_id, why, ErrorClass.UNREACHABLE)
            case AccountReport():
                self._faults.count(FaultKind.VENUE_DOWN)
                return ReadFailed(at_ns, venue, event.request_id, why, ErrorClass.UNREACHABLE)
            case CancelFailed():
                self._faults.count(FaultKind.VENUE_DOWN)
                return CancelFailed(at_ns, venue, event.order_id, why, ErrorClass.UNREACHABLE)
            case CashMoved():
                return event
        self._faults.count(FaultKind.VENUE_DOWN)
        return None
