"""The basis of a pair: how far the short leg trades above the long one, and where it usually stands."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from functools import lru_cache

import msgspec

from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, InstrumentId, Nanos

IQR_TO_SD = 1.349
"""Interquartile range of a normal variable per unit of its sd."""


class BasisTracker(msgspec.Struct, kw_only=True):
    """Hourly samples of (short - long) / long in bp over a rolling window, kept sorted; at most `window_h` of them.

    A plain mutable value of the engine's state. Both prices must be of the same instant: where the legs' bars differ
    in length, observe only at common edges.
    """

    long_leg: InstrumentId
    short_leg: InstrumentId
    window_h: int = 720
    half_life_h: float = 5.0
    """With which the basis returns to its median (quant reference 1.5: 4-6 h)."""
    times_ns: list[int] = msgspec.field(default_factory=list)
    samples_bps: list[float] = msgspec.field(default_factory=list)
    """In the order of `times_ns`."""
    ordered_bps: list[float] = msgspec.field(default_factory=list)
    """The same samples, sorted."""

    def observe(self, at_ns: Nanos, long_price: float, short_price: float) -> bool:
        """Take one sample, at most one an hour; False: too soon after the last, or a price not positive."""
        if not (long_price > 0.0 and short_price > 0.0):
            return False
        if self.times_ns and at_ns < self.times_ns[-1] + NS_PER_HOUR - NS_PER_MINUTE:
            return False
        sample = (short_price / long_price - 1.0) * 1e4
        self.times_ns.append(at_ns)
        self.samples_bps.append(sample)
        insort(self.ordered_bps, sample)
        oldest = at_ns - self.window_h * NS_PER_HOUR
        expired = 0
        while self.times_ns[expired] <= oldest:
            del self.ordered_bps[bisect_left(self.ordered_bps, self.samples_bps[expired])]
            expired += 1
        if expired:
            del self.times_ns[:expired]
            del self.samples_bps[:expired]
        return True

    @property
    def count(self) -> int:
        """Samples in the window."""
        return len(self.ordered_bps)

    @property
    def median_bps(self) -> float | None:
        """The window's median; None without a sample."""
        ordered = self.ordered_bps
        if not ordered:
            return None
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])

    @property
    def robust_sd_bps(self) -> float | None:
        """The window's sd by its interquartile range; None with fewer than 8 samples."""
        count = len(self.ordered_bps)
        if count < 8:
            return None
        return (self.ordered_bps[(3 * count) // 4] - self.ordered_bps[count // 4]) / IQR_TO_SD

    @property
    def worst_bps(self) -> float | None:
        """The worst move of the window against a pair entered at the median: the highest sample above it."""
        median = self.median_bps
        return None if median is None else self.ordered_bps[-1] - median

    def expected_bps(self, now_bps: float, ahead_h: float) -> float | None:
        """The basis expected `ahead_h` from now: back to the median with the half-life; None without a sample."""
        median = self.median_bps
        if median is None:
            return None
        return median + (now_bps - median) * _left(ahead_h, self.half_life_h)


@lru_cache(maxsize=64)
def _left(ahead_h: float, half_life_h: float) -> float:
    """The share of a deviation that is left after `ahead_h`."""
    return math.exp(-math.log(2.0) * ahead_h / half_life_h)
