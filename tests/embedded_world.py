"""An engine's surroundings on the small embedded market with its past: what storms and tests of the governor run in."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.events import MarketEvent, SessionStarted
from bot.domain.values import NS_PER_S, Nanos, Wallet
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.source import EmbeddedMarket
from bot.venues.simulated.params import SimulatedParams

START = Nanos(1_735_689_600 * NS_PER_S)


class EmbeddedWorld(msgspec.Struct):
    """Everything is injected: popping the schedule gives the past, the session, and what follows from `START`."""

    schedule: Schedule
    exchange: SimulatedExchange
    session: SessionStarted


def embedded_world(params: EmbeddedParams, seed: int, end_ns: int) -> EmbeddedWorld:
    """35,000 USD in each spot wallet and 15,000 in each futures wallet, from `START` to `end_ns`."""
    market = EmbeddedMarket(params, seed, START, end_ns)
    exchange = SimulatedExchange(market.instruments(), SimulatedParams(), seed)
    for venue in dict.fromkeys(each.venue for each in market.instruments()):
        exchange.deposit(START, venue, Wallet.SPOT, Decimal(35_000), f"s-{venue}")
        exchange.deposit(START, venue, Wallet.FUTURES, Decimal(15_000), f"f-{venue}")
    past: tuple[MarketEvent, ...] = (*market.funding_history(), *market.closes_before())
    first = Nanos(min(event.at_ns for event in past) - 1)
    schedule = Schedule(market, exchange, Calendar(JOBS, START - 1), end_ns, start_ns=first)
    session = SessionStarted(first, 1, "b", "c", "a", "demo", tuple(market.instruments()), cadence_s=60.0,
                             trade_from_ns=START)
    for event in (*past, session):
        schedule.inject(event)
    return EmbeddedWorld(schedule, exchange, session)
