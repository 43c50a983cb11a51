"""A backup takes an account's place: all of it or nothing, and what it replaces is kept.

Everything new is laid out in a folder beside the account's files and synced; then names are exchanged one by one. A
process killed in between is finished by the next start or restore, which look for that folder first.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import BotError, ConfigRefused, Fatal, Retryable
from bot.domain.values import NS_PER_S
from bot.storage.account_dir import AccountDir
from bot.storage.backup import BOOKS, KILL, Backup, attachments, look_into, refuse_foreign
from bot.storage.durable_file import sync_folder, write_durably
from bot.storage.journal import Journal
from bot.storage.kill_latch import KillLatch
from bot.storage.lease import EpochWitness, newest_epoch

_LAID_OUT: Final = "restoring"
_READY: Final = "READY"
"""All is laid out; holds the name of the folder for what is replaced."""
_MOVED: Final = "MOVED"
"""All that was there has been moved out."""
_FILES: Final = ("journal.db", "journal.db-wal", "journal.db-shm", BOOKS, f"{BOOKS}-wal", f"{BOOKS}-shm", "snapshots")


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore came to."""

    backup: Backup
    replaced: str
    """The folder with what was there before; empty if nothing was."""
    epoch_floor: int
    """The next session's epoch lies above."""


def restore(place: AccountDir, source: Path, now_ns: int) -> Restored:
    """Put a backup in the account's place. The caller holds the account's lock.

    The kill latch stays as it is, and one that the backup holds is set. The next start is REDUCE_ONLY until every venue
    has been reconciled.

    Raises:
        ConfigRefused: no backup of ours, or another account's.
        Fatal: the backup is damaged; names the row.
        Retryable: the disk did not take it; the account is as it was.
    """
    finish_restore(place)
    found, findings = look_into(source)
    refuse_foreign(found, place.account, place.kind)
    if BOOKS not in found.attachments and place.venue.is_file():
        raise ConfigRefused(f"{source}: a journal alone, without the exchange's books; give a backup made by "
                            "`db backup` or by the daemon")
    if findings:
        raise Fatal(f"{source}: row {findings[0].row_number}: {findings[0].what} ({len(findings)} findings); choose "
                    "another backup")
    floor = max(found.epoch, EpochWitness(place.epoch).read(), _epoch_there(place))
    folder = place.folder / _LAID_OUT
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        latch = _lay_out(source, folder, now_ns, floor)
        stamp = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("replaced-%Y%m%dT%H%M%S")
        stamp = f"{stamp}.{now_ns % NS_PER_S:09d}Z"
        write_durably(folder / _READY, stamp.encode())
        sync_folder(place.folder)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Retryable(f"{place.folder}: not restored ({error}); nothing has changed") from None
    if latch and not KillLatch(*place.kill_places).is_set:
        KillLatch(*place.kill_places).set(latch)
    EpochWitness(place.epoch).write(floor)
    finish_restore(place)
    replaced = place.folder / stamp
    return Restored(backup=found, replaced=str(replaced) if replaced.is_dir() else "", epoch_floor=floor)


def finish_restore(place: AccountDir) -> bool:
    """Carry a restore that was interrupted to its end; whether there was one. The caller holds the account's lock.

    Raises:
        Retryable: the disk did not take it; try again.
    """
    folder = place.folder / _LAID_OUT
    try:
        if not folder.is_dir():
            return False
        if not (folder / _READY).is_file():  # killed before everything was laid out: nothing had been touched
            shutil.rmtree(folder)
            return False
        replaced = place.folder / (folder / _READY).read_text("ascii")
        _exchange(place.folder, folder, replaced)
        shutil.rmtree(folder)
        sync_folder(place.folder)
    except OSError as error:
        raise Retryable(f"{folder}: a restore could not be finished ({error.strerror}); make room and try again"
                        ) from None
    return True


def _exchange(home: Path, folder: Path, replaced: Path) -> None:
    """Old names out, new names in; may be interrupted and repeated anywhere."""
    if not (folder / _MOVED).exists():
        replaced.mkdir(mode=0o700, exist_ok=True)
        for name in _FILES:
            if (home / name).exists():
                (home / name).rename(replaced / name)
        sync_folder(replaced)
        write_durably(folder / _MOVED, b"")
    for name in _FILES:
        if (folder / name).exists():
            (folder / name).rename(home / name)
    with suppress(OSError):
        replaced.rmdir()  # nothing was there before


def _lay_out(source: Path, folder: Path, now_ns: int, floor: int) -> str:
    """The files as they shall be; the reason of the latch that the backup holds."""
    with Journal.open_readonly(source) as backup:
        attached = attachments(backup)
        target = sqlite3.connect(folder / "journal.db", isolation_level=None)
        try:
            backup.connection.backup(target)
            target.execute("DROP TABLE IF EXISTS attachments")
        finally:
            target.close()
    with Journal.open(folder / "journal.db") as journal:  # brings an older schema to ours
        journal.connection.execute("INSERT INTO restores (restored_ns, source, epoch) VALUES (?, ?, ?)",
                                   (now_ns, source.name, floor))
        journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (folder / "snapshots").mkdir(mode=0o700)
    for name, body in attached.items():
        if name != KILL:
            write_durably(folder / name, body)
    sync_folder(folder)
    return attached.get(KILL, b"").decode(errors="replace")


def _epoch_there(place: AccountDir) -> int:
    """The newest epoch of the journal that is to be replaced; 0 if there is none or it cannot be read."""
    try:
        with Journal.open_readonly(place.journal) as journal:
            return newest_epoch(journal)
    except BotError:
        return 0
