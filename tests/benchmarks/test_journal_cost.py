"""What it costs to write a step down before anything leaves, and to come back from what was written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app.engines import Engines
from bot.domain.events import SessionStarted
from bot.domain.values import Nanos
from bot.runtime.recovery import recover
from bot.settings import Settings
from bot.storage.journal import Journal
from bot.storage.journal_codec import kinds_of
from bot.storage.journal_rows import Batch, Identity, seal
from bot.storage.snapshot import Snapshot, SnapshotStore
from tests.benchmarks.figures import table
from tests.benchmarks.recorded import Recorded

pytestmark = pytest.mark.benchmark

COMMITS = 300
_IDENTITY = Identity(account="bench", kind="sim", created_ns=1)


def test_commits_beside_a_plain_synced_file(recorded: Recorded, tmp_path: Path, show: Callable[[str], None]) -> None:
    """One event and its step per commit, as in a busy second, against writing the same bytes and calling fsync."""
    rows = [("", "commits/s", "ms each", "ratio")]
    plain_s = _plain(recorded, tmp_path / "plain")
    rows.append(("write + fsync", f"{COMMITS / plain_s:,.0f}", f"{plain_s / COMMITS * 1e3:.2f}", "1.0"))
    for size in (1, 100):
        with Journal.create(tmp_path / f"journal-{size}.db", _IDENTITY) as journal:
            began = time.perf_counter()
            for number in range(COMMITS):
                _append(journal, recorded, number * size, size)
            spent_s = time.perf_counter() - began
        rows.append((f"journal, {size} event(s) a commit", f"{COMMITS / spent_s:,.0f}",
                     f"{spent_s / COMMITS * 1e3:.2f}", f"{spent_s / plain_s:.1f}"))
    show(table("journal: commits with full sync (wall time)", rows))


def test_recovery_of_a_hundred_thousand_events(recorded: Recorded, tmp_path: Path, show: Callable[[str], None]) -> None:
    """Without a snapshot every event goes through `step` and is compared; with one, only the chain is checked."""
    count, engines = len(recorded.pairs), Engines(Settings().engine)
    with Journal.create(tmp_path / "journal.db", _IDENTITY) as journal:
        for first in range(0, count, 500):
            _append(journal, recorded, first, min(500, count - first))
    session = next(event for event in recorded.events if isinstance(event, SessionStarted))
    rows = [("", "events", "CPU s", "s per 100k events")]
    for name in ("whole journal", "from a snapshot"):
        with Journal.open(tmp_path / "journal.db", "bench", "sim") as journal:
            store = SnapshotStore(tmp_path / "snapshots")
            began = time.process_time()
            found = recover(engines, journal, store, build=session.build, config_hash=session.config_hash, started_ns=2)
            spent_s = time.process_time() - began
            assert (found.last_seq, found.differences, found.reduce_only) == (count, 0, "")
            rows.append((name, f"{count - found.from_snapshot_seq:,}", f"{spent_s:.2f}",
                         f"{spent_s / count * 1e5:.2f}"))
            store.write(Snapshot(seq=count, at_ns=Nanos(found.last_at_ns), journal_hash=journal.head.hash,
                                 build=session.build, config_hash=session.config_hash,
                                 engine=found.engine.snapshot()))
    show(table(f"recovery: a journal of {count:,} events", rows))


def _append(journal: Journal, recorded: Recorded, first: int, size: int) -> None:
    kinds = 0
    for place in range(first, first + size):
        kinds |= kinds_of(recorded.events[place], recorded.steps[place])
    journal.append(Batch(first_seq=journal.head.last_seq + 1, at_ns=recorded.events[first + size - 1].at_ns, fence=1,
                         kinds=kinds, pairs=tuple(recorded.pairs[first:first + size])))


def _plain(recorded: Recorded, path: Path) -> float:
    blobs = [seal(Batch(first_seq=1, at_ns=0, fence=1, kinds=0, pairs=(pair,)), 1, b"").blob
             for pair in recorded.pairs[:COMMITS]]
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for blob in blobs:
            file.write(blob)
            os.fsync(file.fileno())
    return time.perf_counter() - began
