"""The process that can die: an engine, a journal that keeps what was committed, and a latch that outlives both."""

from __future__ import annotations

from typing import Final

from bot.domain.commands import AnyCommand, SubmitOrder
from bot.domain.events import AnyEvent, Control, OperatorAction, StorageFailed, StorageRestored
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.risk.modes import Mode
from bot.runtime.invariants import Invariants
from bot.runtime.sim_plan import Death
from bot.runtime.sim_ports import EngineMaker
from bot.runtime.sim_storage import MemoryJournal, Storage, changes_something, held_back
from bot.runtime.sim_trace import Tracer
from bot.runtime.sim_world import SimWorld
from bot.storage.journal_codec import RunHash, decode_event, encode_event, encode_step

_SNAPSHOT_EVERY: Final = 2_000
_WAITS_FOR_ORDER_NS: Final = 180 * NS_PER_MINUTE
_KILLS: Final = (OperatorAction.KILL, OperatorAction.KILL_HOLD)


class SimProcess:
    """Takes events until a planned death; `restart` brings the next process to where the journal ends."""

    def __init__(self, world: SimWorld, engines: EngineMaker, invariants: Invariants,
                 tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._world = world
        self._engines = engines
        self._invariants = invariants
        self._deaths = list(world.plan.deaths)
        self.engine: Engine = engines.create()
        self._snapshot = (0, self.engine.snapshot())
        self.journal = MemoryJournal()
        self._storage = Storage(world.exchange.faults)
        self._storage_told = False
        """The engine knows that storage fails."""
        self.trace = RunHash()
        self.epoch = self.events = 0
        self.latch = ""
        self.done: dict[str, int] = {}
        """Deaths by place and operator's orders, as they happened."""
        self._last_words: bytes | None = None

    def start(self, at_ns: int) -> None:
        """The account's next session begins at `at_ns`."""
        self.epoch += 1
        self._invariants.process_started(self.engine, self.journal.intents, self.epoch, at_ns)
        self._world.schedule.inject(self._world.session(at_ns, self.epoch, self.latch, resumed=self.epoch > 1))

    def take(self, event: AnyEvent) -> Death | None:
        """Step, commit, send; the death that struck on the way, if one did."""
        if isinstance(event, Control):
            self._count(f"operator_{event.action.value}")
            self._latch(event)
        self.events += 1
        self._tend_storage(event.at_ns)
        step = self.engine.step(event)
        if self._tracer is not None:
            self._tracer.seen(event, step)
        pair = (encode_event(event), encode_step(step))
        self.trace.add(*pair)
        death = self._death(event.at_ns, step)
        if death is not None:
            self._die(event, step, pair, death)
            return death
        self.journal.add(event, step, pair)
        self._carry_out(event.at_ns, step)
        self._world.schedule.wake(step.wake_ns)
        self._invariants.seen(event, step)
        self._unlatch(event)
        written = len(self.journal.rows)
        if step.decided and not self.journal.unwritten and written >= self._snapshot[0] + _SNAPSHOT_EVERY:
            self._snapshot = (written, self.engine.snapshot())
        return None

    def missed(self, event: AnyEvent) -> None:
        """An event nobody was there to take; a kill reaches the latch all the same (the KILL file)."""
        if isinstance(event, Control) and event.action in _KILLS:
            self._count(f"operator_{event.action.value}")
            self._latch(event)
            self._invariants.latched_while_down(event)

    def _latch(self, event: Control) -> None:
        """As the KILL file does: a kill that ends flat is not softened to one that holds."""
        if event.action in _KILLS and not (self.latch and event.action is OperatorAction.KILL_HOLD):
            self.latch = f"{event.action.value} by {event.actor}: {event.reason}"

    def restart(self, at_ns: int) -> None:
        """A new process: newest snapshot, the same steps over what follows, compared byte for byte (I7)."""
        self.engine = self._recovered(from_snapshot=True, at_ns=at_ns)
        if self._last_words is not None and self.engine.snapshot() != self._last_words:
            self._invariants.breach("I7", "recovery", at_ns, "the recovered state differs from the one that died")
        self._world.schedule.wake(None)
        self.start(at_ns)

    def taken_over(self, at_ns: int) -> None:
        """A second instance begins where the journal ends; the first may not commit any more, what it sent lands."""
        self._count("taken_over")
        self._last_words = None
        self.journal.lose_tail()
        self.restart(at_ns)

    def prove_journal(self, at_ns: int, *, whole: bool = True) -> None:
        """A fresh engine over the journal (`whole`: from its first row) reaches the state of the one at work (I7)."""
        fresh = self._recovered(from_snapshot=not whole, at_ns=at_ns)
        if fresh.snapshot() != self.engine.snapshot():
            self._invariants.breach("I7", "replay", at_ns, "a fresh engine over the journal reaches another state")

    # -------------------------------------------------------------------------------------------------- inside

    def _count(self, name: str) -> None:
        self.done[name] = self.done.get(name, 0) + 1

    def _recovered(self, *, from_snapshot: bool, at_ns: int) -> Engine:
        begin, state = self._snapshot
        engine = self._engines.restore(state) if from_snapshot else self._engines.create()
        begin = begin if from_snapshot else 0
        for number in range(begin, len(self.journal.rows)):
            event_bytes, step_bytes = self.journal.rows[number]
            if encode_step(engine.step(decode_event(event_bytes))) != step_bytes:
                self._invariants.breach("I7", "steps", at_ns, f"step {number + 1} of the journal comes out differently")
                break
        return engine

    def _tend_storage(self, at_ns: Nanos) -> None:
        """Tell the engine once that storage fails, and once that what waited has been written after all."""
        failing = self._storage.fails(at_ns)
        self.journal.failing = failing is not None
        if failing is None and self._storage_told and self.journal.commit():
            self._storage_told = False
            self._world.schedule.inject(StorageRestored(at_ns))
        elif failing is not None and self.journal.late(at_ns) and not self._storage_told:
            self._storage_told = True
            self._count(failing.kind.value)
            self._world.schedule.inject(StorageFailed(at_ns, failing.kind.value))

    def _carry_out(self, at_ns: Nanos, step: Step) -> None:
        """What may leave leaves: after its commit, which may be slow; without one only what cannot open anything."""
        if not changes_something(step):
            self._send(at_ns, step.commands)
        elif not self.journal.unwritten:
            self._send(at_ns, step.commands, self._storage.slow_ns(at_ns, len(self.journal.rows)))
        else:
            for command in step.commands:
                told = held_back(at_ns, command)
                if told is None:
                    self._send(at_ns, (command,))
                else:
                    self._world.schedule.inject(told)

    def _send(self, at_ns: int, commands: tuple[AnyCommand, ...], late_ns: int = 0) -> None:
        for command in commands:
            self._invariants.sending(at_ns, command, unwritten=bool(self.journal.unwritten))
            if isinstance(command, SubmitOrder):
                self._world.order_left(at_ns)
        self._world.schedule.handle(at_ns + late_ns, commands)

    def _unlatch(self, event: AnyEvent) -> None:
        if isinstance(event, Control) and event.action is OperatorAction.RESUME and self.latch \
                and self.engine.state.modes.mode() is not Mode.HALTED:
            self.latch = ""

    def _death(self, at_ns: int, step: Step) -> Death | None:
        if not self._deaths or at_ns < self._deaths[0].at_ns or not step.decided:
            return None
        if self.journal.failing or self._storage_told:
            return None  # a disk that fails and a process that dies at once need a person: not simulated
        if at_ns >= self._world.plan.quiet_ns:
            self._deaths.clear()
            return None
        due = self._deaths[0]
        orders = any(isinstance(command, SubmitOrder) for command in step.commands)
        if due.wants_order and not orders and at_ns < due.at_ns + _WAITS_FOR_ORDER_NS:
            return None
        return self._deaths.pop(0)

    def _die(self, event: AnyEvent, step: Step, pair: tuple[bytes, bytes], death: Death) -> None:
        self._count(f"death_{death.place}")
        if self._tracer is not None:
            self._tracer.happened(event.at_ns, f"death {death.place}, back after {death.down_ns / NS_PER_S:.1f} s")
        self._last_words = None
        if death.place != "before_commit":
            self.journal.add(event, step, pair)
            self._last_words = self.engine.snapshot()
        sent = {"between_sends": (len(step.commands) + 1) // 2, "after_send": len(step.commands)}.get(death.place, 0)
        self._send(event.at_ns, step.commands[:sent])
        if death.place != "before_commit":
            self._invariants.seen(event, step, dying=True)
            self._unlatch(event)
        self._invariants.process_died(event, death.place, step)
        self.journal.lose_tail()
