"""What a journal row is: a batch of (event, step) pairs under one hash that includes the row before."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Final

import msgspec

from bot.domain.errors import Fatal

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x45564B4C

_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"
_DEFLATE_FROM_BYTES: Final = 1_024
_BLOB_BYTES_MAX: Final = 1 << 30

Pair = tuple[bytes, bytes]
"""(event bytes, step bytes)"""

_PAIRS: Final = msgspec.msgpack.Decoder(list[Pair])
_ENCODER: Final = msgspec.msgpack.Encoder()
_HEAD: Final = struct.Struct("<qqqqqq")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose journal this is. It is hashed into the first row, so a changed identity breaks the chain."""

    account: str
    kind: str
    created_ns: int
    schema_version: int = SCHEMA_VERSION

    def genesis(self) -> bytes:
        """The hash that stands before row 1."""
        text = f"evenkeel journal\n{self.schema_version}\n{self.kind}\n{self.account}\n{self.created_ns}"
        return hashlib.sha256(text.encode()).digest()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction adds: consecutive pairs from `first_seq` on."""

    first_seq: int
    at_ns: int
    """Engine time of the last event."""
    fence: int
    """The writer's epoch."""
    kinds: int
    """Bits of `journal_codec.KIND_*`."""
    pairs: tuple[Pair, ...]

    @property
    def last_seq(self) -> int:
        """The number of the last pair."""
        return self.first_seq + len(self.pairs) - 1


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One committed batch."""

    row_number: int
    first_seq: int
    last_seq: int
    at_ns: int
    fence: int
    kinds: int
    previous_hash: bytes
    hash: bytes
    blob: bytes

    def expected_hash(self) -> bytes:
        """The hash that the contents should have."""
        head = _HEAD.pack(self.row_number, self.first_seq, self.last_seq, self.at_ns, self.fence, self.kinds)
        return hashlib.sha256(self.previous_hash + head + self.blob).digest()

    def pairs(self) -> list[Pair]:
        """The pairs inside; raises `Fatal` naming the row if the blob cannot be read."""
        try:
            pairs = unpack(self.blob)
        except (msgspec.DecodeError, zlib.error) as error:
            raise Fatal(f"journal row {self.row_number}: unreadable contents ({error}); restore a backup") from None
        if len(pairs) != self.last_seq - self.first_seq + 1:
            raise Fatal(f"journal row {self.row_number}: {len(pairs)} events where "
                        f"{self.last_seq - self.first_seq + 1} are announced; restore a backup")
        return pairs


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong with a journal."""

    row_number: int
    what: str


def seal(batch: Batch, row_number: int, previous_hash: bytes) -> Row:
    """The row that a batch becomes after the row with `previous_hash`."""
    blank = Row(row_number=row_number, first_seq=batch.first_seq, last_seq=batch.last_seq, at_ns=batch.at_ns,
                fence=batch.fence, kinds=batch.kinds, previous_hash=previous_hash, hash=b"",
                blob=pack(batch.pairs))
    return msgspec.structs.replace(blank, hash=blank.expected_hash())


def pack(pairs: tuple[Pair, ...]) -> bytes:
    """Pairs as one blob, deflated where that pays (market data shrinks to a third)."""
    raw = _ENCODER.encode(pairs)
    if len(raw) < _DEFLATE_FROM_BYTES:
        return _PLAIN + raw
    return _DEFLATED + zlib.compress(raw, 1)


def unpack(blob: bytes) -> list[Pair]:
    """The reverse of `pack`; raises `msgspec.DecodeError` or `zlib.error`."""
    marker, body = blob[:1], blob[1:]
    if marker == _DEFLATED:
        inflater = zlib.decompressobj()
        body = inflater.decompress(body, _BLOB_BYTES_MAX)
        if not inflater.eof:
            raise zlib.error("incomplete or oversized contents")
    elif marker != _PLAIN:
        raise msgspec.DecodeError(f"unknown packing {marker!r}")
    return _PAIRS.decode(body)
