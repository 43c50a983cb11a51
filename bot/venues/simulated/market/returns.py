"""Composite spot prices: one factor, clustered volatility, fat tails, jumps, hours of the day, planted events."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.venues.simulated.market.mean_reversion import end_state, mean_reverting, minute_decay
from bot.venues.simulated.market.params import ALL_COINS, EmbeddedParams, Scenario
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array, normals, stream

HOUR_VOL_RATIO: Final = (
    1.085, 1.032, 0.974, 0.893, 0.809, 0.773, 0.837, 0.837, 0.989, 0.854, 1.119, 0.829,
    1.125, 1.057, 1.275, 1.125, 1.055, 0.970, 0.979, 1.007, 1.054, 1.051, 0.947, 1.138,
)
"""Volatility of a UTC hour against the day's mean (BTC, Binance perpetual, 2020-01 to 2025-06)."""
_SHOCK_MAX: Final = 15.0
_LEVELS: Final = 3
"""Terms of the market's log volatility: weeks, a day, an hour."""


class ReturnsState(msgspec.Struct, frozen=True):
    """What a day hands to the next: log prices, shape (n_coins,), and log-volatility terms, shape (3 + n_coins,)."""

    log_price: Array
    log_vol: Array


class ReturnsDay(msgspec.Struct, frozen=True):
    """One day of minutes 1 .. 1440. Arrays have shape (n_coins, 1440)."""

    log_price: Array
    vol_ratio: Array
    """Volatility of the minute against its long-run level: the clustering alone, without the hour of the day."""
    vol_minute: Array
    """Standard deviation of the minute's log return, jumps aside."""
    end: ReturnsState


def first_state(params: EmbeddedParams, seed: int) -> ReturnsState:
    """The state at the midnight that begins day 0: stated prices, volatility drawn from its stationary law."""
    names = ("vol/weeks", "vol/day", "vol/hour", *(f"vol/{coin.coin}" for coin in params.coins))
    draws = np.array([stream(seed, f"{name}/first", 0).standard_normal() for name in names])
    return ReturnsState(np.log([coin.price_usd for coin in params.coins]), np.round(draws * _log_vol_sds(params), 12))


def returns_day(params: EmbeddedParams, seed: int, day: int, state: ReturnsState) -> ReturnsDay:
    """The day's composite prices: a function of (params, seed, day, state) alone."""
    coins = params.coins
    half_lives = np.array([*params.vol_half_lives_h, *(params.vol_own_half_life_h for _ in coins)])
    names = ("vol/weeks", "vol/day", "vol/hour", *(f"vol/{coin.coin}" for coin in coins))
    log_vol = mean_reverting(
        state.log_vol, minute_decay(half_lives), _log_vol_sds(params), normals(seed, names, day))
    market = log_vol[:_LEVELS].sum(axis=0)
    variance = float(sum(sd * sd for sd in params.vol_log_sds))
    factor_ratio = np.exp(market - variance)
    own_variance = params.vol_share**2 * variance + params.vol_own_log_sd**2
    own_ratio = np.exp(params.vol_share * market + log_vol[_LEVELS:] - own_variance)

    hourly = _hour_profile() / np.sqrt(60.0)
    factor_vol = factor_ratio * hourly * _diffusive(params.market_vol_1h_pct, params.jumps_per_day, params)
    own_vol = own_ratio * hourly * np.array([
        _diffusive(coin.residual_vol_1h_pct, coin.jumps_per_day, params) for coin in coins])[:, None]
    beta = np.array([coin.beta for coin in coins])[:, None]

    common = np.sqrt(params.alt_correlation) * _shocks(params, seed, "shock/alts", day)
    own = np.stack([_shocks(params, seed, f"shock/{coin.coin}", day) for coin in coins])
    own = common + np.sqrt(1.0 - params.alt_correlation) * own
    moves = beta * (factor_vol * _shocks(params, seed, "shock/market", day)
                    + _jumps(params, seed, "jump/market", day, params.jumps_per_day))
    moves += own_vol * own
    for row, coin in enumerate(coins):
        if coin.jumps_per_day > 0.0:
            moves[row] += _jumps(params, seed, f"jump/{coin.coin}", day, coin.jumps_per_day)
    moves += planted(params, day, "log_jump")

    log_price = state.log_price[:, None] + np.cumsum(moves, axis=1)
    vol_minute = np.sqrt((beta * factor_vol) ** 2 + own_vol**2)
    end = ReturnsState(end_state(log_price), end_state(log_vol))
    return ReturnsDay(log_price, vol_minute / (hourly * _long_run_vol(params)[:, None]), vol_minute, end)


