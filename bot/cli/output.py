"""What people and scripts read: one JSON document on stdout, or tables; progress and errors go to stderr."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import msgspec
import orjson

from bot.domain.errors import BotError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAUNCHED = Path(__file__).resolve().parents[1] / "__main__.py"


def plain(value: Any) -> Any:
    """The value in JSON's own types: money and other Decimals as plain strings, infinities as words, NaN as null."""
    match value:
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case Decimal():
            return f"{value:f}"
        case Enum():
            return plain(value.value)
        case bool() | None | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None if math.isnan(value) else "inf" if value > 0 else "-inf"
        case Path():
            return str(value)
        case datetime():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=str)
    raise TypeError(f"cannot print a {type(value).__name__}")


def json_text(document: Any) -> str:
    """The document as indented JSON; integers of any size survive."""
    value = plain(document)
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, orjson.JSONEncodeError):
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()  # an integer beyond 64 bits


def emit(document: Any, as_json: bool, rendered: Any = None) -> None:
    """Print the document: JSON for scripts, else `rendered` (anything rich can print), else a plain table of it."""
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
        sys.stdout.flush()
        return
    if isinstance(rendered, str):
        sys.stdout.write(rendered + "\n")
        return
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    console.print(generic(document) if rendered is None else rendered)


def program() -> str:
    """How this program was called: `./evenkeel` from a checkout's launcher, `evenkeel` once it is installed."""
    return "./evenkeel" if sys.argv[:1] == [str(_LAUNCHED)] else "evenkeel"


def as_typed(text: str) -> str:
    """The text with the commands it names in backquotes spelt as this program was called."""
    return text.replace("`evenkeel ", f"`{program()} ")


def say(text: str) -> None:
    """One line for the person at the terminal, on stderr; `evenkeel VERB` in it is spelt as it must be typed here."""
    sys.stderr.write(as_typed(text).rstrip("\n") + "\n")
    sys.stderr.flush()


def generic(document: Any) -> Any:
    """Any document as tables: its plain values as rows, each list of records as a table of its own."""
    from rich.console import Group

    value = plain(document)
    if isinstance(value, list):
        return _records("", value) if _is_records(value) else _pairs("", dict(enumerate(value)))
    if not isinstance(value, dict):
        return str(value)
    flat = {key: item for key, item in value.items() if not isinstance(item, dict | list) or not item}
    parts: list[Any] = [_pairs("", flat)] if flat else []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            parts.append(_pairs(key, item))
        elif isinstance(item, list) and item:
            parts.append(_records(key, item) if _is_records(item) else _pairs(key, {"": ", ".join(map(cell, item))}))
    return Group(*parts)


def cell(value: Any) -> str:
    """One value as a table shows it; unknown is a dash, never 0."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, dict):
        return "  ".join(f"{key} {cell(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value) or "-"
    return str(value)


def instant(at_ns: int | None) -> str:
    """A UTC instant to the second; unknown is a dash."""
    if at_ns is None:
        return "-"
    return (_EPOCH + timedelta(microseconds=at_ns // 1_000)).strftime("%Y-%m-%d %H:%M:%S")


def write_csv(rows: Sequence[Any], out: Path | None) -> None:
    """Write records as CSV (one header, LF), to the file or to stdout; nested values become JSON in their cell.

    Raises:
        BotError: the file cannot be written.
    """
    records = [_flat(plain(row)) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    if out is None:
        _write_rows(sys.stdout, names, records)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            _write_rows(file, names, records)
    except OSError as error:
        raise BotError(f"{out}: cannot write the CSV: {error.strerror}") from error
    say(f"wrote {len(records)} rows to {out}")


def _write_rows(file: TextIO, names: list[str], records: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(file, names, lineterminator="\n", restval="")
    if names:
        writer.writeheader()
    writer.writerows(records)


def _flat(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        return {"value": record}
    return {
        key: orjson.dumps(item).decode() if isinstance(item, dict | list) else "" if item is None else item
        for key, item in record.items()
    }


def _is_records(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) for item in items)


def _pairs(title: str, values: Mapping[Any, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for key, value in values.items():
        table.add_row(str(key), Text(_shown(key, value)))
    return table


def _records(title: str, rows: list[dict[str, Any]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name.removesuffix("_ns"), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(Text(_shown(name, row.get(name))) for name in names))
    return table


def _shown(key: Any, value: Any) -> str:
    is_instant = str(key).endswith("_ns") and isinstance(value, int) and value > 10**17
    return instant(value) if is_instant else cell(value)
