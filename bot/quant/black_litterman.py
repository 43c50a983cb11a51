"""Black-Litterman: returns that equilibrium implies, bent by views in proportion to their certainty.

Source: Black and Litterman (1992); He and Litterman (1999); quant reference section 8.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.covariance import positive_definite
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


class Posterior(msgspec.Struct, frozen=True):
    """Equilibrium and posterior returns, and the weights that are optimal under the posterior."""

    equilibrium: Vector
    """Pi = d S w, shape (n,)."""
    mu: Vector
    """Shape (n,)."""
    mu_covariance: Matrix
    """M, the posterior's own uncertainty, shape (n, n)."""
    weights: Vector
    """(d (S + M))^-1 mu, shape (n,)."""


def black_litterman(
    covariance: Matrix, market_weights: Vector, views: Matrix, view_returns: Vector, view_variances: Vector,
    risk_aversion: float = 2.5, tau: float = 0.05,
) -> Posterior | NoAnswer:
    """M = [(tau S)^-1 + P' O^-1 P]^-1 and mu = M [(tau S)^-1 Pi + P' O^-1 q].

    Args:
        covariance: shape (n, n). market_weights: shape (n,).
        views: P, shape (k, n), one row per view; k may be 0. view_returns: q, shape (k,).
        view_variances: the diagonal of O, shape (k,), positive.
    """
    size = len(market_weights)
    if covariance.shape != (size, size) or views.shape != (len(view_returns), size) \
            or view_variances.shape != view_returns.shape:
        raise ValueError(f"covariance {covariance.shape}, weights ({size},), views {views.shape} do not fit together")
    if not (risk_aversion > 0.0 and tau > 0.0) or not (view_variances > 0.0).all():
        return NoAnswer("out_of_range", f"aversion {risk_aversion}, tau {tau} and variances of views must be positive")
    if not (np.isfinite(market_weights).all() and np.isfinite(views).all() and np.isfinite(view_returns).all()):
        return NoAnswer("not_finite", "a weight or a view is unknown")
    sound = positive_definite(covariance)
    if isinstance(sound, NoAnswer):
        return sound
    matrix = sound[0]
    equilibrium = risk_aversion * matrix @ market_weights
    # M and mu without inverting S: the views' surprise is spread over assets by how they move together
    reach = tau * matrix @ views.T
    gain = np.linalg.solve(views @ reach + np.diag(view_variances), reach.T).T if len(view_returns) else reach
    mu = equilibrium + gain @ (view_returns - views @ equilibrium)
    mu_covariance = tau * matrix - gain @ reach.T
    weights = np.linalg.solve(risk_aversion * (matrix + mu_covariance), mu)
    return Posterior(np.asarray(equilibrium), np.asarray(mu), np.asarray(mu_covariance), np.asarray(weights))
