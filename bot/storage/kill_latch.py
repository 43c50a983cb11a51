"""The kill latch: a file that outlives the process and can be set on a full disk.

Two places keep it, the account's folder and the machine's runtime folder; any one found holds. In each a block is
reserved beforehand (`KILL.reserve`): setting the latch overwrites it in place, syncs, and renames it to `KILL`, none of
which needs new space. An operator sets it by hand with `touch KILL`. A folder that cannot be looked into counts as set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bot.domain.process_events import OperatorAction, latch_holds
from bot.storage.durable_file import sync_folder, write_all

_BLOCK_BYTES: Final = 4_096


class KillLatch:
    """The latch of one account in its places."""

    def __init__(self, *places: Path) -> None:
        """`places`: paths of the KILL files, the account's first."""
        self._places = places
        self._memory = ""

    def reserve(self) -> list[str]:
        """Reserve the blocks; returns one line for each place where that failed."""
        failures = []
        for place in self._places:
            try:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _reserve(place)
            except OSError as error:
                failures.append(f"{place}: no kill latch can be kept here ({error.strerror})")
        return failures

    @property
    def is_set(self) -> bool:
        """Whether an opening order must stay here; read before each of them (two `stat` calls)."""
        return bool(self._memory) or any(_look(place)[0] for place in self._places)

    @property
    def known(self) -> bool:
        """Whether this process set it itself."""
        return bool(self._memory)

    def found(self) -> str:
        """The reason of the latch if any place holds one, else an empty string."""
        if self._memory:
            return self._memory
        for place in self._places:
            there, trouble = _look(place)
            if trouble:  # nothing says that it must end flat
                return f"{OperatorAction.KILL_HOLD.value}: {place} cannot be looked at ({trouble})"
            if there:
                return _reason(place) or f"{place.name} file found"
            reason = _reason(_reserve_path(place))
            if reason:  # written in place, but the rename did not survive
                return reason
        return ""

    def set(self, reason: str) -> list[str]:
        """Set it everywhere, in memory first; returns the failures. All places failing: the caller must alert.

        A kill that ends flat is not softened to one that holds: the first stands until an operator resumes.
        """
        text = (" ".join(reason.split()) or "kill")[:400]
        before = self.found()
        if before and latch_holds(text) and not latch_holds(before):
            text = before
        self._memory = text
        failures = []
        for place in self._places:
            try:
                _write(place, text)
            except OSError as error:
                failures.append(f"{place}: kill latch not written ({error.strerror})")
        return failures

    def clear(self) -> list[str]:
        """An operator resumed: remove it everywhere and reserve again; returns the failures."""
        failures = []
        for place in self._places:
            try:
                place.unlink(missing_ok=True)
                _reserve_path(place).unlink(missing_ok=True)
                sync_folder(place.parent)
            except FileNotFoundError:
                continue
            except OSError as error:
                failures.append(f"{place}: kill latch not removed ({error.strerror}); remove it by hand")
        self._memory = ""
        return failures + self.reserve()


def _look(place: Path) -> tuple[bool, str]:
    """Whether a place counts as set, and why it could not be looked at: where a KILL may stand unseen, one does."""
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False, ""
    except OSError as error:
        return True, error.strerror or "unknown error"
    return True, ""


def _reserve_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.reserve")


def _reserve(place: Path) -> None:
    path = _reserve_path(place)
    if path.exists() or os.path.lexists(place):
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        write_all(descriptor, bytes(_BLOCK_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(place.parent)


def _write(place: Path, text: str) -> None:
    set_already = os.path.lexists(place)
    if set_already and (latch_holds(text) or not latch_holds(_reason(place))):
        return
    path = place if set_already else _reserve_path(place)  # in place: a torn reason is a kill that ends flat
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, text.encode()[:_BLOCK_BYTES].ljust(_BLOCK_BYTES, b"\x00"), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not set_already:
        path.replace(place)
        sync_folder(place.parent)


def _reason(path: Path) -> str:
    try:
        return path.read_bytes()[:_BLOCK_BYTES].strip(b"\x00").decode(errors="replace").strip()
    except OSError:
        return ""
