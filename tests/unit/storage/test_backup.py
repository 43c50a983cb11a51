"""Backups are whole, verified and of one instant; a restore is all or nothing."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from bot.domain.errors import ConfigRefused, Fatal, Retryable
from bot.storage.account_dir import AccountDir
from bot.storage.backup import attachments, automatic_backups, look_into, make_backup, room_for_backup, rotate
from bot.storage.disk import DiskGuard
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from bot.storage.lease import EpochWitness, last_restore, newest_epoch, take_epoch
from bot.storage.params import StorageParams
from bot.storage.restore import finish_restore, restore
from bot.storage.snapshot import Snapshot, SnapshotStore
from tests.runtime_fakes import START_NS
from tests.unit.storage.test_journal import batch

NOW_NS = 1_735_689_600_000_000_000


class Killed(BaseException):
    """The process is gone: nothing of ours may react to it."""


def strike_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die before the n-th folder or renaming."""
    count = 0

    def patch(name: str) -> None:
        real = getattr(Path, name)

        def act(self: Path, *args: object, **keys: object) -> object:
            nonlocal count
            count += 1
            if count == number:
                raise Killed
            return real(self, *args, **keys)

        monkeypatch.setattr(Path, name, act)

    for name in ("rename", "replace", "mkdir", "rmdir"):
        patch(name)


def account(home: Path, rows: int = 3, kind: str = "demo") -> AccountDir:
    """A simulated account: a journal of some rows, the exchange's books that say how many, and a snapshot."""
    place = AccountDir(home, kind, "main", home / "short").prepare()
    with Journal.create(place.journal, Identity(account="main", kind=kind, created_ns=START_NS)) as journal:
        take_epoch(journal, START_NS, "b")
        for number in range(rows):
            journal.append(batch(1 + 3 * number))
        head = journal.head
    set_books(place, rows)
    SnapshotStore(place.snapshots).write(Snapshot(seq=head.last_seq, at_ns=head.at_ns, journal_hash=head.hash,
                                                  build="b", config_hash="c", engine=b"e"))
    return place


def set_books(place: AccountDir, value: int) -> None:
    db = sqlite3.connect(place.venue, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY, body INTEGER)")
    db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (value,))
    db.close()


def books_in(backup: Path, scratch: Path) -> int:
    with Journal.open_readonly(backup) as journal:
        scratch.write_bytes(attachments(journal)["venue.db"])
    return int(sqlite3.connect(scratch).execute("SELECT body FROM state").fetchone()[0])


def state_of(place: AccountDir) -> tuple[int, int, int]:
    """(events, value in the books, snapshots on the chain)."""
    with Journal.open_readonly(place.journal) as journal:
        assert journal.verify() == []
        head = journal.head
    books = sqlite3.connect(place.venue).execute("SELECT body FROM state").fetchone()[0]
    return head.last_seq, int(books), len(list(SnapshotStore(place.snapshots).newest_first()))


def test_F68_a_backup_is_a_whole_journal_with_its_attachments(tmp_path: Path) -> None:
    """It opens and verifies by itself, and holds the exchange's books, the newest snapshot and the kill latch."""
    place = account(tmp_path)
    KillLatch(*place.kill_places).set("by hand")
    made = make_backup(place, None, NOW_NS)
    assert (made.account, made.kind, made.epoch, made.events) == ("main", "demo", 1, 9)
    assert Path(made.path).name == "backup-20250101T000000Z-e1-s9.db"
    assert sorted(made.attachments) == ["KILL", "snapshots/" + next((place.snapshots).iterdir()).name, "venue.db"]
    assert look_into(Path(made.path)) == (made, [])
    assert [path.name for path in place.backups.iterdir()] == [Path(made.path).name]


