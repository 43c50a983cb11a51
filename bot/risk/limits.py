"""The last gate before an order leaves: the only place that makes an `ApprovedOrder`.

A reducing order is never refused. An opening one must pass every limit on worst-case exposure: what is held, what is
open, what is unknown and what is about to be sent, as if all of it filled (R5).
"""

from __future__ import annotations

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
    """Equity that the leverage caps ask of the venue's futures wallet at worst, this order filled."""
    volatility_unknown: bool = False
    """Nothing says how far this coin's price goes: no leverage is allowed."""


RUNAWAY = frozenset({
    "orders_per_minute_max", "notional_per_hour_max_x", "notional_per_day_max_x", "equal_orders_max",
    "round_trips_per_day_max",
})
"""A breach of these is a runaway: HALTED."""


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
) -> ApprovedOrder | Refusal:
    """Approve an opening order, or name the first limit it breaks, its value, and what was allowed."""
    if intent.reduces_owner:
        return approve_reducing(intent, now_ns, fence)
    if exposure.blocked:
        return Refusal(intent, f"mode_{exposure.blocked}", 1.0, 0.0)
    if intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
        return Refusal(intent, "order_lots_min", float(intent.quantity_lots), 1.0)
    for limit, value, allowed in _checks(exposure, limits):
        if not value <= allowed:  # NaN refuses
            return Refusal(intent, limit, value, allowed)
    return ApprovedOrder(intent, now_ns, fence)


def _checks(exposure: Exposure, limits: RiskLimits) -> tuple[tuple[str, float, float], ...]:
    order, equity = exposure.order_notional_usd, exposure.equity_usd
    checks = [
        ("data_age_s_max", exposure.data_age_s, exposure.data_age_s_max),
        ("order_notional_max_usd", order, limits.order_notional_max_usd),
        ("price_collar_bps", exposure.distance_bps, limits.price_collar_bps),
        ("equity_min_usd", -equity, 0.0),
        ("gross_leverage_max", exposure.gross_usd + order, limits.gross_leverage_max * equity),
        ("venue_share_max", exposure.venue_gross_usd + order,
         limits.venue_share_max * limits.gross_leverage_max * equity),
        ("orders_per_minute_max", float(exposure.orders_last_minute + 1), float(limits.orders_per_minute_max)),
        ("notional_per_hour_max_x", exposure.notional_last_hour_usd + order,
         limits.notional_per_hour_max_x * equity),
        ("notional_per_day_max_x", exposure.notional_last_day_usd + order, limits.notional_per_day_max_x * equity),
        ("equal_orders_max", float(exposure.equal_orders + 1), float(limits.equal_orders_max)),
        ("round_trips_per_day_max", float(exposure.round_trips + 1), float(limits.round_trips_per_day_max)),
    ]
    if exposure.is_perp:
        checks.append(("volatility_unknown", float(exposure.volatility_unknown), 0.0))
        checks.append(("leverage_cap", exposure.pool_needs_usd, exposure.venue_futures_equity_usd))
        checks.append(("perp_leverage_max", exposure.venue_perp_usd + order,
                       limits.perp_leverage_max * exposure.venue_futures_equity_usd))
    return tuple(checks)
