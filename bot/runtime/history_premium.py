"""The running funding estimate, from the closed hours of a premium index since the last settlement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bot.domain.instrument import FundingRule
from bot.domain.values import NS_PER_HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def funding_rate(premium: float, rule: FundingRule, interval_h: int) -> float:
    """The rate a venue's rule makes of an average premium (quant reference 2.2).

    `f8 = P + clamp(interest - P, -d, +d)`, scaled to the interval, capped before or after the scaling.
    """
    interest, clamp, cap = float(rule.interest_8h), float(rule.clamp_8h), float(rule.cap)
    rate_8h = premium + min(max(interest - premium, -clamp), clamp)
    if rule.cap_before_division:
        return min(max(rate_8h, -cap), cap) * interval_h / 8
    return min(max(rate_8h * interval_h / 8, -cap), cap)


def running_estimates(at_ns: Ints, known_ns: Ints, premium: Floats, settled_ns: Ints, interval_h: Ints,
                      rule: FundingRule) -> Floats:
    """The estimate for the interval under way at each instant; NaN where nothing of it is known.

    Args:
        at_ns: shape (m,), ascending instants.
        known_ns: shape (n,), when each premium hour had closed, ascending.
        premium: shape (n,), its value, a fraction.
        settled_ns: shape (k,), settlements, ascending; one at the instant itself has begun a new interval.
        interval_h: shape (k,), hours the settled interval covered; the next is taken to be as long.
        rule: the venue's rule; a time-weighted average gives the j-th hour the weight j.
    Returns:
        Shape (m,), fraction per interval, from rows known at or before each instant alone.
    """
    last = np.searchsorted(settled_ns, at_ns, side="right") - 1
    upto = np.searchsorted(known_ns, at_ns, side="right")
    found = np.full(len(at_ns), np.nan)
    for place in np.flatnonzero((last >= 0) & (upto > 0)).tolist():
        since, hours = int(settled_ns[last[place]]), int(interval_h[last[place]])
        begin = int(np.searchsorted(known_ns, since, side="right"))
        end = int(upto[place])
        # a premium series that has stopped says nothing about the hours after it
        stopped = end > 0 and at_ns[place] - known_ns[end - 1] >= NS_PER_HOUR
        if begin >= end or stopped or at_ns[place] - since >= hours * NS_PER_HOUR:
            continue
        window = premium[begin:end]
        weights = np.arange(1.0, len(window) + 1.0) if rule.time_weighted else np.ones(len(window))
        found[place] = funding_rate(float(weights @ window / weights.sum()), rule, hours)
    return found
