"""Covariance of returns that an optimiser may be given: weighted by age, shrunk, and proven positive definite.

Returns are fractions per row, shape (n_rows, n_assets), oldest first; moments are about zero (a mean of daily returns
is noise beside its deviation), per row. Sources: RiskMetrics (1996); Ledoit and Wolf (2004), target m I; Chen, Wiesel,
Eldar and Hero (2010) for OAS; quant reference section 8.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Method = Literal["sample", "ewma", "ledoit_wolf", "oas", "ewma_ledoit_wolf", "ewma_oas"]

DECAY: Final = 0.97
"""Per daily row: a half-life of 23 days."""
ROWS_PER_ASSET_MIN: Final = 3.0
"""Fewer effective rows per asset than this and even a shrunk matrix is mostly its target."""
EIGENVALUE_FLOOR: Final = 1e-10
"""Smallest eigenvalue kept, as a share of the trace."""
FLAT_SHARE: Final = 1e-9
"""A deviation below this share of the largest one is a constant series, not calm."""


class Covariance(msgspec.Struct, frozen=True):
    """An estimate over the assets that could be judged, and why the others could not."""

    matrix: Matrix
    """Shape (n_kept, n_kept), per row, positive definite."""
    kept: tuple[int, ...]
    """Columns of the input it speaks of, in order."""
    left_out: tuple[tuple[int, str], ...]
    """(column, reason) of the others: `too_little_history`, `constant_series`."""
    rows: int
    """Rows known for every kept column."""
    effective_rows: float
    """1 / sum of squared weights: what `rows` are worth after weighting by age."""
    shrinkage: float
    """Weight of the target, 0 to 1."""
    repaired: bool
    """Whether eigenvalues had to be lifted."""


def estimate(
    returns: Matrix, method: Method = "ewma_ledoit_wolf", decay: float = DECAY, rows_min: int = 60,
    rows_per_asset_min: float = ROWS_PER_ASSET_MIN,
) -> Covariance | NoAnswer:
    """Estimate on the rows that all usable columns share; a missing return is never filled.

    Args:
        returns: shape (n_rows, n_assets); NaN where unknown.
        method: how moments are weighted and shrunk.
        decay: weight of a row against the next one; for the `ewma` methods.
        rows_min: a column needs so many known returns, and so many rows must be shared.
        rows_per_asset_min: effective rows per kept asset.
    Returns:
        `NoAnswer`: `no_asset`, `too_little_history` (few shared rows), `too_few_rows_per_asset`, `singular_covariance`.
    """
    kept, left_out = usable_columns(returns, rows_min)
    if not kept:
        return NoAnswer("no_asset", f"none of {returns.shape[1]} series can be used")
    shared = returns[:, list(kept)]
    shared = shared[np.isfinite(shared).all(axis=1)]
    rows = len(shared)
    if rows < rows_min:
        return NoAnswer("too_little_history", f"{rows} shared rows, {rows_min} needed")
    weights = age_weights(rows, decay if method.startswith("ewma") else 1.0)
    effective = 1.0 / float(weights @ weights)
    if effective < rows_per_asset_min * len(kept):
        return NoAnswer(
            "too_few_rows_per_asset",
            f"{effective:.0f} effective rows for {len(kept)} assets, {rows_per_asset_min:g} each needed",
        )
    matrix = weighted_covariance(shared, weights)
    shrinkage = _shrinkage(method, shared, weights, matrix)
    matrix = shrunk_to_identity(matrix, shrinkage)
    sound = positive_definite(matrix)
    if isinstance(sound, NoAnswer):
        return sound
    return Covariance(sound[0], kept, left_out, rows, effective, shrinkage, sound[1])


def usable_columns(returns: Matrix, rows_min: int) -> tuple[tuple[int, ...], tuple[tuple[int, str], ...]]:
    """Columns with enough known returns that move, and (column, reason) of the rest."""
    kept: list[int] = []
    left_out: list[tuple[int, str]] = []
    known = np.isfinite(returns)
    spread = [float(np.std(returns[known[:, i], i])) if known[:, i].any() else 0.0 for i in range(returns.shape[1])]
    largest = max(spread, default=0.0)
    for column in range(returns.shape[1]):
        if int(known[:, column].sum()) < rows_min:
            left_out.append((column, "too_little_history"))
        elif spread[column] <= FLAT_SHARE * largest or spread[column] == 0.0:
            left_out.append((column, "constant_series"))
        else:
            kept.append(column)
    return tuple(kept), tuple(left_out)


def age_weights(rows: int, decay: float) -> Vector:
    """Weights decay^age that sum to one, newest last; `decay` = 1 weighs all rows alike.

    Raises:
        ValueError: if `decay` is not in (0, 1] or there is no row.
    """
    if not 0.0 < decay <= 1.0 or rows < 1:
        raise ValueError(f"decay {decay} must lie in (0, 1], rows {rows} above 0")
    weights = np.power(decay, np.arange(rows - 1, -1, -1, dtype=np.float64))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def weighted_covariance(returns: Matrix, weights: Vector) -> Matrix:
    """Second moments about zero, shape (n, n): sum of w_t r_t r_t'."""
    return np.asarray((returns * weights[:, None]).T @ returns, dtype=np.float64)


