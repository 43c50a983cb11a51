"""What a disk may hold after the power went: everything synced before, and any part of what was being written.

Two copies of an account bracket one commit. SQLite in WAL mode with `synchronous=FULL` writes in three groups and syncs
after each: the log's header (only when the log begins anew), the frames, and at a checkpoint the database's pages. A
group before the cut is whole, one after it is absent; inside it each block of 4 KiB is old, new or torn at a sector,
and the file may have its new length with zeros where nothing arrived. A test holds this order against the system calls.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

Draw = Callable[[], float]
"""The next uniform number in [0, 1)."""

DATABASES: Final = ("journal.db", "venue.db")
BLOCK: Final = 4_096
SECTOR: Final = 512
_LOG_HEADER: Final = 32
_COPIED: Final = ("*BALLAST*", "*.sock", "*-shm", "*.log", "lock", "stderr", "A", "B")


def photograph(folder: Path, to: Path) -> None:
    """Copy what a disk keeps of an account; nothing may be writing it."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(*_COPIED))


def build_image(before: Path, after: Path, to: Path, draw: Draw) -> str:
    """Make the folder `to` as a power cut between the two copies may leave it; says what became of what."""
    to.mkdir(parents=True)
    said = [text for name in DATABASES if (text := _database(before, after, to, name, draw))]
    for path in sorted(after.iterdir()):
        if path.is_file() and not path.name.startswith(DATABASES):
            shutil.copy2(path, to / path.name)
    if (after / "snapshots").is_dir():
        said += _snapshots(before / "snapshots", after / "snapshots", to / "snapshots", draw)
    said += _latch(before, after, to, draw)
    return ", ".join(said) or "nothing was being written"


def _database(before: Path, after: Path, to: Path, name: str, draw: Draw) -> str:
    """The groups of one commit in the order of their syncs; the cut falls into one of those that wrote anything."""
    old_log, new_log = _bytes(before / f"{name}-wal"), _bytes(after / f"{name}-wal")
    old, new = _bytes(before / name), _bytes(after / name)
    header = old_log[:_LOG_HEADER] != new_log[:_LOG_HEADER]
    with_header = new_log[:_LOG_HEADER] + old_log[_LOG_HEADER:] if header else old_log
    groups: list[tuple[str, bytes, bytes]] = []
    if header:
        groups.append(("log header", old_log, with_header))
    if with_header != new_log:
        groups.append(("log frames", with_header, new_log))
    if old != new:
        groups.append(("pages", old, new))
    log, pages, text = old_log, old, ""
    if groups:
        cut = int(draw() * len(groups))
        for number, (what, was, becomes) in enumerate(groups[:cut + 1]):
            content = becomes if number < cut else torn(was, becomes, draw)
            log, pages = (log, content) if what == "pages" else (content, pages)
        text = f"{name} cut in its {groups[cut][0]}"
    for path, content in ((to / name, pages), (to / f"{name}-wal", log)):
        if content:
            path.write_bytes(content)
    return text


def torn(old: bytes, new: bytes, draw: Draw) -> bytes:
    """`new` over `old`, of whose changed blocks each arrived whole, in part or not at all."""
    length = max(len(old), len(new))
    was, becomes = old.ljust(length, b"\x00"), new.ljust(length, b"\x00")
    found, last = bytearray(was), len(old)
    lucky = draw()  # a disk that was nearly done, or had hardly begun
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        if was[begin:end] == becomes[begin:end] and end <= len(old):
            continue
        fate = draw()
        if fate < lucky:
            arrived = end
        elif fate < lucky + (1 - lucky) / 2:
            arrived = begin + int(draw() * (end - begin) / SECTOR) * SECTOR
        else:
            arrived = begin
        found[begin:arrived] = becomes[begin:arrived]
        if arrived > begin:
            last = max(last, arrived)
    return bytes(found) if draw() < 0.5 else bytes(found[:last])


def _snapshots(before: Path, after: Path, to: Path, draw: Draw) -> list[str]:
    """A new snapshot is torn beside its place, waits there whole, or has its name; removed ones may be back."""
    to.mkdir()
    said = []
    for path in sorted(after.glob("*.bin")):
        content, beside = path.read_bytes(), to / f".{path.name}.1.new"
        fate = 1.0 if (before / path.name).is_file() else draw()
        if fate < 0.4:
            beside.write_bytes(torn(b"", content, draw))
            said.append("snapshot torn beside its place")
        elif fate < 0.6:
            beside.write_bytes(content)
            said.append("snapshot not yet renamed")
        else:
            (to / path.name).write_bytes(content)
    for path in before.glob("*.bin"):
        if not (after / path.name).exists() and draw() < 0.5:
            shutil.copy2(path, to / path.name)
    return said


def _latch(before: Path, after: Path, to: Path, draw: Draw) -> list[str]:
    """The latch is written in its reserved block, synced, renamed, and the folder synced."""
    reserve, latch = before / "KILL.reserve", after / "KILL"
    if not latch.is_file() or (before / "KILL").is_file():
        return []
    fate = draw()
    if fate < 0.6:
        (to / "KILL").unlink()
        written = latch.read_bytes()
        (to / "KILL.reserve").write_bytes(torn(_bytes(reserve), written, draw) if fate < 0.4 else written)
        return ["kill latch torn in its block" if fate < 0.4 else "kill latch not yet renamed"]
    return ["kill latch in place"]


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
