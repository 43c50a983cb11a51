"""Calculators of carry: what a funding rate pays, when a hedged pair has earned its costs, what a blend can return."""

from __future__ import annotations

import math
from typing import Final

from bot.domain.instrument import FundingRule
from bot.domain.values import Side
from bot.quant.carry_economics import (
    annual_compounded,
    annual_simple,
    break_even_settlements,
    capital_per_notional,
    funding_rate_of_premium,
    net_carry,
)
from bot.research.calculation import Calculation, Row

_PAYS: Final = "longs pay shorts while the rate is positive; it is paid only for what is held at the settlement"


def funding(rate: float, interval_h: float, notional_usd: float, side: Side, days: float) -> Calculation:
    """What a position pays or receives if the rate stays, and what that is per year."""
    settlements = math.floor(days * 24.0 / interval_h)
    each = -int(side) * notional_usd * rate
    simple, compounded = annual_simple(rate, interval_h), annual_compounded(rate, interval_h)
    return Calculation(
        name="funding",
        inputs={"rate": rate, "interval_h": interval_h, "notional_usd": notional_usd, "side": side.name.lower(),
                "days": days},
        result={"payment_usd": each, "settlements": settlements, "total_usd": each * settlements,
                "annual_simple": simple, "annual_compounded": compounded, "rate_1h": rate / interval_h,
                "rate_8h": rate * 8.0 / interval_h},
        arithmetic=(
            f"per settlement: {-int(side):+d} x {notional_usd:,.2f} x {rate:.6%} = {each:+,.4f} USD",
            f"in {days:g} days: {settlements} settlements of {interval_h:g} h = {each * settlements:+,.4f} USD",
            f"per year: {rate:.6%} x 8760 / {interval_h:g} = {simple:.4%} simple; compounded {compounded:.4%}",
        ),
        conventions=("positive USD is received, negative is paid", _PAYS,
                     "intervals differ by contract and change: 8 h, 4 h, 1 h; compare rates per hour"),
    )


def funding_of_premium(premium: float, rule: FundingRule, source: str) -> Calculation:
    """What the venue's own rule makes of a premium held over a whole interval."""
    interest, clamp, cap = float(rule.interest_8h), float(rule.clamp_8h), float(rule.cap)
    rate = funding_rate_of_premium(premium, interest_8h=interest, clamp_8h=clamp, cap=cap,
                                   interval_h=rule.interval_h, cap_before_division=rule.cap_before_division)
    pinned = abs(interest - premium) <= clamp
    return Calculation(
        name="funding",
        inputs={"premium": premium, "interest_8h": interest, "clamp_8h": clamp, "cap": cap,
                "interval_h": rule.interval_h, "cap_before_division": rule.cap_before_division, "rule": source},
        result={"rate": rate, "annual_simple": annual_simple(rate, rule.interval_h), "pinned_at_interest": pinned},
        arithmetic=(
            f"P + clamp(I - P, -d, +d) = {premium:.6%} + clamp({interest - premium:.6%}, -{clamp:.4%}, +{clamp:.4%})"
            f" = {premium + min(max(interest - premium, -clamp), clamp):.6%} per 8 h",
            f"x {rule.interval_h} / 8, capped at {cap:.4%}"
            f"{' per 8 h before the division' if rule.cap_before_division else ''}: {rate:.6%}",
        ),
        conventions=("P is the interval's average premium over the index", _PAYS,
                     f"inside [I - d, I + d] the rate is the interest itself: {'so here' if pinned else 'not here'}"),
    )


