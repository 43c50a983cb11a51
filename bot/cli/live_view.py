"""The calm live view of a running engine: one screen, at most four refreshes a second, nothing that jumps.

Order of importance: mode, equity and where it came from, unhedged notional, alerts, pairs with both legs, limits,
venues, last events, and a footer that says how to stop, how to look closer and what to try next. It shrinks to 80 x 24.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from bot.cli.note_text import note_text
from bot.cli.output import program
from bot.cli.render import as_view, render_status
from bot.cli.view_lines import (
    alert_lines,
    attribution_lines,
    counted,
    equity_line,
    hedge_line,
    limit_lines,
    line,
    mode_line,
    pair_lines,
    unhedged_line,
    venue_line,
)
from bot.engine.view import EngineView

REFRESHES_PER_S: Final = 4
NOTES_KEPT: Final = 2
ALERTS_SHOWN: Final = 2


class LiveFrame:
    """One picture, laid out for whatever terminal it is printed on."""

    def __init__(self, view: EngineView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from frame_lines(self._view, options.max_width, options.height or console.height)


def frame_lines(view: EngineView, width: int, height: int) -> list[Text]:
    """The lines of one screen: head and footer always, then pairs, then limits, venues and events as room allows.

    Args:
        view: the engine's picture.
        width: columns of the terminal; lines beyond are cut.
        height: rows of the terminal; the body is cut before the footer is.

    Returns:
        One text per row, top first; exactly `height` of them from the footer's two rows on.
    """
    head = [mode_line(view), equity_line(view), *attribution_lines(view, width), unhedged_line(view),
            *hedge_line(view)]
    alerts = alert_lines(view)
    hidden = len(alerts) - ALERTS_SHOWN
    head += alerts[:ALERTS_SHOWN]
    if hidden > 0:
        head.append(line((f"and {hidden} more alerts: {program()} status", "bold")))
    limits = limit_lines(view, width, 4 if height >= 28 else 1 if width < 104 else 2)
    below = [_book_line(view), *limits, *([venue_line(view)] if view.venues else [])]
    foot = footer(view, width)
    blanks = 4  # after the head, the pairs, the limits and the events
    room = height - len(head) - len(below) - len(foot) - blanks
    notes_wanted = min(len(view.last_notes), max(NOTES_KEPT, room - len(view.pairs) - 1))
    pairs = pair_lines(view, width, max(1, room - 1 - min(NOTES_KEPT, notes_wanted)))
    newest_first = view.last_notes[::-1][:max(0, room - len(pairs))]
    notes = [line(("last     " if place == 0 else "         ", "dim"), note_text(note))
             for place, note in enumerate(newest_first)]
    lines = [*head, line(), *pairs, line(), *below, *([line(), *notes] if notes else [])]
    room = max(0, height - len(foot))
    return [*lines[:room], *(line() for _ in range(room - len(lines))), *foot]


def footer(view: EngineView, width: int) -> list[Text]:
    """How to stop, how to look closer, what next."""
    then = "resume" if view.mode == "HALTED" else "acknowledge" if view.alerts else "backtest -h"
    closer = "status | positions | funding | decisions" if width >= 96 else "status | funding | decisions"
    return [
        line(("Ctrl-C", "bold"), (" stops, pairs stay hedged", "dim"), (f"   {program()} kill", "bold"),
             (" closes everything now", "dim")),
        line(("look closer: ", "dim"), f"{program()} {closer}", ("   next: ", "dim"),
             f"{program()} {then}" if width >= 96 else then),
    ]


def _book_line(view: EngineView) -> Text:
    """How many pairs and orders there are, and orders whose outcome nobody knows yet."""
    unknown = (f"   {view.orders_unknown} UNKNOWN (asking)", "bold yellow") if view.orders_unknown else ""
    return line(("book     ", "dim"), f"{counted(len(view.pairs), 'pair')} held, {view.closed_pairs} closed so far   ",
                f"{counted(len(view.orders_open), 'order')} open", unknown)


class LiveView:
    """The live view as a context: `update` it with each new picture, from one thread.

    On leaving, the last picture is printed as `status` prints it, so that it stays in the terminal's history.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(highlight=False) if console is None else console
        self._view: EngineView | None = None
        self._frame: RenderableType = line(("starting", "bold"), (": waiting for the first picture", "dim"))
        self._live = Live(get_renderable=lambda: self._frame, console=self._console, screen=True,
                          refresh_per_second=REFRESHES_PER_S)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._live.stop()
        if self._view is not None:
            self._console.print(render_status(self._view))

    def update(self, view: Mapping[str, Any] | EngineView) -> None:
        """Show this picture at the next refresh; costs nothing but reading it.

        Raises:
            Unavailable: if it is not a picture that this version can read.
        """
        self._view = as_view(view)
        self._frame = LiveFrame(self._view)
