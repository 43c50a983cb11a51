"""The journal: an append-only, hash-chained SQLite file of every event and what the engine answered.

One row is one transaction (WAL, `synchronous=FULL`): what `append` has returned from survives a power cut. There is one
writer; any number of processes may read at the same time through `Journal.open_readonly`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec

from bot.domain.errors import ConfigRefused, Fatal, Retryable
from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.storage.durable_file import put_in_place
from bot.storage.journal_codec import decode_event, decode_step
from bot.storage.journal_rows import APPLICATION_ID, SCHEMA_VERSION, Batch, Finding, Identity, Row, seal

_SCHEMA: Final = """
CREATE TABLE identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), account TEXT NOT NULL, kind TEXT NOT NULL,
    created_ns INTEGER NOT NULL, schema_version INTEGER NOT NULL) STRICT;
CREATE TABLE batches (row_number INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL UNIQUE, last_seq INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, fence INTEGER NOT NULL, kinds INTEGER NOT NULL, previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL, blob BLOB NOT NULL) STRICT;
CREATE INDEX batches_of_note ON batches (row_number, kinds) WHERE kinds != 0;
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, build TEXT NOT NULL,
    pid INTEGER NOT NULL) STRICT;
"""
_INSERT: Final = """INSERT INTO batches
    (row_number, first_seq, last_seq, at_ns, fence, kinds, previous_hash, hash, blob) VALUES (?,?,?,?,?,?,?,?,?)"""
_FROM_ROW: Final = """SELECT row_number, first_seq, last_seq, at_ns, fence, kinds, previous_hash, hash, blob
    FROM batches WHERE row_number >= ? ORDER BY row_number LIMIT ?"""
_ENDING_AT: Final = """SELECT row_number, first_seq, last_seq, at_ns, fence, kinds, previous_hash, hash, blob
    FROM batches WHERE first_seq <= ? AND last_seq = ? ORDER BY first_seq DESC LIMIT 1"""
_BUSY_TIMEOUT_S: Final = 5.0


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain ends."""

    row_number: int
    last_seq: int
    at_ns: int
    hash: bytes


