"""Backups of an account: one file each, whole and verified, made while the daemon runs.

A backup is a journal of its own (any verb that reads a journal reads it) with three attachments: the simulated
exchange's books of the same instant, the newest snapshot, and the kill latch. It is written beside its place, opened
and checked row by row, and only then given its name.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused, Fatal, Retryable
from bot.domain.values import NS_PER_S
from bot.storage.account_dir import AccountDir
from bot.storage.disk import DiskGuard
from bot.storage.durable_file import put_in_place
from bot.storage.journal import Journal
from bot.storage.journal_checks import verify
from bot.storage.journal_rows import Finding
from bot.storage.journal_schema import connect
from bot.storage.kill_latch import KillLatch
from bot.storage.lease import newest_epoch
from bot.storage.snapshot import SnapshotStore, read_snapshot

BOOKS: Final = "venue.db"
KILL: Final = "KILL"
_TRIES: Final = 200
_PAGES_AT_ONCE: Final = 256
_AUTOMATIC: Final = re.compile(r"backup-\d{8}T\d{6}Z-e\d+-s\d+\.db")
_ATTACHMENTS: Final = ("CREATE TABLE attachments (name TEXT PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL)"
                       " STRICT")


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    path: str
    account: str
    kind: str
    epoch: int
    events: int
    at_ns: int
    """Engine time of the last event."""
    bytes: int
    attachments: tuple[str, ...]


def automatic_name(made_ns: int, epoch: int, events: int) -> str:
    """The name of an automatic backup: they sort by when they were made."""
    stamp = datetime.fromtimestamp(made_ns / NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"backup-{stamp}-e{epoch}-s{events}.db"


def make_backup(place: AccountDir, to: Path | None, made_ns: int, *, pause: Callable[[], None] | None = None) -> Backup:
    """Back the account up, whether a daemon runs it or not.

    Args:
        place: the account.
        to: the file; None: an automatic name in the account's own folder of backups.
        made_ns: wall time, for that name.
        pause: called every few pages of the copy and rows of the check; what it raises ends the backup.
    Raises:
        ConfigRefused: there is no journal, or the file cannot be written.
        Fatal: what would be backed up is damaged; names the row.
        Retryable: the account was too busy, or the disk did not take it.
    """
    draft: Path | None = None
    try:
        with _frozen(place) as (journal, books):
            head = journal.head
            to = to or place.backups / automatic_name(made_ns, newest_epoch(journal), head.last_seq)
            draft = to.with_name(f".{to.name}.new")
            to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            _write(journal, draft, _attached(place, books, head.last_seq), pause)
        found, findings = look_into(draft, pause=pause)
        if findings:
            raise Fatal(f"{place.journal}: row {findings[0].row_number}: {findings[0].what}; not backed up, restore an "
                        "older backup")
        put_in_place(draft, to)
    except (OSError, sqlite3.Error) as error:
        raise Retryable(f"{to or place.backups}: no backup made ({error}); is there space, and may it be written?"
                        ) from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
    return msgspec.structs.replace(found, path=str(to))


def look_into(path: Path, *, pause: Callable[[], None] | None = None) -> tuple[Backup, list[Finding]]:
    """What a backup holds, and all that is wrong with it.

    Raises:
        ConfigRefused: no journal of ours is there.
        Fatal: it cannot be read at all.
    """
    with Journal.open_readonly(path) as journal:
        findings = verify(journal, pause=pause)
        names = []
        for name, body, digest in _attachment_rows(journal):
            names.append(str(name))
            if hashlib.sha256(body).digest() != digest:
                findings.append(Finding(0, f"attachment {name} does not match its digest"))
        head = journal.head
        return Backup(path=str(path), account=journal.identity.account, kind=journal.identity.kind,
                      epoch=newest_epoch(journal), events=head.last_seq, at_ns=head.at_ns, bytes=path.stat().st_size,
                      attachments=tuple(names)), findings


def attachments(journal: Journal) -> dict[str, bytes]:
    """The attachments of an open backup by name; none if it is a plain journal."""
    return {str(name): bytes(body) for name, body, _ in _attachment_rows(journal)}


def automatic_backups(place: AccountDir) -> list[Path]:
    """Those in the account's own folder, newest first."""
    return sorted((path for path in place.backups.glob("backup-*.db") if _AUTOMATIC.fullmatch(path.name)), reverse=True)


