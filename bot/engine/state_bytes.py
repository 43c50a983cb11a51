"""The engine's state as a snapshot holds it. An older schema is brought to ours, a newer one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bot.domain.errors import ConfigRefused, Fatal
from bot.engine.state import EngineState

STATE_SCHEMA: Final = 1
"""Raised with every change that a default cannot bridge; its migration goes into `MIGRATIONS`."""
MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From the plain state of that schema to that of the next."""


class _Held(msgspec.Struct):
    schema: int
    state: EngineState


class _Versioned(msgspec.Struct):
    schema: int
    state: msgspec.Raw


def write_state(state: EngineState) -> bytes:
    """The state's encoding; equal states give equal bytes."""
    return msgspec.msgpack.encode(_Held(STATE_SCHEMA, state))


def read_state(data: bytes) -> EngineState:
    """The state behind the bytes.

    Raises:
        Fatal: they are no state; the message says what to start from instead.
        ConfigRefused: a newer version of the program wrote them.
    """
    try:
        held = msgspec.msgpack.decode(data, type=_Versioned)
        if held.schema > STATE_SCHEMA:
            raise ConfigRefused(f"snapshot has schema {held.schema}, this program reads {STATE_SCHEMA}; install the "
                                "newer program")
        if held.schema == STATE_SCHEMA:
            return msgspec.msgpack.decode(held.state, type=EngineState)
        plain = msgspec.msgpack.decode(held.state)
        for schema in range(held.schema, STATE_SCHEMA):
            plain = MIGRATIONS[schema](plain)
        return msgspec.convert(plain, EngineState)
    except (msgspec.MsgspecError, KeyError) as error:
        raise Fatal(f"snapshot cannot be read ({error}); start from the journal instead") from None
