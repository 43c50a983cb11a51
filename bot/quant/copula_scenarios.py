"""Monte Carlo of one step: factors drawn from a t copula with empirical or t margins, a book's VaR and ES out of them.

The draws do not depend on the book: draw once, then each book is one product. Margins are read from a table over
s = x / sqrt(nu + x^2), bounded and monotone in the t variate x, so that no quantile is computed per draw. Source:
quant-reference section 7; McNeil, Frey and Embrechts (QRM, 7.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from scipy.special import stdtr, stdtrit

from bot.quant.fhs import Scenarios
from bot.quant.tail_risk import Matrix, Vector

CELLS: Final = 16_384
"""Of a margin's table; a cell is 0.3 % of the value at ten standard deviations."""
_BLOCK_BYTES: Final = 1 << 20
"""Draws are made in blocks that stay in the cache."""


class EmpiricalMargin(msgspec.Struct, frozen=True):
    """A factor takes its past values, linearly between them; nothing beyond the extremes has been seen."""

    sample: Vector

    def quantile(self, probability: Vector) -> Vector:
        """Weibull's plotting positions."""
        ordered = np.sort(self.sample)
        places = np.arange(1, len(ordered) + 1) / (len(ordered) + 1.0)
        return np.interp(probability, places, ordered)


class StudentMargin(msgspec.Struct, frozen=True):
    """A Student t with this mean, standard deviation and degrees of freedom (above 2)."""

    mean: float
    sd: float
    nu: float

    def quantile(self, probability: Vector) -> Vector:
        """Unbounded: what has not been seen is possible."""
        scale = self.sd * np.sqrt((self.nu - 2.0) / self.nu)
        out: Vector = self.mean + scale * stdtrit(self.nu, probability)
        return out


Margin = EmpiricalMargin | StudentMargin


def copula_scenarios(
    correlation: Matrix, nu: float, margins: Sequence[Margin], draws: int, generator: np.random.Generator, *,
    loadings: Matrix | None = None, antithetic: bool = True,
) -> Scenarios:
    """Draw joint factors and turn them into returns of legs.

    Args:
        correlation: shape (n_factors, n_factors), positive definite.
        nu: degrees of freedom of the copula, above 0; a small one makes extremes come together.
        margins: one per factor.
        draws: rows; 100,000 give the 99 % ES of ten legs to 1-2 %.
        generator: with the caller's seed.
        loadings: shape (n_factors, n_legs): a leg's return is a sum of factors; None: legs are the factors.
        antithetic: every normal draw is used with both signs, which takes the error of the mean away.
    Raises:
        ValueError: if shapes differ, `draws` is odd while antithetic, or the correlation is not positive definite.
    """
    count = len(margins)
    if correlation.shape != (count, count) or draws < 2 or (antithetic and draws % 2):
        raise ValueError(f"{count} margins, correlation {correlation.shape}, {draws} draws (even, if antithetic)")
    try:
        root = np.linalg.cholesky(correlation).T
    except np.linalg.LinAlgError:
        raise ValueError("correlation is not positive definite; see nearest_correlation") from None
    table = margin_tables(margins, nu)
    offset = (np.arange(count) * CELLS + CELLS // 2).astype(np.float64)
    out = np.empty((draws, count if loadings is None else loadings.shape[1]))
    half = 2 if antithetic else 1
    block = max(_BLOCK_BYTES // (8 * count * half), 16)
    done = 0
    while done < draws:
        rows = min(block, (draws - done) // half)
        x = generator.standard_normal((rows, count)) @ root
        x *= np.sqrt(nu / generator.chisquare(nu, rows))[:, None]
        x /= np.sqrt(x * x + nu)
        x *= CELLS / 2 - 1e-6
        if antithetic:
            x = np.concatenate((x, -x))
        x += offset
        values = table.take(x.astype(np.intp))
        out[done : done + len(x)] = values if loadings is None else values @ loadings
        done += len(x)
    return Scenarios(returns=out, filtered=True)


def margin_tables(margins: Sequence[Margin], nu: float) -> Vector:
    """Each margin's quantile at the middle of every cell of s, one after another; shape (n_factors x CELLS,)."""
    s = (np.arange(CELLS) + 0.5) / (CELLS / 2) - 1.0
    x = s * np.sqrt(nu / (1.0 - s * s))
    probability = stdtr(nu, x)
    return np.concatenate([margin.quantile(probability) for margin in margins])
