"""What an account's folder holds and what is damaged in it, looked at from outside, whether a daemon runs or not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec

from bot.domain.errors import BotError
from bot.storage.account_dir import AccountDir
from bot.storage.backup import automatic_backups
from bot.storage.disk import DiskGuard
from bot.storage.journal import Journal
from bot.storage.journal_checks import verify
from bot.storage.journal_rows import Finding
from bot.storage.journal_schema import connect
from bot.storage.kill_latch import KillLatch
from bot.storage.lease import EpochWitness, newest_epoch
from bot.storage.params import StorageParams
from bot.storage.snapshot import SnapshotStore


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one account."""

    kind: str
    account: str
    folder: str
    pid: int | None
    """Of the daemon that runs it; None: none does."""
    schema: int
    events: int
    rows: int
    journal_bytes: int
    """The file and what waits beside it to be folded in."""
    at_ns: int
    """Engine time of the last event."""
    epoch: int
    whole_from: int
    """The first event from which on market data are there too; 1: all."""
    dropped_rows: int
    snapshots: int
    newest_snapshot_event: int | None
    backups: int
    newest_backup: str
    newest_backup_ns: int | None
    free_mib: float | None
    disk: str
    kill_latch: str
    """The reason of a latch that is set; empty if none is."""


def account_state(place: AccountDir, params: StorageParams) -> AccountState:
    """Look at an account without changing anything.

    Raises:
        BotError: its journal cannot be read; names the file.
    """
    store, backups = SnapshotStore(place.snapshots), automatic_backups(place)
    newest = next(store.newest_first(), None)
    disk = DiskGuard(place.ballast, params).look(make=False)
    with Journal.open_readonly(place.journal) as journal:
        head = journal.head
        rows = journal.select("SELECT count(*) FROM batches")[0][0]
        return AccountState(
            kind=place.kind, account=place.account, folder=str(place.folder), pid=place.holder(), schema=journal.schema,
            events=head.last_seq, rows=rows, journal_bytes=_bytes_of(place), at_ns=head.at_ns,
            epoch=newest_epoch(journal), whole_from=journal.whole_from, dropped_rows=head.row_number - rows,
            snapshots=len(store.paths()), newest_snapshot_event=None if newest is None else newest.seq,
            backups=len(backups), newest_backup=backups[0].name if backups else "",
            newest_backup_ns=backups[0].stat().st_mtime_ns if backups else None, free_mib=disk.free_mib,
            disk=disk.level.value, kill_latch=KillLatch(*place.kill_places).found())


def damage_of(place: AccountDir) -> tuple[int, list[Finding]]:
    """The number of events on record, and everything that is damaged: journal, snapshots, the exchange's books."""
    findings: list[Finding] = []
    events = 0
    try:
        with Journal.open_readonly(place.journal) as journal:
            events = journal.head.last_seq
            findings += verify(journal)
            newest = newest_epoch(journal)
            if EpochWitness(place.epoch).read() > newest:
                findings.append(Finding(0, f"{place.journal.name}: ends with epoch {newest}, a newer one has run here: "
                                           "an older journal was put back"))
    except BotError as error:
        findings.append(Finding(0, str(error)))
    try:
        findings += [Finding(0, f"{path.name}: damaged snapshot; an older one, or the journal, stands in")
                     for path in SnapshotStore(place.snapshots).damaged()]
    except BotError as error:
        findings.append(Finding(0, str(error)))
    return events, findings + books_damage(place)


def books_damage(place: AccountDir) -> list[Finding]:
    """What SQLite finds damaged in the simulated exchange's books; none if there are no books."""
    if not place.venue.is_file():
        return []
    try:
        with closing(connect(place.venue, readonly=True)) as db:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)").fetchall()]
    except sqlite3.Error as error:
        return [Finding(0, f"{place.venue.name}: cannot be read ({error})")]
    return [] if said == ["ok"] else [Finding(0, f"{place.venue.name}: {' '.join(text.split())}") for text in said]


def _bytes_of(place: AccountDir) -> int:
    paths = (place.journal, place.journal.with_name(f"{place.journal.name}-wal"))
    return sum(path.stat().st_size for path in paths if path.is_file())
