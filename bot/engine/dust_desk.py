"""Dust that has grown: what no order could close is sold once it makes up an order (F34).

Every pair that closes may leave less than a lot, or less than the venue's smallest order; a venue that makes its grid
finer turns dust into lots again. Nothing else owns these rests, so they are looked at here: when one is parked, when
rules change, at a start and at a kill.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bot.domain.orders import TimeInForce
from bot.domain.values import DUST, NS_PER_S, Nanos, Side
from bot.engine import orders_desk, owner_legs
from bot.engine.turn import Turn
from bot.execution.pair_moves import LegSituation, WantedOrder
from bot.execution.pair_orders import closable, reducing_ticks
from bot.risk.modes import Mode

FIRST_PAUSE_NS: Final = 5 * NS_PER_S
LAST_PAUSE_NS: Final = 900 * NS_PER_S


def run_due(turn: Turn) -> None:
    """Sell what can be sold; after each try a longer pause, for a book that takes nothing may go on doing so."""
    state = turn.state
    if state.dust_look_ns is None or state.dust_look_ns > turn.now_ns:
        return
    state.dust_look_ns = None
    if state.modes.mode() is Mode.HALTED and not state.killed_flatten:
        return  # held as ordered; the resume looks again
    again = False
    for leg in _grown(turn):
        again = True
        if _priced(leg) and not (leg.working_lots or leg.doubtful_lots):
            orders_desk.place(turn, DUST, _sale(turn, leg), f"dust/{leg.instrument.id}")
    if again:
        state.dust_look_ns = Nanos(turn.now_ns + min(FIRST_PAUSE_NS << min(state.dust_tries, 10), LAST_PAUSE_NS))
        state.dust_tries += 1


def next_ns(turn: Turn) -> Nanos | None:
    """When to look next."""
    return turn.state.dust_look_ns


def sellable(turn: Turn) -> bool:
    """Whether any dust could be closed now."""
    return any(_priced(leg) for leg in _grown(turn))


def _grown(turn: Turn) -> Iterator[LegSituation]:
    """Dust that an order could close, if there is a quote to price it on."""
    for book in turn.ledger.state.books.values():
        holding = book.held.get(DUST)
        if holding is None or not holding.quantity or book.instrument in turn.state.market.halted:
            continue
        leg = owner_legs.leg_situation(turn, DUST, book.instrument)
        if closable(leg):
            yield leg


def _priced(leg: LegSituation) -> bool:
    return leg.quote is not None and leg.reachable


def _sale(turn: Turn, leg: LegSituation) -> WantedOrder:
    side = Side.SELL if leg.quantity > 0 else Side.BUY
    lots = int(abs(leg.quantity) // leg.instrument.lot_size)
    return WantedOrder(
        instrument=leg.instrument.id, side=side, lots=lots, purpose="close", reduces_owner=True,
        limit_ticks=reducing_ticks(leg, side, lots, turn.params.execution.unwind_collar_bps),
        time_in_force=TimeInForce.IOC,
    )
