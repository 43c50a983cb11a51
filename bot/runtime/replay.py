"""Proof that two runs were the same: a journal replayed, or two runs laid side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

import msgspec

from bot.domain.commands import CancelOrder, SubmitOrder
from bot.domain.errors import Unavailable
from bot.domain.events import AnyEvent, Fill, ForcedFill, FundingPaid
from bot.engine.step import Step
from bot.runtime.ports import EngineFactory
from bot.storage.journal import Journal
from bot.storage.journal_codec import RunHash, decode_event, decode_step, encode_event, encode_step
from bot.storage.snapshot import Snapshot, SnapshotStore

_COMMANDS = msgspec.msgpack.Encoder()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where two runs part."""

    place: str
    """What differs: step, order, fill, ledger."""
    number: int
    """Which one, from 1."""
    first: str
    second: str


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of replaying a journal."""

    events: int
    sessions: int
    differences: int
    first_difference: Difference | None
    trace_hash: str
    from_event: int = 1
    """The first event that was stepped again."""
    missing: str = ""
    """What could not be replayed and why; empty if the whole record was."""


class RunTrace:
    """An observer that keeps what two runs are compared by: orders, fills, and one short digest per step."""

    def __init__(self) -> None:
        self.orders: list[bytes] = []
        self.fills: list[bytes] = []
        self.steps: list[bytes] = []
        self.ledger = b""
        """The engine's snapshot at the end, set by the caller."""
        self._hash = RunHash()

    def seen(self, event: AnyEvent, step: Step) -> None:
        """Note one pair."""
        event_bytes, step_bytes = encode_event(event), encode_step(step)
        self._hash.add(event_bytes, step_bytes)
        self.steps.append(hashlib.blake2b(event_bytes + step_bytes, digest_size=8).digest())
        if isinstance(event, Fill | ForcedFill | FundingPaid):
            self.fills.append(event_bytes)
        for command in step.commands:
            if isinstance(command, SubmitOrder | CancelOrder):
                self.orders.append(_COMMANDS.encode(command))

    @property
    def trace_hash(self) -> str:
        """sha256 over everything seen."""
        return self._hash.hexdigest()


def replay_journal(path: Path, factory: EngineFactory) -> ReplayReport:
    """Run an engine over a recorded journal and compare every step; nothing is written or sent.

    Where market data have been dropped it begins with the oldest snapshot from which everything is there.

    Raises:
        Unavailable: there is no such snapshot.
    """
    trace = RunHash()
    events = sessions = differences = 0
    first: Difference | None = None
    with Journal.open_readonly(path) as journal:
        start = _oldest_whole(journal)
        engine = factory.create() if start is None else factory.restore(start.engine)
        from_event = 1 if start is None else start.seq + 1
        for seq, event_bytes, step_bytes in journal.raw(from_event):
            events += 1
            sessions += b"SessionStarted" in event_bytes[:24]
            answer = encode_step(engine.step(decode_event(event_bytes)))
            trace.add(event_bytes, answer)
            if answer != step_bytes:
                differences += 1
                if first is None:
                    first = Difference(place="step", number=seq, first=repr(decode_step(step_bytes)),
                                       second=repr(decode_step(answer)))
    missing = "" if start is None else (f"events 1..{start.seq}: their market data were dropped after their time; "
                                        f"replayed from the snapshot at event {start.seq}")
    return ReplayReport(events=events, sessions=sessions, differences=differences, first_difference=first,
                        trace_hash=trace.hexdigest(), from_event=from_event, missing=missing)


def _oldest_whole(journal: Journal) -> Snapshot | None:
    """None where nothing was dropped; else the oldest snapshot on the chain behind which everything is there."""
    if journal.whole_from == 1:
        return None
    found = None
    for snapshot in SnapshotStore(journal.path.parent / "snapshots").newest_first():
        row = journal.row_ending_at(snapshot.seq)
        if snapshot.seq + 1 >= journal.whole_from and row is not None and row.hash == snapshot.journal_hash:
            found = snapshot
    if found is None:
        raise Unavailable(f"{journal.path}: market data of events 1..{journal.whole_from - 1} were dropped after their "
                          "time and no snapshot beside it lies behind them; what was decided then is in `decisions`")
    return found


def diff_runs(a: RunTrace, b: RunTrace) -> tuple[int, Difference | None]:
    """How many steps, orders, fills and ledgers differ between two runs, and the first difference."""
    count, first = 0, None
    for place, left, right in (("step", a.steps, b.steps), ("order", a.orders, b.orders), ("fill", a.fills, b.fills),
                               ("ledger", [a.ledger], [b.ledger])):
        found, where = _diff(place, left, right)
        count += found
        first = first or where
    return count, first


def _diff(place: str, a: Iterable[bytes], b: Iterable[bytes]) -> tuple[int, Difference | None]:
    count, first = 0, None
    for number, (left, right) in enumerate(zip_longest(a, b), start=1):
        if left != right:
            count += 1
            if first is None:
                first = Difference(place=place, number=number, first=_show(left), second=_show(right))
    return count, first


def _show(data: bytes | None) -> str:
    if data is None:
        return "nothing"
    return data.hex() if len(data) <= 400 else f"sha256 {hashlib.sha256(data).hexdigest()}"
