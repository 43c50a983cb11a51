"""How legs move together: correlation by ranks, by exponential weights and by DCC, and draws of a t copula.

Columns are factors. A hedge must survive the draw: give a coin's return and its basis as two factors and let the legs
be sums of them, not spot and perp as two columns whose simulated difference would be noise of the copula. Source:
quant-reference sections 7 and 8; McNeil, Frey and Embrechts (QRM, chapters 5 and 7); Engle (2002); Pakel, Shephard,
Sheppard and Engle (2021) for the composite likelihood.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from scipy.special import gammaln, stdtrit

from bot.quant.tail_risk import Matrix, Vector

ROWS_MIN: Final = 30
_NU_GRID: Final[list[float]] = np.geomspace(2.2, 60.0, 60).tolist()
_FLOOR: Final = 1e-8


class DccParams(msgspec.Struct, frozen=True):
    """Reaction to the last day's shocks and persistence; both zero is constant correlation."""

    a: float
    b: float


def kendall_correlation(rows: Matrix) -> Matrix:
    """Correlation of an elliptical copula from Kendall's tau: sin(pi tau / 2), made positive definite.

    Ranks alone count, so heavy tails and outliers do not tilt it. Cost grows with the square of the rows.

    Args:
        rows: shape (n_rows, n_factors), finite.
    Raises:
        ValueError: if there are fewer than `ROWS_MIN` rows or one is not finite.
    """
    _check(rows)
    first, second = np.triu_indices(len(rows), k=1)
    signs = np.sign(rows[first] - rows[second])
    return nearest_correlation(np.sin(0.5 * np.pi * (signs.T @ signs) / len(signs)))


def ewma_correlation(standardised: Matrix, decay: float = 0.97) -> Matrix:
    """Correlation of standardised rows with exponential weights, newest heaviest.

    Raises:
        ValueError: as `kendall_correlation`, or if the decay is not within (0, 1].
    """
    _check(standardised)
    if not 0.0 < decay <= 1.0:
        raise ValueError(f"decay {decay!r} must be above 0 and at most 1")
    weights = decay ** np.arange(len(standardised) - 1, -1, -1.0)
    return nearest_correlation(_normalised((standardised * weights[:, None]).T @ standardised))


