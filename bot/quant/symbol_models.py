"""All fits of one symbol in one call: GARCH by BIC, HAR, hour-of-week factors. Pure; workers and research call it."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.garch import GarchParams, Model
from bot.quant.garch_fit import choose_by_bic, fit_garch
from bot.quant.garch_guards import FitGuards, VolatilityReason
from bot.quant.har import fit_har
from bot.quant.seasonality import hour_factors
from bot.quant.volatility import SymbolModels

Vector = npt.NDArray[np.float64]

DEFAULT_MODELS: tuple[Model, ...] = ("garch_t",)


class FitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's history as plain values; None = unknown. Oldest first."""

    symbol: str
    daily_returns: tuple[float | None, ...]
    """Log returns, fractions."""
    realised: tuple[float | None, ...] = ()
    """Realised variance of each day, fractions squared."""
    hourly_returns: tuple[float | None, ...] = ()
    """Log returns of consecutive hours, for the seasonal factors."""
    hourly_last_ns: int = 0
    """Close of the newest hour."""
    data_ns: int = 0
    """Close of the newest day."""
    start: GarchParams | None = None
    """Parameters in use: a warm start."""
    models: tuple[Model, ...] = DEFAULT_MODELS
    """Candidates; several are told apart by BIC."""


def fit_symbol(request: FitRequest, guards: FitGuards | None = None) -> SymbolModels:
    """Fit everything a symbol needs. Equal requests give equal answers, in a worker or inline.

    Returns:
        Models with the reasons of the chosen GARCH fit; without a usable one, those of the first candidate.
    """
    guards = guards or FitGuards()
    returns_pct = 100.0 * _array(request.daily_returns)
    fits = [
        fit_garch(returns_pct, model, request.start, guards=guards, data_ns=request.data_ns)
        for model in request.models or DEFAULT_MODELS
    ]
    best = choose_by_bic(fits)
    shown = best if best is not None else fits[0]
    har = fit_har(_array(request.realised), data_ns=request.data_ns) if request.realised else None
    factors: tuple[float, ...] = ()
    if request.hourly_returns:
        hours = _array(request.hourly_returns)
        closed_ns = request.hourly_last_ns - 3_600_000_000_000 * np.arange(len(hours) - 1, -1, -1, dtype=np.int64)
        found = hour_factors(hours, closed_ns)
        factors = tuple(found.tolist()) if found is not None else ()
    return SymbolModels(
        symbol=request.symbol, garch=shown.params, loglik_per_point=shown.loglik_per_point, loglik_sd=shown.loglik_sd,
        bic=shown.bic, points=shown.points, variance_next_pct2=shown.variance_next if shown.usable else None, har=har,
        hour_factors=factors, reasons=_told(shown.reasons), data_ns=request.data_ns,
    )


def _told(reasons: tuple[VolatilityReason, ...]) -> tuple[VolatilityReason, ...]:
    """Each reason once, in order."""
    return tuple(dict.fromkeys(reasons))


def _array(values: tuple[float | None, ...]) -> Vector:
    """Unknown values as NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
