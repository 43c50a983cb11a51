"""`venue.db`: the simulated exchange's own books (SQLite, WAL, every commit synced)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused, Fatal, Retryable
from bot.domain.values import Venue
from bot.venues.simulated.account import LogEntry, VenueOrder
from bot.venues.simulated.saved import ENTRY, ORDER, SAVED_VERSION, STATE, HistoryRow, SavedExchange

_APPEND: Final = {
    "orders": "INSERT INTO orders VALUES (?, ?, ?, ?)",
    "trades": "INSERT INTO trades VALUES (?, ?, ?, ?)",
    "funding": "INSERT INTO funding VALUES (?, ?, ?, ?)",
    "cash": "INSERT INTO cash VALUES (?, ?, ?, ?)",
}
_READ_LOG: Final = (
    "SELECT place, body FROM trades WHERE venue = :venue UNION ALL SELECT place, body FROM funding WHERE venue = :venue"
    " UNION ALL SELECT place, body FROM cash WHERE venue = :venue ORDER BY place")
_DISK_TROUBLE: Final = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
})
"""Failures that leave the file as it was; any other means that it is damaged."""
_APPLICATION_ID: Final = 0x65766B76
"""Marks the file as ours."""
_SCHEMA: Final = (
    *(f"CREATE TABLE IF NOT EXISTS {table} (venue TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL,"
      " body BLOB NOT NULL, PRIMARY KEY (venue, place)) WITHOUT ROWID" for table in _APPEND),
    "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL,"
    " digest BLOB NOT NULL)",
)


class BooksFile:
    """History rows are appended, the present is one row replaced; both in one transaction per commit.

    Raises:
        ConfigRefused: the folder is missing or read-only, or the file belongs to something else.
        Fatal: the file is damaged, or a write fails for another reason than the disk.
    """

    def __init__(self, path: Path, mark: Callable[[str], None] | None = None) -> None:
        """`mark` is told `before_books` and `after_books` around each commit (rehearsals of a crash)."""
        self.path = path
        self._mark = mark or _unmarked
        if not path.parent.is_dir():
            raise ConfigRefused(f"{path}: folder {path.parent} does not exist; create it or choose another --home")
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise ConfigRefused(f"{path}: cannot open the exchange's books ({error})") from error
        try:
            self._prepare()
        except sqlite3.OperationalError as error:
            self._db.close()
            raise ConfigRefused(f"{path}: cannot write the exchange's books ({error}); check the folder") from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._damaged(str(error)) from error
        except ConfigRefused:
            self._db.close()
            raise

    @property
    def holds_account(self) -> bool:
        """Whether anything was ever committed here."""
        try:
            return self._db.execute("SELECT 1 FROM state").fetchone() is not None
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def write(self, state: bytes, rows: Iterable[HistoryRow]) -> None:
        """Append the rows and replace the present, synced, all or nothing.

        Raises:
            Retryable: the disk did not take it (full, read-only, an I/O error); nothing may be assumed written.
            Fatal: the file is damaged.
        """
        self._mark("before_books")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for row in rows:
                self._db.execute(_APPEND[row.table], (row.venue, row.place, row.name, row.body))
            self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (state, _digest(state)))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            kind = Retryable if error.sqlite_errorcode & 0xFF in _DISK_TROUBLE else Fatal
            raise kind(f"{self.path}: the exchange's books could not be written ({error})") from error
        self._mark("after_books")

    def read(self) -> SavedExchange:
        """The present as last committed.

        Raises:
            ConfigRefused: there is none, or a newer version of the program wrote it.
            Fatal: it does not decode or its digest does not fit.
        """
        try:
            row = self._db.execute("SELECT body, digest FROM state").fetchone()
            if row is None:
                raise ConfigRefused(f"{self.path}: holds no account yet")
            body, digest = row
            if _digest(body) != digest:
                raise self._damaged("the state's digest does not fit")
            saved = STATE.decode(body)
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise self._damaged(str(error)) from error
        if saved.version != SAVED_VERSION:
            raise ConfigRefused(f"{self.path}: books of version {saved.version}, this program knows {SAVED_VERSION}")
        return saved

    def closed_orders(self, venue: Venue) -> list[VenueOrder]:
        """A venue's finished orders in the order in which they closed."""
        try:
            rows = self._db.execute("SELECT body FROM orders WHERE venue = ? ORDER BY place", (venue,)).fetchall()
            return [ORDER.decode(body) for (body,) in rows]
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise self._damaged(str(error)) from error

    def log(self, venue: Venue) -> list[LogEntry]:
        """A venue's log: trades, funding and cash merged by place; a gap means damage."""
        try:
            rows = self._db.execute(_READ_LOG, {"venue": venue}).fetchall()
            entries = [ENTRY.decode(body) for _, body in rows]
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise self._damaged(str(error)) from error
        if [place for place, _ in rows] != list(range(len(rows))):
            raise self._damaged(f"rows of {venue} are missing")
        return entries

    def close(self) -> None:
        """Close the file; nothing is written."""
        self._db.close()

    def _prepare(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != _APPLICATION_ID:
            raise ConfigRefused(f"{self.path}: another program's database; choose another --home or --account")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute("COMMIT")

    def _damaged(self, why: str) -> Fatal:
        return Fatal(f"{self.path}: the exchange's books are damaged ({why}); restore a copy or use --account NAME")


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _unmarked(name: str) -> None:
    """Nobody rehearses."""
