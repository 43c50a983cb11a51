"""The way from us to a venue: latency, and the faults that lose, delay or refuse a request."""

from __future__ import annotations

from bot.domain.commands import CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.events import (
    AccountEvent,
    CancelFailed,
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
from bot.venues.simulated.latency import NS_PER_MS, Latency
from bot.venues.simulated.params import SimulatedParams
from bot.venues.simulated.pending import ARRIVAL_RANK, Arrival, Pending, Request


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
            self._time_out(at_ns, request, "venue cannot be reached")
            return
        match request:
            case SubmitOrder() | CancelOrder():
                self._send_order_request(at_ns, venue, request)
            case QueryOrder() | ReadAccount():
                operation = "query" if isinstance(request, QueryOrder) else "account"
                if self._faults.hits(FaultKind.READ_FAILURE, venue, operation, at_ns):
                    self._time_out(at_ns, request, "no usable answer")
                else:
                    self._arrives(at_ns, venue, request)
            case _:
                self._arrives(at_ns, venue, request)

    def _send_order_request(self, at_ns: Nanos, venue: Venue, request: SubmitOrder | CancelOrder) -> None:
        operation = "submit" if isinstance(request, SubmitOrder) else "cancel"
        fate = self._faults.fate(venue, operation, at_ns)
        if fate.rejected and isinstance(request, SubmitOrder):
            refused = Nanos(self._latency.returns(venue, self._latency.arrives(venue, at_ns)))
            self._back.push(OrderRejected(refused, venue, request.order.intent.order_id, RejectReason.OTHER,
                                          "the venue is busy"), refused)
            return
        answered = fate.arrives and fate.answered
        if fate.arrives:
            self._arrives(at_ns, venue, request, fate.late_ns, answered)
        if not answered or fate.late_ns >= self._timeout_ns:
            self._time_out(at_ns, request, "no answer in time")

    def _arrives(self, at_ns: Nanos, venue: Venue, request: Request, late_ns: int = 0, answered: bool = True) -> None:
        arrives = self._latency.arrives(venue, at_ns)
        self._pending.push(Nanos(arrives + late_ns), ARRIVAL_RANK, venue, Arrival(request, answered))

    def _time_out(self, at_ns: Nanos, request: Request, why: str) -> None:
        due = Nanos(at_ns + self._timeout_ns)
        self._back.push(_unanswered(due, request, why), due, own=True)


def _unanswered(at_ns: Nanos, request: Request, why: str) -> AccountEvent:
    """What we say to ourselves when a request got no answer."""
    match request:
        case SubmitOrder():
            intent = request.order.intent
            return OrderUnknown(at_ns, intent.venue, intent.order_id, why)
        case CancelOrder():
            return CancelFailed(at_ns, request.venue, request.order_id, why)
        case QueryOrder():
            return ReadFailed(at_ns, request.venue, request.order_id, why)
        case ReadAccount():
            return ReadFailed(at_ns, request.venue, request.request_id, why)
        case Transfer():
            return TransferEnded(at_ns, request.venue_to, request.transfer_id, False, ZERO, why)
