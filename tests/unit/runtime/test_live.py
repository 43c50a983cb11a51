"""The daemon makes the backtest's run, obeys its operator, and writes before it sends."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path

import pytest

from bot.domain.commands import AnyCommand, FitModels, SubmitOrder
from bot.domain.errors import Retryable
from bot.domain.events import (
    Control,
    InvariantBroken,
    MarketEvent,
    OperatorAction,
    OrderRejected,
    OrderUnknown,
    RejectReason,
    StorageFailed,
    StorageRestored,
)
from bot.domain.values import Nanos
from bot.runtime import supervisor
from bot.runtime.backtest import run_backtest
from bot.runtime.crash_points import CrashPoints
from bot.runtime.live import Daemon
from bot.runtime.live_run import LiveRun, Session
from bot.runtime.model_fits import Fits, ModelFits
from bot.runtime.params import RuntimeParams
from bot.runtime.process_signals import ProcessSignals
from bot.runtime.replay import replay_journal
from bot.runtime.watch import Watch
from bot.storage.journal import Journal
from bot.storage.journal_rows import Batch, Identity, Row
from bot.storage.kill_latch import KillLatch
from bot.storage.snapshot import SnapshotStore
from tests.runtime_fakes import START_NS, FakeEngine, FakeExchange, FakeFactory, make_schedule, minute_marks

SESSION = Session(epoch=1, build="b", config_hash="c")
Script = Callable[[Daemon], Coroutine[None, None, None]]


class Stage:
    """A daemon over fakes in a folder."""

    def __init__(self, folder: Path, engine: FakeEngine | None = None, events: list[MarketEvent] | None = None,
                 speed: float = math.inf, exchange: FakeExchange | None = None, crash: CrashPoints | None = None,
                 journal: Journal | None = None, paced_from_ns: int = 0, **params: float) -> None:
        self.engine = engine or FakeEngine()
        self.exchange = exchange or FakeExchange()
        self.journal = journal or Journal.create(
            folder / "journal.db", Identity(account="a", kind="demo", created_ns=START_NS))
        self.latch = KillLatch(folder / "KILL")
        self.latch.reserve()
        self.snapshots = SnapshotStore(folder / "snapshots")
        self.daemon = Daemon(self.engine, make_schedule(events or minute_marks(300), self.exchange), self.journal,
                             self.snapshots, self.latch, SESSION,
                             RuntimeParams(speed=speed, **params),  # type: ignore[arg-type]
                             crash=crash, paced_from_ns=paced_from_ns)

    def run(self, script: Script | None = None, *, signals: bool = False) -> LiveRun:
        helpers = () if script is None else (("script", script),)
        caught = ProcessSignals() if signals else None
        if caught is not None:
            caught.catch()
        try:
            return asyncio.run(self.daemon.run(signals=caught, helpers=helpers))
        finally:
            if caught is not None:
                caught.release()

    def commands(self) -> list[AnyCommand]:
        return [command for _, command in self.exchange.handled]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is state, not an event
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("speed", [math.inf, 60_000.0])
def test_the_daemon_and_the_loop_make_one_hash(tmp_path: Path, speed: float) -> None:
    """With the barrier before each pop, asyncio, the journal and the pace change nothing."""
    expected = run_backtest(FakeEngine(every=3), make_schedule(minute_marks(400)), traced=True)
    stage = Stage(tmp_path, FakeEngine(every=3), minute_marks(400), speed)
    run = stage.run()
    assert (run.ended, run.events, run.trace_hash) == ("finished", expected.events, expected.trace_hash)
    assert stage.journal.verify() == []
    stage.journal.close()
    report = replay_journal(tmp_path / "journal.db", FakeFactory(every=3))
    assert (report.differences, report.trace_hash) == (0, expected.trace_hash)


def test_R4_an_order_is_on_disk_before_it_leaves(tmp_path: Path) -> None:
    """I1: at the moment of each send the journal, read by another connection, holds the order."""
    found: list[bool] = []
    sent = 0

    class Checking(FakeExchange):
        def handle(self, at_ns: Nanos, command: AnyCommand) -> None:
            nonlocal sent
            if isinstance(command, SubmitOrder):
                sent += 1
                with Journal.open_readonly(tmp_path / "journal.db") as reader:
                    last = [step for _, _, step in reader.export(max(1, reader.head.last_seq))][-1]
                found.append(command in last.commands)
            super().handle(at_ns, command)

    stage = Stage(tmp_path, exchange=Checking())
    stage.run()
    assert sent == len(found) > 10
    assert all(found)


def test_events_that_decide_nothing_ride_together(tmp_path: Path) -> None:
    """Few rows for many quiet events; none is missing at the end."""
    stage = Stage(tmp_path, FakeEngine(every=1_000), minute_marks(900))
    run = stage.run()
    assert stage.journal.head.last_seq == run.events > 900
    assert stage.journal.head.row_number < 20


def test_a_clean_end_writes_a_snapshot_on_the_chain(tmp_path: Path) -> None:
    """Its bytes are the engine's, its hash the journal's."""
    stage = Stage(tmp_path, snapshot_every_events=100)
    run = stage.run()
    newest = next(iter(stage.snapshots.newest_first()))
    assert newest.seq == run.events == run.snapshot_seq
    assert newest.engine == stage.engine.snapshot()
    assert newest.journal_hash == stage.journal.head.hash


def test_F79_a_kill_is_latched_before_it_is_queued_and_no_opening_order_leaves_after(tmp_path: Path) -> None:
    """Orders decided before the engine saw the kill are held back; the latch stays for the next start."""
    stage = Stage(tmp_path, FakeEngine(every=2), minute_marks(100_000))
    at_kill: list[int] = []

    async def script(daemon: Daemon) -> None:
        await until(lambda: stage.engine.state.orders > 5)
        daemon.order(OperatorAction.KILL, "test", "drill")
        at_kill.append(sum(isinstance(command, SubmitOrder) for command in stage.commands()))
        assert stage.latch.is_set
        await until(lambda: stage.engine.state.mode == "HALTED")
        daemon.request_stop("test")

    assert stage.run(script).ended == "stopped"
    assert sum(isinstance(command, SubmitOrder) for command in stage.commands()) == at_kill[0]
    assert KillLatch(tmp_path / "KILL").found() == "kill by test: drill"
    assert stage.journal.head.last_seq == stage.engine.state.events


def test_the_latch_alone_holds_an_opening_order_back(tmp_path: Path) -> None:
    """Even if the engine does not know of it yet: the order is rejected for certain, never unknown."""
    stage = Stage(tmp_path, FakeEngine(every=2), minute_marks(50), watch_ms=60_000)
    (tmp_path / "KILL").touch()
    stage.run()
    rejected = [event for event in stage.engine.seen if isinstance(event, OrderRejected)]
    assert not any(isinstance(command, SubmitOrder) for command in stage.commands())
    assert rejected
    assert {event.reason for event in rejected} == {RejectReason.HALTED}


def test_a_kill_file_that_appears_is_a_kill(tmp_path: Path) -> None:
    """Within the watch's period the engine hears of it."""
    stage = Stage(tmp_path, events=minute_marks(100_000), watch_ms=5)

    async def script(daemon: Daemon) -> None:
        await asyncio.sleep(0.05)
        (tmp_path / "KILL").touch()
        await until(lambda: stage.engine.state.mode == "HALTED")
        daemon.request_stop("test")

    stage.run(script)
    controls = [event for event in stage.engine.seen if isinstance(event, Control)]
    assert (controls[0].action, controls[0].actor) == (OperatorAction.KILL, "file")


