"""`run`: the daemon on the embedded market or on recorded history, with journal, exchange books and control socket."""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec
import structlog

from bot.app.books_age import books_doubt
from bot.app.crash_budget import CrashBudget
from bot.app.engines import Engines, build_id, decision_hash, session_started
from bot.app.outcomes import report_of
from bot.app.resumption import resumed_schedule
from bot.app.worlds import DEMO_START_NS, World, capital_of, demo_world, deposit, history_world
from bot.control.server import ControlServer
from bot.domain.commands import Alert
from bot.domain.errors import ConfigRefused, Fatal, Retryable
from bot.engine.engine import Engine
from bot.engine.view import EngineView
from bot.options import RunOptions
from bot.research.run_recorder import RunRecorder
from bot.runtime.clock import Stopwatch, SystemClock
from bot.runtime.crash_points import CrashPoints, crash_points_from
from bot.runtime.housekeeping import Housekeeper
from bot.runtime.kill_times import KillTimes, KillWatch
from bot.runtime.live import Daemon, Helpers
from bot.runtime.live_run import LiveRun, Session
from bot.runtime.model_fits import ModelFits, WorkerFitter
from bot.runtime.monitors import Monitors
from bot.runtime.process_signals import ProcessSignals
from bot.runtime.recovery import Recovered, recover
from bot.runtime.rehearsed import Rehearsal, Script
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from bot.storage.kill_record import record_kill
from bot.storage.lease import EpochWitness
from bot.storage.restore import finish_restore
from bot.storage.snapshot import SnapshotStore
from bot.storage.start_record import StartRecord
from bot.telemetry.alerts import AlertRunner
from bot.telemetry.log import configure_logging
from bot.telemetry.names import LogEvent
from bot.venues.simulated.books_file import BooksFile

_CRASH_AT: Final = "EVENKEEL_CRASH_AT"
SHOW_EVERY_S = 0.5
BOOKS_EVERY_S = 1.0


def run_daemon(settings: Settings, options: RunOptions, rehearsal: Rehearsal | None = None,
               signals: ProcessSignals | None = None) -> int:
    """Run until stopped, until `--for` is over, or until the history ends; the exit code.

    Raises:
        Busy: another instance holds the account.
        ConfigRefused: the configuration, the data or the folder cannot be used.
        Fatal: the record is damaged.
    """
    if signals is None:
        signals = ProcessSignals()
        signals.catch()
    signals.stop_wait_s = settings.runtime.stop_wait_s
    clock = SystemClock()
    kind = "replay" if options.feed == "replay" else settings.account.kind
    ends = options.for_ns is not None or options.feed == "replay"
    name = options.account or (f"run-{clock.now_ns() // 1_000_000}" if ends else settings.account.name)
    place = AccountDir(options.home, kind, name).prepare()
    with place.lock():
        live = options.screen is not None and sys.stdout.isatty() and not options.as_json
        sink = configure_logging(stream=None if live else sys.stderr, path=place.log)
        try:
            crash = _crash_points(kind)
            run = _Run(settings, options, place, clock, ends=ends, rehearsal=rehearsal or Rehearsal(crash=crash),
                       signals=signals)
            if rehearsal is not None or _CRASH_AT in os.environ:
                return run.go()  # a death that was asked for is no crash
            budget = CrashBudget(StartRecord(place.starts), settings.runtime, clock,
                                 AlertRunner(settings.account.alert_command))
            run.crash_loop = budget.begin(after_crashes=options.after_crashes)
            try:
                code = run.go()
            except ConfigRefused:
                budget.end()  # refused in order
                raise
            budget.end()
            return code
        finally:
            sink.close()


