"""Random numbers by name: each component draws from a stream of its own, and a stream's state is one counter."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_UNIT: Final = 2.0**-64


class Streams:
    """Uniform draws keyed by (seed, stream name, how many were drawn); equal seeds give equal draws on any machine.

    Taking away one stream leaves all others as they were.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.counts: dict[str, int] = {}

    def uniform(self, name: str) -> float:
        """The next draw of the stream `name`, in [0, 1)."""
        count = self.counts.get(name, 0)
        self.counts[name] = count + 1
        return self.keyed(name, count)

    def keyed(self, name: str, number: int) -> float:
        """Draw `number` of the stream `name`, in [0, 1), whatever was drawn before; the stream does not move on."""
        digest = blake2b(f"{self._seed}|{name}|{number}".encode(), digest_size=8).digest()
        return min(int.from_bytes(digest, "big") * _UNIT, 1.0 - 2.0**-53)