def test_F79_a_file_that_says_hold_holds(tmp_path: Path) -> None:
    """Whoever wrote it, its first word counts."""
    stage = Stage(tmp_path, events=minute_marks(100_000), watch_ms=5)

    async def script(daemon: Daemon) -> None:
        await asyncio.sleep(0.05)
        (tmp_path / "KILL").write_text("kill_hold by cli: lunch")
        await until(lambda: any(isinstance(event, Control) for event in stage.engine.seen))
        daemon.request_stop("test")

    stage.run(script)
    controls = [event for event in stage.engine.seen if isinstance(event, Control)]
    assert (controls[0].action, controls[0].actor) == (OperatorAction.KILL_HOLD, "file")


def test_F79_without_a_watch_over_the_kill_file_nothing_is_opened(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up, it halts and pages; a resume starts it again, and what it then finds is a kill."""
    monkeypatch.setattr(supervisor, "_BACKOFF_S", 0.001)
    stage = Stage(tmp_path, events=minute_marks(1_000_000), watch_ms=1)
    blind = [True]
    plain = Watch._look_for_kill_file

    def look(watch: Watch) -> None:
        if blind[0]:
            raise OSError("no eyes")
        plain(watch)

    monkeypatch.setattr(Watch, "_look_for_kill_file", look)

    def halts() -> list[InvariantBroken]:
        return [event for event in stage.engine.seen if isinstance(event, InvariantBroken)]

    async def script(daemon: Daemon) -> None:
        await until(lambda: bool(halts()))
        blind[0] = False
        daemon.order(OperatorAction.RESUME, "test", "eyes again")
        await until(lambda: any(isinstance(event, Control) for event in stage.engine.seen))
        (tmp_path / "KILL").touch()
        await until(lambda: any(isinstance(event, Control) and event.action is OperatorAction.KILL
                                for event in stage.engine.seen))
        daemon.request_stop("test")

    stage.run(script)
    assert [(event.invariant, event.halts) for event in halts()] == [("I17", True)]


def test_only_a_resume_that_the_engine_accepts_clears_the_latch(tmp_path: Path) -> None:
    """Without a reason the fake stays HALTED, and so does the latch."""
    stage = Stage(tmp_path, events=minute_marks(1_000_000))
    held: list[bool] = []

    async def script(daemon: Daemon) -> None:
        daemon.order(OperatorAction.KILL, "test", "x")
        daemon.order(OperatorAction.RESUME, "test")
        await until(lambda: len([event for event in stage.engine.seen if isinstance(event, Control)]) == 2)
        await asyncio.sleep(0.01)
        held.append(stage.latch.is_set)
        daemon.order(OperatorAction.RESUME, "test", "the drill is over")
        await until(lambda: not stage.latch.is_set)
        daemon.request_stop("test")

    assert stage.run(script).ended == "stopped"
    assert held == [True]
    assert not (tmp_path / "KILL").exists()


def test_F56_stop_cancels_waits_and_leaves_nothing_open(tmp_path: Path) -> None:
    """Resting orders are cancelled at the venue before the process ends, and a snapshot is left."""
    stage = Stage(tmp_path, FakeEngine(every=20, resting=True), minute_marks(100_000), speed=6_000.0)

    async def script(daemon: Daemon) -> None:
        await until(lambda: len(stage.engine.state.open_orders) >= 3)
        os.kill(os.getpid(), signal.SIGTERM)

    run = stage.run(script, signals=True)
    assert run.ended == "stopped"
    assert stage.engine.state.open_orders == []
    assert run.snapshot_seq == run.events


def test_a_stop_whose_cancels_get_no_answer_ends_in_time(tmp_path: Path) -> None:
    """It says so instead of hanging."""
    class Deaf(FakeExchange):
        def next_due(self) -> tuple[int, int] | None:
            return None

    stage = Stage(tmp_path, FakeEngine(every=5), minute_marks(10_000_000 // 100), exchange=Deaf(), speed=6_000.0,
                  stop_wait_s=0.2)

    async def script(daemon: Daemon) -> None:
        await until(lambda: bool(stage.engine.state.open_orders))
        daemon.request_stop("test")

    assert stage.run(script).ended == "stop_timed_out"


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Within 2 s, whatever is open."""
    stage = Stage(tmp_path, FakeEngine(every=5, resting=True), speed=1.0)

    async def script(daemon: Daemon) -> None:
        await asyncio.sleep(0.02)
        daemon.request_stop("SIGTERM", insist=True)
        daemon.request_stop("SIGTERM", insist=True)

    assert stage.run(script).ended == "aborted"
    assert stage.journal.head.last_seq == stage.engine.state.events


class UnfinishedFit:
    """A worker that is still at its fit when the run ends."""

    def __init__(self) -> None:
        self.answer: Future[Fits] = Future()

    def start(self, command: FitModels) -> Future[Fits]:
        return self.answer

    def close(self) -> None:
        """Nothing runs."""


def test_F56_a_fit_that_ends_after_the_run_wakes_nobody_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    """The engine's wait for a fit is cut short by a second signal; the loop is closed when the worker answers."""
    worker = UnfinishedFit()
    stage = Stage(tmp_path)
    stage.daemon._schedule.fits = ModelFits(worker)
    stage.daemon._schedule.fits.begin(START_NS, FitModels(request_id="f1", stamp_ns=START_NS, series=()))

    async def script(daemon: Daemon) -> None:
        await until(lambda: daemon._schedule.fits.slept > 0)
        daemon.request_stop("SIGTERM", insist=True)
        daemon.request_stop("SIGTERM", insist=True)

    assert stage.run(script).ended == "aborted"
    worker.answer.set_result(())  # the loop this would wake is closed
    assert not caplog.records


def test_the_warm_up_is_not_waited_for(tmp_path: Path) -> None:
    """A day of history at speed 6000 would take 15 s; only what lies behind the start is paced."""
    stage = Stage(tmp_path, FakeEngine(every=10**9), minute_marks(1_460), speed=6_000.0,
                  paced_from_ns=START_NS + 1_440 * 60_000_000_000)
    before = stage.daemon.clock.monotonic_ns()
    run = stage.run()
    took_s = (stage.daemon.clock.monotonic_ns() - before) / 1e9
    assert run.ended == "finished"
    assert 0.19 <= took_s < 10.0


def test_a_control_between_events_is_stamped_with_the_present(tmp_path: Path) -> None:
    """At speed 1 nothing is due for a minute: the order neither waits for it nor lies in the past."""
    stage = Stage(tmp_path, speed=1.0)

    async def script(daemon: Daemon) -> None:
        await asyncio.sleep(0.2)
        daemon.order(OperatorAction.PAUSE, "test")
        await until(lambda: any(isinstance(event, Control) for event in stage.engine.seen))
        daemon.request_stop("test")

    stage.run(script)
    stamp = next(event.at_ns for event in stage.engine.seen if isinstance(event, Control))
    assert 100_000_000 < stamp - START_NS < 5_000_000_000


class FailingJournal(Journal):
    """Refuses commits while told to."""

    broken = False

    def append(self, batch: Batch) -> Row:
        if self.broken:
            raise Retryable("disk full")
        return super().append(batch)


def test_F67_when_a_commit_fails_only_reducing_orders_leave_until_it_works_again(tmp_path: Path) -> None:
    """The engine is told, the opening order is rejected here, and afterwards no number is missing."""
    journal = FailingJournal.create(tmp_path / "journal.db", Identity(account="a", kind="demo", created_ns=START_NS))
    stage = Stage(tmp_path, FakeEngine(every=4), minute_marks(100_000), speed=60_000.0, journal=journal, watch_ms=10)

    async def script(daemon: Daemon) -> None:
        await until(lambda: stage.engine.state.orders > 3)
        journal.broken = True
        await until(lambda: any(isinstance(event, StorageFailed) for event in stage.engine.seen))
        await asyncio.sleep(0.1)
        journal.broken = False
        await until(lambda: any(isinstance(event, StorageRestored) for event in stage.engine.seen))
        daemon.request_stop("test")

    assert stage.run(script).ended == "stopped"
    failed_ns = next(event.at_ns for event in stage.engine.seen if isinstance(event, StorageFailed))
    restored_ns = next(event.at_ns for event in stage.engine.seen if isinstance(event, StorageRestored))
    during = [command.order.intent.reduces_owner for at_ns, command in stage.exchange.handled
              if isinstance(command, SubmitOrder) and failed_ns <= at_ns < restored_ns]
    assert during == [True]
    assert any(isinstance(event, OrderRejected) and event.text == "storage has failed" for event in stage.engine.seen)
    assert journal.head.last_seq == stage.engine.state.events
    assert journal.verify() == []


def test_R1_whatever_a_send_raises_makes_the_order_unknown(tmp_path: Path) -> None:
    """Never a crash, never a second send."""
    class Raising(FakeExchange):
        def handle(self, at_ns: Nanos, command: AnyCommand) -> None:
            super().handle(at_ns, command)
            if isinstance(command, SubmitOrder):
                raise RuntimeError("connection reset")

    stage = Stage(tmp_path, exchange=Raising(), events=minute_marks(40))
    stage.run()
    unknown = [event.order_id for event in stage.engine.seen if isinstance(event, OrderUnknown)]
    sent = [command.order.intent.order_id for command in stage.commands() if isinstance(command, SubmitOrder)]
    assert unknown == sent
    assert len(set(sent)) == len(sent) > 3


def test_a_failing_engine_ends_the_run(tmp_path: Path) -> None:
    """The failure leaves the group; nothing goes on without its engine."""
    class Broken(FakeEngine):
        def view(self) -> None:  # type: ignore[override]
            raise AssertionError("view")

        def step(self, event: object) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        Stage(tmp_path, Broken()).run()
    assert caught.group_contains(ZeroDivisionError, depth=None)


def test_crash_points_are_passed_in_order(tmp_path: Path) -> None:
    """A read leaves at once; an order's commit comes before its send, its send before its answer."""
    names: list[str] = []
    crash = CrashPoints(lambda name, _: names.append(name))
    stage = Stage(tmp_path, FakeEngine(every=5), minute_marks(10), crash=crash)
    stage.run()
    assert names[:4] == ["before_send", "after_send", "before_answer", "after_answer"]
    assert names[4:12] == ["before_commit", "after_commit", "before_send", "before_order", "after_send", "after_order",
                           "before_answer", "after_answer"]