class _Run:
    """One call of `run`, from opening the account to its report."""

    def __init__(self, settings: Settings, options: RunOptions, place: AccountDir, clock: SystemClock, *,
                 ends: bool, rehearsal: Rehearsal, signals: ProcessSignals) -> None:
        self.settings = settings
        self.options = options
        self.place = place
        self.clock = clock
        self.ends = ends
        self.rehearsal = rehearsal
        self.signals = signals
        self.crash_loop = ""
        """Why nothing may open: the starts before this one crashed."""
        self.watch = Stopwatch()
        self.engines = Engines(settings.engine)
        self.recorder = RunRecorder()
        self.snapshots = SnapshotStore(place.snapshots, days=settings.storage.market_rows_kept_days)
        self.fitter = WorkerFitter()
        self.funded = False
        """The exchange's books hold the account, even if a first start died before it had a record of its own."""

    def go(self) -> int:
        """Open, run, close, report."""
        if finish_restore(self.place):
            structlog.get_logger().warning(LogEvent.RESTORE_FINISHED, folder=str(self.place.folder))
        journal = _open_journal(self.place, self.clock)
        witness = EpochWitness(self.place.epoch)
        try:
            recovered = recover(
                self.engines, journal, self.snapshots, build=build_id(), epoch_floor=witness.read(),
                config_hash=decision_hash(self.settings), started_ns=self.clock.now_ns(),
            )
            witness.write(recovered.epoch)
            engine = recovered.engine
            if not isinstance(engine, Engine):
                raise Fatal("recovery made another kind of engine")
            world = self._world(recovered)
            kills = KillWatch(engine, self._record_kill)
            daemon = self._daemon(engine, world, journal, recovered, kills)
            keeper = Housekeeper(self.place, self.settings.storage, daily=not self.ends)
            self.fitter.warm()
            daemon.storage_view = partial(keeper.view, daemon.writer)
            ended = asyncio.run(daemon.run(signals=self.signals, helpers=self._helpers(keeper, world)))
            kills.end()
        finally:
            self.signals.done()
            self.fitter.close()
            journal.close()
        return self._finish(engine, world, ended)

    def _world(self, recovered: Recovered) -> World:
        """The world of a fresh account, or the one that goes on where the journal ends."""
        options, resume_ns = self.options, recovered.last_at_ns if recovered.resumed else None
        books = self._books(recovered)
        if options.feed == "replay":
            return history_world(self.settings, options.scope, books=books, resume_ns=resume_ns)
        end_ns = None
        if options.for_ns is not None:
            end_ns = max(resume_ns or 0, DEMO_START_NS) + options.for_ns
        return demo_world(self.settings, end_ns=end_ns, books=books, resume_ns=resume_ns)

    def _books(self, recovered: Recovered) -> BooksFile:
        """The exchange's own file.

        Raises:
            Fatal: it is gone although we have a record: what we hold at the venues would be made up.
        """
        path, lost = self.place.venue, recovered.resumed and not self.place.venue.is_file()
        books = None if lost else BooksFile(path, self.rehearsal.crash)
        if books is None or (recovered.resumed and not books.holds_account):
            raise Fatal(f"{path}: the exchange's books are missing, yet {self.place.journal.name} goes on from them; "
                        "restore a copy or use --account NAME")
        self.funded = books.holds_account
        return books

    def _daemon(self, engine: Engine, world: World, journal: Journal, recovered: Recovered, kills: KillWatch,
                ) -> Daemon:
        settings, place = self.settings, self.place
        latch = KillLatch(*place.kill_places)
        latch.reserve()
        if not self.funded:
            deposit(world, settings, capital_of(settings, self.options.capital_usd))
            world.exchange.commit()
        doubts = tuple(filter(None, (recovered.reduce_only, books_doubt(place, engine, world.exchange))))
        schedule, answers = resumed_schedule(world, recovered)
        schedule.fits = ModelFits(self.fitter, world.fit_delay_s)
        schedule.inject(session_started(
            settings, world, at_ns=schedule.now_ns, epoch=recovered.epoch, account=place.account, kind=place.kind,
            resumed=recovered.resumed, latch=latch.found(),
            doubts=doubts, crash_loop=self.crash_loop,
        ))
        for answer in answers:
            schedule.inject(answer)
        session = Session(epoch=recovered.epoch, build=build_id(), config_hash=decision_hash(settings))
        speed = self.options.speed
        if speed is None:
            speed = math.inf if self.ends else settings.runtime.speed
        runtime = msgspec.structs.replace(settings.runtime, speed=speed)
        # only a run that ends reports; one that goes on for years must not remember every payment of them
        script = Script(self.rehearsal.orders, kills, self.recorder if self.ends else None)
        script.daemon = daemon = Daemon(
            engine, schedule, journal, self.snapshots, latch, session, runtime, clock=self.clock,
            alerts=AlertRunner(settings.account.alert_command), observer=script, crash=self.rehearsal.crash,
            paced_from_ns=max(world.start_ns, schedule.now_ns),  # an account that goes on waits for nothing behind it
        )
        script.watch(Monitors(engine, daemon.broken))
        return daemon

    def _record_kill(self, times: KillTimes) -> None:
        """What a kill took is kept with the account; a disk that does not take it is no reason to stop."""
        log = structlog.get_logger()
        drilled = self.rehearsal.drill or times.actor == "drill"
        row = {**msgspec.to_builtins(times), "late": times.late, "drill": drilled, "build": build_id()}
        log.warning(LogEvent.KILL_MEASURED, **row)
        try:
            record_kill(self.place.kill_record, row)
        except Retryable as error:
            log.warning(LogEvent.KILL_LATCH_FAILED, why=str(error))

    def _helpers(self, keeper: Housekeeper, world: World) -> Helpers:
        place, runtime, screen = self.place, self.settings.runtime, self.options.screen

        async def control(daemon: Daemon) -> None:
            await ControlServer(daemon, place.socket, place.journal, runtime).run()

        async def show(daemon: Daemon) -> None:
            while screen is not None:
                screen.show(daemon.view())
                await asyncio.sleep(SHOW_EVERY_S)

        async def books(daemon: Daemon) -> None:
            failure = ""
            while True:
                await asyncio.sleep(BOOKS_EVERY_S)
                if world.exchange.books_failure and not failure:
                    daemon.alert(Alert(name="books_failed", text=world.exchange.books_failure, page=True))
                failure = world.exchange.books_failure

        return ("control", control), ("screen", show), ("housekeeping", keeper.run), ("books", books)

    def _finish(self, engine: Engine, world: World, ended: LiveRun) -> int:
        screen = self.options.screen
        if screen is None:
            return 0
        if self.ends and ended.ended == "finished":
            screen.report(report_of(self.settings, world, engine, self.recorder, self.watch, kind=self.place.kind))
            return 0
        screen.show(engine.view())
        screen.close()
        for text in self._farewell(engine.view(), ended.ended):
            screen.progress(text)
        return 0 if ended.ended in ("stopped", "finished") else 1

    def _farewell(self, view: EngineView, ended: str) -> Iterator[str]:
        """What was open, what is safe, where the records are, how to go on or start anew."""
        options, program = self.options, self.options.program
        whole = [f"{pair.coin} {Decimal(pair.notional_usd):,.0f} USD" for pair in view.pairs if pair.unhedged_s == 0]
        loose = [f"{pair.coin} {pair.delta_usd} USD" for pair in view.pairs if pair.unhedged_s > 0]
        yield f"{ended}. Held at the venues, both legs: {', '.join(whole) or 'nothing'}."
        if loose:
            yield f"NOT HEDGED: {', '.join(loose)}; start again to have them made whole."
        left = len(view.orders_open) + view.orders_unknown
        yield f"ORDERS THAT MAY BE OPEN: {left}; start again to have them settled." if left else "No order is open."
        yield "The exchange is simulated and stands still until the next start: nothing is missed meanwhile."
        yield f"Records: {self.place.folder} (journal, the exchange's books, log)"
        again = f" --account {self.place.account}" if options.account or self.ends else ""
        yield f"Go on: {program} run{again}   look back: {program} report   start anew: {program} run --account NAME"


def _open_journal(place: AccountDir, clock: SystemClock) -> Journal:
    if place.journal.exists():
        return Journal.open(place.journal, place.account, place.kind)
    return Journal.create(place.journal, Identity(account=place.account, kind=place.kind, created_ns=clock.now_ns()))


def _crash_points(kind: str) -> CrashPoints:
    """For tests of recovery: the process kills itself at a named point.

    Raises:
        ConfigRefused: asked for in a kind of run that nobody rehearses with.
    """
    text = os.environ.get(_CRASH_AT, "")
    if text and kind not in ("demo", "replay"):
        raise ConfigRefused(f"EVENKEEL_CRASH_AT={text}: not in a {kind} account; unset it")
    return crash_points_from(text)
