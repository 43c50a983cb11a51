"""Makers: where ticks are shown, the harder leg of a slice rests at its own touch and the other hedges each fill.

A slice is made clip by clip, one resting order at a time, each small enough that filling it at once leaves no more
unhedged than the limit. A clip that the touch has left behind is cancelled, and the next one posted at the touch of
that instant. After `maker_wait_s` the rest is cancelled; once that is proven the remainder is taken.
"""

from __future__ import annotations

from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, Nanos, Side
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.pair_orders import harder, opening_side, tradable
from bot.execution.params import ExecutionParams
from bot.execution.rounding import floor_lots, gross_up_lots
from bot.portfolio.pairs import Pair, PairState, Parent

PRICE_ROOM = Decimal("1.02")
"""The least a venue takes is met with this much room, so that the hedge of a clip still meets it."""


def make(
    pair: Pair,
    parent: Parent,
    goal: Decimal,
    long: LegSituation,
    short: LegSituation,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> bool:
    """Post the next clip towards `goal` (base units of each leg); False: what is left of the slice is to be taken.

    The pair is whole and none of its orders is out.
    """
    if not allowed.makers or parent.urgent or _waited(parent, now_ns, params):
        return False
    order = _clip(pair, parent, goal, long, short, params)
    if order is None:
        return False
    if parent.making_since_ns is None:
        parent.making_since_ns = now_ns
    pair.next_try_ns = Nanos(now_ns + int(params.retry_s * NS_PER_S))  # a rejected clip is priced anew, not sooner
    moves.wake(pair.next_try_ns)
    moves.orders.append(order)
    return True


def tend(
    pair: Pair,
    long: LegSituation,
    short: LegSituation,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> None:
    """Let a resting order rest, or cancel it: its time is over, or the reason for it is gone."""
    if not long.resting and not short.resting:
        return
    parent = pair.parent
    if parent is None or not _may_rest(pair, parent, long, short, now_ns, allowed, params):
        moves.cancel_resting(long, short)
        return
    since_ns = parent.making_since_ns or now_ns
    moves.wake(min(now_ns + int(params.retry_s * NS_PER_S), since_ns + _wait_ns(params), parent.deadline_ns))


def made_by(pair: Pair, longer: LegSituation, shorter: LegSituation) -> LegSituation | None:
    """The leg whose resting maker broke the balance by its fills: the other leg follows beside it. None: it was not."""
    parent = pair.parent
    if parent is None or pair.state is PairState.UNWINDING:
        return None
    maker, other = (longer, shorter) if parent.opening else (shorter, longer)
    made = maker.resting and not other.resting and opens(pair, maker) is parent.opening
    return maker if made else None


def opens(pair: Pair, leg: LegSituation) -> bool:
    """Whether what works on a leg makes it larger."""
    return leg.working_lots * int(opening_side(pair, leg)) > 0


def limit_base(
    pair: Pair, parent: Parent, long: LegSituation, short: LegSituation, params: ExecutionParams
) -> Decimal:
    """The most that may be unhedged by makers: a share of the target, one joint step, or the least both venues take."""
    size = max(parent.target_base, parent.start_base)
    return max(pair.step_base, size * Decimal(repr(params.maker_limit_share)), _least_base(long, short))


# ------------------------------------------------------------------------------------------------------ the clip


def _clip(
    pair: Pair, parent: Parent, goal: Decimal, long: LegSituation, short: LegSituation, params: ExecutionParams
) -> WantedOrder | None:
    """The harder leg's next resting order; None if too little is left, or if the imbalance leaves no room for it."""
    leg = harder(long, short)
    if leg.quote is None:
        return None
    held, other = abs(leg.quantity), abs((short if leg is long else long).quantity)
    ahead = held - other if parent.opening else other - held
    left = goal - held if parent.opening else held - goal
    size = min(left, limit_base(pair, parent, long, short, params) - ahead)
    least = _least_base(long, short)
    if 0 < left - size < least:
        size = min(size, left / 2)  # no crumb that neither leg could trade stays behind
    if size < least:
        return None
    side = opening_side(pair, leg) if parent.opening else opening_side(pair, leg).opposite
    lots = _lots(leg.instrument, side, size, opening=parent.opening)
    ticks = leg.quote.bid_ticks if side is Side.BUY else leg.quote.ask_ticks
    if not tradable(leg.instrument, lots, ticks, reducing=not parent.opening and leg.shrinks_net(lots)):
        return None
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.POST_ONLY,
        purpose="open" if parent.opening else "close", reduces_owner=not parent.opening,
    )


def _lots(rules: Instrument, side: Side, size: Decimal, *, opening: bool) -> int:
    """Whole lots within `size`; a spot buy is grossed up for the maker's fee taken in the coin."""
    if opening and side is Side.BUY and rules.fee_in_base:
        return gross_up_lots(rules.quantity(floor_lots(size, rules)), rules, maker=True)
    return floor_lots(size, rules)


def _least_base(long: LegSituation, short: LegSituation) -> Decimal:
    """The least base quantity that can be traded on both legs: a clip must be worth a hedge."""
    least = Decimal(0)
    for leg in (long, short):
        rules = leg.instrument
        least = max(least, rules.quantity(rules.lots_min))
        if leg.quote is not None:
            least = max(least, PRICE_ROOM * rules.notional_min_usd / rules.price(leg.quote.bid_ticks))
    return least


# ------------------------------------------------------------------------------------------------------ its time


def _wait_ns(params: ExecutionParams) -> int:
    return int(params.maker_wait_s * NS_PER_S)


def _waited(parent: Parent, now_ns: Nanos, params: ExecutionParams) -> bool:
    return parent.making_since_ns is not None and now_ns >= parent.making_since_ns + _wait_ns(params)


def _left_behind(leg: LegSituation) -> bool:
    """Whether others bid more (offer less) than our order: it is no longer at the touch."""
    if leg.quote is None or leg.resting_ticks is None:
        return False
    if leg.working_lots > 0:
        return leg.quote.bid_ticks > leg.resting_ticks
    return leg.quote.ask_ticks < leg.resting_ticks


def _may_rest(
    pair: Pair, parent: Parent, long: LegSituation, short: LegSituation, now_ns: Nanos, allowed: Permissions,
    params: ExecutionParams,
) -> bool:
    """Its slice still waits for it, both legs are quoted, no settlement is near, and its fills are hedged in time."""
    leg = long if long.resting else short
    if parent.urgent or pair.state is PairState.UNWINDING or opens(pair, leg) is not parent.opening:
        return False
    if not allowed.makers or (parent.opening and not allowed.opens) or (long.resting and short.resting):
        return False
    if allowed.settlement_quiet_until_ns is not None and now_ns < allowed.settlement_quiet_until_ns:
        return False
    if long.quote is None or short.quote is None or now_ns >= parent.deadline_ns:
        return False
    if _left_behind(leg) and now_ns >= pair.next_try_ns:
        return False
    unhedged_ns = now_ns - pair.unhedged_since_ns if pair.unhedged_since_ns is not None else 0
    if unhedged_ns >= int(params.cross_after_s * NS_PER_S):
        return False  # the hedge does not keep up: nothing more may come
    return parent.making_since_ns is not None and not _waited(parent, now_ns, params)