def hourly_moves(params: EmbeddedParams, seed: int, hours: int) -> Array:
    """Log moves hour by hour from the same law, shape (n_coins, hours), from streams of their own; nothing planted."""
    coins = params.coins
    names = ("vol/weeks", "vol/day", "vol/hour", *(f"vol/{coin.coin}" for coin in coins))
    names = tuple(f"before/{name}" for name in names)
    half_lives = np.array([*params.vol_half_lives_h, *(params.vol_own_half_life_h for _ in coins)])
    sds = _log_vol_sds(params)
    first = np.array([stream(seed, f"{name}/first", 0).standard_normal() for name in names]) * sds
    log_vol = mean_reverting(first, minute_decay(half_lives) ** 60, sds, normals(seed, names, 0, hours))
    market = log_vol[:_LEVELS].sum(axis=0)
    variance = float(sum(sd * sd for sd in params.vol_log_sds))
    own_variance = params.vol_share**2 * variance + params.vol_own_log_sd**2
    hourly = np.resize(_hour_profile()[::60], hours)
    factor_vol = np.exp(market - variance) * hourly * _diffusive(params.market_vol_1h_pct, params.jumps_per_day, params)
    own_vol = np.exp(params.vol_share * market + log_vol[_LEVELS:] - own_variance) * hourly * np.array([
        _diffusive(coin.residual_vol_1h_pct, coin.jumps_per_day, params) for coin in coins])[:, None]
    shocks = normals(seed, ("before/market", "before/alts", *(f"before/{coin.coin}" for coin in coins)), 0, hours)
    own = np.sqrt(params.alt_correlation) * shocks[1] + np.sqrt(1.0 - params.alt_correlation) * shocks[2:]
    beta = np.array([coin.beta for coin in coins])[:, None]
    market_jumps = _hourly_jumps(params, seed, "before/jumps", hours, params.jumps_per_day)
    moves = beta * (factor_vol * shocks[0] + market_jumps) + own_vol * own
    for row, coin in enumerate(coins):
        moves[row] += _hourly_jumps(params, seed, f"before/jumps/{coin.coin}", hours, coin.jumps_per_day)
    return np.asarray(moves, dtype=np.float64)


def planted(params: EmbeddedParams, day: int, what: str) -> Array:
    """Planted events of the day, shape (n_coins, 1440): log moves per minute, or premium shifts in bp."""
    table = np.zeros((len(params.coins), MINUTES_PER_DAY))
    for scenario in params.scenarios:
        first = round(scenario.day * MINUTES_PER_DAY + scenario.hour * 60.0) - day * MINUTES_PER_DAY
        minutes = max(round(scenario.duration_h * 60.0), 1)
        begin, end = max(first, 0), min(first + minutes, MINUTES_PER_DAY)
        if begin < end:
            table[:, begin:end] += _planted_size(params, scenario, what, minutes)[:, None]
    return table


def _planted_size(params: EmbeddedParams, scenario: Scenario, what: str, minutes: int) -> Array:
    everywhere = scenario.coin == ALL_COINS
    hit = np.array([1.0 if everywhere or coin.coin == scenario.coin else 0.0 for coin in params.coins])
    if what == "premium_bps":
        return hit * scenario.premium_bps
    scale = np.array([coin.beta if everywhere else 1.0 for coin in params.coins])
    return np.asarray(hit * scale * (scenario.log_jump / minutes), dtype=np.float64)


def _log_vol_sds(params: EmbeddedParams) -> Array:
    return np.array([*params.vol_log_sds, *(params.vol_own_log_sd for _ in params.coins)])


def _hour_profile() -> Array:
    """The hour's ratio for each minute, scaled so that the mean square over the day is one."""
    ratio = np.repeat(np.array(HOUR_VOL_RATIO), 60)
    return np.asarray(ratio / np.sqrt(np.mean(ratio * ratio)), dtype=np.float64)


def _diffusive(vol_1h_pct: float, jumps_per_day: float, params: EmbeddedParams) -> float:
    """Hourly volatility (fraction) that is left once the jumps' share is taken out."""
    size = params.jump_sd_pct**2 + params.jump_mean_pct**2
    return float(np.sqrt(max(vol_1h_pct**2 - jumps_per_day * size / 24.0, 0.25 * vol_1h_pct**2))) / 100.0


def _long_run_vol(params: EmbeddedParams) -> Array:
    """Volatility per hour, fraction, at the median of log volatility (quiet hours are judged against it)."""
    factor = _diffusive(params.market_vol_1h_pct, params.jumps_per_day, params)
    own = np.array([_diffusive(c.residual_vol_1h_pct, c.jumps_per_day, params) for c in params.coins])
    beta = np.array([coin.beta for coin in params.coins])
    shrink = np.exp(-float(sum(sd * sd for sd in params.vol_log_sds)))
    return np.asarray(np.sqrt((beta * factor) ** 2 + own**2) * shrink, dtype=np.float64)


def _shocks(params: EmbeddedParams, seed: int, name: str, day: int) -> Array:
    nu = params.shock_nu
    draws = stream(seed, name, day).standard_t(nu, MINUTES_PER_DAY) * np.sqrt((nu - 2.0) / nu)
    return np.asarray(np.clip(draws, -_SHOCK_MAX, _SHOCK_MAX), dtype=np.float64)


def _hourly_jumps(params: EmbeddedParams, seed: int, name: str, hours: int, per_day: float) -> Array:
    """Laplace jumps as log moves per hour."""
    draws = stream(seed, name, 0)
    counts = draws.poisson(per_day / 24.0, hours)
    sizes = draws.laplace(params.jump_mean_pct, params.jump_sd_pct / np.sqrt(2.0), int(counts.sum())) / 100.0
    moves = np.zeros(hours)
    np.add.at(moves, np.repeat(np.arange(hours), counts), sizes)
    return moves


def _jumps(params: EmbeddedParams, seed: int, name: str, day: int, per_day: float) -> Array:
    """Laplace jumps as log moves per minute, each spread over `jump_minutes` and ending within its day."""
    moves = np.zeros(MINUTES_PER_DAY)
    draws = stream(seed, name, day)
    for _ in range(int(draws.poisson(per_day))):
        begin = int(draws.integers(0, MINUTES_PER_DAY - params.jump_minutes))
        size = draws.laplace(params.jump_mean_pct, params.jump_sd_pct / np.sqrt(2.0)) / 100.0
        moves[begin:begin + params.jump_minutes] += size / params.jump_minutes
    return moves
