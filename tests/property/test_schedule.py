"""Laws of the schedule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import EVENT_RANK, AnyEvent, Control, MarketEvent, OperatorAction, Quotes, StorageRestored
from bot.domain.values import Nanos
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from bot.storage.journal_codec import encode_event
from tests.runtime_fakes import START_NS, VENUE, FakeEngine, FakeExchange, ListMarket, marks

OFFSETS = st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30)


def market_events(offsets: list[tuple[int, bool]]) -> list[MarketEvent]:
    events: list[MarketEvent] = [
        marks(START_NS + at) if is_mark else Quotes(at_ns=Nanos(START_NS + at), venue=VENUE, quotes=())
        for at, is_mark in offsets]
    return sorted(events, key=lambda event: (event.at_ns, EVENT_RANK[type(event)]))


class ChunkedMarket(ListMarket):
    """The same events, fetched a chunk at a time, as a reader of files does."""

    def __init__(self, events: list[MarketEvent], chunk: int) -> None:
        super().__init__([])
        self._rest = events
        self._chunk = chunk

    def next_due(self) -> tuple[int, int] | None:
        if not self._events:
            self._events = self._rest[:self._chunk][::-1]
            self._rest = self._rest[self._chunk:]
        return super().next_due()


def drained(schedule: Schedule) -> list[AnyEvent]:
    events = []
    while (event := schedule.pop()) is not None:
        events.append(event)
    return events


@given(OFFSETS, st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=8), st.integers(1, 7), st.randoms())
def test_equal_inputs_in_any_chunking_give_the_same_order(
    offsets: list[tuple[int, bool]], handed_in: list[tuple[int, bool]], chunk: int, random: object,
) -> None:
    """However the market is read, and whenever events were handed in, the order is that of time and rank."""
    controls: list[AnyEvent] = [
        Control(at_ns=Nanos(START_NS + at), action=OperatorAction.PAUSE, actor="x") if control
        else StorageRestored(at_ns=Nanos(START_NS + at)) for at, control in handed_in]

    def schedule_over(market: ListMarket) -> Schedule:
        return Schedule(market, FakeExchange(), Calendar(JOBS, START_NS), end_ns=START_NS + 10**12, start_ns=START_NS)

    whole = schedule_over(ListMarket(market_events(offsets)))
    for event in controls:
        whole.inject(event)
    at_once = drained(whole)

    late = schedule_over(ChunkedMarket(market_events(offsets), chunk))
    waiting = sorted(controls, key=lambda event: event.at_ns)
    piecewise: list[AnyEvent] = []
    while waiting or late.next_ns() is not None:
        next_ns = late.next_ns()
        while waiting and (next_ns is None or waiting[0].at_ns <= next_ns):
            late.inject(waiting.pop(0))
            next_ns = late.next_ns()
        event_or_none = late.pop()
        if event_or_none is not None:
            piecewise.append(event_or_none)

    assert [encode_event(event) for event in piecewise] == [encode_event(event) for event in at_once]
    keys = [(event.at_ns, EVENT_RANK[type(event)]) for event in at_once]
    assert keys == sorted(keys)
    assert len(at_once) == len(offsets) + len(controls)


@given(OFFSETS, st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_popping_up_to_limits_gives_the_same_run(offsets: list[tuple[int, bool]], limits: list[int]) -> None:
    """A paced run sees the events of an unpaced one, and none before its time."""
    def run(stops: list[int]) -> list[tuple[bytes, int]]:
        schedule = Schedule(ListMarket(market_events(offsets)), FakeExchange(), Calendar(JOBS, START_NS),
                            end_ns=START_NS + 10**12, start_ns=START_NS)
        engine, seen = FakeEngine(every=2), []
        for stop in [*(START_NS + stop for stop in sorted(stops)), None]:
            while (event := schedule.pop(stop)) is not None:
                assert stop is None or event.at_ns <= stop
                step = engine.step(event)
                schedule.handle(event.at_ns, step.commands)
                schedule.wake(step.wake_ns)
                seen.append((encode_event(event), engine.state.orders))
        return seen

    assert run(limits) == run([])
