"""The backtest: the schedule popped in a loop, the engine asked, its commands handed to the simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.runtime.ports import RunObserver, SteppingEngine
from bot.runtime.schedule import Schedule
from bot.storage.journal import Journal
from bot.storage.journal_codec import RunHash, encode_event, encode_step, is_market_data, kinds_of
from bot.storage.journal_rows import Batch, Pair

_PROGRESS_EVERY: Final = 2_048
_BATCH_EVENTS: Final = 4_096


class BacktestRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    events: int
    commands: int
    decisions: int
    end_ns: int
    """Stamp of the last event."""
    trace_hash: str
    """sha256 over all (event, step) pairs; empty if it was not asked for."""


class JournalBatches:
    """Collects pairs and appends them to a journal in large rows: a run that can be repeated needs no sync per step."""

    def __init__(self, journal: Journal, fence: int) -> None:
        self._journal = journal
        self._fence = fence
        self._pairs: list[Pair] = []
        self._market: list[int] = []
        self._kinds = 0
        self._at_ns = 0

    def add(self, event: AnyEvent, step: Step, event_bytes: bytes, step_bytes: bytes) -> None:
        """Take one pair; writes a row when enough have come."""
        if is_market_data(event, step):
            self._market.append(len(self._pairs))
        self._pairs.append((event_bytes, step_bytes))
        self._kinds |= kinds_of(event, step)
        self._at_ns = event.at_ns
        if len(self._pairs) >= _BATCH_EVENTS:
            self.flush()

    def flush(self) -> None:
        """Write what is left."""
        if self._pairs:
            self._journal.append(Batch(first_seq=self._journal.head.last_seq + 1, at_ns=self._at_ns, fence=self._fence,
                                       kinds=self._kinds, pairs=tuple(self._pairs), market=frozenset(self._market)))
            self._pairs, self._market, self._kinds = [], [], 0


def run_backtest(
    engine: SteppingEngine, schedule: Schedule, *, journal: Journal | None = None, fence: int = 1,
    on_progress: Callable[[int], None] | None = None, observer: RunObserver | None = None, traced: bool = False,
) -> BacktestRun:
    """Run the schedule to its end.

    Args:
        engine: asked about every event.
        schedule: `SessionStarted` has been handed in already.
        journal: where to record the run; None: nowhere.
        fence: the epoch written into the journal.
        on_progress: called with the simulated instant every few thousand events.
        observer: sees every (event, step).
        traced: compute `trace_hash` (costs an encoding of everything, about 4 us per event).
    """
    recorder = JournalBatches(journal, fence) if journal is not None else None
    trace = RunHash() if traced else None
    events = commands = decisions = end_ns = 0
    while (event := schedule.pop()) is not None:
        step = engine.step(event)
        if step.commands:
            schedule.handle(event.at_ns, step.commands)
            commands += len(step.commands)
        schedule.wake(step.wake_ns)
        events += 1
        decisions += step.record is not None
        end_ns = event.at_ns
        if observer is not None:
            observer.seen(event, step)
        if trace is not None or recorder is not None:
            event_bytes, step_bytes = encode_event(event), encode_step(step)
            if trace is not None:
                trace.add(event_bytes, step_bytes)
            if recorder is not None:
                recorder.add(event, step, event_bytes, step_bytes)
        if on_progress is not None and events % _PROGRESS_EVERY == 0:
            on_progress(end_ns)
    if recorder is not None:
        recorder.flush()
    return BacktestRun(events=events, commands=commands, decisions=decisions, end_ns=end_ns,
                       trace_hash=trace.hexdigest() if trace is not None else "")
