"""The pair machine: both legs move together, and what is unhedged is bounded by R9's clock.

`advance` looks at a pair as it stands and answers with at most one order. It reconciles to a wanted size, never adds on
an event, so looking twice changes nothing. The harder leg goes first; the other follows the cumulative fills.
"""

from __future__ import annotations

from decimal import Decimal

from bot.domain.values import ZERO, Nanos
from bot.execution.pair_clock import run_clock
from bot.execution.pair_making import tend
from bot.execution.pair_moves import LegSituation, Moves, Permissions
from bot.execution.pair_plan import proceed
from bot.execution.pair_restoring import restore
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Pair, PairState


def hedged_base(long: LegSituation, short: LegSituation) -> Decimal:
    """The quantity both legs hold against each other, in base units."""
    return max(min(long.quantity, -short.quantity), ZERO)


def imbalance_base(long: LegSituation, short: LegSituation) -> Decimal:
    """What one leg holds beyond the other: positive if the long leg is longer."""
    return long.quantity + short.quantity


def tolerance_base(pair: Pair, long: LegSituation, short: LegSituation) -> Decimal:
    """How far the legs may differ and still count as whole: one joint step, or what no venue would let us trade."""
    tolerance = pair.step_base
    for leg, other in ((long, short), (short, long)):
        priced = leg if leg.quote is not None else other  # a halted leg is priced by the other: it is the same coin
        if not leg.instrument.is_perp and priced.quote is not None:
            price = priced.instrument.price(priced.quote.bid_ticks)
            lots = int((leg.instrument.notional_min_usd / price) // leg.instrument.lot_size) + 1
            tolerance = max(tolerance, leg.instrument.quantity(max(lots, leg.instrument.lots_min)))
    return tolerance


def is_whole(pair: Pair, long: LegSituation, short: LegSituation) -> bool:
    """Whether the legs hold each other's size, as far as any venue lets them."""
    return abs(imbalance_base(long, short)) <= tolerance_base(pair, long, short)


def advance(
    pair: Pair, long: LegSituation, short: LegSituation, now_ns: Nanos, allowed: Permissions, params: ExecutionParams
) -> Moves:
    """Look at a pair and say what to do now; changes the pair's own state.

    Returns:
        At most one new order, cancels of resting ones, notes, leftovers to park, and when to look again.
    """
    moves = Moves()
    gap = imbalance_base(long, short)
    whole = is_whole(pair, long, short)
    if pair.state is PairState.FLAT:
        if long.quantity == 0 and short.quantity == 0:
            tend(pair, long, short, now_ns, allowed, params, moves)
            return moves
        _reopen_for_late_fill(pair)
    run_clock(pair, gap, whole, now_ns, params, moves, long)
    tend(pair, long, short, now_ns, allowed, params, moves)
    if not whole:
        restore(pair, long, short, gap, now_ns, allowed, params, moves)
    elif _may_proceed(pair, long, short):
        proceed(pair, long, short, hedged_base(long, short), now_ns, allowed, params, moves)
    return moves


def _may_proceed(pair: Pair, long: LegSituation, short: LegSituation) -> bool:
    """Nothing of the pair is out; an urgent exit does not wait for doubtful orders, it sells around them."""
    if long.quiet and short.quiet:
        return True
    working = long.working_lots or short.working_lots or long.resting or short.resting
    return not working and pair.parent is not None and pair.parent.urgent and not pair.parent.opening


def _reopen_for_late_fill(pair: Pair) -> None:
    """A fill came after the pair was flat (R3, F17): close it again, and count the seconds."""
    pair.state = PairState.UNWINDING
    pair.target_base = ZERO
