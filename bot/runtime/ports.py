"""What the drivers ask of an engine, as protocols, so that they can be tested without one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.engine.view import EngineView
from bot.risk.sheet import RiskSheet


class SteppingEngine(Protocol):
    """One engine: synchronous, deterministic, without input or output."""

    def step(self, event: AnyEvent) -> Step:
        """Fold one event and decide. `Step.wake_ns` is the engine's next deadline, after every step anew."""
        ...

    def snapshot(self) -> bytes:
        """The whole state, as bytes; equal states give equal bytes."""
        ...

    def view(self) -> EngineView:
        """The state as a person sees it."""
        ...


@runtime_checkable
class GovernedEngine(Protocol):
    """An engine that can say what its governor knows."""

    def risk_sheet(self) -> RiskSheet:
        """Limits, caps, tail, stress and margin as they stand."""
        ...


@runtime_checkable
class FoldingEngine(Protocol):
    """An engine that can also take over decisions on record instead of making its own."""

    def fold_only(self, event: AnyEvent, recorded_step: Step) -> None:
        """Fold the event and book the commands of the step on record; decide nothing."""
        ...


class EngineFactory(Protocol):
    """Makes engines of one set of parameters."""

    def create(self) -> SteppingEngine:
        """A fresh engine that has seen nothing."""
        ...

    def restore(self, data: bytes) -> SteppingEngine:
        """The engine behind a snapshot; raises `bot.domain.errors.BotError` if it cannot read it."""
        ...


class RunObserver(Protocol):
    """Looks on while a run goes: collects fills, orders and decisions, or checks invariants."""

    def seen(self, event: AnyEvent, step: Step) -> None:
        """The engine has answered this event with this step."""
        ...
