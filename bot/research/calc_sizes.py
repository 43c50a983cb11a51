"""Calculators of how much: leverage from a volatility, Kelly sizes with failures, the hedge to a target beta."""

from __future__ import annotations

import math

from bot.domain.errors import Unavailable
from bot.quant.barrier import budget_per_horizon, tail_multiplier, touch_probability
from bot.quant.kelly import (
    carry_size,
    growth_kept,
    growth_rate,
    kelly_coin,
    kelly_fraction,
    kelly_with_jumps,
    probability_of_falling_to,
)
from bot.quant.leverage_cap import UNBOUNDED, CapRules, Side, distance_of, leverage_cap
from bot.quant.no_answer import NoAnswer
from bot.research.calculation import Calculation, Row
from bot.strategy.hedge import overlay_notional_usd, weights_for_beta

_HOURS = 8_760.0


def answered(value: float | NoAnswer) -> float:
    """The number, or the reason why there is none.

    Raises:
        Unavailable: names the reason.
    """
    if isinstance(value, NoAnswer):
        raise Unavailable(f"{value.reason.replace('_', ' ')}: {value.detail}")
    return value


def cap(
    *, side: Side, sigma_annual: float, rules: CapRules, maintenance_rate: float, close_fee: float = 0.0,
    jump: float | None = None, tier_max: float | None = None, config_max: float | None = None,
    p_year: float | None = None,
) -> Calculation:
    """The highest leverage whose liquidation lies beyond what the price does before the next chance to act."""
    horizon = sigma_annual * math.sqrt(rules.horizon_h / _HOURS)
    reaction = sigma_annual * math.sqrt(rules.reaction_h / _HOURS)
    found = leverage_cap(side, horizon, reaction, rules, maintenance_rate=maintenance_rate, close_fee=close_fee,
                         jump=jump, tier_max=tier_max or UNBOUNDED, config_max=config_max or UNBOUNDED)
    k = tail_multiplier(rules.touch_probability, rules.nu)
    distance = distance_of(side, 1.0 / found.cap, maintenance_rate, close_fee)
    lines = [
        f"volatility over {rules.horizon_h:g} h: {sigma_annual:.2%} x sqrt({rules.horizon_h:g} / 8760) = {horizon:.4%}",
        f"one barrier: k({rules.touch_probability:g}, nu {rules.nu:g}) = {k:.2f}; {k:.2f} x {horizon:.4%}"
        f" = {found.barrier or 0:.2%} (log)",
        f"two barriers: within {rules.reaction_h:g} h, over what is left at the alarm ({rules.alarm_share:.0%}):"
        f" {found.two_barrier or 0:.2%}",
        "worst jump: not given" if jump is None else f"worst jump: {jump:.2%}",
        f"the largest binds ({found.binding}): {found.distance or 0:.2%}",
        f"cap {found.cap:.3f}x; liquidation is then {distance:.2%} (log) away",
    ]
    result: Row = {"leverage_cap": found.cap, "binding": found.binding, "distance_log": distance,
              "sigma_horizon": horizon, "k": k, "touch_probability": touch_probability(distance, horizon, rules.nu)}
    if p_year is not None:
        per = budget_per_horizon(p_year, _HOURS / rules.rebalance_h)
        k_year = tail_multiplier(per, rules.nu)
        result |= {"p_per_rebalance_for_p_year": per, "k_for_p_year": k_year}
        lines.append(f"a budget of {p_year:.2%} a year is {per:.3g} per rebalance, k = {k_year:.2f}")
    return Calculation(
        name="leverage-cap",
        inputs={"side": side, "sigma_annual": sigma_annual, "touch_probability": rules.touch_probability,
                "nu": rules.nu, "rebalance_h": rules.rebalance_h, "reaction_h": rules.reaction_h,
                "maintenance_rate": maintenance_rate, "close_fee": close_fee, "jump": jump, "tier_max": tier_max,
                "config_max": config_max},
        result=result, arithmetic=tuple(lines),
        conventions=("distances are log moves of the mark against the position",
                     "volatility is scaled by the square root of time here; the bot uses its model's own path",
                     "a bound for symmetric shocks (Levy): the true probability is at most this"),
    )


