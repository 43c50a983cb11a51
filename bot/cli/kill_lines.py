"""The last kill of an account in a line: when, drilled or meant, how fast, what was late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.cli.output import instant
from bot.storage.account_dir import AccountDir
from bot.storage.kill_record import recorded_kills

_STEPS = (("cancels_sent_s", "cancels sent"), ("none_open_s", "none open"), ("flat_s", "flat"))


def last_kill(account: AccountDir) -> dict[str, Any] | None:
    """The newest kill on record, or None."""
    rows = recorded_kills(account.kill_record)
    return rows[-1] if rows else None


def kill_line(row: Mapping[str, Any]) -> str:
    """One kill for people."""
    what = "kill drill" if row.get("drill") else f"kill by {row.get('actor', '?')}"
    steps = [f"{text} after {row[name]:.1f} s" for name, text in _STEPS if isinstance(row.get(name), int | float)]
    late = list(row.get("late") or ())
    if row.get("survives_restart") is False:
        late.append("not HALTED after a restart")
    verdict = f"LATE: {'; '.join(late)}" if late else "all bounds held"
    at_ns = row.get("at_ns")
    return f"last {what} {instant(at_ns if isinstance(at_ns, int) else None)}: {', '.join([*steps, verdict])}"
