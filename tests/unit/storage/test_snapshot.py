"""Snapshots are whole or passed over."""

from __future__ import annotations

from pathlib import Path

from bot.storage.snapshot import Snapshot, SnapshotStore


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
    torn, changed = tmp_path / "snapshot-000000000000003.bin", tmp_path / "snapshot-000000000000002.bin"
    torn.write_bytes(torn.read_bytes()[:50])
    data = bytearray(changed.read_bytes())
    data[-9] ^= 1
    changed.write_bytes(data)
    assert [found.seq for found in store.newest_first()] == [1]


def test_a_snapshot_of_another_schema_is_passed_over(tmp_path: Path) -> None:
    """The journal alone is enough."""
    store = SnapshotStore(tmp_path)
    store.write(snapshot(5, schema_version=9))
    assert list(store.newest_first()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot-000000000000005.bin"]
