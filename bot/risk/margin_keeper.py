"""The margin keeper: how far each futures wallet is from liquidation, and what to do before it matters.

The distance of a pool is the smallest common relative move d of all its marks, each against its own position, at which
equity meets maintenance margin: `(E - MM) / (N + MM)` with E = wallet + unrealised, N gross notional and MM the
maintenance margin at mark (for one short position this is the exact rule of quant reference 2.4; for several it is
conservative). It is measured against a reference: its value at entry, or what the leverage caps ask for now, whichever
is more. Below 60 % of it free collateral moves, below 40 % both legs shrink together. Money that could come too late
for what the price may do meanwhile is left where it is.
"""

from __future__ import annotations

import math

import msgspec

from bot.domain.values import Venue
from bot.risk.params import RiskLimits


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's futures wallet at this instant, in USD."""

    venue: Venue
    equity_usd: float
    notional_usd: float
    maintenance_usd: float

    @property
    def distance(self) -> float | None:
        """Relative adverse move that liquidates; None without positions, or where a mark is not known (NaN)."""
        if not self.notional_usd > 0 or not math.isfinite(self.equity_usd):
            return None
        return (self.equity_usd - self.maintenance_usd) / (self.notional_usd + self.maintenance_usd)

    def equity_for(self, distance: float) -> float:
        """Equity at which the pool would stand this far from liquidation."""
        return distance * (self.notional_usd + self.maintenance_usd) + self.maintenance_usd


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Free cash that could be moved to a pool, cheapest first."""

    venue: Venue
    spot: bool
    free_usd: float
    fee_usd: float
    outlast: float = 0.0
    """Adverse move (fraction) that the pool must outlast until the money is there: nearer to liquidation it is late."""


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """Move this much from that wallet."""

    source: Source
    amount_usd: float


class KeeperVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper wants for one pool."""

    share: float | None
    """Distance now over distance at entry; None without positions or reference."""
    top_ups: tuple[TopUp, ...] = ()
    shrink_to: float = 1.0
    """Size of the pool's pairs as a share of what they are now; 1 = leave them."""


def share_of(pool: Pool, reference: float | None) -> float | None:
    """Distance now over distance at entry; None without positions or reference."""
    distance = pool.distance
    return None if distance is None or reference is None or reference <= 0 else distance / reference


def keep(
    pool: Pool, reference: float | None, sources: tuple[Source, ...], limits: RiskLimits, *, in_flight_usd: float
) -> KeeperVerdict:
    """Judge one pool. Money already on its way counts towards a top-up, never towards the distance itself."""
    share = share_of(pool, reference)
    if share is None or reference is None:
        return KeeperVerdict(share=None)
    if share >= limits.margin_top_up_share:
        return KeeperVerdict(share=share)
    missing = pool.equity_for(reference) - pool.equity_usd - in_flight_usd
    top_ups: list[TopUp] = []
    for source in sources:
        if pool.distance is not None and pool.distance <= source.outlast:
            continue
        amount = min(missing, source.free_usd - source.fee_usd)
        if missing > 0 and amount > max(1.0, 10 * source.fee_usd):
            top_ups.append(TopUp(source=source, amount_usd=amount))
            missing -= amount
    shrink = 1.0
    if share < limits.margin_reduce_share:
        # the size at which what is there now would stand at the reference distance again
        rate = pool.maintenance_usd / pool.notional_usd
        wanted = max(pool.equity_usd, 0.0) / (reference * (1 + rate) + rate)
        shrink = max(0.0, min(1.0, wanted / pool.notional_usd))
    return KeeperVerdict(share=share, top_ups=tuple(top_ups), shrink_to=shrink)
