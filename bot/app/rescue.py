"""`run --rescue`: an account whose record cannot be trusted is brought flat from the venue's own word."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path

import msgspec

from bot.app.backtests import schedule_from
from bot.app.engines import Engines, build_id, decision_hash, session_started
from bot.app.worlds import World, demo_world
from bot.domain.errors import BotError, ConfigRefused
from bot.domain.values import NS_PER_MINUTE, Coin, Venue
from bot.engine.rescue import RescueEngine
from bot.options import RescueOptions
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.clock import SystemClock
from bot.runtime.live import Daemon
from bot.runtime.live_run import Session
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from bot.storage.lease import EpochWitness, newest_epoch
from bot.storage.restore import finish_restore
from bot.storage.snapshot import SnapshotStore
from bot.telemetry.alerts import AlertRunner
from bot.telemetry.log import configure_logging
from bot.venues.simulated.books_file import BooksFile

PATIENCE_NS = 30 * NS_PER_MINUTE
"""Of the venue's time; whoever does not answer until then is left to the next try."""
_LOOK_S = 0.05
_EPOCHS_APART = 1_000
"""Left free above the last epoch known where the journal cannot say which was the newest."""


class RescueReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rescue came to."""

    flat: bool
    """Every venue has shown that nothing of ours is open or held, but for what is left."""
    orders_cancelled: int
    orders_sent: int
    left: tuple[str, ...]
    """What stays where, and why."""
    coins_from: str
    """The snapshot that said which coins are ours; empty: none could be read, so no coin was touched."""
    record: str
    """The folder with the rescue's own journal."""


def run_rescue(settings: Settings, options: RescueOptions) -> RescueReport:
    """Cancel all orders of ours and close all positions, without the journal; the account stays latched.

    Raises:
        Busy: a daemon runs the account: `kill` it instead.
        ConfigRefused: an account without an exchange to ask.
        Fatal: the exchange's books are damaged as well.
    """
    clock = SystemClock()
    place = AccountDir(options.home, settings.account.kind, options.account or settings.account.name)
    if not place.venue.is_file():
        raise ConfigRefused(f"{place.folder}: no exchange's books there, nothing can be asked; check --account")
    with place.prepare().lock():
        finish_restore(place)
        sink = configure_logging(stream=None, path=place.log)
        try:
            return _rescue(settings, options, place, clock)
        finally:
            sink.close()


def _rescue(settings: Settings, options: RescueOptions, place: AccountDir, clock: SystemClock) -> RescueReport:
    latch = KillLatch(*place.kill_places)
    latch.set("kill by rescue: the record could not be trusted")
    ours, source = _coins_of_ours(settings, place)
    books = BooksFile(place.venue)
    world = demo_world(settings, end_ns=None, books=books, resume_ns=books.read().now_ns)
    epoch = _epoch_above(place)
    EpochWitness(place.epoch).write(epoch)
    folder = place.folder / f"rescue-{clock.wall_ns()}"
    folder.mkdir(mode=0o700)
    engine = RescueEngine(ours, hold=options.hold)
    identity = Identity(account=place.account, kind=place.kind, created_ns=clock.now_ns())
    with Journal.create(folder / "journal.db", identity) as journal:
        daemon = _daemon(settings, world, engine, journal, folder, latch, epoch, place)
        asyncio.run(daemon.run(helpers=(("rescue", _until_flat(engine, world)),)))
    world.exchange.commit()
    books.close()
    return RescueReport(
        flat=engine.finished, orders_cancelled=engine.state.cancels, orders_sent=engine.state.orders,
        left=tuple(f"{desk.venue}: {text}" for desk in engine.state.desks.values() for text in desk.left),
        coins_from=source, record=str(folder))


def _daemon(settings: Settings, world: World, engine: RescueEngine, journal: Journal, folder: Path, latch: KillLatch,
            epoch: int, place: AccountDir) -> Daemon:
    """The usual driver: each order is on record before it leaves."""
    at_ns = world.exchange.now_ns
    schedule = schedule_from(world, at_ns - 1, Calendar(JOBS, at_ns), observed_ns=at_ns)
    schedule.inject(session_started(settings, world, at_ns=at_ns - 1, epoch=epoch, account=place.account,
                                    kind=place.kind, latch=latch.found()))
    session = Session(epoch=epoch, build=build_id(), config_hash=decision_hash(settings))
    return Daemon(engine, schedule, journal, SnapshotStore(folder / "snapshots"), latch, session,
                  msgspec.structs.replace(settings.runtime, speed=math.inf),
                  alerts=AlertRunner(settings.account.alert_command))


def _until_flat(engine: RescueEngine, world: World) -> Callable[[Daemon], Coroutine[None, None, None]]:
    start_ns = world.exchange.now_ns

    async def watch(daemon: Daemon) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if engine.finished or engine.state.now_ns - start_ns >= PATIENCE_NS:
                daemon.request_stop("rescue")
                return

    return watch


def _coins_of_ours(settings: Settings, place: AccountDir) -> tuple[dict[tuple[Venue, Coin], Decimal], str]:
    """What the newest readable snapshot says we hold in coins, and that snapshot's name."""
    try:
        for snapshot in SnapshotStore(place.snapshots).newest_first():
            engine = Engines(settings.engine).restore(snapshot.engine)
            ours = {(venue, coin): size for venue in engine.state.venues
                    for coin, size in engine.ledger.coins(venue)}
            return ours, f"the snapshot at event {snapshot.seq}"
    except BotError:
        pass
    return {}, ""


def _epoch_above(place: AccountDir) -> int:
    """An epoch that no session has had."""
    known = EpochWitness(place.epoch).read()
    try:
        with Journal.open_readonly(place.journal) as journal:
            return max(known, newest_epoch(journal)) + 1
    except BotError:
        return known + _EPOCHS_APART
