"""Log setup: JSON lines (or lines for people) on stderr, and JSON lines in a file that cannot grow without end."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog

from bot.telemetry.log_repeats import RepeatFilter
from bot.telemetry.names import LogEvent

FILE_BYTES_MAX: Final = 10_000_000
FILES_KEPT: Final = 4
_TEXT_MAX: Final = 2_000


class LogSink:
    """Writes finished lines to stderr and the log file; a full disk costs log lines, never the program."""

    def __init__(self, stream: TextIO | None, path: Path | None) -> None:
        self.repeats = RepeatFilter()
        self._stream = stream
        self._file: RotatingFileHandler | None = None
        if path is not None:
            # the file opens with the first line: a folder that cannot be written is reported by AccountDir
            self._file = RotatingFileHandler(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, delay=True,
                                             encoding="utf-8")
            self._file.handleError = self._file_failed  # type: ignore[method-assign]
        self.file_failures = 0

    def write(self, json_line: str, stream_line: str) -> None:
        """One line each."""
        if self._stream is not None:
            try:
                self._stream.write(stream_line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the terminal went away: go on without it
                self._stream = None
        if self._file is not None:
            self._file.emit(logging.makeLogRecord({"msg": json_line}))

    def close(self) -> None:
        """Tell what was held back, and close the file; a line that comes later goes to the stream only."""
        for line in self.repeats.untold():
            text = msgspec.json.encode(line).decode()
            self.write(text, text)
        if self._file is not None:
            self._file.close()
            self._file = None  # the handler would open it again for a late line of another thread

    def _file_failed(self, record: logging.LogRecord) -> None:
        self.file_failures += 1
        if self.file_failures == 1 and self._stream is not None:
            self._stream.write(f'{{"event":"{LogEvent.LOG_FILE_FAILED}","level":"error"}}\n')


class _Logger:
    """What structlog calls last: hands the finished lines to the sink."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink

    def msg(self, json_line: str, stream_line: str) -> None:
        self._sink.write(json_line, stream_line)

    debug = info = warning = error = critical = msg


class _Render:
    """The last processor: the event as a JSON line, and as a line for people where the stream wants one."""

    def __init__(self, *, for_people: bool, colours: bool) -> None:
        self._console = structlog.dev.ConsoleRenderer(colors=colours) if for_people else None

    def __call__(self, logger: Any, method: str,
                 event: MutableMapping[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
        clean = {key: _clean(value) for key, value in event.items()}
        json_line = msgspec.json.encode(clean, enc_hook=str).decode()
        stream_line = json_line if self._console is None else self._console(logger, method, dict(clean))
        return (json_line, str(stream_line)), {}


def configure_logging(*, level: str = "info", for_people: bool = False, stream: TextIO | None = sys.stderr,
                      path: Path | None = None, run: dict[str, str] | None = None) -> LogSink:
    """Set structlog up for the process; returns the sink, to be closed at the end.

    Args:
        level: the lowest level shown.
        for_people: aligned lines on the stream instead of JSON; the file always has JSON.
        stream: None: nothing on the terminal (a live view is there).
        path: the log file; None: no file.
        run: keys bound to every line (account, kind, epoch).
    """
    sink = LogSink(stream, path)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            sink.repeats,
            _Render(for_people=for_people, colours=bool(stream is not None and stream.isatty())),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: _Logger(sink),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**(run or {}))
    return sink


def _clean(value: Any) -> Any:
    """Outside text without control characters and of bounded length."""
    if not isinstance(value, str):
        return value
    text = value if len(value) <= _TEXT_MAX else value[:_TEXT_MAX] + "..."
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
