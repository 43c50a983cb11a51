"""The scale factor of a coin: how much wider its barriers must be for the hits of its own past to keep to target.

Source: quant-reference 6. Fitted on windows that are over; the caller sees to it that they lie before its decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.barrier import tail_multiplier

Vector = npt.NDArray[np.float64]

PROBABILITIES: Final = (1e-2, 1e-3)
HITS_MIN: Final = 3.0
"""Expected hits below which a probability says nothing about the tail."""
RECORD_MAX: Final = 100
_PAST: Final = 1.0 + 1e-9
"""A window that stands exactly on the barrier has reached it."""


class BarrierScale(msgspec.Struct, frozen=True, kw_only=True):
    """A factor on sigma, and what it rests on."""

    factor: float
    """Used: within the bounds that were asked for."""
    raw: float | None
    """As the windows have it; None if there are too few of them."""
    windows: int


class BarrierRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a running bot keeps of its windows: the largest ratios and how many there were. Its own snapshot."""

    windows: int = 0
    largest: tuple[float, ...] = ()
    """At most `RECORD_MAX`, largest first."""

    def with_ratio(self, ratio: float) -> BarrierRecord:
        """One more window that is over: excursion over the sigma that stood at its start; NaN = unknown, no window."""
        if ratio != ratio:
            return self
        if len(self.largest) == RECORD_MAX and ratio <= self.largest[-1]:
            return BarrierRecord(self.windows + 1, self.largest)
        kept = sorted((*self.largest, ratio), reverse=True)[:RECORD_MAX]
        return BarrierRecord(self.windows + 1, tuple(kept))

    def scale(
        self, nu: float | None, *, factor_min: float = 1.0, factor_max: float = 3.0,
        probabilities: Sequence[float] = PROBABILITIES,
    ) -> BarrierScale:
        """`barrier_scale` of all windows seen. Once more are allowed beyond a barrier than are kept (10,000 windows at
        1 %), the least that is kept stands for the quantile: an upper bound.
        """
        return _scale(
            self.windows, lambda allowed: self.largest[min(allowed, len(self.largest) - 1)], nu, factor_min, factor_max,
            probabilities)


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
    descending = np.sort(ratios)[::-1]
    return _scale(
        len(ratios), lambda allowed: float(descending[allowed]), nu, factor_min, factor_max, probabilities)


def _scale(
    n: int, largest: Callable[[int], float], nu: float | None, factor_min: float, factor_max: float,
    probabilities: Sequence[float],
) -> BarrierScale:
    """The scale of n windows whose k-th largest ratio (from 0) is `largest(k)`."""
    # at most floor(n p) windows may lie beyond the barrier
    found = [
        _PAST * largest(math.floor(n * p)) / tail_multiplier(p, nu) for p in probabilities if n * p >= HITS_MIN
    ]
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
