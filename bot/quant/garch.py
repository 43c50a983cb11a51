"""The GARCH family as parameters and recursions: filter, next step, density, n-step sum. Fitting is in `garch_fit`.

Returns are in per cent (100 x log return), variances in per cent squared. A row of a filtered series is the forecast
for the next one, as everywhere in this folder. The recursions are those of the `arch` package, start value included.

    GARCH, GJR   h' = omega + (alpha + gamma 1{e < 0}) e^2 + beta h
    EGARCH       ln h' = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta ln h,  z = e / sqrt(h)

Source: Bollerslev (1986); Glosten, Jagannathan, Runkle (1993); Nelson (1991); quant-reference 5.
"""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

Model = Literal["garch_normal", "garch_t", "gjr_normal", "gjr_t", "egarch_t", "garch_skewt"]
MODELS: Final[tuple[Model, ...]] = get_args(Model)

INTEGRATED: Final = 0.999
"""From this persistence on a variance has no mean to return to."""
BACKCAST_POINTS: Final = 75
BACKCAST_DECAY: Final = 0.94
MEAN_ABS_NORMAL: Final = math.sqrt(2.0 / math.pi)
"""arch centres |z| by the normal's mean whatever the distribution."""


class GarchParams(msgspec.Struct, frozen=True, kw_only=True):
    """One fitted model; units of per cent returns."""

    model: Model
    omega: float
    alpha: float
    gamma: float = 0.0
    """Extra weight of falls (GJR), or of the sign (EGARCH)."""
    beta: float
    nu: float | None = None
    """Degrees of freedom of the unit-variance t; None for the normal."""
    skew: float = 0.0
    """Hansen's lambda within (-1, 1); 0 is symmetric."""
    mu: float = 0.0
    """Constant mean, per cent."""

    @property
    def is_egarch(self) -> bool:
        """Whether the recursion runs in logarithms."""
        return self.model.startswith("egarch")

    @property
    def persistence(self) -> float:
        """Share of a shock to variance that is left after a step: alpha + gamma / 2 + beta, or EGARCH's beta."""
        return self.beta if self.is_egarch else self.alpha + 0.5 * self.gamma + self.beta

    @property
    def variance_mean(self) -> float | None:
        """The variance that forecasts return to, per cent squared; None for an integrated model and for EGARCH."""
        if self.is_egarch or self.persistence >= INTEGRATED:
            return None
        return self.omega / (1.0 - self.persistence)


def backcast(residuals: Vector) -> float:
    """The variance before the first row: weighted mean of the first 75 squares, per cent squared (as arch does)."""
    squares = np.square(residuals[:BACKCAST_POINTS])
    weights = BACKCAST_DECAY ** np.arange(len(squares))
    return float(squares @ weights / weights.sum())


def next_variance(params: GarchParams, variance: float, return_pct: float) -> float:
    """One step of the recursion: from the variance forecast for this row and its return to the next forecast.

    A NaN or infinite return says nothing: its square is taken at its expectation, so the variance drifts home.
    """
    if params.is_egarch:
        log_next = params.omega + params.beta * math.log(variance)
        if math.isfinite(return_pct):
            z = (return_pct - params.mu) / math.sqrt(variance)
            log_next += params.alpha * (abs(z) - MEAN_ABS_NORMAL) + params.gamma * z
        return math.exp(min(max(log_next, -700.0), 700.0))  # a wild fit must run into its guards, not out of floats
    if not math.isfinite(return_pct):
        return params.omega + params.persistence * variance
    shock = return_pct - params.mu
    weight = params.alpha + params.gamma if shock < 0 else params.alpha
    return params.omega + weight * shock * shock + params.beta * variance


def filter_variance(returns_pct: Vector, params: GarchParams, before: float | None = None) -> Vector:
    """Variance forecasts of fixed parameters.

    Args:
        returns_pct: shape (n,), per cent, oldest first; NaN = unknown (see `next_variance`).
        params: of a fit on whatever window.
        before: variance forecast for row 0; default one step from `backcast`, which reads the first 75 rows.
    Returns:
        Shape (n,), per cent squared: row t = forecast for t + 1 from rows <= t.
    """
    value = first_variance(returns_pct, params) if before is None else before
    rows = []
    if params.is_egarch:
        for each in returns_pct.tolist():
            value = next_variance(params, value, each)
            rows.append(value)
        return np.array(rows)
    # the same steps as `next_variance`, written out: a window of two years is filtered at every fit
    omega, rise, fall, beta = params.omega, params.alpha, params.alpha + params.gamma, params.beta
    mu, persistence = params.mu, params.persistence
    for each in returns_pct.tolist():
        if abs(each) < math.inf:  # false for a NaN too
            shock = each - mu
            value = omega + (fall if shock < 0 else rise) * shock * shock + beta * value
        else:
            value = omega + persistence * value
        rows.append(value)
    return np.array(rows)


def first_variance(returns_pct: Vector, params: GarchParams) -> float:
    """The variance forecast for row 0, per cent squared: one step from the backcast with shocks at their mean.

    Raises:
        ValueError: if no row is known.
    """
    known = returns_pct[np.isfinite(returns_pct)] - params.mu
    if not len(known):
        raise ValueError("no return is known: there is nothing to start a variance from")
    start = backcast(known)
    if params.is_egarch:
        return math.exp(params.omega + params.beta * math.log(start))
    return params.omega + params.persistence * start


