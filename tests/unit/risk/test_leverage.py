"""Caps of a coin: its own windows widen or narrow them, higher tiers ask for more than the first one's rate."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from bot.domain.instrument import MarginTier
from bot.domain.values import NS_PER_DAY, Coin, InstrumentId
from bot.market.panel import Series
from bot.quant.barrier import tail_multiplier
from bot.quant.barrier_calibration import BarrierRecord
from bot.quant.leverage_cap import LeverageCap, PoolLeg, Side, pool_equity_needed
from bot.quant.volatility import VolatilityParams
from bot.risk import leverage
from bot.risk.governor_params import GovernorParams
from bot.risk.leverage import barrier_factor, coin_caps, equity_needed_usd, tier_extra_usd
from bot.risk.models import CoinModels
from tests.unit.engine.driving import PERP

PARAMS = GovernorParams()
TIERS = (MarginTier(Decimal(0), Decimal("0.01"), 50), MarginTier(Decimal(50_000), Decimal("0.025"), 20),
         MarginTier(Decimal(250_000), Decimal("0.05"), 2))
YEAR_WINDOWS = 2 * 3 * 365


def cap(side: Side, distance: float | None = 0.3, at: float = 2.5) -> LeverageCap:
    return LeverageCap(side=side, cap=at, binding="barrier", distance=distance)


def models(windows: int = 0, ratios: tuple[float, ...] = ()) -> CoinModels:
    """A coin that has moved 1 % an hour for 40 days, with a record of its windows."""
    own, kept = CoinModels(instrument=InstrumentId("a:BTC/USDT:USDT")), VolatilityParams()
    for hour in range(24 * 40):
        own.close_hour(0.01 if hour % 2 else -0.01, kept)
    for day in range(1, 41):
        own.close_day(day, 0.04 if day % 2 else -0.04, 0.0024, kept)
    own.barrier = BarrierRecord(windows, ratios)
    return own


def caps(own: CoinModels, notional_max_usd: float = 0.0) -> leverage.CoinCaps:
    perp = msgspec.structs.replace(PERP, tiers=TIERS)
    series = Series(first_day=1, closes=[100.0] * 400, hours=[100.0] * 800, first_hour=200)
    return coin_caps(Coin("BTC"), own, series, [perp], 50.0, PARAMS, None, 41 * NS_PER_DAY, notional_max_usd)


@pytest.mark.parametrize("side", ["short", "long"])
@pytest.mark.parametrize("notional", [10_000.0, 60_000.0, 300_000.0, 2_000_000.0])
def test_a_leg_with_its_tiers_asks_for_what_the_pool_formula_says(side: Side, notional: float) -> None:
    """Loss over the distance and tiered maintenance there, the closed form of quant: first tier's part and the rest."""
    distance = 0.3
    whole = pool_equity_needed([PoolLeg(side=side, notional_usd=notional, distance=distance, tiers=TIERS)])
    first = pool_equity_needed([PoolLeg(side=side, notional_usd=notional, distance=distance, tiers=TIERS[:1])])
    extra = tier_extra_usd(TIERS, cap(side, distance, notional / first), notional)
    venue = next(notional / tier.leverage_max for tier in reversed(TIERS) if notional > tier.floor_usd)
    assert first + extra == pytest.approx(max(whole, venue))


def test_what_reaches_no_higher_tier_asks_for_nothing_more() -> None:
    """A small leg, one tier, an unknown distance, a cap of nothing, a size that is not known."""
    assert tier_extra_usd(TIERS, cap("short"), 30_000.0) == 0.0
    assert tier_extra_usd(TIERS, cap("short"), 49_000.0) > 0.0  # it rises into the second tier
    assert tier_extra_usd(TIERS, cap("long"), 51_000.0) == 0.0  # it falls out of it
    assert tier_extra_usd(TIERS[:1], cap("short"), 1e9) == 0.0
    assert tier_extra_usd(TIERS, cap("short", None), 1e6) == 0.0
    assert tier_extra_usd(TIERS, cap("short", at=0.0), 1e6) == 0.0
    assert tier_extra_usd(TIERS, cap("short"), math.nan) == 0.0


def test_a_pool_adds_what_its_legs_ask_and_says_what_it_does_not_know() -> None:
    """Infinite where nothing may be held, NaN where a size is unknown, nothing for nothing."""
    legs = [leverage.PoolLeg(10_000.0, 2.0, 500.0), leverage.PoolLeg(0.0, 0.0)]
    assert equity_needed_usd(legs) == 5_500.0
    assert equity_needed_usd([*legs, leverage.PoolLeg(1.0, 0.0)]) == math.inf
    assert math.isnan(equity_needed_usd([*legs, leverage.PoolLeg(math.nan, 2.0)]))


def test_windows_that_went_too_far_lower_the_caps_at_once() -> None:
    """500 windows of which 20 went twice as far as 1 % of them may: the factor is two, and caps give way."""
    k = tail_multiplier(1e-2, PARAMS.caps.nu)
    hit, calm = models(500, (2.0 * k,) * 20), models(500, (0.5 * k,) * 20)
    assert barrier_factor(hit, PARAMS.caps) == pytest.approx(2.0, rel=1e-6)
    assert barrier_factor(calm, PARAMS.caps) == 1.0
    assert caps(hit).short.cap < caps(calm).short.cap
    assert caps(hit).scale == pytest.approx(2.0, rel=1e-6)
    assert caps(hit).windows == 500
    assert caps(hit).sigma_hour == pytest.approx(2.0 * (caps(calm).sigma_hour or 0.0), rel=1e-6)


def test_only_a_year_of_quiet_windows_raises_the_caps_and_within_bounds() -> None:
    """One window less than a year proves nothing; with it a quarter is taken back, no more."""
    quiet = (0.1,) * 20
    assert barrier_factor(models(YEAR_WINDOWS - 1, quiet), PARAMS.caps) == 1.0
    assert barrier_factor(models(YEAR_WINDOWS, quiet), PARAMS.caps) == PARAMS.caps.scale_min
    assert barrier_factor(models(YEAR_WINDOWS, (1e3,) * 20), PARAMS.caps) == PARAMS.caps.scale_max
    assert barrier_factor(models(), PARAMS.caps) == 1.0


def test_the_most_that_a_coin_may_bind_is_planned_with_its_tiers() -> None:
    """A short of 200,000 USD rises into the tiers above; one of 1,000 does not."""
    assert caps(models(), 200_000.0).tiers_short > 0.0
    assert caps(models(), 1_000.0).tiers_short == 0.0
    assert caps(models()).tiers_short == caps(models()).tiers_long == 0.0
