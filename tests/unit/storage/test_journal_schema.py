"""A journal of an older schema becomes one of ours, wholly or not at all."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.storage.journal import Journal
from bot.storage.journal_schema import SCHEMA, connect, migrate
from bot.storage.lease import take_epoch
from tests.journal_files import write_schema_1
from tests.unit.storage.test_journal import batch

CHILD = """
import os, signal, sys
from pathlib import Path
from bot.storage.journal_schema import connect, migrate
count = 0
def strike(statement):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
migrate(connect(Path(sys.argv[1]), readonly=False), 1, before_each=strike)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Three rows, nine events, written by the first version."""
    path = tmp_path / "journal.db"
    write_schema_1(path, "test", "demo", [batch(1), batch(4), batch(7)])
    return path


def contents(path: Path) -> tuple[int, str]:
    """(schema version, hash of every event) of a journal, read without changing it."""
    with Journal.open_readonly(path) as journal:
        assert journal.verify() == []
        return journal.schema, hashlib.sha256(b"".join(event for _, event, _ in journal.raw())).hexdigest()


def test_an_older_file_is_read_as_it_is(old: Path) -> None:
    """Reading does not migrate: `replay` of an old record changes no byte of it."""
    before = old.read_bytes()
    assert contents(old)[0] == 1
    with Journal.open_readonly(old) as journal:
        assert [seq for seq, _, _ in journal.kept()] == list(range(1, 10))
        assert (journal.whole_from, list(journal.segments())) == (1, [])
    assert old.read_bytes() == before


def test_F70_an_older_file_goes_on_under_our_schema(old: Path) -> None:
    """Its rows keep their hashes, new rows follow in one chain, and an older program would refuse the file now."""
    first = contents(old)
    with Journal.open(old, "test", "demo") as journal:
        fence = take_epoch(journal, 6, "b")
        journal.append(batch(10, fence=fence))
        assert journal.verify() == []
        assert [seq for seq, _, _ in journal.raw()] == list(range(1, 13))
    assert contents(old)[0] == 2
    assert contents(old) != first
    assert sqlite3.connect(old).execute("PRAGMA user_version").fetchone() == (2,)


def test_F70_a_migration_killed_at_any_statement_leaves_the_old_file_or_the_new(old: Path, tmp_path: Path) -> None:
    """SIGKILL before each statement in turn; never half, and the next opening finishes it."""
    statements: list[str] = []
    migrate(connect(_copy(old, tmp_path / "count.db"), readonly=False), 1, before_each=statements.append)
    assert len(statements) >= 8
    expected = contents(old)[1]
    for number in range(1, len(statements) + 1, 3):
        path = _copy(old, tmp_path / f"killed-{number}.db")
        killed = subprocess.run([sys.executable, "-c", CHILD, str(path), str(number)], check=False, timeout=60)
        assert killed.returncode == -9
        assert contents(path) == (1, expected)
        with Journal.open(path) as journal:
            assert journal.verify() == []
        assert contents(path) == (2, expected)


def test_a_migrated_file_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    """Whichever way a file came to this schema, it has the same tables and columns."""
    with Journal.open(old) as migrated, Journal.create(tmp_path / "new.db", migrated.identity) as new:
        assert _columns(migrated) == _columns(new)
    assert "market_hash" in SCHEMA


def _columns(journal: Journal) -> dict[str, list[tuple[str, str]]]:
    tables = [row[0] for row in journal.select("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {table: [(row[1], row[2]) for row in journal.select(f"PRAGMA table_info({table})")] for table in tables}


def _copy(path: Path, to: Path) -> Path:
    for suffix in ("", "-wal"):
        if path.with_name(path.name + suffix).exists():
            shutil.copy(path.with_name(path.name + suffix), to.with_name(to.name + suffix))
    return to
