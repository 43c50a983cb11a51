"""Whatever bit of a journal flips, `verify` says so, unless nothing that anyone reads has changed."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import BotError
from bot.storage.journal import Journal
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Identity
from bot.storage.lease import take_epoch
from tests.unit.storage.test_journal_retention import record

IDENTITY = Identity(account="test", kind="demo", created_ns=5)


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """A journal with dropped stretches, rows with and without market data, and an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        record(path, every=15, minutes=120)
        with Journal.open(path) as journal:
            take_epoch(journal, 5, "b", floor=1)
            while drop_market_data(journal, 60):
                pass
        yield path


def damaged(path: Path, change: bytes | None = None) -> bool:
    """Whether anything at all is noticed when the journal is opened and verified."""
    if change is not None:
        path.write_bytes(change)
    try:
        with Journal.open_readonly(path) as journal:
            return bool(journal.verify())
    except BotError:
        return True


def contents(path: Path) -> list[Any]:
    """All that a reader can get."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                for table in ("identity", "batches", "segments")]
    finally:
        db.close()


@settings(max_examples=60, deadline=None)
@given(column=st.sampled_from(["first_seq", "last_seq", "at_ns", "fence", "kinds", "previous_hash", "hash", "blob",
                               "market_hash", "market"]), pick=st.integers(0, 10**6), bit=st.integers(0, 10**6))
def test_F69_every_flipped_bit_of_a_row_is_found(sound: Path, column: str, pick: int, bit: int) -> None:
    """100 % of the bits of every column that holds something."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        path.write_bytes(sound.read_bytes())
        db = sqlite3.connect(path, isolation_level=None)
        rows = db.execute(f"SELECT row_number, {column} FROM batches WHERE {column} IS NOT NULL"
                          f" AND {column} != x''").fetchall()
        number, value = rows[pick % len(rows)]
        if isinstance(value, bytes):
            place = bit % (8 * len(value))
            changed: object = value[:place // 8] + bytes([value[place // 8] ^ 1 << place % 8]) + value[place // 8 + 1:]
        else:
            changed = value ^ 1 << bit % 62
        db.execute(f"UPDATE OR REPLACE batches SET {column} = ? WHERE row_number = ?", (changed, number))
        db.close()
        assert damaged(path)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_F69_a_flipped_bit_anywhere_in_the_file_is_found_or_changes_nothing(sound: Path, place: int, bit: int) -> None:
    """Rows, trees, indexes, free pages: what `verify` does not notice, no reader would ever see."""
    data = bytearray(sound.read_bytes())
    data[place % len(data)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        if not damaged(path, bytes(data)):
            assert contents(path) == contents(sound)
