"""How long a message is under way. Messages of one venue and one way arrive in the order in which they left."""

from __future__ import annotations

from bot.domain.values import Nanos, Venue
from bot.venues.simulated.params import SimulatedParams
from bot.venues.simulated.streams import Streams

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Latency:
    """Arrival times to and from the venues, with optional jitter that never reorders."""

    def __init__(self, params: SimulatedParams, streams: Streams) -> None:
        self._out_ns = round(params.latency_out_ms * NS_PER_MS)
        self._back_ns = round(params.latency_back_ms * NS_PER_MS)
        self._jitter_ns = params.latency_jitter_ms * NS_PER_MS
        self._streams = streams
        self.last_ns: dict[str, int] = {}

    def arrives(self, venue: Venue, sent_ns: int) -> Nanos:
        """When a request sent at `sent_ns` reaches the venue."""
        return self._ordered(f"latency:out:{venue}", sent_ns + self._out_ns)

    def returns(self, venue: Venue, booked_ns: int) -> Nanos:
        """When what the venue booked at `booked_ns` reaches us."""
        return self._ordered(f"latency:back:{venue}", booked_ns + self._back_ns)

    def _ordered(self, way: str, at_ns: int) -> Nanos:
        if self._jitter_ns:
            at_ns += int(self._streams.uniform(way) * self._jitter_ns)
        at_ns = max(at_ns, self.last_ns.get(way, at_ns))
        self.last_ns[way] = at_ns
        return Nanos(at_ns)
