"""A calculation on the screen: its result, then the arithmetic that leads there; JSON for scripts."""

from __future__ import annotations

from typing import Any

from bot.cli.output import cell, emit
from bot.research.calculation import Calculation, Value


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
    """One table of records, numbers right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name, justify="left" if any(isinstance(row.get(name), str) for row in rows) else "right")
    for row in rows:
        table.add_row(*(shown(row.get(name)) for name in names))
    return table


def shown(value: Value) -> str:
    """A figure with six significant digits, thousands apart; unknown is a dash."""
    if isinstance(value, float) and abs(value) >= 1e5:
        return f"{value:,.2f}"
    return cell(value)
