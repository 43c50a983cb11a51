"""Fits of the GARCH family: guarded, retried once, told apart by BIC. Runs in workers: scipy and arch are heavy.

GARCH and GJR with zero mean are maximised by `garch_likelihood` (exact gradient); EGARCH, skew-t and models with a mean
go to `arch`, and so does whatever the fast one does not settle. Both have the same optimum: tests hold them to it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.ewma import ewma_variance
from bot.quant.garch import GarchParams, Model, filter_variance, first_variance, log_densities
from bot.quant.garch_guards import (
    FitGuards,
    VolatilityReason,
    band_reason,
    input_reason,
    params_reason,
    winsorised,
)
from bot.quant.garch_likelihood import FAST_MODELS, Likelihood, Optimum

Vector = npt.NDArray[np.float64]
Mean = Literal["zero", "constant"]

GUARDS: Final = FitGuards()
EWMA_30D_DECAY: Final = 1.0 - 2.0 / 31.0
"""Span of 30 days."""
_ARCH: Final[dict[Model, dict[str, Any]]] = {
    "garch_normal": {"vol": "GARCH", "o": 0, "dist": "normal"},
    "garch_t": {"vol": "GARCH", "o": 0, "dist": "t"},
    "gjr_normal": {"vol": "GARCH", "o": 1, "dist": "normal"},
    "gjr_t": {"vol": "GARCH", "o": 1, "dist": "t"},
    "egarch_t": {"vol": "EGARCH", "o": 1, "dist": "t"},
    "garch_skewt": {"vol": "GARCH", "o": 0, "dist": "skewt"},
}


class GarchFit(msgspec.Struct, frozen=True, kw_only=True):
    """One fit and what is to be known of its quality. Without `params` it is a refusal with its reasons."""

    model: Model
    params: GarchParams | None = None
    loglik: float | None = None
    loglik_per_point: float | None = None
    loglik_sd: float | None = None
    """Standard deviation of a point's log-likelihood: the yardstick of a shock (`volatility.refit_reason`)."""
    bic: float | None = None
    points: int = 0
    converged: bool = False
    reasons: tuple[VolatilityReason, ...] = ()
    variance_next: float | None = None
    """Forecast for the row after the last, per cent squared, filtered over the raw (not winsorised) window."""
    data_ns: int = 0
    """Instant of the newest return that was read."""

    @property
    def usable(self) -> bool:
        """Whether forecasts may be made from it."""
        return self.params is not None


def fit_garch(
    returns_pct: Vector, model: Model = "garch_t", start: GarchParams | None = None, *, mean: Mean = "zero",
    guards: FitGuards = GUARDS, data_ns: int = 0,
) -> GarchFit:
    """Fit one model to one series behind every guard of quant-reference 5.2.

    Args:
        returns_pct: shape (n,), 100 x daily log return, oldest first; NaN = unknown.
        start: parameters of the last good fit of the same model: a warm start, and the second try if there is none.
        data_ns: instant of the newest row, kept in the answer.
    Returns:
        A fit, or a refusal whose last reason says why. Never raises for data.
    """
    refused = input_reason(returns_pct, guards)
    known = int(np.count_nonzero(np.isfinite(returns_pct)))
    if refused is not None:
        return GarchFit(model=model, points=known, reasons=(refused,), data_ns=data_ns)
    held, moved = winsorised(returns_pct, guards)
    reasons = [VolatilityReason.WINSORISED] if moved else []
    optimum = _settled(held, model, start, mean, reasons)
    if optimum is None:
        return GarchFit(model=model, points=known, reasons=(*reasons, VolatilityReason.NOT_CONVERGED), data_ns=data_ns)
    params = optimum.params
    variance = float(np.mean(np.square(held - params.mu)))
    refused = params_reason(params, variance)
    if refused is VolatilityReason.PERSISTENCE_HIGH and model in FAST_MODELS and mean == "zero":
        targeted = Likelihood(held, model, targeting=True).optimum(None)
        reasons.append(VolatilityReason.VARIANCE_TARGETED)
        params, refused = targeted.params, params_reason(targeted.params, variance)
        if not targeted.converged:
            refused = VolatilityReason.NOT_CONVERGED
        elif params.persistence > TARGETED_MAX:
            refused = VolatilityReason.PERSISTENCE_HIGH
    if refused is not None:
        return GarchFit(model=model, points=known, reasons=(*reasons, refused), data_ns=data_ns)
    if params.nu is not None and params.nu < guards.nu_min:
        params = msgspec.structs.replace(params, nu=guards.nu_clip)
        reasons.append(VolatilityReason.NU_CLIPPED)
    return _described(returns_pct, held, params, reasons, guards, data_ns)