def rotate(place: AccountDir, keep: int) -> int:
    """Remove automatic backups beyond the newest `keep`; how many went. A file that cannot be removed stays."""
    removed = 0
    for path in automatic_backups(place)[keep:]:
        try:
            path.unlink()
        except OSError:
            continue
        removed += 1
    return removed


def room_for_backup(place: AccountDir, guard: DiskGuard, keep_free_mib: float) -> str:
    """Why a backup would take space that trading needs; empty if there is room."""
    size_mib = sum(path.stat().st_size for path in (place.journal, place.venue) if path.is_file()) / (1 << 20)
    free_mib = guard.look(make=False).free_mib
    if free_mib is None:
        return "the disk does not say how much space it has"
    if free_mib - size_mib < keep_free_mib:
        return f"{free_mib:.0f} MiB free, the backup takes {size_mib:.0f} and {keep_free_mib:.0f} must stay free"
    return ""


@contextmanager
def _frozen(place: AccountDir) -> Iterator[tuple[Journal, sqlite3.Connection | None]]:
    """The journal and the exchange's books as they were at one instant, held by read transactions.

    The journal stood still while the books were taken: no order can be in one and not in the other but as a crash at
    that instant would leave it.
    """
    with Journal.open_readonly(place.journal) as journal:
        if not place.venue.is_file():
            _begin_reading(journal.connection, "batches")
            yield journal.as_of_now(), None
            return
        books = connect(place.venue, readonly=True)
        try:
            for _ in range(_TRIES):
                _begin_reading(journal.connection, "batches")
                _begin_reading(books, "state")
                with Journal.open_readonly(place.journal) as after:
                    still = after.head == journal.as_of_now().head
                if still:
                    yield journal, books
                    return
                journal.connection.execute("ROLLBACK")
                books.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise Fatal(f"{place.venue}: cannot be read ({error}); not backed up") from None
        finally:
            books.close()
    raise Retryable(f"{place.folder}: written without a pause; try the backup again")


def _begin_reading(db: sqlite3.Connection, table: str) -> None:
    db.execute("BEGIN")
    db.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)").fetchone()  # noqa: S608 - names of ours


def _attached(place: AccountDir, books: sqlite3.Connection | None, last_seq: int) -> dict[str, bytes]:
    found = {}
    if books is not None:
        found[BOOKS] = books.serialize()
    latch = KillLatch(*place.kill_places).found()
    if latch:
        found[KILL] = latch.encode()
    for path in SnapshotStore(place.snapshots).paths():
        snapshot = read_snapshot(path)
        if snapshot is not None and snapshot.seq <= last_seq:
            found[f"snapshots/{path.name}"] = path.read_bytes()
            break
    return found


def _write(journal: Journal, draft: Path, attached: dict[str, bytes], pause: Callable[[], None] | None) -> None:
    draft.touch(mode=0o600)
    target = sqlite3.connect(draft, isolation_level=None)
    try:
        target.execute("PRAGMA synchronous=OFF")  # the whole file is synced before it gets its name
        progress = None if pause is None else lambda *_: pause()
        journal.connection.backup(target, pages=_PAGES_AT_ONCE, progress=progress)
        target.execute("PRAGMA journal_mode=DELETE")
        target.execute("DROP TABLE IF EXISTS attachments")
        target.execute(_ATTACHMENTS)
        for name, body in attached.items():
            target.execute("INSERT INTO attachments VALUES (?, ?, ?)", (name, body, hashlib.sha256(body).digest()))
    finally:
        target.close()


def _attachment_rows(journal: Journal) -> list[tuple[str, bytes, bytes]]:
    if not journal.select("SELECT 1 FROM sqlite_master WHERE name = 'attachments'"):
        return []
    return [(row[0], row[1], row[2]) for row in journal.select("SELECT name, body, digest FROM attachments")]


def refuse_foreign(found: Backup, account: str, kind: str) -> None:
    """Another account's data must not be put here.

    Raises:
        ConfigRefused: they are another's.
    """
    if (found.account, found.kind) != (account, kind):
        raise ConfigRefused(f"{found.path}: belongs to {found.kind}/{found.account}, not to {kind}/{account}; never "
                            "exchange records between accounts")
