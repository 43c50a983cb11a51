"""Small Parquet folders for tests of recorded history, written with duckdb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from bot.domain.events import MarketEvent
from bot.runtime.history_feed import HistoryFeed, open_history
from bot.venues.instrument_table import load_table

HOUR_S = 3_600
DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
"""Real development data beside the checkout, where there are any."""


def ns(text: str) -> int:
    """Nanoseconds of a UTC instant spelt `2024-01-01` or `2024-01-01T08:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def write(path: Path, columns: Mapping[str, tuple[str, Sequence[Any]]]) -> Path:
    """A Parquet file of (type, values) per column, in the order given; a `ts` of type TIMESTAMPTZ is in nanoseconds."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    parts, given = [], {}
    for name, (kind, values) in columns.items():
        given[name] = [value // 1_000 if kind.startswith("TIMESTAMP") else value for value in values]
        raw = f"unnest(${name}::BIGINT[])" if kind.startswith("TIMESTAMP") else f"unnest(${name}::{kind}[])"
        made = {"TIMESTAMPTZ": f"make_timestamptz({raw})", "TIMESTAMP": f"make_timestamp({raw})"}.get(kind, raw)
        parts.append(f'{made} AS "{name}"')
    connection.execute(f"CREATE TABLE made AS SELECT {', '.join(parts)}", given)
    connection.execute(f"COPY made TO '{path}' (FORMAT parquet)")
    connection.close()
    return path


def bars(path: Path, venue: str, symbol: str, ts_ns: Sequence[int], opens: Sequence[float | None],
         **changed: Sequence[Any]) -> Path:
    """Bars that stand still around their open, 1000 coins an hour; `changed` replaces whole columns."""
    still = list(opens)
    columns: dict[str, Sequence[Any]] = {
        "open": still, "high": [None if x is None else x * 1.01 for x in still],
        "low": [None if x is None else x * 0.99 for x in still], "close": still, "volume": [1000.0] * len(still),
        **changed,
    }
    return write(path, {"ts": ("TIMESTAMPTZ", ts_ns), "venue": ("VARCHAR", [venue] * len(ts_ns)),
                        "symbol": ("VARCHAR", [symbol] * len(ts_ns)),
                        **{name: ("DOUBLE", values) for name, values in columns.items()}})


def funding(path: Path, venue: str, symbol: str, ts_ns: Sequence[int], rates: Sequence[float | None],
            hours: Sequence[float | None]) -> Path:
    """Settlements."""
    return write(path, {"ts": ("TIMESTAMPTZ", ts_ns), "venue": ("VARCHAR", [venue] * len(ts_ns)),
                        "symbol": ("VARCHAR", [symbol] * len(ts_ns)), "funding_rate": ("DOUBLE", rates),
                        "interval_hours": ("DOUBLE", hours)})


def marks(path: Path, venue: str, symbol: str, ts_ns: Sequence[int], values: Sequence[float | None],
          index: Sequence[float | None] | None = None) -> Path:
    """Marks, with an index column where given."""
    columns = {"ts": ("TIMESTAMPTZ", ts_ns), "venue": ("VARCHAR", [venue] * len(ts_ns)),
               "symbol": ("VARCHAR", [symbol] * len(ts_ns)), "mark": ("DOUBLE", values)}
    return write(path, columns if index is None else {**columns, "index": ("DOUBLE", index)})


def hours(start: str, count: int, step_h: int = 1) -> list[int]:
    """Instants a whole number of hours apart."""
    return [ns(start) + place * step_h * HOUR_S * 1_000_000_000 for place in range(count)]


def perp_folder(folder: Path, count: int = 48, start: str = "2024-01-01", missing: Sequence[int] = ()) -> Path:
    """Binance BTC: hourly bars (some missing) with opens 40000, 40001, ..., a settlement every 8 h from the start."""
    kept = [place for place in range(count) if place not in missing]
    times = hours(start, count)
    bars(folder / "ohlcv_1h_binance_perp.parquet", "binance", "BTC/USDT:USDT", [times[p] for p in kept],
         [40_000.0 + p for p in kept])
    settled = hours(start, count // 8 + 1, 8)
    funding(folder / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, [0.0001] * len(settled),
            [8.0] * len(settled))
    return folder


def opened(folder: Path, begin: str, end: str, venues: Sequence[str] = ("binance",), coins: Sequence[str] = ("BTC",),
           bar: str | None = None) -> HistoryFeed:
    """The feed over a folder with the shipped table."""
    return open_history(folder, venues, coins, ns(begin), ns(end), load_table(), bar)


def drained(feed: HistoryFeed) -> list[MarketEvent]:
    """Every event of a feed."""
    events = []
    while feed.next_due() is not None:
        events.append(feed.pop())
    return events
