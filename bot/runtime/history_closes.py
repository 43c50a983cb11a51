"""What was known of every symbol's past when a replay begins: daily and hourly closes, funding, extremes of 8 hours.

Nothing at or after the beginning is read. A perpetual's closes are recorded marks where there are any, else its own
bars'; bars longer than an hour give daily closes and coarser extremes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bot.domain.events import ClosesKnown, KnownCloses
from bot.domain.instrument import Kind, instrument_id
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, InstrumentId, Nanos, Venue
from bot.market.panel import DAYS_MAX, HOURS_MAX
from bot.runtime.bar_grid import Floats, Ints
from bot.storage.history import HistoryFolder, SeriesInfo

_RUN_H: Final = 8
_MISSING_MAX: Final = 4
_HOUR_S: Final = 3_600
_BAR_MAX_S: Final = 14_400


def closes_known(folder: HistoryFolder, symbols: list[tuple[str, str, Kind]], from_ns: int) -> tuple[ClosesKnown, ...]:
    """One event per venue at `from_ns` (00 UTC): the last `DAYS_MAX` days before it.

    Args:
        symbols: (venue, symbol, kind).
        from_ns: the instant at which trading begins.
    """
    known: dict[Venue, list[KnownCloses]] = {}
    for venue, symbol, kind in symbols:
        closes = _closes_of(folder, venue, symbol, kind, from_ns)
        if closes is not None:
            known.setdefault(Venue(venue), []).append(closes)
    return tuple(ClosesKnown(Nanos(from_ns), venue, tuple(own)) for venue, own in sorted(known.items()))


def _closes_of(folder: HistoryFolder, venue: str, symbol: str, kind: Kind, from_ns: int) -> KnownCloses | None:
    begin_ns = from_ns - DAYS_MAX * NS_PER_DAY
    end_ns, close = _recorded(folder, venue, symbol, kind, begin_ns, from_ns)
    if not len(end_ns):
        return None
    hours = _on_grid(end_ns, close, NS_PER_HOUR, from_ns)
    days = _on_grid(end_ns, close, NS_PER_DAY, from_ns)
    if days is None or hours is None:
        return None
    first_day, daily = days
    first_hour, hourly = hours
    rises, falls = _extremes(first_hour, hourly, first_day, len(daily))
    realised = _realised(first_hour, hourly, first_day, len(daily))
    kept = hourly[-HOURS_MAX:]
    return KnownCloses(
        instrument=InstrumentId(instrument_id(venue, symbol)), first_day=first_day, closes=_row(daily),
        funding=_funding(folder, venue, symbol, first_day, len(daily)) if kind is Kind.PERP else (None,) * len(daily),
        rises=_row(rises), falls=_row(falls), realised=_row(realised),
        first_hour=first_hour + len(hourly) - len(kept), hours=_row(kept),
    )


def _recorded(folder: HistoryFolder, venue: str, symbol: str, kind: Kind, begin_ns: int,
              to_ns: int) -> tuple[Ints, Floats]:
    """Closes by the instant they were known, up to and including `to_ns`; marks come before a perpetual's own bars."""
    end_ns, close = np.empty(0, dtype=np.int64), np.empty(0)
    sources = [*(_series(folder, "mark", venue, symbol) if kind is Kind.PERP else ()),
               *_series(folder, "ohlcv", venue, symbol)]
    for one in sources:
        if len(end_ns) and int(end_ns.min()) <= max(one.first_ns, begin_ns) + NS_PER_DAY:
            continue  # what there is reaches as far back already
        if one.kind == "mark":
            marks = folder.marks(venue, symbol, one.bar_s, begin_ns, to_ns)
            ends, values = marks.ts_ns + one.bar_s * NS_PER_S, marks.mark
        else:
            bars = folder.bars(venue, symbol, one.bar_s, begin_ns, to_ns)
            ends, values = bars.ts_ns + one.bar_s * NS_PER_S, bars.close
        spare = ~np.isin(ends, end_ns) & (ends <= to_ns)
        end_ns, close = np.concatenate((end_ns, ends[spare])), np.concatenate((close, values[spare]))
    order = np.argsort(end_ns, kind="stable")
    return end_ns[order], close[order]


