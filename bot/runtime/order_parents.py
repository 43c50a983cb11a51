"""How far an order's owner may go: the target of its parent, of a pair or of the hedge, and what it has out."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from bot.domain.orders import OrderIntent
from bot.domain.values import HEDGE, ZERO
from bot.engine.state import EngineState
from bot.portfolio.pairs import Parent


class OpeningBound(NamedTuple):
    """What the leg may hold at most, unsigned and net of a fee in the coin, and the grid it is counted on."""

    parent: Parent
    target_base: Decimal
    step_base: Decimal


def opening_bound(state: EngineState, intent: OrderIntent) -> OpeningBound | None:
    """The bound of an opening order; None: nothing asks for it."""
    if intent.owner == HEDGE:
        leg = state.hedge.legs.get(intent.instrument)
        if leg is None or leg.parent is None:
            return None
        target = leg.parent.target_base * int(intent.side)
        return OpeningBound(leg.parent, max(target, ZERO), state.market.instruments[intent.instrument].lot_size)
    pair = state.pairs.get(intent.owner)
    if pair is None or pair.parent is None:
        return None
    return OpeningBound(pair.parent, pair.parent.target_base, pair.step_base)


def base_out(state: EngineState, intent: OrderIntent, *, reducing: bool) -> Decimal:
    """Base quantity that live orders of this owner and instrument, which open or which reduce, may still trade.

    The order itself is among them. Each counts in the lots of its time: the venue may have changed its grid since.
    """
    total = ZERO
    for order_id in state.live_orders:
        order = state.orders[order_id]
        mine = order.intent.owner == intent.owner and order.intent.instrument == intent.instrument
        if mine and order.intent.reduces_owner is reducing:
            total += state.market.rules_at(intent.instrument, order.sent_ns).quantity(order.remaining_lots)
    return total
