"""Log lines are JSON, bounded in size, and clean of what outsiders put in."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
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


def test_a_line_after_the_end_opens_no_file_again(tmp_path: Path) -> None:
    """Another thread's last word goes to the stream."""
    stream = io.StringIO()
    sink = configure_logging(stream=stream, path=tmp_path / "x.log")
    structlog.get_logger().warning(LogEvent.HEARTBEAT)
    sink.close()
    (tmp_path / "x.log").unlink()
    structlog.get_logger().info(LogEvent.RUN_ENDED)
    assert "run_ended" in stream.getvalue()
    assert not (tmp_path / "x.log").exists()


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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds at which the next lines are stamped."""
    now = [1_700_000_000.0]

    def stamp(self: object, logger: object, method: str, event: dict[str, object]) -> dict[str, object]:
        event["timestamp"] = datetime.fromtimestamp(now[0], UTC).isoformat()
        return event

    monkeypatch.setattr(structlog.processors.TimeStamper, "__call__", stamp)
    return now


def test_F73_a_storm_of_errors_stays_small(tmp_path: Path, clock: list[float]) -> None:
    """Six minutes of errors, equal ones and more different ones than their budget: under a tenth of what an hour may
    take, and each line is shown or counted.
    """
    stream = io.StringIO()
    sink = configure_logging(stream=stream, path=tmp_path / "x.log")
    log, why = structlog.get_logger(), "x" * 300
    for window in range(36):
        clock[0] += 10
        for number in range(220):
            log.error(LogEvent.SEND_FAILED, why=f"{why} {window} {number}")
            if number % 10 == 0:
                log.error(LogEvent.COMMIT_FAILED, why="disk full", at_ns=number)
    sink.close()
    assert len(stream.getvalue()) < 5_000_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5_000_000
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for name, count, shown in (("commit_failed", 36 * 22, 6), ("send_failed", 36 * 220, 36 * 200)):
        kind = [line for line in lines if line["event"] == name]
        untold = sum(line["held_back"] for line in lines if line.get("of") == name)
        assert len(kind) == shown
        assert shown + sum(line.get("held_back_before", 0) for line in kind) + untold == count


def test_a_different_error_is_never_held_back_by_a_repeated_one(clock: list[float]) -> None:
    """What differs passes at once, with the count of what was held back; and a repeated one comes again in a minute."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    log = structlog.get_logger()
    for why in ("a", "a", "a", "b"):
        log.warning(LogEvent.SEND_FAILED, why=why)
    log.error(LogEvent.COMMIT_FAILED, why="a")
    log.warning(LogEvent.SEND_FAILED, why="b")
    clock[0] += 61
    log.warning(LogEvent.SEND_FAILED, why="b")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [(line["why"], line.get("held_back_before", 0)) for line in lines]
    assert told == [("a", 0), ("b", 2), ("a", 0), ("b", 1)]


def test_plain_lines_are_never_held_back(clock: list[float]) -> None:
    """One line per decision, however fast the demo goes."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    for _ in range(500):
        structlog.get_logger().info(LogEvent.REBALANCE_DONE, pairs=1)
    assert stream.getvalue().count("\n") == 500
