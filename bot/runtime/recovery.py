"""A restart: the newest snapshot, then the same `step` over what follows, compared with the record byte for byte.

Nothing is sent: the commands on record have left already or never will. If this program or its configuration is not the
one that wrote the record, or a step comes out differently, the tail is folded with its recorded commands and nothing is
decided; the bot then starts REDUCE_ONLY until it is reconciled.
"""

from __future__ import annotations

import msgspec

from bot.domain.errors import BotError, ConfigRefused, Fatal
from bot.domain.events import CalendarFired, MarketEvent, SessionStarted
from bot.runtime.ports import EngineFactory, FoldingEngine, SteppingEngine
from bot.storage.journal import Journal
from bot.storage.journal_checks import chain_findings
from bot.storage.journal_codec import decode_event, decode_step, encode_step
from bot.storage.lease import last_restore, newest_epoch, take_epoch
from bot.storage.snapshot import Snapshot, SnapshotStore

_WAYS_ON = "`db restore FILE` puts a backup back, `run --rescue` gets flat without the record"


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a start begins with."""

    engine: SteppingEngine
    last_seq: int
    """The number of the last event on record; 0: a fresh account."""
    last_at_ns: int
    """Simulated time stands here."""
    epoch: int
    from_snapshot_seq: int
    compared: int
    """Steps that were made again and compared."""
    differences: int
    """Steps that came out differently (counting stops at the first)."""
    reduce_only: str
    """Why the bot must start REDUCE_ONLY; empty if it need not."""
    market_here: int
    """How many market events of the instant `last_at_ns` are on record; its others were lost and are given again."""
    calendar_here: bool
    """Whether that instant's calendar jobs are on record."""

    @property
    def resumed(self) -> bool:
        """Whether an earlier session of this account is on record."""
        return self.last_seq > 0


def recover(factory: EngineFactory, journal: Journal, snapshots: SnapshotStore, *, build: str, config_hash: str,
            started_ns: int, epoch_floor: int = 0) -> Recovered:
    """Bring the engine to where the journal ends and take over the account.

    Args:
        factory: makes engines of the present parameters.
        journal: open for writing; the account's lock is held.
        snapshots: of the same account.
        build: this program's hash.
        config_hash: the present configuration's hash.
        started_ns: stamp of the new epoch.
        epoch_floor: the highest epoch known to have run this account, from outside the journal.
    Raises:
        Fatal: the chain is broken behind the newest snapshot (without one: anywhere); names the row.
        ConfigRefused: a newer version of this program has run the account.
    """
    start, row_number, older = _newest_usable(factory, journal, snapshots)
    _check_chain(journal, row_number)
    older = older or _put_back(journal, epoch_floor)
    epoch = take_epoch(journal, started_ns, build, epoch_floor)
    head = journal.head
    engine, from_seq = _begin(factory, start), (start.seq if start is not None else 0)
    reason, compared, differences = _changed(journal, start, build, config_hash), 0, 0
    gone = journal.whole_from - 1
    if from_seq < gone:
        reason = f"market data up to event {gone} have been dropped and no snapshot reaches that far"
        _fold_kept(engine, journal, from_seq)
    elif not reason:
        different = _compare(engine, journal, from_seq)
        compared = head.last_seq - from_seq
        if different is not None:
            differences = 1
            reason = f"event {different} on record was decided differently by this program"
            engine = _begin(factory, start)
            _fold(engine, journal, from_seq, different)
    else:
        _fold(engine, journal, from_seq, from_seq + 1)
    market_here, calendar_here = _at_the_end(journal)
    return Recovered(engine=engine, last_seq=head.last_seq, last_at_ns=head.at_ns, epoch=epoch,
                     from_snapshot_seq=from_seq, compared=compared, differences=differences,
                     reduce_only="; ".join(filter(None, (older, reason))),
                     market_here=market_here, calendar_here=calendar_here)


def _at_the_end(journal: Journal) -> tuple[int, bool]:
    """The market events of the last instant on record, and whether a calendar job of it is."""
    head, market, calendar = journal.head, 0, False
    for number in range(head.row_number, 0, -1):
        for event_bytes, _ in reversed(journal.row(number).pairs()):
            event = decode_event(event_bytes)
            if event.at_ns < head.at_ns:
                return market, calendar
            market += isinstance(event, MarketEvent)
            calendar = calendar or isinstance(event, CalendarFired)
    return market, calendar


