"""What must hold of an account after its process was killed: read from its journal and from the venue's own books."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from bot.app.engines import Engines, build_id, decision_hash
from bot.domain.commands import SubmitOrder
from bot.domain.events import AnyEvent, Fill, ForcedFill, SessionStarted
from bot.domain.orders import OrderIntent
from bot.domain.values import MONEY, NS_PER_S, ZERO, OrderId, Owner, Venue
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.portfolio.pairs import Pair, PairState
from bot.runtime.recovery import recover
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.journal_codec import encode_step
from bot.storage.snapshot import SnapshotStore
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange

WHOLE_AFTER_S = 60
"""So long after reconciliation every pair must rest."""
TRIM_S = 5
"""What a trim that began at the end of R9's hedging time may take: the way there and back, and a second try."""


class Account:
    """One account's folder, read as an auditor would."""

    def __init__(self, place: AccountDir, settings: Settings) -> None:
        self.place = place
        self.settings = settings
        self.engines = Engines(settings.engine)

    def records(self) -> Iterator[tuple[AnyEvent, Step]]:
        """Everything on record, from the first event."""
        with Journal.open_readonly(self.place.journal) as journal:
            for _, event, step in journal.export():
                yield event, step

    def intents(self) -> dict[OrderId, OrderIntent]:
        """Every order that was ever decided, by client id."""
        return {
            command.order.intent.order_id: command.order.intent
            for _, step in self.records() for command in step.commands if isinstance(command, SubmitOrder)
        }

    def fresh(self) -> Engine:
        """A new engine over the whole journal; every step must come out as recorded."""
        engine = self.engines.create()
        with Journal.open_readonly(self.place.journal) as journal:
            for seq, event, step in journal.export():
                assert encode_step(engine.step(event)) == encode_step(step), f"event {seq} is answered differently"
        return engine

    def recovered_as_at_a_start(self, scratch: Path) -> tuple[Engine, int]:
        """The engine that a start would go on with, and the snapshot it began from; done on a copy."""
        copy = _copy(self.place.folder, scratch / "recovered")
        with Journal.open(copy / "journal.db") as journal:
            found = recover(
                self.engines, journal, SnapshotStore(copy / "snapshots"), build=build_id(),
                config_hash=decision_hash(self.settings), started_ns=1)
        assert isinstance(found.engine, Engine)
        assert (found.differences, found.reduce_only) == (0, "")
        shutil.rmtree(copy)
        return found.engine, found.from_snapshot_seq

    def venue_truth(self, scratch: Path, engine: Engine) -> SimulatedExchange:
        """The exchange's own books as last committed, opened from a copy."""
        copy = _copy(self.place.folder, scratch / "venue")
        books = BooksFile(copy / "venue.db")
        exchange = SimulatedExchange.reopen(
            books, tuple(engine.state.market.instruments.values()), self.settings.simulated, self.settings.engine.seed)
        books.close()
        shutil.rmtree(copy)
        return exchange


def _copy(folder: Path, to: Path) -> Path:
    """A copy to try things on; the socket of the dead process stays behind."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.sock")))


def check_killed(account: Account, scratch: Path) -> None:
    """Right after the kill: what a start would recover is what the journal says, and the venue knows nothing else."""
    fresh = account.fresh()
    recovered, _ = account.recovered_as_at_a_start(scratch)
    assert recovered.snapshot() == fresh.snapshot()
    check_orders(account, account.venue_truth(scratch, fresh))


def check_went_on(account: Account, scratch: Path) -> None:
    """After the next session's clean end: orders, pairs and money are as if nothing had happened."""
    fresh = account.fresh()
    newest = next(SnapshotStore(account.place.snapshots).newest_first())
    assert newest.engine == fresh.snapshot(), "the session ended with another state than its journal gives"
    exchange = account.venue_truth(scratch, fresh)
    check_orders(account, exchange)
    check_no_order_is_lost(fresh, exchange)
    check_books(fresh, exchange)
    check_pairs(account)


def check_orders(account: Account, exchange: SimulatedExchange) -> None:
    """One create per client id at the venue; whatever it has acknowledged stands in the journal as it was sent."""
    intents = account.intents()
    for venue in exchange.venues:
        truth = exchange.account(venue)
        assert not truth.repeats, f"created twice at {venue}: {truth.repeats}"
        for order in truth.orders:
            intent = intents.get(order.order_id)
            assert intent is not None, f"{venue} has order {order.order_id}, which is not on record"
            assert (order.instrument, order.side) == (intent.instrument, intent.side)


