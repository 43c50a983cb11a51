"""Old market data leave the journal; decisions, intents and account events stay for ever.

Rows with something to keep lose their market part and keep its hash. A run of rows with nothing to keep becomes one
segment that bridges the chain. Dropping goes in small transactions of the one writer, so commits are never held up.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from bot.domain.errors import Fatal, Retryable
from bot.storage.journal import Journal
from bot.storage.journal_rows import Segment

_ROWS_AT_ONCE: Final = 256
_NEXT_ROWS: Final = """SELECT row_number, first_seq, last_seq, at_ns, previous_hash, hash,
    coalesce(length(market_hash), 0) > 0, length(blob) = 0 FROM batches WHERE row_number > ? AND last_seq < ?
    ORDER BY row_number LIMIT ?"""
_Found = tuple[int, int, int, int, bytes, bytes, int, int]
"""A row without its contents; then whether it has market data, and whether it has nothing else."""


def drop_market_data(journal: Journal, before_seq: int, rows_max: int = _ROWS_AT_ONCE) -> bool:
    """Drop market data of the next rows that end before `before_seq`; whether more remain.

    The row that ends at `before_seq` itself stays: a snapshot lies there, and a replay can begin from it.

    Raises:
        Retryable: the storage did not take it; nothing has changed.
        Fatal: the file cannot be read there.
    """
    db = journal.connection
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            done = db.execute("SELECT row_number FROM retention").fetchone()[0]
            found = db.execute(_NEXT_ROWS, (done, before_seq, rows_max)).fetchall()
            if found:
                _drop(db, found)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise Retryable(f"{journal.path}: old market data not dropped ({error})") from None
    except sqlite3.Error as error:
        raise Fatal(f"{journal.path}: cannot be read ({error}); restore a backup") from None
    return len(found) == rows_max


def _drop(db: sqlite3.Connection, found: list[_Found]) -> None:
    first, last = found[0][0], found[-1][0]
    db.execute("UPDATE batches SET market = NULL WHERE row_number BETWEEN ? AND ? AND length(blob) > 0"
               " AND length(market_hash) > 0", (first, last))
    run: list[_Found] = []
    for row in found:
        if row[6] and row[7]:
            run.append(row)
        elif run:
            _bridge(db, run)
            run = []
    if run:
        _bridge(db, run)
    lost = max((row[2] for row in found if row[6]), default=0)
    db.execute("UPDATE retention SET row_number = ?, seq = max(seq, ?)", (last, lost))


def _bridge(db: sqlite3.Connection, run: list[_Found]) -> None:
    """One segment in place of these rows; it takes in the segment right before it."""
    segment = Segment(first_row=run[0][0], last_row=run[-1][0], first_seq=run[0][1], last_seq=run[-1][2],
                      at_ns=run[-1][3], previous_hash=run[0][4], hash=run[-1][5])
    before = db.execute("SELECT first_row, first_seq, previous_hash, last_row FROM segments WHERE first_row < ?"
                        " ORDER BY first_row DESC LIMIT 1", (segment.first_row,)).fetchone()
    if before is not None and before[3] == segment.first_row - 1:
        db.execute("DELETE FROM segments WHERE first_row = ?", (before[0],))
        segment = Segment(first_row=before[0], last_row=segment.last_row, first_seq=before[1],
                          last_seq=segment.last_seq, at_ns=segment.at_ns, previous_hash=before[2], hash=segment.hash)
    db.execute("DELETE FROM batches WHERE row_number BETWEEN ? AND ?", (run[0][0], run[-1][0]))
    segment = segment.sealed()
    db.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
               tuple(getattr(segment, name) for name in segment.__struct_fields__))
