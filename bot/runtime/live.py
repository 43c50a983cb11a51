"""The daemon: the same schedule and the same engine as the backtest, in asyncio, with a journal in front of every send.

The engine task pops the schedule at the pace of `speed`. Before the next pop all commands of the last step have been
handed over, so that the daemon and the backtest make the same run. Operators' orders become events at the present
instant; the kill latch is set before the kill is queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from bot.domain.commands import Alert
from bot.domain.errors import Retryable, Unavailable
from bot.domain.events import (
    EVENT_RANK,
    AnyEvent,
    Control,
    Fill,
    InvariantBroken,
    OperatorAction,
    StorageFailed,
    StorageRestored,
)
from bot.domain.values import Nanos
from bot.engine.view import EngineView, StorageView
from bot.risk.sheet import RiskSheet
from bot.runtime.clock import Pacer, SystemClock
from bot.runtime.crash_points import CrashPoints
from bot.runtime.inbox import Inbox
from bot.runtime.journal_writer import JournalWriter
from bot.runtime.live_run import LiveRun, Session
from bot.runtime.outbox import Outbox
from bot.runtime.params import RuntimeParams
from bot.runtime.ports import GovernedEngine, RunObserver, SteppingEngine
from bot.runtime.process_signals import ProcessSignals
from bot.runtime.schedule import Schedule
from bot.runtime.senders import ScheduleTransport, Senders
from bot.runtime.step_log import log_step
from bot.runtime.supervisor import Supervisor
from bot.runtime.watch import Watch
from bot.storage.journal import Journal
from bot.storage.journal_codec import RunHash, encode_event, encode_step
from bot.storage.kill_latch import KillLatch
from bot.storage.snapshot import Snapshot, SnapshotStore
from bot.telemetry.alerts import AlertRunner
from bot.telemetry.names import LogEvent

_ANSWER_RANK: Final = EVENT_RANK[Fill]
_STOP_LOOK_NS: Final = 20_000_000
_FIT_LOOK_S: Final = 1.0
_BEHIND_NS_MAX: Final = 2_000_000_000

Helpers = tuple[tuple[str, Callable[["Daemon"], Coroutine[None, None, None]]], ...]
"""(name, work) of tasks that live beside the engine's: the control server."""