def ledoit_wolf_shrinkage(returns: Matrix, weights: Vector, matrix: Matrix) -> float:
    """How far to go towards m I: the error of the sample over its distance from the target, at most 1.

    With equal weights this is Ledoit and Wolf's estimator (moments about zero); with others, the error of a weighted
    mean of independent r r' is the same sum with squared weights.
    """
    size = matrix.shape[0]
    mean_variance = float(np.trace(matrix)) / size
    distance = float((matrix**2).sum()) - size * mean_variance**2
    if distance <= 0.0:
        return 1.0
    lengths = (returns**2).sum(axis=1)
    # ||r r' - S||^2 = |r|^4 - 2 r'S r + ||S||^2
    errors = lengths**2 - 2.0 * np.einsum("ti,ij,tj->t", returns, matrix, returns) + float((matrix**2).sum())
    return float(min(max(float(weights**2 @ errors) / distance, 0.0), 1.0))


def oas_shrinkage(matrix: Matrix, effective_rows: float) -> float:
    """The oracle-approximating intensity for normal returns (Chen et al. 2010, equation 23), at most 1."""
    size = matrix.shape[0]
    squared_trace = float(np.trace(matrix)) ** 2
    trace_of_square = float((matrix**2).sum())
    spread = (effective_rows + 1.0 - 2.0 / size) * (trace_of_square - squared_trace / size)
    if spread <= 0.0:
        return 1.0
    return float(min(((1.0 - 2.0 / size) * trace_of_square + squared_trace) / spread, 1.0))


def shrunk_to_identity(matrix: Matrix, shrinkage: float) -> Matrix:
    """(1 - s) S + s m I with m the mean variance."""
    size = matrix.shape[0]
    return np.asarray((1.0 - shrinkage) * matrix + shrinkage * float(np.trace(matrix)) / size * np.eye(size))


def correlation(matrix: Matrix) -> Matrix:
    """The correlation of a covariance; its diagonal is exactly one.

    Raises:
        ValueError: if a variance is not positive.
    """
    variances = np.diag(matrix)
    if not (variances > 0.0).all():
        raise ValueError("a variance is not positive")
    deviations = np.sqrt(variances)
    result = np.asarray(matrix / np.outer(deviations, deviations), dtype=np.float64)
    np.fill_diagonal(result, 1.0)
    return result


def rescaled(matrix: Matrix, deviations: Vector) -> Matrix:
    """D R D: the correlation of `matrix` with standard deviations from elsewhere (a volatility model).

    Args:
        matrix: shape (n, n), a covariance.
        deviations: shape (n,), positive, in the unit wanted (per day, per year).
    """
    return np.asarray(correlation(matrix) * np.outer(deviations, deviations), dtype=np.float64)


def positive_definite(matrix: Matrix) -> tuple[Matrix, bool] | NoAnswer:
    """The matrix, symmetric and with eigenvalues of at least 1e-10 of its trace; and whether that changed it.

    Returns:
        `NoAnswer("singular_covariance")` for a NaN, a trace that is not positive, or so negative an eigenvalue (more
        than 5 % of the trace) that lifting it would make up another matrix.
    """
    if not np.isfinite(matrix).all() or float(np.trace(matrix)) <= 0.0:
        return NoAnswer("singular_covariance", "not finite, or without variance")
    even = np.asarray((matrix + matrix.T) / 2.0, dtype=np.float64)
    floor = EIGENVALUE_FLOOR * float(np.trace(even))
    try:
        np.linalg.cholesky(even - floor * np.eye(len(even)))  # a tenth of what eigenvalues cost
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(even)
    else:
        return even, False
    if values[0] < -0.05 * float(np.trace(even)):
        return NoAnswer("singular_covariance", f"eigenvalue {values[0]:.3g} beside a trace of {np.trace(even):.3g}")
    lifted = (vectors * np.maximum(values, floor)) @ vectors.T
    return np.asarray((lifted + lifted.T) / 2.0, dtype=np.float64), True


def _shrinkage(method: Method, returns: Matrix, weights: Vector, matrix: Matrix) -> float:
    if method.endswith("ledoit_wolf"):
        return ledoit_wolf_shrinkage(returns, weights, matrix)
    if method.endswith("oas"):
        return oas_shrinkage(matrix, 1.0 / float(weights @ weights))
    return 0.0
