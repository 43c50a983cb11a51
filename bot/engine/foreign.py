"""Someone else trades the account: booked so that books and venue agree, blocked and told, never touched (F41).

What is not ours by its client id is nobody's pair: its quantity belongs to the owner `foreign`, which no order of ours
serves, not even a kill's.
"""

from __future__ import annotations

from bot.domain.events import AccountReport, Fill
from bot.domain.values import DUST, FOREIGN, ZERO, InstrumentId, OrderId, Owner, Venue
from bot.engine.turn import Turn
from bot.execution.order_ids import is_ours

LIFTED_BY = "operator: resume"


def is_unknown(turn: Turn, venue: Venue, instrument: InstrumentId) -> bool:
    """Whether the venue reports on something this session does not trade: alerted and never booked, it is foreign."""
    if instrument in turn.state.market.instruments:
        return False
    _block(turn, venue, "foreign_fill", f"{instrument}: the account has dealings in an instrument not traded here")
    return True


def owner_of(order_id: OrderId) -> Owner:
    """Who holds a trade of an order that is not in our books: dust if the order was ours once, else `foreign`."""
    return DUST if is_ours(order_id) else FOREIGN


def on_fill(turn: Turn, fill: Fill) -> None:
    """A trade of an order we do not know has been booked: nothing opens at this venue until a person has looked."""
    whose = "an order of ours that is not on record" if is_ours(fill.order_id) else "someone else's order"
    _block(turn, fill.venue, "foreign_fill", f"{fill.instrument}: a trade of {whose} ({fill.order_id[:40]})")


def on_open_orders(turn: Turn, venue: Venue, orders: tuple[OrderId, ...]) -> None:
    """Open orders without our prefix: left alone."""
    if orders:
        _block(turn, venue, "foreign_orders", f"{venue}: {len(orders)} open order(s) that are not ours")


def shows_flat(turn: Turn, report: AccountReport) -> bool:
    """Whether the venue holds nothing of ours: no order with our prefix, no position beyond what is foreign or dust."""
    if any(is_ours(order_id) for order_id in report.open_orders):
        return False
    return all(row.quantity == _not_ours(turn, row.instrument) for row in report.positions)


def _not_ours(turn: Turn, instrument: InstrumentId) -> object:
    if instrument not in turn.state.market.instruments:
        return ZERO
    return turn.ledger.quantity(instrument, FOREIGN) + turn.ledger.quantity(instrument, DUST)


def _block(turn: Turn, venue: Venue, name: str, text: str) -> None:
    if turn.state.modes.block_venue(venue, turn.reason(name, text, LIFTED_BY)):
        turn.alert(name, text, page=True)
