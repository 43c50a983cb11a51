"""Filtered history of legs by what moves them: the coin, a leg's basis to it, funding; each at its own volatility.

A carry book has no price risk left; what remains, basis and funding, calms and wakes by itself. Scaled by the price's
volatility, its 99 % VaR is breached too seldom (6 of 1505 days where 15 are expected, BTC 2021 to mid-2025) and in
clusters; with a volatility of their own both are as they should be, and quantile loss falls by a quarter. The hedge
survives by construction: the coin's move is one number for all its legs. Source: quant-reference sections 1 and 7.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bot.quant.fhs import Ints, Scenarios, TailReason
from bot.quant.tail_risk import Matrix, Vector, rows_needed

BASIS_DECAY: Final = 0.94
"""Of the variance of daily basis changes and of funding's surprises: RiskMetrics' daily decay."""
FUNDING_MEAN_DECAY: Final = 0.5
"""Of the mean that tomorrow's funding is expected at: a span of three days, nine settlements."""
SEED_ROWS: Final = 30
"""Rows that start the recursions; they give no scenario."""
_BLOCK: Final = 256
"""Rows summed at once: 0.5^256 is still far from the smallest float."""


def leg_scenarios(
    returns: Matrix, funding: Matrix, reference: Ints, sigma_path: Matrix, sigma_next: Vector, level: float,
) -> Scenarios | TailReason:
    """Tomorrow's return of each leg, price and funding together, once for every day of history.

    Args:
        returns: shape (n_rows, n_legs), simple returns of price, oldest first. Rows with a NaN anywhere are left out.
        funding: shape (n_rows, n_legs), what a long pays per unit of notional in that day; 0 for spot.
        reference: shape (n_legs,), for each leg the column of the leg that stands for its coin (its own, if it does).
        sigma_path: shape (n_rows, n_legs), the coin's volatility forecast for each row, made before it.
        sigma_next: shape (n_legs,), the coin's forecast for tomorrow.
        level: the highest confidence level that will be asked for.
    Returns:
        Scenarios whose legs' notionals are signed as the book's: a long pays funding, a short receives it.
    """
    if not (np.isfinite(sigma_next).all() and (sigma_next > 0.0).all()):
        return TailReason.NO_VOLATILITY
    known = np.isfinite(returns).all(axis=1) & np.isfinite(funding).all(axis=1) & (sigma_path > 0.0).all(axis=1)
    if int(known.sum()) < rows_needed(level) + SEED_ROWS:
        return TailReason.TOO_FEW_ROWS
    prices, paid, sigma = returns[known], funding[known], sigma_path[known]
    coin = prices[:, reference]
    expected, expected_next = _exponential(paid, FUNDING_MEAN_DECAY)
    made = coin / sigma * sigma_next + _rescaled(prices - coin) - (_rescaled(paid - expected) + expected_next)
    return Scenarios(returns=np.ascontiguousarray(made[SEED_ROWS:]), filtered=True)


def _rescaled(moves: Matrix) -> Matrix:
    """Each column over its own volatility then, times that of now; a column that never moves stays as it is."""
    variance, following = _exponential(moves * moves, BASIS_DECAY)
    moving = variance > 0.0
    ratio = np.sqrt(np.where(moving, following / np.where(moving, variance, 1.0), 1.0))
    out: Matrix = moves * ratio
    return out


def _exponential(values: Matrix, decay: float) -> tuple[Matrix, Vector]:
    """Exponential means that use the past alone: row t from rows before t, and the one after the last row.

    The first `SEED_ROWS` rows carry the plain mean of those rows: they start the recursion and are not used. The
    recursion m' = d m + (1 - d) v is summed in blocks as d^k (m + sum of (1 - d) v / d^j): thirty times as fast as row
    by row, and in an order that every machine keeps.
    """
    out = np.empty_like(values)
    mean = values[:SEED_ROWS].mean(axis=0)
    out[:SEED_ROWS] = mean
    powers = np.multiply.accumulate(np.full((_BLOCK, 1), decay))
    for start in range(SEED_ROWS, len(values), _BLOCK):
        rows = values[start:start + _BLOCK]
        weights = powers[:len(rows)]
        following = weights * (mean + np.add.accumulate((1.0 - decay) * rows / weights))
        out[start], out[start + 1:start + len(rows)] = mean, following[:-1]
        mean = following[-1]
    return out, mean
