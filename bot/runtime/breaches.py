"""Broken invariants, each told once per subject."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from bot.domain.values import NS_PER_S

KEPT_MAX: Final = 20
"""Per seed; a run that is this broken ends."""


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """One broken invariant."""

    seed: int
    invariant: str
    at: str
    """Simulated instant, UTC."""
    text: str


class Breaches:
    """Collects the breaches of one seed."""

    def __init__(self, seed: int, until: tuple[str, ...] = ()) -> None:
        """`until`: one breach of any of these is all that is looked for."""
        self._seed = seed
        self._until = until
        self._told: dict[tuple[str, str], None] = {}
        self.kept: list[Breach] = []

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._told)

    @property
    def hopeless(self) -> bool:
        """So much is broken that going on would tell nothing new."""
        return len(self._told) >= KEPT_MAX or (
            bool(self._until) and any(breach.invariant in self._until for breach in self.kept))

    def add(self, invariant: str, subject: str, at_ns: int, text: str) -> None:
        """An invariant is broken; the same one about the same subject counts once."""
        if (invariant, subject) in self._told:
            return
        self._told[invariant, subject] = None
        if len(self.kept) < KEPT_MAX:
            at = datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.kept.append(Breach(seed=self._seed, invariant=invariant, at=at, text=text))
