"""Listings -> domain instruments, in the one order that every array of this package follows."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from math import isfinite

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.instrument import FundingRule, Instrument, Kind, MarginTier, instrument_id
from bot.domain.values import Coin, Venue
from bot.venues.simulated.market.params import ALL_COINS, EmbeddedParams, Listing, VenueParams

_BPS = Decimal("0.0001")
_PCT = Decimal("0.01")
_SOURCE = "embedded market: stated rules of a fictional venue"


class Row(msgspec.Struct, frozen=True):
    """One row of the arrays: its instrument as listed, its liquidity, and the row of its coin."""

    instrument: Instrument
    listing: Listing
    venue: VenueParams
    coin_row: int


def rows_of(params: EmbeddedParams) -> tuple[Row, ...]:
    """All instruments of the market, venue by venue as configured.

    Raises:
        ConfigRefused: if a listing names an unknown coin, a name occurs twice, or a figure is impossible.
    """
    _check_figures(params)
    coins = {coin.coin: row for row, coin in enumerate(params.coins)}
    rows: list[Row] = []
    for venue in params.venues:
        _check_venue(venue)
        for listing in venue.listings:
            if listing.coin not in coins:
                raise ConfigRefused(f"embedded market: {venue.venue} lists {listing.coin}, which is not in coins")
            rows.append(Row(_instrument(venue, listing), listing, venue, coins[listing.coin]))
    names = [row.instrument.id for row in rows]
    if not names:
        raise ConfigRefused("embedded market: no instrument is listed")
    for kind, given in (("instrument", names), ("coin", [c.coin for c in params.coins])):
        if len(set(given)) != len(given):
            raise ConfigRefused(f"embedded market: a {kind} is named twice in {', '.join(given)}")
    for scenario in params.scenarios:
        if scenario.coin != ALL_COINS and scenario.coin not in coins:
            raise ConfigRefused(f"embedded market: a scenario names {scenario.coin}, which is not in coins")
        if not scenario.duration_h > 0:
            raise ConfigRefused("embedded market: duration_h of a scenario must be above 0")
    return tuple(rows)


def with_interval(instrument: Instrument, interval_h: int) -> Instrument:
    """The instrument under a new funding interval, every other rule kept."""
    if instrument.funding is None or instrument.funding.interval_h == interval_h:
        return instrument
    return msgspec.structs.replace(
        instrument, funding=msgspec.structs.replace(instrument.funding, interval_h=interval_h))


def _check_figures(params: EmbeddedParams) -> None:
    above_zero = {
        "market_vol_1h_pct": params.market_vol_1h_pct, "shock_nu - 2": params.shock_nu - 2.0,
        "vol_half_lives_h": min(params.vol_half_lives_h), "vol_own_half_life_h": params.vol_own_half_life_h,
        "regime_half_life_h": params.regime_half_life_h, "swing_half_life_h": params.swing_half_life_h,
        "coin_half_life_h": params.coin_half_life_h, "flicker_half_life_h": params.flicker_half_life_h,
        "spot_noise_half_life_h": params.spot_noise_half_life_h, "mark_half_life_h": params.mark_half_life_h,
        "jump_minutes": params.jump_minutes, "calm_hours_to_lengthen": params.calm_hours_to_lengthen,
        **{f"price_usd of {coin.coin}": coin.price_usd for coin in params.coins},
        **{f"premium_scale of {coin.coin}": coin.premium_scale for coin in params.coins},
        **{f"premium_half_life_h of {venue.venue}": venue.premium_half_life_h for venue in params.venues},
    }
    for name, value in above_zero.items():
        if not (value > 0 and isfinite(value)):
            raise ConfigRefused(f"embedded market: {name} must be above 0 and finite, got {value}")
    if not 0.0 <= params.alt_correlation < 1.0:
        raise ConfigRefused(f"embedded market: alt_correlation must be in [0, 1), got {params.alt_correlation}")
    if min(params.premium_shares) < 0.0 or abs(sum(params.premium_shares) - 1.0) > 1e-9:
        raise ConfigRefused("embedded market: premium_shares must not be negative and must sum to 1")
    if any(step < 1 or 24 % step != 0 for step in params.interval_ladder_h):
        raise ConfigRefused("embedded market: every step of interval_ladder_h must divide 24")


def _check_venue(venue: VenueParams) -> None:
    points, values = venue.premium_quantiles, venue.premium_bps
    rising = all(a < b for a, b in pairwise(points))
    if len(points) != len(values) or len(points) < 2 or not rising or not 0 < points[0] < points[-1] < 1:
        raise ConfigRefused(f"embedded market: {venue.venue}: premium_quantiles must rise within (0, 1), one per value")
    for listing in venue.listings:
        if listing.interval_h < 1 or 24 % listing.interval_h != 0:
            raise ConfigRefused(f"embedded market: {venue.venue} {listing.coin}: interval_h must divide 24")


def _instrument(venue: VenueParams, listing: Listing) -> Instrument:
    symbol = f"{listing.coin}/{venue.quote}" + (f":{venue.quote}" if listing.perp else "")
    maker, taker = (
        (venue.perp_maker_bps, venue.perp_taker_bps) if listing.perp else (venue.spot_maker_bps, venue.spot_taker_bps))
    return Instrument(
        id=instrument_id(venue.venue, symbol), venue=Venue(venue.venue), symbol=symbol, coin=Coin(listing.coin),
        quote=venue.quote, kind=Kind.PERP if listing.perp else Kind.SPOT,
        tick_size=Decimal(listing.tick), lot_size=Decimal(listing.lot), lots_min=1,
        notional_min_usd=Decimal(listing.notional_min_usd),
        maker_fee=Decimal(maker) * _BPS, taker_fee=Decimal(taker) * _BPS, fee_in_base=not listing.perp,
        tiers=_tiers(listing) if listing.perp else (), funding=_rule(venue, listing) if listing.perp else None,
        source=_SOURCE,
    )


def _tiers(listing: Listing) -> tuple[MarginTier, ...]:
    rate, leverage = Decimal(listing.maintenance_pct) * _PCT, listing.leverage_max
    steps = ((0, 1), (300_000, 2), (3_000_000, 4), (15_000_000, 8))
    return tuple(MarginTier(Decimal(floor), rate * factor, max(leverage // factor, 1)) for floor, factor in steps)


def _rule(venue: VenueParams, listing: Listing) -> FundingRule:
    return FundingRule(
        interval_h=listing.interval_h, interest_8h=_BPS, clamp_8h=5 * _BPS, cap=Decimal(listing.cap_pct) * _PCT,
        cap_before_division=venue.cap_before_division, time_weighted=venue.time_weighted,
        paid_on_index=venue.paid_on_index,
    )
