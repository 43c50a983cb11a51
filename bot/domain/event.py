"""The root of all events."""

from __future__ import annotations

import msgspec

from bot.domain.values import Nanos


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The root: something happened at `at_ns`."""

    at_ns: Nanos
