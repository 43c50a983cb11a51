"""What `doctor` finds in one account's records: damage by row, files of different age, permissions, what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from bot.domain.errors import BotError
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.account_state import account_state, damage_of
from bot.storage.journal_rows import SCHEMA_VERSION
from bot.storage.params import StorageParams

Verdict = Literal["good", "warn", "bad"]
_SECOND_NS = 1_000_000_000
_SPARED = ("damaged snapshot", "an older journal was put back")
"""Findings with which the bot still starts rightly: from an older snapshot, or REDUCE_ONLY."""


def record_findings(place: AccountDir, settings: Settings | None, now_ns: int) -> Iterator[tuple[Verdict, str]]:
    """(verdict, line) for each thing worth saying of an account that has a journal.

    Args:
        place: the account.
        settings: None: they could not be read, so files are not compared.
        now_ns: the wall clock.
    """
    events, damage = damage_of(place)
    for finding in damage:
        spared = any(text in finding.what for text in _SPARED)
        row = f"row {finding.row_number}: " if finding.row_number else ""
        todo = "" if spared else "; `db restore FILE` puts a backup back, `run --rescue` gets flat without it"
        yield "warn" if spared else "bad", f"{row}{finding.what}{todo}"
    if damage:
        return
    yield "good", f"{events:,} events, every byte as it was written"
    yield from _files(place)
    yield from _age(place, settings.storage if settings is not None else StorageParams(), now_ns)
    if settings is not None and place.holder() is None:
        yield from _doubt(place, settings)


def _files(place: AccountDir) -> Iterator[tuple[Verdict, str]]:
    """Permissions, and files that should lie there."""
    mode = place.folder.stat().st_mode
    if mode & 0o022:
        yield "bad", f"{place.folder}: others may write here; chmod 700"
    elif mode & 0o055:
        yield "warn", f"{place.folder}: others may read here; chmod 700"
    for path in (place.journal, place.venue):
        if path.is_file() and not os.access(path, os.R_OK | os.W_OK):
            yield "bad", f"{path}: cannot be written; who owns it?"
    if (place.folder / "restoring").exists():
        yield "warn", "a restore was interrupted; the next start finishes it"
    kill = place.kill_places[0]
    if not kill.exists() and not kill.with_name(f"{kill.name}.reserve").is_file():
        yield "warn", "no block is reserved for the kill latch; the next start reserves one"
    if not place.ballast.is_file():
        yield "warn", "no ballast lies there for a full disk; the daemon makes it once there is space"


def _age(place: AccountDir, params: StorageParams, now_ns: int) -> Iterator[tuple[Verdict, str]]:
    """Schema, clock, backups."""
    state = account_state(place, params)
    if state.schema < SCHEMA_VERSION:
        yield "good", f"the journal is of schema {state.schema}; the next start keeps a copy and brings it to ours"
    written_ns = place.journal.stat().st_mtime_ns
    if written_ns > now_ns + _SECOND_NS:
        yield "bad", (f"the clock stands {(written_ns - now_ns) / 1e9:.0f} s before the last write of the journal; set "
                      "it right before starting")
    if not state.backups and state.events > 100_000:
        yield "warn", "no backup yet; `db backup` makes one"


def _doubt(place: AccountDir, settings: Settings) -> Iterator[tuple[Verdict, str]]:
    from bot.app.books_age import account_doubt

    try:
        text = account_doubt(settings, place)
    except BotError:  # it has just been started: it speaks for itself
        return
    if text:
        # books that are older stop a start; a journal that is older makes it REDUCE_ONLY
        yield "bad" if "restore both" in text else "warn", text
