"""A walk through hourly closes with the product's own volatility state: what it forecast, when, from which model.

Nothing here looks ahead: a fit sees the days before it, a forecast the hours before it.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.har import realised_variance
from bot.quant.symbol_models import DEFAULT_MODELS, FitRequest, fit_symbol
from bot.quant.volatility import (
    SIZING,
    Source,
    SymbolModels,
    VolatilityParams,
    VolatilityState,
    cap_sigma,
    day_closed,
    forecast,
    hour_closed,
    with_models,
)

Vector = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

NS_PER_HOUR: Final = 3_600_000_000_000
HOURS: Final = 24
HOURLY_FIT_WEEKS: Final = 52
_FIT_DAYS_MIN: Final = 250


class HourlyCloses(msgspec.Struct, frozen=True, kw_only=True):
    """Closes on an unbroken hourly grid; NaN where the hour is missing."""

    closed_ns: Times
    """Shape (n,), the instant at which each hour ends, UTC."""
    close: Vector


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """What was known at each day's end and at each rebalance."""

    day_ns: Times
    """Shape (d,), 00 UTC at which each day ended."""
    daily_return: Vector
    realised: Vector
    """Shape (d,), realised variance of the day that ended then."""
    variance: dict[Source, Vector]
    """By candidate, shape (d,): row t = forecast made at the end of day t for day t + 1."""
    chosen: Vector
    """Shape (d,): the product's own forecast for sizing, variance."""
    chosen_source: tuple[Source | None, ...]
    window_ns: Times
    """Shape (w,), instants of rebalances."""
    window_row: Times
    """Row of the hourly closes at each of them."""
    sigma_horizon: Vector
    """Shape (w,), volatility for caps over the horizon; NaN while there is none."""
    fits: int
    refusals: tuple[str, ...]
    """Reasons of fits that gave no GARCH."""
    models: SymbolModels | None


def hourly_grid(closed_ns: Times, close: Vector) -> HourlyCloses:
    """Put closes on an unbroken hourly grid, the hours between them as NaN."""
    count = int((closed_ns[-1] - closed_ns[0]) // NS_PER_HOUR) + 1
    grid = closed_ns[0] + NS_PER_HOUR * np.arange(count, dtype=np.int64)
    values = np.full(count, np.nan)
    values[(closed_ns - closed_ns[0]) // NS_PER_HOUR] = close
    return HourlyCloses(closed_ns=grid, close=values)


class _Days:
    """Returns and realised variances by day, from hourly returns."""

    def __init__(self, closes: HourlyCloses) -> None:
        logs = np.log(closes.close)
        self.hourly = np.concatenate(([np.nan], np.diff(logs)))
        ends = np.flatnonzero((closes.closed_ns // NS_PER_HOUR) % HOURS == 0)
        self.ends = ends[ends >= HOURS]
        self.returns = logs[self.ends] - logs[self.ends - HOURS]
        hours = self.hourly[self.ends[:, None] + np.arange(1 - HOURS, 1)]
        self.realised = realised_variance(hours)


def walk(
    symbol: str, closes: HourlyCloses, params: VolatilityParams, *, refit_days: int = 30, window_h: int = 8,
    horizon_h: float = 9.0, garch_models: tuple[str, ...] = DEFAULT_MODELS,
) -> Walk:
    """Go through all hours once; fit every `refit_days` days, filter in between.

    Args:
        window_h: hours between rebalances; they fall on multiples of it, UTC.
        horizon_h: what caps look ahead.
    """
    days = _Days(closes)
    place_of = {int(row): place for place, row in enumerate(days.ends)}
    state, models = VolatilityState(), None
    fitted_at, fits, refusals = -refit_days, 0, []
    rows: list[int] = []
    sigmas: list[float] = []
    variance: dict[Source, Vector] = {source: np.full(len(days.ends), np.nan) for source in SIZING}
    chosen, sources = np.full(len(days.ends), np.nan), []
    hourly, stamps = days.hourly.tolist(), closes.closed_ns.tolist()
    latest = None
    for row, each in enumerate(hourly):
        state = hour_closed(state, each, params)
        place = place_of.get(row)
        if place is not None:
            state = day_closed(state, float(days.returns[place]), float(days.realised[place]), models, params)
            if place - fitted_at >= refit_days and place + 1 >= _FIT_DAYS_MIN:
                models = fit_symbol(_request(symbol, days, closes, place, params, models, garch_models))
                state, fitted_at, fits = with_models(state, models), place, fits + 1
                if models.garch is None:
                    refusals.append(str(models.reasons[-1]))
            latest = forecast(state, models, params)
            for model in latest.models:
                if model.source in variance:
                    variance[model.source][place] = model.sigma_day**2
            if latest.sigma_size_day is not None:
                chosen[place] = latest.sigma_size_day**2
            sources.append(latest.source_size)
        if latest is not None and stamps[row] // NS_PER_HOUR % window_h == 0:
            now = forecast(state, models, params)
            sigma = cap_sigma(now, state, models, horizon_h, now_ns=stamps[row])
            rows.append(row)
            sigmas.append(np.nan if sigma is None else sigma)
    return Walk(
        day_ns=closes.closed_ns[days.ends], daily_return=days.returns, realised=days.realised, variance=variance,
        chosen=chosen, chosen_source=tuple(sources), window_ns=closes.closed_ns[rows],
        window_row=np.array(rows, dtype=np.int64), sigma_horizon=np.array(sigmas), fits=fits,
        refusals=tuple(refusals), models=models,
    )


def _request(
    symbol: str, days: _Days, closes: HourlyCloses, place: int, params: VolatilityParams, models: SymbolModels | None,
    garch_models: tuple[str, ...],
) -> FitRequest:
    """What a fit at the end of day `place` may see."""
    first = max(0, place + 1 - params.window_days)
    end = int(days.ends[place])
    hours = days.hourly[max(0, end + 1 - HOURLY_FIT_WEEKS * 168): end + 1]
    return FitRequest(
        symbol=symbol, daily_returns=_plain(days.returns[first: place + 1]),
        realised=_plain(days.realised[first: place + 1]), hourly_returns=_plain(hours),
        hourly_last_ns=int(closes.closed_ns[end]), data_ns=int(closes.closed_ns[end]),
        start=models.garch if models is not None else None, models=garch_models,  # type: ignore[arg-type]
    )


def _plain(values: Vector) -> tuple[float | None, ...]:
    """As a request carries them."""
    return tuple(None if each != each else each for each in values.tolist())
