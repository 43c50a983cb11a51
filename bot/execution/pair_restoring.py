"""Making a broken pair whole: hedge the shorter leg while the parent may open, else trim the longer one (R9)."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, Nanos
from bot.execution.pair_making import made_by
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.pair_orders import limit_ticks, opening_lots, opening_side, pause_ns, reducing_ticks, tradable
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Pair, PairState


def restore(
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
    unwind_ns = int(params.unwind_after_s * NS_PER_S)
    hedging = (
        pair.parent is not None
        and pair.parent.opening
        and pair.state is not PairState.UNWINDING
        and age_ns < unwind_ns
        and (allowed.opens or allowed.opens_after_reconciliation)
    )
    if age_ns >= unwind_ns:
        _begin_unwinding(pair, moves)  # whatever is out or paused meanwhile (I3)
    maker = made_by(pair, longer, shorter) if hedging or not longer.resting else None
    working = [leg for leg in (longer, shorter) if leg is not maker and (leg.working_lots or leg.resting)]
    if working:
        if maker is None:
            moves.cancel_resting(long, short)
        return
    if hedging and shorter.doubtful_lots:
        return  # its outcome is being proven; at 10 s the longer leg is trimmed as if it had not filled
    may_hedge = hedging and pair.tries <= params.cross_tries_max
    if not may_hedge:
        _begin_unwinding(pair, moves)
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
    if longer.resting:  # its maker goes first; too small to be hedged, a fill waits for the next (`tend` bounds it)
        if not may_hedge:
            moves.cancel_resting(longer)
        moves.wake(now_ns + int(params.retry_s * NS_PER_S))
        return
    trim = _trim(pair, longer, abs(gap), age_ns, params)
    # a venue that takes nothing keeps the longer leg where it is; a kill does not leave the other venue waiting for it
    stuck = allowed.ends_flat and age_ns >= unwind_ns and shorter.quiet
    exit_alone = _trim(pair, shorter, abs(shorter.quantity), age_ns, params) if stuck else None
    orders = [order for order in (trim, exit_alone) if order is not None]
    if orders:
        _tried(pair, now_ns, params, moves, *orders)
    else:
        moves.wake(now_ns + int(params.retry_s * NS_PER_S))


def _tried(pair: Pair, now_ns: Nanos, params: ExecutionParams, moves: Moves, *orders: WantedOrder) -> None:
    pair.tries += 1
    pair.next_try_ns = Nanos(now_ns + pause_ns(pair.fruitless, params.retry_s, params, quote_age_ns=0))
    pair.fruitless += 1
    moves.orders.extend(orders)
    moves.wake(pair.next_try_ns)


def _begin_unwinding(pair: Pair, moves: Moves) -> None:
    if pair.state in (PairState.UNWINDING, PairState.CLOSING) or (
        pair.parent is not None and not pair.parent.opening
    ):
        return
    pair.state = PairState.UNWINDING
    # trims are counted and paused for themselves: hedges that found nothing neither delay nor widen the first one
    pair.tries, pair.fruitless, pair.next_try_ns = 0, 0, Nanos(0)
    moves.notes.append(("pair_unwinding", (("pair_id", pair.pair_id), ("coin", pair.coin))))


def _hedge(
    pair: Pair, leg: LegSituation, gap: Decimal, age_ns: int, params: ExecutionParams
) -> WantedOrder | None:
    """The shorter leg grows by the gap: at the touch first, within the collar from the second try."""
    if leg.quote is None:
        return None
    side = opening_side(pair, leg)
    lots = opening_lots(leg.instrument, side, gap)
    patient = pair.tries == 0 and age_ns < int(params.cross_after_s * NS_PER_S)
    ticks = limit_ticks(leg, side, 0.0 if patient else params.hedge_collar_bps)
    if not tradable(leg.instrument, lots, ticks):
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
    side = opening_side(pair, leg).opposite
    closing = pair.parent is not None and not pair.parent.opening and not pair.parent.urgent
    if pair.tries == 0 and closing:
        collar = 0.0
    elif closing and age_ns < int(params.unwind_after_s * NS_PER_S):
        collar = params.hedge_collar_bps
    else:
        collar = min(params.unwind_collar_bps * 2 ** min(pair.tries, 10), params.collar_max_bps)
    if lots <= 0:
        return None
    ticks = reducing_ticks(leg, side, lots, collar)
    if not tradable(leg.instrument, lots, ticks, reducing=leg.shrinks_net(lots)):
        return None
    purpose = "unwind" if pair.state is PairState.UNWINDING else "trim"
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, limit_ticks=ticks, time_in_force=TimeInForce.IOC,
        purpose=purpose, reduces_owner=True,
    )
