"""What rows of a data file are refused, and what share of a series must be there.

Duplicates, disorder, stamps off the grid and impossible values are errors of the file: one line names file, series, row
and cure. Gaps and nulls are coverage: counted, stated, refused below `PCT_MIN` of the span in which the series traded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

PCT_MIN: Final = 99.0
RATE_MAX: Final = 0.5
"""A larger |funding rate| per interval is a percentage or a mistake; no venue charges half the notional."""
INTERVALS_H_MAX: Final = 24


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one series is there, in the period asked for."""

    series: str
    """`ohlcv_1h binance:BTC/USDT:USDT`"""
    rows: int
    expected: int
    """Rows that the span from first to last would hold."""
    pct: float
    first: str
    """UTC, ISO 8601; empty if there is no row."""
    last: str
    gaps: int
    """Stretches of missing rows."""
    stand_ins: tuple[str, ...] = ()
    """Each input that something else stands in for, and each assumption."""


class Where(msgspec.Struct, frozen=True):
    """A series in a file, with the file's row number (from 1) of each row in hand."""

    path: Path
    series: str
    rows: Ints
    ts_ns: Ints

    def refuse(self, index: int, what: str, cure: str) -> DataRefused:
        """The one line for row `index`."""
        stamp = iso(int(self.ts_ns[index]))
        return DataRefused(f"{self.path.name}: {self.series}: row {self.rows[index]} ({stamp}): {what}; {cure}")

    def refuse_first(self, bad: Mask, what: str, cure: str) -> None:
        """Refuse the first row marked bad, if any."""
        if bad.any():
            raise self.refuse(int(np.argmax(bad)), what, cure)


def iso(at_ns: int) -> str:
    """UTC to the second, with milliseconds where there are any."""
    seconds, rest_ns = divmod(at_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest_ns // 1_000_000:03d}Z" if rest_ns else f"{text}Z"


def check_order(where: Where) -> None:
    """Refuse duplicate and unordered stamps."""
    steps = np.diff(where.ts_ns, prepend=where.ts_ns[:1] - 1)
    where.refuse_first(steps == 0, "the same ts twice", "remove the duplicate")
    where.refuse_first(steps < 0, "ts goes back", "sort the file by symbol, then ts")


def check_grid(where: Where, bar_ns: int) -> None:
    """Refuse stamps that are not a whole number of bars since 1970."""
    where.refuse_first(where.ts_ns % bar_ns != 0, "ts is off the bar grid", "stamp each bar with its opening time")


def snap_to_hours(where: Where) -> Ints:
    """Settlement stamps on the hour; venues' jitter of up to a minute is taken off, more is refused."""
    snapped = (where.ts_ns + NS_PER_HOUR // 2) // NS_PER_HOUR * NS_PER_HOUR
    off = np.abs(where.ts_ns - snapped) > NS_PER_MINUTE
    where.refuse_first(off, "a settlement more than a minute off the hour", "check the stamps (UTC, settlement time)")
    return snapped.astype(np.int64)


def check_positive(where: Where, name: str, values: Floats, missing: Mask) -> None:
    """Refuse prices that are NaN, infinite, zero or negative where they are given at all."""
    bad = ~missing & ~(np.isfinite(values) & (values > 0))
    if bad.any():
        raise where.refuse(int(np.argmax(bad)), f"{name} is {values[np.argmax(bad)]}",
                           "a price is a positive number; leave it null if it is not known")


def check_finite(where: Where, name: str, values: Floats, missing: Mask) -> None:
    """Refuse NaN and infinities."""
    where.refuse_first(~missing & ~np.isfinite(values), f"{name} is not a finite number",
                       "leave it null if it is not known")


def check_bar_shape(where: Where, columns: dict[str, Floats], missing: Mask) -> None:
    """Refuse bars whose high and low do not hold open and close, and negative volumes."""
    high, low = columns["high"], columns["low"]
    top, bottom = np.maximum(columns["open"], columns["close"]), np.minimum(columns["open"], columns["close"])
    where.refuse_first(~missing & (high < low), "high is below low", "check the column order of the source")
    where.refuse_first(~missing & ((high < top) | (low > bottom)), "open or close lies outside low .. high",
                       "check the column order of the source")
    volume = columns["volume"]
    where.refuse_first(~missing & ~(np.isfinite(volume) & (volume >= 0)), "volume is negative or not a number",
                       "volume is in base coins, zero or more")


def check_funding(where: Where, rate: Floats, no_rate: Mask, interval_h: Floats, no_interval: Mask) -> None:
    """Refuse rates that cannot be fractions, and settlements without a whole number of hours."""
    check_finite(where, "funding_rate", rate, no_rate)
    where.refuse_first(~no_rate & (np.abs(np.where(no_rate, 0.0, rate)) > RATE_MAX),
                       "funding_rate is larger than 0.5 per interval", "give it as a fraction, not in per cent or bp")
    where.refuse_first(no_interval, "interval_hours is null",
                       "add the hours this settlement covers; it is never guessed")
    known = np.where(no_interval, 1.0, interval_h)
    bad = ~((known >= 1) & (known <= INTERVALS_H_MAX) & (known == np.floor(known)))
    where.refuse_first(bad, "interval_hours is not a whole number from 1 to 24",
                       "give the hours this settlement covers")


def check_pct(series: str, path: Path, rows: int, expected: int) -> None:
    """Refuse a series with less than `PCT_MIN` of the rows its own span would hold."""
    pct = 100.0 * rows / expected
    if pct < PCT_MIN:
        raise DataRefused(f"{path.name}: {series}: {rows} of {expected} rows between its first and last are there"
                          f" ({pct:.2f} %, at least {PCT_MIN:g} % are needed); fetch the rest or shorten the file")


def bar_coverage(series: str, ts_ns: Ints, bar_ns: int, stand_ins: tuple[str, ...] = ()) -> Coverage:
    """The coverage of rows that should stand one bar apart."""
    if not len(ts_ns):
        return Coverage(series=series, rows=0, expected=0, pct=0.0, first="", last="", gaps=0, stand_ins=stand_ins)
    expected = int(ts_ns[-1] - ts_ns[0]) // bar_ns + 1
    return Coverage(series=series, rows=len(ts_ns), expected=expected, pct=100.0 * len(ts_ns) / expected,
                    first=iso(int(ts_ns[0])), last=iso(int(ts_ns[-1])), gaps=int((np.diff(ts_ns) > bar_ns).sum()),
                    stand_ins=stand_ins)


def missing_settlements(ts_ns: Ints, interval_h: Ints) -> Ints:
    """How many settlements are missing before each row (the first: none), by that row's own interval."""
    spacing_h = np.diff(ts_ns, prepend=ts_ns[:1]) // NS_PER_HOUR
    missing: Ints = np.maximum((spacing_h + interval_h // 2) // interval_h - 1, 0)
    return missing


def funding_coverage(series: str, ts_ns: Ints, interval_h: Ints, stand_ins: tuple[str, ...] = ()) -> Coverage:
    """The coverage of settlements whose interval may change."""
    if not len(ts_ns):
        return Coverage(series=series, rows=0, expected=0, pct=0.0, first="", last="", gaps=0, stand_ins=stand_ins)
    missing = missing_settlements(ts_ns, interval_h)
    expected = len(ts_ns) + int(missing.sum())
    return Coverage(series=series, rows=len(ts_ns), expected=expected, pct=100.0 * len(ts_ns) / expected,
                    first=iso(int(ts_ns[0])), last=iso(int(ts_ns[-1])), gaps=int((missing > 0).sum()),
                    stand_ins=stand_ins)
