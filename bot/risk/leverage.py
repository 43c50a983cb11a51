"""The leverage a coin's perpetuals may have, and what a pool must hold so that none of them is liquidated in time.

A pool (one venue's futures wallet) is within its caps while its equity covers the sum of notional / cap over its legs:
each leg asks for the equity that carries it alone through its own move. Caps are made at the first tier's maintenance
rate; what higher tiers ask of a large leg comes on top, by its notional where the move ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from bot.domain.instrument import Instrument, MarginTier
from bot.domain.values import NS_PER_DAY, Coin
from bot.market.panel import Series
from bot.quant.leverage_cap import UNBOUNDED, CapRules, LeverageCap, Side, leverage_cap, maintenance_usd
from bot.quant.volatility import VolatilityForecast, cap_sigma
from bot.risk.governor_params import GovernorParams
from bot.risk.models import CoinModels

_YEAR_H = 24 * 365
_ROUNDING = 1.0 + 1e-9


class CoinCaps(msgspec.Struct, frozen=True, kw_only=True):
    """One coin's caps, both sides, and the volatility behind them."""

    coin: Coin
    short: LeverageCap
    long: LeverageCap
    forecast: VolatilityForecast
    sigma_hour: float | None
    """Over the reaction time, per hour; None: unknown."""
    day: int
    """The daily close that they know."""
    models_ns: int
    """Data stamp of the fit behind them; 0: none."""
    scale: float = 1.0
    """Factor on volatility from the coin's own windows that are over."""
    windows: int = 0
    """How many they are, both ways counted."""
    tiers_short: float = 0.0
    """What higher tiers ask of a short beside 1 / cap, per unit of notional, at the most that a coin may bind ..."""
    tiers_long: float = 0.0
    """... and of a long."""

    def of(self, side: Side) -> float:
        """The cap of a side; 0 allows nothing."""
        return (self.short if side == "short" else self.long).cap

    @property
    def tradable(self) -> bool:
        """Whether a position may be opened at all."""
        return self.short.cap > 0 and self.long.cap > 0


def is_stale(caps: CoinCaps | None, own: CoinModels, implied_annual: float | None = None) -> bool:
    """Whether caps must be made anew: a new daily close or fit, or the volatility behind is overtaken by the last hours
    or by what options say.
    """
    if caps is None or caps.day != own.day or caps.models_ns != (own.models.data_ns if own.models is not None else 0):
        return True
    sigma, fast = caps.forecast.sigma_cap_day, own.volatility.fast.known
    if sigma is None:
        return own.volatility.slow.known is not None
    if implied_annual is not None and implied_annual**2 > 365.0 * sigma * sigma * _ROUNDING:
        return True
    return fast is not None and 24.0 * fast > sigma * sigma


def coin_caps(coin: Coin, own: CoinModels, series: Series, perps: Iterable[Instrument], config_max: float,
              params: GovernorParams, previous: CoinCaps | None, now_ns: int, notional_max_usd: float = 0.0,
              implied_annual: float | None = None) -> CoinCaps:
    """The caps of a coin over all its perpetuals: the strictest venue's maintenance rate, fee and tier count.

    Args:
        own: its models.
        series: of the perpetual that stands for it.
        perps: the coin's perpetuals, whatever venue.
        config_max: the configuration's own maximum.
        previous: the caps in use, for the hysteresis.
        notional_max_usd: the most notional the coin may bind: where higher tiers are looked up.
        implied_annual: what options say of its volatility; None: nothing, or nothing fresh.
    """
    rules, kept = params.caps, params.volatility
    forecast = own.forecast(now_ns, kept, _venue_realised(series, params), implied_annual=implied_annual,
                            implied_wanted=coin in params.implied_coins)
    sigma_horizon = cap_sigma(forecast, own.volatility, own.models, rules.horizon_h, now_ns=now_ns)
    sigma_reaction = cap_sigma(forecast, own.volatility, own.models, rules.reaction_h, now_ns=now_ns)
    rate, fee, tier_max, perps = 0.0, 0.0, UNBOUNDED, tuple(perps)
    scale = barrier_factor(own, rules)
    for perp in perps:
        fee = max(fee, float(perp.taker_fee))
        if perp.tiers:
            rate = max(rate, float(perp.tiers[0].maintenance_rate))
            tier_max = min(tier_max, float(perp.tiers[0].leverage_max))
    sides: tuple[Side, Side] = ("short", "long")
    found = [
        leverage_cap(side, sigma_horizon, sigma_reaction, rules, maintenance_rate=rate, close_fee=fee,
                     jump=_jump(series, side, params), tier_max=tier_max, config_max=config_max, scale=scale,
                     previous=previous.of(side) if previous is not None else None)
        for side in sides
    ]
    found = [_held_up(cap, params.leverage_floor) for cap in found]
    hour = None if sigma_reaction is None else scale * sigma_reaction / math.sqrt(rules.reaction_h)
    tiered = [max((tier_extra_usd(perp.tiers, cap, notional_max_usd) for perp in perps), default=0.0)
              / max(notional_max_usd, 1.0) for cap in found]
    return CoinCaps(coin=coin, short=found[0], long=found[1], forecast=forecast, sigma_hour=hour, day=own.day,
                    models_ns=own.models.data_ns if own.models is not None else 0, scale=scale,
                    windows=own.barrier.windows, tiers_short=tiered[0], tiers_long=tiered[1])


