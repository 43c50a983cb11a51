"""The venues' own premium rule (quant reference 2.2): one function for every venue, all of it by parameters."""

from __future__ import annotations

import numpy as np

from bot.domain.instrument import FundingRule
from bot.venues.simulated.market.streams import Array


def funding_rate(
    premium: Array,
    *,
    interest_8h: float,
    clamp_8h: float,
    cap: float,
    floor: float,
    interval_h: int,
    cap_before_division: bool,
    time_weighted: bool,
) -> Array:
    """The running funding rate after each premium sample of an interval; the last one is what is settled.

    `P` = mean of the samples so far, sample k weighing k if `time_weighted`; `f8 = P + clamp(interest - P, -d, +d)`;
    `f = f8 * interval_h / 8`; cap and floor after the scaling, or on `f8` before it if `cap_before_division`.

    Args:
        premium: shape (..., n), fractions of the index, oldest sample first, evenly spaced in the interval.
        interest_8h: the interest component per 8 h, a fraction; `clamp_8h`: d of the formula, per 8 h.
        cap: the largest rate; `floor`: the smallest (negative); per interval, or per 8 h if `cap_before_division`.
    Returns:
        Same shape, fraction of notional that longs pay per interval.
    """
    samples = premium.shape[-1]
    if time_weighted:
        weights = np.arange(1.0, samples + 1.0)
        mean = np.cumsum(premium * weights, axis=-1) / np.cumsum(weights)
    else:
        mean = np.cumsum(premium, axis=-1) / np.arange(1.0, samples + 1.0)
    # inside the clamp the rate is the interest itself, not premium + (interest - premium), which would leave last bits
    gap = interest_8h - mean
    rate_8h = np.where(np.abs(gap) <= clamp_8h, interest_8h, mean + np.sign(gap) * clamp_8h)
    if cap_before_division:
        rate_8h = np.clip(rate_8h, floor, cap)
    rate = rate_8h * (interval_h / 8.0)
    return np.asarray(rate if cap_before_division else np.clip(rate, floor, cap), dtype=np.float64)


def running_rate(premium: Array, rule: FundingRule) -> Array:
    """`funding_rate` with an instrument's own rule; cap and floor are symmetric there."""
    return funding_rate(
        premium,
        interest_8h=float(rule.interest_8h),
        clamp_8h=float(rule.clamp_8h),
        cap=float(rule.cap),
        floor=-float(rule.cap),
        interval_h=rule.interval_h,
        cap_before_division=rule.cap_before_division,
        time_weighted=rule.time_weighted,
    )
