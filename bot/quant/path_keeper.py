"""The margin keeper's arithmetic for many paths at once: what to transfer, what to shrink, what stands naked.

Shapes: (n_paths, n_venues) for pools, (n_paths, n_legs) for legs. The rule for one pool is `bot/risk/margin_keeper`'s.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.quant.path_book import Ints, Mask
from bot.quant.tail_risk import Matrix, Vector

_NOISE: Final = 1e-9
"""A net quantity of less than this share of the coin's gross is rounding, not a naked leg."""


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """Futures wallets at some marks."""

    equity_usd: Matrix
    notional_usd: Matrix
    """Gross."""
    maintenance_usd: Matrix

    @property
    def distance(self) -> Matrix:
        """Common adverse move of all marks to maintenance; NaN for a pool without positions, infinite for a crumb."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            out: Matrix = (self.equity_usd - self.maintenance_usd) / (self.notional_usd + self.maintenance_usd)
        return out

    def share_of(self, reference: Matrix | Vector) -> Matrix:
        """Distance over the reference; infinite for a pool without positions."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            distance = (self.equity_usd - self.maintenance_usd) / (self.notional_usd + self.maintenance_usd)
            return np.where(self.notional_usd > 0.0, distance / reference, np.inf)

    def missing_usd(self, reference: Matrix | Vector) -> Matrix:
        """Cash that brings each pool to the reference distance; NaN or negative where none is missing."""
        held = self.notional_usd + self.maintenance_usd
        with np.errstate(invalid="ignore"):
            out: Matrix = reference * held + self.maintenance_usd - self.equity_usd
        return out


def top_ups(wanted_usd: Matrix, free_usd: Matrix, down: Mask | None) -> tuple[Matrix, Matrix]:
    """(taken from, sent to) each venue: its own spot wallet first, then all others' in proportion to what they have.

    Args:
        wanted_usd: cash each futures wallet wants, 0 or above.
        free_usd: cash in each spot wallet, 0 or above.
        down: venues that neither send nor receive now.
    """
    if down is not None:
        wanted_usd, free_usd = np.where(down, 0.0, wanted_usd), np.where(down, 0.0, free_usd)
    own = np.minimum(wanted_usd, free_usd)
    missing, rest = wanted_usd - own, free_usd - own
    all_missing, all_rest = missing.sum(axis=1, keepdims=True), rest.sum(axis=1, keepdims=True)
    lent = np.minimum(all_missing, all_rest)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        taken = own + np.where(all_rest > 0.0, rest / all_rest, 0.0) * lent
        moved = own + np.where(all_missing > 0.0, missing / all_missing, 0.0) * lent
    return taken, moved


def shrink_share(pool: PoolState, reference: Matrix | Vector) -> Matrix:
    """Share of its size at which each pool's present equity stands at the reference distance again, 0..1."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rate = pool.maintenance_usd / pool.notional_usd
        fits = np.maximum(pool.equity_usd, 0.0) / (reference * (1.0 + rate) + rate) / pool.notional_usd
    return np.clip(fits, 0.0, 1.0)


def excess_share(quantity: Matrix, coin: Ints, of_coin: Matrix, net_start: Vector) -> Matrix:
    """Share of each leg to trim so that no coin's net leaves the range between zero and what the book meant.

    Args:
        quantity: signed, in USD at the marks of the start.
        coin: shape (n_legs,), column of each leg's coin.
        of_coin: shape (n_legs, n_coins), 1 where the leg is of the coin.
        net_start: shape (n_coins,), the book's own net.
    """
    net, gross = quantity @ of_coin, np.abs(quantity) @ of_coin
    meant = np.clip(net, np.minimum(net_start, 0.0), np.maximum(net_start, 0.0))
    excess = np.where(np.abs(net - meant) > _NOISE * gross, net - meant, 0.0)
    side = (gross + np.sign(excess) * net) / 2.0  # of longs where longs are too many, of shorts where shorts are
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.where(excess != 0.0, np.minimum(np.abs(excess) / side, 1.0), 0.0)
    on_side = np.sign(quantity) == np.sign(excess)[:, coin]
    return np.where(on_side, share[:, coin], 0.0)
