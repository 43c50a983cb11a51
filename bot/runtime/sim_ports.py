"""What the simulator asks of whoever makes its engines; tests plant bugs through it."""

from __future__ import annotations

from typing import Protocol

from bot.engine.engine import Engine


class EngineMaker(Protocol):
    """Makes engines of one set of parameters. Invariants look into the engine's state, so it is the real class."""

    def create(self) -> Engine:
        """A fresh engine that has seen nothing."""
        ...

    def restore(self, data: bytes) -> Engine:
        """The engine behind a snapshot."""
        ...
