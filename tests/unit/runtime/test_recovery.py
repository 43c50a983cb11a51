"""A restart comes to the state that the journal describes, and takes the account over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import Fatal
from bot.runtime.backtest import run_backtest
from bot.runtime.recovery import Recovered, recover
from bot.storage.journal import Journal
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Identity
from bot.storage.snapshot import Snapshot, SnapshotStore
from tests.runtime_fakes import START_NS, FakeEngine, FakeFactory, make_schedule, minute_marks

IDENTITY = Identity(account="a", kind="demo", created_ns=START_NS)

CHILD = """
import asyncio, math, os, signal, sys
from pathlib import Path
from bot.runtime.crash_points import CrashPoints
from bot.runtime.live import Daemon
from bot.runtime.live_run import Session
from bot.runtime.params import RuntimeParams
from bot.storage.journal import Journal
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from bot.storage.snapshot import SnapshotStore
from tests.runtime_fakes import START_NS, FakeEngine, make_schedule, minute_marks
folder, point, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def act(name, number):
    if (name, number) == (point, count):
        os.kill(os.getpid(), signal.SIGKILL)
daemon = Daemon(FakeEngine(every=3), make_schedule(minute_marks(500)), Journal.create(folder / "journal.db",
    Identity(account="a", kind="demo", created_ns=START_NS)), SnapshotStore(folder / "snapshots"),
    KillLatch(folder / "KILL"), Session(epoch=1, build="b", config_hash="c"),
    RuntimeParams(speed=math.inf, snapshot_every_events=40), crash=CrashPoints(act))
asyncio.run(daemon.run())
"""


def recorded(folder: Path, minutes: int = 200, snapshot_at: int | None = None) -> FakeEngine:
    """A journal of a run, and a snapshot at one of its row ends."""
    engine = FakeEngine()
    with Journal.create(folder / "journal.db", IDENTITY) as journal:
        run_backtest(engine, make_schedule(minute_marks(minutes)), journal=journal)
        if snapshot_at is not None:
            head = journal.head
            SnapshotStore(folder / "snapshots").write(Snapshot(
                seq=head.last_seq, at_ns=head.at_ns, journal_hash=head.hash, build="b", config_hash="c",
                engine=engine.snapshot()))
    return engine


def recovered(folder: Path, factory: FakeFactory | None = None, build: str = "b", config_hash: str = "c") -> Recovered:
    with Journal.open(folder / "journal.db") as journal:
        return recover(factory or FakeFactory(), journal, SnapshotStore(folder / "snapshots"), build=build,
                       config_hash=config_hash, started_ns=START_NS)


def test_I7_the_state_after_a_restart_is_the_state_before(tmp_path: Path) -> None:
    """Byte for byte, from the journal alone."""
    engine = recorded(tmp_path)
    found = recovered(tmp_path)
    assert found.engine.snapshot() == engine.snapshot()
    assert (found.last_seq, found.compared, found.differences) == (engine.state.events, engine.state.events, 0)
    assert (found.reduce_only, found.resumed) == ("", True)


def test_a_snapshot_saves_the_replay(tmp_path: Path) -> None:
    """The same state, with nothing left to compare."""
    engine = recorded(tmp_path, snapshot_at=1)
    found = recovered(tmp_path)
    assert found.from_snapshot_seq == engine.state.events
    assert found.compared == 0
    assert found.engine.snapshot() == engine.snapshot()


def test_a_snapshot_that_is_not_on_the_chain_is_not_used(tmp_path: Path) -> None:
    """F72: another account's snapshot, or one of a journal since restored."""
    engine = recorded(tmp_path)
    SnapshotStore(tmp_path / "snapshots").write(Snapshot(
        seq=engine.state.events, at_ns=0, journal_hash=b"x" * 32, build="b", config_hash="c", engine=b"other"))
    found = recovered(tmp_path)
    assert found.from_snapshot_seq == 0
    assert found.engine.snapshot() == engine.snapshot()


@pytest.mark.parametrize(("build", "config_hash", "why"),
                         [("new", "c", "another build"), ("b", "new", "configuration")])
def test_another_build_or_configuration_folds_the_record_and_reduces_only(
    tmp_path: Path, build: str, config_hash: str, why: str,
) -> None:
    """Nothing on record is decided again."""
    engine = recorded(tmp_path)
    found = recovered(tmp_path, build=build, config_hash=config_hash)
    assert why in found.reduce_only
    assert found.compared == 0
    assert isinstance(found.engine, FakeEngine)
    assert found.engine.seen == []
    assert found.engine.state.orders == engine.state.orders


def test_a_step_that_comes_out_differently_is_taken_from_the_record(tmp_path: Path) -> None:
    """The orders on record are booked, not those that this program would have sent."""
    engine = recorded(tmp_path)
    found = recovered(tmp_path, FakeFactory(every=6))
    assert found.differences == 1
    assert "decided differently" in found.reduce_only
    assert isinstance(found.engine, FakeEngine)
    assert found.engine.state.orders == engine.state.orders


def test_F69_a_broken_chain_stops_the_start(tmp_path: Path) -> None:
    """One line with the row's number."""
    recorded(tmp_path)
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.connection.execute("UPDATE batches SET at_ns = at_ns + 1")
    with pytest.raises(Fatal, match="row 1: contents do not match"):
        recovered(tmp_path)


