"""Is the book neutral? The beta it had, with its interval, against the half-width that would count as neutral.

Source: quant reference section 10.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.market_beta import MarketBeta, market_beta
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]

Z_95: Final = 1.959963984540054
HALF_WIDTH: Final = 0.05
"""A beta within +-0.05 counts as neutral."""


class Neutrality(msgspec.Struct, frozen=True):
    """What can be said of a book's beta after so many days."""

    beta: MarketBeta
    verdict: str
    """`neutral`: the whole interval lies inside the half-width of the target; `not_neutral`: it excludes the target;
    `undecided`: more days are needed."""
    days_needed: int
    """Days until an interval of this book would be as narrow as the half-width."""
    r_squared: float
    """Share of the book's variance that the market explains."""


def neutrality(
    returns: Vector, market: Vector, half_width: float = HALF_WIDTH, target: float = 0.0, lags: int | None = None,
) -> Neutrality | NoAnswer:
    """Beta of the book by HAC regression, its 95 % interval, and the verdict.

    Args:
        returns: shape (n,), the book's returns on equity per day, oldest first.
        market: shape (n,), the market's.
        lags: autocovariances that count; default Newey and West's.
    """
    if not (math.isfinite(half_width) and half_width > 0.0):
        return NoAnswer("out_of_range", f"half-width {half_width}: must be positive")
    found = market_beta(returns, market, lags)
    if found is None:
        known = int((np.isfinite(returns) & np.isfinite(market)).sum())
        return NoAnswer("too_little_history", f"{known} known days of a market that moves, 20 needed")
    known_rows = np.isfinite(returns) & np.isfinite(market)
    y, x = returns[known_rows], market[known_rows]
    market_sd, book_sd = float(np.std(x, ddof=1)), float(np.std(y, ddof=1))
    explained = 0.0 if book_sd == 0.0 else float(np.corrcoef(x, y)[0, 1]) ** 2
    residual_sd = book_sd * math.sqrt(max(1.0 - explained, 0.0))
    low, high = found.value - Z_95 * found.se, found.value + Z_95 * found.se
    inside = target - half_width <= low and high <= target + half_width
    outside = not low <= target <= high
    # a narrow interval beside the target may be both: what counts is that it lies inside
    verdict = "neutral" if inside else ("not_neutral" if outside else "undecided")
    return Neutrality(found, verdict, days_for_half_width(residual_sd, market_sd, half_width), explained)


def days_for_half_width(residual_sd: float, market_sd: float, half_width: float) -> int:
    """Days until a beta's 95 % interval is +-w: (1.96 s_e / (s_m w))^2, rounded up.

    A residual a sixth of the market's volatility and w = 0.02: 267 days.
    """
    return math.ceil((Z_95 * residual_sd / (market_sd * half_width)) ** 2)
