"""Daily and hourly closes of every instrument, jointly by timestamp: volatility, correlation and tails stand on them.

A close is sampled once an hour has passed, from what was known at its edge; nothing is carried over a gap. Bounded: the
oldest days and hours fall out. Rows of several legs exist only where every leg has a close on both ends of the day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain.market_events import ClosesKnown, FundingSettled, KnownCloses
from bot.domain.values import NS_PER_HOUR, InstrumentId
from bot.market.state import MarketState

Vector = NDArray[np.float64]

DAYS_MAX: Final = 750
HOURS_MAX: Final = 24 * 35
_SLACK: Final = 48
"""So many values beyond the bound are kept until a trim is worth its copying."""
_REALISED_HOURS_MIN: Final = 20
_RUN_H: Final = 8
"""Extremes are those of moves of at most so many hours: the time between two chances to act on a rebalance."""


class Series(msgspec.Struct):
    """One instrument's closes. `closes[i]` stands at 00 UTC of day `first_day + i`; None where nothing was known."""

    first_day: int = 0
    closes: list[float | None] = []
    funding: list[float | None] = []
    rises: list[float | None] = []
    falls: list[float | None] = []
    realised: list[float | None] = []
    first_hour: int = 0
    hours: list[float | None] = []
    funding_today: float | None = None
    rise_today: float | None = None
    fall_today: float | None = None
    squares_today: float = 0.0
    """Sum of the day's squared hourly log returns ..."""
    hours_today: int = 0
    """... and how many they are."""

    @property
    def days_known(self) -> int:
        """How many daily closes are known."""
        return len(self.closes) - self.closes.count(None)

    def close_hour(self, hour: int, value: float | None) -> None:
        """Append the close of an hour; hours in between are unknown."""
        if not self.hours:
            if value is None:
                return
            self.first_hour = hour
        missing = hour - self.first_hour - len(self.hours)
        if missing < 0:
            return
        self.hours.extend([None] * min(missing, HOURS_MAX))
        if missing > HOURS_MAX:
            self.first_hour += missing - HOURS_MAX
        last = self.hours[-1] if self.hours else None
        if value is not None and last is not None:
            self.squares_today += math.log(value / last) ** 2
            self.hours_today += 1
        if value is not None:
            before = [each for each in self.hours[-_RUN_H:] if each is not None]
            if before:
                self.rise_today = max(self.rise_today or 0.0, math.log(value / min(before)))
                self.fall_today = max(self.fall_today or 0.0, math.log(max(before) / value))
        self.hours.append(value)
        extra = len(self.hours) - HOURS_MAX
        if extra > _SLACK:
            del self.hours[:extra]
            self.first_hour += extra

    def close_day(self, day: int, value: float | None) -> None:
        """Append the close of a day with what happened within it; days in between are unknown."""
        if not self.closes:
            if value is None:
                return
            self.first_day = day
        missing = day - self.first_day - len(self.closes)
        if missing < 0:  # known from public history, with all that was settled up to then
            self._new_day()
            return
        enough = self.hours_today >= _REALISED_HOURS_MIN and self.squares_today > 0.0
        realised = self.squares_today * 24.0 / self.hours_today if enough else None
        rows = (self.closes, self.funding, self.rises, self.falls, self.realised)
        newest = (value, self.funding_today, self.rise_today, self.fall_today, realised)
        for row, last in zip(rows, newest, strict=True):
            row.extend([None] * min(missing, DAYS_MAX))
            row.append(last)
        if missing > DAYS_MAX:
            self.first_day += missing - DAYS_MAX
        extra = len(self.closes) - DAYS_MAX
        if extra > _SLACK:
            for row in rows:
                del row[:extra]
            self.first_day += extra
        self._new_day()

    def replace(self, known: KnownCloses) -> None:
        """Take over the public history of this instrument; what was folded of it before is forgotten."""
        self.first_day, self.first_hour = known.first_day, known.first_hour
        self.closes, self.funding = list(known.closes), list(known.funding)
        self.rises, self.falls, self.realised = list(known.rises), list(known.falls), list(known.realised)
        self.hours = list(known.hours)
        self._new_day()

    def _new_day(self) -> None:
        self.funding_today = self.rise_today = self.fall_today = None
        self.squares_today, self.hours_today = 0.0, 0


class JointRows(msgspec.Struct, frozen=True):
    """Days that all legs know: simple price returns, the funding a long paid, and the days at whose 00 UTC they end."""

    returns: Vector
    """Shape (n, legs)."""
    funding: Vector
    """Shape (n, legs), fraction of notional; 0 for spot, which pays none."""
    days: NDArray[np.int64]

    @classmethod
    def empty(cls, legs: int) -> JointRows:
        """No day is known to all."""
        return cls(np.empty((0, legs)), np.empty((0, legs)), np.empty(0, dtype=np.int64))


