"""Beta as a random walk, filtered by Kalman, its two variances found by likelihood.

y_t = b_t x_t + e_t, e ~ N(0, r); b_t = b_{t-1} + u_t, u ~ N(0, q). With s = q / r the filter's gains depend on s alone
and r has a closed form, so the likelihood is a function of one number, searched on a logarithmic grid and refined by
golden section: no optimiser, and the same bits everywhere. Source: Harvey (1989); quant reference section 10.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]

ROWS_MIN: Final = 40
START_ROWS: Final = 20
"""The first rows give the state's start by least squares and are not scored."""
RATIO_LOG10: Final = (-8.0, 2.0)
"""Where s x mean square market return is searched: the share of one day's noise that beta's drift explains."""
GRID_POINTS: Final = 21
GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0
REFINEMENTS: Final = 24


class KalmanBeta(msgspec.Struct, frozen=True):
    """The filtered beta after the last row, its error, and the variances behind it."""

    value: float
    se: float
    rows: int
    q: float
    """Variance of beta's step per row."""
    r: float
    """Variance of the residual per row."""
    log_likelihood: float
    path: Vector
    """Shape (n_known_rows,): beta after each known row; the first rows repeat the start."""


def kalman_beta(returns: Vector, market: Vector) -> KalmanBeta | NoAnswer:
    """Filter with the ratio of variances that makes the returns likeliest; means are taken off first.

    Args:
        returns, market: shape (n,), fractions per day, oldest first; rows with a NaN are left out.
    """
    if returns.shape != market.shape:
        raise ValueError(f"returns have shape {returns.shape}, the market {market.shape}")
    known = np.isfinite(returns) & np.isfinite(market)
    if int(known.sum()) < ROWS_MIN:
        return NoAnswer("too_little_history", f"{int(known.sum())} known days, {ROWS_MIN} needed")
    y, x = returns[known] - returns[known].mean(), market[known] - market[known].mean()
    square = float(np.mean(x**2))
    if math.sqrt(square) <= 1e-12 * max(float(np.abs(market[known]).max()), 1e-300):
        return NoAnswer("market_does_not_move", "the market's returns are constant")
    if float(x[:START_ROWS] @ x[:START_ROWS]) <= 1e-9 * square:
        return NoAnswer("market_does_not_move", "the market's first returns are constant")
    ratio = _likeliest(y.tolist(), x.tolist(), square)
    return _filtered(y.tolist(), x.tolist(), ratio)


def filter_beta(returns: Vector, market: Vector, q: float, r: float, start: float, start_variance: float) -> Vector:
    """The plain recursion with given variances; shape (n, 2): beta and its variance after each row.

    P += q; K = P x / (x^2 P + r); b += K (y - x b); P *= 1 - K x.
    """
    beta, variance = start, start_variance
    rows: list[tuple[float, float]] = []
    for y, x in zip(returns.tolist(), market.tolist(), strict=True):
        variance += q
        gain = variance * x / (x * x * variance + r)
        beta += gain * (y - x * beta)
        variance *= 1.0 - gain * x
        rows.append((beta, variance))
    return np.array(rows, dtype=np.float64)


def _likeliest(y: list[float], x: list[float], square: float) -> float:
    """The ratio s = q / r of greatest likelihood."""
    low, high = RATIO_LOG10
    grid = [low + (high - low) * place / (GRID_POINTS - 1) for place in range(GRID_POINTS)]

    def score(log_ratio: float) -> float:
        return _scored(y, x, math.pow(10.0, log_ratio) / square)[0]

    scores = [score(each) for each in grid]
    best = max(range(GRID_POINTS), key=scores.__getitem__)
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, GRID_POINTS - 1)]
    inner, outer = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
    at_inner, at_outer = score(inner), score(outer)
    for _ in range(REFINEMENTS):
        if at_inner >= at_outer:
            right, outer, at_outer = outer, inner, at_inner
            inner = right - GOLDEN * (right - left)
            at_inner = score(inner)
        else:
            left, inner, at_inner = inner, outer, at_outer
            outer = left + GOLDEN * (right - left)
            at_outer = score(outer)
    return math.pow(10.0, (left + right) / 2.0) / square


def _start(y: list[float], x: list[float]) -> tuple[float, float]:
    """Least squares over the first rows: beta, and its variance in units of r."""
    square = math.fsum(each * each for each in x[:START_ROWS])
    return math.fsum(a * b for a, b in zip(x[:START_ROWS], y[:START_ROWS], strict=True)) / square, 1.0 / square


def _scored(y: list[float], x: list[float], ratio: float) -> tuple[float, float]:
    """Concentrated log likelihood of the rows after the start, and the r that goes with it."""
    beta, variance = _start(y, x)
    squares = logs = 0.0
    for y_t, x_t in zip(y[START_ROWS:], x[START_ROWS:], strict=True):
        variance += ratio
        spread = x_t * x_t * variance + 1.0
        surprise = y_t - x_t * beta
        gain = variance * x_t / spread
        beta += gain * surprise
        variance *= 1.0 - gain * x_t
        squares += surprise * surprise / spread
        logs += math.log(spread)
    count = len(y) - START_ROWS
    r = max(squares / count, 1e-300)
    return -0.5 * (count * (math.log(2.0 * math.pi * r) + 1.0) + logs), r


def _filtered(y: list[float], x: list[float], ratio: float) -> KalmanBeta:
    log_likelihood, r = _scored(y, x, ratio)
    beta, variance = _start(y, x)
    rows = filter_beta(np.array(y[START_ROWS:]), np.array(x[START_ROWS:]), ratio * r, r, beta, variance * r)
    path = np.concatenate((np.full(START_ROWS, beta), rows[:, 0]))
    error = math.sqrt(max(float(rows[-1, 1]), 0.0))
    return KalmanBeta(float(rows[-1, 0]), error, len(y), ratio * r, r, log_likelihood, path)
