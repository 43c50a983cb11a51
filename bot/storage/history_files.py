"""Which Parquet file of a folder holds which series, told from the file's name and columns (see DATA_FORMAT.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import duckdb
import msgspec

from bot.domain.errors import DataRefused

_NAME = re.compile(r"(?:(ohlcv|mark|premium)_(\d+)([smhd])|(funding)|(rates)_1d)(?:_.*)?")
_BARE = re.compile(r"(ohlcv|mark|premium)(?:_.*)?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NUMBERS = ("DOUBLE", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "HUGEINT")

COLUMNS: dict[str, tuple[str, ...]] = {
    "ohlcv": ("open", "high", "low", "close", "volume"),
    "funding": ("funding_rate", "interval_hours"),
    "mark": ("mark",),
    "premium": ("close",),
    "rates": ("rate",),
}
"""The number columns each kind must have, beside `ts` and the names of the series."""
OPTIONAL: dict[str, tuple[str, ...]] = {"mark": ("index",), "premium": ("open", "high", "low")}
"""The number columns a kind may have; an absent one reads as null throughout."""
_CURE = {"interval_hours": "add the hours each settlement covers (8, 4, 2 or 1); it is never guessed"}
_CHUNK_BYTES = 1 << 20


class SeriesPart(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds of one series."""

    path: Path
    kind: str
    bar_s: int
    """Bar length; 0 for funding."""
    venue: str
    symbol: str
    rows: int
    filled: int
    """Rows whose every number is there."""
    valued: int
    """Rows with at least the closing value."""
    first_ns: int
    last_ns: int
    extra: tuple[str, ...] = ()
    """Optional columns that are present."""


def bar_seconds(text: str) -> int:
    """The length of a bar spelt `5m`, `1h`, `4h` or `1d`, in seconds.

    Raises:
        ValueError: for any other spelling.
    """
    found = re.fullmatch(r"([1-9]\d*)([smhd])", text)
    if found is None:
        raise ValueError(f"bar length {text!r}: write it as 5m, 1h, 4h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


def bar_name(bar_s: int) -> str:
    """The spelling of a bar length: 3600 -> `1h`."""
    for unit in "dhm":
        if bar_s % _SECONDS[unit] == 0:
            return f"{bar_s // _SECONDS[unit]}{unit}"
    return f"{bar_s}s"


def connect() -> duckdb.DuckDBPyConnection:
    """A private in-memory duckdb that thinks in UTC."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 2")
    return connection


def sql_path(path: Path) -> str:
    """The file as an SQL string literal."""
    return "'" + str(path).replace("'", "''") + "'"


def unreadable(path: Path, error: Exception) -> DataRefused:
    """The one line for a file that is cut short or no Parquet at all."""
    why = str(error).splitlines()[0][:160]
    return DataRefused(f"{path.name}: cannot be read as Parquet ({why}); fetch or convert the file again")


def scan(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[SeriesPart, ...]:
    """Every series of every file whose name says a kind we know; other files are left alone.

    Raises:
        DataRefused: no such folder, no usable file in it, an unreadable file, missing columns or wrong types.
    """
    if not folder.is_dir():
        raise DataRefused(f"{folder}: no such folder; name a folder of Parquet files (bot/storage/DATA_FORMAT.md)")
    parts: list[SeriesPart] = []
    for path in sorted(folder.glob("*.parquet")):
        named = _NAME.fullmatch(path.stem)
        if named is not None:
            kind = named[1] or named[4] or named[5]
            bar_s = int(named[2]) * _SECONDS[named[3]] if named[1] else (86_400 if named[5] else 0)
            parts += _scan_file(connection, path, kind, bar_s)
        elif _BARE.fullmatch(path.stem):
            raise DataRefused(f"{path.name}: the name does not say the bar length; write ohlcv_1h_venue_perp.parquet")
    if not parts:
        raise DataRefused(f"{folder}: holds no ohlcv_*, funding_* or mark_* Parquet; see bot/storage/DATA_FORMAT.md")
    return tuple(parts)


def _scan_file(connection: duckdb.DuckDBPyConnection, path: Path, kind: str, bar_s: int) -> list[SeriesPart]:
    table = f"read_parquet({sql_path(path)})"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()  # noqa: S608 a file of ours
        types = {str(row[0]): str(row[1]) for row in described}
        _check_columns(path, kind, types)
        names = "'', name" if kind == "rates" else "venue, symbol"
        numbers = COLUMNS[kind]
        value = "close" if "close" in numbers else numbers[0]
        all_there = " AND ".join(f"{name} IS NOT NULL" for name in numbers)
        rows = connection.execute(
            f"SELECT {names}, count(*), count(*) FILTER (WHERE {all_there}), count({value}),"  # noqa: S608 our names
            f" epoch_ns(min(ts)), epoch_ns(max(ts)), count(*) - count(ts) FROM {table} GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    extra = tuple(name for name in OPTIONAL.get(kind, ()) if name in types)
    found: list[SeriesPart] = []
    for venue, symbol, count, filled, valued, first_ns, last_ns, no_ts in rows:
        if venue is None or symbol is None or no_ts:
            raise DataRefused(f"{path.name}: {count} row(s) without ts, venue or symbol; remove or complete them")
        found.append(SeriesPart(path=path, kind=kind, bar_s=bar_s, venue=venue, symbol=symbol, rows=count,
                                filled=filled, valued=valued, first_ns=first_ns, last_ns=last_ns, extra=extra))
    return found


def _check_columns(path: Path, kind: str, types: dict[str, str]) -> None:
    texts = ("name",) if kind == "rates" else ("venue", "symbol")
    for name in ("ts", *texts, *COLUMNS[kind]):
        if name not in types:
            cure = _CURE.get(name, f"a {kind} file has ts, {', '.join((*texts, *COLUMNS[kind]))}")
            raise DataRefused(f"{path.name}: column {name!r} is missing; {cure}")
    if types["ts"] != "TIMESTAMP WITH TIME ZONE":
        raise DataRefused(f"{path.name}: column 'ts' is {types['ts']}; store it as a timestamp with time zone, in UTC")
    for name in texts:
        if types[name] != "VARCHAR":
            raise DataRefused(f"{path.name}: column {name!r} is {types[name]}; store it as text")
    for name in (*COLUMNS[kind], *(name for name in OPTIONAL.get(kind, ()) if name in types)):
        if types[name] not in _NUMBERS and not types[name].startswith("DECIMAL"):
            raise DataRefused(f"{path.name}: column {name!r} is {types[name]}; store it as DOUBLE")


def manifest_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over names, sizes and contents of the files, in the order of their names: the identity of the data.

    Raises:
        DataRefused: a file cannot be read.
    """
    whole = hashlib.sha256()
    for path in sorted(set(paths), key=lambda one: one.name):
        try:
            with path.open("rb") as file:
                whole.update(f"{path.name}\0{path.stat().st_size}\0".encode())
                while block := file.read(_CHUNK_BYTES):
                    whole.update(block)
        except OSError as error:
            what = f"{path.name}: cannot be read ({error.strerror}); check the file and its rights"
            raise DataRefused(what) from error
    return whole.hexdigest()
