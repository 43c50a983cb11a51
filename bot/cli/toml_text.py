"""The settings as a complete, commented TOML file: every key with its value in effect, what it means, and its unit."""

from __future__ import annotations

import ast
import inspect
import json
import math
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

WIDTH = 120
UNITS = {
    "ns": "nanoseconds", "ms": "milliseconds", "s": "seconds", "minutes": "minutes", "minute": "per minute",
    "h": "hours", "days": "days", "bps": "basis points", "pct": "per cent", "usd": "USD", "base": "base coin",
    "lots": "lots",
    "ticks": "ticks", "annual": "fraction per year", "share": "fraction", "shares": "fractions", "bytes": "bytes",
    "mib": "MiB",
    "events": "events", "x": "multiple", "multiple": "multiple", "sd": "standard deviations",
}


def toml_text(settings: msgspec.Struct, header: str) -> str:
    """The file, opened by the header as comment lines."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    return "\n".join([*lines, *_tables(settings, "")]) + "\n"


def unit_of(key: str) -> str:
    """The unit that a key's name states; empty if it states none."""
    return next((UNITS[word] for word in reversed(key.split("_")[1:]) if word in UNITS), "")


def field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The line below each field of a parameter struct, which says what it means; read from the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef), "the source of a class is a class"
    texts: dict[str, str] = {}
    field = ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            field = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and field:
            texts[field] = " ".join(str(node.value.value).split())
            field = ""
        else:
            field = ""
    return texts


def _tables(struct: msgspec.Struct, path: str) -> Iterator[str]:
    """The lines of one table, then those of the tables nested in it."""
    texts = field_texts(type(struct))
    nested = []
    values: list[str] = []
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            nested.append((value, f"{path}.{name}".lstrip(".")))
            continue
        unit = unit_of(name)
        comment = " ".join(part for part in (f"[{unit}]" if unit else "", texts.get(name, "")) if part)
        values += [f"# {line}" for line in textwrap.wrap(comment, WIDTH - 2, break_on_hyphens=False)]
        values.append(f"{name} = {_value(msgspec.to_builtins(value))}")
    if values:
        claim = " ".join((inspect.getdoc(type(struct)) or "").partition("\n")[0].split())
        yield from ("", f"# ---- {claim}", f"[{path}]", *values)
    for inner, where in nested:
        yield from _tables(inner, where)


def _value(value: Any) -> str:
    """One value as TOML; records inside a list become inline tables."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value)
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return str(value)
