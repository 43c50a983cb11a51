"""What we know of one instrument's funding: its last rate, interval, and means in per-hour units."""

from __future__ import annotations

import math

import msgspec

from bot.domain.errors import Unavailable
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, InstrumentId, Nanos

ABSOLUTE_TO_SD = 1.2533
"""sqrt(pi / 2): sd of a normal variable per unit of its mean absolute value; robust against the tails."""
SD_FLOOR_8H = 1e-5
"""Below 0.1 bp per 8 h a sd is that of a pinned rate, not of a quiet one."""
PINNED_TOLERANCE = 5e-7


class FundingHistory(msgspec.Struct, kw_only=True):
    """The settled funding of one perpetual, in bounded memory; a plain mutable value of the engine's state.

    Means are decayed by hours, so that settlements of 1, 2, 4 and 8 h mix rightly: a rate stands for the time since
    the settlement before it. Rates per hour are fractions of notional that longs pay.
    """

    instrument: InstrumentId
    fast_half_life_h: float = 25.0
    """Span 9 of 8 h settlements: alpha 0.2 per 8 h."""
    slow_half_life_h: float = 504.0
    """Mean age 30 days."""
    phi_8h: float = 0.97
    """Persistence used to tell a surprise from a forecast change."""
    surprise_sds: float = 4.0
    """One settlement moves the fast mean by at most so many sd: a single wild print is not a new regime."""
    interest_8h: float = 0.0001
    """The interest component at which rates are pinned (quant reference 1.3)."""

    count: int = 0
    first_ns: Nanos = Nanos(0)
    settled_ns: Nanos = Nanos(0)
    hours: float = 0.0
    """Time the settlements stand for."""
    last_rate: float = 0.0
    """Per interval; meaningless while `count` is 0."""
    interval_h: int = 0
    previous_interval_h: int = 0
    """The interval before the last change; 0: never changed."""
    interval_changed_ns: Nanos | None = None
    interval_disagrees: bool = False
    """The stated interval was not the time since the settlement before: a change, or a missing settlement."""
    stated_interval_h: int = 0
    """What the venue says the interval is from now on; 0: nothing but settlements has told."""
    fast_h: float = 0.0
    slow_h: float = 0.0
    sd_8h: float = 0.0
    """Sd of the fast mean's surprise per 8 h (same unit as a rate per 8 h)."""
    low_h: float = 0.0
    """The lowest fast mean of late; it fades towards the mean with the slow half-life."""
    high_h: float = 0.0
    pinned_share: float = 0.0
    """Share of late settlements exactly at the interest component."""

    def observe(self, rate: float, interval_h: int, settled_ns: Nanos) -> bool:
        """Take one settlement; False: known already (same instant within a minute, or older).

        Where settlements come closer together than the stated interval, the spacing is believed. An interval that was
        announced since the last settlement stands: this one closes a period that began under the old.

        Raises:
            Unavailable: the rate is not finite or the interval not positive.
        """
        if not math.isfinite(rate) or interval_h <= 0:
            raise Unavailable(f"{self.instrument}: funding rate {rate} over {interval_h} h cannot be used")
        if self.count and settled_ns <= self.settled_ns + NS_PER_MINUTE:
            return False
        spacing_h = round((settled_ns - self.settled_ns) / NS_PER_HOUR) if self.count else interval_h
        believed_h = min(interval_h, max(spacing_h, 1))
        self.interval_disagrees = spacing_h != interval_h
        changed_ns = self.interval_changed_ns
        announced = bool(self.stated_interval_h) and changed_ns is not None and changed_ns > self.settled_ns
        if self.count and not announced and believed_h != self.next_interval_h:
            self.previous_interval_h, self.interval_changed_ns = self.next_interval_h, settled_ns
        self._update_means(rate / believed_h, float(max(spacing_h, believed_h)))
        at_interest = abs(rate * 8.0 / believed_h - self.interest_8h) < PINNED_TOLERANCE
        self.pinned_share += self._slow_weight(float(believed_h)) * (float(at_interest) - self.pinned_share)
        if not self.count:
            self.first_ns = settled_ns
        self.count += 1
        self.last_rate, self.interval_h, self.settled_ns = rate, believed_h, settled_ns
        if not announced:
            self.stated_interval_h = 0  # a settlement has told
        return True

    def state_interval(self, interval_h: int, at_ns: Nanos) -> None:
        """The venue announces another interval: the next settlement is expected on its grid at once (F39)."""
        if self.count and interval_h != (self.stated_interval_h or self.interval_h):
            self.previous_interval_h = self.stated_interval_h or self.interval_h
            self.interval_changed_ns = at_ns
        self.stated_interval_h = interval_h

    @property
    def next_interval_h(self) -> int:
        """The interval that runs now."""
        return self.stated_interval_h or self.interval_h

    def _slow_weight(self, elapsed_h: float) -> float:
        """Weight of the newest value in the slow mean: a plain mean until it is older than the half-life."""
        return max(_decayed(elapsed_h, self.slow_half_life_h), min(elapsed_h / self.hours, 1.0))

    def _update_means(self, rate_h: float, elapsed_h: float) -> None:
        self.hours += elapsed_h
        if not self.count:
            self.fast_h = self.slow_h = self.low_h = self.high_h = rate_h
            return
        fast_before, slow_before = self.fast_h, self.slow_h
        fast_weight = max(_decayed(elapsed_h, self.fast_half_life_h), min(elapsed_h / self.hours, 1.0))
        slow_weight = self._slow_weight(elapsed_h)
        move = fast_weight * (rate_h - fast_before)
        # Until the mean has three half-lives behind it, its sd is not known well enough to call a rate wild.
        most = self.surprise_sds * max(self.sd_8h, SD_FLOOR_8H) * math.sqrt(elapsed_h / 8.0) / 8.0
        self.fast_h += min(max(move, -most), most) if self.hours > 3.0 * self.fast_half_life_h else move
        self.slow_h += slow_weight * (rate_h - slow_before)
        forecast = slow_before + self.phi_8h ** (elapsed_h / 8.0) * (fast_before - slow_before)
        surprise_8h = 8.0 * abs(fast_before + move - forecast) * math.sqrt(8.0 / elapsed_h) * ABSOLUTE_TO_SD
        self.sd_8h += slow_weight * (surprise_8h - self.sd_8h)
        fade = _decayed(elapsed_h, self.slow_half_life_h)
        self.low_h = min(self.fast_h, self.low_h + fade * (self.fast_h - self.low_h))
        self.high_h = max(self.fast_h, self.high_h + fade * (self.fast_h - self.high_h))

    @property
    def last_h(self) -> float:
        """The last rate per hour."""
        return self.last_rate / self.interval_h

    def age_h(self, now_ns: Nanos) -> float:
        """Hours since the last settlement."""
        return (now_ns - self.settled_ns) / NS_PER_HOUR

    def interval_shortened_within(self, hours: float, now_ns: Nanos) -> bool:
        """Whether the interval became shorter within the last `hours`: what a venue does to a contract in distress."""
        changed = self.interval_changed_ns
        return changed is not None and self.next_interval_h < self.previous_interval_h and (
            now_ns - changed <= hours * NS_PER_HOUR
        )

    def next_settlement_ns(self, now_ns: Nanos) -> Nanos | None:
        """The next settlement after `now_ns` on the present interval's grid (whole hours); None: none seen yet."""
        if not self.count:
            return None
        step = self.next_interval_h * NS_PER_HOUR
        start = round(self.settled_ns / NS_PER_HOUR) * NS_PER_HOUR
        return Nanos(start + max((now_ns - start) // step + 1, 1) * step)


def _decayed(elapsed_h: float, half_life_h: float) -> float:
    """The share of an old value that is gone after `elapsed_h`."""
    return -math.expm1(-math.log(2.0) * elapsed_h / half_life_h)
