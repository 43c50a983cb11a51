"""What it costs to keep every step on disk before anything leaves, and to come back after a year."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app.engines import Engines
from bot.domain.commands import SubmitOrder
from bot.domain.events import AccountReport, Fill, SessionStarted
from bot.runtime.recovery import recover
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.backup import make_backup
from bot.storage.journal import Journal
from bot.storage.journal_checks import chain_findings, file_findings
from bot.storage.journal_codec import encode_event, encode_step, is_market_data, kinds_of
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Batch, Identity, Row, seal
from bot.storage.snapshot import Snapshot, SnapshotStore
from tests.benchmarks.figures import table, timed
from tests.benchmarks.recorded import Recorded

pytestmark = pytest.mark.benchmark

COMMITS = 300
YEAR_ROWS = 365 * 1_440
"""One row a minute with something to keep: what a year of a live account leaves once its market data have gone."""
_IDENTITY = Identity(account="bench", kind="sim", created_ns=1)
_INSERT = "INSERT INTO batches VALUES (?,?,?,?,?,?,?,?,?,?,?)"


def test_commits_by_how_they_are_synced(recorded: Recorded, tmp_path: Path, show: Callable[[str], None]) -> None:
    """The same rows: WAL with full sync (what the journal does), without a sync per commit, and a rollback journal."""
    modes = (("WAL, FULL (ours)", "WAL", "FULL"), ("WAL, NORMAL (loses commits in a power cut)", "WAL", "NORMAL"),
             ("rollback journal, FULL", "DELETE", "FULL"))
    spent = {}
    for name, journal_mode, sync in modes:
        with Journal.create(tmp_path / f"{journal_mode}-{sync}.db", _IDENTITY) as journal:
            journal.connection.execute(f"PRAGMA journal_mode={journal_mode}")
            journal.connection.execute(f"PRAGMA synchronous={sync}")
            began = time.perf_counter()
            for number in range(COMMITS):
                journal.append(_batch(recorded, journal.head.last_seq + 1, number, 1))
            spent[name] = time.perf_counter() - began
    ours = spent[modes[0][0]]
    rows = [("", "commits/s", "ms each", "beside ours")]
    rows += [(name, f"{COMMITS / s:,.0f}", f"{s / COMMITS * 1e3:.2f}", f"{s / ours:.2f}") for name, s in spent.items()]
    show(table("journal: one step a commit, by kind of sync (wall time)", rows))


def test_the_commits_share_of_the_time_from_a_fill_to_its_hedge(recorded: Recorded, tmp_path: Path,
                                                                show: Callable[[str], None]) -> None:
    """From a fill in hand to the hedge handed over: fold and decide, encode, commit; beside the venue's latency."""
    engine = Engines(Settings().engine).create()
    parts: dict[str, list[float]] = {"step": [], "encode": [], "commit": []}
    with Journal.create(tmp_path / "journal.db", _IDENTITY) as journal:
        for place, event in enumerate(recorded.events):
            began = time.perf_counter()
            step = engine.step(event)
            stepped = time.perf_counter()
            if not isinstance(event, Fill) or not any(isinstance(each, SubmitOrder) for each in step.commands):
                continue
            pair = (encode_event(event), encode_step(step))
            encoded = time.perf_counter()
            journal.append(Batch(first_seq=journal.head.last_seq + 1, at_ns=event.at_ns, fence=1,
                                 kinds=kinds_of(event, step), pairs=(pair,)))
            for name, seconds in (("step", stepped - began), ("encode", encoded - stepped),
                                  ("commit", time.perf_counter() - encoded)):
                parts[name].append(seconds * 1e3)
            assert place < len(recorded.events)
    count = len(parts["commit"])
    assert count, "no fill of the recorded stretch was hedged"
    medians = {name: statistics.median(values) for name, values in parts.items()}
    whole = sum(medians.values())
    latency_ms = 2 * Settings().simulated.latency_out_ms
    rows = [("median of " + str(count), "ms", "share", "share with 2 x 40 ms to the venue")]
    rows += [(name, f"{ms:.3f}", f"{ms / whole:.0%}", f"{ms / (whole + latency_ms):.1%}")
             for name, ms in medians.items()]
    show(table("from a fill to its hedge", rows))