class Panel(msgspec.Struct):
    """All series, and the hour that is closed next."""

    series: dict[InstrumentId, Series] = {}
    edge_ns: int = 0
    """The next hour's edge; it is closed by the first event after it. 0: no event yet."""
    days_closed: int = 0
    """Grows with every day closed and every history taken over: tells readers whether daily rows have changed."""

    # ------------------------------------------------------------------------------------------------- folding

    def close_hours(self, now_ns: int, market: MarketState) -> int:
        """Close every hour that lies before `now_ns`, from what was known at its edge.

        Returns:
            The newest hour closed, hours since 1970-01-01; 0: none was.
        """
        if not self.edge_ns:
            self.edge_ns = (now_ns + NS_PER_HOUR - 1) // NS_PER_HOUR * NS_PER_HOUR
            return 0
        if now_ns <= self.edge_ns:
            return 0
        last_ns = (now_ns - 1) // NS_PER_HOUR * NS_PER_HOUR
        # with hours skipped, what is known can only belong to the first edge that was passed
        for edge_ns in dict.fromkeys((self.edge_ns, last_ns)):
            hour = edge_ns // NS_PER_HOUR
            for instrument in market.instruments:
                value = _value_at(market, instrument, edge_ns)
                series = self.series.get(instrument)
                if series is None:
                    if value is None:
                        continue
                    series = self.series[instrument] = Series()
                series.close_hour(hour, value)
                if hour % 24 == 0:
                    series.close_day(hour // 24, value)
            self.days_closed += hour % 24 == 0
        self.edge_ns = last_ns + NS_PER_HOUR
        return last_ns // NS_PER_HOUR

    def fold_known(self, event: ClosesKnown) -> None:
        """Public history replaces what was folded of these instruments."""
        for known in event.closes:
            self.series.setdefault(known.instrument, Series()).replace(known)
        self.days_closed += 1

    def fold_funding(self, event: FundingSettled) -> None:
        """Settled rates belong to the day that is running."""
        for rate in event.rates:
            series = self.series.setdefault(rate.instrument, Series())
            series.funding_today = (series.funding_today or 0.0) + float(rate.rate)

    # ------------------------------------------------------------------------------------------------- reading

    def daily_returns(self, instrument: InstrumentId, days: int) -> Vector:
        """Log returns of the last `days` days, oldest first; NaN where an end is missing. Shape (<= days,)."""
        series = self.series.get(instrument)
        if series is None or len(series.closes) < 2:
            return np.empty(0)
        closes = np.array(series.closes[-days - 1:], dtype=np.float64)
        return np.asarray(np.diff(np.log(closes)))

    def hourly_returns(self, instrument: InstrumentId, hours: int) -> Vector:
        """Log returns of the last `hours` hours, oldest first; NaN where an end is missing. Shape (<= hours,)."""
        series = self.series.get(instrument)
        if series is None or len(series.hours) < 2:
            return np.empty(0)
        return np.asarray(np.diff(np.log(np.array(series.hours[-hours - 1:], dtype=np.float64))))

    def worst_moves(self, instrument: InstrumentId) -> tuple[float, float] | None:
        """Largest log rise and log fall within 8 h that the daily rows hold; None: no row holds one."""
        series = self.series.get(instrument)
        if series is None:
            return None
        rises = [each for each in series.rises if each is not None]
        falls = [each for each in series.falls if each is not None]
        today = series.rise_today or 0.0, series.fall_today or 0.0
        if not rises or not falls:
            return None
        return max(*rises, today[0]), max(*falls, today[1])

    def joint_rows(self, legs: Sequence[InstrumentId], days: int) -> JointRows:
        """Daily rows of several legs on the days that every leg knows, oldest first; gaps are left out, not filled.

        A day on which a perpetual's funding is unknown is left out for all.
        """
        first, last = -(1 << 60), 1 << 60
        for leg in legs:
            series = self.series.get(leg)
            if series is None or len(series.closes) < 2:
                return JointRows.empty(len(legs))
            first = max(first, series.first_day)
            last = min(last, series.first_day + len(series.closes) - 1)
        first = max(first, last - days)
        if not legs or last <= first:
            return JointRows.empty(len(legs))
        returns, paid = np.empty((last - first, len(legs))), np.zeros((last - first, len(legs)))
        for column, leg in enumerate(legs):
            series = self.series[leg]
            begin = first - series.first_day
            closes = np.array(series.closes[begin:begin + last - first + 1], dtype=np.float64)
            returns[:, column] = closes[1:] / closes[:-1] - 1.0
            funding = series.funding[begin + 1:begin + last - first + 1]
            if any(each is not None for each in series.funding):
                paid[:, column] = np.array(funding, dtype=np.float64)
        known = np.isfinite(returns).all(axis=1) & np.isfinite(paid).all(axis=1)
        return JointRows(returns[known], paid[known], np.arange(first + 1, last + 1)[known])


def _value_at(market: MarketState, instrument: InstrumentId, edge_ns: int) -> float | None:
    """What the instrument was worth at an hour's edge: a value stamped within the hour before it, else None."""
    since_ns = edge_ns - NS_PER_HOUR
    rules = market.instruments[instrument]
    if instrument not in market.halted:
        if rules.is_perp:
            mark = market.marks.get(instrument)
            if mark is not None and since_ns < market.marks_ns.get(rules.venue, 0) <= edge_ns:
                return float(mark.mark)
        elif market.mids_value.get(instrument):
            entry = market.quotes.get(instrument)
            if entry is not None and since_ns < entry[0] <= edge_ns:
                return float(market.value(instrument))
    close = market.closes.get(instrument)
    if close is not None and since_ns < close[0] <= edge_ns:
        return float(close[1])
    return None
