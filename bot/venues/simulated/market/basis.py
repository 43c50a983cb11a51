"""Premium of perpetuals over the composite: a latent regime shared by all, bent into each venue's own distribution.

The latent of a perpetual is a sum of Ornstein-Uhlenbeck terms (market regime over weeks, market swing over days, coin,
venue, venue and coin) with unit variance. A venue's quantile table bends it into basis points: so premium dwells in
the band where funding equals interest, and beside the band's lower edge, as on real venues, and leaves it in rich and
in negative stretches. Correlation across coins and venues follows from the shared terms.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from bot.venues.simulated.market.instruments import Row
from bot.venues.simulated.market.mean_reversion import end_state, mean_reverting, minute_decay
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.returns import planted
from bot.venues.simulated.market.streams import Array, IntArray, normals, stream

_BPS: Final = 1e-4
_BAND_LOW_BPS: Final = -5.0
_BAND_HIGH_BPS: Final = 6.0
"""Between these the rate lies between zero and the interest; only what is beyond is stretched by the coin's scale."""


class BasisDay(msgspec.Struct, frozen=True):
    """One day of minutes 1 .. 1440."""

    premium: Array
    """Shape (n_perps, 1440), perpetual's mid over the composite, fraction; the funding rule samples this."""
    smooth: Array
    """Shape (n_perps, 1440), the smoothed premium in marks."""
    spot_noise: Array
    """Shape (n_spots, 1440), a spot venue's mid over the composite, fraction."""
    end: Array


class BasisModel:
    """Rows, weights and half-lives of every term, laid out once."""

    def __init__(self, params: EmbeddedParams, rows: tuple[Row, ...]) -> None:
        self._params = params
        self._perps = [row for row in rows if row.instrument.is_perp]
        spots = [row for row in rows if not row.instrument.is_perp]
        self._coin_rows = [row.coin_row for row in self._perps]
        noise = [coin.noise_bps for coin in params.coins]
        terms: list[tuple[str, float, float]] = [
            ("premium/regime", params.regime_half_life_h, 1.0), ("premium/swing", params.swing_half_life_h, 1.0)]
        terms += [(f"premium/{coin.coin}", params.coin_half_life_h, 1.0) for coin in params.coins]
        terms += [(f"premium/{venue.venue}", venue.premium_half_life_h, 1.0) for venue in params.venues]
        terms += [(f"premium/{row.instrument.id}", row.venue.premium_half_life_h, 1.0) for row in self._perps]
        self._latents = len(terms)
        terms += [(f"flicker/{row.instrument.id}", params.flicker_half_life_h,
                   params.flicker_bps * row.venue.flicker_scale * noise[row.coin_row] * _BPS) for row in self._perps]
        terms += [(f"spot/{row.instrument.id}", params.spot_noise_half_life_h, noise[row.coin_row] * _BPS)
                  for row in spots]
        self._names = tuple(name for name, _, _ in terms)
        self._decay = minute_decay(np.array([half_life for _, half_life, _ in terms]))
        self._sd = np.array([sd for _, _, sd in terms])
        self._terms_of = self._positions()
        self._weights = np.sqrt(np.array(params.premium_shares)).tolist()
        self._curves = [_curve(row, params) for row in self._perps]
        self._mark_decay = np.repeat(minute_decay(np.array([params.mark_half_life_h])), len(self._perps))

    def first_state(self, seed: int, day: int) -> Array:
        """A draw from the stationary law, for the midnight that begins `day`; shape (n_terms + n_perps,)."""
        draws = np.array([stream(seed, f"{name}/first", day).standard_normal() for name in self._names]) * self._sd
        return np.round(np.concatenate([draws, self._premium(draws[:, None])[:, 0]]), 12)

    def at_midnight(self, state: Array) -> tuple[Array, Array, Array]:
        """Premium and smoothed premium (n_perps,) and spot noise (n_spots,) at the instant of a state."""
        terms = len(self._names)
        premium = self._premium(state[:terms, None])[:, 0]
        return premium, state[terms:], state[self._latents + len(self._perps):terms]

    def day(self, seed: int, day: int, state: Array) -> BasisDay:
        """The day's premium and spot noise: a function of (params, seed, day, state) alone."""
        terms = len(self._names)
        paths = mean_reverting(state[:terms], self._decay, self._sd, normals(seed, self._names, day))
        premium = self._premium(paths)
        if self._params.scenarios:
            premium += planted(self._params, day, "premium_bps")[self._coin_rows] * _BPS
        # a smoother is the same recursion with the premium itself as its shock
        gain = (1.0 - self._mark_decay) / np.sqrt(1.0 - self._mark_decay**2)
        smooth = mean_reverting(state[terms:], self._mark_decay, gain, premium)
        end = np.concatenate([end_state(paths), end_state(smooth)])
        return BasisDay(premium, smooth, paths[self._latents + len(self._perps):], end)

    def hours(self, seed: int, hours: int) -> tuple[Array, Array]:
        """Hourly premium, shape (n_perps, hours), and spot noise, (n_spots, hours): the same law in steps of an hour.

        Drawn from streams of their own, planted events left out.
        """
        names = tuple(f"before/{name}" for name in self._names)
        first = np.array([stream(seed, f"{name}/first", 0).standard_normal() for name in names]) * self._sd
        paths = mean_reverting(first, self._decay**60, self._sd, normals(seed, names, 0, hours))
        return self._premium(paths), paths[self._latents + len(self._perps):]

    def _premium(self, paths: Array) -> Array:
        # five scaled rows are added one by one: a matrix product would add in an order that depends on the machine
        latent = np.zeros((len(self._perps), paths.shape[1]))
        for weight, rows in zip(self._weights, self._terms_of, strict=True):
            latent += weight * paths[rows]
        flicker = paths[self._latents:self._latents + len(self._perps)]
        return np.stack([
            np.interp(z, knots, values) for z, (knots, values) in zip(latent, self._curves, strict=True)]) + flicker

    def _positions(self) -> tuple[IntArray, ...]:
        """For each share, the row of its term per perpetual: regime, swing, coin, venue, own."""
        coins, venues = len(self._params.coins), [venue.venue for venue in self._params.venues]
        own = np.arange(len(self._perps), dtype=np.int64)
        of_venue = np.array([venues.index(row.venue.venue) for row in self._perps], dtype=np.int64)
        of_coin = np.array(self._coin_rows, dtype=np.int64)
        return own * 0, own * 0 + 1, 2 + of_coin, 2 + coins + of_venue, 2 + coins + len(venues) + own


def _curve(row: Row, params: EmbeddedParams) -> tuple[Array, Array]:
    """Knots (standard normal) and premium (fraction); the last slopes go on to six standard deviations."""
    knots = np.array([NormalDist().inv_cdf(point) for point in row.venue.premium_quantiles])
    values = np.array(row.venue.premium_bps)
    scale = params.coins[row.coin_row].premium_scale
    high, low = np.maximum(values - _BAND_HIGH_BPS, 0.0), np.minimum(values - _BAND_LOW_BPS, 0.0)
    values = np.clip(values, _BAND_LOW_BPS, _BAND_HIGH_BPS) + scale * (high + low)
    ends = []
    for inner, edge, far in ((1, 0, -6.0), (-2, -1, 6.0)):
        slope = (values[edge] - values[inner]) / (knots[edge] - knots[inner])
        ends.append(values[edge] + slope * (far - knots[edge]))
    return np.array([-6.0, *knots, 6.0]), np.array([ends[0], *values, ends[1]]) * _BPS
