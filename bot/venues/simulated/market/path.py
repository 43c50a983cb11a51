"""The 60 s path as arrays: a pure function of (params, seed), one day at a time, state carried from day to day."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from bot.domain.errors import ConfigRefused
from bot.domain.instrument import Instrument
from bot.domain.market_events import ClosesKnown
from bot.venues.simulated.market.basis import BasisModel
from bot.venues.simulated.market.funding import FundingDay, FundingState, first_funding_state, funding_day
from bot.venues.simulated.market.instruments import Row, rows_of
from bot.venues.simulated.market.listings import with_default_listings
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.prehistory import closes_before
from bot.venues.simulated.market.returns import ReturnsState, first_state, planted, returns_day
from bot.venues.simulated.market.streams import Array

HISTORY_DAYS: Final = 30
"""Premium and funding exist so many days before the start; prices do not."""


class DayState(msgspec.Struct, frozen=True):
    """Everything that the midnight at the beginning of `day` hands on; a few dozen numbers."""

    day: int
    returns: ReturnsState
    basis: Array
    funding: FundingState


class DayBlock(msgspec.Struct, frozen=True):
    """One day of 60 s points, minutes 1 .. 1440 after its midnight. Rows follow `PathModel.rows`."""

    day: int
    index: Array
    """Shape (n_coins, 1440), USD: the geometric mean of the coin's spot mids (the composite where there is none)."""
    mid: Array
    """Shape (n_instruments, 1440), USD."""
    mark: Array
    """Shape (n_perps, 1440), USD: index * (1 + smoothed premium)."""
    premium: Array
    """Shape (n_perps, 1440), fraction of the index: the samples of the funding rule."""
    smooth: Array
    """Shape (n_perps, 1440), fraction: the smoothed premium in the mark."""
    vol_ratio: Array
    """Shape (n_coins, 1440), volatility against its long-run level."""
    vol_minute: Array
    """Shape (n_coins, 1440), standard deviation of a minute's log return."""
    funding: FundingDay
    funding_begin: FundingState
    end: DayState


class Point(msgspec.Struct, frozen=True):
    """The market at one instant, where a tick bridge begins or ends."""

    index: Array
    """Shape (n_coins,), USD."""
    mid: Array
    """Shape (n_instruments,), USD."""
    smooth: Array
    """Shape (n_perps,), fraction."""