def variance_sum(params: GarchParams, h1: float, steps: int) -> float:
    """Expected variance of the sum of the next `steps` returns, per cent squared.

    GARCH and GJR: sum of V + p^j (h1 - V); at p >= 0.999 there is no V and the sum is h1 x steps. EGARCH: the expected
    value of a simulation whose shocks are drawn from the model's t and held within 15 standard deviations (without that
    bound a t shock in an exponent has no mean), by quadrature, so that no random number is needed.

    Args:
        h1: variance forecast for the first of them.
        steps: at least 1.
    """
    if steps < 1:
        raise ValueError(f"steps {steps} must be at least 1")
    if params.is_egarch:
        return _egarch_sum(params, h1, steps)
    mean = params.variance_mean
    if mean is None:
        return h1 * steps
    p = params.persistence
    return mean * steps + (h1 - mean) * (1.0 - p**steps) / (1.0 - p)


SHOCK_MAX: Final = 15.0
_QUADRATURE_POINTS: Final = 20_001


def _egarch_sum(params: GarchParams, h1: float, steps: int) -> float:
    """E[h_j] = exp(drift) h1^(beta^j) x product of E[exp(beta^i g(z))] over the shocks on the way."""
    shocks, weights = unit_shocks(params.nu)
    impact = params.alpha * (np.abs(shocks) - MEAN_ABS_NORMAL) + params.gamma * shocks
    total, log_growth, drift = h1, 0.0, 0.0
    scale = 1.0
    for _ in range(steps - 1):
        drift = params.omega + params.beta * drift
        log_growth += math.log(float(np.exp(scale * impact) @ weights))
        scale *= params.beta
        total += math.exp(drift + log_growth + scale * math.log(h1))
    return total


def unit_shocks(nu: float | None) -> tuple[Vector, Vector]:
    """Midpoint quadrature of the unit-variance t (None: normal) within 15 sd: points and weights that sum to 1.

    Points are even in asinh(z), so that a tail of nu = 2.5 and the middle are both resolved; the ends carry what lies
    beyond them.
    """
    from scipy.special import ndtr, stdtr

    edge = math.asinh(SHOCK_MAX)
    grid = np.linspace(-edge, edge, _QUADRATURE_POINTS)
    points = np.sinh(grid)
    squares = np.square(points)
    density = np.exp(-0.5 * squares) if nu is None else (1.0 + squares / (nu - 2.0)) ** (-(nu + 1.0) / 2.0)
    weights = density * np.cosh(grid)
    beyond = float(ndtr(-SHOCK_MAX) if nu is None else stdtr(nu, -SHOCK_MAX * math.sqrt(nu / (nu - 2.0))))
    weights *= (1.0 - 2.0 * beyond) / weights.sum()
    weights[[0, -1]] += beyond
    return points, weights


def log_density(return_pct: float, variance: float, params: GarchParams) -> float:
    """Log-likelihood of one return under its forecast, without arrays; equals a row of `log_densities`."""
    shock, nu = return_pct - params.mu, params.nu
    if nu is None:
        return -0.5 * (math.log(2.0 * math.pi * variance) + shock * shock / variance)
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(math.pi * (nu - 2.0) * variance)
    a, b = 0.0, 1.0
    if params.skew != 0.0:
        a, b = _skew_constants(nu, params.skew)
    x = b * shock / math.sqrt(variance) + a
    x /= 1.0 + (params.skew if x >= 0 else -params.skew)
    return constant + math.log(b) - 0.5 * (nu + 1.0) * math.log1p(x * x / (nu - 2.0))


def _skew_constants(nu: float, skew: float) -> tuple[float, float]:
    """Hansen's a and b: they give the skewed t mean 0 and variance 1."""
    c = math.exp(math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)) / math.sqrt(math.pi * (nu - 2.0))
    a = 4.0 * skew * c * (nu - 2.0) / (nu - 1.0)
    return a, math.sqrt(1.0 + 3.0 * skew * skew - a * a)


def log_densities(returns_pct: Vector, variances: Vector, params: GarchParams) -> Vector:
    """Log-likelihood of each row, shape (n,); NaN rows stay NaN.

    Args:
        variances: shape (n,), the forecast *for* each row (a filtered series moved by one).
    """
    e, h, nu = returns_pct - params.mu, variances, params.nu
    if nu is None:
        return np.asarray(-0.5 * (math.log(2.0 * math.pi) + np.log(h) + e * e / h))
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(math.pi * (nu - 2.0))
    if params.skew == 0.0:
        z2 = e * e / h
        factor = 0.0
    else:
        a, b = _skew_constants(nu, params.skew)
        x = b * e / np.sqrt(h) + a
        z2 = np.square(x / (1.0 + np.sign(x) * params.skew))
        factor = math.log(b)
    return np.asarray(constant + factor - 0.5 * np.log(h) - 0.5 * (nu + 1.0) * np.log1p(z2 / (nu - 2.0)))
