"""Planted melt-ups and crashes: with the governor no leg is liquidated, without it the same market liquidates."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.events import ForcedFill, MarketEvent, SessionStarted
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos, Wallet
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.step import DecisionRecord
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from bot.runtime.sim_world import small_market
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.market.params import EmbeddedParams, Scenario
from bot.venues.simulated.market.source import EmbeddedMarket
from bot.venues.simulated.params import SimulatedParams

START = Nanos(1_735_689_600 * NS_PER_S)


class Run(msgspec.Struct):
    """What a run came to."""

    forced: list[ForcedFill] = []
    records: list[DecisionRecord] = []
    notes: list[str] = []
    opened: int = 0


def storm(seed: int, days: float, scenarios: tuple[Scenario, ...], *, governed: bool) -> Run:
    """The default bot on a small market with planted moves; the governor on or off."""
    params = EngineParams()
    governor = msgspec.structs.replace(params.governor, enabled=governed)
    engine = Engine(msgspec.structs.replace(params, governor=governor))
    end = START + int(days * NS_PER_DAY)
    market = EmbeddedMarket(small_market(EmbeddedParams(scenarios=scenarios)), seed, START, end)
    exchange = SimulatedExchange(market.instruments(), SimulatedParams(), seed)
    for venue in dict.fromkeys(each.venue for each in market.instruments()):
        exchange.deposit(START, venue, Wallet.SPOT, Decimal(35_000), f"s-{venue}")
        exchange.deposit(START, venue, Wallet.FUTURES, Decimal(15_000), f"f-{venue}")
    warmup: tuple[MarketEvent, ...] = (*market.funding_history(), *market.closes_before())
    first = Nanos(min(event.at_ns for event in warmup) - 1)
    schedule = Schedule(market, exchange, Calendar(JOBS, START - 1), end, start_ns=first)
    for event in warmup:
        schedule.inject(event)
    schedule.inject(SessionStarted(first, 1, "b", "c", "a", "demo", tuple(market.instruments()), cadence_s=60.0,
                                   trade_from_ns=START))
    run = Run()
    while (event_now := schedule.pop()) is not None:
        step = engine.step(event_now)
        if step.commands:
            schedule.handle(event_now.at_ns, step.commands)
        schedule.wake(step.wake_ns)
        if isinstance(event_now, ForcedFill):
            run.forced.append(event_now)
        if step.record is not None:
            run.records.append(step.record)
        run.notes += [note.name for note in step.notes]
    run.opened = run.notes.count("pair_opened")
    return run


MELT_UP = (Scenario(day=1, coin="XRP", log_jump=0.588, duration_h=3.0, hour=6.0),
           Scenario(day=1, coin="BTC", log_jump=0.336, duration_h=3.0, hour=6.0))
"""+80 % on the alt, +40 % on the major, within three hours."""


def test_a_melt_up_liquidates_without_the_governor_and_not_with_it() -> None:
    """The same seed twice: the short legs live through +80 % and +40 % in three hours only if somebody acts."""
    held = storm(4, 2.0, MELT_UP, governed=True)
    wild = storm(4, 2.0, MELT_UP, governed=False)
    assert held.opened
    assert wild.opened
    assert held.forced == []
    assert wild.forced