def check_no_order_is_lost(engine: Engine, exchange: SimulatedExchange) -> None:
    """Our orders and the venue's agree: the same fills, and what the venue never saw is proven not to be there."""
    for order_id, order in engine.state.orders.items():
        truth = exchange.account(order.intent.venue).find(order_id)
        if truth is None:
            assert order.state in (OrderState.NOT_PLACED, OrderState.REJECTED), f"{order_id} is {order.state}"
        else:
            assert order.filled_lots == truth.filled_lots, f"{order_id}: {order.filled_lots} {truth.filled_lots}"
    assert not engine.state.live_orders


def check_books(engine: Engine, exchange: SimulatedExchange) -> None:
    """The ledger is the venue's books to the last digit: wallets, coins, positions, trades, funding, equity."""
    ledger = engine.revalued_ledger()
    for venue in exchange.venues:
        holdings = exchange.account(venue).holdings
        wallets = ledger.wallets(venue)
        assert wallets.spot_usd == holdings.spot_usd
        assert wallets.futures_usd == MONEY.add(holdings.futures_usd, holdings.isolated_usd())
        assert dict(ledger.coins(venue)) == holdings.coins
        held = {net.instrument: (net.quantity, net.cost_usd) for net in ledger.venue_nets(venue)
                if engine.state.market.instruments[net.instrument].is_perp}
        assert held == {name: (row.quantity, row.cost_usd) for name, row in holdings.positions.items() if row.quantity}
    assert ledger.check(_equity_usd(engine, exchange)) == ZERO


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


def check_pairs(account: Account) -> None:
    """No pair beyond its bound for longer than R9 allows, and every pair at rest 60 s after reconciliation.

    A parent that was begun after the reconciliation is a new decision and may be at work by then.
    """
    params = account.settings.engine.execution
    engine = account.engines.create()
    since: dict[Owner, int] = {}
    rest_ns = reconciled_ns = 0
    for event, _ in account.records():
        if rest_ns and event.at_ns > rest_ns:
            check_at_rest(engine, reconciled_ns)
            rest_ns = 0
        step = engine.step(event)
        if isinstance(event, SessionStarted):
            reconciled_ns = rest_ns = 0
            waiting = set(engine.state.venues)
        for note in step.notes:
            if note.name == "venue_reconciled":
                waiting.discard(Venue(dict(note.keys)["venue"]))
                if not waiting and not reconciled_ns:
                    reconciled_ns, rest_ns = event.at_ns, event.at_ns + WHOLE_AFTER_S * NS_PER_S
        if isinstance(event, Fill | ForcedFill) or since:
            _time_imbalances(engine, since, event.at_ns, params.unwind_after_s + TRIM_S)
    assert not rest_ns, "the last session was too short to say"


def check_at_rest(engine: Engine, reconciled_ns: int) -> None:
    """Every pair is HEDGED or FLAT, but for what was decided after the reconciliation."""
    for pair in engine.state.pairs.values():
        parent = pair.parent
        begun_s = int(parent.parent_id.rpartition("-")[2]) if parent is not None else 0
        if begun_s * NS_PER_S < reconciled_ns:
            assert pair.state in (PairState.HEDGED, PairState.FLAT), msgspec.to_builtins(pair)


def _time_imbalances(engine: Engine, since: dict[Owner, int], now_ns: int, seconds_max: float) -> None:
    for name, pair in engine.state.pairs.items():
        if abs(_gap(engine, pair)) <= _bound(engine, pair):
            since.pop(name, None)
            continue
        began = since.setdefault(name, now_ns)
        seconds = (now_ns - began) / NS_PER_S
        assert seconds <= seconds_max, f"{name} is off by {_gap(engine, pair)} since {seconds} s"


def _gap(engine: Engine, pair: Pair) -> Decimal:
    ledger = engine.ledger
    return ledger.quantity(pair.long_leg, pair.pair_id) + ledger.quantity(pair.short_leg, pair.pair_id)


def _bound(engine: Engine, pair: Pair) -> Decimal:
    """One joint step, or what a spot venue would not let us trade (its minimum notional at the bid, in whole lots)."""
    bound = pair.step_base
    for leg in pair.legs:
        rules, entry = engine.state.market.instruments[leg], engine.state.market.quotes.get(leg)
        if not rules.is_perp and entry is not None:
            least = rules.notional_min_usd / rules.price(entry[1].bid_ticks)
            bound = max(bound, (least // rules.lot_size + 1) * rules.lot_size)
    return bound
