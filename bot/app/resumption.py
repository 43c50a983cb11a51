"""A restart in simulated time: market, exchange and engine have stopped at different instants and must meet again.

The bot's record ends where its last commit was; the exchange has committed for itself, before each of its answers left.
The market is begun anew just before the earlier of both. Each side is then given exactly what it has not had: of the
events that were on their way when the process died none is lost and none is given twice.
"""

from __future__ import annotations

import msgspec

from bot.app.backtests import schedule_from, schedule_of
from bot.app.worlds import World
from bot.domain.events import AccountEvent
from bot.domain.values import Nanos
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.recovery import Recovered
from bot.runtime.schedule import Schedule


def resumed_schedule(world: World, recovered: Recovered) -> tuple[Schedule, tuple[AccountEvent, ...]]:
    """The schedule that goes on where the bot's record ends, or begins if there is none.

    Returns:
        The schedule, and the exchange's answers that fell due meanwhile. They are handed in after `SessionStarted`,
        again perhaps: the engine knows which it has had.
    """
    if not recovered.resumed:
        return schedule_of(world), ()
    at_ns = Nanos(recovered.last_at_ns)
    here = [event for event in world.warmup if event.at_ns == at_ns]
    warmup = (*here[recovered.market_here:], *(event for event in world.warmup if event.at_ns > at_ns))
    observed_ns = world.exchange.now_ns
    answers = _catch_up(world, at_ns, max(recovered.market_here - len(here), 0))
    calendar = Calendar(JOBS, max(at_ns if recovered.calendar_here else at_ns - 1, world.start_ns - 1))
    schedule = schedule_from(world, at_ns, calendar, observed_ns)
    for event in warmup:
        schedule.inject(event)
    return schedule, tuple(msgspec.structs.replace(answer, at_ns=at_ns) for answer in answers)


def _catch_up(world: World, to_ns: int, market_here: int) -> list[AccountEvent]:
    """Let the market go by up to where the record ends; its last instant only as far as it is on record.

    The exchange sees what it has not seen. Its books were closed after all market events of an instant, never between:
    an answer comes after them.
    """
    answers: list[AccountEvent] = []
    seen_ns = world.exchange.now_ns
    while True:
        market_due, exchange_due = world.market.next_due(), world.exchange.next_due()
        if market_due is not None and (market_due[0] > to_ns or (market_due[0] == to_ns and market_here == 0)):
            market_due = None
        if exchange_due is not None and exchange_due[0] >= to_ns:
            exchange_due = None
        if market_due is not None and (exchange_due is None or market_due <= exchange_due):
            event = world.market.pop()
            market_here -= event.at_ns == to_ns
            if event.at_ns > seen_ns:
                world.exchange.observe(event)
        elif exchange_due is not None:
            answer = world.exchange.pop()
            if answer is not None:
                answers.append(answer)
        else:
            return answers
