"""Is every byte of a journal as it was written? The chain, dropped stretches included, and SQLite's own check.

A reader does it on its own read-only connection. With `pause` it gives way every few rows, so that a daemon in the same
process goes on undisturbed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from bot.domain.errors import BotError, Fatal
from bot.storage.journal_rows import Finding, Row, Segment

if TYPE_CHECKING:
    from bot.storage.journal import Journal

_FINDINGS_MAX: Final = 100
_ROWS_BETWEEN_PAUSES: Final = 64


def chain_findings(journal: Journal, *, after_row: int = 0, pause: Callable[[], None] | None = None) -> list[Finding]:
    """What is wrong with the chain, in order (100 at most); empty means every byte is as it was written.

    Args:
        journal: open in any way.
        after_row: begin behind this row, whose own hash is trusted (a snapshot holds it); 0: the whole chain.
        pause: called every 64 rows.
    """
    findings: list[Finding] = []
    row_number = after_row
    try:
        row_number, seq, previous = _begin(journal, after_row)
        for number, link in enumerate(_links(journal, row_number)):
            findings += _broken(link, row_number, seq, previous)
            row_number, seq, previous = _end(link)
            if len(findings) >= _FINDINGS_MAX:
                break
            if pause is not None and number % _ROWS_BETWEEN_PAUSES == 0:
                pause()
        findings += _fences(journal)
    except Fatal as error:
        findings.append(Finding(row_number + 1, str(error)))
    return findings[:_FINDINGS_MAX]


def file_findings(journal: Journal) -> list[Finding]:
    """What SQLite itself finds damaged: the tree, indexes, free pages. They stand at row 0."""
    try:
        said = [str(row[0]) for row in journal.select("PRAGMA integrity_check(20)")]
    except BotError as error:
        return [Finding(0, str(error))]
    return [] if said == ["ok"] else [Finding(0, f"SQLite: {' '.join(text.split())}") for text in said]


def verify(journal: Journal, *, pause: Callable[[], None] | None = None) -> list[Finding]:
    """Everything: the whole chain, then the file."""
    return chain_findings(journal, pause=pause) + file_findings(journal)


def _begin(journal: Journal, after_row: int) -> tuple[int, int, bytes]:
    if after_row == 0:
        return 0, 0, journal.identity.genesis()
    row = journal.row(after_row)
    return row.row_number, row.last_seq, row.hash


def _links(journal: Journal, after_row: int) -> Iterator[Row | Segment]:
    """Rows and dropped stretches in the order of their numbers."""
    segments = (segment for segment in journal.segments() if segment.first_row > after_row)
    return heapq.merge(journal.rows_after(after_row), segments, key=_first_row)


def _first_row(link: Row | Segment) -> int:
    return link.row_number if isinstance(link, Row) else link.first_row


def _end(link: Row | Segment) -> tuple[int, int, bytes]:
    return (link.row_number if isinstance(link, Row) else link.last_row), link.last_seq, link.hash


def _broken(link: Row | Segment, row_number: int, seq: int, previous: bytes) -> Iterator[Finding]:
    """What is wrong with one link behind the one that ended with these."""
    first = _first_row(link)
    if first != row_number + 1:
        text = f"rows {row_number + 1}..{first - 1} are missing" if first > row_number else "stands there twice"
        yield Finding(first, text)
    if link.first_seq != seq + 1:
        yield Finding(first, f"begins with event {link.first_seq} instead of {seq + 1}")
    if link.previous_hash != previous:
        yield Finding(first, "does not follow the row before (hash)")
    if isinstance(link, Row) and not link.is_sound():
        yield Finding(first, "contents do not match their hash")
    if isinstance(link, Segment) and link.expected_seal() != link.seal:
        yield Finding(first, "the record of dropped rows does not match its seal")


def _fences(journal: Journal) -> Iterator[Finding]:
    """The newest row's epoch must be on record, else an older instance could write on."""
    newest = journal.select("SELECT fence FROM batches ORDER BY row_number DESC LIMIT 1")
    known = journal.select("SELECT max(epoch) FROM epochs")[0][0]
    if newest and known is not None and newest[0][0] > known:
        yield Finding(journal.head.row_number, f"is of epoch {newest[0][0]}, but the newest on record is {known}")
