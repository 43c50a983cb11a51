"""The default twenty instruments: four coins on two exchanges with 8 h funding and one perp-only hourly venue.

The venues are fictional. Fees, minimums, funding rules and tiers are of the kind large venues publish; turnover is
calibrated to the medians of three real venues and gamma's spread and depth to a recorded book (`calibration.py`); the
depths of alpha and beta are stated assumptions, for the data hold no book of such a venue.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bot.venues.simulated.market.params import CoinParams, EmbeddedParams, Listing, VenueParams

COINS: Final = (
    CoinParams(coin="BTC", price_usd=95_000.0, beta=1.0, residual_vol_1h_pct=0.0, noise_bps=1.1),
    CoinParams(coin="ETH", price_usd=3_300.0, beta=1.106, residual_vol_1h_pct=0.44, jumps_per_day=0.01,
               premium_scale=1.25, noise_bps=1.6),
    CoinParams(coin="SOL", price_usd=190.0, beta=1.40, residual_vol_1h_pct=0.95, jumps_per_day=0.02,
               premium_scale=1.6, noise_bps=2.6),
    CoinParams(coin="XRP", price_usd=2.3, beta=0.955, residual_vol_1h_pct=0.94, jumps_per_day=0.02,
               premium_scale=1.6, noise_bps=2.0),
)

_Row = tuple[str, str, str, float, float, float, float]
"""coin, tick, lot, spread bp, touch USD, depth USD, turnover USD an hour."""

_ALPHA_SPOT: Final[tuple[_Row, ...]] = (
    ("BTC", "0.01", "0.00001", 0.02, 120_000, 12e6, 130e6),
    ("ETH", "0.01", "0.0001", 0.05, 90_000, 9e6, 75e6),
    ("SOL", "0.01", "0.001", 0.55, 60_000, 4e6, 30e6),
    ("XRP", "0.0001", "0.1", 0.50, 50_000, 3e6, 20e6),
)
_ALPHA_PERP: Final[tuple[_Row, ...]] = (
    ("BTC", "0.1", "0.001", 0.02, 600_000, 30e6, 517e6),
    ("ETH", "0.01", "0.001", 0.04, 350_000, 22e6, 305e6),
    ("SOL", "0.01", "0.01", 0.55, 200_000, 9e6, 103e6),
    ("XRP", "0.0001", "0.1", 0.45, 120_000, 6e6, 45e6),
)
_BETA_SPOT: Final[tuple[_Row, ...]] = (
    ("BTC", "0.1", "0.000001", 0.05, 60_000, 6e6, 45e6),
    ("ETH", "0.01", "0.00001", 0.08, 45_000, 4e6, 25e6),
    ("SOL", "0.01", "0.0001", 0.60, 30_000, 2e6, 12e6),
    ("XRP", "0.0001", "0.01", 0.60, 25_000, 1.5e6, 8e6),
)
_BETA_PERP: Final[tuple[_Row, ...]] = (
    ("BTC", "0.1", "0.001", 0.03, 300_000, 16e6, 250e6),
    ("ETH", "0.01", "0.01", 0.05, 180_000, 11e6, 104e6),
    ("SOL", "0.01", "0.1", 0.60, 100_000, 5e6, 53e6),
    ("XRP", "0.0001", "1", 0.55, 60_000, 3e6, 26e6),
)
_GAMMA_PERP: Final[tuple[_Row, ...]] = (
    ("BTC", "1", "0.00001", 0.12, 60_000, 1.5e6, 50e6),
    ("ETH", "0.1", "0.0001", 0.30, 45_000, 2.1e6, 31e6),
    ("SOL", "0.01", "0.01", 0.70, 25_000, 0.8e6, 12e6),
    ("XRP", "0.0001", "1", 0.90, 15_000, 0.4e6, 2.4e6),
)
_MAJORS: Final = ("BTC", "ETH")


def _listed(
    rows: tuple[_Row, ...], *, perp: bool, minimum: str, caps: tuple[str, str] = ("0", "0"), interval_h: int = 8,
    shorter: tuple[str, ...] = (),
) -> tuple[Listing, ...]:
    listings = []
    for coin, tick, lot, spread, touch, depth, turnover in rows:
        major = coin in _MAJORS
        listings.append(Listing(
            coin=coin, perp=perp, tick=tick, lot=lot, notional_min_usd=minimum, spread_bps=spread, touch_usd=touch,
            depth_usd=depth, turnover_hour_usd=turnover, maintenance_pct="0.4" if major else "1",
            leverage_max=100 if major else 50, interval_h=4 if coin in shorter else interval_h,
            cap_pct=caps[0] if major else caps[1],
        ))
    return tuple(listings)


VENUES: Final = (
    VenueParams(
        venue="alpha", quote="USDT", premium_half_life_h=10.0,
        premium_quantiles=(0.003, 0.02, 0.12, 0.44, 0.61, 0.69, 0.74, 0.90, 0.97, 0.995),
        premium_bps=(-14.0, -7.5, -5.1, -4.0, -2.8, 1.5, 6.0, 8.2, 11.5, 18.0),
        listings=_listed(_ALPHA_SPOT, perp=False, minimum="5") + _listed(
            _ALPHA_PERP, perp=True, minimum="5", caps=("0.3", "2")),
    ),
    VenueParams(
        venue="beta", quote="USDT", perp_taker_bps="5.5", premium_half_life_h=7.0,
        premium_quantiles=(0.003, 0.02, 0.13, 0.36, 0.60, 0.70, 0.77, 0.90, 0.97, 0.995),
        premium_bps=(-16.0, -8.5, -5.1, -4.0, -2.5, 1.5, 6.0, 8.5, 12.5, 21.0),
        listings=_listed(_BETA_SPOT, perp=False, minimum="5") + _listed(
            _BETA_PERP, perp=True, minimum="5", caps=("0.375", "2"), shorter=("XRP",)),
    ),
    VenueParams(
        venue="gamma", quote="USDC", perp_maker_bps="1.5", perp_taker_bps="4.5", premium_half_life_h=24.0,
        flicker_scale=1.8, time_weighted=False, paid_on_index=True,
        premium_quantiles=(0.003, 0.02, 0.10, 0.19, 0.50, 0.67, 0.88, 0.97, 0.995),
        premium_bps=(-14.0, -7.5, -5.0, -4.0, 0.5, 6.0, 9.7, 13.0, 17.0),
        listings=_listed(_GAMMA_PERP, perp=True, minimum="10", caps=("4", "4"), interval_h=1),
    ),
)


def with_default_listings(params: EmbeddedParams) -> EmbeddedParams:
    """The same parameters, with the default coins and venues where none are named."""
    return msgspec.structs.replace(params, coins=params.coins or COINS, venues=params.venues or VENUES)
