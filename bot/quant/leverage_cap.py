"""Leverage caps: the highest leverage whose liquidation is farther away than the price goes before we can act.

Distances are log moves against the position. `m'` is the maintenance rate plus the closing fee the venue asks for.

    short   L_max = 1 / ((1 + m') e^d - 1)          long   L_max = 1 / (1 - (1 - m') e^-d)

A pool (cross margin, or the futures wallet of a cash-and-carry) has the same form with equity / notional at risk in
place of 1 / L. Four distances compete, and the largest binds: one barrier over the horizon to the next rebalance, the
two-barrier rule (what is left when the alarm rings must outlast the reaction time), the coin's own worst jump, and a
floor. Source: quant-reference 2.4 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from bot.domain.instrument import MarginTier
from bot.quant.barrier import Direction, tail_multiplier

Side = Literal["long", "short"]
Binding = Literal["barrier", "two_barrier", "jump", "tier", "config", "no_volatility"]

UNBOUNDED: Final = 1e6
"""Stands for 'no leverage is too high' in a number that is encoded; no venue offers it."""


class CapRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much probability of liquidation is accepted, and over which times."""

    touch_probability: float = 1e-4
    """Accepted probability that mark reaches liquidation before the next rebalance."""
    nu: float = 3.0
    """Degrees of freedom of the tail."""
    rebalance_h: float = 8.0
    """Hours to the next rebalance."""
    reaction_h: float = 1.0
    """Worst hours from an alarm to a finished top-up or reduction: detection, transfer, execution."""
    reaction_probability: float = 1e-4
    """Accepted probability of a move past what is left at the alarm, within `reaction_h`."""
    alarm_share: float = 0.40
    """The alarm rings when less than this share of the distance at entry is left."""
    jump_window_h: int = 8
    jump_days: int = 730
    """The jump floor is the worst move within `jump_window_h` of so many days."""
    jump_quantile: float = 1.0
    """1 is the worst move itself; 0.999 leaves out one in a thousand."""
    hysteresis: float = 0.10
    """A cap in use changes only by more than this share."""
    scale_min: float = 0.75
    """Least factor on volatility from a coin's back-test. The largest of seven models over-forecasts by a third; a past
    without accidents may take back a quarter."""
    scale_max: float = 3.0

    def __post_init__(self) -> None:
        """Bounds of what makes sense."""
        for name in ("touch_probability", "reaction_probability"):
            if not 0 < getattr(self, name) <= 0.1:
                raise ValueError(f"{name} must be above 0 and at most 0.1")
        if not 2.1 <= self.nu <= 100:
            raise ValueError("nu must be within 2.1..100 degrees of freedom")
        if not 0.25 <= self.rebalance_h <= 168 or not 0 < self.reaction_h <= 24:
            raise ValueError("rebalance_h must be within 0.25..168 and reaction_h within 0..24 hours")
        if not 0 < self.alarm_share < 1:
            raise ValueError("alarm_share must be above 0 and below 1")
        if not (1 <= self.jump_window_h <= 168 and 30 <= self.jump_days <= 3_650 and 0.5 <= self.jump_quantile <= 1):
            raise ValueError("jump_window_h 1..168 hours, jump_days 30..3650 days and jump_quantile 0.5..1 must hold")
        if not 0 <= self.hysteresis <= 0.5:
            raise ValueError("hysteresis must be within 0..0.5")
        if not 0.3 <= self.scale_min <= 1 <= self.scale_max <= 10:
            raise ValueError("0.3 <= scale_min <= 1 <= scale_max <= 10 must hold")

    @property
    def horizon_h(self) -> float:
        """Hours that the one-barrier rule looks ahead: to the next rebalance, and the reaction after it."""
        return self.rebalance_h + self.reaction_h


class LeverageCap(msgspec.Struct, frozen=True, kw_only=True):
    """A cap, and every number it came from."""

    side: Side
    cap: float
    """Highest leverage (notional over equity at risk); 0 = none is allowed."""
    binding: Binding
    distance: float | None
    """The log distance to liquidation that is asked for; None where volatility is unknown."""
    barrier: float | None = None
    """Asked for by the one-barrier rule, as are the next two by theirs."""
    two_barrier: float | None = None
    jump: float | None = None
    tier_max: float = UNBOUNDED
    config_max: float = UNBOUNDED
    sigma_horizon: float | None = None
    """Volatility over `horizon_h`, scale factor included."""

    @property
    def equity_per_notional(self) -> float | None:
        """What a pool must hold per unit of notional at risk; None if nothing may be held."""
        return 1.0 / self.cap if self.cap > 0 else None


def adverse(side: Side) -> Direction:
    """The way the price hurts."""
    return "up" if side == "short" else "down"


def leverage_max(side: Side, distance: float, maintenance_rate: float, close_fee: float = 0.0) -> float:
    """Highest leverage at which liquidation is at least `distance` (log) away.

    Args:
        maintenance_rate: of notional, of the tier the position falls into, within [0, 1).
        close_fee: taker fee that the venue adds to the requirement.
    Returns:
        Leverage; `UNBOUNDED` if no leverage is too high (no distance asked for, no maintenance).
    Raises:
        ValueError: for a negative or unknown distance, or rates outside [0, 1).
    """
    needed = equity_needed(side, distance, maintenance_rate, close_fee)
    return 1.0 / needed if needed * UNBOUNDED > 1.0 else UNBOUNDED


