"""The mean-variance problem as Clarabel wants it: minimise x'Px/2 + q'x over A x + s = b, s in a cone.

x holds the weights that can be chosen, absolute values where a limit speaks of them, and trade sizes where they cost
or are limited. Fixed weights are taken out of the problem, not pinned by two inequalities that leave no interior. The
pattern depends on `Shape` alone, so a solver that was built once takes new numbers.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.book_limits import BookLimits, weighted_sum

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

INTERNAL: Final = ("abs", "trade", "factor")
"""Rows that define variables and limit nothing."""


class Shape(msgspec.Struct, frozen=True):
    """What the pattern of the matrices depends on."""

    free: bytes
    sized: bytes
    """Which free weights need their absolute value."""
    traded: bytes
    """Which free weights need the size of their change."""
    rows: tuple[tuple[str, int], ...]
    """Label and number of entries of every row block."""
    equalities: int
    factored: bool


class Program(msgspec.Struct, frozen=True):
    """One problem's numbers in the order of its shape."""

    shape: Shape
    variables: int
    p_indptr: Index
    p_indices: Index
    p_data: Vector
    q: Vector
    a_indptr: Index
    a_indices: Index
    a_data: Vector
    b: Vector
    labels: tuple[str, ...]
    """A name per row; equalities first."""
    free: Index
    """Which assets the first variables are."""
    scale: float
    """The objective was multiplied by this."""


class Sparse:
    """The attributes of a compressed-column matrix that Clarabel reads; spares the daemon scipy.sparse."""

    has_canonical_format = True

    def __init__(self, rows: int, columns: int, indptr: Index, indices: Index, data: Vector) -> None:
        self.shape = (rows, columns)
        self.indptr, self.indices, self.data = indptr, indices, data


class _Rows:
    """Rows gathered as triplets with a label each."""

    def __init__(self) -> None:
        self.row: list[Index] = []
        self.column: list[Index] = []
        self.value: list[Vector] = []
        self.bound: list[Vector] = []
        self.labels: list[str] = []
        self.blocks: list[tuple[str, int]] = []
        self.count = 0

    def add(self, label: str, columns: Index, values: Vector, bound: float) -> None:
        """One row: values'x[columns] <= bound (or = among the equalities)."""
        self.row.append(np.full(len(columns), self.count, dtype=np.int64))
        self.column.append(columns)
        self.value.append(values)
        self.bound.append(np.array([bound]))
        self.labels.append(label)
        self.blocks.append((label, len(columns)))
        self.count += 1

    def add_each(
        self, label: str, parts: list[tuple[Index, float]], bounds: Vector, names: tuple[str, ...] = (),
    ) -> None:
        """One row per place: the sum over parts of factor * x[columns[i]] <= bounds[i]."""
        size = len(bounds)
        places = np.arange(self.count, self.count + size, dtype=np.int64)
        for columns, factor in parts:
            self.row.append(places)
            self.column.append(columns)
            self.value.append(np.full(size, factor))
        self.bound.append(bounds)
        self.labels += [f"{label}:{name}" for name in names] if names else [label] * size
        self.blocks.append((label, size))
        self.count += size


def program(
    mu: Vector, covariance: Matrix, risk_aversion: float, cost: Vector, held: Vector, limits: BookLimits,
    return_floor: float | None, floor_returns: Vector, factored: bool,
) -> Program:
    """Build maximise mu'w - g/2 w'Sw - c'|w - w0| under the limits, over the weights that are free.

    Args:
        mu, cost, held, floor_returns: shape (n,). covariance: shape (n, n). Numbers of assets that are neither free nor
            held may be NaN.
        return_floor: floor_returns'w must reach it; None for no floor.
        factored: write the risk as |L'w|^2 with variables of its own: other pivots for a problem that would not solve.
    """
    chosen = limits.free()
    free = np.flatnonzero(chosen)
    fixed = np.where(chosen, 0.0, limits.fixed_weights(held))
    stuck = np.flatnonzero(fixed)
    size = len(free)
    sized = np.flatnonzero(_sized(limits)[free])
    turnover = math.isfinite(limits.turnover_max)
    traded = np.flatnonzero(np.ones(size, dtype=bool) if turnover else cost[free] > 0.0)
    sizes = np.arange(size, size + len(sized), dtype=np.int64)
    trades = np.arange(size + len(sized), size + len(sized) + len(traded), dtype=np.int64)
    factors = np.arange(size + len(sized) + len(traded), size + len(sized) + len(traded) + size, dtype=np.int64)
    risk = np.asarray(risk_aversion * covariance[np.ix_(free, free)], dtype=np.float64)
    q_weights = -mu[free] + risk_aversion * covariance[np.ix_(free, stuck)] @ fixed[stuck]
    scale = 1.0 / max(float(np.abs(q_weights).max(initial=0.0)), float(np.diag(risk).max(initial=0.0)), 1e-300)
    rows = _Rows()
    if factored:
        _add_factor_rows(rows, np.asarray(np.linalg.cholesky(risk * scale), dtype=np.float64), factors)
    _add_equalities(rows, limits, free, fixed)
    equalities = rows.count
    each = np.arange(size, dtype=np.int64)
    names = tuple(limits.name(int(asset)) for asset in free)
    rows.add_each("box", [(each, 1.0)], limits.upper[free], names)
    rows.add_each("box", [(each, -1.0)], -limits.lower[free], names)
    rows.add_each("abs", [(sized, 1.0), (sizes, -1.0)], np.zeros(len(sized)))
    rows.add_each("abs", [(sized, -1.0), (sizes, -1.0)], np.zeros(len(sized)))
    rows.add_each("trade", [(traded, 1.0), (trades, -1.0)], held[free][traded])
    rows.add_each("trade", [(traded, -1.0), (trades, -1.0)], -held[free][traded])
    _add_caps(rows, limits, free, fixed, held, {int(s): int(v) for s, v in zip(sized, sizes, strict=True)}, trades)
    if return_floor is not None:
        given = float(floor_returns[stuck] @ fixed[stuck])
        rows.add("return_floor", each, -floor_returns[free], given - return_floor)
    variables = size + len(sized) + len(traded) + (size if factored else 0)
    q = np.zeros(variables)
    q[:size], q[trades] = q_weights * scale, cost[free][traded] * scale
    p_indptr, p_indices, p_data = _objective(risk * scale, variables, factored)
    a_indptr, a_indices, a_data = _compressed(rows, variables)
    shape = Shape(free.tobytes(), sized.tobytes(), traded.tobytes(), tuple(rows.blocks), equalities, factored)
    return Program(shape, variables, p_indptr, p_indices, p_data, q, a_indptr, a_indices, a_data,
                   np.concatenate(rows.bound), tuple(rows.labels), free, scale)


