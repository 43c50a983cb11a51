"""A calculation on the screen: its result, then the arithmetic that leads there; JSON for scripts."""

from __future__ import annotations

from typing import Any, Final

from bot.cli.output import cell, emit
from bot.research.calculation import Calculation, Value
from bot.research.sheet import Column, Sheet

_KEPT: Final = 3
"""So many columns stand on any terminal."""


def show(calculation: Calculation, as_json: bool) -> int:
    """Print it; exit code 0."""
    emit(calculation, as_json, None if as_json else rendered(calculation))
    return 0


def rendered(calculation: Calculation) -> Any:
    """Results first, arithmetic next, conventions last; tables of records between."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    results = Table(show_header=False, box=None, pad_edge=False)
    results.add_column(style="bold")
    results.add_column(justify="right")
    for name, value in calculation.result.items():
        results.add_row(name, shown(value))
    parts: list[Any] = [results]
    for title, rows in calculation.tables.items():
        parts += [Text(), records(title, rows)]
    parts += [Text(), Text("arithmetic", style="dim")]
    parts += [Padding(Text(line), (0, 0, 0, 2)) for line in calculation.arithmetic]
    if calculation.conventions:
        parts += [Text(), Text("read it so", style="dim")]
        parts += [Padding(Text(line, style="dim"), (0, 0, 0, 2)) for line in calculation.conventions]
    return Group(*parts)


def records(title: str, rows: tuple[dict[str, Value], ...]) -> Any:
    """One table of records, numbers right; a narrow terminal loses the last columns first, and is told which."""
    from rich.console import Group
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [Column(name, place if place >= _KEPT else 0,
                      left=any(isinstance(row.get(name), str) and row.get(name) for row in rows))
               for place, name in enumerate(names)]
    sheet = Sheet(columns, [[short(row.get(name)) for name in names] for row in rows])
    return Group(Text(title, style="dim"), sheet)


def shown(value: Value) -> str:
    """A figure with six significant digits, thousands apart; unknown is a dash."""
    if isinstance(value, float) and abs(value) >= 1e3:
        return f"{value:,.2f}"
    return cell(value)


def short(value: Value) -> str:
    """A figure of a table: whole from a hundred on, four digits below."""
    if isinstance(value, float):
        return "0" if abs(value) < 1e-9 else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
    return cell(value)
