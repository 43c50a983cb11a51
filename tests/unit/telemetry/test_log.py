"""Log lines are JSON, bounded in size, and clean of what outsiders put in."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.telemetry import log as module
from bot.telemetry.log import configure_logging
from bot.telemetry.names import LogEvent


@pytest.fixture(autouse=True)
def _plain_structlog() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_the_runs_keys(tmp_path: Path) -> None:
    """On the stream and in the file alike."""
    stream = io.StringIO()
    sink = configure_logging(stream=stream, path=tmp_path / "x.log", run={"account": "main"})
    structlog.get_logger().warning(LogEvent.HEARTBEAT, events=3)
    structlog.get_logger().debug(LogEvent.HEARTBEAT)
    sink.close()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["events"], line["account"]) == ("heartbeat", "warning", 3, "main")
    assert "timestamp" in line
    assert (tmp_path / "x.log").read_text() == stream.getvalue()


def test_lines_for_people_are_for_the_stream_only(tmp_path: Path) -> None:
    """The file stays a table."""
    stream = io.StringIO()
    sink = configure_logging(stream=stream, path=tmp_path / "x.log", for_people=True)
    structlog.get_logger().info(LogEvent.RUN_STARTED, epoch=7)
    sink.close()
    assert "run_started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert json.loads((tmp_path / "x.log").read_text())["epoch"] == 7


def test_F90_outside_text_cannot_break_a_line_or_fill_it() -> None:
    """Control characters and long texts are cut."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().error(LogEvent.SEND_FAILED, why="a\nb\x1b[31m" + "x" * 9_000)
    assert stream.getvalue().count("\n") == 1
    assert len(stream.getvalue()) < 2_500
    assert "\x1b" not in json.loads(stream.getvalue())["why"]


def test_F73_the_file_cannot_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotated by size, the oldest dropped."""
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 2_000)
    sink = configure_logging(stream=None, path=tmp_path / "x.log")
    for _ in range(500):
        structlog.get_logger().info(LogEvent.HEARTBEAT)
    sink.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2_000 * (module.FILES_KEPT + 1)
    assert len(list(tmp_path.iterdir())) == module.FILES_KEPT + 1


def test_a_log_that_cannot_be_written_costs_lines_not_the_program(tmp_path: Path) -> None:
    """It says so once."""
    stream = io.StringIO()
    sink = configure_logging(stream=stream, path=tmp_path / "missing" / "x.log")
    for _ in range(3):
        structlog.get_logger().info(LogEvent.HEARTBEAT)
    sink.close()
    assert sink.file_failures == 3
    assert stream.getvalue().count("log_file_failed") == 1
