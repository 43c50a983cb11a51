"""What can go wrong between us and a venue, drawn by plan: each kind from a stream of its own per venue and operation.

Taking one kind out of a plan leaves every other draw as it was, so a failing run can be shrunk kind by kind.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import Venue
from bot.venues.simulated.streams import Streams

_NS_PER_S: Final = 1_000_000_000


class FaultKind(Enum):
    """The kinds of faults; `FaultRates` has a probability for each but `VENUE_DOWN`, which stands in the plan."""

    LOST_ANSWER = "lost_answer"
    LOST_REQUEST = "lost_request"
    LATE_BOOKING = "late_booking"
    REJECTED = "rejected"
    DELAYED_ANSWER = "delayed_answer"
    DUPLICATED = "duplicated"
    DROPPED_EVENT = "dropped_event"
    READ_FAILURE = "read_failure"
    VENUE_DOWN = "venue_down"


class FaultRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probability of each fault per opportunity (a request, an answer, a private event).

    Raises:
        ConfigRefused: a probability outside [0, 1], a negative time.
    """

    lost_answer: float = 0.0
    """Booked, but the answer never comes: unknown after the time limit."""
    lost_request: float = 0.0
    """Never booked: unknown after the time limit."""
    late_booking: float = 0.0
    """A create or cancel is booked up to `late_booking_s_max` later."""
    rejected: float = 0.0
    """The venue is busy and says no."""
    delayed_answer: float = 0.0
    """Any event towards us comes up to `delay_s_max` later, overtaken by others."""
    duplicated: float = 0.0
    """Any order or trade event comes twice."""
    dropped_event: float = 0.0
    """An event of the private stream never comes; the books have it."""
    read_failure: float = 0.0
    """A read gets no usable answer."""
    late_booking_s_max: float = 4.5
    """Below 5 s: inside the validity window of a request."""
    delay_s_max: float = 10.0

    def __post_init__(self) -> None:
        shares = (self.lost_answer, self.lost_request, self.late_booking, self.rejected, self.delayed_answer,
                  self.duplicated, self.dropped_event, self.read_failure)
        if not all(0 <= share <= 1 for share in shares):
            raise ConfigRefused("faults: every rate must be in [0, 1]")
        if not (0 <= self.late_booking_s_max < 3600 and 0 <= self.delay_s_max < 3600):
            raise ConfigRefused("faults: late_booking_s_max and delay_s_max must be in [0, 3600)")


class DownWindow(msgspec.Struct, frozen=True, array_like=True):
    """A venue that cannot be reached in [start_ns, end_ns); it goes on matching."""

    venue: Venue
    start_ns: int
    end_ns: int


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which faults, and when: only requests and events of [start_ns, end_ns) are hit."""

    rates: FaultRates = FaultRates()
    start_ns: int = 0
    end_ns: int = 0
    downs: tuple[DownWindow, ...] = ()


class RequestFate(msgspec.Struct, frozen=True):
    """What becomes of one request."""

    arrives: bool = True
    answered: bool = True
    late_ns: int = 0
    rejected: bool = False


UNHARMED: Final = RequestFate()


class Faults:
    """Draws a plan's faults and counts how often each kind happened."""

    def __init__(self, plan: FaultPlan, streams: Streams) -> None:
        self.plan = plan
        self.counts: dict[str, int] = {}
        self._streams = streams
        self._active = plan.rates != FaultRates() and plan.end_ns > plan.start_ns

    def hits(self, kind: FaultKind, venue: Venue, operation: str, at_ns: int) -> bool:
        """Whether this fault happens now; counted if so."""
        rate: float = getattr(self.plan.rates, kind.value)
        if not self._active or rate <= 0 or not self.plan.start_ns <= at_ns < self.plan.end_ns:
            return False
        hit = self._streams.uniform(f"fault:{venue}:{operation}:{kind.value}") < rate
        if hit:
            self.count(kind)
        return hit

    def count(self, kind: FaultKind) -> None:
        """Note that a fault happened."""
        self.counts[kind.value] = self.counts.get(kind.value, 0) + 1

    def fate(self, venue: Venue, operation: str, at_ns: int) -> RequestFate:
        """What becomes of a create (`submit`) or `cancel`; every kind is drawn, the gravest wins."""
        if not self._active:
            return UNHARMED
        rejected = operation == "submit" and self.hits(FaultKind.REJECTED, venue, operation, at_ns)
        lost = self.hits(FaultKind.LOST_REQUEST, venue, operation, at_ns)
        late = self.hits(FaultKind.LATE_BOOKING, venue, operation, at_ns)
        unanswered = self.hits(FaultKind.LOST_ANSWER, venue, operation, at_ns)
        late_ns = self._span_ns(f"{venue}:{operation}:late", self.plan.rates.late_booking_s_max) if late else 0
        return RequestFate(arrives=not (lost or rejected), answered=not unanswered, late_ns=late_ns, rejected=rejected)

    def delay_ns(self, venue: Venue, operation: str, at_ns: int) -> int:
        """Extra time an event towards us takes; 0 if it is not hit."""
        if not self.hits(FaultKind.DELAYED_ANSWER, venue, operation, at_ns):
            return 0
        return self._span_ns(f"{venue}:{operation}:delay", self.plan.rates.delay_s_max)

    def repeat_ns(self, venue: Venue, operation: str, at_ns: int) -> int:
        """How much later the same event comes again; 0 if it is not hit."""
        if not self.hits(FaultKind.DUPLICATED, venue, operation, at_ns):
            return 0
        return 1 + self._span_ns(f"{venue}:{operation}:repeat", self.plan.rates.delay_s_max)

    def down(self, venue: Venue, at_ns: int) -> bool:
        """Whether the venue cannot be reached."""
        return any(down.venue == venue and down.start_ns <= at_ns < down.end_ns for down in self.plan.downs)

    def _span_ns(self, name: str, most_s: float) -> int:
        return int(self._streams.uniform(f"fault:{name}") * most_s * _NS_PER_S)
