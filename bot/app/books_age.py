"""Are the journal and the exchange's books of one age? A restored or copied file beside a newer one is not."""

from __future__ import annotations

from bot.domain.errors import Fatal
from bot.engine.engine import Engine
from bot.storage.account_dir import AccountDir
from bot.venues.simulated.exchange import SimulatedExchange


def books_doubt(place: AccountDir, engine: Engine, exchange: SimulatedExchange) -> str:
    """Why the journal seems older than the books; empty if both agree, or nothing has been traded.

    Raises:
        Fatal: the books are older than the journal: trades on record would not exist.
    """
    for venue, known in engine.state.venues.items():
        if venue not in exchange.venues:
            continue
        account = exchange.account(venue)
        if len(account.log) < known.cursor:
            raise Fatal(f"{place.venue}: older than {place.journal.name}: {venue} has booked {len(account.log)} "
                        f"entries, {known.cursor} are on record; restore both from one backup, or use --account NAME")
        newest = account.orders[-1] if account.orders else None
        if newest is not None and newest.order_id not in engine.state.orders and (
                newest.arrived_ns > engine.state.now_ns - _orders_kept_ns(engine)):
            return (f"{place.journal.name} is older than {place.venue.name}: {venue} has order {newest.order_id}, "
                    "which is not on record")
    return ""


def _orders_kept_ns(engine: Engine) -> int:
    """Finished orders are forgotten after this; half of it, to be on the safe side."""
    return int(engine.params.execution.orders_kept_days * 43_200 * 10**9)
