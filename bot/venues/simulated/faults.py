"""What goes wrong between us and a venue, drawn by plan: each kind from a stream of its own per venue and operation.

Taking one kind, or one single hit, out of a plan leaves every other draw as it was, so a failing run can be shrunk.
"""

from __future__ import annotations

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_S, Venue
from bot.venues.simulated.fault_kinds import ROW_OF, FaultKind, Shape
from bot.venues.simulated.streams import Streams


class FaultRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probability of each fault per opportunity (a request, an answer, a private event).

    Raises:
        ConfigRefused: a probability outside [0, 1], a negative or endless size, a kind that is no chance.
    """

    shares: dict[FaultKind, float] = {}
    sizes: dict[FaultKind, float] = {}
    """Instead of the kind's own `size_max`."""

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self.shares.values()):
            raise ConfigRefused("faults: every rate must be in [0, 1]")
        if not all(0 <= size < 3600 for size in self.sizes.values()):
            raise ConfigRefused("faults: every size must be in [0, 3600)")
        for kind in self.shares:
            if ROW_OF[kind].shape is not Shape.CHANCE:
                raise ConfigRefused(f"faults: {kind.value} stands in a plan as a strike, it has no rate")

    @classmethod
    def of(cls, sizes: dict[FaultKind, float] | None = None, /, **shares: float) -> FaultRates:
        """Rates by the kinds' names."""
        return cls(shares={FaultKind(name): share for name, share in shares.items()}, sizes=sizes or {})


class Strike(msgspec.Struct, frozen=True, array_like=True):
    """One planned window [at_ns, end_ns), or one instant (`end_ns` = `at_ns`)."""

    kind: FaultKind
    at_ns: int
    end_ns: int
    venue: Venue = Venue("")
    """Empty: it strikes the whole process."""
    size: float = 0.0
    """How far it goes, as its kind understands it."""
    draw: float = 0.0
    """In [0, 1): picks which instrument, order or side."""


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which faults, and when: chances are drawn in [start_ns, end_ns), strikes have instants of their own."""

    rates: FaultRates = FaultRates()
    start_ns: int = 0
    end_ns: int = 0
    strikes: tuple[Strike, ...] = ()
    no_validity: tuple[Venue, ...] = ()
    """Venues whose requests never grow too old: what comes 40 s late is booked all the same."""
    chosen: tuple[str, ...] | None = None
    """Exactly these hits (by `Faults.hit_names`) instead of chances: what shrinking a failing run leaves."""


class Faults:
    """Draws a plan's faults and counts how often each kind happened."""

    def __init__(self, plan: FaultPlan, streams: Streams) -> None:
        self.plan = plan
        self.counts: dict[str, int] = {}
        self.hit_names: list[str] = []
        """Every hit of a chance so far, in order: venue, operation, kind, and which draw of that stream it was."""
        self._streams = streams
        self._chosen = None if plan.chosen is None else frozenset(plan.chosen)
        self.active = plan.end_ns > plan.start_ns and bool(plan.rates.shares or plan.chosen)
        self._windows: dict[tuple[FaultKind, Venue], tuple[Strike, ...]] = {}
        for strike in plan.strikes:
            key = (strike.kind, strike.venue)
            self._windows[key] = (*self._windows.get(key, ()), strike)

    def draw(self, kind: FaultKind, venue: Venue, operation: str, at_ns: int) -> float | None:
        """Whether this fault happens now, counted if so: a draw in [0, 1) that says how far it goes, else None."""
        if not self.active or not self.plan.start_ns <= at_ns < self.plan.end_ns:
            return None
        rate = self.plan.rates.shares.get(kind, 0.0)
        if rate <= 0:
            return None
        stream = f"fault:{venue}:{operation}:{kind.value}"
        number = self._streams.counts.get(stream, 0)
        hit = self._streams.uniform(stream) < rate
        name = f"{venue}:{operation}:{kind.value}#{number}"
        if self._chosen is not None:
            hit = hit and name in self._chosen
        if not hit:
            return None
        self.hit_names.append(name)
        self.count(kind)
        return self._streams.keyed(f"{stream}:size", number)

    def hits(self, kind: FaultKind, venue: Venue, operation: str, at_ns: int) -> bool:
        """Whether this fault happens now; counted if so."""
        return self.draw(kind, venue, operation, at_ns) is not None

    def span_ns(self, kind: FaultKind, venue: Venue, operation: str, at_ns: int) -> int:
        """How long this fault delays something now; 0 if it does not happen."""
        drawn = self.draw(kind, venue, operation, at_ns)
        return 0 if drawn is None else max(int(drawn * self.size_max(kind) * NS_PER_S), 1)

    def size_max(self, kind: FaultKind) -> float:
        """The most this kind goes to, in its own unit."""
        return self.plan.rates.sizes.get(kind, ROW_OF[kind].size_max)

    def count(self, kind: FaultKind) -> None:
        """Note that a fault happened."""
        self.counts[kind.value] = self.counts.get(kind.value, 0) + 1

    def during(self, kind: FaultKind, venue: Venue, at_ns: int) -> Strike | None:
        """The window of this kind that holds now at a venue (empty: of the process), if one does."""
        for strike in self._windows.get((kind, venue), ()):
            if strike.at_ns <= at_ns < strike.end_ns:
                return strike
        return None

    def down(self, venue: Venue, at_ns: int) -> bool:
        """Whether the venue cannot be reached."""
        return self.during(FaultKind.VENUE_DOWN, venue, at_ns) is not None

    def lossy(self, kind: FaultKind, venue: Venue, operation: str, share: float) -> bool:
        """Within a window of this kind: whether it strikes here, for so large a share of all; counted if so."""
        if self._streams.uniform(f"fault:{venue}:{operation}:{kind.value}") >= share:
            return False
        self.count(kind)
        return True
