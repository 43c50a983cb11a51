"""The journal's file: its tables, how it is opened, and how a file of an older schema becomes one of ours.

A migration is one transaction: killed anywhere it leaves the old file or the new one. The hashes of old rows stay as
they are, so the chain runs through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bot.domain.errors import ConfigRefused, Fatal
from bot.storage.durable_file import put_in_place
from bot.storage.journal_rows import APPLICATION_ID, SCHEMA_VERSION, Identity

SCHEMA: Final = """
CREATE TABLE identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), account TEXT NOT NULL, kind TEXT NOT NULL,
    created_ns INTEGER NOT NULL, schema_version INTEGER NOT NULL) STRICT;
CREATE TABLE batches (row_number INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL UNIQUE, last_seq INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, fence INTEGER NOT NULL, kinds INTEGER NOT NULL, previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL, blob BLOB NOT NULL, market_hash BLOB, market BLOB) STRICT;
CREATE INDEX batches_of_note ON batches (row_number, kinds) WHERE kinds != 0;
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, build TEXT NOT NULL,
    pid INTEGER NOT NULL) STRICT;
"""
_SCHEMA_2: Final = (
    "CREATE TABLE segments (first_row INTEGER PRIMARY KEY, last_row INTEGER NOT NULL, first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, at_ns INTEGER NOT NULL, previous_hash BLOB NOT NULL, hash BLOB NOT NULL,"
    " seal BLOB NOT NULL) STRICT",
    "CREATE TABLE retention (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), row_number INTEGER NOT NULL,"
    " seq INTEGER NOT NULL) STRICT",
    "INSERT INTO retention VALUES (1, 0, 0)",
    "CREATE TABLE restores (number INTEGER PRIMARY KEY, restored_ns INTEGER NOT NULL, source TEXT NOT NULL,"
    " epoch INTEGER NOT NULL) STRICT",
)
"""What schema 2 adds, after its two columns: dropped segments, how far market data have been dropped, restores."""
_MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: ("ALTER TABLE batches ADD COLUMN market_hash BLOB", "ALTER TABLE batches ADD COLUMN market BLOB", *_SCHEMA_2),
}
"""Statements that bring a file from that schema to the next."""
_BUSY_TIMEOUT_S: Final = 5.0


def create_file(path: Path, identity: Identity) -> None:
    """A new, empty journal at `path`, whole or absent. Raises `sqlite3.Error` or `OSError`."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    db = sqlite3.connect(draft, isolation_level=None)
    try:
        db.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
                         f"PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {SCHEMA} {';'.join(_SCHEMA_2)}; COMMIT;")
        db.execute("INSERT INTO identity VALUES (1, ?, ?, ?, ?)",
                   (identity.account, identity.kind, identity.created_ns, identity.schema_version))
    finally:
        db.close()
    put_in_place(draft, path)


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A connection in autocommit mode: WAL and full sync to write, or one that cannot write. Raises `sqlite3.Error`."""
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


def schema_of(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema version.

    Raises:
        ConfigRefused: another program's file, or one of a newer version of ours.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ConfigRefused(f"{path}: not a journal of this program; give the journal.db of an account")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise ConfigRefused(f"{path}: written by a newer version (schema {version}, this program knows "
                            f"{SCHEMA_VERSION}); install the newer program")
    return version


def identity_of(db: sqlite3.Connection, path: Path) -> Identity:
    """Whose journal it is; raises `Fatal` if the row is gone."""
    found = db.execute("SELECT account, kind, created_ns, schema_version FROM identity").fetchone()
    if found is None:
        raise Fatal(f"{path}: row 1 of `identity` is missing; restore a backup")
    return Identity(account=found[0], kind=found[1], created_ns=found[2], schema_version=found[3])


def copy_aside(db: sqlite3.Connection, path: Path, version: int) -> Path:
    """Keep a whole copy beside the journal before it is migrated; the copy's path.

    Raises:
        ConfigRefused: it cannot be kept, so nothing is migrated.
    """
    to = path.with_name(f"{path.name}.schema-{version}")
    draft = to.with_name(f".{to.name}.new")
    try:
        draft.unlink(missing_ok=True)
        target = sqlite3.connect(draft, isolation_level=None)
        try:
            db.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            counts = [each.execute("SELECT count(*), max(last_seq) FROM batches").fetchone() for each in (db, target)]
        finally:
            target.close()
        if counts[0] != counts[1]:
            raise OSError(0, "the copy is not whole")
        put_in_place(draft, to)
    except (OSError, sqlite3.OperationalError) as error:
        draft.unlink(missing_ok=True)
        raise ConfigRefused(f"{path}: no copy could be kept before bringing it to schema {SCHEMA_VERSION} ({error}); "
                            "make room and start again") from None
    return to


def migrate(db: sqlite3.Connection, version: int, *, before_each: Callable[[str], None] | None = None) -> None:
    """Bring an open file to our schema in one transaction. Raises `sqlite3.Error`, the file then as it was.

    Args:
        db: of a journal of an older schema, open for writing.
        version: its schema.
        before_each: called with each statement before it runs (tests kill the process there).
    """
    statements = ["BEGIN IMMEDIATE", *(statement for step in range(version, SCHEMA_VERSION)
                                       for statement in _MIGRATIONS[step]),
                  f"PRAGMA user_version={SCHEMA_VERSION}", "COMMIT"]
    try:
        for statement in statements:
            if before_each is not None:
                before_each(statement)
            db.execute(statement)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
