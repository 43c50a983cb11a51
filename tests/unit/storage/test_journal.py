"""The journal keeps what it was given, in order, and notices every change."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from bot.domain.errors import BotError, ConfigRefused, Fatal, Retryable
from bot.engine.step import Step
from bot.storage.journal import Journal
from bot.storage.journal_codec import (
    KIND_FILL,
    RunHash,
    decode_event,
    decode_step,
    encode_event,
    encode_step,
    kinds_of,
)
from bot.storage.journal_queries import fills
from bot.storage.journal_rows import Batch, Identity
from bot.storage.lease import newest_epoch, take_epoch
from tests.runtime_fakes import START_NS, FakeEngine, FakeExchange, make_schedule, marks, minute_marks

IDENTITY = Identity(account="test", kind="demo", created_ns=START_NS)


def batch(first_seq: int, count: int = 3, fence: int = 1) -> Batch:
    pairs = tuple((encode_event(marks(START_NS + first_seq + index)), encode_step(Step())) for index in range(count))
    return Batch(first_seq=first_seq, at_ns=START_NS + first_seq + count - 1, fence=fence, kinds=0, pairs=pairs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three rows, nine events."""
    path = tmp_path / "journal.db"
    with Journal.create(path, IDENTITY) as journal:
        for first in (1, 4, 7):
            journal.append(batch(first))
    return path


def test_every_event_and_step_of_a_run_survives_encoding() -> None:
    """Decoding what was encoded gives the same value, and encoding that gives the same bytes."""
    schedule, engine = make_schedule(minute_marks(60), FakeExchange()), FakeEngine(every=3)
    kinds = set()
    while (event := schedule.pop()) is not None:
        step = engine.step(event)
        schedule.handle(event.at_ns, step.commands)
        schedule.wake(step.wake_ns)
        kinds.add(type(event).__name__)
        assert decode_event(encode_event(event)) == event
        assert encode_step(decode_step(encode_step(step))) == encode_step(step)
    assert {"Marks", "Fill", "OrderAccepted", "DeadlineReached", "SessionStarted"} <= kinds


def test_export_gives_back_what_was_appended(path: Path) -> None:
    """Numbers run from 1 without a gap, from any start."""
    with Journal.open_readonly(path) as journal:
        assert [(seq, event.at_ns - START_NS) for seq, event, _ in journal.export()] == [(n, n) for n in range(1, 10)]
        assert [seq for seq, _, _ in journal.export(from_seq=6)] == [6, 7, 8, 9]
        assert journal.verify() == []


def test_I16_a_gap_is_never_appended(path: Path) -> None:
    """A batch that does not follow is refused, and nothing is written."""
    with Journal.open(path) as journal:
        with pytest.raises(Fatal, match="do not follow 9"):
            journal.append(batch(11))
        assert journal.head.last_seq == 9


def test_the_journal_syncs_every_commit(path: Path) -> None:
    """F55: WAL with synchronous FULL (2), on the connection that writes."""
    with Journal.open(path) as journal:
        assert journal.connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_F69_every_flipped_bit_in_a_row_is_found(path: Path) -> None:
    """Whatever byte of a row's contents changes, `verify` names the row."""
    with Journal.open(path) as journal:
        blob = journal.row(2).blob
    for position in range(0, len(blob), 7):
        changed = blob[:position] + bytes([blob[position] ^ 0x10]) + blob[position + 1:]
        db = sqlite3.connect(path)
        db.execute("UPDATE batches SET blob = ? WHERE row_number = 2", (changed,))
        db.commit()
        db.close()
        with Journal.open_readonly(path) as journal:
            assert [finding.row_number for finding in journal.verify()] == [2]


@pytest.mark.parametrize("change", ["DELETE FROM batches WHERE row_number = 2", "UPDATE batches SET at_ns = at_ns + 1",
                                    "UPDATE batches SET fence = 9 WHERE row_number = 3",
                                    "UPDATE identity SET account = 'other'"])
def test_a_changed_row_or_identity_breaks_the_chain(path: Path, change: str) -> None:
    """Missing rows, changed numbers and an exchanged identity are findings."""
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()
    with Journal.open_readonly(path) as journal:
        assert journal.verify()


