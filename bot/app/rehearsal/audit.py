"""What must hold of an account after its process died: read from its journal and from the venue's own books."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from bot.app.engines import Engines, build_id, decision_hash
from bot.app.rehearsal.walk import PromiseBroken, Walk, require
from bot.domain.values import MONEY, ZERO
from bot.engine.engine import Engine
from bot.execution.order_states import OrderState
from bot.runtime.recovery import recover
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.snapshot import SnapshotStore
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange

_IGNORED: Final = ("BALLAST", "*.sock", "*-shm", "*.log", "A", "B")


class Account:
    """One account's folder, read as an auditor would; `walk` has gone over the beginning of its journal already."""

    def __init__(self, place: AccountDir, settings: Settings, walk: Walk | None = None) -> None:
        self.place = place
        self.settings = settings
        self.walk = walk or Walk(settings)

    def recovered_as_at_a_start(self, scratch: Path) -> Engine:
        """The engine that a start would go on with; done on a copy."""
        copy = copy_of(self.place.folder, scratch / "recovered")
        try:
            with Journal.open(copy / "journal.db") as journal:
                found = recover(
                    Engines(self.settings.engine), journal, SnapshotStore(copy / "snapshots"), build=build_id(),
                    config_hash=decision_hash(self.settings), started_ns=1)
        finally:
            shutil.rmtree(copy)
        require(isinstance(found.engine, Engine), "recovery made another kind of engine")
        require(not found.differences and not found.reduce_only, f"the record was not trusted: {found.reduce_only}")
        assert isinstance(found.engine, Engine), "required above"
        return found.engine

    def venue_truth(self, scratch: Path) -> SimulatedExchange | None:
        """The exchange's own books as last committed, opened from a copy; None: nothing was ever committed there."""
        copy = copy_of(self.place.folder, scratch / "venue")
        try:
            books = BooksFile(copy / "venue.db")
            if not books.holds_account:
                books.close()
                return None
            listed = tuple(self.walk.engine.state.market.instruments.values())
            exchange = SimulatedExchange.reopen(books, listed, self.settings.simulated, self.settings.engine.seed)
            books.close()
        finally:
            shutil.rmtree(copy)
        return exchange


def copy_of(folder: Path, to: Path) -> Path:
    """A copy to try things on; sockets and shared memory of the dead process stay behind."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns(*_IGNORED)))


def check_killed(account: Account, scratch: Path) -> None:
    """Right after the death: what a start would recover is what the journal says, and the venue knows nothing else.

    Raises:
        PromiseBroken: what does not hold.
    """
    if not account.place.journal.is_file():
        require(not account.place.venue.is_file(), "the venue has books and we have no journal")
        return
    account.walk.go_on(account.place.journal)
    recovered = account.recovered_as_at_a_start(scratch)
    require(recovered.snapshot() == account.walk.engine.snapshot(),
            "the recovered state differs from a fresh engine's over the same journal")
    exchange = account.venue_truth(scratch) if account.place.venue.is_file() else None
    if exchange is None:
        require(not account.walk.intents, "orders are on record and the venue has no books")
    else:
        check_orders(account, exchange)


def check_went_on(account: Account, scratch: Path) -> None:
    """After the next session's clean end: orders, pairs and money are as if nothing had happened.

    Raises:
        PromiseBroken: what does not hold.
    """
    account.walk.go_on(account.place.journal)
    account.walk.finish()
    engine = account.walk.engine
    newest = next(SnapshotStore(account.place.snapshots).newest_first())
    require(newest.engine == engine.snapshot(), "the session ended with another state than its journal gives")
    exchange = account.venue_truth(scratch)
    if exchange is None:
        raise PromiseBroken("the venue has no books")
    check_orders(account, exchange)
    check_no_order_is_lost(engine, exchange)
    check_books(engine, exchange)


def check_orders(account: Account, exchange: SimulatedExchange) -> None:
    """One create per client id at the venue; whatever it has acknowledged stands in the journal as it was sent."""
    for venue in exchange.venues:
        truth = exchange.account(venue)
        require(not truth.repeats, f"created twice at {venue}: {truth.repeats}")
        for order in truth.orders:
            intent = account.walk.intents.get(order.order_id)
            if intent is None:
                raise PromiseBroken(f"{venue} has order {order.order_id}, which is not on record")
            require((order.instrument, order.side) == (intent.instrument, intent.side),
                    f"{venue} has order {order.order_id} as {order.instrument} {order.side.name}, recorded otherwise")


def check_no_order_is_lost(engine: Engine, exchange: SimulatedExchange) -> None:
    """Our orders and the venue's agree: the same fills, and what the venue never saw is proven not to be there."""
    for order_id, order in engine.state.orders.items():
        truth = exchange.account(order.intent.venue).find(order_id)
        if truth is None:
            require(order.state in (OrderState.NOT_PLACED, OrderState.REJECTED),
                    f"{order_id} is {order.state.value} and unknown to its venue")
        else:
            require(order.filled_lots == truth.filled_lots,
                    f"{order_id}: {order.filled_lots} lots filled for us, {truth.filled_lots} at the venue")
    require(not engine.state.live_orders, f"orders are still under way: {sorted(engine.state.live_orders)}")


def check_books(engine: Engine, exchange: SimulatedExchange) -> None:
    """The ledger is the venue's books to the last digit: wallets, coins, positions, trades, funding, equity."""
    ledger = engine.revalued_ledger()
    for venue in exchange.venues:
        holdings = exchange.account(venue).holdings
        wallets = ledger.wallets(venue)
        held = {net.instrument: (net.quantity, net.cost_usd) for net in ledger.venue_nets(venue)
                if engine.state.market.instruments[net.instrument].is_perp}
        pairs = (
            ("spot wallet", wallets.spot_usd, holdings.spot_usd),
            ("futures wallet", wallets.futures_usd, MONEY.add(holdings.futures_usd, holdings.isolated_usd())),
            ("coins", dict(ledger.coins(venue)), holdings.coins),
            ("positions", held, {name: (row.quantity, row.cost_usd)
                                 for name, row in holdings.positions.items() if row.quantity}),
        )
        for what, ours, theirs in pairs:
            require(ours == theirs, f"{venue} {what}: {ours} in our books, {theirs} in the venue's")
    residual = ledger.check(_equity_usd(engine, exchange))
    require(residual == ZERO, f"equity differs by {residual} USD")


def _equity_usd(engine: Engine, exchange: SimulatedExchange) -> Decimal:
    """What the venues' own holdings are worth at our prices: their books were closed a little before ours."""
    ledger, total = engine.ledger, engine.ledger.in_transit_usd()
    spots = {(rules.venue, rules.coin): name for name, rules in engine.state.market.instruments.items()
             if not rules.is_perp}
    for venue in exchange.venues:
        holdings = exchange.account(venue).holdings
        parts = [holdings.spot_usd, holdings.futures_usd, holdings.isolated_usd()]
        parts += [MONEY.multiply(size, ledger.price(spots[venue, coin])) for coin, size in holdings.coins.items()]
        parts += [MONEY.subtract(MONEY.multiply(row.quantity, ledger.price(name)), row.cost_usd)
                  for name, row in holdings.positions.items()]
        for part in parts:
            total = MONEY.add(total, part)
    return total


def settled_latch(account: Account) -> str:
    """What the engine on record says of a kill: its reason while halted for one, else empty."""
    reason = account.walk.engine.state.modes.halted.get("kill")
    return "" if reason is None else msgspec.json.encode(reason).decode()
