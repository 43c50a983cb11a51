"""What an allocation expects of perps and pairs, and the variance that makes a pair comparable with them.

Everything per year and per unit of notional, fractions. Source: quant reference section 8.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

JUMPS_PER_YEAR: Final = 0.035
"""Failures of a pair a year (venue, ADL, liquidation of one leg): 2 to 5 %."""
JUMP_LOSS: Final = 0.4
"""What one costs, of notional: 30 to 50 %."""


def perp_returns(alpha: Vector, drift: Vector, funding: Vector) -> Vector:
    """alpha + drift - f, shape (n,), annual: what a long of one unit should earn; a short earns the negative."""
    return np.asarray(alpha + drift - funding, dtype=np.float64)


def jump_equivalent_variance(
    basis_sd: float, jumps_per_year: float = JUMPS_PER_YEAR, jump_loss: float = JUMP_LOSS,
) -> float | NoAnswer:
    """basis_sd^2 + lambda J^2: a hedged pair's daily calm and its rare failures as one annual variance.

    With the basis alone (1 % a year) any optimiser puts everything into pairs; at 3.5 failures of 40 % in a hundred
    years the deviation is 7.5 %.
    """
    if not (0.0 <= basis_sd < float("inf") and 0.0 <= jumps_per_year < float("inf") and 0.0 <= jump_loss <= 1.0):
        return NoAnswer("out_of_range", f"basis sd {basis_sd}, jumps {jumps_per_year}, loss {jump_loss}")
    return basis_sd**2 + jumps_per_year * jump_loss**2


def with_forecast_error(covariance: Matrix, error_sd: Vector) -> Matrix:
    """S + diag(e^2): an expected return that is itself uncertain adds its error's variance; errors independent."""
    return np.asarray(covariance + np.diag(error_sd**2), dtype=np.float64)


def joined(directional: Matrix, pairs: Vector) -> Matrix:
    """Covariance of directional assets and then pairs, whose failures are independent of prices and of each other.

    Args:
        directional: shape (n, n). pairs: shape (m,), variances.
    Returns:
        Shape (n + m, n + m).
    """
    count = len(directional)
    whole = np.zeros((count + len(pairs), count + len(pairs)))
    whole[:count, :count] = directional
    whole[count:, count:] = np.diag(pairs)
    return whole
