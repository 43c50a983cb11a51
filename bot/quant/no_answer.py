"""A calculation that cannot be done says why, as a value that nobody can mistake for a number."""

from __future__ import annotations

import msgspec


class NoAnswer(msgspec.Struct, frozen=True):
    """What stands where a result would: a reason code, and the facts for the person who reads it."""

    reason: str
    """Lower case with underscores, stable over releases: `too_little_history`, `infeasible` and the like."""
    detail: str = ""
    """What was found and what was needed, in one line."""
