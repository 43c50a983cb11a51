"""Value at risk and expected shortfall out of a book's P&L rows, and how both split over its legs.

Losses, VaR and ES are positive numbers in the unit of the P&L; levels are confidence levels (0.95, 0.975, 0.99). A row
holds all legs of one day. VaR is a quantile: losses beyond it are expected, it is not a maximum. Source:
quant-reference section 7; Acerbi and Tasche (2002) for the mean of the k worst with a fractional k.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

TAIL_ROWS_MIN: Final = 5.0
"""A tail mean of fewer expected rows is one day's accident: 200 rows at 97.5 %, 500 at 99 %."""
_WHOLE: Final = 1e-9


class TailRisk(msgspec.Struct, frozen=True):
    """VaR and ES of one book at one level; positive = loss, a negative number means that even the tail gains."""

    level: float
    var: float
    es: float
    rows: int
    """Observations or draws behind both; 0 for a formula."""


def check_level(level: float) -> float:
    """The level itself.

    Raises:
        ValueError: if it is not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level!r}: a confidence level lies between 0 and 1 (0.99 for 99 %)")
    return level


def rows_needed(level: float) -> int:
    """Rows at which the tail of this level is expected to hold `TAIL_ROWS_MIN` of them."""
    return math.ceil(TAIL_ROWS_MIN / (1.0 - check_level(level)) - _WHOLE)


def historical_var_es(pnl: Vector, level: float) -> TailRisk:
    """VaR is the (n + 1)(1 - level)-th worst row (Weibull's plotting position), ES the mean of the n (1 - level) worst.

    Weibull's position covers its level exactly whatever the distribution; numpy's default covers too little. With a
    fractional count the last row enters ES with its fraction. Below one row in the tail both are the worst row.

    Args:
        pnl: shape (n,), gains positive, any order.
    Raises:
        ValueError: if there is no row, a NaN or an infinity in one, or the level is not within (0, 1).
    """
    check_level(level)
    rows = len(pnl)
    if rows == 0 or not np.isfinite(pnl).all():
        raise ValueError(f"pnl: {rows} rows, all of them must be finite and one is the least")
    count = _tail_count(rows, level)
    worst = np.sort(np.partition(pnl, min(int(count) + 1, rows - 1))[: int(count) + 2])
    place = (rows + 1) * (1.0 - level) - 1.0  # from 0
    below = min(max(math.floor(place + _WHOLE), 0), len(worst) - 1)
    above = min(below + 1, len(worst) - 1)
    quantile = worst[below] + max(place - below, 0.0) * (worst[above] - worst[below])
    weights = _tail_weights(count, len(worst))
    return TailRisk(level, -float(quantile), -float(weights @ worst), rows)


def component_es(leg_pnl: Matrix, level: float) -> Vector:
    """Euler's split of ES over the legs: each leg's mean loss over the book's worst rows; sums to the book's ES.

    Args:
        leg_pnl: shape (n_rows, n_legs), P&L per leg and row in the book's unit.
    Returns:
        Shape (n_legs,); negative for a leg that earns in the tail (a hedge).
    Raises:
        ValueError: as `historical_var_es`.
    """
    total = leg_pnl.sum(axis=1)
    historical_var_es(total, level)
    return component_es_of(leg_pnl, total, level)


def component_es_of(leg_pnl: Matrix, total: Vector, level: float) -> Vector:
    """The same with the book's P&L at hand; nothing is checked."""
    count = _tail_count(len(total), level)
    size = min(int(count) + 1, len(total))
    rows = np.argpartition(total, size - 1)[:size] if size < len(total) else np.arange(len(total))
    rows = rows[np.argsort(total[rows], kind="stable")]
    return -(_tail_weights(count, size) @ leg_pnl[rows])


def marginal_es(pnl: Vector, order_pnl: Vector, level: float) -> float:
    """What an order adds to the book's ES: ES(book + order) - ES(book), exact, negative for one that hedges.

    Args:
        pnl: shape (n,), the book's P&L.
        order_pnl: shape (n,), that of the order alone over the same rows.
    Raises:
        ValueError: as `historical_var_es`, or if the shapes differ.
    """
    if pnl.shape != order_pnl.shape:
        raise ValueError(f"the book has {pnl.shape} rows, the order {order_pnl.shape}")
    return historical_var_es(pnl + order_pnl, level).es - historical_var_es(pnl, level).es


def normal_var_es(mean: float, sd: float, level: float) -> TailRisk:
    """VaR and ES of a normal P&L in closed form; what it misses are the tails (2.2 % breaches of a 99 % VaR on BTC)."""
    quantile = float(ndtri(1.0 - check_level(level)))
    density = math.exp(-0.5 * quantile * quantile) / math.sqrt(2.0 * math.pi)
    return TailRisk(level, -mean - sd * quantile, -mean + sd * density / (1.0 - level), 0)


def student_var_es(mean: float, sd: float, nu: float, level: float) -> TailRisk:
    """VaR and ES of a Student-t P&L in closed form.

    Args:
        mean: of the P&L.
        sd: standard deviation (not the t's scale), 0 or above.
        nu: degrees of freedom, above 2 (below there is no variance); infinity gives the normal.
        level: confidence.
    Raises:
        ValueError: if sd is negative or not finite, nu at most 2, or the level is not within (0, 1).
    """
    if not (sd >= 0.0 and math.isfinite(sd)) or not nu > 2.0:
        raise ValueError(f"sd {sd!r} must be finite and at least 0, nu {nu!r} above 2")
    if math.isinf(nu):
        return normal_var_es(mean, sd, level)
    quantile = float(stdtrit(nu, 1.0 - check_level(level)))
    scale = sd * math.sqrt((nu - 2.0) / nu)
    tail_mean = student_density(quantile, nu) / (1.0 - level) * (nu + quantile**2) / (nu - 1.0)
    return TailRisk(level, -mean - scale * quantile, -mean + scale * tail_mean, 0)


def student_density(x: float, nu: float) -> float:
    """Density of the standard Student t at x."""
    log_constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)
    return math.exp(log_constant - 0.5 * (nu + 1.0) * math.log1p(x * x / nu))


def _tail_count(rows: int, level: float) -> float:
    """How many rows the tail holds, fractional, at least one; an almost whole number is taken as whole."""
    count = max(rows * (1.0 - level), 1.0)
    return float(round(count)) if abs(count - round(count)) < _WHOLE * rows else count


def _tail_weights(count: float, size: int) -> Vector:
    """Weights of the sorted worst rows: 1 each, the fraction for the one after, over the count."""
    whole = int(count)
    weights = np.zeros(size)
    weights[:whole] = 1.0
    if whole < size:
        weights[whole] = count - whole
    return weights / count