def equity_needed(side: Side, distance: float, maintenance_rate: float, close_fee: float = 0.0) -> float:
    """Equity per unit of notional that keeps liquidation `distance` (log) away: 1 / L_max, and the pool form of it."""
    m = maintenance_rate + close_fee
    if not distance >= 0.0 or math.isinf(distance):
        raise ValueError(f"distance {distance} must be known and not negative")
    if not 0.0 <= m < 1.0:
        raise ValueError(f"maintenance rate and closing fee {m} must be within 0..1")
    if side == "short":
        return (1.0 + m) * math.exp(distance) - 1.0
    return 1.0 - (1.0 - m) * math.exp(-distance)


class PoolLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One position of a margin pool, and how far its price is to be survived."""

    side: Side
    notional_usd: float
    distance: float
    """Log move against it, of its own coin (`LeverageCap.distance`)."""
    tiers: tuple[MarginTier, ...] = ()
    close_fee: float = 0.0


def pool_equity_needed(legs: Iterable[PoolLeg]) -> float:
    """Equity, USD, with which a cross pool survives all its legs' moves at once.

    Each leg loses over its own distance and then owes maintenance by the tier its notional has *there*: a short that
    rises grows into higher tiers. Gains of one leg are not set against losses of another: coins that fall together in
    the calm part in the storm.
    """
    total = 0.0
    for leg in legs:
        there = leg.notional_usd * math.exp(leg.distance if leg.side == "short" else -leg.distance)
        total += abs(there - leg.notional_usd) + maintenance_usd(leg.tiers, there) + leg.close_fee * there
    return total


def tiered_leverage_max(leg: PoolLeg) -> float:
    """`leverage_max` for a position of this size, its tiers included; `UNBOUNDED` if nothing is needed."""
    needed = pool_equity_needed((leg,))
    return leg.notional_usd / needed if needed * UNBOUNDED > leg.notional_usd else UNBOUNDED


def maintenance_usd(tiers: tuple[MarginTier, ...], notional: float) -> float:
    """Maintenance margin of a notional in USD, by its tiers, in floats; 0 without tiers."""
    margin = 0.0
    for place, tier in enumerate(tiers):
        floor = float(tier.floor_usd)
        if notional <= floor:
            break
        top = float(tiers[place + 1].floor_usd) if place + 1 < len(tiers) else math.inf
        margin += (min(notional, top) - floor) * float(tier.maintenance_rate)
    return margin


def distance_of(side: Side, equity_per_notional: float, maintenance_rate: float, close_fee: float = 0.0) -> float:
    """Log distance to liquidation of a position or pool; at or below 0 it is there already.

    Args:
        equity_per_notional: 1 / leverage, both at the present mark. A long at 1 or more cannot be liquidated: infinite.
    """
    m = maintenance_rate + close_fee
    if side == "short":
        inside = (1.0 + equity_per_notional) / (1.0 + m)
        return math.log(inside) if inside > 0 else -math.inf
    if equity_per_notional >= 1.0:
        return math.inf
    return math.log((1.0 - m) / (1.0 - equity_per_notional))


def leverage_cap(
    side: Side, sigma_horizon: float | None, sigma_reaction: float | None, rules: CapRules, *, maintenance_rate: float,
    close_fee: float = 0.0, jump: float | None = None, tier_max: float = UNBOUNDED, config_max: float = UNBOUNDED,
    scale: float = 1.0, previous: float | None = None,
) -> LeverageCap:
    """The cap of one leg or pool, and what binds it.

    Args:
        sigma_horizon: volatility of the log price over `rules.horizon_h`, a fraction; None = unknown: the cap is 0.
        sigma_reaction: the same over `rules.reaction_h`.
        jump: the coin's own worst log move against this side (`jump_floor`); None where its history is too short.
        tier_max: highest leverage that the venue's tier of this notional allows.
        config_max: highest leverage of the configuration.
        scale: factor on both sigmas from the coin's own back-test (`barrier_scale`).
        previous: cap in use; a change within `rules.hysteresis` keeps it, but never above tier or configuration.
    """
    outer = min(tier_max, config_max)
    if not _known(sigma_horizon) or not _known(sigma_reaction):
        return LeverageCap(side=side, cap=0.0, binding="no_volatility", distance=None, jump=jump, tier_max=tier_max,
                           config_max=config_max)
    assert sigma_horizon is not None
    assert sigma_reaction is not None
    barrier = tail_multiplier(rules.touch_probability, rules.nu) * sigma_horizon * scale
    reaction = tail_multiplier(rules.reaction_probability, rules.nu) * sigma_reaction * scale
    two_barrier = reaction / rules.alarm_share
    asked: list[tuple[float, Binding]] = [(barrier, "barrier"), (two_barrier, "two_barrier")]
    if jump is not None:
        asked.append((jump, "jump"))
    distance, binding = max(asked)
    cap = leverage_max(side, distance, maintenance_rate, close_fee)
    if cap > outer:
        cap, binding = outer, "tier" if tier_max <= config_max else "config"
    if previous is not None and 0 < previous <= outer and abs(cap / previous - 1.0) <= rules.hysteresis:
        cap = previous
    return LeverageCap(
        side=side, cap=cap, binding=binding, distance=distance, barrier=barrier, two_barrier=two_barrier, jump=jump,
        tier_max=tier_max, config_max=config_max, sigma_horizon=sigma_horizon * scale,
    )


def _known(sigma: float | None) -> bool:
    """Whether a volatility is a number that can be used."""
    return sigma is not None and math.isfinite(sigma) and sigma > 0
