"""The scale factor of a coin: how much wider its barriers must be for the hits of its own past to keep to target.

Source: quant-reference 6. Fitted on windows that are over; the caller sees to it that they lie before its decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.barrier import tail_multiplier

Vector = npt.NDArray[np.float64]

PROBABILITIES: Final = (1e-2, 1e-3)
HITS_MIN: Final = 3.0
"""Expected hits below which a probability says nothing about the tail."""
_PAST: Final = 1.0 + 1e-9
"""A window that stands exactly on the barrier has reached it."""


class BarrierScale(msgspec.Struct, frozen=True, kw_only=True):
    """A factor on sigma, and what it rests on."""

    factor: float
    """Used: within the bounds that were asked for."""
    raw: float | None
    """As the windows have it; None if there are too few of them."""
    windows: int


class HitRate(msgspec.Struct, frozen=True, kw_only=True):
    """Barrier hits of one coin at one probability."""

    probability: float
    windows: int
    hits: int
    p_value: float
    """One-sided binomial: probability of so many hits or more at the target; below 0.05 rejects it."""

    @property
    def rate_over_target(self) -> float:
        """Realised hit rate over the target."""
        return self.hits / self.windows / self.probability if self.windows else math.nan


def standardised(excursion: Vector, sigma: Vector) -> Vector:
    """Excursion over sigma of each window, those that are known; shape (<= n,)."""
    known = np.isfinite(excursion) & np.isfinite(sigma) & (sigma > 0)
    return np.asarray(excursion[known] / sigma[known])


def barrier_scale(
    ratios: Vector, nu: float | None, *, factor_min: float = 1.0, factor_max: float = 3.0,
    probabilities: Sequence[float] = PROBABILITIES,
) -> BarrierScale:
    """The factor that brings the windows' hit rates to target at the most demanding of `probabilities`.

    Args:
        ratios: shape (n,), from `standardised`; both directions may be pooled.
        nu: of `tail_multiplier`.
    Returns:
        Factor 1 held within the bounds, with `raw` None, if no probability has `HITS_MIN` expected hits.
    """
    n = len(ratios)
    ordered = np.sort(ratios)
    found = []
    for p in probabilities:
        allowed = math.floor(n * p)
        if n * p >= HITS_MIN:  # at most `allowed` windows may lie beyond the barrier
            found.append(_PAST * float(ordered[n - 1 - allowed]) / tail_multiplier(p, nu))
    raw = max(found, default=None)
    return BarrierScale(factor=min(max(1.0 if raw is None else raw, factor_min), factor_max), raw=raw, windows=n)


def hit_rate(ratios: Vector, scales: Vector | float, p: float, nu: float | None) -> HitRate:
    """Count windows that reached their barrier `k(p) x scale x sigma`, and test the target.

    Args:
        ratios: shape (n,), from `standardised`.
        scales: factor in use at each window, shape (n,), or one for all.
    """
    from scipy.special import bdtrc

    hits = int(np.count_nonzero(ratios >= tail_multiplier(p, nu) * np.asarray(scales)))
    n = len(ratios)
    p_value = 1.0 if hits == 0 else float(bdtrc(hits - 1, n, p))
    return HitRate(probability=p, windows=n, hits=hits, p_value=p_value)
