"""What history's rows do not hold: venues that vanish and ADL, drawn by stated yearly rates and put into steps.

Rates are assumptions, not measurements: a handful of large venues have failed in a decade, and ADL of hedged shorts
came with the worst hours of October 2025. Source: quant-reference sections 2.4, 8 (2-5 % a year) and 14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from bot.quant.path_book import BookLegs, PathStep
from bot.quant.tail_risk import Matrix

DAYS_PER_YEAR: Final = 365.0


class RareEvents(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and how much."""

    venue_lost_annual: float = 0.02
    """Failures of one venue a year; each is independent of the others and of the market."""
    adl_move: float = 0.15
    """ADL can only strike a perp that has gained this much of its price within one step."""
    adl_probability: float = 0.10
    """That it then does, in a step; all such legs of a venue and step together."""
    adl_share: float = 0.5
    """Share of the position that is closed."""

    def __post_init__(self) -> None:
        """Bounds."""
        if not 0.0 <= self.venue_lost_annual <= 1.0:
            raise ValueError("venue_lost_annual must be within 0..1")
        if not (0.0 <= self.adl_probability <= 1.0 and 0.0 <= self.adl_share <= 1.0 and self.adl_move > 0.0):
            raise ValueError("adl_probability and adl_share must be within 0..1, adl_move above 0")


def with_rare_events(
    steps: Iterable[PathStep], legs: BookLegs, venues: int, events: RareEvents, days_per_step: float,
    generator: np.random.Generator,
) -> Iterator[PathStep]:
    """The same steps with venue losses and ADL added to those they have.

    Args:
        steps: of `bootstrap_steps`, `filtered_steps` or `copula_steps`.
        legs: the book the steps are for.
        venues: how many.
        events: rates.
        days_per_step: length of a step.
        generator: with the caller's seed.
    """
    probability = -np.expm1(-events.venue_lost_annual * days_per_step / DAYS_PER_YEAR)
    side = np.sign(legs.notional_usd) * legs.is_perp
    for step in steps:
        paths = len(step.returns)
        lost = generator.random((paths, venues)) < probability
        struck = (generator.random((paths, venues)) < events.adl_probability)[:, legs.venue]
        best = _largest_gain(step, side)
        closed = np.where(struck & (best >= events.adl_move), events.adl_share, 0.0)
        if step.closed is not None:
            closed = np.maximum(closed, step.closed)
        yield msgspec.structs.replace(
            step, closed=closed if closed.any() else None,
            lost=lost | step.lost if step.lost is not None else lost if lost.any() else None)


def _largest_gain(step: PathStep, side: Matrix) -> Matrix:
    """Each perp's largest gain within the step, as a fraction of its price; spot never gains this way."""
    gain = step.returns * side
    for extreme in (step.low, step.high):
        if extreme is not None:
            gain = np.maximum(gain, extreme * side)
    return np.where(side != 0.0, gain, -np.inf)
