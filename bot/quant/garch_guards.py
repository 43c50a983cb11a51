"""When a volatility model may not be believed: each guard has its own reason code (quant-reference 5.2)."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.garch import INTEGRATED, GarchParams

Vector = npt.NDArray[np.float64]


class VolatilityReason(StrEnum):
    """Why a model is not used, or what was done to its input or answer. Values are what records and people see."""

    TOO_FEW_POINTS = "too_few_points"
    GAPS = "gaps"
    CONSTANT_SERIES = "constant_series"
    NOT_CONVERGED = "not_converged"
    PERSISTENCE_HIGH = "persistence_high"
    OMEGA_AT_BOUND = "omega_at_bound"
    FORECAST_OUT_OF_BAND = "forecast_out_of_band"
    WINSORISED = "winsorised"
    """Some returns beyond 10 standard deviations were held there for the fit alone."""
    NU_CLIPPED = "nu_clipped"
    VARIANCE_TARGETED = "variance_targeted"
    RETRIED = "retried"
    STALE = "stale"
    """The model is older than two refit periods."""
    REFIT_DUE = "refit_due"
    SHOCK = "shock"
    """The days since the fit are far less likely under the model than its own sample: refit."""
    NO_MODEL = "no_model"
    NO_IMPLIED = "no_implied"
    """An implied-volatility series is configured and its last value is missing or too old."""
    FALLBACK_EWMA = "fallback_ewma"
    FALLBACK_VENUE = "fallback_venue_realised"
    UNTRADABLE = "no_volatility"
    """No model, no history, no venue figure: the symbol is not tradable."""


class FitGuards(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The guards' thresholds."""

    points_min: int = 250
    gap_share_max: float = 0.05
    """Largest share of unknown returns in the window."""
    winsor_sd: float = 10.0
    """Returns beyond so many standard deviations are held there, for fitting only."""
    nu_min: float = 2.1
    """Below it the unit-variance t is all tail; the parameter is set to `nu_clip`."""
    nu_clip: float = 2.5
    band_low: float = 0.2
    """Lowest forecast believed, as a multiple of the 30-day EWMA's volatility."""
    band_high: float = 5.0

    def __post_init__(self) -> None:
        """Bounds of what makes sense."""
        if not 50 <= self.points_min <= 5_000:
            raise ValueError("points_min must be within 50..5000 daily returns")
        if not 0 <= self.gap_share_max <= 0.5:
            raise ValueError("gap_share_max must be within 0..0.5")
        if not self.winsor_sd >= 3:
            raise ValueError("winsor_sd must be at least 3 standard deviations")
        if not 2.0 < self.nu_min <= self.nu_clip <= 30:
            raise ValueError("2 < nu_min <= nu_clip <= 30 must hold")
        if not 0 < self.band_low < 1 < self.band_high:
            raise ValueError("0 < band_low < 1 < band_high must hold")


OMEGA_EDGE: Final = 1.01e-8
"""Omega over the sample variance at or below this is the optimiser's lower bound (1e-8), not an estimate."""
OMEGA_TOP: Final = 9.9
_CONSTANT: Final = 1e-10


def input_reason(returns_pct: Vector, guards: FitGuards) -> VolatilityReason | None:
    """Why this series cannot be fitted; None if it can.

    Args:
        returns_pct: shape (n,), per cent; NaN or infinite = unknown.
    """
    known = returns_pct[np.isfinite(returns_pct)]
    if len(known) < guards.points_min:
        return VolatilityReason.TOO_FEW_POINTS
    if len(known) < (1.0 - guards.gap_share_max) * len(returns_pct):
        return VolatilityReason.GAPS
    # a series that is flat but for a few prints has no variance to model either
    if float(np.std(known)) <= _CONSTANT or float(np.mean(known == np.median(known))) > 0.5:
        return VolatilityReason.CONSTANT_SERIES
    return None


def winsorised(returns_pct: Vector, guards: FitGuards) -> tuple[Vector, int]:
    """Known returns held within `winsor_sd` standard deviations of their mean, and how many were moved."""
    known = returns_pct[np.isfinite(returns_pct)]
    mean, reach = float(known.mean()), guards.winsor_sd * float(known.std())
    held = np.clip(known, mean - reach, mean + reach)
    return held, int(np.count_nonzero(held != known))


def params_reason(params: GarchParams, sample_variance: float) -> VolatilityReason | None:
    """Why these parameters cannot be used as they are; None if they can. EGARCH's omega is a logarithm: no bound."""
    numbers = (params.omega, params.alpha, params.gamma, params.beta, params.mu, params.skew, params.nu or 0.0)
    if not all(math.isfinite(value) for value in numbers):
        return VolatilityReason.NOT_CONVERGED
    if params.persistence > INTEGRATED:
        return VolatilityReason.PERSISTENCE_HIGH
    if params.is_egarch:
        return None
    if not OMEGA_EDGE < params.omega / sample_variance < OMEGA_TOP:
        return VolatilityReason.OMEGA_AT_BOUND
    return None


def band_reason(variance: float, ewma_30d: float, guards: FitGuards) -> VolatilityReason | None:
    """Whether a variance forecast is too far from the 30-day EWMA variance (same unit) to be believed.

    The band is of volatilities. NaN or infinite: out of band.
    """
    if not (math.isfinite(variance) and math.isfinite(ewma_30d) and variance > 0 and ewma_30d > 0):
        return VolatilityReason.FORECAST_OUT_OF_BAND
    ratio = math.sqrt(variance / ewma_30d)
    return None if guards.band_low <= ratio <= guards.band_high else VolatilityReason.FORECAST_OUT_OF_BAND