@pytest.mark.timeout(1800)
def test_a_restart_after_a_year(recorded: Recorded, tmp_path: Path, show: Callable[[str], None]) -> None:
    """A year of rows, then two days of a real run of which the last part lies behind the newest snapshot."""
    engines, store = Engines(Settings().engine), SnapshotStore(tmp_path / "snapshots")
    path, count = tmp_path / "journal.db", len(recorded.pairs)
    year_s = _write_year(recorded, path)
    session = next(event for event in recorded.events if isinstance(event, SessionStarted))
    engine = engines.create()
    with Journal.open(path) as journal:
        journal.connection.execute("PRAGMA synchronous=OFF")
        for first in range(0, count, 50):
            size = min(50, count - first)
            journal.append(_batch(recorded, journal.head.last_seq + 1, first, size))
            for event in recorded.events[first:first + size]:
                engine.step(event)
            if first <= count // 2 < first + 50:
                head = journal.head
                store.write(Snapshot(seq=head.last_seq, at_ns=head.at_ns, journal_hash=head.hash, build=session.build,
                                     config_hash=session.config_hash, engine=engine.snapshot()))
    with Journal.open(path, "bench", "sim") as journal:
        start_s, found = timed(lambda: recover(engines, journal, store, build=session.build,
                                               config_hash=session.config_hash, started_ns=2))
    assert (found.differences, found.reduce_only) == (0, "")
    with Journal.open_readonly(path) as reader:
        chain_s, findings = timed(lambda: chain_findings(reader))
        file_s, more = timed(lambda: file_findings(reader))
    assert findings + more == []
    backup_s, _ = timed(lambda: make_backup(_account_around(path), tmp_path / "backup.db", 1))
    whole = f"{found.last_seq:,} events, {path.stat().st_size / 1e6:,.0f} MB"
    show(table("restart with a year of journal", [
        ("", "CPU s", "of"),
        ("start: newest snapshot, chain and steps behind it", f"{start_s:.2f}", f"{found.compared:,} events"),
        ("daily: the whole chain", f"{chain_s:.2f}", whole), ("daily: SQLite's own check", f"{file_s:.2f}", whole),
        ("a backup, verified", f"{backup_s:.2f}", whole)], f"the year was written in {year_s:.0f} s"))


def test_bytes_a_day_before_and_after_market_data_have_gone(recorded: Recorded, tmp_path: Path,
                                                           show: Callable[[str], None]) -> None:
    """The default demo market; rows of one commit a second of engine time, as a live account writes them."""
    rows = [("rows of", "kB a day, whole", "kB a day, kept", "kept", "GB a year, kept")]
    for seconds in (1, 600):
        path = tmp_path / f"{seconds}.db"
        days = _write_by_seconds(recorded, path, seconds)
        whole = path.stat().st_size
        with Journal.open(path) as journal:
            while drop_market_data(journal, journal.head.last_seq):
                pass
            journal.connection.execute("VACUUM")
            journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert journal.verify() == []
        kept = path.stat().st_size
        rows.append((f"{seconds} s of engine time", f"{whole / days / 1e3:,.0f}", f"{kept / days / 1e3:,.0f}",
                     f"{kept / whole:.0%}", f"{kept / days * 365 / 1e9:.2f}"))
    reports = sum(isinstance(event, AccountReport) for event in recorded.events)
    show(table("journal: growth on the embedded market", rows,
               f"{len(recorded.events):,} events, of them {reports:,} account reports"))


def _batch(recorded: Recorded, first_seq: int, first: int, size: int) -> Batch:
    """Recorded pairs as one commit."""
    places = range(first, first + size)
    kinds = 0
    for place in places:
        kinds |= kinds_of(recorded.events[place], recorded.steps[place])
    return Batch(first_seq=first_seq, at_ns=recorded.events[places[-1]].at_ns, fence=1, kinds=kinds,
                 pairs=tuple(recorded.pairs[first:first + size]), market=frozenset(
                     place - first for place in places
                     if is_market_data(recorded.events[place], recorded.steps[place])))


def _write_year(recorded: Recorded, path: Path) -> float:
    """A year of minutes, each with an account report; seconds that took."""
    began = time.perf_counter()
    report = next(pair for pair, event in zip(recorded.pairs, recorded.events, strict=True)
                  if isinstance(event, AccountReport))
    Journal.create(path, _IDENTITY).close()
    previous = _IDENTITY.genesis()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("INSERT INTO epochs VALUES (1, 1, 'b', 1)")
    db.execute("BEGIN")
    for number in range(1, YEAR_ROWS + 1):
        row = seal(Batch(first_seq=number, at_ns=1, fence=1, kinds=0, pairs=(report,)), number, previous)
        db.execute(_INSERT, _values(row))
        previous = row.hash
    db.execute("COMMIT")
    db.close()
    return time.perf_counter() - began


def _write_by_seconds(recorded: Recorded, path: Path, seconds: int) -> float:
    """The recorded run in rows of so many seconds of engine time; its days."""
    times = [event.at_ns for event in recorded.events]
    with Journal.create(path, _IDENTITY) as journal:
        journal.connection.execute("PRAGMA synchronous=OFF")
        first = 0
        for place in range(1, len(times) + 1):
            if place == len(times) or times[place] - times[first] >= seconds * 10**9:
                journal.append(_batch(recorded, first + 1, first, place - first))
                first = place
        journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    started = next(event for event in recorded.events if isinstance(event, AccountReport)).at_ns
    return (times[-1] - started) / 86_400e9


def _values(row: Row) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def _account_around(journal: Path) -> AccountDir:
    """An account whose journal this is."""
    place = AccountDir(journal.parent / "home", "sim", "bench").prepare()
    place.journal.hardlink_to(journal)
    return place
