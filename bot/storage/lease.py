"""The epoch: a number that every start raises, kept in the journal and carried by every intent and row."""

from __future__ import annotations

import os
import sqlite3

from bot.domain.errors import Fatal
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
            epoch = max(int(seen), int(last[0]) if last else 0, floor) + 1
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
