"""The times of an account's kills, drilled or meant: one JSON line each, newest last, in the account's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from bot.domain.errors import Retryable
from bot.storage.durable_file import write_durably

_KEPT: Final = 200


def record_kill(path: Path, row: dict[str, Any]) -> None:
    """Add one kill; the oldest beyond 200 go. Raises `Retryable` if the disk does not take it."""
    lines = [msgspec.json.encode(kept) for kept in recorded_kills(path)][-(_KEPT - 1):]
    lines.append(msgspec.json.encode(row))
    try:
        write_durably(path, b"\n".join(lines) + b"\n")
    except OSError as error:
        raise Retryable(f"{path}: the kill's times were not written ({error.strerror})") from None


def recorded_kills(path: Path) -> list[dict[str, Any]]:
    """All kills on record, oldest first; lines that cannot be read are passed over."""
    found: list[dict[str, Any]] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            continue
    return found