class Journal:
    """An open journal. Made by `create`, `open` or `open_readonly`; used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, identity: Identity) -> None:
        self.path = path
        self.identity = identity
        self._db = connection
        self._head = self._read_head()
        self._attempted: Row | None = None
        """A row whose commit failed: it may or may not be on disk."""

    @classmethod
    def create(cls, path: Path, identity: Identity) -> Self:
        """A new, empty journal.

        Raises:
            ConfigRefused: the file exists, or the folder cannot be written.
        """
        if path.exists():
            raise ConfigRefused(f"{path}: a journal exists already; choose another account or continue this one")
        # made beside its place and put there whole: a kill in between leaves no half journal to refuse
        draft = path.with_name(f"{path.name}.new")
        try:
            draft.unlink(missing_ok=True)
            db = sqlite3.connect(draft, isolation_level=None)
            db.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
                             f"PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            db.execute("INSERT INTO identity VALUES (1, ?, ?, ?, ?)",
                       (identity.account, identity.kind, identity.created_ns, identity.schema_version))
            db.close()
            put_in_place(draft, path)
            db = _connect(path, readonly=False)
        except (sqlite3.Error, OSError) as error:
            raise ConfigRefused(f"{path}: cannot create the journal ({error}); is the folder writable?") from None
        return cls(path, db, identity)

    @classmethod
    def open(cls, path: Path, account: str | None = None, kind: str | None = None) -> Self:
        """An existing journal, to go on writing. A given account or kind must be the journal's own.

        Raises:
            ConfigRefused: missing, foreign, of a newer schema, or another account's.
            Fatal: damaged so that it cannot be read.
        """
        return cls._open(path, account, kind, readonly=False)

    @classmethod
    def open_readonly(cls, path: Path) -> Self:
        """The same, to read only, also while another process writes."""
        return cls._open(path, None, None, readonly=True)

    @classmethod
    def _open(cls, path: Path, account: str | None, kind: str | None, *, readonly: bool) -> Self:
        if not path.is_file():
            raise ConfigRefused(f"{path}: no journal there; check the account's name, or start a run first")
        db: sqlite3.Connection | None = None
        try:
            db = _connect(path, readonly=readonly)
            identity = _identity(db, path)
            if account not in (None, identity.account) or kind not in (None, identity.kind):
                raise ConfigRefused(f"{path}: belongs to {identity.kind}/{identity.account}, not to {kind}/{account}; "
                                    "never exchange journals between accounts")
            return cls(path, db, identity)
        except sqlite3.Error as error:
            _close(db)
            raise Fatal(f"{path}: the journal cannot be read ({error}); restore a backup") from None
        except ConfigRefused:
            _close(db)
            raise

    def _read_head(self) -> Head:
        found = self._db.execute(
            "SELECT row_number, last_seq, at_ns, hash FROM batches ORDER BY row_number DESC LIMIT 1").fetchone()
        if found is None:
            return Head(row_number=0, last_seq=0, at_ns=0, hash=self.identity.genesis())
        return Head(row_number=found[0], last_seq=found[1], at_ns=found[2], hash=bytes(found[3]))

    @property
    def head(self) -> Head:
        """Where the chain ends, as this object knows it."""
        return self._head

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for the lease and for queries of this package."""
        return self._db

    def append(self, batch: Batch) -> Row:
        """Commit and sync one batch; when this returns it survives a power cut.

        A failed commit may still be on disk: the next `append` of the same batch looks first.

        Raises:
            Retryable: the storage did not take it; nothing may be assumed written.
            Fatal: the numbers do not follow, or another instance has taken over.
        """
        if batch.first_seq != self._head.last_seq + 1 or not batch.pairs:
            raise Fatal(f"journal row {self._head.row_number + 1}: events {batch.first_seq}..{batch.last_seq} do not "
                        f"follow {self._head.last_seq}")
        row = seal(batch, self._head.row_number + 1, self._head.hash)
        try:
            if self._attempted is None or not self._already_written(row):
                self._attempted = row
                self._insert(row)
        except sqlite3.Error as error:
            raise Retryable(f"journal row {row.row_number}: commit failed ({error})") from None
        self._attempted = None
        self._head = Head(row_number=row.row_number, last_seq=row.last_seq, at_ns=row.at_ns, hash=row.hash)
        return row

    def _already_written(self, row: Row) -> bool:
        if self._db.in_transaction:
            self._db.rollback()
        found = self._read_head()
        if found.hash == row.hash:
            return True
        if found.hash != self._head.hash:
            raise Fatal(f"journal row {found.row_number}: written by someone else; stop the other instance")
        return False

    def _insert(self, row: Row) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            newest = self._db.execute("SELECT max(epoch) FROM epochs").fetchone()[0]
            if newest is not None and newest > row.fence:
                raise Fatal(f"journal row {row.row_number}: epoch {newest} has taken over from {row.fence}; "
                            "this instance must stop")
            self._db.execute(_INSERT, msgspec.structs.astuple(row))
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Rows in order, from the one that holds `from_seq` on."""
        first = self.select("SELECT max(row_number) FROM batches WHERE first_seq <= ?", (from_seq,))[0][0]
        number = first if first is not None else 1
        while True:
            found = self._read_rows(number, 64)
            yield from found
            if not found:
                return
            number = found[-1].row_number + 1

    def _read_rows(self, from_row: int, count: int = 1) -> list[Row]:
        return [_row(found) for found in self.select(_FROM_ROW, (from_row, count), f" row {from_row} or one after it")]

    def select(self, query: str, values: tuple[object, ...] = (), where: str = "") -> list[tuple[Any, ...]]:
        """The answer to a query, whole.

        Raises:
            Fatal: the file cannot be read there; `where` goes into the message.
        """
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Fatal(f"{self.path}:{where} cannot be read ({error}); restore a backup") from None

    def row(self, row_number: int) -> Row:
        """One row; raises `Fatal` if it is not there."""
        found = self._read_rows(row_number)
        if not found or found[0].row_number != row_number:
            raise Fatal(f"journal row {row_number}: missing; restore a backup")
        return found[0]

    def row_ending_at(self, seq: int) -> Row | None:
        """The row whose last event is `seq`, if there is one."""
        found = self.select(_ENDING_AT, (seq, seq))
        return _row(found[0]) if found else None

    def raw(self, from_seq: int = 1) -> Iterator[tuple[int, bytes, bytes]]:
        """(number, event bytes, step bytes) from `from_seq` on."""
        for row in self.rows(from_seq):
            for offset, (event, step) in enumerate(row.pairs()):
                if row.first_seq + offset >= from_seq:
                    yield row.first_seq + offset, event, step

    def export(self, from_seq: int = 1) -> Iterator[tuple[int, AnyEvent, Step]]:
        """(number, event, step) from `from_seq` on, decoded; raises `Fatal` naming the event that cannot be read."""
        for seq, event, step in self.raw(from_seq):
            try:
                yield seq, decode_event(event), decode_step(step)
            except msgspec.DecodeError as error:
                raise Fatal(f"journal event {seq}: cannot be decoded ({error}); "
                            "was it written by a newer version?") from None

    def verify(self) -> list[Finding]:
        """What is wrong with the chain, in order; empty means every byte is as it was written."""
        findings: list[Finding] = []
        number, seq, previous = 0, 0, self.identity.genesis()
        try:
            for row in self.rows():
                number, seq = number + 1, seq + 1
                if row.row_number != number:
                    findings.append(Finding(row.row_number, f"rows {number}..{row.row_number - 1} are missing"))
                if row.first_seq != seq:
                    findings.append(Finding(row.row_number, f"begins with event {row.first_seq} instead of {seq}"))
                if row.previous_hash != previous:
                    findings.append(Finding(row.row_number, "does not follow the row before (hash)"))
                if row.expected_hash() != row.hash:
                    findings.append(Finding(row.row_number, "contents do not match their hash"))
                number, seq, previous = row.row_number, row.last_seq, row.hash
        except Fatal as error:
            findings.append(Finding(number + 1, str(error)))
        return findings

    def close(self) -> None:
        """Give the file back; committed rows stay."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _row(values: tuple[Any, ...]) -> Row:
    return Row(**dict(zip(Row.__struct_fields__, values, strict=True)))


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()


def _connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}"
    if not readonly:
        db = sqlite3.connect(f"{address}?mode=rwc", uri=True, isolation_level=None, check_same_thread=False,
                             timeout=_BUSY_TIMEOUT_S)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            db.close()
            raise
        return db
    db = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None, check_same_thread=False,
                         timeout=_BUSY_TIMEOUT_S)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        # no writer and a folder we may not write: nothing can change under us, so no shared memory file is needed
        db = sqlite3.connect(f"{address}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return db


def _identity(db: sqlite3.Connection, path: Path) -> Identity:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ConfigRefused(f"{path}: not a journal of this program; give the journal.db of an account")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigRefused(f"{path}: written by a newer version (schema {version}, this program knows "
                            f"{SCHEMA_VERSION}); install the newer program")
    found = db.execute("SELECT account, kind, created_ns, schema_version FROM identity").fetchone()
    if found is None:
        raise Fatal(f"{path}: row 1 of `identity` is missing; restore a backup")
    return Identity(account=found[0], kind=found[1], created_ns=found[2], schema_version=found[3])
