"""What is kept of each coin's volatility models: the fit in use, its forecast moved on by each close, when to fit anew.

Between fits nothing is estimated: each daily close moves the variance by the model's own recursion. A model is fitted
again every `refit_days`, and at once after a shock (the last 30 days are far less likely than its own sample).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, Coin, InstrumentId
from bot.quant.barrier_calibration import BarrierRecord
from bot.quant.garch import log_densities, next_variance
from bot.quant.volatility import (
    SymbolModels,
    VolatilityForecast,
    VolatilityParams,
    VolatilityState,
    cap_sigma,
    day_closed,
    forecast,
    hour_closed,
    with_models,
)

SHOCK_DAYS: Final = 30


class CoinModels(msgspec.Struct):
    """One coin's volatility, read from one perpetual that stands for it."""

    instrument: InstrumentId
    volatility: VolatilityState = VolatilityState()
    models: SymbolModels | None = None
    """The last usable fit."""
    day: int = 0
    """The newest daily close it knows, days since 1970-01-01."""
    asked_ns: int = 0
    """When a fit was last asked for; 0: never."""
    logliks: list[float] = []
    """Log-likelihood of each of the last days under its own forecast."""
    refused: tuple[str, ...] = ()
    """Why the newest attempt gave no usable GARCH; empty if it did."""
    barrier: BarrierRecord = BarrierRecord()
    """How far the price went within each window between rebalances, over the volatility that stood at its start."""
    window_hour: int = 0
    """Where the running window began, hours since 1970-01-01; 0: nowhere."""
    window_sigma: float | None = None
    """... and the volatility over it that caps stood on; None: unknown."""

    def close_hour(self, hourly_return: float | None, params: VolatilityParams) -> None:
        """One more hourly log return; None says nothing."""
        self.volatility = hour_closed(self.volatility, hourly_return, params)

    def close_day(self, day: int, daily_return: float | None, realised: float | None, params: VolatilityParams) -> None:
        """One more daily close."""
        if day <= self.day:
            return
        before = self.volatility.garch_pct2
        garch = self.models.garch if self.models is not None else None
        if daily_return is not None and before is not None and garch is not None:
            point = log_densities(np.array([100.0 * daily_return]), np.array([before]), garch)
            self.logliks.append(float(point[0]))
            del self.logliks[:-SHOCK_DAYS]
        self.volatility = day_closed(self.volatility, daily_return, realised, self.models, params)
        self.day = day

    def close_window(self, hour: int, closes: Sequence[float | None], params: VolatilityParams) -> None:
        """A window between two rebalances is over, and the next begins.

        Args:
            hour: at which it ends. closes: hourly, from its start to its end, both included; None = unknown.
        """
        hours, start = len(closes) - 1, closes[0]
        known = [each for each in closes[1:] if each is not None]
        if self.window_sigma and self.window_hour == hour - hours and start is not None and known:
            for move in (max(known) / start, start / min(known)):
                self.barrier = self.barrier.with_ratio(max(math.log(move), 0.0) / self.window_sigma)
        now_ns = hour * NS_PER_HOUR
        volatility = self.forecast(now_ns, params, None)
        self.window_hour = hour
        self.window_sigma = cap_sigma(volatility, self.volatility, self.models, hours, now_ns=now_ns)

    def take(self, models: SymbolModels, since: list[float | None]) -> None:
        """The answer of a worker. Without a usable GARCH the one in use stays until it is too old.

        Args:
            since: daily log returns that closed after the data of the fit.
        """
        if models.garch is None:
            self.refused = tuple(reason.value for reason in models.reasons)
            if self.models is not None and self.models.garch is not None:
                return
        elif self.models is not None and models.data_ns < self.models.data_ns:
            return
        else:
            self.refused = ()
        self.models, self.logliks = models, []
        self.volatility = with_models(self.volatility, models)
        for each in since:
            value, garch = self.volatility.garch_pct2, models.garch
            if garch is not None and value is not None:
                moved = next_variance(garch, value, math.nan if each is None else 100.0 * each)
                self.volatility = msgspec.structs.replace(self.volatility, garch_pct2=moved)

    def shocked(self, params: VolatilityParams) -> bool:
        """Whether the last 30 days are less likely than the model's own sample by so many standard errors."""
        models = self.models
        if models is None or models.loglik_per_point is None or models.loglik_sd is None:
            return False
        if len(self.logliks) < SHOCK_DAYS:
            return False
        mean = sum(self.logliks) / len(self.logliks)
        return mean < models.loglik_per_point - params.shock_deviations * models.loglik_sd / math.sqrt(SHOCK_DAYS)

    def age_days(self, now_ns: int) -> float | None:
        """Age of the data of the fit in use; None without one."""
        return None if self.models is None else (now_ns - self.models.data_ns) / NS_PER_DAY

    def forecast(self, now_ns: int, params: VolatilityParams, venue_realised_day: float | None, *,
                 implied_annual: float | None = None, implied_wanted: bool = False) -> VolatilityForecast:
        """Volatility now, with the fallback chain; an implied one joins the largest, behind the caps."""
        age = self.age_days(now_ns)
        return forecast(self.volatility, self.models, params, stale=age is not None and age > 2 * params.refit_days,
                        venue_realised_day=venue_realised_day, implied_annual=implied_annual,
                        implied_wanted=implied_wanted)


class Implied(msgspec.Struct, frozen=True, array_like=True):
    """What options say of a coin's volatility."""

    at_ns: int
    annual: float
    """A fraction per year."""

    def fresh_annual(self, now_ns: int, age_h_max: float) -> float | None:
        """The figure; None once it is too old to say anything of tomorrow."""
        return self.annual if now_ns - self.at_ns <= age_h_max * NS_PER_HOUR else None


class ModelsState(msgspec.Struct):
    """Every coin's models, and the request that is out."""

    coins: dict[Coin, CoinModels] = {}
    request_id: str = ""
    """Empty: none is out."""
    requested_ns: int = 0
    requests: int = 0
    look_ns: int = 0
    """When to look again whether a fit is due."""
    failed: str = ""
    """Why the last worker failed; empty if it did not."""
    implied: dict[Coin, Implied] = {}
    """The newest implied volatility of each coin that has one fed."""