def test_a_torn_file_is_one_clear_line(path: Path) -> None:
    """F68: a file cut in half is refused or found, never read as whole."""
    os.truncate(path, path.stat().st_size // 2)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

    def read() -> None:
        with Journal.open_readonly(path) as journal:
            for finding in journal.verify():
                raise Fatal(finding.what)

    with pytest.raises(Fatal, match=r"^[^\n]+$"):
        read()


@pytest.mark.parametrize("page", range(1, 12))
def test_F69_a_damaged_page_anywhere_never_shows_the_databases_own_error(tmp_path: Path, page: int) -> None:
    """Rows, indexes or the tree above them: whatever page is damaged, a reader gets one line that names the file."""
    path = tmp_path / "journal.db"
    with Journal.create(path, IDENTITY) as journal:
        for first in range(1, 400, 4):
            journal.append(batch(first, 4))
    data = bytearray(path.read_bytes())
    start = page * 4096
    assert start < len(data)
    for place in range(start, start + 4096, 5):
        data[place] ^= 0x5A
    path.write_bytes(bytes(data))

    def read() -> None:
        with Journal.open(path) as journal:
            findings = [finding.what for finding in journal.verify()]
            journal.row_ending_at(200)
            newest_epoch(journal)
            fills(journal)
            take_epoch(journal, START_NS, "b")
            raise Fatal(f"journal: {findings}")

    with pytest.raises(BotError, match=r"^[^\n]*journal[^\n]*$"):
        read()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """Text is not a journal, and neither is another program's database."""
    text = tmp_path / "text.db"
    text.write_text("hello, this is not a database at all" * 40)
    with pytest.raises(Fatal, match="cannot be read"):
        Journal.open(text)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(ConfigRefused, match="not a journal"):
        Journal.open(other)
    with pytest.raises(ConfigRefused, match="no journal there"):
        Journal.open(tmp_path / "none.db")


def test_F70_a_newer_schema_is_refused(path: Path) -> None:
    """An older program must not write into a newer file."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigRefused, match="newer version"):
        Journal.open(path)


def test_F72_another_accounts_journal_is_refused(path: Path) -> None:
    """Account and kind must be those of the identity row."""
    with pytest.raises(ConfigRefused, match="belongs to demo/test"):
        Journal.open(path, account="test", kind="live")


def test_F65_readers_see_commits_while_the_writer_writes(path: Path) -> None:
    """A read-only connection reads beside the writer, and cannot write."""
    with Journal.open(path) as writer, Journal.open_readonly(path) as reader:
        assert len(list(reader.raw())) == 9
        writer.append(batch(10))
        assert len(list(reader.raw())) == 12
        with pytest.raises(Retryable):
            reader.append(batch(10))


def test_a_journal_in_a_readonly_folder_can_be_replayed(path: Path) -> None:
    """Nothing has to be written to read a closed journal."""
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with Journal.open_readonly(path) as journal:
            assert len(list(journal.raw())) == 9
    finally:
        path.parent.chmod(stat.S_IRWXU)


def test_epochs_rise_and_an_older_writer_is_shut_out(path: Path) -> None:
    """F62: whoever took the newer epoch owns the journal; the older instance's rows are refused."""
    with Journal.open(path) as old, Journal.open(path) as new:
        first = take_epoch(old, START_NS, "b")
        assert first > 1
        second = take_epoch(new, START_NS, "b", floor=first + 40)
        assert second == first + 41 == newest_epoch(old)
        with pytest.raises(Fatal, match="has taken over"):
            old.append(batch(10, fence=first))
        new.append(batch(10, fence=second))


def test_F67_a_commit_that_may_have_been_written_is_looked_for_first(path: Path) -> None:
    """After a failed commit the same batch goes in once, whether or not it was on disk already."""
    with Journal.open(path) as journal, Journal.open(path) as other:
        other.connection.execute("BEGIN IMMEDIATE")
        journal.connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(Retryable, match="row 4"):
            journal.append(batch(10))
        other.connection.execute("COMMIT")
        other.append(batch(10))  # as if the failed commit had reached the disk after all
        journal.append(batch(10))
        assert journal.head.last_seq == 12
        assert journal.verify() == []


def test_kinds_mark_what_a_row_holds() -> None:
    """Fills are found by their bit; plain market data has none."""
    schedule, engine = make_schedule(minute_marks(10), FakeExchange()), FakeEngine(every=2)
    found = {}
    while (event := schedule.pop()) is not None:
        step = engine.step(event)
        schedule.handle(event.at_ns, step.commands)
        found[type(event).__name__] = kinds_of(event, step)
    assert found["Fill"] & KIND_FILL
    assert kinds_of(marks(START_NS), Step()) == 0


def test_the_run_hash_sees_the_border_between_event_and_step() -> None:
    """Moving a byte from event to step changes the hash."""
    first, second = RunHash(), RunHash()
    first.add(b"ab", b"c")
    second.add(b"a", b"bc")
    assert first.hexdigest() != second.hexdigest()
