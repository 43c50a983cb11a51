"""A table that gives up its least important columns on a narrow terminal and says which, instead of cutting all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

Cell = str | Text
GAP = 2


class Column(NamedTuple):
    """A heading, and how readily the column is given up: 0 never, else the highest first."""

    name: str
    given_up: int = 0
    left: bool = False


class Sheet:
    """Rows under bare headings; words stand left, numbers right, nothing wraps."""

    def __init__(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], caption: str = "") -> None:
        self._columns = columns
        self._rows = [tuple(row) for row in rows]
        self._caption = caption
        self._widths = [max([cell_len(column.name), *(cell_len(str(row[place])) for row in self._rows)])
                        for place, column in enumerate(columns)]

    def fits(self, width: int) -> bool:
        """Whether every column has its place."""
        return self._needed(range(len(self._columns))) <= width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = list(range(len(self._columns)))
        while self._needed(kept) > options.max_width:
            place = max(kept, key=lambda index: self._columns[index].given_up)
            if self._columns[place].given_up == 0:
                break
            kept.remove(place)
        table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim", pad_edge=False)
        for index in kept:
            column = self._columns[index]
            table.add_column(column.name, justify="left" if column.left else "right", no_wrap=True)
        for row in self._rows:
            table.add_row(*(row[index] for index in kept))
        yield table
        hidden = [column.name for index, column in enumerate(self._columns) if index not in kept]
        notes = [self._caption, f"not shown here: {', '.join(hidden)}" if hidden else ""]
        if any(notes):
            yield Text("; ".join(filter(None, notes)), style="dim")

    def _needed(self, places: Iterable[int]) -> int:
        widths = [self._widths[place] for place in places]
        return sum(widths) + GAP * (len(widths) - 1)
