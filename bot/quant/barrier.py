"""How far a price goes within a horizon: the reflection bound on its extremes, jump floors, yearly risk budgets.

Distances are log moves against a position, positive. For symmetric shocks Levy's inequality gives
`P(max_{k <= n} S_k >= d) <= 2 P(S_n >= d)`, so a distance of `k(p) sigma_H` is reached with probability p at most,
where `k(p) = sqrt((nu - 2) / nu) t_nu^-1(1 - p / 2)`. For Brownian motion (nu = None) this is the exact reflection law.

Source: quant-reference 6. GJR and EGARCH are not symmetric: take their down-side variance, or `excursions` of paths.
"""

from __future__ import annotations

import functools
import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Direction = Literal["up", "down"]
"""Which way the price has to go to hurt: up for a short, down for a long."""

NU_MIN: Final = 2.05


@functools.lru_cache(maxsize=256)
def tail_multiplier(p: float, nu: float | None) -> float:
    """k(p): standard deviations of the horizon that are reached with probability p at most.

    Args:
        p: probability of touching within the horizon, within (0, 1).
        nu: degrees of freedom of the unit-variance t; None = normal.
    Raises:
        ValueError: for p outside (0, 1) or nu at or below 2.05.
    """
    from scipy.special import ndtri, stdtrit

    if not 0.0 < p < 1.0:
        raise ValueError(f"probability {p} must be above 0 and below 1")
    if nu is None:
        return -float(ndtri(0.5 * p))
    if not nu > NU_MIN:
        raise ValueError(f"nu {nu} must be above {NU_MIN}: the t has no variance at 2")
    return -math.sqrt((nu - 2.0) / nu) * float(stdtrit(nu, 0.5 * p))


def touch_probability(distance: float, sigma: float, nu: float | None) -> float:
    """The bound read backwards: probability (at most 1) of a move of `distance` within a horizon of `sigma`.

    Args:
        distance: log move, at or below 0 is touched already.
        sigma: volatility of the horizon; 0 never moves.
    """
    from scipy.special import ndtr, stdtr

    if distance <= 0.0:
        return 1.0
    if sigma <= 0.0:
        return 0.0
    k = distance / sigma
    if nu is None:
        return min(1.0, 2.0 * float(ndtr(-k)))
    return min(1.0, 2.0 * float(stdtr(nu, -k * math.sqrt(nu / (nu - 2.0)))))


def budget_per_horizon(p_year: float, horizons: float) -> float:
    """The probability per horizon that makes `p_year` over so many independent horizons a year.

    Raises:
        ValueError: for p_year outside (0, 1) or no horizon.
    """
    if not 0.0 < p_year < 1.0:
        raise ValueError(f"probability {p_year} a year must be above 0 and below 1")
    if not horizons >= 1:
        raise ValueError(f"horizons {horizons} a year must be at least 1")
    return -math.expm1(math.log1p(-p_year) / horizons)


def excursions(log_prices: Vector, horizon: int, direction: Direction) -> Vector:
    """The farthest move within the next `horizon` rows, from each row that has them all.

    Args:
        log_prices: shape (n,), evenly spaced; NaN = unknown and left out (a start that is unknown gives NaN).
        horizon: rows, at least 1.
        direction: "up" measures rises, "down" falls.
    Returns:
        Shape (max(n - horizon, 0),), at least 0 where known.
    Raises:
        ValueError: for a horizon below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon {horizon} must be at least 1 row")
    n = len(log_prices) - horizon
    if n <= 0:
        return np.empty(0)
    sign = 1.0 if direction == "up" else -1.0
    moved = sign * log_prices
    ahead = np.lib.stride_tricks.sliding_window_view(np.where(np.isnan(moved), -np.inf, moved)[1:], horizon)
    return np.asarray(np.maximum(ahead.max(axis=1) - moved[:n], 0.0))


def jump_floor(log_prices: Vector, horizon: int, direction: Direction, quantile: float = 1.0) -> float | None:
    """The coin's own worst move within `horizon` rows, or a quantile of such moves; None with no known window."""
    if not 0.0 < quantile <= 1.0:
        raise ValueError(f"quantile {quantile} must be above 0 and at most 1")
    moves = excursions(log_prices, horizon, direction)
    known = moves[np.isfinite(moves)]
    return float(np.quantile(known, quantile, method="higher")) if len(known) else None
