"""Records are looked after while the daemon runs: space, the chain, old market data, backups."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.domain.events import Control, DiskLow, OperatorAction, StorageFailed, StorageRestored
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR
from bot.runtime.housekeeping import Housekeeper
from bot.runtime.live import Daemon
from bot.runtime.replay import replay_journal
from bot.storage.account_dir import AccountDir
from bot.storage.backup import automatic_backups, look_into
from bot.storage.disk import DiskGuard, DiskLevel, DiskState
from bot.storage.journal import Journal
from bot.storage.params import StorageParams
from tests.runtime_fakes import START_NS, FakeEngine, FakeFactory, minute_marks
from tests.tiny_disk import fill, tiny_disk
from tests.unit.runtime.test_live import Stage, until

SMALL = StorageParams(disk_warn_mib=3, disk_block_mib=2, ballast_mib=1)
DAYS = 40


def place_in(folder: Path) -> AccountDir:
    """The account whose folder a stage uses."""
    return AccountDir(folder, "demo", "a", folder / "short").prepare()


def stage_in(place: AccountDir, minutes: int = DAYS * 1440, speed: float = 200_000.0, every: int = 60) -> Stage:
    return Stage(place.folder, FakeEngine(every=every), minute_marks(minutes), speed, snapshot_every_events=500)


def test_once_a_day_the_chain_is_checked_old_rows_leave_and_a_backup_is_made(tmp_path: Path) -> None:
    """In this order, while the daemon runs; the record verifies afterwards, and the backup does."""
    place = place_in(tmp_path)
    stage = stage_in(place)
    keeper = Housekeeper(place, StorageParams(market_rows_kept_days=1.0), daily=True)
    stage.daemon.storage_view = lambda: keeper.view(stage.daemon.writer)

    async def script(daemon: Daemon) -> None:
        await until(lambda: daemon.now_ns > START_NS + 3 * NS_PER_DAY)
        await keeper.look_after(daemon)
        daemon.request_stop("test")

    stage.run(script)
    view = stage.daemon.view().storage
    assert view is not None
    assert (view.chain_findings, view.failure) == (0, "")
    assert view.chain_verified_ns is not None
    assert view.last_backup == automatic_backups(place)[0].name
    stage.journal.close()
    with Journal.open_readonly(place.journal) as journal:
        assert journal.verify() == []
        assert journal.whole_from > 500
        whole_from = journal.whole_from
    report = replay_journal(place.journal, FakeFactory(every=60))
    assert report.differences == 0
    assert whole_from <= report.from_event < whole_from + 600
    assert f"events 1..{report.from_event - 1}" in report.missing
    made, findings = look_into(automatic_backups(place)[0])
    assert findings == []
    assert made.events > 3 * 1440


def test_the_calendar_calls_for_it_at_its_hour(tmp_path: Path) -> None:
    """The first half past midnight of engine time brings the first backup, and not before."""
    place = place_in(tmp_path)
    stage = stage_in(place, 3 * 1440, 100_000.0)
    keeper = Housekeeper(place, StorageParams(), daily=True)
    seen: list[int] = []

    async def script(daemon: Daemon) -> None:
        task = asyncio.create_task(keeper.run(daemon))
        await until(lambda: bool(automatic_backups(place)))
        seen.append(daemon.now_ns)
        task.cancel()
        daemon.request_stop("test")

    stage.run(script)
    first_ns = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY + NS_PER_HOUR // 2
    assert seen[0] > first_ns


def test_F69_a_break_found_while_running_halts_and_pages(tmp_path: Path) -> None:
    """A row damaged on disk behind the daemon's back: kill with held positions, latched, and no backup of it."""
    place = place_in(tmp_path)
    stage = stage_in(place)
    keeper = Housekeeper(place, StorageParams(), daily=True)

    async def script(daemon: Daemon) -> None:
        await until(lambda: daemon.writer.commits > 3)
        db = sqlite3.connect(place.journal, timeout=10)
        db.execute("UPDATE batches SET hash = zeroblob(32) WHERE row_number = 2")
        db.commit()
        db.close()
        await keeper.look_after(daemon)
        daemon.request_stop("test")

    stage.run(script)
    orders = [event for event in stage.engine.seen if isinstance(event, Control)]
    assert orders[0].action is OperatorAction.KILL_HOLD
    assert "row 2" in orders[0].reason
    assert stage.latch.is_set
    assert automatic_backups(place) == []
    assert keeper.view(stage.daemon.writer).chain_findings > 0


def test_the_engine_is_told_of_space_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocked once, lifted once; a warning alone tells the operator, not the engine."""
    place = place_in(tmp_path)
    stage = stage_in(place)
    keeper = Housekeeper(place, StorageParams(), daily=False)
    levels = iter([DiskLevel.GOOD, DiskLevel.LOW, DiskLevel.FULL, DiskLevel.UNKNOWN, DiskLevel.FULL, DiskLevel.LOW])
    monkeypatch.setattr(DiskGuard, "look", lambda self: DiskState(free_mib=5.0, level=next(levels), ballast=True))

    async def script(daemon: Daemon) -> None:
        for _ in range(6):
            await keeper._look_at_disk(daemon)
        await until(lambda: len([1 for event in stage.engine.seen if isinstance(event, DiskLow)]) == 2)
        daemon.request_stop("test")

    stage.run(script)
    assert [event.blocked for event in stage.engine.seen if isinstance(event, DiskLow)] == [True, False]


def test_F66_a_full_disk_halts_and_recovers_by_itself(tmp_path: Path) -> None:
    """The ballast lets writes go on while opens wait; with it used up too the bot is HALTED until there is space."""
    with tiny_disk(tmp_path / "disk", 12) as disk:
        place = place_in(disk)
        stage = stage_in(place, 60 * 1440, 100_000.0, every=20)
        keeper = Housekeeper(place, SMALL, daily=False)

        done: list[str] = []

        def count(kind: type) -> int:
            return sum(isinstance(event, kind) for event in stage.engine.seen)

        async def script(daemon: Daemon) -> None:
            task = asyncio.create_task(keeper.run(daemon))
            try:
                await until(place.ballast.exists)
                fill(disk / "filler")
                await until(lambda: count(StorageFailed) == 1)
                await until(lambda: count(StorageRestored) == 1 and count(DiskLow) == 1)
                done.append("the ballast made room")
                assert not place.ballast.exists()
                fill(disk / "more")
                await until(lambda: count(StorageFailed) == 2)
                (disk / "filler").unlink()
                (disk / "more").unlink()
                await until(lambda: count(StorageRestored) == 2)
                await until(lambda: place.ballast.exists() and count(DiskLow) == 2)
                done.append("all is as before")
            finally:
                task.cancel()
                daemon.request_stop("test")

        run = stage.run(script)
        assert done == ["the ballast made room", "all is as before"]
        assert run.ended == "stopped"
        stage.journal.close()
        with Journal.open_readonly(place.journal) as journal:
            assert journal.verify() == []
            assert journal.head.last_seq == run.events
