"""What carry earns after costs, in closed form: annualising, the expected sum of funding, break-even holding.

Rates are fractions of notional per settlement unless the name says otherwise; a year has 8,760 hours.
Source: quant-reference sections 0, 2.2, 3.1 and 3.4.
"""

from __future__ import annotations

import math
from typing import Final

HOURS_PER_YEAR: Final = 8_760.0
SETTLEMENTS_MAX: Final = 100_000
"""A break-even farther away than this (91 years of 8 h) is none."""


def annual_simple(rate: float, interval_h: float) -> float:
    """A rate per interval as a simple annual one: 0.01 % per 8 h is 10.95 %."""
    return rate * HOURS_PER_YEAR / interval_h


def annual_compounded(rate: float, interval_h: float) -> float:
    """The same with every payment reinvested: 0.01 % per 8 h is 11.57 %."""
    return math.expm1(HOURS_PER_YEAR / interval_h * math.log1p(rate))


def funding_rate_of_premium(
    premium: float, *, interest_8h: float, clamp_8h: float, cap: float, interval_h: float, cap_before_division: bool,
) -> float:
    """What a whole interval of this average premium settles at: `P + clamp(I - P, -d, d)`, scaled and capped.

    Args:
        premium: average premium index of the interval, a fraction.
        interest_8h: interest component per 8 h; `clamp_8h`: d of the formula.
        cap: largest |rate|, per interval, or per 8 h if `cap_before_division`.
    """
    gap = interest_8h - premium
    rate_8h = interest_8h if abs(gap) <= clamp_8h else premium + math.copysign(clamp_8h, gap)
    if cap_before_division:
        rate_8h = min(max(rate_8h, -cap), cap)
    rate = rate_8h * interval_h / 8.0
    return rate if cap_before_division else min(max(rate, -cap), cap)


def funding_sum(rate_now: float, mean: float, phi: float, settlements: int) -> float:
    """Expected sum of the next settlements' rates if they return to their mean as AR(1).

    `H mu + (f0 - mu) phi (1 - phi^H) / (1 - phi)`; phi = 1 keeps today's rate for ever.
    """
    if phi == 1.0:
        return settlements * rate_now
    return settlements * mean + (rate_now - mean) * phi * (1.0 - phi**settlements) / (1.0 - phi)


def capital_per_notional(perp_legs: int, leverage: float, reserve: float) -> float:
    """Capital bound per unit of notional: `1 + 1/L + rho` for spot and perp, `2/L + rho` for two perps."""
    return (2.0 if perp_legs == 2 else 1.0 + leverage) / leverage + reserve


def net_carry(
    settlements: int, *, rate_now: float, mean: float, phi: float, cost: float, interval_h: float,
    basis_gain: float = 0.0, borrow_annual: float = 0.0, hurdle_annual: float = 0.0, capital: float = 1.0,
) -> float:
    """Expected net carry of holding for so many settlements, a fraction of notional.

    Args:
        cost: all four fills: fees, half-spreads, impact.
        basis_gain: entry basis less expected exit basis (a rich basis is income).
        borrow_annual: interest on a borrowed leg; `hurdle_annual`: what `capital` per notional would earn idle.
    """
    years = settlements * interval_h / HOURS_PER_YEAR
    return (funding_sum(rate_now, mean, phi, settlements) + basis_gain - cost
            - (borrow_annual + hurdle_annual * capital) * years)


def break_even_settlements(
    *, rate_now: float, mean: float, phi: float, cost: float, interval_h: float, basis_gain: float = 0.0,
    borrow_annual: float = 0.0, hurdle_annual: float = 0.0, capital: float = 1.0,
) -> int | None:
    """The fewest settlements after which the expected net carry is not negative; None: never.

    The sum may rise and fall again (a rich rate that returns to a poor mean), so every count is looked at.
    """
    drag = (borrow_annual + hurdle_annual * capital) * interval_h / HOURS_PER_YEAR
    total, excess = basis_gain - cost, rate_now - mean
    # the comparison forgives rounding: 30 settlements of 1 bp earn 30 bp, not 29.999
    slack = 1e-12 * max(cost, 1e-12)
    for count in range(1, SETTLEMENTS_MAX + 1):
        excess *= phi
        total += mean + excess - drag
        if total >= -slack:
            return count
        if excess <= 0.0 and mean <= drag:
            return None  # from here on every settlement takes away
    return None
