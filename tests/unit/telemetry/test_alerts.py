"""The operator's command runs beside trading and cannot hold it up."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from structlog.testing import capture_logs

from bot.domain.commands import Alert
from bot.telemetry.alerts import WAITING_MAX, AlertRunner

ALERT = Alert(name="one_leg", text="BTC; $(touch x)", page=True)


async def run_for(runner: AlertRunner, seconds: float) -> None:
    task = asyncio.create_task(runner.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_command_gets_the_alert_as_json(tmp_path: Path) -> None:
    """On stdin, without a shell: text from outside stays text."""
    target = tmp_path / "got"
    copy = f"import sys,pathlib; pathlib.Path({str(target)!r}).write_text(sys.stdin.read())"

    async def run() -> None:
        runner = AlertRunner((sys.executable, "-c", copy))
        runner.raise_alert(7, ALERT)
        task = asyncio.create_task(runner.run())
        async with asyncio.timeout(10):
            while not (target.exists() and target.read_text().endswith("\n")):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as lines:
        asyncio.run(run())
    assert json.loads(target.read_text()) == {"at_ns": 7, "name": "one_leg", "text": "BTC; $(touch x)", "page": True}
    assert [line["log_level"] for line in lines] == ["error"]


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """And said so."""
    async def run() -> None:
        runner = AlertRunner((sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.1)
        runner.raise_alert(1, ALERT)
        await run_for(runner, 0.6)

    with capture_logs() as lines:
        asyncio.run(run())
    assert "still running" in lines[-1]["why"]


def test_F83_a_thousand_alerts_are_bounded() -> None:
    """Raising one never waits."""
    async def run() -> AlertRunner:
        runner = AlertRunner(("true",))
        for _ in range(1_000):
            runner.raise_alert(1, ALERT)
        return runner

    with capture_logs():
        assert asyncio.run(run()).dropped == 1_000 - WAITING_MAX


def test_a_command_that_does_not_exist_is_a_line() -> None:
    """Not a crash."""
    async def run() -> None:
        runner = AlertRunner(("/no/such/program",))
        runner.raise_alert(1, ALERT)
        await run_for(runner, 0.1)

    with capture_logs() as lines:
        asyncio.run(run())
    assert lines[-1]["event"] == "alert_command_failed"
