"""One order for everything; nothing is lost and nothing goes back."""

from __future__ import annotations

import pytest

from bot.domain.commands import Alert, ReadAccount, ShowTicks
from bot.domain.errors import Fatal
from bot.domain.events import (
    CalendarFired,
    Control,
    DeadlineReached,
    MarketEvent,
    Marks,
    OperatorAction,
    Quotes,
    ReadFailed,
)
from bot.domain.values import NS_PER_S, Nanos
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from tests.runtime_fakes import START_NS, VENUE, FakeExchange, ListMarket, marks

MIDNIGHT_NS = 1_700_006_400 * NS_PER_S


def schedule_of(events: list[MarketEvent],
                end_ns: int = START_NS + 10**15) -> tuple[Schedule, FakeExchange, ListMarket]:
    exchange, market = FakeExchange(), ListMarket(events)
    return Schedule(market, exchange, Calendar(JOBS, START_NS), end_ns=end_ns, start_ns=START_NS), exchange, market


def test_equal_times_are_ordered_by_rank() -> None:
    """Control, marks, quotes, answers, deadlines, calendar."""
    events: list[MarketEvent] = [marks(MIDNIGHT_NS), Quotes(at_ns=Nanos(MIDNIGHT_NS), venue=VENUE, quotes=()),
                                 marks(MIDNIGHT_NS + 1)]
    schedule, _, _ = schedule_of(events)
    schedule.wake(MIDNIGHT_NS)
    schedule.handle(MIDNIGHT_NS - 20_000_000, [ReadAccount(venue=VENUE, request_id="r", cursor=0)])
    schedule.inject(Control(at_ns=Nanos(MIDNIGHT_NS), action=OperatorAction.PAUSE, actor="test"))
    got = [type(schedule.pop()) for _ in range(6)]
    assert got == [Control, Marks, Quotes, ReadFailed, DeadlineReached, CalendarFired]


def test_the_exchange_sees_a_market_event_before_the_engine() -> None:
    """It is observed when it is popped, not earlier."""
    schedule, exchange, _ = schedule_of([marks(START_NS + 1), marks(START_NS + 2)])
    assert exchange.observed == []
    assert exchange.observed == [schedule.pop()]


def test_what_the_exchange_remembers_it_does_not_see_twice() -> None:
    """After a crash its books may be ahead of the journal: only what is new to it is shown to it."""
    exchange = FakeExchange()
    events: list[MarketEvent] = [marks(START_NS + 1), marks(START_NS + 2), marks(START_NS + 3)]
    schedule = Schedule(ListMarket(events), exchange, Calendar(JOBS, START_NS), end_ns=START_NS + 10**12,
                        start_ns=START_NS, observed_ns=START_NS + 2)
    assert [schedule.pop() for _ in range(3)] == events
    assert exchange.observed == events[2:]


def test_a_deadline_in_the_past_is_due_at_once_and_only_once() -> None:
    """Its stamp is the present: time does not go back."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)])
    schedule.pop()
    schedule.wake(START_NS + 3)
    assert schedule.pop() == DeadlineReached(at_ns=Nanos(START_NS + 10))
    assert schedule.pop() == marks(START_NS + 20)


def test_an_engine_that_never_goes_on_is_stopped() -> None:
    """Deadlines at one instant without end are a defect, not a hang."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)])
    schedule.pop()

    def go_on() -> None:
        for _ in range(20_000):
            schedule.wake(START_NS)
            schedule.pop()

    with pytest.raises(Fatal, match="would never go on"):
        go_on()


def test_a_source_that_goes_back_in_time_is_fatal() -> None:
    """Unordered data are not silently reordered."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 5)])
    schedule.pop()
    with pytest.raises(Fatal, match="broken the order of time"):
        schedule.pop()


def test_nothing_is_handed_in_before_now() -> None:
    """An event in the past would change what was decided."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)])
    schedule.pop()
    with pytest.raises(ValueError, match="lies before"):
        schedule.inject(Control(at_ns=Nanos(START_NS + 9), action=OperatorAction.PAUSE, actor="test"))


def test_the_end_is_exclusive() -> None:
    """An event at the end belongs to the next run."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)], end_ns=START_NS + 20)
    assert schedule.pop() == marks(START_NS + 10)
    assert schedule.pop() is None
    assert schedule.next_ns() is None


def test_after_the_markets_end_answers_arrive_but_days_do_not_pass() -> None:
    """Otherwise a short history would run on to the end asked for, on no prices."""
    schedule, _, _ = schedule_of([marks(START_NS + 10)])
    schedule.pop()
    schedule.handle(START_NS + 10, [ReadAccount(venue=VENUE, request_id="r", cursor=0)])
    assert isinstance(schedule.pop(), ReadFailed)
    assert schedule.pop() is None


def test_answers_to_what_was_sent_before_the_end_are_taken_after_it() -> None:
    """What a venue has booked by the end belongs to the run, or the books would differ by the last order."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)], end_ns=START_NS + 11)
    schedule.pop()
    schedule.handle(START_NS + 10, [ReadAccount(venue=VENUE, request_id="r", cursor=0)])
    schedule.wake(START_NS + 12)
    assert isinstance(schedule.pop(), ReadFailed)
    assert schedule.pop() is None


def test_a_pop_with_a_limit_leaves_what_is_later() -> None:
    """The pacer's present is the limit; also when something internal to the venue was due before it."""
    schedule, _, _ = schedule_of([marks(START_NS + 10), marks(START_NS + 20)])
    assert schedule.pop(until_ns=START_NS + 9) is None
    assert schedule.pop(until_ns=START_NS + 10) == marks(START_NS + 10)


def test_alerts_and_ticks_do_not_go_to_the_venue() -> None:
    """Alerts go to the operator, ticks to the market."""
    alerts: list[tuple[int, Alert]] = []
    exchange, market = FakeExchange(), ListMarket([])
    schedule = Schedule(market, exchange, Calendar(JOBS, START_NS), end_ns=START_NS + 1, start_ns=START_NS,
                        on_alert=lambda at_ns, alert: alerts.append((at_ns, alert)))
    alert = Alert(name="x", text="y", page=False)
    schedule.handle(START_NS, [alert, ShowTicks(until_ns=7)])
    assert (alerts, market.ticks_until, exchange.handled) == ([(START_NS, alert)], [(START_NS, 7)], [])
