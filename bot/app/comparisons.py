"""`replay`: a recorded run stepped again, and the daemon laid beside the backtest over the same history."""

from __future__ import annotations

import asyncio
import math
import tempfile
from pathlib import Path

import msgspec

from bot.app.backtests import drive, schedule_of
from bot.app.engines import Engines, build_id, decision_hash, session_started
from bot.app.worlds import World, books_at, capital_of, deposit, history_world
from bot.engine.engine import Engine
from bot.options import DiffOptions, ReplayOptions
from bot.runtime.clock import SystemClock
from bot.runtime.live import Daemon
from bot.runtime.live_run import Session
from bot.runtime.model_fits import ModelFits, WorkerFitter
from bot.runtime.replay import ReplayReport, RunTrace, diff_runs, replay_journal
from bot.settings import Settings
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from bot.storage.snapshot import SnapshotStore
from bot.telemetry.log import configure_logging

_ACCOUNT = "diff"


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon and the backtest over the same history."""

    differences: int
    """Steps, orders, fills and ledgers that differ between the daemon and the backtest."""
    replay_differences: int
    """Steps of the daemon's journal that a fresh engine answers differently."""
    first_difference: str
    events: int
    orders: int
    fills: int
    backtest_hash: str
    daemon_hash: str


def run_replay(settings: Settings, options: ReplayOptions) -> ReplayReport:
    """Step a recorded run again and compare every step byte for byte."""
    return replay_journal(options.journal, Engines(settings.engine))


def run_diff(settings: Settings, options: DiffOptions) -> DiffReport:
    """Run the backtest, then the asyncio daemon, over the same history; compare all they did."""
    say = options.screen.progress if options.screen is not None else lambda text: None
    say("backtest ...")
    first = _backtest(settings, options)
    say("daemon ...")
    with tempfile.TemporaryDirectory(prefix="evenkeel-diff-") as folder:
        configure_logging(level="error", stream=None, path=Path(folder) / "evenkeel.log")
        second = _daemon(settings, options, Path(folder))
        say("the daemon's journal, replayed ...")
        replayed = replay_journal(Path(folder) / "journal.db", Engines(settings.engine))
    count, where = diff_runs(first, second)
    where = where or replayed.first_difference
    text = "" if where is None else f"{where.place} {where.number}: {where.first} / {where.second}"
    return DiffReport(
        differences=count + replayed.differences, replay_differences=replayed.differences, first_difference=text,
        events=len(first.steps), orders=len(first.orders), fills=len(first.fills), backtest_hash=first.trace_hash,
        daemon_hash=second.trace_hash,
    )


def _begin(settings: Settings, options: DiffOptions, folder: Path | None) -> World:
    world = history_world(settings, options.scope, books=books_at(folder / "venue.db" if folder else None))
    deposit(world, settings, capital_of(settings, options.capital_usd))
    return world


def _backtest(settings: Settings, options: DiffOptions) -> RunTrace:
    world = _begin(settings, options, None)
    engine, trace, schedule = Engines(settings.engine).create(), RunTrace(), schedule_of(world)
    schedule.inject(session_started(settings, world, at_ns=world.first_ns, epoch=1, account=_ACCOUNT, kind="replay"))
    drive(engine, schedule, world, trace, options.screen)
    trace.ledger = engine.snapshot()
    return trace


def _daemon(settings: Settings, options: DiffOptions, folder: Path) -> RunTrace:
    world = _begin(settings, options, folder)
    engine: Engine = Engines(settings.engine).create()
    trace, schedule, clock = RunTrace(), schedule_of(world), SystemClock()
    fitter = WorkerFitter()
    schedule.fits = ModelFits(fitter, world.fit_delay_s)
    schedule.inject(session_started(settings, world, at_ns=world.first_ns, epoch=1, account=_ACCOUNT, kind="replay"))
    identity = Identity(account=_ACCOUNT, kind="replay", created_ns=clock.now_ns())
    with Journal.create(folder / "journal.db", identity) as journal:
        daemon = Daemon(
            engine, schedule, journal, SnapshotStore(folder / "snapshots"), KillLatch(folder / "KILL"),
            Session(epoch=1, build=build_id(), config_hash=decision_hash(settings)),
            msgspec.structs.replace(settings.runtime, speed=math.inf), clock=clock, observer=trace,
        )
        try:
            asyncio.run(daemon.run())
        finally:
            fitter.close()
    trace.ledger = engine.snapshot()
    return trace
