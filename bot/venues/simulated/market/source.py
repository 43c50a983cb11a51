"""The embedded market as a `MarketSource`: 60 s points always, 1 s ticks where they are asked for."""

from __future__ import annotations

from collections import deque

from bot.domain.events import EVENT_RANK, ClosesKnown, FundingSettled, MarketEvent
from bot.domain.instrument import Instrument
from bot.domain.ports import Due
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, Nanos
from bot.venues.simulated.market.columns import DayColumns, columns_of, layout_of
from bot.venues.simulated.market.events import GridEvent, announced_changes, hour_events, settlements
from bot.venues.simulated.market.instruments import with_interval
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.path import HISTORY_DAYS, DayState, path_model
from bot.venues.simulated.market.prehistory import DAYS
from bot.venues.simulated.market.ticks import minute_ticks

HISTORY_HOURS = 21 * 24
_HOURS_PER_DAY = 24


class EmbeddedMarket:
    """Seeded prices and funding of several venues; needs no internet and never depends on the bot.

    Day 0 is the UTC day of `start_ns`. Events lie strictly after `start_ns` (or after `resume_ns`, which continues the
    same market bit for bit) and at or before `end_ns`. Without ticks nothing is emitted between whole minutes.
    """

    def __init__(
        self, params: EmbeddedParams, seed: int, start_ns: int, end_ns: int | None = None,
        resume_ns: int | None = None,
    ) -> None:
        """Build the market; resuming a year later rolls the day states forward in about two seconds.

        Raises:
            ConfigRefused: if the parameters or the seed cannot make a market.
            ValueError: if `resume_ns` lies before `start_ns`.
        """
        begin_ns = start_ns if resume_ns is None else resume_ns
        if begin_ns < start_ns:
            raise ValueError(f"resume_ns {begin_ns} lies before start_ns {start_ns}")
        self._model = path_model(params, seed)
        self._layout = layout_of(self._model)
        self._start_ns, self._end_ns = start_ns, end_ns
        self._origin_ns = start_ns - start_ns % NS_PER_DAY
        state = self._model.roll(self._model.start(), (begin_ns - self._origin_ns) // NS_PER_DAY)
        self._day = self._columns_of(state)
        self._hour = (begin_ns - self._day.midnight_ns) // NS_PER_HOUR
        self._grid_ns = begin_ns - begin_ns % NS_PER_MINUTE
        self._ticks_until_ns = begin_ns
        self._instruments = self._in_force(begin_ns)
        self._ticks: deque[MarketEvent] = deque()
        self._points: deque[MarketEvent] = deque(event for event in self._hour_points() if event.at_ns > begin_ns)

    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments under the rules in force where this source begins; later changes come as events."""
        return self._instruments

    def next_due(self) -> Due | None:
        """When the next event is due; None once `end_ns` is behind."""
        head = self._head()[0]
        if self._end_ns is not None and head.at_ns > self._end_ns:
            return None
        return head.at_ns, EVENT_RANK[type(head)]

    def pop(self) -> MarketEvent:
        """The next event.

        Raises:
            IndexError: after the end (`next_due` is None).
        """
        if self.next_due() is None:
            raise IndexError("the embedded market has ended")
        head = self._head()
        event = head.popleft()
        if head is self._points:
            self._point_shown(event.at_ns)
        return event

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Show 1 s quotes, marks and prints of every venue until then; a request that reaches further stays.

        Args:
            until_ns: the last instant with ticks.
            from_ns: the caller's time: ticks begin with the next whole second after it. Without it they begin after
                the next 60 s point, because this source cannot know how much time has gone since its last event.
        """
        if until_ns <= self._ticks_until_ns:
            return
        shown_ns, self._ticks_until_ns = self._ticks_until_ns, until_ns
        if self._ticks:
            self._show(shown_ns)
        elif from_ns is not None:
            self._show(max(from_ns, shown_ns))

    def funding_history(self, hours: int = HISTORY_HOURS) -> tuple[FundingSettled, ...]:
        """The rates settled in the `hours` up to and including `start_ns`, oldest first: the forecast's warm-up.

        They come from the same process and the same day states as what follows; prices do not exist before day 0.

        Raises:
            ValueError: beyond the 30 days that exist before the start.
        """
        if not 0 <= hours <= HISTORY_DAYS * _HOURS_PER_DAY:
            raise ValueError(f"hours must be in 0 .. {HISTORY_DAYS * _HOURS_PER_DAY}, got {hours}")
        days = [(day, funding) for day, funding, _ in self._model.history()]
        days.append((0, self._model.day(self._model.start()).funding))
        after_ns = self._start_ns - hours * NS_PER_HOUR
        return tuple(
            event for day, funding in days
            for event in settlements(funding, self._origin_ns + day * NS_PER_DAY, self._layout, self._model.perps)
            if after_ns < event.at_ns <= self._start_ns)

    def closes_before(self, days: int = DAYS) -> tuple[ClosesKnown, ...]:
        """Closes and funding of the days before the start, one event per venue at `start_ns`: the models' history.

        Raises:
            ValueError: if the market does not begin at a midnight.
        """
        if self._start_ns != self._origin_ns:
            raise ValueError(f"start_ns {self._start_ns} is not 00 UTC: a close would lie in the future")
        return self._model.closes_before(self._start_ns, days)

    def _head(self) -> deque[MarketEvent]:
        """The queue with the earliest event; a tick never falls on a whole minute, so there are no ties."""
        return self._ticks if self._ticks and self._ticks[0].at_ns < self._points[0].at_ns else self._points

    def _point_shown(self, at_ns: int) -> None:
        """Load the next hour when this one is spent; after the last event of a minute its ticks may follow."""
        if not self._points:
            self._hour += 1
            if self._hour == _HOURS_PER_DAY:
                self._day, self._hour = self._columns_of(self._day.block.end), 0
            self._points.extend(self._hour_points())
        if self._points[0].at_ns > at_ns:
            self._grid_ns = at_ns
            self._show(at_ns)

    def _show(self, after_ns: int) -> None:
        """Queue the ticks of the current minute that lie after `after_ns` and within what was asked for."""
        last_ns = self._ticks_until_ns
        if last_ns <= max(self._grid_ns, after_ns) or after_ns >= self._grid_ns + NS_PER_MINUTE:
            return
        minute = (self._grid_ns - self._day.midnight_ns) // NS_PER_MINUTE + 1
        self._ticks.extend(
            event for event in minute_ticks(self._model, self._layout, self._day, minute)
            if after_ns < event.at_ns <= last_ns)

    def _hour_points(self) -> list[GridEvent]:
        return hour_events(self._day, self._hour, self._layout, self._model.perps)

    def _columns_of(self, state: DayState) -> DayColumns:
        return columns_of(self._model, self._layout, state, self._origin_ns + state.day * NS_PER_DAY)

    def _in_force(self, at_ns: int) -> tuple[Instrument, ...]:
        """The instruments with the intervals that have been announced by then."""
        intervals = dict(enumerate(self._day.block.funding_begin.interval_h))
        intervals.update(
            (row, interval_h) for minute, row, interval_h in announced_changes(self._day)
            if self._day.midnight_ns + minute * NS_PER_MINUTE <= at_ns)
        perps = {perp.id: with_interval(perp, intervals[row]) for row, perp in enumerate(self._model.perps)}
        return tuple(perps.get(row.instrument.id, row.instrument) for row in self._model.rows)