def breakeven(
    *, rate: float, interval_h: float, cost_bps: float, notional_usd: float, mean: float | None = None,
    phi: float = 1.0, basis_bps: float = 0.0, hurdle_annual: float = 0.0, leverage: float = 3.0, reserve: float = 0.1,
    perp_legs: int = 1, horizon_days: float = 30.0,
) -> Calculation:
    """When a pair has earned its four fills back, and what it has made at a horizon."""
    capital = capital_per_notional(perp_legs, leverage, reserve)
    to_mean = rate if mean is None else mean
    terms = {"rate_now": rate, "mean": to_mean, "phi": phi, "cost": cost_bps / 1e4, "interval_h": interval_h,
             "basis_gain": basis_bps / 1e4, "hurdle_annual": hurdle_annual, "capital": capital}
    count = break_even_settlements(**terms)
    horizon = max(math.floor(horizon_days * 24.0 / interval_h), 1)
    net = net_carry(horizon, **terms)
    on_capital = net / capital * 365.0 / (horizon * interval_h / 24.0)
    hours = None if count is None else count * interval_h
    return Calculation(
        name="breakeven",
        inputs={"rate": rate, "interval_h": interval_h, "mean": to_mean, "phi": phi, "cost_bps": cost_bps,
                "basis_bps": basis_bps, "hurdle_annual": hurdle_annual, "leverage": leverage, "reserve": reserve,
                "perp_legs": perp_legs, "notional_usd": notional_usd, "horizon_days": horizon_days},
        result={"break_even_settlements": count, "break_even_h": hours,
                "break_even_days": None if hours is None else hours / 24.0, "cost_usd": cost_bps / 1e4 * notional_usd,
                "net_at_horizon_bps": net * 1e4, "net_at_horizon_usd": net * notional_usd,
                "capital_per_notional": capital, "capital_usd": capital * notional_usd,
                "annual_on_capital": on_capital},
        arithmetic=(
            f"four fills: {cost_bps:g} bp x {notional_usd:,.2f} USD = {cost_bps / 1e4 * notional_usd:,.2f} USD",
            f"funding: {rate * 1e4:g} bp now, returning to {to_mean * 1e4:g} bp with phi {phi:g} per settlement",
            f"idle yield forgone: {hurdle_annual:.2%} a year on {capital:.4f} of capital per notional"
            f" (leverage {leverage:g}, reserve {reserve:g})",
            "break-even: never" if hours is None else
            f"break-even after {count} settlements = {hours:g} h = {hours / 24.0:.2f} days",
            f"after {horizon} settlements: {net * 1e4:+.2f} bp = {net * notional_usd:+,.2f} USD,"
            f" {on_capital:+.2%} a year on capital, simple",
        ),
        conventions=("all rates are per settlement and as the short receives them",
                     "an expectation: the last rate is no forecast, and basis adds noise of tens of bp"),
    )


def blend(capital_usd: float, core_share: float, core_annual: float, overlay_annual: tuple[float, float],
          claimed_annual: float | None = None) -> Calculation:
    """What a split of capital between carry and an overlay returns; and what a claim would need of the overlay."""
    rest = 1.0 - core_share
    low, high = (core_share * core_annual + rest * each for each in overlay_annual)
    lines = [f"{core_share:.0%} x {core_annual:.2%} + {rest:.0%} x {each:.2%} = {core_share * core_annual:.3%}"
             f" + {rest * each:.3%} = {total:.3%}" for each, total in zip(overlay_annual, (low, high), strict=True)]
    result: Row = {"annual_low": low, "annual_high": high, "usd_low": capital_usd * low, "usd_high": capital_usd * high}
    if claimed_annual is not None:
        needed = (claimed_annual - core_share * core_annual) / rest
        result["overlay_needed_annual"] = needed
        lines.append(f"{claimed_annual:.2%} needs ({claimed_annual:.2%} - {core_share * core_annual:.2%}) / {rest:.0%}"
                     f" = {needed:.2%} a year from the overlay")
    return Calculation(
        name="blend",
        inputs={"capital_usd": capital_usd, "core_share": core_share, "core_annual": core_annual,
                "overlay_annual_low": overlay_annual[0], "overlay_annual_high": overlay_annual[1],
                "claimed_annual": claimed_annual},
        result=result, arithmetic=tuple(lines),
        conventions=("simple annual returns; a split of capital is not a split of risk: the overlay makes nearly all"
                     " of a blend's variance",),
    )