def barrier_factor(own: CoinModels, rules: CapRules) -> float:
    """The factor on a coin's volatility that would have kept its own windows' hits to target.

    It may widen barriers as soon as the windows can tell, and narrow them only after a year of them: a short past
    without accidents proves nothing.
    """
    year = 2 * _YEAR_H / rules.rebalance_h  # rises and falls
    least = rules.scale_min if own.barrier.windows >= year else 1.0
    return own.barrier.scale(rules.nu, factor_min=least, factor_max=rules.scale_max).factor


def tier_extra_usd(tiers: tuple[MarginTier, ...], cap: LeverageCap, notional_usd: float) -> float:
    """Equity that a leg of this notional needs beside notional / cap, because it reaches higher tiers; else 0.

    Maintenance is owed by the notional there is where the cap's move ends: a short that rises grows into higher tiers.
    The venue's own maximum leverage of the tier it stands in is kept too.
    """
    if len(tiers) < 2 or cap.distance is None or not cap.cap > 0.0 or not notional_usd > 0.0:
        return 0.0
    there = notional_usd * math.exp(cap.distance if cap.side == "short" else -cap.distance)
    maintenance = maintenance_usd(tiers, there) - float(tiers[0].maintenance_rate) * there
    allowed = next(float(tier.leverage_max) for tier in reversed(tiers)
                   if notional_usd > float(tier.floor_usd) or tier is tiers[0])
    return max(maintenance, notional_usd / allowed - notional_usd / cap.cap, 0.0)


def _held_up(cap: LeverageCap, floor: float) -> LeverageCap:
    """No known cap lies below the floor: where it binds, watching and acting in time does the rest."""
    return msgspec.structs.replace(cap, cap=floor) if 0 < cap.cap < floor else cap


def _jump(series: Series, side: Side, params: GovernorParams) -> float:
    """The worst 8 h move against a side on record; a young coin has not shown its worst yet."""
    rows, today = (series.rises, series.rise_today) if side == "short" else (series.falls, series.fall_today)
    worst = max((each for each in rows if each is not None), default=0.0)
    worst = max(worst, today or 0.0)
    return max(worst, params.young_jump_log) if series.days_known < params.young_days else worst


def _venue_realised(series: Series, params: GovernorParams) -> float | None:
    """What the venue's own hourly closes of up to 30 days show as daily volatility; None: too few of them."""
    closes = series.hours[-24 * 30 - 1:]
    squares = [math.log(after / before) ** 2 for before, after in pairwise(closes)
               if before is not None and after is not None]
    if len(squares) < params.hours_min:
        return None
    return math.sqrt(24.0 * sum(squares) / len(squares)) or None


class PoolLeg(msgspec.Struct, frozen=True):
    """One perpetual in a pool: notional at mark, the cap of its side, and what higher tiers ask beside."""

    notional_usd: float
    cap: float
    tiers_usd: float = 0.0


def equity_needed_usd(legs: Iterable[PoolLeg]) -> float:
    """Equity that covers every leg at its cap; infinite if one may not be held at all, NaN if one is not known."""
    return sum((leg.notional_usd / leg.cap + leg.tiers_usd if leg.cap > 0 else math.inf)
               for leg in legs if leg.notional_usd)


def fit_age_days(caps: CoinCaps, now_ns: int) -> float | None:
    """Age of the data of the fit behind caps; None without one."""
    return (now_ns - caps.models_ns) / NS_PER_DAY if caps.models_ns else None