def _sized(limits: BookLimits) -> npt.NDArray[np.bool_]:
    """Assets whose absolute weight some limit speaks of."""
    mask = np.full(len(limits.lower), math.isfinite(limits.gross_max))
    for group in limits.groups:
        mask[list(group.members)] = True
    if limits.margin_rates is not None:
        mask |= limits.margin_rates > 0.0
    return mask


def _add_factor_rows(rows: _Rows, factor: Matrix, factors: Index) -> None:
    """y = L'w, one equality per column of L."""
    for place in range(len(factor)):
        below = np.arange(place, len(factor), dtype=np.int64)
        rows.add("factor", np.append(below, factors[place]), np.append(factor[place:, place], -1.0), 0.0)


def _add_equalities(rows: _Rows, limits: BookLimits, free: Index, fixed: Vector) -> None:
    each = np.arange(len(free), dtype=np.int64)
    if limits.net is not None:
        rows.add("net", each, np.ones(len(free)), limits.net - float(fixed.sum()))
    if limits.beta is not None and limits.beta_band == 0.0:
        given = weighted_sum(limits.beta, fixed)
        rows.add("beta", each, limits.beta[free], limits.beta_target - given)


def _add_caps(
    rows: _Rows, limits: BookLimits, free: Index, fixed: Vector, held: Vector, size_of: dict[int, int], trades: Index,
) -> None:
    """The limits on sums."""
    each = np.arange(len(free), dtype=np.int64)
    place = {int(asset): index for index, asset in enumerate(free)}
    if math.isfinite(limits.gross_max):
        columns = np.array([size_of[i] for i in range(len(free))], dtype=np.int64)
        rows.add("gross", columns, np.ones(len(free)), limits.gross_max - float(np.abs(fixed).sum()))
    for group in limits.groups:
        counted = group.rates or (1.0,) * len(group.members)
        members = [(place[asset], rate) for asset, rate in zip(group.members, counted, strict=True) if asset in place]
        columns = np.array([size_of[i] for i, _ in members], dtype=np.int64)
        rows.add(f"group:{group.name}", columns, np.array([rate for _, rate in members]),
                 group.gross_max - group.used(fixed))
    if limits.beta is not None and 0.0 < limits.beta_band < math.inf:
        gap = limits.beta_target - weighted_sum(limits.beta, fixed)
        rows.add("beta", each, limits.beta[free], gap + limits.beta_band)
        rows.add("beta", each, -limits.beta[free], limits.beta_band - gap)
    if math.isfinite(limits.turnover_max):
        moved = np.abs(fixed - held)
        moved[free] = 0.0
        rows.add("turnover", trades, np.ones(len(trades)), limits.turnover_max - float(moved.sum()))
    if limits.margin_rates is not None:
        rates = limits.margin_rates[free]
        bound = np.flatnonzero(rates > 0.0)
        columns = np.array([size_of[int(i)] for i in bound], dtype=np.int64)
        rows.add("margin", columns, rates[bound], limits.margin_max - weighted_sum(limits.margin_rates, np.abs(fixed)))


def _objective(risk: Matrix, variables: int, factored: bool) -> tuple[Index, Index, Vector]:
    """The upper triangle of P by columns: the risk on the weights, or the identity on the factors."""
    size = len(risk)
    counts = np.zeros(variables, dtype=np.int64)
    if factored:
        counts[variables - size:] = 1
        indices, data = np.arange(variables - size, variables, dtype=np.int64), np.ones(size)
    else:
        counts[:size] = np.arange(1, size + 1)
        columns, indices = np.tril_indices(size)
        data = np.asarray(risk[indices, columns], dtype=np.float64)
    return np.concatenate(([0], np.cumsum(counts))), np.asarray(indices, dtype=np.int64), data


def _compressed(rows: _Rows, variables: int) -> tuple[Index, Index, Vector]:
    """The gathered triplets by columns, rows ascending in each."""
    row, column = np.concatenate(rows.row), np.concatenate(rows.column)
    order = np.lexsort((row, column))
    counts = np.bincount(column, minlength=variables)
    return np.concatenate(([0], np.cumsum(counts))), row[order], np.concatenate(rows.value)[order]