def nearest_correlation(matrix: Matrix, floor: float = _FLOOR) -> Matrix:
    """A correlation matrix without eigenvalues below the floor: clipped, then scaled back to ones on the diagonal."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if values[0] >= floor:
        return _normalised(matrix)
    clipped = (vectors * np.maximum(values, floor)) @ vectors.T
    return _normalised(clipped)


def dcc_next(standardised: Matrix, params: DccParams) -> Matrix:
    """Correlation forecast for the day after the last row: Q = (1 - a - b) S + a z z' + b Q, normalised.

    Args:
        standardised: shape (n_rows, n_factors), returns over their volatility, oldest first.
        params: of `fit_dcc`.
    Raises:
        ValueError: if a or b is negative or a + b at least 1, or rows are missing.
    """
    _check(standardised)
    if params.a < 0.0 or params.b < 0.0 or params.a + params.b >= 1.0:
        raise ValueError(f"a {params.a} and b {params.b} must be at least 0 and sum to less than 1")
    long_run = standardised.T @ standardised / len(standardised)
    q, anchor = long_run, (1.0 - params.a - params.b) * long_run
    for row in standardised:
        q = anchor + params.a * np.outer(row, row) + params.b * q
    return nearest_correlation(_normalised(q))


def fit_dcc(standardised: Matrix) -> DccParams:
    """a and b by the composite Gaussian likelihood of neighbouring pairs; for workers and research alone.

    A pair's likelihood needs no inverse of the whole matrix, and stays unbiased where the full one is not (many
    factors, few rows). Where dynamics do not raise the likelihood the answer is constant correlation.
    """
    from scipy.optimize import minimize

    _check(standardised)
    if standardised.shape[1] < 2:
        return DccParams(0.0, 0.0)

    def cost(point: Vector) -> float:
        a, b = float(point[0]), float(point[1])
        if a < 0.0 or b < 0.0 or a + b >= 0.9999:
            return np.inf
        return -pair_log_likelihood(standardised, DccParams(a, b))

    starts = ((0.02, 0.95), (0.05, 0.85))
    options = {"xatol": 1e-4, "fatol": 1e-4}
    found = min((minimize(cost, start, method="Nelder-Mead", options=options) for start in starts),
                key=lambda result: float(result.fun))
    constant = -pair_log_likelihood(standardised, DccParams(0.0, 0.0))
    if float(found.fun) >= constant - 1e-6:
        return DccParams(0.0, 0.0)
    return DccParams(float(found.x[0]), float(found.x[1]))


def pair_log_likelihood(standardised: Matrix, params: DccParams) -> float:
    """Sum of the correlation part of the Gaussian log-likelihood over pairs of neighbouring factors (a ring)."""
    from scipy.signal import lfilter

    first = standardised
    second = np.roll(standardised, -1, axis=1)
    if standardised.shape[1] == 2:
        first, second = first[:, :1], second[:, :1]
    squares = np.stack((first * first, second * second, first * second))
    long_run = squares.mean(axis=1, keepdims=True)
    news = (1.0 - params.a - params.b) * long_run + params.a * squares[:, :-1]
    q = lfilter([1.0], [1.0, -params.b], np.concatenate((long_run, news), axis=1), axis=1)
    rho = q[2] / np.sqrt(q[0] * q[1])
    left = np.maximum(1.0 - rho * rho, 1e-12)
    total = float(np.sum(np.log(left) + (squares[0] + squares[1] - 2.0 * rho * squares[2]) / left))
    return -0.5 * total


def fit_copula_nu(rows: Matrix, correlation: Matrix) -> float:
    """Degrees of freedom of the t copula by likelihood of the ranks, on a grid of 60 from 2.2 to 60.

    Raises:
        ValueError: as `kendall_correlation`.
    """
    _check(rows)
    ranks = np.argsort(np.argsort(rows, axis=0), axis=0) + 1.0
    uniform = ranks / (len(rows) + 1.0)
    inverse = np.asarray(np.linalg.inv(correlation), dtype=np.float64)
    log_det = float(np.linalg.slogdet(correlation)[1])
    found, likelihood = _NU_GRID[0], -np.inf
    for nu in _NU_GRID:
        of_nu = _copula_log_likelihood(stdtrit(nu, uniform), inverse, log_det, nu)
        if of_nu > likelihood:
            found, likelihood = nu, of_nu
    return found


def _copula_log_likelihood(x: Matrix, inverse: Matrix, log_det: float, nu: float) -> float:
    """Joint t density over the product of its margins, summed over rows."""
    count = x.shape[1]
    form = np.einsum("ij,jk,ik->i", x, inverse, x)
    joint = (gammaln(0.5 * (nu + count)) + (count - 1.0) * gammaln(0.5 * nu) - count * gammaln(0.5 * (nu + 1.0))
             - 0.5 * log_det - 0.5 * (nu + count) * np.log1p(form / nu))
    margins = -0.5 * (nu + 1.0) * np.log1p(x * x / nu).sum(axis=1)
    return float(np.sum(joint - margins))


def _normalised(q: Matrix) -> Matrix:
    """Ones on the diagonal."""
    scale = 1.0 / np.sqrt(np.diag(q))
    out: Matrix = q * scale[:, None] * scale
    np.fill_diagonal(out, 1.0)
    return out


def _check(rows: Matrix) -> None:
    if rows.ndim != 2 or len(rows) < ROWS_MIN or not np.isfinite(rows).all():
        raise ValueError(f"rows of shape {rows.shape}: at least {ROWS_MIN} rows of factors, all of them finite")
