"""The last gate before an order leaves: the only place that makes an `ApprovedOrder`.

A reducing order is never refused. An opening one must pass every limit on worst-case exposure: what is held, what is
open, what is unknown and what is about to be sent, as if all of it filled (R5). One that breaks only limits on size is
shrunk to what they leave, if the venue takes so little.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec

from bot.domain.orders import ApprovedOrder, OrderIntent, Refusal
from bot.domain.values import Nanos
from bot.risk.params import RiskLimits


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What the review needs to know; a value that is not known is NaN and refuses the order."""

    blocked: str
    """Reason that blocks opens here; empty if none."""
    equity_usd: float
    order_notional_usd: float
    distance_bps: float
    """How far the limit price lies from the reference price, on the paying side."""
    gross_usd: float
    """Worst-case gross notional of all legs, without this order."""
    venue_gross_usd: float
    venue_perp_usd: float
    """Worst-case perp notional of the venue, without this order."""
    venue_futures_equity_usd: float
    is_perp: bool
    data_age_s: float
    data_age_s_max: float
    orders_last_minute: int
    notional_last_hour_usd: float
    notional_last_day_usd: float = 0.0
    equal_orders: int = 0
    """Equal opening orders that left within the last second."""
    round_trips: int = 0
    """How often the order's pair was left within a day."""
    pool_needs_usd: float = 0.0
    """Equity that the leverage caps ask of the venue's futures wallet at worst, this order filled ..."""
    pool_needs_without_usd: float = 0.0
    """... and without it."""
    hedge_usd: float = 0.0
    """Notional of the beta hedge at worst, this order filled; 0 for the orders of others."""
    hedge_allowed_usd: float = 0.0
    volatility_unknown: bool = False
    """Nothing says how far this coin's price goes: no leverage is allowed."""
    lots_least: int = 1
    """The smallest order that the venue takes at this price ..."""
    lots_step: int = 1
    """... and what a smaller size is a multiple of, so that the pair's other leg can match it."""


class Shrunk(msgspec.Struct, frozen=True):
    """An opening order made smaller: what may leave, and the limit that bound."""

    order: ApprovedOrder
    cut: Refusal


RUNAWAY = frozenset({
    "orders_per_minute_max", "notional_per_hour_max_x", "notional_per_day_max_x", "equal_orders_max",
    "round_trips_per_day_max",
})
"""A breach of these is a runaway: HALTED."""


class _Check(NamedTuple):
    """One limit: what the order would make of it, what is allowed, and where it stands without the order."""

    limit: str
    value: float
    allowed: float
    without: float | None = None
    """None: no smaller size helps."""

    @property
    def broken(self) -> bool:
        """NaN breaks it."""
        return not self.value <= self.allowed

    @property
    def share(self) -> float:
        """Share of the order that the limit leaves room for; NaN or below 0: none."""
        if self.without is None or not self.value > self.without:
            return math.nan
        return (self.allowed - self.without) / (self.value - self.without)


_WHOLE: Final = 1.0 - 1e-12
"""Rounding must not push a shrunk order over the limit it was shrunk to."""


def approve_reducing(intent: OrderIntent, now_ns: Nanos, fence: int) -> ApprovedOrder:
    """Cancels and reducing orders are never refused by our own limits (I19).

    Raises:
        ValueError: if the intent does not reduce its owner: that would be a hole in the wall.
    """
    if not intent.reduces_owner or intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
        raise ValueError(f"not a reducing order: {intent}")
    return ApprovedOrder(intent, now_ns, fence)


def review(
    intent: OrderIntent, exposure: Exposure, limits: RiskLimits, now_ns: Nanos, fence: int
) -> ApprovedOrder | Shrunk | Refusal:
    """Approve an opening order, shrink it to what its limits leave, or refuse it by the first limit it breaks.

    What a limit reads grows with the order at least in proportion (higher tiers ask for more), so the share of it that
    fits on a straight line fits.
    """
    if intent.reduces_owner:
        return approve_reducing(intent, now_ns, fence)
    if exposure.blocked:
        return Refusal(intent, f"mode_{exposure.blocked}", 1.0, 0.0)
    if intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
        return Refusal(intent, "order_lots_min", float(intent.quantity_lots), 1.0)
    broken = [check for check in _checks(exposure, limits) if check.broken]
    if not broken:
        return ApprovedOrder(intent, now_ns, fence)
    binding = min(broken, key=lambda check: check.share)
    if all(check.share > 0.0 for check in broken):
        lots = int(intent.quantity_lots * binding.share * _WHOLE) // exposure.lots_step * exposure.lots_step
        if lots >= max(exposure.lots_least, 1):
            cut = Refusal(intent, binding.limit, binding.value, binding.allowed, lots)
            return Shrunk(ApprovedOrder(msgspec.structs.replace(intent, quantity_lots=lots), now_ns, fence), cut)
    first = broken[0]
    return Refusal(intent, first.limit, first.value, first.allowed)


def _checks(exposure: Exposure, limits: RiskLimits) -> tuple[_Check, ...]:
    order, equity = exposure.order_notional_usd, exposure.equity_usd
    checks = [
        _Check("data_age_s_max", exposure.data_age_s, exposure.data_age_s_max),
        _Check("order_notional_max_usd", order, limits.order_notional_max_usd),  # a slip of the pen is not to be halved
        _Check("price_collar_bps", exposure.distance_bps, limits.price_collar_bps),
        _Check("equity_min_usd", -equity, 0.0),
        _Check("gross_leverage_max", exposure.gross_usd + order, limits.gross_leverage_max * equity,
               exposure.gross_usd),
        _Check("venue_share_max", exposure.venue_gross_usd + order,
               limits.venue_share_max * limits.gross_leverage_max * equity, exposure.venue_gross_usd),
        _Check("orders_per_minute_max", float(exposure.orders_last_minute + 1), float(limits.orders_per_minute_max)),
        _Check("notional_per_hour_max_x", exposure.notional_last_hour_usd + order,
               limits.notional_per_hour_max_x * equity),
        _Check("notional_per_day_max_x", exposure.notional_last_day_usd + order,
               limits.notional_per_day_max_x * equity),
        _Check("equal_orders_max", float(exposure.equal_orders + 1), float(limits.equal_orders_max)),
        _Check("round_trips_per_day_max", float(exposure.round_trips + 1), float(limits.round_trips_per_day_max)),
    ]
    if exposure.hedge_usd != 0.0:
        checks.append(_Check("hedge_notional_share_max", exposure.hedge_usd, exposure.hedge_allowed_usd,
                             exposure.hedge_usd - order))
    if exposure.is_perp:
        checks.append(_Check("volatility_unknown", float(exposure.volatility_unknown), 0.0))
        checks.append(_Check("leverage_cap", exposure.pool_needs_usd, exposure.venue_futures_equity_usd,
                             exposure.pool_needs_without_usd))
        checks.append(_Check("perp_leverage_max", exposure.venue_perp_usd + order,
                             limits.perp_leverage_max * exposure.venue_futures_equity_usd, exposure.venue_perp_usd))
    return tuple(checks)
