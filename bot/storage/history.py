"""Recorded history from a folder of Parquet files, as arrays: bars, marks, premium, funding and rates, checked.

The format is `DATA_FORMAT.md` beside this file. Read through duckdb alone; nothing here knows of trading.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_S
from bot.storage import history_checks as checks
from bot.storage.history_checks import Coverage, Floats, Ints, Mask, Where
from bot.storage.history_files import (
    COLUMNS,
    OPTIONAL,
    SeriesPart,
    bar_name,
    connect,
    manifest_hash,
    scan,
    sql_path,
    unreadable,
)

__all__ = ["Bars", "Coverage", "Funding", "HistoryFolder", "Marks", "Rates", "SeriesInfo", "series_label"]

_EVER: Final = (-(1 << 62), 1 << 62)


class SeriesInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One series of the folder, whichever files hold it."""

    kind: str
    venue: str
    symbol: str
    bar_s: int
    first_ns: int
    last_ns: int
    close_only: bool
    """Not one row has all its numbers: the closes value, nothing fills."""


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Bars by opening time, oldest first; rows with a null are left out. Close-only: the other columns equal close."""

    ts_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    close_only: bool
    coverage: Coverage


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Marks by the opening time of their hour; `index` is NaN where the folder has none."""

    ts_ns: Ints
    mark: Floats
    index: Floats
    coverage: Coverage


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """A premium index by opening time, or a daily rate by day: one number per row."""

    ts_ns: Ints
    value: Floats
    coverage: Coverage


class Funding(msgspec.Struct, frozen=True, kw_only=True):
    """Settlements on the hour; the rate is a fraction of notional for the `interval_h` hours before."""

    ts_ns: Ints
    rate: Floats
    interval_h: Ints
    coverage: Coverage


def series_label(kind: str, bar_s: int, venue: str, symbol: str) -> str:
    """How a series is called in coverage and refusals: `ohlcv_1h binance:BTC/USDT:USDT`."""
    return f"{kind}_{bar_name(bar_s)} {venue}:{symbol}" if bar_s else f"{kind} {venue}:{symbol}"


