"""What a journal row is: a batch of (event, step) pairs under one hash that includes the row before.

A row has two parts. The kept part holds decisions, intents and account events, for ever; the market part holds plain
market data that decided nothing and may be dropped when it is old. The row's hash covers the hash of each part, so the
chain verifies with the market part gone. Rows of schema 1 have one part only, which is kept.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any, Final

import msgspec

from bot.domain.errors import Fatal, Unavailable

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x45564B4C

_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"
_DEFLATE_FROM_BYTES: Final = 1_024
_BLOB_BYTES_MAX: Final = 1 << 30

Pair = tuple[bytes, bytes]
"""(event bytes, step bytes)"""

NumberedPair = tuple[int, bytes, bytes]
"""(place within the row, event bytes, step bytes)"""

_PAIRS: Final = msgspec.msgpack.Decoder(list[Pair])
_NUMBERED: Final = msgspec.msgpack.Decoder(list[NumberedPair])
_ENCODER: Final = msgspec.msgpack.Encoder()
_HEAD: Final = struct.Struct("<qqqqqq")
_SEAL: Final = b"row 2\n"


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
    market: frozenset[int] = frozenset()
    """Places in `pairs` of plain market data, which need not be kept for ever."""

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
    """The kept part; empty if everything is market data."""
    market_hash: bytes | None = None
    """The market part's hash; empty if there is none; None: a row of schema 1."""
    market: bytes | None = None
    """The market part; None once it was dropped."""

    @property
    def pruned(self) -> bool:
        """Whether the market part was there and has been dropped."""
        return bool(self.market_hash) and self.market is None

    def expected_hash(self) -> bytes:
        """The hash that the contents should have."""
        head = _HEAD.pack(self.row_number, self.first_seq, self.last_seq, self.at_ns, self.fence, self.kinds)
        if self.market_hash is None:
            return hashlib.sha256(self.previous_hash + head + self.blob).digest()
        parts = hashlib.sha256(self.blob).digest() + self.market_hash
        return hashlib.sha256(_SEAL + self.previous_hash + head + parts).digest()

    def is_sound(self) -> bool:
        """Whether both parts are as they were written, or rightly gone."""
        if self.market and hashlib.sha256(self.market).digest() != self.market_hash:
            return False
        return self.expected_hash() == self.hash

    def pairs(self) -> list[Pair]:
        """All pairs inside.

        Raises:
            Fatal: the contents cannot be read; names the row.
            Unavailable: the market part was dropped.
        """
        if self.pruned:
            raise Unavailable(f"journal row {self.row_number}: market data of events {self.first_seq}..{self.last_seq} "
                              "have been dropped after their time")
        if self.market_hash is None:
            pairs = self._unpacked(self.blob, _PAIRS)
        else:
            numbered = sorted(self._unpacked(self.blob, _NUMBERED) + self._unpacked(self.market or b"", _NUMBERED))
            pairs = [(event, step) for _, event, step in numbered]
        if len(pairs) != self.last_seq - self.first_seq + 1:
            raise Fatal(f"journal row {self.row_number}: {len(pairs)} events where "
                        f"{self.last_seq - self.first_seq + 1} are announced; restore a backup")
        return pairs

    def kept(self) -> list[NumberedPair]:
        """What is kept for ever, as (number, event bytes, step bytes); raises `Fatal` if it cannot be read."""
        if self.market_hash is None:
            return [(self.first_seq + place, *pair) for place, pair in enumerate(self.pairs())]
        return [(self.first_seq + place, event, step) for place, event, step in self._unpacked(self.blob, _NUMBERED)]

    def _unpacked(self, part: bytes, decoder: msgspec.msgpack.Decoder[list[Any]]) -> list[Any]:
        if not part:
            return []
        try:
            return decoder.decode(_inflated(part))
        except (msgspec.DecodeError, zlib.error) as error:
            raise Fatal(f"journal row {self.row_number}: unreadable contents ({error}); restore a backup") from None


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong with a journal."""

    row_number: int
    what: str


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of market data alone that have been dropped: where they stood, and both ends of their chain."""

    first_row: int
    last_row: int
    first_seq: int
    last_seq: int
    at_ns: int
    """Engine time of the last event."""
    previous_hash: bytes
    hash: bytes
    """The last row's."""
    seal: bytes = b""
    """sha256 over the fields before."""

    def expected_seal(self) -> bytes:
        """The seal that the fields should have."""
        head = _HEAD.pack(self.first_row, self.last_row, self.first_seq, self.last_seq, self.at_ns, 0)
        return hashlib.sha256(b"segment" + head + self.previous_hash + self.hash).digest()

    def sealed(self) -> Segment:
        """The same, with its seal."""
        return msgspec.structs.replace(self, seal=self.expected_seal())


def seal(batch: Batch, row_number: int, previous_hash: bytes) -> Row:
    """The row that a batch becomes after the row with `previous_hash`."""
    kept = [(place, *pair) for place, pair in enumerate(batch.pairs) if place not in batch.market]
    market = _pack([(place, *batch.pairs[place]) for place in sorted(batch.market)])
    blank = Row(row_number=row_number, first_seq=batch.first_seq, last_seq=batch.last_seq, at_ns=batch.at_ns,
                fence=batch.fence, kinds=batch.kinds, previous_hash=previous_hash, hash=b"", blob=_pack(kept),
                market_hash=hashlib.sha256(market).digest() if market else b"", market=market)
    return msgspec.structs.replace(blank, hash=blank.expected_hash())


def _pack(numbered: list[NumberedPair]) -> bytes:
    """One part's pairs as bytes, deflated where that pays (market data shrinks to a third); empty if there are none."""
    return _deflated(_ENCODER.encode(numbered)) if numbered else b""


def _deflated(raw: bytes) -> bytes:
    return _PLAIN + raw if len(raw) < _DEFLATE_FROM_BYTES else _DEFLATED + zlib.compress(raw, 1)


def _inflated(part: bytes) -> bytes:
    """The reverse; raises `msgspec.DecodeError` or `zlib.error`."""
    marker, body = part[:1], part[1:]
    if marker == _PLAIN:
        return body
    if marker != _DEFLATED:
        raise msgspec.DecodeError(f"unknown packing {marker!r}")
    inflater = zlib.decompressobj()
    body = inflater.decompress(body, _BLOB_BYTES_MAX)
    if not inflater.eof:
        raise zlib.error("incomplete or oversized contents")
    return body
