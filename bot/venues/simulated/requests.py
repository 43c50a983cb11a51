"""The way from us to a venue: latency, and the faults that lose, delay or refuse a request."""

from __future__ import annotations

from typing import Final

from bot.domain.commands import ArmDeadMan, CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.events import (
    AccountEvent,
    CancelFailed,
    ErrorClass,
    OrderRejected,
    OrderUnknown,
    ReadFailed,
    RejectReason,
    TransferEnded,
)
from bot.domain.values import ZERO, Nanos, Venue
from bot.venues.simulated.delivery import DeliveryRoute
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults
from bot.venues.simulated.gateway import Fate, fate_of
from bot.venues.simulated.latency import NS_PER_MS, Latency
from bot.venues.simulated.params import SimulatedParams
from bot.venues.simulated.pending import ARRIVAL_RANK, Arrival, Pending, Request

_OPERATION: Final = {SubmitOrder: "submit", CancelOrder: "cancel", QueryOrder: "query", ReadAccount: "account"}
_PROVEN: Final = {
    ErrorClass.REFUSED: RejectReason.BUSY, ErrorClass.RATE_LIMIT: RejectReason.RATE_LIMIT,
    ErrorClass.BANNED: RejectReason.BANNED, ErrorClass.MAINTENANCE: RejectReason.MAINTENANCE,
    ErrorClass.AUTH: RejectReason.AUTH,
}
"""A create answered so was not booked for certain."""
Answered = SubmitOrder | CancelOrder | QueryOrder | ReadAccount | Transfer


def venue_of(request: Request) -> Venue:
    """The venue that has to act."""
    match request:
        case SubmitOrder():
            return request.order.intent.venue
        case Transfer():
            return request.venue_from
        case _:
            return request.venue


class RequestRoute:
    """Puts requests into the pending heap, each with its fate; a request without an answer times out as unknown."""

    def __init__(self, params: SimulatedParams, pending: Pending, latency: Latency, faults: Faults,
                 back: DeliveryRoute) -> None:
        self._timeout_ns = round(params.request_timeout_ms * NS_PER_MS)
        self._pending = pending
        self._latency = latency
        self._faults = faults
        self._back = back

    def send(self, at_ns: Nanos, request: Request) -> None:
        """A request leaves us."""
        venue = venue_of(request)
        if self._faults.plan.strikes and self._faults.down(venue, at_ns):
            self._faults.count(FaultKind.VENUE_DOWN)
            if not isinstance(request, ArmDeadMan):  # unanswered at the best of times
                self._time_out(at_ns, request, "venue cannot be reached", ErrorClass.UNREACHABLE)
        elif isinstance(request, Transfer):
            # one that is lost nobody ever hears of: its cash is still where it was
            if not self._faults.hits(FaultKind.TRANSFER_LOST, venue, "transfer", at_ns):
                self._arrives(at_ns, venue, request, Fate())
        elif isinstance(request, ArmDeadMan):
            self._arrives(at_ns, venue, request, Fate())
        else:
            self._meet(at_ns, venue, request, fate_of(self._faults, venue, _OPERATION[type(request)], at_ns))

    def transfer_fate(self, at_ns: Nanos, transfer: Transfer) -> tuple[int, bool]:
        """How much later a transfer lands, and whether it comes back instead."""
        back_ns = self._faults.span_ns(FaultKind.TRANSFER_RETURNED, transfer.venue_from, "transfer", at_ns)
        late_ns = self._faults.span_ns(FaultKind.TRANSFER_DELAYED, transfer.venue_from, "transfer", at_ns)
        return back_ns or late_ns, bool(back_ns)

    def _meet(self, at_ns: Nanos, venue: Venue, request: Answered, fate: Fate) -> None:
        if fate.arrives:
            self._arrives(at_ns, venue, request, fate)
        if fate.error is not None:
            due = Nanos(self._latency.returns(venue, self._latency.arrives(venue, at_ns)))
            self._back.push(_failed(due, request, fate.why, fate.error, fate.retry_after_s), due)
        elif not fate.answered or fate.late_ns >= self._timeout_ns:
            self._time_out(at_ns, request, "no answer in time", ErrorClass.TIMEOUT)

    def _arrives(self, at_ns: Nanos, venue: Venue, request: Request, fate: Fate) -> None:
        arrives = self._latency.arrives(venue, at_ns)
        self._pending.push(Nanos(arrives + fate.late_ns), ARRIVAL_RANK, venue, Arrival(request, fate.answered))

    def _time_out(self, at_ns: Nanos, request: Answered, why: str, error: ErrorClass) -> None:
        due = Nanos(at_ns + self._timeout_ns)
        self._back.push(_failed(due, request, why, error, None), due, own=True)


def _failed(at_ns: Nanos, request: Answered, why: str, error: ErrorClass, retry_after_s: float | None) -> AccountEvent:
    """What we know of a request that got no answer of the venue's own."""
    match request:
        case SubmitOrder():
            intent = request.order.intent
            reason = _PROVEN.get(error)
            if reason is not None:
                return OrderRejected(at_ns, intent.venue, intent.order_id, reason, why, retry_after_s)
            return OrderUnknown(at_ns, intent.venue, intent.order_id, why, error, retry_after_s)
        case CancelOrder():
            return CancelFailed(at_ns, request.venue, request.order_id, why, error, retry_after_s)
        case QueryOrder():
            return ReadFailed(at_ns, request.venue, request.order_id, why, error, retry_after_s)
        case ReadAccount():
            return ReadFailed(at_ns, request.venue, request.request_id, why, error, retry_after_s)
        case Transfer():
            return TransferEnded(at_ns, request.venue_to, request.transfer_id, False, ZERO, why)
