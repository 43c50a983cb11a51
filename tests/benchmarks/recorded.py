"""A run of the embedded market kept event by event, to be gone through again under a stopwatch."""

from __future__ import annotations

import msgspec

from bot.app.backtests import schedule_of
from bot.app.engines import Engines, session_started
from bot.app.worlds import DEMO_START_NS, World, capital_of, demo_world, deposit
from bot.domain.events import AnyEvent
from bot.domain.values import NS_PER_DAY
from bot.engine.step import Step
from bot.runtime.backtest import run_backtest
from bot.settings import Settings
from bot.storage.journal_codec import encode_event, encode_step


class Recorded(msgspec.Struct, frozen=True):
    """Events in their order, each with the step it led to, and both as bytes."""

    world: World
    events: list[AnyEvent]
    steps: list[Step]
    pairs: list[tuple[bytes, bytes]]


class _Keeper:
    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.steps: list[Step] = []

    def seen(self, event: AnyEvent, step: Step) -> None:
        self.events.append(event)
        self.steps.append(step)


def record(days: int) -> Recorded:
    """Trade so many days in a loop, without journal."""
    settings = Settings()
    world = demo_world(settings, end_ns=DEMO_START_NS + days * NS_PER_DAY, books=None, resume_ns=None)
    deposit(world, settings, capital_of(settings, None))
    engine, schedule, keeper = Engines(settings.engine).create(), schedule_of(world), _Keeper()
    schedule.inject(session_started(settings, world, at_ns=world.first_ns, epoch=1, account="bench", kind="sim"))
    run_backtest(engine, schedule, observer=keeper)
    pairs = [(encode_event(event), encode_step(step)) for event, step in zip(keeper.events, keeper.steps, strict=True)]
    return Recorded(world, keeper.events, keeper.steps, pairs)