def _series(folder: HistoryFolder, kind: str, venue: str, symbol: str) -> list[SeriesInfo]:
    """The hourly series, then the next longer up to 4 h; a shorter one only where there is none of these."""
    own = [one for one in folder.series(kind)
           if (one.venue, one.symbol) == (venue, symbol) and one.bar_s <= _BAR_MAX_S]
    long = sorted((one for one in own if one.bar_s >= _HOUR_S), key=lambda one: one.bar_s)
    return long or sorted(own, key=lambda one: -one.bar_s)[:1]


def _on_grid(end_ns: Ints, close: Floats, step_ns: int, to_ns: int) -> tuple[int, Floats] | None:
    """(number of the first step, one close per step up to `to_ns`), NaN where none ends there."""
    wanted = end_ns % step_ns == 0
    if not wanted.any():
        return None
    steps = end_ns[wanted] // step_ns
    first, last = int(steps[0]), to_ns // step_ns
    grid = np.full(last - first + 1, np.nan)
    grid[steps - first] = close[wanted]
    return first, grid


def _extremes(first_hour: int, hourly: Floats, first_day: int, days: int) -> tuple[Floats, Floats]:
    """Largest log rise and fall within 8 h that ended in the 24 h up to each close; NaN where no hour is known."""
    logs = np.log(hourly)
    padded = np.concatenate((np.full(_RUN_H, np.nan), logs))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _RUN_H + 1)
    low = np.where(np.isnan(windows), np.inf, windows).min(axis=1)
    high = np.where(np.isnan(windows), -np.inf, windows).max(axis=1)
    rises, falls = np.full(days, np.nan), np.full(days, np.nan)
    day_of = -(-(np.arange(len(logs)) + first_hour) // 24) - first_day
    valid = np.isfinite(logs) & (day_of >= 0) & (day_of < days)
    for extreme, target in ((logs - low, rises), (high - logs, falls)):
        best = np.full(days, -np.inf)
        np.maximum.at(best, day_of[valid], extreme[valid])
        target[:] = np.where(np.isfinite(best), best, np.nan)
    return rises, falls


def _realised(first_hour: int, hourly: Floats, first_day: int, days: int) -> Floats:
    """Squared hourly log returns of the 24 h up to each day's close; NaN where more than four of them are missing."""
    squares = np.diff(np.log(hourly), prepend=np.nan) ** 2
    day_of = -(-(np.arange(len(squares)) + first_hour) // 24) - first_day
    valid = np.isfinite(squares) & (day_of >= 0) & (day_of < days)
    counts = np.bincount(day_of[valid], minlength=days)
    sums = np.bincount(day_of[valid], weights=squares[valid], minlength=days)
    return np.where((counts >= 24 - _MISSING_MAX) & (sums > 0), sums * 24.0 / np.maximum(counts, 1), np.nan)


def _funding(folder: HistoryFolder, venue: str, symbol: str, first_day: int, days: int) -> tuple[float | None, ...]:
    """The sum of what was settled in the 24 h up to each day's close; None on days without a settlement."""
    begin_ns, end_ns = (first_day - 1) * NS_PER_DAY + 1, (first_day + days - 1) * NS_PER_DAY
    if not any((one.venue, one.symbol) == (venue, symbol) for one in folder.series("funding")):
        return (None,) * days
    settled = folder.funding(venue, symbol, begin_ns, end_ns)
    day_of = -(-settled.ts_ns // NS_PER_DAY) - first_day
    inside = (day_of >= 0) & (day_of < days)
    total = np.zeros(days)
    np.add.at(total, day_of[inside], settled.rate[inside])
    count = np.bincount(day_of[inside], minlength=days)
    return _row(np.where(count > 0, total, np.nan))


def _row(values: Floats) -> tuple[float | None, ...]:
    return tuple(None if value != value else value for value in values.tolist())
