"""A calculation people can follow: what went in, what came out, and the arithmetic between, line by line."""

from __future__ import annotations

import msgspec

Value = float | int | str | bool | None
Row = dict[str, Value]


class Calculation(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of `evenkeel calc`. Names carry their units; rates are fractions unless they end in `_pct`."""

    name: str
    inputs: Row
    result: Row
    arithmetic: tuple[str, ...]
    """How the result follows, with the numbers put in."""
    conventions: tuple[str, ...] = ()
    """What signs and units mean, and what the figure does not say."""
    tables: dict[str, tuple[Row, ...]] = {}
    """Records that belong to the result: points of a frontier, scenarios, legs."""
