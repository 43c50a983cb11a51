"""The one order of everything in simulated time: market, venues' answers, fits, deadlines, calendar, what is handed in.

The order is (instant, `EVENT_RANK`), then handed-in events, then the market, then the exchange; each of these keeps its
own order of venue and arrival. Backtest, daemon and fault simulation pop the same schedule.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Final

from bot.domain.commands import Alert, AnyCommand, FitModels, ShowTicks
from bot.domain.errors import Fatal
from bot.domain.events import EVENT_RANK, AnyEvent, CalendarFired, DeadlineReached
from bot.domain.ports import Exchange, MarketSource
from bot.domain.values import NS_PER_MINUTE, Nanos
from bot.runtime.calendar import Calendar
from bot.runtime.model_fits import InlineFitter, ModelFits

_DEADLINE_RANK: Final = EVENT_RANK[DeadlineReached]
_CALENDAR_RANK: Final = EVENT_RANK[CalendarFired]
_DEADLINES_AT_ONE_INSTANT_MAX: Final = 10_000
_DRAIN_NS: Final = NS_PER_MINUTE
"""After the end answers on their way still arrive for this long."""
_NEVER: Final = (1 << 62, 0)

_HANDED_IN, _MARKET, _EXCHANGE, _DEADLINE, _CALENDAR, _FITS, _NOTHING = range(7)


def ignore_alert(at_ns: int, alert: Alert) -> None:
    """For drivers that show no alerts."""


class Schedule:
    """Merges all sources; `pop` gives the next event, `handle` takes what the engine answered."""

    def __init__(self, market: MarketSource, exchange: Exchange, calendar: Calendar, end_ns: int,
                 start_ns: int = 0, on_alert: Callable[[int, Alert], None] = ignore_alert,
                 observed_ns: int = -1, fits: ModelFits | None = None) -> None:
        """Join the sources.

        Args:
            market: what moves.
            exchange: who answers.
            calendar: its first firing lies after `start_ns`.
            end_ns: no event at or after it is given, but for the exchange's answers to what was sent before.
            start_ns: where simulated time stands now.
            on_alert: takes the engine's alerts.
            observed_ns: the exchange has seen the market up to here already (it remembers more than the journal
                after a crash); such events go to the engine alone.
            fits: who fits models; None: they are fitted where they are asked for.
        """
        self._market = market
        self._exchange = exchange
        self._calendar = calendar
        self._end_ns = end_ns
        self._on_alert = on_alert
        self.fits = fits if fits is not None else ModelFits(InlineFitter())
        self._observed_ns = observed_ns
        self._now_ns = start_ns
        self._market_ns = start_ns
        self._wake_ns: int | None = None
        self._handed_in: list[tuple[int, int, str, int, AnyEvent]] = []
        self._arrivals = 0
        self._deadlines_here = 0

    @property
    def now_ns(self) -> Nanos:
        """The stamp of the last event given."""
        return Nanos(self._now_ns)

    def next_ns(self) -> int | None:
        """When something is due next; None: the run has ended. It may turn out to be internal to the venue."""
        (at_ns, _), source = self._next()
        return None if source == _NOTHING else max(at_ns, self._now_ns)

    def pop(self, until_ns: int | None = None) -> AnyEvent | None:
        """The next event; the exchange has seen a market event before. None: the end, or nothing until `until_ns`."""
        while True:
            (at_ns, _), source = self._next()
            if source == _NOTHING or (until_ns is not None and at_ns > until_ns):
                return None
            event: AnyEvent | None
            if source == _MARKET:
                market_event = self._market.pop()
                self._market_ns = market_event.at_ns
                if market_event.at_ns > self._observed_ns:
                    self._exchange.observe(market_event)
                event = market_event
            elif source == _EXCHANGE:
                event = self._exchange.pop()
                if event is None:
                    continue
            elif source == _FITS:
                event = self.fits.pop()
            elif source == _DEADLINE:
                event = self._deadline(at_ns)
            elif source == _HANDED_IN:
                event = heapq.heappop(self._handed_in)[4]
            else:
                event = self._calendar.pop()
            if event.at_ns < self._now_ns:
                raise Fatal(f"{type(event).__name__} at {event.at_ns} comes after {self._now_ns}: "
                            "a source has broken the order of time")
            if event.at_ns > self._now_ns:
                self._now_ns, self._deadlines_here = event.at_ns, 0
            return event

    def waits_for_fit(self, until_ns: int | None = None) -> bool:
        """Whether the next event is a fit that its worker has not finished."""
        if self.fits.next_due() is None or self.fits.ready():
            return False
        (at_ns, _), source = self._next()
        return source == _FITS and (until_ns is None or at_ns <= until_ns)

    def handle(self, at_ns: int, commands: Iterable[AnyCommand]) -> None:
        """Carry out what the engine asked for at `at_ns`."""
        for command in commands:
            if isinstance(command, Alert):
                self._on_alert(at_ns, command)
            elif isinstance(command, ShowTicks):
                self._market.show_ticks(Nanos(command.until_ns), at_ns)
            elif isinstance(command, FitModels):
                self.fits.begin(at_ns, command)
            else:
                self._exchange.handle(Nanos(at_ns), command)

    def wake(self, wake_ns: int | None) -> None:
        """The engine's next deadline, as its last step says; replaces the one before. A past one is due at once."""
        self._wake_ns = wake_ns

    def inject(self, event: AnyEvent) -> None:
        """Hand in an event (an operator's order, a sender's report); one in the past is refused with `ValueError`."""
        if event.at_ns < self._now_ns:
            raise ValueError(f"{type(event).__name__} at {event.at_ns} lies before {self._now_ns}")
        self._arrivals += 1
        heapq.heappush(self._handed_in, (event.at_ns, EVENT_RANK[type(event)], str(getattr(event, "venue", "")),
                                         self._arrivals, event))

    def _next(self) -> tuple[tuple[int, int], int]:
        market_due = self._market.next_due()
        due, source = (market_due, _MARKET) if market_due is not None else (_NEVER, _NOTHING)
        exchange_due = self._exchange.next_due()
        if exchange_due is not None and exchange_due < due:
            due, source = exchange_due, _EXCHANGE
        if self._handed_in and self._handed_in[0][:2] <= due:
            due, source = self._handed_in[0][:2], _HANDED_IN
        fit_due = self.fits.next_due()
        if fit_due is not None and fit_due < due:
            due, source = (max(fit_due[0], self._now_ns), fit_due[1]), _FITS
        if self._wake_ns is not None:
            deadline = (max(self._wake_ns, self._now_ns), _DEADLINE_RANK)
            if deadline < due:
                due, source = deadline, _DEADLINE
        if self._calendar.due_ns is not None and market_due is not None:
            firing = (self._calendar.due_ns, _CALENDAR_RANK)
            if firing < due:
                due, source = firing, _CALENDAR
        if due[0] >= self._end_ns:
            # the run is over, yet what a venue has booked by then belongs to it: its answers are still taken
            if exchange_due is not None and exchange_due[0] < self._end_ns + _DRAIN_NS:
                return exchange_due, _EXCHANGE
            return _NEVER, _NOTHING
        if market_due is None and not self._drains(due[0], source):
            return _NEVER, _NOTHING
        return due, source

    def _drains(self, at_ns: int, source: int) -> bool:
        """Whether this is still given after the market's end: answers and deadlines, for a short while."""
        return source == _HANDED_IN or (source in (_EXCHANGE, _DEADLINE) and at_ns <= self._market_ns + _DRAIN_NS)

    def _deadline(self, at_ns: int) -> DeadlineReached:
        self._wake_ns = None
        self._deadlines_here += 1
        if self._deadlines_here > _DEADLINES_AT_ONE_INSTANT_MAX:
            raise Fatal(f"the engine asked for {self._deadlines_here} deadlines at {at_ns}: it would never go on")
        return DeadlineReached(at_ns=Nanos(at_ns))