class PathModel:
    """The market of one (params, seed): rows, first state, and the step from one day to the next."""

    def __init__(self, params: EmbeddedParams, seed: int) -> None:
        if seed < 0:
            raise ConfigRefused(f"embedded market: seed must not be negative, got {seed}")
        self.params = with_default_listings(params)
        self.seed = seed
        self.rows: tuple[Row, ...] = rows_of(self.params)
        self.perps: tuple[Instrument, ...] = tuple(r.instrument for r in self.rows if r.instrument.is_perp)
        self.perp_rows = [n for n, row in enumerate(self.rows) if row.instrument.is_perp]
        self.spot_rows = [n for n, row in enumerate(self.rows) if not row.instrument.is_perp]
        self._perp_coins = [self.rows[n].coin_row for n in self.perp_rows]
        self._spot_coins = [self.rows[n].coin_row for n in self.spot_rows]
        self._basis = BasisModel(self.params, self.rows)
        self._before: tuple[tuple[int, FundingDay, DayState], ...] = ()

    def history(self) -> tuple[tuple[int, FundingDay, DayState], ...]:
        """The days before the start, -30 .. -1: (day, funding, the state that the next midnight receives)."""
        if not self._before:
            self._before = tuple(self._days_before())
        return self._before

    def _days_before(self) -> Iterator[tuple[int, FundingDay, DayState]]:
        basis = self._basis.first_state(self.seed, -HISTORY_DAYS)
        returns = first_state(self.params, self.seed)
        funding = first_funding_state(self.perps)
        for day in range(-HISTORY_DAYS, 0):
            premium = self._basis.day(self.seed, day, basis)
            settled = self._funding(premium.premium, funding)
            basis, funding = premium.end, settled.end
            yield day, settled, DayState(day + 1, returns, basis, funding)

    def closes_before(self, start_ns: int, days: int) -> tuple[ClosesKnown, ...]:
        """Closes and funding of the days before `start_ns`, the midnight of day 0."""
        return closes_before(self.params, self.rows, self._basis, self.seed, start_ns, days)

    def start(self) -> DayState:
        """The state at the midnight that begins day 0."""
        return self.history()[-1][2]

    def day(self, state: DayState) -> DayBlock:
        """The day that begins with `state`."""
        returns = returns_day(self.params, self.seed, state.day, state.returns)
        basis = self._basis.day(self.seed, state.day, state.basis)
        funding = self._funding(basis.premium, state.funding)
        composite = np.exp(returns.log_price)
        index = composite * (1.0 + self._mean_noise(basis.spot_noise))
        mid = np.empty((len(self.rows), composite.shape[1]))
        mid[self.spot_rows] = composite[self._spot_coins] * (1.0 + basis.spot_noise)
        mid[self.perp_rows] = index[self._perp_coins] * (1.0 + basis.premium)
        mark = index[self._perp_coins] * (1.0 + basis.smooth)
        end = DayState(state.day + 1, returns.end, basis.end, funding.end)
        return DayBlock(state.day, index, mid, mark, basis.premium, basis.smooth, returns.vol_ratio,
                        returns.vol_minute, funding, state.funding, end)

    def midnight(self, state: DayState) -> Point:
        """The point at the midnight of a state where the day's first minute begins."""
        premium, smooth, noise = self._basis.at_midnight(state.basis)
        if self.params.scenarios:
            premium = premium + planted(self.params, state.day - 1, "premium_bps")[self._perp_coins, -1] * 1e-4
        composite = np.exp(state.returns.log_price)
        index = composite * (1.0 + self._mean_noise(noise[:, None])[:, 0])
        mid = np.empty(len(self.rows))
        mid[self.spot_rows] = composite[self._spot_coins] * (1.0 + noise)
        mid[self.perp_rows] = index[self._perp_coins] * (1.0 + premium)
        return Point(index, mid, smooth)

    def roll(self, state: DayState, day: int) -> DayState:
        """The state at the midnight that begins `day`: the same steps as `day`, without prices of instruments."""
        while state.day < day:
            returns = returns_day(self.params, self.seed, state.day, state.returns)
            basis = self._basis.day(self.seed, state.day, state.basis)
            funding = self._funding(basis.premium, state.funding)
            state = DayState(state.day + 1, returns.end, basis.end, funding.end)
        return state

    def _funding(self, premium: Array, state: FundingState) -> FundingDay:
        return funding_day(
            self.perps, premium, state, self.params.interval_ladder_h, self.params.calm_hours_to_lengthen)

    def _mean_noise(self, noise: Array) -> Array:
        """Per coin, the mean of its spot venues' deviations; zero where it has none."""
        mean = np.zeros((len(self.params.coins), noise.shape[1]))
        for coin in range(len(self.params.coins)):
            own = [n for n, row in enumerate(self._spot_coins) if row == coin]
            if own:
                mean[coin] = noise[own].mean(axis=0)
        return mean


@lru_cache(maxsize=8)
def path_model(params: EmbeddedParams, seed: int) -> PathModel:
    """The model of (params, seed), made once: it never changes, and its history is the dearest part of a start."""
    return PathModel(params, seed)


def simulate_days(params: EmbeddedParams, seed: int, days: int) -> Iterator[DayBlock]:
    """The first `days` days as arrays: what calibration tests and research read."""
    model = PathModel(params, seed)
    state = model.start()
    for _ in range(days):
        block = model.day(state)
        yield block
        state = block.end