def test_a_backup_made_while_the_account_is_written_is_of_one_instant(tmp_path: Path) -> None:
    """The books in it are never ahead of or behind the journal by more than what a crash would leave."""
    place, stop = account(tmp_path, rows=1), threading.Event()

    def write() -> None:
        with Journal.open(place.journal) as journal:
            while not stop.is_set():
                journal.append(batch(journal.head.last_seq + 1))
                set_books(place, journal.head.row_number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(6):
            made = make_backup(place, tmp_path / f"{number}.db", NOW_NS)
            behind = made.events // 3 - books_in(tmp_path / f"{number}.db", tmp_path / "books.db")
            assert behind in (0, 1)
    finally:
        stop.set()
        writer.join()


def test_F69_damage_is_not_backed_up(tmp_path: Path) -> None:
    """The row is named, and no file is left."""
    place = account(tmp_path)
    with Journal.open(place.journal) as journal:
        journal.connection.execute("UPDATE batches SET at_ns = at_ns + 1 WHERE row_number = 2")
    with pytest.raises(Fatal, match="row 2"):
        make_backup(place, None, NOW_NS)
    assert list(place.backups.iterdir()) == []


def test_a_backup_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A folder in the way."""
    place = account(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(Retryable, match=r"^[^\n]*folder[^\n]*$"):
        make_backup(place, tmp_path / "folder", NOW_NS)


def test_at_least_seven_backups_are_kept(tmp_path: Path) -> None:
    """The oldest automatic ones go; what a person made stays."""
    place = account(tmp_path)
    make_backup(place, place.backups / "mine.db", NOW_NS)
    for day in range(10):
        make_backup(place, None, NOW_NS + day * 86_400 * 10**9)
    assert rotate(place, 7) == 3
    names = [path.name for path in automatic_backups(place)]
    assert (len(names), names[0][:15], names[-1][:15]) == (7, "backup-20250110", "backup-20250104")
    assert (place.backups / "mine.db").exists()


def test_a_backup_leaves_the_space_that_trading_needs(tmp_path: Path) -> None:
    """It is not made where it would bring the disk below the watermark."""
    place = account(tmp_path)
    guard = DiskGuard(place.ballast, StorageParams(ballast_mib=1))
    assert room_for_backup(place, guard, 1.0) == ""
    assert "must stay free" in room_for_backup(place, guard, 1e9)


def test_a_restored_account_is_as_it_was_and_says_so(tmp_path: Path) -> None:
    """Journal, books and snapshot of one instant; what was there is kept; the next epoch lies above all known ones."""
    place = account(tmp_path, rows=2)
    made = make_backup(place, tmp_path / "b.db", NOW_NS)
    with Journal.open(place.journal) as journal:
        journal.append(batch(7))
        take_epoch(journal, START_NS, "b", floor=8)
    set_books(place, 99)
    done = restore(place, tmp_path / "b.db", NOW_NS)
    assert (done.backup.events, done.epoch_floor) == (made.events, 9)
    assert state_of(place) == (6, 2, 1)
    assert sorted(path.name for path in Path(done.replaced).iterdir())[:1] == ["journal.db"]
    with Journal.open_readonly(Path(done.replaced) / "journal.db") as replaced:
        assert replaced.head.last_seq == 9
    with Journal.open(place.journal) as journal:
        found = last_restore(journal)
        assert found is not None
        assert found.source == "b.db"
        assert take_epoch(journal, START_NS, "b") == 10
        assert last_restore(journal) is None
    assert EpochWitness(place.epoch).read() == 9


def test_F72_another_accounts_backup_is_refused(tmp_path: Path) -> None:
    """Also that of another kind of run; nothing changes."""
    place, other = account(tmp_path / "a"), account(tmp_path / "b", kind="paper")
    make_backup(other, tmp_path / "b.db", NOW_NS)
    with pytest.raises(ConfigRefused, match="belongs to paper/main"):
        restore(place, tmp_path / "b.db", NOW_NS)
    assert state_of(place) == (9, 3, 1)


def test_a_journal_alone_is_no_backup_of_a_simulated_account(tmp_path: Path) -> None:
    """Its exchange would not know what it has traded."""
    place, other = account(tmp_path / "a"), account(tmp_path / "b")
    with pytest.raises(ConfigRefused, match="a journal alone"):
        restore(place, other.journal, NOW_NS)
    assert state_of(place) == (9, 3, 1)


@pytest.mark.parametrize("table", ["batches", "attachments"])
def test_a_damaged_backup_is_refused(tmp_path: Path, table: str) -> None:
    """Rows and attachments alike."""
    place = account(tmp_path)
    make_backup(place, tmp_path / "b.db", NOW_NS)
    db = sqlite3.connect(tmp_path / "b.db")
    db.execute("UPDATE batches SET fence = 7 WHERE row_number = 1" if table == "batches"
               else "UPDATE attachments SET body = x'00' WHERE name = 'venue.db'")
    db.commit()
    db.close()
    with pytest.raises(Fatal, match="choose another backup"):
        restore(place, tmp_path / "b.db", NOW_NS)
    assert state_of(place) == (9, 3, 1)


def test_I14_the_kill_state_survives_a_restore(tmp_path: Path) -> None:
    """A latch set since stays; one that only the backup holds is set."""
    place = account(tmp_path)
    make_backup(place, tmp_path / "free.db", NOW_NS)
    KillLatch(*place.kill_places).set("by hand")
    make_backup(place, tmp_path / "killed.db", NOW_NS)
    restore(place, tmp_path / "free.db", NOW_NS)
    assert KillLatch(*place.kill_places).found() == "by hand"
    assert KillLatch(*place.kill_places).clear() == []
    restore(place, tmp_path / "killed.db", NOW_NS + 1)
    assert KillLatch(*place.kill_places).found() == "by hand"


def test_a_backup_makes_a_new_home(tmp_path: Path) -> None:
    """On another machine there is nothing to replace."""
    make_backup(account(tmp_path / "old"), tmp_path / "b.db", NOW_NS)
    place = AccountDir(tmp_path / "new", "demo", "main", tmp_path / "short").prepare()
    assert restore(place, tmp_path / "b.db", NOW_NS).replaced == ""
    assert state_of(place) == (9, 3, 1)


def test_F70_a_restore_killed_anywhere_is_the_old_account_or_the_new(tmp_path: Path) -> None:
    """It dies before each renaming and folder in turn; the next start finishes what had begun."""
    number, finished, seen = 0, False, set()
    while not finished:
        number += 1
        home = tmp_path / str(number)
        place = account(home, rows=2)
        make_backup(place, tmp_path / f"{number}.db", NOW_NS)
        with Journal.open(place.journal) as journal:
            journal.append(batch(7))
        set_books(place, 3)
        with pytest.MonkeyPatch.context() as patched:
            strike_at(patched, number)
            try:
                restore(place, tmp_path / f"{number}.db", NOW_NS)
                finished = True
            except Killed:
                pass
        finish_restore(place)
        events, books, _ = state_of(place)
        assert (events, books) in ((6, 2), (9, 3))
        assert not (place.folder / "restoring").exists()
        seen.add(events)
    assert number > 8
    assert seen == {6, 9}


def test_an_account_without_books_is_backed_up_too(tmp_path: Path) -> None:
    """A live venue keeps its books itself."""
    place = account(tmp_path)
    place.venue.unlink()
    made = make_backup(place, tmp_path / "b.db", NOW_NS)
    assert "venue.db" not in made.attachments
    assert newest_epoch(Journal.open_readonly(tmp_path / "b.db")) == 1
