"""The fate of one request between us and a venue: every kind is drawn, the gravest wins.

What a gateway says plainly (429, 418, maintenance, a refused key, busy) proves that nothing was booked. A 5xx or a body
that cannot be read proves nothing: the request may have gone through behind it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.events import ErrorClass
from bot.domain.values import NS_PER_S, Venue
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults

OPERATIONS: Final = ("submit", "cancel", "query", "account")
VALIDITY_NS: Final = 5 * NS_PER_S
"""A request that comes later than this is not booked where the venue has a validity window."""
_RETRY_S_MAX: Final = 10.0
"""The longest wait that a 429 asks for."""
_UNREADABLE: Final = (
    (FaultKind.HTML_BODY, "<html><head><title>502 Bad Gateway"), (FaultKind.EMPTY_BODY, "empty body"),
    (FaultKind.GARBLED_BODY, "200, not JSON: {\"orderId\": 8389"),
)


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one request."""

    arrives: bool = True
    answered: bool = True
    late_ns: int = 0
    error: ErrorClass | None = None
    """Answered at once with this instead of the venue's own answer."""
    why: str = ""
    retry_after_s: float | None = None


UNHARMED: Final = Fate()


def fate_of(faults: Faults, venue: Venue, operation: str, at_ns: int) -> Fate:
    """What becomes of a create (`submit`), a `cancel`, or a read (`query`, `account`)."""
    if faults.plan.strikes:
        blocked = _by_window(faults, venue, operation, at_ns)
        if blocked is not None:
            return blocked
    if not faults.active:
        return UNHARMED
    return _read_fate(faults, venue, operation, at_ns) if operation in ("query", "account") \
        else _order_fate(faults, venue, operation, at_ns)


def _by_window(faults: Faults, venue: Venue, operation: str, at_ns: int) -> Fate | None:
    ban = faults.during(FaultKind.BANNED, venue, at_ns)
    if ban is not None:
        faults.count(FaultKind.BANNED)
        left_s = round((ban.end_ns - at_ns) / NS_PER_S, 3)
        return _said(ErrorClass.BANNED, "418: address banned", left_s)
    storm = faults.during(FaultKind.RATE_STORM, venue, at_ns)
    if storm is not None and faults.lossy(FaultKind.RATE_STORM, venue, operation, storm.size):
        return _said(ErrorClass.RATE_LIMIT, "429: too many requests", 1.0 + storm.draw * _RETRY_S_MAX)
    if operation == "submit" and faults.during(FaultKind.MAINTENANCE, venue, at_ns) is not None:
        faults.count(FaultKind.MAINTENANCE)
        return _said(ErrorClass.MAINTENANCE, "cancel only: maintenance")
    reads = operation in ("query", "account")
    if reads and faults.during(FaultKind.READS_DOWN, venue, at_ns) is not None:
        faults.count(FaultKind.READS_DOWN)
        return _said(ErrorClass.SERVER, "503: reads are not served")
    if not reads and faults.during(FaultKind.ANSWERS_LOST, venue, at_ns) is not None:
        faults.count(FaultKind.ANSWERS_LOST)
        return Fate(answered=False)
    return None


def _order_fate(faults: Faults, venue: Venue, operation: str, at_ns: int) -> Fate:
    busy = operation == "submit" and faults.hits(FaultKind.REJECTED, venue, operation, at_ns)
    slower = faults.draw(FaultKind.RATE_LIMITED, venue, operation, at_ns)
    lost = faults.hits(FaultKind.LOST_REQUEST, venue, operation, at_ns)
    server = faults.draw(FaultKind.SERVER_ERROR, venue, operation, at_ns)
    unreadable = _unreadable(faults, venue, operation, at_ns)
    late_ns = faults.span_ns(FaultKind.LATE_BOOKING, venue, operation, at_ns)
    if operation == "submit" and venue in faults.plan.no_validity:
        very_late_ns = faults.span_ns(FaultKind.VERY_LATE_BOOKING, venue, operation, at_ns)
        late_ns = very_late_ns + VALIDITY_NS if very_late_ns else late_ns
    unanswered = faults.hits(FaultKind.LOST_ANSWER, venue, operation, at_ns)
    if busy:
        return _said(ErrorClass.REFUSED, "the venue is busy")
    if slower is not None:
        return _said(ErrorClass.RATE_LIMIT, "429: too many requests", 1.0 + slower * _RETRY_S_MAX)
    if lost:
        return Fate(arrives=False, answered=False)
    if server is not None:
        return Fate(server < 0.5, False, late_ns, ErrorClass.SERVER, "503: execution status unknown")
    if unreadable:
        return Fate(True, False, late_ns, ErrorClass.UNREADABLE, unreadable)
    return Fate(answered=not unanswered, late_ns=late_ns)


def _read_fate(faults: Faults, venue: Venue, operation: str, at_ns: int) -> Fate:
    lost = faults.hits(FaultKind.READ_FAILURE, venue, operation, at_ns)
    slower = faults.draw(FaultKind.RATE_LIMITED, venue, operation, at_ns)
    server = faults.hits(FaultKind.SERVER_ERROR, venue, operation, at_ns)
    unreadable = _unreadable(faults, venue, operation, at_ns)
    if lost:
        return Fate(arrives=False, answered=False)
    if slower is not None:
        return _said(ErrorClass.RATE_LIMIT, "429: too many requests", 1.0 + slower * _RETRY_S_MAX)
    if server:
        return _said(ErrorClass.SERVER, "500")
    return _said(ErrorClass.UNREADABLE, unreadable) if unreadable else UNHARMED


def _unreadable(faults: Faults, venue: Venue, operation: str, at_ns: int) -> str:
    found = ""
    for kind, body in _UNREADABLE:
        if faults.hits(kind, venue, operation, at_ns):
            found = body
    return found


def _said(error: ErrorClass, why: str, retry_after_s: float | None = None) -> Fate:
    """The gateway answers itself; the venue never sees the request."""
    return Fate(arrives=False, answered=False, error=error, why=why, retry_after_s=retry_after_s)
