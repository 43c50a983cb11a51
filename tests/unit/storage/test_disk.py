"""Two watermarks, and a ballast that is there when it is needed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.domain.errors import ConfigRefused
from bot.storage.disk import MIB, DiskGuard, DiskLevel
from bot.storage.params import StorageParams
from tests.tiny_disk import fill, tiny_disk

PARAMS = StorageParams(disk_warn_mib=100, disk_block_mib=10, ballast_mib=2)


def with_free(monkeypatch: pytest.MonkeyPatch, free_mib: float) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=int(free_mib * MIB), f_frsize=1))


@pytest.mark.parametrize(("free_mib", "level", "blocks"), [
    (100.0, DiskLevel.GOOD, False), (99.9, DiskLevel.LOW, False), (10.0, DiskLevel.LOW, False),
    (9.9, DiskLevel.FULL, True), (0.0, DiskLevel.FULL, True)])
def test_F66_the_watermarks_are_where_they_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          free_mib: float, level: DiskLevel, blocks: bool) -> None:
    """Below the first the operator is told, below the second nothing is opened."""
    with_free(monkeypatch, free_mib)
    state = DiskGuard(tmp_path / "BALLAST", PARAMS).look()
    assert (state.free_mib, state.level, state.blocks) == (free_mib, level, blocks)


def test_a_level_is_left_with_a_tenth_more_than_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Space that wavers about a watermark does not open and close the bot by the second."""
    guard, seen = DiskGuard(tmp_path / "BALLAST", PARAMS), []
    for free_mib in (200, 99, 105, 9, 10.5, 11.5, 9, 111, 101):
        with_free(monkeypatch, free_mib)
        seen.append(guard.look(make=False).level.value)
    assert seen == ["good", "low", "low", "full", "full", "low", "full", "good", "good"]


def test_a_disk_that_does_not_answer_blocks(tmp_path: Path) -> None:
    """Unknown space is no space."""
    state = DiskGuard(tmp_path / "gone" / "BALLAST", PARAMS).look()
    assert (state.free_mib, state.level, state.blocks) == (None, DiskLevel.UNKNOWN, True)


def test_the_ballast_takes_real_space_and_gives_it_back_only_in_need(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Not sparse; with space left it stays; with none it goes, and it comes back when there is plenty."""
    guard = DiskGuard(tmp_path / "BALLAST", PARAMS)
    assert guard.look().ballast
    assert (tmp_path / "BALLAST").stat().st_blocks * 512 >= 2 * MIB
    with_free(monkeypatch, 2.0)
    assert not guard.give_way()
    with_free(monkeypatch, 0.1)
    assert guard.give_way()
    assert not guard.give_way()
    assert not guard.look().ballast
    with_free(monkeypatch, 13.9)
    assert not guard.look().ballast
    with_free(monkeypatch, 14.1)
    assert not guard.look(make=False).ballast
    assert guard.look().ballast


def test_F66_on_a_full_disk_the_ballast_makes_room_for_a_write(tmp_path: Path) -> None:
    """A real file system without a free block takes a write again once the ballast has gone."""
    with tiny_disk(tmp_path / "disk", 8) as disk:
        guard = DiskGuard(disk / "BALLAST", StorageParams(disk_warn_mib=2, disk_block_mib=1, ballast_mib=2))
        assert guard.look().ballast
        fill(disk / "filler")
        with pytest.raises(OSError, match="No space"):
            (disk / "order").write_bytes(bytes(MIB))
        assert guard.look().blocks
        assert guard.give_way()
        (disk / "order").write_bytes(bytes(MIB))


@pytest.mark.parametrize("given", [{"disk_warn_mib": 0.0}, {"disk_block_mib": 2000.0}, {"backups_kept": 6},
                                   {"ballast_mib": 5000.0}, {"market_rows_kept_days": float("nan")}])
def test_bounds_of_the_settings(given: dict[str, float]) -> None:
    """What would not keep the promise is refused."""
    with pytest.raises(ConfigRefused, match=f"storage.{next(iter(given))}"):
        StorageParams(**given)  # type: ignore[arg-type]
