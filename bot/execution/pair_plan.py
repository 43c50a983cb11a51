"""The plan of a whole pair: its parent's slices, the end of a parent, and what rests afterwards."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, ZERO, Nanos
from bot.execution.pair_making import make
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.pair_orders import (
    closable,
    harder,
    limit_ticks,
    opening_lots,
    opening_side,
    pause_ns,
    reducing_ticks,
    tradable,
)
from bot.execution.params import ExecutionParams
from bot.execution.twap import slice_index
from bot.portfolio.pairs import Pair, PairState, Parent, Slice


def proceed(
    pair: Pair,
    long: LegSituation,
    short: LegSituation,
    held: Decimal,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> None:
    """The pair is whole at `held` of each leg and nothing is out: go on with the parent, or rest."""
    pair.peak_base = max(pair.peak_base, held)
    parent = pair.parent
    if parent is None:
        rest(pair, long, short, held, moves)
        return
    if _reached(pair, parent, long, short, held) and long.quiet and short.quiet:
        _end_parent(pair, long, short, held, now_ns, moves)
        return
    if parent.opening and pair.state is PairState.UNWINDING:
        # what had to be unwound is not tried again: the pair rests at what both legs hold (R9)
        _end_parent(pair, long, short, held, now_ns, moves)
        return
    if parent.opening and not allowed.opens:
        if allowed.opens_after_reconciliation and now_ns < parent.deadline_ns:
            moves.wake(min(now_ns + NS_PER_S, parent.deadline_ns))
            return
        _end_parent(pair, long, short, held, now_ns, moves)
        return
    if not parent.opening and not parent.urgent and not allowed.exits:
        moves.wake(now_ns + 5 * NS_PER_S)  # whole it stays whole; what is urgent goes on at whichever venue answers
        return
    if now_ns >= parent.deadline_ns:
        if parent.opening:
            _end_parent(pair, long, short, held, now_ns, moves)
            return
        parent.urgent = True  # an exit is never given up; it stops being patient
    _work_slice(pair, parent, long, short, now_ns, allowed, params, moves)


def _work_slice(
    pair: Pair,
    parent: Parent,
    long: LegSituation,
    short: LegSituation,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> None:
    index = slice_index(parent.slices, parent.next_slice, now_ns)
    last = len(parent.slices) - 1
    if parent.urgent:
        index = last  # also one that began patiently: it does not wait for the times of its slices
    elif index is None and parent.next_slice > last:
        index = last  # every slice was tried once; what is left is tried again, calmly
    quiet = allowed.settlement_quiet_until_ns
    if not parent.urgent and quiet is not None and now_ns < quiet:
        moves.wake(quiet)
        return
    if now_ns < pair.next_try_ns:
        moves.wake(pair.next_try_ns)
        return
    if index is None:
        moves.wake(parent.slices[parent.next_slice].due_ns)
        return
    if long.quote is None or short.quote is None:
        moves.wake(min(now_ns + 60 * NS_PER_S, max(parent.deadline_ns, now_ns + NS_PER_S)))
        return
    goal = paced(parent, parent.slices[index].cumulative_base, hedged(long, short))
    if make(pair, parent, goal, long, short, now_ns, allowed, params, moves):
        return
    order = _slice_order(parent, pair, goal, long, short, params)
    parent.making_since_ns = None
    parent.next_slice = max(parent.next_slice, index + 1)
    pause_s = params.retry_s if parent.urgent else params.slice_s * (1 - params.time_jitter)
    quoted_ns = min(long.quote_ns, short.quote_ns)
    pair.next_try_ns = Nanos(now_ns + pause_ns(pair.fruitless, pause_s, params, quote_age_ns=now_ns - quoted_ns))
    moves.wake(pair.next_try_ns)
    if order is not None:
        pair.tries = 0
        pair.fruitless += 1
        moves.orders.append(order)


def paced(parent: Parent, goal: Decimal, held: Decimal) -> Decimal:
    """The goal of a patient parent, no further off than one of its slices: what others left over is not caught up."""
    if parent.urgent:
        return goal
    sizes, before = [], parent.start_base
    for each in parent.slices:
        sizes.append(abs(each.cumulative_base - before))
        before = each.cumulative_base
    most, left = max(sizes), abs(goal - held)
    if 2 * left <= 3 * most:  # a rest of half a slice would be too small to stand alone
        return goal
    return held + most if goal > held else held - most


def hedged(long: LegSituation, short: LegSituation) -> Decimal:
    """What both legs hold against each other, base units."""
    return max(min(long.quantity, -short.quantity), ZERO)


def _slice_order(
    parent: Parent, pair: Pair, goal: Decimal, long: LegSituation, short: LegSituation, params: ExecutionParams
) -> WantedOrder | None:
    """The harder leg's step towards `goal`, else the other's; None if both are there within one lot."""
    first = harder(long, short)
    if long.reachable is not short.reachable:
        first = long if long.reachable else short  # what can be done is done first; the other is tried all the same
    for leg in (first, short if first is long else long):
        order = _leg_step(parent, pair, goal, leg, params)
        if order is not None:
            return order
    return None


def _leg_step(
    parent: Parent, pair: Pair, goal: Decimal, leg: LegSituation, params: ExecutionParams
) -> WantedOrder | None:
    if leg.quote is None:
        return None
    held = abs(leg.quantity)
    side = opening_side(pair, leg)
    if parent.opening:
        lots = opening_lots(leg.instrument, side, goal - held)
        bound, purpose = params.entry_bound_bps, "open"
    else:
        side = side.opposite
        lots = int((held - goal) // leg.instrument.lot_size) - leg.doubtful_reducing_lots
        bound, purpose = (params.unwind_collar_bps if parent.urgent else params.entry_bound_bps), "close"
    if lots <= 0:
        return None
    ticks = limit_ticks(leg, side, bound) if parent.opening else reducing_ticks(leg, side, lots, bound)
    if not tradable(leg.instrument, lots, ticks, reducing=not parent.opening and leg.shrinks_net(lots)):
        return None
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.IOC,
        purpose=purpose, reduces_owner=not parent.opening,
    )


def _reached(pair: Pair, parent: Parent, long: LegSituation, short: LegSituation, held: Decimal) -> bool:
    if parent.opening:
        return held + pair.step_base > parent.target_base
    if parent.target_base > 0:
        return held - pair.step_base < parent.target_base
    return not (closable(long) or closable(short))


def _end_parent(
    pair: Pair, long: LegSituation, short: LegSituation, held: Decimal, now_ns: Nanos, moves: Moves
) -> None:
    parent = pair.parent
    if parent is None:
        return
    keys = [("pair_id", str(pair.pair_id)), ("kind", parent.kind), ("held_base", f"{held:f}"),
            ("target_base", f"{parent.target_base:f}")]
    moves.notes.append(("parent_done", tuple(keys)))
    pair.parent = None
    pair.target_base = ZERO if parent.target_base == 0 and not parent.opening else held
    pair.next_try_ns = Nanos(0)
    rest(pair, long, short, held, moves)


def rest(pair: Pair, long: LegSituation, short: LegSituation, held: Decimal, moves: Moves) -> None:
    """Nothing to do: HEDGED at what it holds, or FLAT with its leftovers parked as dust."""
    if closable(long) or closable(short) or (held > 0 and pair.target_base > 0 and held >= pair.step_base):
        if held < pair.step_base or pair.target_base == 0:
            # nothing worth holding is left, yet something can be closed: close it
            pair.parent = Parent(
                parent_id=f"{pair.pair_id}/rest", kind="close", start_base=max(held, pair.step_base),
                target_base=ZERO, slices=(Slice(due_ns=Nanos(0), cumulative_base=ZERO),), next_slice=0,
                deadline_ns=Nanos(0), urgent=True, reason="leftover",
            )
            pair.state = PairState.CLOSING
            moves.wake(0)
            return
        pair.state = PairState.HEDGED
        return
    pair.state = PairState.FLAT
    pair.target_base = ZERO
    for leg in (long, short):
        if leg.quantity != 0:
            moves.dust.append((leg.instrument.id, leg.quantity))
