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

import msgspec

from bot.domain.errors import BotError, ConfigRefused, Fatal, Retryable, Unavailable
from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.storage.journal_checks import verify
from bot.storage.journal_codec import decode_event, decode_step
from bot.storage.journal_rows import SCHEMA_VERSION, Batch, Finding, Identity, Row, Segment, seal
from bot.storage.journal_schema import connect, copy_aside, create_file, identity_of, migrate, schema_of

_COLUMNS: Final = "row_number, first_seq, last_seq, at_ns, fence, kinds, previous_hash, hash, blob"
_MARKET: Final = ("market_hash, market", "NULL, NULL")
"""What stands after `_COLUMNS` in a row: of our schema, and of schema 1."""
_SEGMENTS: Final = """SELECT first_row, last_row, first_seq, last_seq, at_ns, previous_hash, hash, seal FROM segments
    WHERE first_row > ? ORDER BY first_row LIMIT 256"""
_INSERT: Final = f"INSERT INTO batches ({_COLUMNS}, market_hash, market) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain ends."""

    row_number: int
    last_seq: int
    at_ns: int
    hash: bytes


class Journal:
    """An open journal. Made by `create`, `open` or `open_readonly`; used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, identity: Identity,
                 schema: int = SCHEMA_VERSION) -> None:
        self.path = path
        self.identity = identity
        self.schema = schema
        """Of the file; an older one is read as it is and migrated when it is opened to go on writing."""
        self._db = connection
        columns = f"SELECT {_COLUMNS}, {_MARKET[schema < 2]} FROM batches"  # noqa: S608 - constants
        self._from_row = f"{columns} WHERE row_number >= ? ORDER BY row_number LIMIT ?"
        self._ending_at = f"{columns} WHERE first_seq <= ? AND last_seq = ? ORDER BY first_seq DESC LIMIT 1"
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
        try:
            create_file(path, identity)
            db = connect(path, readonly=False)
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
            db = connect(path, readonly=readonly)
            schema = schema_of(db, path)
            identity = identity_of(db, path)
            if account not in (None, identity.account) or kind not in (None, identity.kind):
                raise ConfigRefused(f"{path}: belongs to {identity.kind}/{identity.account}, not to {kind}/{account}; "
                                    "never exchange journals between accounts")
            if schema < SCHEMA_VERSION and not readonly:
                copy_aside(db, path, schema)
                migrate(db, schema)
                schema = SCHEMA_VERSION
            return cls(path, db, identity, schema)
        except sqlite3.Error as error:
            _close(db)
            raise Fatal(f"{path}: the journal cannot be read ({error}); restore a backup") from None
        except BotError:
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

    def as_of_now(self) -> Self:
        """The same object, knowing where the chain ends as its connection sees it now (a reader beside a writer)."""
        self._head = self._read_head()
        return self

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
        yield from self.rows_after(first - 1 if first is not None else 0)

    def _read_rows(self, from_row: int, count: int = 1) -> list[Row]:
        found = self.select(self._from_row, (from_row, count), f" row {from_row} or one after it")
        return [_row(values) for values in found]

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
        found = self.select(self._ending_at, (seq, seq))
        return _row(found[0]) if found else None

    def rows_after(self, row_number: int) -> Iterator[Row]:
        """Rows in order, from the first after `row_number` on."""
        while found := self._read_rows(row_number + 1, 64):
            yield from found
            row_number = found[-1].row_number

    def segments(self) -> Iterator[Segment]:
        """Dropped stretches of pure market data, in order."""
        first = 0
        while self.schema >= 2:
            found = self.select(_SEGMENTS, (first,), " a record of dropped rows")
            if not found:
                return
            for values in found:
                yield Segment(**dict(zip(Segment.__struct_fields__, values, strict=True)))
            first = found[-1][0]

    @property
    def whole_from(self) -> int:
        """The first event from which on everything is there; 1: nothing has been dropped."""
        return 1 if self.schema < 2 else int(self.select("SELECT seq FROM retention")[0][0]) + 1

    def raw(self, from_seq: int = 1) -> Iterator[tuple[int, bytes, bytes]]:
        """(number, event bytes, step bytes) from `from_seq` on.

        Raises:
            Unavailable: market data of that stretch have been dropped; names the events.
        """
        whole_from = self.whole_from
        if from_seq < whole_from:
            raise Unavailable(f"{self.path}: market data of the events up to {whole_from - 1} have been dropped after "
                              f"their time; read on from event {whole_from}")
        for row in self.rows(from_seq):
            for offset, (event, step) in enumerate(row.pairs()):
                if row.first_seq + offset >= from_seq:
                    yield row.first_seq + offset, event, step

    def kept(self, from_seq: int = 1) -> Iterator[tuple[int, bytes, bytes]]:
        """The same without plain market data, which may have been dropped."""
        for row in self.rows(from_seq):
            for seq, event, step in row.kept():
                if seq >= from_seq:
                    yield seq, event, step

    def export(self, from_seq: int = 1) -> Iterator[tuple[int, AnyEvent, Step]]:
        """(number, event, step) from `from_seq` on, decoded; raises `Fatal` naming the event that cannot be read."""
        yield from map(_decoded, self.raw(from_seq))

    def export_kept(self, from_seq: int = 1) -> Iterator[tuple[int, AnyEvent, Step]]:
        """The same without plain market data, which may have been dropped."""
        yield from map(_decoded, self.kept(from_seq))

    def verify(self) -> list[Finding]:
        """What is wrong with the chain or the file, in order; empty means every byte is as it was written."""
        return verify(self)

    def close(self) -> None:
        """Give the file back; committed rows stay."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _decoded(numbered: tuple[int, bytes, bytes]) -> tuple[int, AnyEvent, Step]:
    seq, event, step = numbered
    try:
        return seq, decode_event(event), decode_step(step)
    except msgspec.DecodeError as error:
        raise Fatal(f"journal event {seq}: cannot be decoded ({error}); was it written by a newer version?") from None


def _row(values: tuple[Any, ...]) -> Row:
    number, first, last, at_ns, fence, kinds, previous, hashed, blob, market_hash, market = values
    return Row(row_number=number, first_seq=first, last_seq=last, at_ns=at_ns, fence=fence, kinds=kinds,
               previous_hash=previous, hash=hashed, blob=blob, market_hash=market_hash, market=market)


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()
