"""Small books for tests of paths and stress."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bot.quant.path_book import BookLegs, BookPools, PathStep

RATE = 0.004
"""Maintenance of the first tier."""


def legs_of(notionals: Sequence[float], perps: Sequence[bool], *, venues: Sequence[int] | None = None,
            coins: Sequence[int] | None = None, fee: float = 0.0, half_spread: float = 0.0) -> BookLegs:
    """Legs of one venue and coin unless said otherwise, one tier, no costs."""
    count = len(notionals)
    return BookLegs(
        notional_usd=np.array(notionals, dtype=float), is_perp=np.array(perps, dtype=bool),
        venue=np.array(venues or [0] * count, dtype=np.intp), coin=np.array(coins or [0] * count, dtype=np.intp),
        fee_rate=np.full(count, fee), half_spread=np.full(count, half_spread),
        tier_floor_usd=np.zeros((count, 1)), tier_rate=np.full((count, 1), RATE),
    )


def carry(notional: float = 3000.0, fee: float = 0.0, half_spread: float = 0.0) -> BookLegs:
    """Long spot, short perp."""
    return legs_of((notional, -notional), (False, True), fee=fee, half_spread=half_spread)


def pools_of(*wallets: tuple[float, float]) -> BookPools:
    """(spot cash, futures equity) per venue."""
    return BookPools(spot_cash_usd=np.array([float(spot) for spot, _ in wallets]),
                     futures_equity_usd=np.array([float(futures) for _, futures in wallets]))


def move(*returns: float, legs: int = 2, **more: object) -> PathStep:
    """One step: the same return for all legs of a path; one number per path."""
    return PathStep(returns=np.repeat(np.array(returns)[:, None], legs, axis=1), **more)  # type: ignore[arg-type]
