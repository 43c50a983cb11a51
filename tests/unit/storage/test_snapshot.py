"""Snapshots are whole or passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR
from bot.storage.snapshot import MIGRATIONS, Snapshot, SnapshotStore


def snapshot(seq: int, schema_version: int = 1) -> Snapshot:
    return Snapshot(seq=seq, at_ns=seq, journal_hash=b"h" * 32, build="b", config_hash="c", engine=b"state" * 99,
                    schema_version=schema_version)


def test_the_newest_comes_first_and_old_ones_go(tmp_path: Path) -> None:
    """Three are kept."""
    store = SnapshotStore(tmp_path / "snapshots")
    for seq in (1, 20, 3, 400):
        store.write(snapshot(seq))
    assert [found.seq for found in store.newest_first()] == [400, 20, 3]


def test_F68_a_torn_or_changed_snapshot_is_passed_over(tmp_path: Path) -> None:
    """The next older whole one is used."""
    store = SnapshotStore(tmp_path)
    for seq in (1, 2, 3):
        store.write(snapshot(seq))
    torn, changed, _ = store.paths()
    torn.write_bytes(torn.read_bytes()[:50])
    data = bytearray(changed.read_bytes())
    data[-9] ^= 1
    changed.write_bytes(data)
    assert [found.seq for found in store.newest_first()] == [1]


def test_F70_a_snapshot_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older program must not go on from an older snapshot, or the journal, as if nothing were there."""
    store = SnapshotStore(tmp_path)
    store.write(snapshot(5, schema_version=9))
    with pytest.raises(ConfigRefused, match="newer version"):
        list(store.newest_first())


def test_an_older_snapshot_is_brought_to_the_present_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each migration turns the fields of one schema into those of the next."""
    store = SnapshotStore(tmp_path)
    store.write(snapshot(5, schema_version=-1))
    monkeypatch.setitem(MIGRATIONS, -1, lambda fields: {**fields, "build": "migrated"})
    monkeypatch.setitem(MIGRATIONS, 0, lambda fields: {**fields, "build": fields["build"] + " twice"})
    found = next(store.newest_first())
    assert (found.build, found.schema_version) == ("migrated twice", 1)


def test_one_snapshot_a_day_is_kept_as_long_as_market_data_are(tmp_path: Path) -> None:
    """The newest of each day, the newest three, and one before: a replay can begin wherever prices are still there."""
    store = SnapshotStore(tmp_path, days=4.0)
    for hour in range(0, 240, 6):
        store.write(Snapshot(seq=hour + 1, at_ns=hour * NS_PER_HOUR, journal_hash=b"h", build="b", config_hash="c",
                             engine=b""))
    assert [(found.seq - 1) / 24 for found in store.newest_first()] == [9.75, 9.5, 9.25, 8.75, 7.75, 6.75, 5.75]
    boundary = store.before(234 * NS_PER_HOUR - 4 * NS_PER_DAY)
    assert boundary is not None
    assert boundary.seq == 139


def test_snapshots_of_older_versions_are_read_by_their_old_names(tmp_path: Path) -> None:
    """Their file names have no time."""
    store = SnapshotStore(tmp_path)
    path = store.write(snapshot(7))
    path.rename(tmp_path / "snapshot-000000000000007.bin")
    assert [found.seq for found in store.newest_first()] == [7]
