"""The epoch: a number that every start raises, kept in the journal and carried by every intent and row."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from bot.domain.errors import Fatal
from bot.storage.durable_file import write_durably
from bot.storage.journal import Journal


def take_epoch(journal: Journal, started_ns: int, build: str, floor: int = 0) -> int:
    """Take over the account: a new epoch, strictly above every earlier one and above `floor` (what a venue has seen).

    From here on a writer with an older epoch is refused by the journal itself.

    Raises:
        Fatal: the epoch could not be written, so this start may not trade.
    """
    db = journal.connection
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            seen = db.execute("SELECT coalesce(max(epoch), 0) FROM epochs").fetchone()[0]
            last = db.execute("SELECT fence FROM batches ORDER BY row_number DESC LIMIT 1").fetchone()
            restored = db.execute("SELECT coalesce(max(epoch), 0) FROM restores").fetchone()[0]
            epoch = max(int(seen), int(last[0]) if last else 0, int(restored), floor) + 1
            db.execute("INSERT INTO epochs VALUES (?, ?, ?, ?)", (epoch, started_ns, build, os.getpid()))
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise Fatal(f"{journal.path}: no epoch could be written ({error}); is the disk full or read-only?") from None
    return epoch


def newest_epoch(journal: Journal) -> int:
    """The epoch that owns the account now; 0 before the first start."""
    return int(journal.select("SELECT coalesce(max(epoch), 0) FROM epochs")[0][0])


class Restore(msgspec.Struct, frozen=True):
    """A backup that was put in this journal's place."""

    source: str
    epoch: int
    """The newest epoch known then, of the backup or of what it replaced."""


def last_restore(journal: Journal) -> Restore | None:
    """The last time a backup took this journal's place, if no session has begun since."""
    if journal.schema < 2:
        return None
    found = journal.select("SELECT source, epoch FROM restores ORDER BY number DESC LIMIT 1")
    if not found or newest_epoch(journal) > found[0][1]:
        return None
    return Restore(*found[0])


class EpochWitness:
    """The newest epoch of an account, in a file beside its journal: an older journal put back is noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The newest epoch that ran here; 0 if none is on record or the file is damaged."""
        try:
            text = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdigit() and len(text) < 19 else 0

    def write(self, epoch: int) -> str:
        """Note the newest epoch; the failure as one line, empty if there is none (the journal has it as well)."""
        try:
            write_durably(self._path, f"{epoch}\n".encode())
        except OSError as error:
            return f"{self._path}: epoch not written ({error.strerror})"
        return ""
