"""What the drivers need from the outside, as protocols. The engine itself needs none of them."""

from __future__ import annotations

from typing import Protocol

from bot.domain.commands import AnyCommand
from bot.domain.events import AccountEvent, MarketEvent
from bot.domain.values import Nanos

Due = tuple[int, int]
"""(at_ns, EVENT_RANK) of the next thing a source has."""


class MarketSource(Protocol):
    """A merged stream of market events in the order of time and rank: history, the embedded market, live streams."""

    def next_due(self) -> Due | None:
        """When the next event is due; None: the stream has ended."""
        ...

    def pop(self) -> MarketEvent:
        """The next event."""
        ...

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Our orders are moving: show the finest ticks from `from_ns` until then; the path never depends on it."""
        ...


class Exchange(Protocol):
    """A simulated exchange world: several venues with truth of their own, driven in simulated time."""

    def observe(self, event: MarketEvent) -> None:
        """The market moved: match resting orders, pay funding, liquidate. Called before the engine sees the event."""
        ...

    def handle(self, at_ns: Nanos, command: AnyCommand) -> None:
        """A command leaves us at `at_ns`; it reaches the venue after its latency."""
        ...

    def next_due(self) -> Due | None:
        """When the next arrival or answer is due."""
        ...

    def pop(self) -> AccountEvent | None:
        """Let the next due thing happen; an answer for the engine, or None if it was internal to a venue."""
        ...