class HistoryFolder:
    """A folder of Parquet files, its series found from names and columns.

    Remembers which files were read, so that `data_hash` names exactly the data a run has used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection = connect()
        self._parts: dict[tuple[str, int, str, str], list[SeriesPart]] = {}
        self._used: set[Path] = set()
        try:
            for part in scan(self._connection, folder):
                self._parts.setdefault((part.kind, part.bar_s, part.venue, part.symbol), []).append(part)
        except DataRefused:
            self._connection.close()
            raise
        for parts in self._parts.values():
            parts.sort(key=lambda part: (part.first_ns, part.path.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._connection.close()

    def series(self, kind: str) -> tuple[SeriesInfo, ...]:
        """Every series of a kind (`ohlcv`, `funding`, `mark`, `premium`, `rates`), by venue, symbol, bar length."""
        found = [
            SeriesInfo(kind=name, venue=venue, symbol=symbol, bar_s=bar_s, first_ns=parts[0].first_ns,
                       last_ns=max(part.last_ns for part in parts), close_only=not any(part.filled for part in parts))
            for (name, bar_s, venue, symbol), parts in self._parts.items() if name == kind
        ]
        return tuple(sorted(found, key=lambda one: (one.venue, one.symbol, one.bar_s)))

    def data_hash(self) -> str:
        """SHA-256 over the files read so far."""
        return manifest_hash(self._used)

    def bars(self, venue: str, symbol: str, bar_s: int, from_ns: int, to_ns: int) -> Bars:
        """The bars that open in [from_ns, to_ns).

        Raises:
            DataRefused: malformed rows, or under 99 % of the series' traded span.
        """
        key = ("ohlcv", bar_s, venue, symbol)
        parts = self._of(key)
        close_only = not any(part.filled for part in parts)
        label = series_label(*key)
        pieces: list[dict[str, NDArray[Any]]] = []
        for part in parts:
            where, columns, nulls = self._rows(part, label, from_ns, to_ns)
            pieces.append(_checked_bars(where, columns, nulls, bar_s * NS_PER_S, close_only))
        joined = _joined(pieces, label, parts)
        self._check_span(label, parts, bar_s, "valued" if close_only else "filled")
        notes = ("close only: values, does not fill",) if close_only else ()
        coverage = checks.bar_coverage(label, joined["ts"], bar_s * NS_PER_S, notes)
        return Bars(ts_ns=joined["ts"], open=joined["open"], high=joined["high"], low=joined["low"],
                    close=joined["close"], volume=joined["volume"], close_only=close_only, coverage=coverage)

    def marks(self, venue: str, symbol: str, bar_s: int, from_ns: int, to_ns: int) -> Marks:
        """The marks of the hours that open in [from_ns, to_ns); rows whose mark is null are left out."""
        key = ("mark", bar_s, venue, symbol)
        joined = self._points(key, ("mark", "index"), from_ns, to_ns)
        coverage = checks.bar_coverage(series_label(*key), joined["ts"], bar_s * NS_PER_S)
        return Marks(ts_ns=joined["ts"], mark=joined["mark"], index=joined["index"], coverage=coverage)

    def premium(self, venue: str, symbol: str, bar_s: int, from_ns: int, to_ns: int) -> Rates:
        """The premium index over the bars that open in [from_ns, to_ns): mean of open, high, low, close, else close.

        The mean comes nearer to the venue's 5 s average than the close does (correlation of the rate it implies with
        the settled one 0.93 against 0.90).
        """
        key = ("premium", bar_s, venue, symbol)
        joined = self._points(key, ("close", "open", "high", "low"), from_ns, to_ns)
        mean = (joined["open"] + joined["high"] + joined["low"] + joined["close"]) / 4
        coverage = checks.bar_coverage(series_label(*key), joined["ts"], bar_s * NS_PER_S)
        return Rates(ts_ns=joined["ts"], value=np.where(np.isnan(mean), joined["close"], mean), coverage=coverage)

    def funding(self, venue: str, symbol: str, from_ns: int, to_ns: int) -> Funding:
        """The settlements in [from_ns, to_ns], on the hour; judged over the whole series."""
        key = ("funding", 0, venue, symbol)
        parts = self._of(key)
        label = series_label(*key)
        pieces = []
        for part in parts:
            where, columns, nulls = self._rows(part, label, *_EVER)
            checks.check_order(where)
            on_hour = Where(where.path, label, where.rows, checks.snap_to_hours(where))
            checks.check_order(on_hour)
            checks.check_funding(where, columns["funding_rate"], nulls["funding_rate"], columns["interval_hours"],
                                 nulls["interval_hours"])
            keep = ~nulls["funding_rate"]
            pieces.append({"ts": on_hour.ts_ns[keep], "rate": columns["funding_rate"][keep],
                           "interval_h": columns["interval_hours"][keep].astype(np.int64)})
        joined = _joined(pieces, label, parts)
        whole = checks.funding_coverage(label, joined["ts"], joined["interval_h"])
        checks.check_pct(label, parts[0].path, whole.rows, max(whole.expected, 1))
        part_of = slice(*np.searchsorted(joined["ts"], (from_ns, to_ns + 1)).tolist())
        ts_ns, interval_h = joined["ts"][part_of], joined["interval_h"][part_of]
        return Funding(ts_ns=ts_ns, rate=joined["rate"][part_of], interval_h=interval_h,
                       coverage=checks.funding_coverage(label, ts_ns, interval_h))

    def rates(self, name: str) -> Rates | None:
        """A daily rate by name (`tbill_3m_usd`), an annual fraction per day; None if the folder has none."""
        key = ("rates", 86_400, "", name)
        if key not in self._parts:
            return None
        joined = self._points(key, ("rate",), *_EVER, span_checked=False)
        coverage = checks.bar_coverage(f"rates_1d {name}", joined["ts"], 86_400 * NS_PER_S)
        return Rates(ts_ns=joined["ts"], value=joined["rate"], coverage=coverage)

    def _points(self, key: tuple[str, int, str, str], names: tuple[str, ...], from_ns: int, to_ns: int, *,
                span_checked: bool = True) -> dict[str, NDArray[Any]]:
        parts = self._of(key)
        label = series_label(*key)
        pieces = []
        for part in parts:
            where, columns, nulls = self._rows(part, label, from_ns, to_ns)
            checks.check_order(where)
            checks.check_grid(where, part.bar_s * NS_PER_S)
            for name in names:
                check = checks.check_positive if part.kind == "mark" else checks.check_finite
                check(where, name, columns[name], nulls[name])
            keep = ~nulls[names[0]]
            pieces.append({"ts": where.ts_ns[keep], **{name: columns[name][keep] for name in names}})
        joined = _joined(pieces, label, parts)
        if span_checked:
            self._check_span(label, parts, key[1], "valued")
        return joined

    def _of(self, key: tuple[str, int, str, str]) -> list[SeriesPart]:
        if key not in self._parts:
            raise DataRefused(f"{self.folder}: has no series {series_label(*key)}")
        return self._parts[key]

    def _check_span(self, label: str, parts: list[SeriesPart], bar_s: int, counted: str) -> None:
        first, last = parts[0].first_ns, max(part.last_ns for part in parts)
        rows = sum(part.filled if counted == "filled" else part.valued for part in parts)
        checks.check_pct(label, parts[0].path, rows, (last - first) // (bar_s * NS_PER_S) + 1)

    def _rows(self, part: SeriesPart, label: str, from_ns: int,
              to_ns: int) -> tuple[Where, dict[str, Floats], dict[str, Mask]]:
        """The rows of one file in file order: where they stand, each number column, and where it is null."""
        names = (*COLUMNS[part.kind], *part.extra)
        numbers = ", ".join(f'CAST("{name}" AS DOUBLE) AS "{name}"' for name in names)
        texts = "name = $symbol AND $venue = ''" if part.kind == "rates" else "venue = $venue AND symbol = $symbol"
        query = (f"SELECT epoch_ns(ts) AS ts, file_row_number + 1 AS row, {numbers}"  # noqa: S608 names are our own
                 f" FROM read_parquet({sql_path(part.path)}, file_row_number = true)"
                 f" WHERE {texts} AND ts >= make_timestamp_ns($from_ns)::TIMESTAMPTZ"
                 f" AND ts < make_timestamp_ns($to_ns)::TIMESTAMPTZ")
        given = {"venue": part.venue, "symbol": part.symbol, "from_ns": max(from_ns, 0),
                 "to_ns": max(min(to_ns, part.last_ns + 1_000_000), 0)}
        try:
            fetched = self._connection.execute(query, given).fetchnumpy()
        except duckdb.Error as error:
            raise unreadable(part.path, error) from error
        self._used.add(part.path)
        where = Where(part.path, label, _plain(fetched["row"]), _plain(fetched["ts"]))
        columns = {name: _plain(fetched[name]) for name in names}
        nulls = {name: np.ma.getmaskarray(fetched[name]) for name in names}
        for name in OPTIONAL.get(part.kind, ()):
            columns.setdefault(name, np.full(len(where.rows), np.nan))
            nulls.setdefault(name, np.ones(len(where.rows), dtype=np.bool_))
        return where, columns, nulls


def _plain(column: Any) -> NDArray[Any]:
    """The array of a fetched column; nulls become NaN."""
    if isinstance(column, np.ma.MaskedArray):
        return np.asarray(column.filled(np.nan) if column.dtype.kind == "f" else column.filled(0))
    return np.asarray(column)


def _checked_bars(where: Where, columns: dict[str, Floats], nulls: dict[str, Mask], bar_ns: int,
                  close_only: bool) -> dict[str, NDArray[Any]]:
    checks.check_order(where)
    checks.check_grid(where, bar_ns)
    for name in ("open", "high", "low", "close"):
        checks.check_positive(where, name, columns[name], nulls[name])
    if close_only:
        keep = ~nulls["close"]
        close = columns["close"][keep]
        return {"ts": where.ts_ns[keep], "open": close, "high": close, "low": close, "close": close,
                "volume": np.full(len(close), np.nan)}
    missing = np.logical_or.reduce([nulls[name] for name in COLUMNS["ohlcv"]])
    checks.check_bar_shape(where, columns, missing)
    return {"ts": where.ts_ns[~missing], **{name: columns[name][~missing] for name in COLUMNS["ohlcv"]}}


def _joined(pieces: list[dict[str, NDArray[Any]]], label: str, parts: list[SeriesPart]) -> dict[str, NDArray[Any]]:
    """The pieces of several files one after the other; they may not overlap."""
    filled = [(piece, part) for piece, part in zip(pieces, parts, strict=True) if len(piece["ts"])]
    for (earlier, before), (later, after) in pairwise(filled):
        if later["ts"][0] <= earlier["ts"][-1]:
            raise DataRefused(f"{after.path.name}: {label}: overlaps {before.path.name} from"
                              f" {checks.iso(int(later['ts'][0]))}; keep each row in one file only")
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
