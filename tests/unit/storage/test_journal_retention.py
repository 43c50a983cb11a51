"""Old market data leave, everything else stays, and the chain verifies as before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bot.domain.errors import Retryable, Unavailable
from bot.runtime.backtest import JournalBatches
from bot.storage.journal import Journal
from bot.storage.journal_codec import encode_event, encode_step
from bot.storage.journal_queries import fills, orders
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Finding, Identity
from tests.runtime_fakes import START_NS, FakeEngine, FakeExchange, make_schedule, minute_marks

IDENTITY = Identity(account="test", kind="demo", created_ns=START_NS)


def record(path: Path, every: int = 10, minutes: int = 200, row_events: int = 4) -> None:
    """A run of marks with an order every so often, a few events to a row."""
    schedule, engine = make_schedule(minute_marks(minutes), FakeExchange()), FakeEngine(every=every)
    with Journal.create(path, IDENTITY) as journal:
        batches, count = JournalBatches(journal, 1), 0
        while (event := schedule.pop()) is not None:
            step = engine.step(event)
            schedule.handle(event.at_ns, step.commands)
            schedule.wake(step.wake_ns)
            batches.add(event, step, encode_event(event), encode_step(step))
            count += 1
            if count % row_events == 0:
                batches.flush()
        batches.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    record(path)
    return path


def drop(path: Path, before_seq: int, rows_max: int = 7) -> None:
    with Journal.open(path) as journal:
        while drop_market_data(journal, before_seq, rows_max):
            pass


def test_the_chain_verifies_when_old_market_data_are_gone(path: Path) -> None:
    """Rows of market data alone become few segments, the others keep their hashes; new rows still follow."""
    with Journal.open_readonly(path) as journal:
        before, head = list(journal.rows()), journal.head
    drop(path, 150)
    with Journal.open_readonly(path) as journal:
        assert journal.verify() == []
        assert journal.head == head
        segments, rows = list(journal.segments()), list(journal.rows())
        assert segments
        assert len(rows) < len(before)
        dropped = sum(segment.last_row - segment.first_row + 1 for segment in segments)
        assert len(rows) + dropped == len(before)
        starts = {segment.first_row: segment.last_row for segment in segments}
        assert not set(starts) & {end + 1 for end in starts.values()}, "two segments side by side"


def test_what_is_to_be_kept_is_kept_for_ever(path: Path) -> None:
    """Every event but plain market data is there byte for byte, and history answers as before."""
    with Journal.open_readonly(path) as journal:
        kept, asked = list(journal.kept()), (fills(journal), orders(journal))
        assert 10 < len(kept) < journal.head.last_seq
    drop(path, 1 << 40)
    with Journal.open_readonly(path) as journal:
        assert list(journal.kept()) == kept
        assert (fills(journal), orders(journal)) == asked


def test_reading_a_dropped_stretch_says_what_is_missing(path: Path) -> None:
    """Never silently fewer events: from the beginning it refuses, from behind the stretch it reads on."""
    drop(path, 150)
    with Journal.open_readonly(path) as journal:
        whole_from = journal.whole_from
        assert 1 < whole_from <= 150
        with pytest.raises(Unavailable, match=f"up to {whole_from - 1} have been dropped"):
            list(journal.raw())
        assert [seq for seq, _, _ in journal.raw(whole_from)] == list(range(whole_from, journal.head.last_seq + 1))


def test_a_row_at_which_a_snapshot_lies_stays(path: Path) -> None:
    """Dropping ends before the row that ends with the given event."""
    with Journal.open_readonly(path) as journal:
        seq = journal.row(20).last_seq
    drop(path, seq)
    with Journal.open_readonly(path) as journal:
        row = journal.row_ending_at(seq)
        assert row is not None
        assert row.pairs()
        assert journal.whole_from == row.first_seq


def test_dropping_again_joins_what_was_dropped_before(path: Path) -> None:
    """Piece by piece or at once: the same segments remain."""
    for before in (40, 80, 120, 150):
        drop(path, before, 3)
    other = path.with_name("other.db")
    record(other)
    drop(other, 150, 1000)
    with Journal.open_readonly(path) as first, Journal.open_readonly(other) as second:
        assert list(first.segments()) == list(second.segments())


@pytest.mark.parametrize("change", [
    "UPDATE segments SET last_seq = last_seq + 1", "UPDATE segments SET at_ns = at_ns + 1", "DELETE FROM segments",
    "UPDATE segments SET hash = zeroblob(32)", "UPDATE segments SET previous_hash = zeroblob(32)",
    "UPDATE segments SET seal = zeroblob(32)", "UPDATE batches SET market_hash = zeroblob(32) WHERE market IS NULL",
    "UPDATE batches SET market = x'00' WHERE market IS NULL",
])
def test_F69_a_changed_segment_or_pruned_row_is_found(path: Path, change: str) -> None:
    """What bridges a dropped stretch is as well guarded as what it replaces."""
    drop(path, 150)
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()
    with Journal.open_readonly(path) as journal:
        assert journal.verify()


def test_a_failed_drop_changes_nothing(path: Path) -> None:
    """While another holds the file nothing is dropped, and it can be tried again."""
    with Journal.open(path) as journal, Journal.open(path) as other:
        other.connection.execute("BEGIN IMMEDIATE")
        journal.connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(Retryable, match="not dropped"):
            drop_market_data(journal, 150)
        other.connection.execute("ROLLBACK")
        assert journal.whole_from == 1
        drop_market_data(journal, 150)
        assert journal.whole_from > 1


def test_rows_of_the_first_schema_stay_whole(tmp_path: Path) -> None:
    """They have one part, which is kept: nothing of them can be dropped without breaking their hash."""
    from tests.journal_files import write_schema_1
    from tests.unit.storage.test_journal import batch

    path = tmp_path / "old.db"
    write_schema_1(path, "test", "demo", [batch(1), batch(4)])
    drop(path, 1 << 40)
    with Journal.open_readonly(path) as journal:
        findings: list[Finding] = journal.verify()
        assert findings == []
        assert len(list(journal.kept())) == 6