def _check_chain(journal: Journal, after_row: int) -> None:
    """From the snapshot's row on; all that lies before is checked daily by a reader."""
    findings = chain_findings(journal, after_row=after_row)
    if after_row and not journal.row(after_row).is_sound():
        raise Fatal(f"{journal.path}: row {after_row}: contents do not match their hash; {_WAYS_ON}")
    if findings:
        raise Fatal(f"{journal.path}: row {findings[0].row_number}: {findings[0].what} "
                    f"({len(findings)} findings); {_WAYS_ON}")


def _newest_usable(factory: EngineFactory, journal: Journal, snapshots: SnapshotStore,
                   ) -> tuple[Snapshot | None, int, str]:
    """The newest snapshot on this journal's chain that this program can read, its row, and what the others say.

    A snapshot is written after its row. One that is not on the chain, unless its row was dropped long ago, means that
    the journal is not the one it was taken of.
    """
    older = ""
    for snapshot in snapshots.newest_first():
        row = journal.row_ending_at(snapshot.seq)
        if row is None or row.hash != snapshot.journal_hash:
            if snapshot.seq >= journal.whole_from:
                older = older or (f"a snapshot of event {snapshot.seq} is not of this journal, which ends at event "
                                  f"{journal.head.last_seq}: an older journal was put back")
            continue
        try:
            factory.restore(snapshot.engine)
        except ConfigRefused:
            raise
        except (BotError, msgspec.MsgspecError):
            continue
        return snapshot, row.row_number, older
    return None, 0, older


def _put_back(journal: Journal, epoch_floor: int) -> str:
    """Why this journal is older than what has run here; empty if it is not."""
    restored, newest = last_restore(journal), newest_epoch(journal)
    if restored is not None:
        return f"restored from {restored.source}"
    if journal.head.last_seq and newest < epoch_floor:
        return (f"epoch {epoch_floor} has run this account, the journal ends with epoch {newest}: an older one was "
                "put back")
    return ""


def _begin(factory: EngineFactory, start: Snapshot | None) -> SteppingEngine:
    return factory.create() if start is None else factory.restore(start.engine)


def _changed(journal: Journal, start: Snapshot | None, build: str, config_hash: str) -> str:
    """Why the record is not this program's own, if so: its last session ran another build or configuration."""
    last = None if start is None else (start.build, start.config_hash)
    for _, event_bytes, _ in journal.kept(1 if start is None else start.seq + 1):
        if b"SessionStarted" in event_bytes[:24]:
            event = decode_event(event_bytes)
            if isinstance(event, SessionStarted):
                last = (event.build, event.config_hash)
    if last is None or last == (build, config_hash):
        return ""
    return "the record was written by another build" if last[0] != build else "the configuration has changed"


def _compare(engine: SteppingEngine, journal: Journal, from_seq: int) -> int | None:
    """Step over the tail; the number of the first event that is answered differently, or None."""
    for seq, event_bytes, step_bytes in journal.raw(from_seq + 1):
        if encode_step(engine.step(decode_event(event_bytes))) != step_bytes:
            return seq
    return None


def _fold(engine: SteppingEngine, journal: Journal, from_seq: int, fold_from: int) -> None:
    """Step up to `fold_from`, from there take over what is on record."""
    for seq, event_bytes, step_bytes in journal.raw(from_seq + 1):
        event = decode_event(event_bytes)
        if seq >= fold_from and isinstance(engine, FoldingEngine):
            engine.fold_only(event, decode_step(step_bytes))
        else:
            engine.step(event)


def _fold_kept(engine: SteppingEngine, journal: Journal, from_seq: int) -> None:
    """Take over all that is kept; prices between are gone, and nothing is decided."""
    for _, event_bytes, step_bytes in journal.kept(from_seq + 1):
        event = decode_event(event_bytes)
        if isinstance(engine, FoldingEngine):
            engine.fold_only(event, decode_step(step_bytes))
        else:
            engine.step(event)
