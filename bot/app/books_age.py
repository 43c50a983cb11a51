"""Are the journal and the exchange's books of one age? A restored or copied file beside a newer one is not."""

from __future__ import annotations

from collections.abc import Set
from contextlib import closing

from bot.app.engines import Engines
from bot.domain.commands import SubmitOrder
from bot.domain.errors import BotError, Fatal
from bot.domain.values import OrderId
from bot.engine.engine import Engine
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.snapshot import SnapshotStore
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange

_HALF_DAY_NS = 43_200 * 10**9


def books_doubt(place: AccountDir, engine: Engine, exchange: SimulatedExchange,
                more_orders: Set[OrderId] = frozenset()) -> str:
    """Why the journal seems older than the books; empty if both agree, or nothing has been traded.

    Args:
        place: for the names of the files.
        engine: as the journal has it, up to `more_orders`.
        exchange: as its books have it.
        more_orders: orders on record that the engine has not been told of.
    Raises:
        Fatal: the books are older than the journal: trades on record would not exist.
    """
    recent_ns = engine.state.now_ns - int(engine.params.execution.orders_kept_days * _HALF_DAY_NS)
    for venue, known in engine.state.venues.items():
        if venue not in exchange.venues:
            continue
        account = exchange.account(venue)
        if len(account.log) < known.cursor:
            raise Fatal(f"{place.venue}: older than {place.journal.name}: {venue} has booked {len(account.log)} "
                        f"entries, {known.cursor} are on record; restore both from one backup, or use --account NAME")
        newest = account.orders[-1] if account.orders else None
        if newest is None or newest.arrived_ns < recent_ns or newest.order_id in more_orders:
            continue  # finished orders are forgotten after a while
        if newest.order_id not in engine.state.orders:
            return (f"{place.journal.name} is older than {place.venue.name}: {venue} has order {newest.order_id}, "
                    "which is not on record")
    return ""


def account_doubt(settings: Settings, place: AccountDir) -> str:
    """The same of an account that does not run, seen from its newest snapshot; empty if all is well or not known.

    Raises:
        Busy: it runs.
    """
    with place.lock():
        snapshot = next(SnapshotStore(place.snapshots).newest_first(), None)
        if snapshot is None or not place.venue.is_file():
            return ""
        try:
            engine = Engines(settings.engine).restore(snapshot.engine)
            with closing(BooksFile(place.venue)) as books:
                exchange = SimulatedExchange.reopen(books, tuple(engine.state.market.instruments.values()),
                                                    settings.simulated, settings.engine.seed)
            with Journal.open_readonly(place.journal) as journal:
                orders = {command.order.intent.order_id for _, _, step in journal.export_kept(snapshot.seq + 1)
                          for command in step.commands if isinstance(command, SubmitOrder)}
        except BotError:
            return ""  # damage is named by whoever checks for it; another configuration cannot be compared
        try:
            return books_doubt(place, engine, exchange, orders)
        except Fatal as error:
            return str(error)