def test_a_start_checks_the_chain_from_the_newest_snapshot_on(tmp_path: Path) -> None:
    """Damage before it waits for the daily check; damage behind it stops the start."""
    engine = recorded(tmp_path, snapshot_at=1)
    with Journal.open(tmp_path / "journal.db") as journal:
        run_backtest(engine, make_schedule(minute_marks(5, START_NS + 10**15), start_ns=START_NS + 10**15),
                     journal=journal)
        assert journal.head.row_number == 2
        journal.connection.execute("UPDATE batches SET kinds = 63 WHERE row_number = 1")
    with pytest.raises(Fatal, match="row 1: contents do not match"):
        recovered(tmp_path)  # the snapshot's own row is read and must be sound
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.connection.execute("UPDATE batches SET at_ns = at_ns + 1 WHERE row_number = 2")
    with pytest.raises(Fatal, match="row [12]: contents do not match"):
        recovered(tmp_path)


def test_what_lies_before_the_snapshot_is_not_read_at_a_start(tmp_path: Path) -> None:
    """A year of rows costs a start nothing."""
    engine = FakeEngine()
    with Journal.create(tmp_path / "journal.db", IDENTITY) as journal:
        run_backtest(engine, make_schedule(minute_marks(10)), journal=journal)
        run_backtest(engine, make_schedule(minute_marks(10, START_NS + 10**15), start_ns=START_NS + 10**15),
                     journal=journal)
        head = journal.head
        SnapshotStore(tmp_path / "snapshots").write(Snapshot(
            seq=head.last_seq, at_ns=head.at_ns, journal_hash=head.hash, build="b", config_hash="c",
            engine=engine.snapshot()))
        journal.connection.execute("UPDATE batches SET blob = zeroblob(9) WHERE row_number = 1")
        assert journal.verify()[0].row_number == 1
    found = recovered(tmp_path)
    assert (found.engine.snapshot(), found.reduce_only) == (engine.snapshot(), "")


def test_F72_an_older_journal_is_noticed_by_its_epoch(tmp_path: Path) -> None:
    """A copy from before the last session was put back: REDUCE_ONLY, and no epoch is used twice."""
    recorded(tmp_path)
    with Journal.open(tmp_path / "journal.db") as journal:
        found = recover(FakeFactory(), journal, SnapshotStore(tmp_path / "snapshots"), build="b", config_hash="c",
                        started_ns=START_NS, epoch_floor=7)
    assert "an older one was put back" in found.reduce_only
    assert found.epoch == 8


def test_F72_an_older_journal_is_noticed_by_a_newer_snapshot(tmp_path: Path) -> None:
    """The snapshot says how far the account had come."""
    recorded(tmp_path)
    SnapshotStore(tmp_path / "snapshots").write(Snapshot(
        seq=10**6, at_ns=0, journal_hash=b"x" * 32, build="b", config_hash="c", engine=b"other"))
    found = recovered(tmp_path)
    assert "a snapshot of event 1000000 is not of this journal" in found.reduce_only


def test_with_market_data_dropped_and_no_snapshot_the_rest_is_folded(tmp_path: Path) -> None:
    """Orders and fills are there, prices are not: nothing is decided, REDUCE_ONLY."""
    engine = recorded(tmp_path)
    with Journal.open(tmp_path / "journal.db") as journal:
        run_backtest(engine, make_schedule(minute_marks(5, START_NS + 10**15), start_ns=START_NS + 10**15),
                     journal=journal)
        drop_market_data(journal, journal.head.last_seq)
        assert journal.whole_from > 1
    found = recovered(tmp_path)
    assert "no snapshot reaches that far" in found.reduce_only
    assert isinstance(found.engine, FakeEngine)
    assert found.engine.seen == []
    assert found.engine.state.orders == engine.state.orders


def test_a_fresh_account_starts_empty(tmp_path: Path) -> None:
    """Epoch 1, nothing resumed; the next start has a higher epoch."""
    Journal.create(tmp_path / "journal.db", IDENTITY).close()
    first, second = recovered(tmp_path), recovered(tmp_path)
    assert (first.resumed, first.epoch, second.epoch) == (False, 1, 2)


@pytest.mark.parametrize(("point", "count"), [("before_commit", 1), ("after_commit", 9), ("before_send", 20),
                                              ("after_send", 31), ("before_answer", 44)])
def test_F54_a_killed_process_comes_back_to_the_state_of_its_journal(tmp_path: Path, point: str, count: int) -> None:
    """SIGKILL at named places: the chain is whole and recovery equals a fresh engine over the same journal."""
    child = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), point, str(count)], check=False,
                           capture_output=True, timeout=60)
    assert child.returncode == -9, child.stderr.decode()[-500:]
    fresh = FakeEngine(every=3)
    with Journal.open_readonly(tmp_path / "journal.db") as journal:
        assert journal.verify() == []
        for _, event, _ in journal.export():
            fresh.step(event)
    found = recovered(tmp_path, FakeFactory(every=3))
    assert found.engine.snapshot() == fresh.snapshot()
    assert (found.differences, found.reduce_only) == (0, "")
