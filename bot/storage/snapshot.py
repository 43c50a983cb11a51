"""Snapshots: the engine's bytes at one journal row, so that a restart need not replay everything.

A snapshot is a convenience: any that is torn, of another schema or not on the journal's chain is passed over, and the
journal alone is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import Retryable
from bot.storage.durable_file import write_durably

SNAPSHOT_SCHEMA: Final = 1
_SHA_BYTES: Final = 32


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
    """The snapshots of one account, newest first; only the newest few are kept."""

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self._folder = folder
        self._keep = keep
        self._decoder = msgspec.msgpack.Decoder(Snapshot)

    def write(self, snapshot: Snapshot) -> Path:
        """Keep one snapshot durably, then drop the oldest; raises `Retryable` if the disk does not take it."""
        body = msgspec.msgpack.encode(snapshot)
        path = self._folder / f"snapshot-{snapshot.seq:015d}.bin"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, hashlib.sha256(body).digest() + body)
            for old in self._paths()[self._keep:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise Retryable(f"{path}: snapshot not written ({error.strerror})") from None
        return path

    def newest_first(self) -> Iterator[Snapshot]:
        """Every readable snapshot of a schema we know; damaged files are passed over."""
        for path in self._paths():
            found = self._read(path)
            if found is not None:
                yield found

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("snapshot-*.bin"), reverse=True)

    def _read(self, path: Path) -> Snapshot | None:
        try:
            data = path.read_bytes()
            if hashlib.sha256(data[_SHA_BYTES:]).digest() != data[:_SHA_BYTES]:
                return None
            snapshot = self._decoder.decode(data[_SHA_BYTES:])
        except (OSError, msgspec.DecodeError):
            return None
        return snapshot if snapshot.schema_version == SNAPSHOT_SCHEMA else None
