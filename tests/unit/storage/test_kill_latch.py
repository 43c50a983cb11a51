"""The kill latch survives, needs no new space, and only an operator clears it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bot.storage.kill_latch import KillLatch


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "account" / "KILL", tmp_path / "run" / "x.KILL"


def test_I14_the_latch_outlives_the_process(places: tuple[Path, Path]) -> None:
    """A fresh object over the same places finds it, with its reason, until it is cleared."""
    latch = KillLatch(*places)
    assert latch.reserve() == []
    assert not latch.is_set
    assert latch.found() == ""
    assert latch.set("drawdown\nof 12 %") == []
    fresh = KillLatch(*places)
    assert fresh.is_set
    assert fresh.found() == "drawdown of 12 %"
    assert fresh.clear() == []
    assert not KillLatch(*places).is_set


@pytest.mark.parametrize("kept", [0, 1])
def test_any_one_place_holds(places: tuple[Path, Path], kept: int) -> None:
    """Losing the other place does not lift the kill."""
    latch = KillLatch(*places)
    latch.reserve()
    latch.set("x")
    places[1 - kept].unlink()
    assert KillLatch(*places).found() == "x"


@pytest.mark.parametrize(("before", "ordered", "found"), [
    ("kill by a: x", "kill_hold by b: y", "kill by a: x"), ("kill_hold by a: x", "kill by b: y", "kill by b: y"),
    ("", "kill_hold by b: y", "KILL file found"),
])
def test_a_kill_that_ends_flat_is_not_softened(places: tuple[Path, Path], before: str, ordered: str,
                                               found: str) -> None:
    """The stricter of two orders stands, in whatever sequence they come; a touched file ends flat too."""
    latch = KillLatch(*places)
    latch.reserve()
    if before:
        latch.set(before)
    else:
        places[0].touch()
    other = KillLatch(*places)
    assert other.set(ordered) == []
    assert other.found() == found
    assert KillLatch(*places).found() == found


def test_an_operator_may_touch_the_file(places: tuple[Path, Path]) -> None:
    """An empty KILL file is a kill."""
    latch = KillLatch(*places)
    latch.reserve()
    places[0].touch()
    assert latch.is_set
    assert not latch.known
    assert latch.found() == "KILL file found"


def test_F66_on_a_full_disk_the_reserved_block_is_enough(places: tuple[Path, Path],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting writes no more bytes than were reserved, in place."""
    latch = KillLatch(*places)
    latch.reserve()
    plain = os.open

    def no_new_files(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and not os.path.lexists(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, flags, mode)

    monkeypatch.setattr(os, "open", no_new_files)
    assert latch.set("disk is full") == []
    monkeypatch.undo()
    assert places[0].stat().st_size == 4_096
    assert KillLatch(*places).found() == "disk is full"


def test_a_rename_that_did_not_survive_still_counts(places: tuple[Path, Path]) -> None:
    """The reason written into the reserve is a latch by itself at the next start."""
    latch = KillLatch(*places)
    latch.reserve()
    reserve = places[0].with_name("KILL.reserve")
    reserve.write_bytes(b"power cut".ljust(4_096, b"\0"))
    assert KillLatch(*places).found() == "power cut"


def test_where_nothing_can_be_written_memory_holds_and_says_so(tmp_path: Path) -> None:
    """The caller gets a line per place to alert with."""
    (tmp_path / "file").write_text("")
    latch = KillLatch(tmp_path / "file" / "KILL")
    assert len(latch.set("x")) == 1
    assert latch.is_set
    assert latch.found() == "x"


@pytest.mark.parametrize(("error", "counts"), [
    (errno.EACCES, True), (errno.EIO, True), (errno.ELOOP, True), (errno.ENOENT, False), (errno.ENOTDIR, False),
])
def test_F79_a_folder_that_cannot_be_looked_into_counts_as_set(
        places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, error: int, counts: bool) -> None:
    """Fail closed: a KILL may stand there. It holds, for nobody has said that it must end flat; no folder has none."""
    latch = KillLatch(*places)
    latch.reserve()
    plain = os.lstat

    def lstat(path: Path) -> os.stat_result:
        if path == places[1]:
            raise OSError(error, os.strerror(error))
        return plain(path)

    monkeypatch.setattr(os, "lstat", lstat)
    assert latch.is_set is counts
    assert not latch.known
    expected = f"kill_hold: {places[1]} cannot be looked at ({os.strerror(error)})"
    assert latch.found() == (expected if counts else "")
    monkeypatch.undo()
    assert not latch.is_set
