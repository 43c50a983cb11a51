"""Circuit breakers: too many errors of one class within a window open it; a cool-down and a probe close it again.

One breaker counts one class of errors of one venue. Closed, it only counts. Open, nothing new is sent there. After the
cool-down it is half open: the first error opens it again, for twice as long, and the first good answer closes it.
"""

from __future__ import annotations

import msgspec

from bot.domain.values import NS_PER_S, Nanos

UNKNOWN = "unknown"
"""Creates whose outcome nobody knows."""
UNAVAILABLE = "unavailable"
"""Reads and cancels without a usable answer."""
RATE = "rate"
"""The venue says: too many requests."""
REFUSED = "refused_"
"""Orders refused for one and the same reason, which follows."""


class BreakerParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many errors of one class a venue may answer with before nothing is opened there."""

    window_s: float = 300.0
    """Errors of one class count together for so long."""
    unknown_max: int = 8
    """So many creates without a known outcome within the window open the breaker."""
    unavailable_max: int = 25
    """So many reads and cancels without a usable answer ..."""
    rate_max: int = 15
    """So many times "too many requests" ..."""
    refused_max: int = 12
    """So many orders refused for one reason, whatever their instrument ..."""
    cool_down_s: float = 60.0
    """An open breaker tries again after so long, twice as long each time the probe fails."""
    cool_down_s_max: float = 1800.0
    """... up to this; a breaker that has held for so long begins with the first cool-down again."""

    def __post_init__(self) -> None:
        """Refuse what would switch a breaker off, or keep it open for ever."""
        if not 10 <= self.window_s <= 3600:
            raise ValueError("window_s must be within 10..3600")
        for name in ("unknown_max", "unavailable_max", "rate_max", "refused_max"):
            if not 2 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} must be within 2..100")
        if not 5 <= self.cool_down_s <= self.cool_down_s_max <= 86_400:
            raise ValueError("5 <= cool_down_s <= cool_down_s_max <= 86400 must hold")

    def most(self, kind: str) -> int:
        """How many errors of a class within the window open its breaker."""
        limits = {UNKNOWN: self.unknown_max, UNAVAILABLE: self.unavailable_max, RATE: self.rate_max}
        return limits.get(kind, self.refused_max)


class Breaker(msgspec.Struct):
    """One class of errors of one venue. Part of the engine's snapshot."""

    errors: list[Nanos] = []
    """When they came, oldest first, within the window; none while it is open."""
    open_until_ns: Nanos | None = None
    probing_since_ns: Nanos | None = None
    """Since when it is half open."""
    trips: int = 0
    """How often it opened without having held in between."""
    closed_ns: Nanos = Nanos(0)
    """When a probe last closed it."""

    @property
    def idle(self) -> bool:
        """Whether it is closed."""
        return self.open_until_ns is None and self.probing_since_ns is None


def note_error(breaker: Breaker, kind: str, now_ns: Nanos, params: BreakerParams) -> bool:
    """Count one error; True: it opens (again). An open breaker learns nothing from what fails meanwhile."""
    if breaker.open_until_ns is not None:
        return False
    if breaker.probing_since_ns is None:
        window_ns = int(params.window_s * NS_PER_S)
        breaker.errors = [at_ns for at_ns in breaker.errors if now_ns - at_ns < window_ns]
        breaker.errors.append(now_ns)
        if len(breaker.errors) < params.most(kind):
            return False
        if now_ns - breaker.closed_ns >= int(params.cool_down_s_max * NS_PER_S):
            breaker.trips = 0
    breaker.errors, breaker.probing_since_ns = [], None
    pause_s = min(params.cool_down_s * 2 ** min(breaker.trips, 20), params.cool_down_s_max)
    breaker.trips += 1
    breaker.open_until_ns = Nanos(now_ns + int(pause_s * NS_PER_S))
    return True


def begin_probe(breaker: Breaker, now_ns: Nanos) -> bool:
    """Half open once the cool-down is over; True: it has just become so."""
    if breaker.open_until_ns is None or now_ns < breaker.open_until_ns:
        return False
    breaker.open_until_ns, breaker.probing_since_ns = None, now_ns
    return True


def note_answer(breaker: Breaker, now_ns: Nanos) -> bool:
    """A request of this class got a good answer; True: that was the probe, and the breaker is closed."""
    if breaker.probing_since_ns is None:
        return False
    breaker.probing_since_ns, breaker.closed_ns = None, now_ns
    return True
