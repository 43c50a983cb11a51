"""Snapshots: the engine's bytes at one journal row, so that a restart need not replay everything.

A snapshot is a convenience: any that is torn or not on the journal's chain is passed over for the next older one, and
the journal alone is enough while nothing has been dropped from it. One of a newer schema is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.domain.errors import ConfigRefused, Retryable
from bot.domain.values import NS_PER_DAY
from bot.storage.durable_file import write_durably

SNAPSHOT_SCHEMA: Final = 1
MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From the fields of that schema to those of the next. The engine's bytes inside have a schema of their own."""
_SHA_BYTES: Final = 32
_NAME: Final = re.compile(r"snapshot-(\d{15})(?:-(\d+))?\.bin")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The engine after event `seq`, tied to the journal by the hash of the row that ends there."""

    seq: int
    at_ns: int
    journal_hash: bytes
    build: str
    config_hash: str
    engine: bytes
    schema_version: int = SNAPSHOT_SCHEMA


class SnapshotStore:
    """The snapshots of one account: the newest few, and one a day for as long as market data are kept."""

    def __init__(self, folder: Path, keep: int = 3, days: float = 7.0) -> None:
        """`days`: of engine time; a replay can begin wherever the market data of what follows are still there."""
        self._folder = folder
        self._keep = keep
        self._days_ns = int(days * NS_PER_DAY)

    def write(self, snapshot: Snapshot) -> Path:
        """Keep one snapshot durably, then drop old ones; raises `Retryable` if the disk does not take it."""
        body = msgspec.msgpack.encode(snapshot)
        path = self._folder / f"snapshot-{snapshot.seq:015d}-{snapshot.at_ns}.bin"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, hashlib.sha256(body).digest() + body)
            self._drop_old()
        except OSError as error:
            raise Retryable(f"{path}: snapshot not written ({error.strerror})") from None
        return path

    def newest_first(self) -> Iterator[Snapshot]:
        """Every readable snapshot; damaged files are passed over.

        Raises:
            ConfigRefused: one was written by a newer version of this program.
        """
        for path in self.paths():
            found = read_snapshot(path)
            if found is not None:
                yield found

    def before(self, at_ns: int) -> Snapshot | None:
        """The newest readable one that is not after this instant."""
        return next((found for found in self.newest_first() if found.at_ns <= at_ns), None)

    def damaged(self) -> list[Path]:
        """Files that cannot be read."""
        return [path for path in self.paths() if read_snapshot(path) is None]

    def paths(self) -> list[Path]:
        """The files, newest first."""
        return sorted((path for path in self._folder.glob("snapshot-*.bin") if _NAME.fullmatch(path.name)),
                      key=lambda path: _stamp(path)[0], reverse=True)

    def _drop_old(self) -> None:
        """Keep the newest few, the newest of each day, and one that lies before those days."""
        paths = self.paths()
        newest_ns, days = _stamp(paths[0])[1], set[int]()
        for place, path in enumerate(paths):
            at_ns = _stamp(path)[1]
            recent = at_ns > newest_ns - self._days_ns
            day = at_ns // NS_PER_DAY if recent else -1
            if place >= self._keep and day in days:
                path.unlink(missing_ok=True)
            days.add(day)


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot in a file, brought to our schema; None if it is damaged.

    Raises:
        ConfigRefused: a newer version of this program wrote it.
    """
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[_SHA_BYTES:]).digest() != data[:_SHA_BYTES]:
            return None
        fields = msgspec.msgpack.decode(data[_SHA_BYTES:], type=dict[str, Any])
        version = fields.get("schema_version")
        if not isinstance(version, int):
            return None
        if version > SNAPSHOT_SCHEMA:
            raise ConfigRefused(f"{path}: written by a newer version (schema {version}, this program knows "
                                f"{SNAPSHOT_SCHEMA}); install the newer program")
        for step in range(version, SNAPSHOT_SCHEMA):
            fields = {**MIGRATIONS[step](fields), "schema_version": step + 1}
        return msgspec.convert(fields, Snapshot)
    except (OSError, msgspec.MsgspecError, KeyError):
        return None


def _stamp(path: Path) -> tuple[int, int]:
    """(event number, engine time) out of a file's name; files of older versions have no time: 0."""
    found = _NAME.fullmatch(path.name)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
