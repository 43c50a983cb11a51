"""Where a run shows itself: the live view on a terminal, lines on stderr elsewhere, the final report on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, TaskID

from bot.cli.output import emit, say
from bot.engine.view import EngineView
from bot.options import Screen
from bot.research.run_document import RunReport

if TYPE_CHECKING:
    from bot.cli.live_view import LiveView


class QuietScreen:
    """Shows no states; progress goes to stderr, the report to stdout."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def show(self, view: EngineView) -> None:
        """Nothing: the log has it."""

    def progress(self, text: str) -> None:
        """One line on stderr."""
        say(text)

    def advance(self, done: float, text: str) -> None:
        """A progress bar on stderr, where a person watches."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}"),
                                 TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(text, total=1.0)
        self._bar.update(self._task, completed=done, description=text)
        if done >= 1.0:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def report(self, document: Any) -> None:
        """The document on stdout."""
        self._end_bar()
        emit(document, self._as_json, report_table(document, self._as_json))

    def close(self) -> None:
        """The bar is taken away."""
        self._end_bar()


class LiveScreen(QuietScreen):
    """The live view until the run ends, then lines below its last picture."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self._view: LiveView | None = None
        self._ended = False

    def show(self, view: EngineView) -> None:
        """The next picture; the first one opens the view."""
        if self._ended:
            return
        if self._view is None:
            from bot.cli.live_view import LiveView

            self._view = LiveView().__enter__()
        self._view.update(view)

    def progress(self, text: str) -> None:
        """A line, unless the view is open and would be torn by it."""
        if self._view is None:
            super().progress(text)

    def report(self, document: Any) -> None:
        """The report, below the last picture."""
        self.close()
        super().report(document)

    def close(self) -> None:
        """Give the terminal back."""
        self._ended = True
        if self._view is not None:
            self._view.__exit__(None, None, None)
            self._view = None


def open_screen(as_json: bool, *, live: bool) -> Screen:
    """The live view where a person watches a run; else the quiet screen."""
    if live and not as_json and sys.stdout.isatty():
        return LiveScreen()
    return QuietScreen(as_json)


def report_table(document: Any, as_json: bool) -> Any:
    """The report as rich prints it; None where JSON is wanted or the document is no run report."""
    if as_json or not isinstance(document, RunReport):
        return None
    from bot.research.report_text import report_text

    return report_text(document)
