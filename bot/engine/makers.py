"""Where makers may rest, and that pairs with a resting order are looked at whatever happens."""

from __future__ import annotations

from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_MINUTE
from bot.engine.turn import Turn

BARS_FROM_S = 300.0
"""A feed this slow is bars: all legs are taken, and decisions stand only at a bar edge that both legs share."""


def possible(turn: Turn) -> bool:
    """Ticks are shown, and half of the orders a minute may have are left for what must be hedged."""
    if turn.state.session.cadence_s >= BARS_FROM_S:
        return False
    lately = sum(1 for sent_ns, _ in turn.state.recent_opens if turn.now_ns - sent_ns <= NS_PER_MINUTE)
    return 2 * lately < turn.params.risk.orders_per_minute_max


def wake(turn: Turn) -> bool:
    """Pairs with a resting order are looked at whatever happens (modes, lost quotes, settlements); True: one has."""
    owners = {}
    for order_id in turn.state.live_orders:
        intent = turn.state.orders[order_id].intent
        if intent.time_in_force is TimeInForce.POST_ONLY and intent.owner in turn.state.pairs:
            owners[intent.owner] = turn.now_ns
    turn.state.pair_wakes.update(owners)
    return bool(owners)
