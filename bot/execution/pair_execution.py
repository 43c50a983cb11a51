"""The pair machine: both legs move together, and what is unhedged is bounded by R9's clock.

`advance` looks at a pair as it stands and answers with at most one order. It reconciles to a wanted size, never adds on
an event, so looking twice changes nothing. The harder leg goes first; the other follows the cumulative fills.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, ZERO, Nanos, Side
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.params import ExecutionParams
from bot.execution.rounding import gross_up_lots, price_ticks_with_collar
from bot.execution.twap import slice_index
from bot.portfolio.pairs import Pair, PairState, Parent, Slice

_HALF: Final = Decimal("0.5")


def hedged_base(long: LegSituation, short: LegSituation) -> Decimal:
    """The quantity both legs hold against each other, in base units."""
    return max(min(long.quantity, -short.quantity), ZERO)


def imbalance_base(long: LegSituation, short: LegSituation) -> Decimal:
    """What one leg holds beyond the other: positive if the long leg is longer."""
    return long.quantity + short.quantity


def tolerance_base(pair: Pair, long: LegSituation, short: LegSituation) -> Decimal:
    """How far the legs may differ and still count as whole: one joint step, or what no venue would let us trade."""
    tolerance = pair.step_base
    for leg in (long, short):
        if not leg.instrument.is_perp and leg.quote is not None:
            price = leg.instrument.price(leg.quote.bid_ticks)
            least = (leg.instrument.notional_min_usd / price) // leg.instrument.lot_size + 1
            tolerance = max(tolerance, least * leg.instrument.lot_size)
    return tolerance


def advance(
    pair: Pair, long: LegSituation, short: LegSituation, now_ns: Nanos, allowed: Permissions, params: ExecutionParams
) -> Moves:
    """Look at a pair and say what to do now; changes the pair's own state.

    Returns:
        At most one new order, cancels of resting ones, notes, leftovers to park, and when to look again.
    """
    moves = Moves()
    gap = imbalance_base(long, short)
    whole = abs(gap) <= tolerance_base(pair, long, short)
    if pair.state is PairState.FLAT:
        if hedged_base(long, short) == 0 and whole:
            return moves
        _reopen_for_late_fill(pair, now_ns, params)
    _run_clock(pair, gap, whole, now_ns, params, moves, long)
    if not whole:
        _restore(pair, long, short, gap, now_ns, allowed, params, moves)
    elif _may_proceed(pair, long, short):
        _proceed(pair, long, short, now_ns, allowed, params, moves)
    return moves


def _may_proceed(pair: Pair, long: LegSituation, short: LegSituation) -> bool:
    """Nothing of the pair is out; an urgent exit does not wait for doubtful orders, it sells around them."""
    if long.quiet and short.quiet:
        return True
    working = long.working_lots or short.working_lots or long.resting or short.resting
    return not working and pair.parent is not None and pair.parent.urgent and not pair.parent.opening


# ------------------------------------------------------------------------------------------------- R9's clock


def _run_clock(
    pair: Pair, gap: Decimal, whole: bool, now_ns: Nanos, params: ExecutionParams, moves: Moves, long: LegSituation
) -> None:
    if whole:
        if pair.unhedged_since_ns is not None:
            seconds = (now_ns - pair.unhedged_since_ns) / NS_PER_S
            moves.notes.append(("unhedged", (("pair_id", pair.pair_id), ("seconds", f"{seconds:.3f}"))))
            pair.unhedged_since_ns = None
            pair.paged_ns = None
            pair.tries = 0
            pair.next_try_ns = Nanos(0)
        return
    if pair.unhedged_since_ns is None:
        pair.unhedged_since_ns = now_ns
        pair.tries = 0
        pair.next_try_ns = Nanos(0)
    if long.quote is not None:
        usd = abs(gap) * long.instrument.price(long.quote.bid_ticks)
        pair.unhedged_peak_usd = max(pair.unhedged_peak_usd, usd)
    age_s = (now_ns - pair.unhedged_since_ns) / NS_PER_S
    for bound_s in (params.cross_after_s, params.unwind_after_s, params.page_after_s):
        if age_s < bound_s:
            moves.wake(pair.unhedged_since_ns + int(bound_s * NS_PER_S))
    page_every_ns = int(params.page_after_s * NS_PER_S)
    last = pair.paged_ns if pair.paged_ns is not None else pair.unhedged_since_ns
    if now_ns - last >= page_every_ns:
        pair.paged_ns = now_ns
        moves.page = f"{pair.coin}: one leg is {gap:+f} {pair.coin} too long since {age_s:.0f} s; still trimming"
    if pair.unhedged_since_ns is not None:
        moves.wake((pair.paged_ns or pair.unhedged_since_ns) + page_every_ns)


# ------------------------------------------------------------------------------------ making a broken pair whole


def _restore(
    pair: Pair,
    long: LegSituation,
    short: LegSituation,
    gap: Decimal,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> None:
    """Hedge the shorter leg up while its parent may open, else trim the longer one down."""
    age_ns = now_ns - (pair.unhedged_since_ns or now_ns)
    longer, shorter = (long, short) if gap > 0 else (short, long)
    may_hedge = (
        pair.parent is not None
        and pair.parent.opening
        and pair.state is not PairState.UNWINDING
        and age_ns < int(params.unwind_after_s * NS_PER_S)
        and pair.tries <= params.cross_tries_max
        and (allowed.opens or allowed.opens_after_reconciliation)
    )
    if longer.working_lots or shorter.working_lots or longer.resting or shorter.resting:
        moves.cancels.extend((leg.instrument.id, order) for leg in (long, short) for order in leg.resting)
        return
    if may_hedge and shorter.doubtful_lots:
        return  # its outcome is being proven; at 10 s the longer leg is trimmed as if it had not filled
    if now_ns < pair.next_try_ns:
        moves.wake(pair.next_try_ns)
        return
    if may_hedge and allowed.opens:
        order = _hedge(pair, shorter, abs(gap), age_ns, params)
        if order is not None:
            _tried(pair, now_ns, params, moves, order)
            return
    elif may_hedge:
        moves.wake(now_ns + int(params.retry_s * NS_PER_S))
        return
    if age_ns >= int(params.unwind_after_s * NS_PER_S) or not allowed.opens or pair.parent is None:
        _begin_unwinding(pair, moves)
    order = _trim(pair, longer, abs(gap), age_ns, params)
    if order is not None:
        _tried(pair, now_ns, params, moves, order)
    else:
        moves.wake(now_ns + int(params.retry_s * NS_PER_S))


def _tried(pair: Pair, now_ns: Nanos, params: ExecutionParams, moves: Moves, order: WantedOrder) -> None:
    pair.tries += 1
    pair.next_try_ns = Nanos(now_ns + int(params.retry_s * NS_PER_S))
    moves.orders.append(order)
    moves.wake(pair.next_try_ns)


def _begin_unwinding(pair: Pair, moves: Moves) -> None:
    if pair.state in (PairState.UNWINDING, PairState.CLOSING) or (
        pair.parent is not None and not pair.parent.opening
    ):
        return
    pair.state = PairState.UNWINDING
    moves.notes.append(("pair_unwinding", (("pair_id", pair.pair_id), ("coin", pair.coin))))


def _hedge(
    pair: Pair, leg: LegSituation, gap: Decimal, age_ns: int, params: ExecutionParams
) -> WantedOrder | None:
    """The shorter leg grows by the gap: at the touch first, within the collar from the second try."""
    if leg.quote is None:
        return None
    side = _opening_side(pair, leg)
    lots = _opening_lots(leg.instrument, side, gap)
    patient = pair.tries == 0 and age_ns < int(params.cross_after_s * NS_PER_S)
    ticks = _limit_ticks(leg, side, 0.0 if patient else params.hedge_collar_bps)
    if not _tradable(leg.instrument, lots, ticks):
        return None
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.IOC,
        purpose="hedge", reduces_owner=False,
    )


def _trim(pair: Pair, leg: LegSituation, gap: Decimal, age_ns: int, params: ExecutionParams) -> WantedOrder | None:
    """The longer leg shrinks by the gap; the collar widens with every try and is never the reason to stop."""
    if leg.quote is None:
        return None
    lots = int((gap / leg.instrument.lot_size).to_integral_value("ROUND_HALF_UP"))
    lots = min(lots, int(abs(leg.quantity) // leg.instrument.lot_size) - leg.doubtful_reducing_lots)
    side = _opening_side(pair, leg).opposite
    closing = pair.parent is not None and not pair.parent.opening and not pair.parent.urgent
    if pair.tries == 0 and closing:
        collar = 0.0
    elif closing and age_ns < int(params.unwind_after_s * NS_PER_S):
        collar = params.hedge_collar_bps
    else:
        collar = min(params.unwind_collar_bps * 2 ** min(pair.tries, 10), params.collar_max_bps)
    ticks = _limit_ticks(leg, side, collar)
    if lots <= 0 or not _tradable(leg.instrument, lots, ticks, reducing=True):
        return None
    purpose = "unwind" if pair.state is PairState.UNWINDING else "trim"
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.IOC,
        purpose=purpose, reduces_owner=True,
    )


# --------------------------------------------------------------------------------------- the plan of a whole pair


def _proceed(
    pair: Pair,
    long: LegSituation,
    short: LegSituation,
    now_ns: Nanos,
    allowed: Permissions,
    params: ExecutionParams,
    moves: Moves,
) -> None:
    """The pair is whole and nothing is out: go on with the parent, or rest."""
    held = hedged_base(long, short)
    pair.peak_base = max(pair.peak_base, held)
    parent = pair.parent
    if parent is None:
        _rest(pair, long, short, held, moves)
        return
    if _reached(pair, parent, long, short, held) and long.quiet and short.quiet:
        _end_parent(pair, long, short, held, now_ns, moves)
        return
    if parent.opening and not allowed.opens:
        if allowed.opens_after_reconciliation and now_ns < parent.deadline_ns:
            moves.wake(min(now_ns + NS_PER_S, parent.deadline_ns))
            return
        _end_parent(pair, long, short, held, now_ns, moves)
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
    if index is None and parent.next_slice > last:
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
    order = _slice_order(parent, pair, parent.slices[index].cumulative_base, long, short, params)
    parent.next_slice = max(parent.next_slice, index + 1)
    pause_s = params.retry_s if parent.urgent else params.slice_s * (1 - params.time_jitter)
    pair.next_try_ns = Nanos(now_ns + int(pause_s * NS_PER_S))
    moves.wake(pair.next_try_ns)
    if order is not None:
        pair.tries = 0
        moves.orders.append(order)


def _slice_order(
    parent: Parent, pair: Pair, goal: Decimal, long: LegSituation, short: LegSituation, params: ExecutionParams
) -> WantedOrder | None:
    """The harder leg's step towards `goal`, else the other's; None if both are there within one lot."""
    first = _harder(long, short)
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
    side = _opening_side(pair, leg)
    if parent.opening:
        lots = _opening_lots(leg.instrument, side, goal - held)
        bound, purpose = params.entry_bound_bps, "open"
    else:
        side = side.opposite
        lots = int((held - goal) // leg.instrument.lot_size) - leg.doubtful_reducing_lots
        bound, purpose = (params.unwind_collar_bps if parent.urgent else params.entry_bound_bps), "close"
    ticks = _limit_ticks(leg, side, bound)
    if lots <= 0 or not _tradable(leg.instrument, lots, ticks, reducing=not parent.opening):
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
    return not (_closable(long) or _closable(short))


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
    _rest(pair, long, short, held, moves)


def _rest(pair: Pair, long: LegSituation, short: LegSituation, held: Decimal, moves: Moves) -> None:
    """Nothing to do: HEDGED at what it holds, or FLAT with its leftovers parked as dust."""
    if _closable(long) or _closable(short) or (held > 0 and pair.target_base > 0 and held >= pair.step_base):
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


def _reopen_for_late_fill(pair: Pair, now_ns: Nanos, params: ExecutionParams) -> None:
    """A fill came after the pair was flat (R3, F17): close it again, and count the seconds."""
    pair.state = PairState.UNWINDING
    pair.target_base = ZERO
    pair.closed_ns = None


# ---------------------------------------------------------------------------------------------------- small words


def _opening_side(pair: Pair, leg: LegSituation) -> Side:
    return Side.BUY if leg.instrument.id == pair.long_leg else Side.SELL


def _opening_lots(instrument: Instrument, side: Side, wanted: Decimal) -> int:
    """Whole lots nearest to the wanted net quantity; a spot buy is grossed up for the fee taken in the coin."""
    if wanted <= 0:
        return 0
    if side is Side.BUY and instrument.fee_in_base:
        return gross_up_lots(wanted, instrument)
    return int((wanted / instrument.lot_size).to_integral_value("ROUND_HALF_UP"))


def _limit_ticks(leg: LegSituation, side: Side, collar_bps: float) -> int:
    """The limit of a taking order: the touch, and at most so much beyond it."""
    quote = leg.quote
    if quote is None:
        raise ValueError(f"{leg.instrument.id}: no quote to price an order on")
    touch = quote.ask_ticks if side is Side.BUY else quote.bid_ticks
    if collar_bps == 0.0:
        return touch
    return price_ticks_with_collar(leg.instrument.price(touch), side, collar_bps, leg.instrument)


def _tradable(instrument: Instrument, lots: int, ticks: int, *, reducing: bool = False) -> bool:
    """Whether the venue would take it: lot minimum, and notional minimum (a perp's reducing order is exempt)."""
    if lots < max(instrument.lots_min, 1) and not (reducing and instrument.is_perp and lots > 0):
        return False
    if reducing and instrument.is_perp:
        return True
    return instrument.quantity(lots) * instrument.price(ticks) >= instrument.notional_min_usd


def _closable(leg: LegSituation) -> bool:
    """Whether an order could still reduce what the leg holds."""
    lots = int(abs(leg.quantity) // leg.instrument.lot_size)
    if lots <= 0:
        return False
    if leg.quote is None:
        return True  # cannot be priced now: absence of a quote never turns a holding into dust
    ticks = leg.quote.bid_ticks if leg.quantity > 0 else leg.quote.ask_ticks
    return _tradable(leg.instrument, lots, ticks, reducing=True)


def _harder(long: LegSituation, short: LegSituation) -> LegSituation:
    """The leg with less displayed at the touch goes first; at equality the long leg."""
    return short if _touch_usd(short) < _touch_usd(long) else long


def _touch_usd(leg: LegSituation) -> Decimal:
    if leg.quote is None:
        return ZERO
    lots = min(leg.quote.bid_lots, leg.quote.ask_lots)
    return leg.instrument.quantity(lots) * leg.instrument.price(leg.quote.bid_ticks)
