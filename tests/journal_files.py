"""Journals made for tests: of this schema, and of the first one."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bot.storage.journal_rows import APPLICATION_ID, Batch, Identity

_SCHEMA_1 = """
CREATE TABLE identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), account TEXT NOT NULL, kind TEXT NOT NULL,
    created_ns INTEGER NOT NULL, schema_version INTEGER NOT NULL) STRICT;
CREATE TABLE batches (row_number INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL UNIQUE, last_seq INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, fence INTEGER NOT NULL, kinds INTEGER NOT NULL, previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL, blob BLOB NOT NULL) STRICT;
CREATE INDEX batches_of_note ON batches (row_number, kinds) WHERE kinds != 0;
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, build TEXT NOT NULL,
    pid INTEGER NOT NULL) STRICT;
"""


def write_schema_1(path: Path, account: str, kind: str, batches: Sequence[Batch]) -> None:
    """A journal as the first version of the program wrote it: one part a row, hashed as it stands."""
    identity = Identity(account=account, kind=kind, created_ns=5, schema_version=1)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1; PRAGMA journal_mode=WAL;"
                     f"BEGIN; {_SCHEMA_1} COMMIT;")
    db.execute("INSERT INTO identity VALUES (1, ?, ?, 5, 1)", (account, kind))
    db.execute("INSERT INTO epochs VALUES (1, 5, 'b', 1)")
    previous = identity.genesis()
    for number, batch in enumerate(batches, 1):
        blob = b"\x00" + msgspec.msgpack.encode(batch.pairs)
        head = struct.pack("<qqqqqq", number, batch.first_seq, batch.last_seq, batch.at_ns, batch.fence, batch.kinds)
        hashed = hashlib.sha256(previous + head + blob).digest()
        db.execute("INSERT INTO batches VALUES (?,?,?,?,?,?,?,?,?)", (
            number, batch.first_seq, batch.last_seq, batch.at_ns, batch.fence, batch.kinds, previous, hashed, blob))
        previous = hashed
    db.close()
