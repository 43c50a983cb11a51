"""What a running bot says, typed: its program may be of another version than ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from bot.domain.errors import Unavailable

T = TypeVar("T")


def told_as(kind: type[T], document: Mapping[str, Any], what: str) -> T:
    """The document as this version knows it.

    Raises:
        Unavailable: it is not one that this version can read; the message says what to do.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the running bot's {what} cannot be read ({error}): it is probably of another version; "
                          "restart it or use its own `evenkeel`") from None
