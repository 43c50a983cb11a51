"""Alerts: an ERROR line, and the operator's own command, run beside trading and never waited for by it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import msgspec
import structlog

from bot.domain.commands import Alert
from bot.telemetry.names import LogEvent

COMMAND_TIMEOUT_S: Final = 30.0
WAITING_MAX: Final = 100


class AlertRunner:
    """Runs `alert_command` once per alert: the alert as one JSON line on its stdin, one process at a time."""

    def __init__(self, command: tuple[str, ...] = (), timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """`command`: program and arguments; empty: alerts are only logged. No shell is involved."""
        self._command = command
        self._timeout_s = timeout_s
        self._waiting: deque[tuple[int, Alert]] = deque()
        self._wake = asyncio.Event()
        self._log = structlog.get_logger()
        self.dropped = 0

    def raise_alert(self, at_ns: int, alert: Alert) -> None:
        """Log it and queue the command; returns at once. Beyond the bound the oldest waiting one is dropped."""
        self._log.error(LogEvent.ALERT_RAISED, name=alert.name, text=alert.text, page=alert.page, at_ns=at_ns)
        if not self._command:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append((at_ns, alert))
        self._wake.set()

    async def run(self) -> None:
        """The task that runs the commands, for as long as the daemon lives."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.deliver()

    async def deliver(self) -> None:
        """Run the command for every alert that waits."""
        while self._waiting:
            await self._call(*self._waiting.popleft())

    async def _call(self, at_ns: int, alert: Alert) -> None:
        line = msgspec.json.encode({"at_ns": at_ns, "name": alert.name, "text": alert.text, "page": alert.page}) + b"\n"
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL)
        except OSError as error:
            self._log.error(LogEvent.ALERT_COMMAND_FAILED, why=str(error))
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await process.communicate(line)
            if process.returncode:
                self._log.error(LogEvent.ALERT_COMMAND_FAILED, why=f"exit code {process.returncode}")
        except TimeoutError:
            self._log.error(LogEvent.ALERT_COMMAND_FAILED, why=f"still running after {self._timeout_s:.0f} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
