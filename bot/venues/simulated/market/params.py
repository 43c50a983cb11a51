"""What the embedded market is made of: coins, venues, listings, and the figures of its processes."""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT_SEED: Final = 360
"""Chosen by search: its first 30 days hold a rich stretch from the start, an idle one and a cross-venue spread."""
ALL_COINS: Final = "*"


class CoinParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coin: its price level, its share in the market's moves, and how wildly its premium swings."""

    coin: str
    price_usd: float
    beta: float
    """To the market factor (BTC: 1)."""
    residual_vol_1h_pct: float
    """Hourly volatility beside the factor (BTC: 0)."""
    jumps_per_day: float = 0.0
    """Of its own, beside the market's."""
    premium_scale: float = 1.0
    """Stretches premium beyond the band where funding equals interest."""
    noise_bps: float = 1.0
    """Standard deviation of a spot venue's price around the composite."""


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument of a venue, with the stated liquidity of a quiet minute. Money and steps as decimal strings."""

    coin: str
    perp: bool
    tick: str
    lot: str
    notional_min_usd: str
    spread_bps: float
    touch_usd: float
    """Displayed at the touch, each side."""
    depth_usd: float
    """Within 50 bp of the touch, each side."""
    turnover_hour_usd: float
    maintenance_pct: str = "0.5"
    leverage_max: int = 50
    interval_h: int = 8
    cap_pct: str = "0.3"
    """Largest |funding| per interval, or per 8 h where the venue caps before scaling."""


class VenueParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One venue: fees, its way of charging funding, the character of its premium, what it lists."""

    venue: str
    quote: str
    listings: tuple[Listing, ...]
    spot_maker_bps: str = "10"
    spot_taker_bps: str = "10"
    perp_maker_bps: str = "2"
    perp_taker_bps: str = "5"
    cap_before_division: bool = False
    time_weighted: bool = True
    paid_on_index: bool = False
    premium_half_life_h: float = 10.0
    """Of what is the venue's own (not the market's) in the premium."""
    flicker_scale: float = 1.0
    """Its premium's quick noise against `EmbeddedParams.flicker_bps`."""
    premium_quantiles: tuple[float, ...]
    """Probabilities in (0, 1), increasing ..."""
    premium_bps: tuple[float, ...]
    """... and the premium at each of them, before the coin's scale; straight lines between and beyond."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A planted event: a log-price move of one coin spread evenly over some hours, with a premium shift meanwhile."""

    day: int
    """Counted from the day of the start (0)."""
    coin: str
    """A coin, or `*`: every coin, its move times its beta."""
    log_jump: float
    duration_h: float = 1.0
    hour: float = 12.0
    premium_bps: float = 0.0


class EmbeddedParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole embedded market. Empty `coins` and `venues` mean the default twenty instruments."""

    seed: int = DEFAULT_SEED
    """The seed a session takes unless told otherwise."""
    coins: tuple[CoinParams, ...] = ()
    venues: tuple[VenueParams, ...] = ()
    scenarios: tuple[Scenario, ...] = (
        Scenario(day=17, coin=ALL_COINS, log_jump=-0.08, duration_h=72.0, premium_bps=-14.0),
    )
    """Planted events. The default month holds one: a sell-off of three days with perps below spot, which the carry
    must leave (funding turns against it)."""

    market_vol_1h_pct: float = 0.69
    """Hourly volatility of the market factor, jumps included."""
    shock_nu: float = 4.0
    """Student-t degrees of freedom of a minute's shock; cut at 15 standard deviations."""
    vol_half_lives_h: tuple[float, float, float] = (720.0, 24.0, 1.45)
    vol_log_sds: tuple[float, float, float] = (0.38, 0.24, 0.42)
    """Three mean-reverting terms of log volatility: weeks, a day, an hour (fits the autocorrelation of |returns|)."""
    vol_share: float = 0.7
    """How much of the market's log volatility a coin's own part follows."""
    vol_own_half_life_h: float = 20.0
    vol_own_log_sd: float = 0.40
    alt_correlation: float = 0.28
    """Between the coins' own parts."""
    jumps_per_day: float = 0.03
    jump_sd_pct: float = 4.5
    """Laplace; spread over `jump_minutes`."""
    jump_mean_pct: float = -0.8
    jump_minutes: int = 15

    premium_shares: tuple[float, float, float, float, float] = (0.50, 0.20, 0.07, 0.11, 0.12)
    """Variance shares of the premium's latent: market regime, market swing, coin, venue, venue and coin."""
    regime_half_life_h: float = 480.0
    swing_half_life_h: float = 48.0
    coin_half_life_h: float = 72.0
    flicker_bps: float = 1.0
    """Quick noise of the premium, times the coin's `noise_bps` and the venue's `flicker_scale`."""
    flicker_half_life_h: float = 0.75
    spot_noise_half_life_h: float = 0.4
    mark_half_life_h: float = 0.03
    """Marks follow the premium with this half-life (about 2 min): mark = index * (1 + smoothed premium)."""

    interval_ladder_h: tuple[int, ...] = (8, 4, 1)
    """A perpetual whose settled rate is at its cap moves to the next shorter interval ..."""
    calm_hours_to_lengthen: int = 72
    """... and one step back, never past its listed interval, after so many hours with |rate| below half the cap."""

    size_log_sd: float = 0.45
    spread_log_sd: float = 0.7
    turnover_log_sd: float = 0.5
    stress_power: float = 0.7
    """Spread grows, and size shrinks, with (volatility / its long-run level) to this power; turnover with power 1."""
