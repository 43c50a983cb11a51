"""The language of the control socket: one JSON object per line each way."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bot.domain.events import OperatorAction

VERSION: Final = 1

ORDERS: Final = {
    "pause": OperatorAction.PAUSE, "resume": OperatorAction.RESUME, "flatten": OperatorAction.FLATTEN,
    "kill": OperatorAction.KILL, "ack": OperatorAction.ACKNOWLEDGE,
}
"""Verbs that become an operator's order; `kill` with `hold` true becomes KILL_HOLD, `stop` ends the process."""
VIEWS: Final = ("status", "positions", "risk")
HISTORIES: Final = ("orders", "fills", "decisions", "funding")
HISTORY_ROWS_MAX: Final = 10_000


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a request may carry."""

    reason: str = ""
    hold: bool = False
    limit: int = 100
    actor: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client asks."""

    verb: str
    params: Params = Params()


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the daemon answers: `result` if `ok`, else one line of `error`."""

    ok: bool
    result: Any = None
    error: str = ""