def kelly(
    *, mu: float, sigma: float, jumps_per_year: float = 0.0, jump_loss: float = 0.0, t_statistic: float | None = None,
    fraction: float = 0.5, fall_to: float = 0.5,
) -> Calculation:
    """How much to hold for growth, with failures that take part of the notional, and what a fraction of it keeps.

    Raises:
        Unavailable: numbers that have no answer.
    """
    diffusion = answered(kelly_fraction(mu, sigma))
    full = answered(kelly_with_jumps(mu, sigma, jumps_per_year, jump_loss)) if jumps_per_year else diffusion
    lines = [f"without failures: {mu:.4g} / {sigma:.4g}^2 = {diffusion:,.4g}"]
    if jumps_per_year:
        lines.append(
            f"with {jumps_per_year:g} a year that take {jump_loss:.0%} of notional: the smaller root of"
            f" s^2 J f^2 - (s^2 + mu J) f + mu - lambda J = {full:,.4g}" if full > 0 else
            f"mu {mu:.4g} does not exceed lambda J = {jumps_per_year * jump_loss:.4g}: hold 0")
    lines += [f"{fraction:g} of it: {fraction * full:,.4g}; keeps {growth_kept(fraction):.0%} of the excess growth",
              f"chance ever to fall to {fall_to:.0%}: {answered(probability_of_falling_to(fall_to, fraction)):.2%}"]
    result: Row = {"full": full, "size": fraction * full, "diffusion_only": diffusion,
              "growth_kept": growth_kept(fraction), "growth_annual": growth_rate(fraction * full, mu, sigma),
              "p_fall": answered(probability_of_falling_to(fall_to, fraction))}
    if t_statistic is not None:
        doubted = carry_size(mu, sigma, jumps_per_year, jump_loss, t_statistic, fraction)
        if isinstance(doubted, NoAnswer):
            raise Unavailable(f"{doubted.reason.replace('_', ' ')}: {doubted.detail}")
        result |= {"edge_shrunk": doubted.edge, "size": doubted.size, "fraction": doubted.fraction}
        lines.append(f"edge shrunk by t = {t_statistic:g}: {doubted.edge:.4g}; size {doubted.size:,.4g} at"
                     f" {doubted.fraction:g} of Kelly")
    return Calculation(
        name="kelly",
        inputs={"mu": mu, "sigma": sigma, "jumps_per_year": jumps_per_year, "jump_loss": jump_loss,
                "t_statistic": t_statistic, "fraction": fraction, "fall_to": fall_to},
        result=result, arithmetic=tuple(lines),
        conventions=("sizes are notional over equity, mu and sigma per year; a perp's mu is already an excess return",
                     "beyond twice full Kelly growth falls below that of cash"),
    )


def kelly_bet(win_probability: float, odds: float, fraction: float = 1.0) -> Calculation:
    """The share of wealth to bet on a coin.

    Raises:
        Unavailable: a probability outside [0, 1] or odds that pay nothing.
    """
    full = answered(kelly_coin(win_probability, odds))
    return Calculation(
        name="kelly", inputs={"win_probability": win_probability, "odds": odds, "fraction": fraction},
        result={"full": full, "size": fraction * full},
        arithmetic=(f"p - q / b = {win_probability:g} - {1 - win_probability:g} / {odds:g} = {full:.6g}",),
        conventions=("odds b to 1: a stake of 1 wins b; negative means do not bet",),
    )


def beta_hedge(
    *, exposure_usd: float, beta: float, target: float, hedge_beta: float, capital_usd: float | None = None,
) -> Calculation:
    """The overlay that brings a book to a target beta, and what neutral would need."""
    capital = abs(exposure_usd) if capital_usd is None else capital_usd
    notional = overlay_notional_usd(exposure_usd * beta, target, capital, hedge_beta)
    neutral = overlay_notional_usd(exposure_usd * beta, 0.0, capital, hedge_beta)
    lines = [f"({target:g} x {capital:,.0f} - {beta:g} x {exposure_usd:,.0f}) / {hedge_beta:g} = {notional:,.0f} USD",
             f"gross {abs(exposure_usd) + abs(notional):,.0f} USD; neutral (target 0) needs {neutral:,.0f} USD"]
    result: Row = {"hedge_usd": notional, "gross_usd": abs(exposure_usd) + abs(notional), "neutral_hedge_usd": neutral,
              "beta_before": beta * exposure_usd / capital,
              "beta_after": (beta * exposure_usd + hedge_beta * notional) / capital}
    if beta != hedge_beta:
        first, second = weights_for_beta(beta, hedge_beta, target)
        result |= {"weight_first": first, "weight_second": second}
        lines.append(f"as weights that sum to one instead of an overlay: {first:.0%} and {second:.0%}")
    return Calculation(
        name="beta-hedge",
        inputs={"exposure_usd": exposure_usd, "beta": beta, "target": target, "hedge_beta": hedge_beta,
                "capital_usd": capital},
        result=result, arithmetic=tuple(lines),
        conventions=("negative USD is short", "a target other than 0 is not neutral",
                     "betas move by regime: neutral on average is not neutral in a window"),
    )
