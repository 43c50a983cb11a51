"""Space on the disk: two watermarks, and a ballast whose space goes to protective writes when nothing else is left."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from bot.storage.durable_file import sync_folder
from bot.storage.params import StorageParams

MIB: Final = 1 << 20
_MORE: Final = 1.1


class DiskLevel(Enum):
    """How much space is left."""

    GOOD = "good"
    LOW = "low"
    """Below the first watermark: the operator is told."""
    FULL = "full"
    """Below the second: nothing new is opened."""
    UNKNOWN = "unknown"
    """The file system does not answer: nothing new is opened."""


class DiskState(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    free_mib: float | None
    """For us, as an ordinary user; None: not known."""
    level: DiskLevel
    ballast: bool
    """Whether the ballast lies there whole."""

    @property
    def blocks(self) -> bool:
        """Whether new positions must wait."""
        return self.level in (DiskLevel.FULL, DiskLevel.UNKNOWN)


class DiskGuard:
    """Watches the file system of one account's folder and keeps its ballast."""

    def __init__(self, ballast: Path, params: StorageParams) -> None:
        self._ballast = ballast
        self._params = params
        self._level = DiskLevel.GOOD

    def look(self, *, make: bool = True) -> DiskState:
        """Space as it is now; with `make` the ballast is taken up again once there is plenty."""
        free_bytes = self._free_bytes()
        whole = self._is_whole()
        if make and free_bytes is not None and not whole and free_bytes > self._plenty_bytes():
            whole = self._make()
            free_bytes = self._free_bytes()
        free_mib = None if free_bytes is None else free_bytes / MIB
        self._level = self._level_at(free_mib)
        return DiskState(free_mib=None if free_mib is None else round(free_mib, 1), level=self._level, ballast=whole)

    def _level_at(self, free_mib: float | None) -> DiskLevel:
        """A level is left only with a tenth more than it asks for, so that nothing flaps at a watermark."""
        if free_mib is None:
            return DiskLevel.UNKNOWN
        was_full = self._level in (DiskLevel.FULL, DiskLevel.UNKNOWN)
        if free_mib < self._params.disk_block_mib * (_MORE if was_full else 1):
            return DiskLevel.FULL
        was_low = was_full or self._level is DiskLevel.LOW
        return DiskLevel.LOW if free_mib < self._params.disk_warn_mib * (_MORE if was_low else 1) else DiskLevel.GOOD

    def give_way(self) -> bool:
        """A write has failed: free the ballast if there is hardly any space; whether that gave some."""
        free_bytes = self._free_bytes()
        if free_bytes is None or free_bytes >= self._ballast_bytes() or not self._ballast.exists():
            return False
        try:
            self._ballast.unlink()
            sync_folder(self._ballast.parent)
        except OSError:
            return False
        return True

    def _is_whole(self) -> bool:
        try:
            found = self._ballast.stat()
        except OSError:
            return False
        # blocks of 512 bytes: a sparse file would hold a size but no space
        return found.st_size >= self._ballast_bytes() and found.st_blocks * 512 >= self._ballast_bytes() // 2

    def _make(self) -> bool:
        """Reserve its blocks, all or none."""
        draft = self._ballast.with_name(f".{self._ballast.name}.new")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._ballast_bytes())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            draft.replace(self._ballast)
            sync_folder(self._ballast.parent)
        except OSError:
            draft.unlink(missing_ok=True)
            return False
        return True

    def _free_bytes(self) -> int | None:
        try:
            found = os.statvfs(self._ballast.parent)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def _ballast_bytes(self) -> int:
        return int(self._params.ballast_mib * MIB)

    def _plenty_bytes(self) -> int:
        return int(self._params.disk_block_mib * MIB) + 2 * self._ballast_bytes()
