"""History by verb, read from a journal whether a daemon runs or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bot.domain.errors import ConfigRefused
from bot.storage import journal_queries
from bot.storage.journal import Journal


def read_history(journal_path: Path, verb: str, limit: int) -> list[Any]:
    """The newest `limit` rows of `orders`, `fills`, `decisions` or `funding`, newest first, as plain data.

    Raises:
        ConfigRefused: no such history, or no journal there.
        Fatal: a row cannot be read; names it.
    """
    queries: dict[str, Callable[[Journal, int], Sequence[msgspec.Struct]]] = {
        "orders": journal_queries.orders, "fills": journal_queries.fills,
        "decisions": journal_queries.decisions, "funding": journal_queries.funding}
    query = queries.get(verb)
    if query is None:
        raise ConfigRefused(f"history {verb!r}: not one of {', '.join(queries)}")
    with Journal.open_readonly(journal_path) as journal:
        rows = query(journal, limit)
    return [msgspec.to_builtins(row) for row in rows]
