"""The hedge's orders: one leg from what it holds to what it may hold, slice by slice, one order at a time.

It reconciles to a size like the pair machine, so looking twice changes nothing. What lies beyond the target is closed
whatever the mode; what is missing opens only under a parent, and a parent that may not go on ends at what is held.
"""

from __future__ import annotations

from decimal import Decimal

from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, ZERO, Nanos, Side
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.pair_orders import closable, limit_ticks, pause_ns, reducing_ticks, tradable
from bot.execution.pair_plan import paced
from bot.execution.params import ExecutionParams
from bot.execution.twap import slice_index
from bot.portfolio.hedge_legs import HedgeLeg
from bot.portfolio.pairs import Parent


def grows(held: Decimal, target: Decimal) -> bool:
    """Whether the way from `held` to `target` leads away from zero now; a change of side begins by coming nearer."""
    return held * target >= 0 and abs(target) > abs(held)


def advance_hedge(
    leg: HedgeLeg, seen: LegSituation, now_ns: Nanos, allowed: Permissions, params: ExecutionParams,
) -> Moves:
    """Look at one leg of the hedge and say what to do now; changes the leg's own state.

    Returns:
        At most one new order, notes, leftovers to park, and when to look again.
    """
    moves = Moves()
    held, parent = seen.quantity, leg.parent
    if parent is not None and (_is_over(parent, seen) or _may_not_go_on(parent, seen, now_ns, allowed)):
        _end(leg, parent, seen, moves)
        parent = None
    target = leg.target_base if parent is None else parent.target_base
    if parent is None and (grows(held, target) or held == target):
        return moves
    if not closable(seen) and held and (target == 0 or held * target < 0) and seen.quiet:
        moves.dust.append((seen.instrument.id, held))
        return moves
    if grows(held, target) and not allowed.opens and parent is not None:
        moves.wake(min(now_ns + NS_PER_S, parent.deadline_ns))
        return moves
    urgent = parent is None or parent.urgent
    if not urgent and not grows(held, target):
        if not allowed.exits:
            moves.wake(now_ns + 5 * NS_PER_S)
            return moves
        if parent is not None and now_ns >= parent.deadline_ns:
            parent.urgent = urgent = True  # an exit is never given up; it stops being patient
    if seen.working_lots or seen.resting or (seen.doubtful_lots and (grows(held, target) or not urgent)):
        return moves  # its answer comes first; an urgent exit goes on around what is in doubt
    _work(leg, parent, seen, now_ns, allowed, params, moves, urgent=urgent)
    return moves


def _is_over(parent: Parent, seen: LegSituation) -> bool:
    """The target is reached, as far as the venue's grid and minimums let it be, and nothing is out."""
    if not seen.quiet:
        return False
    missing = abs(parent.target_base - seen.quantity)
    if parent.target_base == 0:
        return not closable(seen)
    if missing < seen.instrument.lot_size:
        return True
    if not grows(seen.quantity, parent.target_base) or seen.quote is None:
        return False
    lots = int(missing // seen.instrument.lot_size)
    return not tradable(seen.instrument, lots, seen.quote.bid_ticks)


def _may_not_go_on(parent: Parent, seen: LegSituation, now_ns: Nanos, allowed: Permissions) -> bool:
    """An opening parent whose time is over, or whose opens are blocked for longer than a reconciliation takes."""
    if not grows(seen.quantity, parent.target_base):
        return False
    return now_ns >= parent.deadline_ns or not (allowed.opens or allowed.opens_after_reconciliation)


def _end(leg: HedgeLeg, parent: Parent, seen: LegSituation, moves: Moves) -> None:
    """The leg rests at what it holds. What an order in doubt still brings is beyond it, and is closed when seen."""
    leg.parent, leg.waiting_transfer = None, ""
    leg.target_base = ZERO if parent.target_base == 0 else seen.quantity
    leg.tries, leg.fruitless, leg.next_try_ns = 0, 0, Nanos(0)
    moves.notes.append(("hedge_done", (("instrument", seen.instrument.id), ("held_base", f"{seen.quantity:f}"),
                                       ("target_base", f"{parent.target_base:f}"), ("reason", parent.reason))))


def _work(
    leg: HedgeLeg, parent: Parent | None, seen: LegSituation, now_ns: Nanos, allowed: Permissions,
    params: ExecutionParams, moves: Moves, *, urgent: bool,
) -> None:
    """The order that is due now, if any."""
    if now_ns < leg.next_try_ns:
        moves.wake(leg.next_try_ns)
        return
    goal = leg.target_base if parent is None else parent.target_base
    if parent is not None and not parent.urgent:
        quiet = allowed.settlement_quiet_until_ns
        if quiet is not None and now_ns < quiet:
            moves.wake(quiet)
            return
        last = len(parent.slices) - 1
        index = last if parent.next_slice > last else slice_index(parent.slices, parent.next_slice, now_ns)
        if index is None:
            moves.wake(parent.slices[parent.next_slice].due_ns)
            return
        goal = paced(parent, parent.slices[index].cumulative_base, seen.quantity)
        parent.next_slice = max(parent.next_slice, index + 1)
    order = None if seen.quote is None else _order(leg, goal, seen, params, urgent=urgent)
    pause_s = params.retry_s if urgent else params.slice_s * (1 - params.time_jitter)
    pause = pause_ns(leg.fruitless, pause_s, params, quote_age_ns=now_ns - seen.quote_ns)
    leg.next_try_ns = Nanos(now_ns + pause)
    moves.wake(leg.next_try_ns)
    if order is not None:
        leg.tries += order.reduces_owner
        leg.fruitless += 1
        moves.orders.append(order)


def _order(leg: HedgeLeg, goal: Decimal, seen: LegSituation, params: ExecutionParams, *, urgent: bool
           ) -> WantedOrder | None:
    """One IOC order towards the goal that never crosses zero; None if nothing tradable is missing."""
    held, rules = seen.quantity, seen.instrument
    opens = grows(held, goal)
    side = Side.BUY if goal > held else Side.SELL
    size = abs(goal - held) if opens else min(abs(goal - held), abs(held))
    lots = int(size // rules.lot_size) - (0 if opens else seen.doubtful_reducing_lots)
    if lots <= 0:
        return None
    if opens:
        ticks = limit_ticks(seen, side, params.entry_bound_bps)
    else:
        collar = min(params.unwind_collar_bps * 2 ** min(leg.tries, 10), params.collar_max_bps)
        ticks = reducing_ticks(seen, side, lots, collar if urgent else params.entry_bound_bps)
    if not tradable(rules, lots, ticks, reducing=not opens and seen.shrinks_net(lots)):
        return None
    return WantedOrder(instrument=rules.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.IOC,
                       purpose="open" if opens else "close", reduces_owner=not opens)