TARGETED_MAX: Final = 0.9985
"""A targeted fit that still runs to its bound (0.9989) has found no mean reversion: the fallback is more honest."""


def _settled(
    held: Vector, model: Model, start: GarchParams | None, mean: Mean, reasons: list[VolatilityReason]
) -> Optimum | None:
    """The optimum from a warm or a cold start; one that does not converge is tried once more, from the other."""
    if start is not None and start.model != model:
        start = None
    first = _maximised(held, model, start, mean)
    if first.converged:
        return first
    reasons.append(VolatilityReason.RETRIED)
    again = _by_arch(held, model, start, mean) if start is None else _maximised(held, model, None, mean)
    return again if again.converged else None


def _maximised(held: Vector, model: Model, start: GarchParams | None, mean: Mean) -> Optimum:
    """The fast likelihood where it applies, else arch."""
    if model in FAST_MODELS and mean == "zero":
        return Likelihood(held, model).optimum(start)
    return _by_arch(held, model, start, mean)


def _by_arch(held: Vector, model: Model, start: GarchParams | None, mean: Mean) -> Optimum:
    """arch's own fit, its warnings turned into `converged`."""
    from arch import arch_model

    specification = arch_model(
        held, mean="Zero" if mean == "zero" else "Constant", p=1, q=1, rescale=False, **_ARCH[model]
    )
    values = None if start is None else np.array(_vector(start, mean))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start outside arch's bounds, a flag of the optimiser: both are judged below
        result = specification.fit(disp="off", show_warning=False, starting_values=values)
    return Optimum(
        params=_from_arch(model, dict(result.params)), loglik=float(result.loglikelihood),
        converged=result.convergence_flag == 0 and math.isfinite(float(result.loglikelihood)),
    )


def _vector(params: GarchParams, mean: Mean) -> list[float]:
    """Parameters in arch's order."""
    out = [] if mean == "zero" else [params.mu]
    out += [params.omega, params.alpha]
    if params.model in ("gjr_normal", "gjr_t", "egarch_t"):
        out.append(params.gamma)
    out.append(params.beta)
    if params.nu is not None:
        out.append(params.nu)
    if params.model == "garch_skewt":
        out.append(params.skew)
    return out


def _from_arch(model: Model, named: dict[str, float]) -> GarchParams:
    """arch's names to ours."""
    nu = named.get("nu", named.get("eta"))
    return GarchParams(
        model=model, omega=float(named["omega"]), alpha=float(named["alpha[1]"]),
        gamma=float(named.get("gamma[1]", 0.0)), beta=float(named["beta[1]"]), nu=None if nu is None else float(nu),
        skew=float(named.get("lambda", 0.0)), mu=float(named.get("mu", 0.0)),
    )


def _described(
    returns_pct: Vector, held: Vector, params: GarchParams, reasons: list[VolatilityReason], guards: FitGuards,
    data_ns: int,
) -> GarchFit:
    """Likelihood, BIC and the next variance of final parameters; refused if the forecast leaves its band."""
    filtered = filter_variance(held, params)
    each = log_densities(held, np.append(first_variance(held, params), filtered[:-1]), params)
    points, loglik = len(held), float(each.sum())
    free = len(_vector(params, "zero" if params.mu == 0.0 else "constant"))
    raw = filtered if np.array_equal(held, returns_pct) else filter_variance(returns_pct, params)
    variance = float(raw[-1])
    refused = band_reason(variance, float(ewma_variance(returns_pct, EWMA_30D_DECAY)[-1]), guards)
    return GarchFit(
        model=params.model, params=None if refused else params, loglik=loglik, loglik_per_point=loglik / points,
        loglik_sd=float(each.std()), bic=free * math.log(points) - 2.0 * loglik, points=points, converged=True,
        reasons=tuple(reasons) if refused is None else (*reasons, refused), variance_next=variance, data_ns=data_ns,
    )


def choose_by_bic(fits: Iterable[GarchFit]) -> GarchFit | None:
    """The usable fit with the lowest BIC; all must be of the same series. None if none is usable."""
    usable = [fit for fit in fits if fit.usable and fit.bic is not None]
    return min(usable, key=lambda fit: (fit.bic, fit.model), default=None)