class Daemon:
    """One run of one account. `run` is called once; `order`, `request_stop` and `view` from tasks of the same loop."""

    def __init__(
        self, engine: SteppingEngine, schedule: Schedule, journal: Journal, snapshots: SnapshotStore, latch: KillLatch,
        session: Session, params: RuntimeParams, *, clock: SystemClock | None = None, alerts: AlertRunner | None = None,
        observer: RunObserver | None = None, crash: CrashPoints | None = None, paced_from_ns: int = 0,
    ) -> None:
        """`paced_from_ns`: what lies before (the warm-up of a fresh account) is gone through without waiting."""
        self.params = params
        self.session = session
        self.clock = clock or SystemClock()
        self.latch = latch
        self.alerts = alerts or AlertRunner()
        self._engine = engine
        self._schedule = schedule
        self._snapshots = snapshots
        self._observer = observer
        self._crash = crash or CrashPoints()
        self.writer = JournalWriter(journal, session.epoch, params, self._crash)
        self.inbox = Inbox(params.inbox_events_max)
        self._senders = Senders(ScheduleTransport(schedule), latch, session.epoch, schedule.inject,
                                lambda: schedule.now_ns, self._crash)
        self._outbox = Outbox(self.writer, self._senders, schedule, self.alert)
        self.pacer = Pacer(params.speed, schedule.now_ns, self.clock.monotonic_ns())
        self._paced_from_ns = paced_from_ns
        self._trace = RunHash()
        self._log = structlog.get_logger()
        self.events = 0
        self.storage_view: Callable[[], StorageView] | None = None
        """How the records are kept, told by whoever keeps them."""
        self._storage_failed = False
        self._stop_until_ns: int | None = None
        self._stop_look_ns = 0
        self._stop_requested = False
        self._aborted = False
        self._snapshot_seq: int | None = None
        self._snapshot_after = self.writer.last_seq + params.snapshot_every_events
        self._ended = ""
        self._blind = False
        """The watch has been given up; a resume starts it again."""
        self._start_watch: Callable[[], object] = lambda: None

    # ------------------------------------------------------------------------------ from operators and signals

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An operator's order; a kill is latched first. False: too many orders wait already."""
        self._log.warning(LogEvent.OPERATOR_ORDERED, action=action.value, actor=actor, reason=reason)
        if action in (OperatorAction.KILL, OperatorAction.KILL_HOLD):
            self._crash("before_latch")
            failures = self.latch.set(f"{action.value} by {actor}: {reason or 'no reason given'}")
            self._crash("after_latch")
            for failure in failures:
                self._log.error(LogEvent.KILL_LATCH_FAILED, why=failure)
            if failures:
                self.alert(Alert(name="kill_latch_failed", text="; ".join(failures), page=True))
        return self.inbox.put_control(Control(at_ns=self._schedule.now_ns, action=action, actor=actor, reason=reason))

    def request_stop(self, actor: str, *, insist: bool = False) -> None:
        """Cancel orders, leave pairs hedged, end. Asked again with `insist` (a second signal): end at once."""
        if not self._stop_requested:
            self._stop_requested = True
            self._log.warning(LogEvent.STOP_REQUESTED, actor=actor)
            self.inbox.put_control(Control(at_ns=self._schedule.now_ns, action=OperatorAction.STOP, actor=actor))
        elif insist:
            self._aborted = True
            self.inbox.interrupt()

    def view(self) -> EngineView:
        """The engine as it stands between two steps."""
        view = self._engine.view()
        return view if self.storage_view is None else msgspec.structs.replace(view, storage=self.storage_view())

    def risk_sheet(self) -> RiskSheet:
        """What the governor knows and did, between two steps.

        Raises:
            Unavailable: this run has none (a rescue).
        """
        if not isinstance(self._engine, GovernedEngine):
            raise Unavailable("this run has no governor: it only brings the account flat")
        return self._engine.risk_sheet()

    @property
    def now_ns(self) -> Nanos:
        """The schedule's present instant."""
        return self._schedule.now_ns

    @property
    def snapshot_seq(self) -> int | None:
        """The event after which the last snapshot of this run was taken."""
        return self._snapshot_seq

    def request_snapshot(self) -> None:
        """Take one after the next event."""
        self._snapshot_after = 0

    def tell_engine(self, event: AnyEvent) -> None:
        """Something of our own process that the engine must know, at the present instant."""
        self._schedule.inject(event)
        self.inbox.interrupt()

    def alert(self, alert: Alert) -> None:
        """Tell the operator, from the shell."""
        self.alerts.raise_alert(self._schedule.now_ns, alert)

    def broken(self, event: InvariantBroken) -> None:
        """The monitors saw what must never be: logged, told, and handed to the engine at once."""
        self._log.error(LogEvent.INVARIANT_BROKEN, invariant=event.invariant, text=event.text)
        self._schedule.inject(msgspec.structs.replace(event, at_ns=self._schedule.now_ns))

    def _blinded(self) -> None:
        """The watch is given up: nobody would see a KILL file, so nothing is opened until an operator resumes."""
        self._blind = True
        self.broken(InvariantBroken(at_ns=self._schedule.now_ns, invariant="I17", halts=True,
                                    text="the watch over the KILL file, the clocks and storage has failed too often"))
        self.inbox.interrupt()

    # ------------------------------------------------------------------------------------------------- the run

    async def run(self, *, signals: ProcessSignals | None = None, helpers: Helpers = ()) -> LiveRun:
        """Run to the schedule's end or until stopped; `helpers` (the control server) live as long as the run.

        Raises:
            ExceptionGroup: a critical task failed; the journal ends with the last commit.
        """
        self.pacer.anchor(self._schedule.now_ns, self.clock.monotonic_ns())
        self._log.info(LogEvent.RUN_STARTED, epoch=self.session.epoch, build=self.session.build,
                       config_hash=self.session.config_hash, speed=self.params.speed)
        try:
            if signals is not None:
                signals.forward_to(self, asyncio.get_running_loop())
            await self._run_tasks(helpers)
        except BaseException:  # however the run is left, cancelled too: the writer's thread ends with it
            self.writer.abandon()
            raise
        self._log.info(LogEvent.RUN_ENDED, ended=self._ended, events=self.events)
        return LiveRun(events=self.events, commits=self.writer.commits, end_ns=self._schedule.now_ns,
                       ended=self._ended, trace_hash=self._trace.hexdigest(), snapshot_seq=self._snapshot_seq)

    async def _run_tasks(self, helpers: Helpers) -> None:
        async with asyncio.TaskGroup() as tasks, asyncio.TaskGroup() as lanes:
            supervisor = Supervisor(tasks, self.clock, self.alert)
            self._senders.attach(lanes)
            watch = Watch(self)
            self._start_watch = lambda: supervisor.start("watch", watch.run, self._blinded)
            self._start_watch()
            supervisor.start("alerts", self.alerts.run)
            for name, helper in helpers:
                supervisor.start(name, lambda helper=helper: helper(self))  # type: ignore[misc]
            engine_task = supervisor.start_critical("engine", self._run_engine)
            await asyncio.wait((engine_task,))
            self._senders.close()
            supervisor.cancel_all()

    async def _run_engine(self) -> None:
        slice_ns = int(self.params.loop_slice_ms * 1e6)
        turn_ends_ns = self.clock.monotonic_ns() + slice_ns
        paced = self.pacer.paced
        while not self._stopped():
            self._take_orders()
            self._tend_storage()
            now_ns = self.clock.monotonic_ns()
            if paced and await self._ahead_of_time(now_ns):
                turn_ends_ns = self.clock.monotonic_ns() + slice_ns
                continue
            until_ns = self.pacer.reached_ns(now_ns) if paced else None
            if self._schedule.waits_for_fit(until_ns):
                await self._fit_made()
                turn_ends_ns = self.clock.monotonic_ns() + slice_ns
                continue
            event = self._schedule.pop(until_ns)
            if event is not None:
                await self._step(event, now_ns)
            elif self._schedule.next_ns() is None:
                self._ended = "finished" if self._stop_until_ns is None else "stopped"
            if now_ns >= turn_ends_ns:
                await asyncio.sleep(0)
                turn_ends_ns = self.clock.monotonic_ns() + slice_ns
        await self._close()

    def _stopped(self) -> bool:
        if self._aborted:
            self._ended = "aborted"
        elif self._stop_until_ns is not None and not self.inbox.kill_waits:
            self._ended = self._stop_state(self.clock.monotonic_ns())
        return bool(self._ended)

    def _stop_state(self, now_ns: int) -> str:
        """Whether a stop is complete: no order of ours is open or unknown."""
        if now_ns < self._stop_look_ns:
            return ""
        self._stop_look_ns = now_ns + _STOP_LOOK_NS
        view = self._engine.view()
        if not view.orders_open and not view.orders_unknown:
            return "stopped"
        if self._stop_until_ns is not None and now_ns >= self._stop_until_ns:
            self._log.error(LogEvent.STOP_TIMED_OUT, orders_open=len(view.orders_open),
                            orders_unknown=view.orders_unknown)
            return "stop_timed_out"
        return ""

    def _take_orders(self) -> None:
        """Operators' orders enter the schedule at the present instant, ahead of all else."""
        while (control := self.inbox.take_control()) is not None:
            at_ns = self._schedule.now_ns
            due_ns = self._schedule.next_ns()
            if self.pacer.paced and due_ns is not None:
                reached_ns = self.pacer.reached_ns(self.clock.monotonic_ns())
                at_ns = Nanos(max(at_ns, min(reached_ns, due_ns)))
            self._schedule.inject(msgspec.structs.replace(control, at_ns=at_ns))

    async def _fit_made(self) -> None:
        """Wait for the fit that is due, or for an operator: simulated time stands still meanwhile."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop closed while the fit was made: nobody waits for it any more
                loop.call_soon_threadsafe(self.inbox.interrupt)

        self._schedule.fits.when_ready(wake)
        await self.inbox.wait(_FIT_LOOK_S)

    async def _ahead_of_time(self, now_ns: int) -> bool:
        """Wait for the next instant, an order or a commit that is due; True if the loop should look again."""
        due_ns = self._schedule.next_ns()
        if due_ns is None:
            return False
        if self._paced_from_ns:
            self.pacer.anchor(min(due_ns, self._paced_from_ns), now_ns)
            if due_ns < self._paced_from_ns:
                return False
            self._paced_from_ns = 0
        delay_s = self.pacer.delay_s(due_ns, now_ns)
        if delay_s > 0:
            commit_s = self.writer.due_in_s(now_ns)
            if commit_s == 0.0:
                self.writer.start_commit()
            elif commit_s is not None:
                delay_s = min(delay_s, commit_s)
            if self._stop_until_ns is not None:
                delay_s = min(delay_s, _STOP_LOOK_NS / 1e9)
            await self.inbox.wait(delay_s)
            return True
        if now_ns - self.pacer.due_ns(due_ns) > _BEHIND_NS_MAX:
            self.pacer.anchor(due_ns, now_ns)  # paused or too slow: what was lost is not made up for
        return False

    async def _step(self, event: AnyEvent, now_ns: int) -> None:
        answers = EVENT_RANK[type(event)] == _ANSWER_RANK
        if answers:
            self._crash("before_answer")
        step = self._engine.step(event)
        if answers:
            self._crash("after_answer")
        event_bytes, step_bytes = encode_event(event), encode_step(step)
        self._trace.add(event_bytes, step_bytes)
        self.writer.add(event, step, event_bytes, step_bytes, now_ns)
        self.events += 1
        if step.decided:
            log_step(self._log, event, step)
            await self._outbox.carry_out(event.at_ns, step)
        if self.writer.due_in_s(now_ns) == 0.0:
            if self.writer.crowded:
                await self.writer.commit()
            else:
                self.writer.start_commit()
        self._schedule.wake(step.wake_ns)
        if self._observer is not None:
            self._observer.seen(event, step)
        if isinstance(event, Control):
            self._after_order(event)
        if self.writer.last_seq >= self._snapshot_after:
            await self._snapshot()

    def _after_order(self, control: Control) -> None:
        if control.action is OperatorAction.STOP and self._stop_until_ns is None:
            self._stop_until_ns = self.clock.monotonic_ns() + int(self.params.stop_wait_s * 1e9)
        elif control.action is OperatorAction.RESUME and not self.inbox.kill_waits:
            if self.latch.is_set:
                self._unlatch(control)
            if self._blind:
                self._blind = False
                self._start_watch()

    def _unlatch(self, control: Control) -> None:
        """The engine may refuse to resume (no reason given): the latch holds as long as it is halted."""
        if self._engine.view().mode == "HALTED":
            return
        for failure in self.latch.clear():
            self._log.error(LogEvent.KILL_LATCH_FAILED, why=failure)
        self._log.warning(LogEvent.KILL_LATCH_CLEARED, actor=control.actor, reason=control.reason)

    def _tend_storage(self) -> None:
        """Tell the engine once that storage fails, and once that it works again (the watch retries)."""
        if bool(self.writer.failure) == self._storage_failed:
            return
        self._storage_failed = not self._storage_failed
        at_ns = self._schedule.now_ns
        if self._storage_failed:
            self._log.error(LogEvent.COMMIT_FAILED, why=self.writer.failure)
            self._schedule.inject(StorageFailed(at_ns=at_ns, why=self.writer.failure))
        else:
            self._log.warning(LogEvent.STORAGE_RESTORED)
            self._schedule.inject(StorageRestored(at_ns=at_ns))

    async def _snapshot(self) -> None:
        self._snapshot_after = self.writer.last_seq + self.params.snapshot_every_events
        if not await self.writer.commit():
            return
        snapshot = Snapshot(seq=self.writer.last_seq, at_ns=self._schedule.now_ns, journal_hash=self.writer.head_hash,
                            build=self.session.build, config_hash=self.session.config_hash,
                            engine=self._engine.snapshot())
        try:
            self._crash("before_snapshot")
            await self.writer.in_thread(lambda: self._snapshots.write(snapshot))
            self._crash("after_snapshot")
        except Retryable as error:
            self._log.warning(LogEvent.SNAPSHOT_FAILED, why=str(error))
        else:
            self._snapshot_seq = snapshot.seq
            self._log.info(LogEvent.SNAPSHOT_WRITTEN, seq=snapshot.seq, bytes=len(snapshot.engine))

    async def _close(self) -> None:
        if not self._aborted and self.writer.last_seq > 0:
            await self._snapshot()
        if not await self.writer.close():
            self._log.error(LogEvent.COMMIT_FAILED, why=self.writer.failure, at_end=True)
