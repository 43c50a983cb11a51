"""Starts that crash one after another: first nothing opens, then nothing starts until a person says so (F61)."""

from __future__ import annotations

import asyncio
import os

import structlog

from bot.domain.commands import Alert
from bot.domain.errors import Retryable, StaysDown
from bot.runtime.clock import SystemClock
from bot.runtime.params import RuntimeParams
from bot.storage.start_record import StartRecord
from bot.telemetry.alerts import AlertRunner
from bot.telemetry.names import LogEvent


class CrashBudget:
    """One account's starts; `begin` before anything is opened, `end` after a run that ended in order."""

    def __init__(self, record: StartRecord, params: RuntimeParams, clock: SystemClock, alerts: AlertRunner) -> None:
        self._record = record
        self._params = params
        self._clock = clock
        self._alerts = alerts
        self._log = structlog.get_logger()

    def begin(self, *, after_crashes: bool) -> str:
        """Note this start; why it may not open anything, empty if it may.

        Raises:
            StaysDown: too many crashes lately, and nobody asked to start all the same.
        """
        now_ns, params = self._clock.now_ns(), self._params
        try:
            crashes = self._record.crashes(now_ns, params.crash_window_s)
        except Retryable as error:
            self._log.error(LogEvent.CRASH_RECORD_FAILED, why=str(error))
            return "how often it crashed of late is not known"
        if crashes >= params.crashes_max and not after_crashes:
            text = (f"{crashes} starts within {params.crash_window_s:g} s did not end by themselves: staying down; "
                    "look at the log, then start once with --after-crashes")
            self._alerts.raise_alert(now_ns, Alert(name="stays_down", text=text, page=True))
            asyncio.run(self._alerts.deliver())
            raise StaysDown(text)
        try:
            self._record.begin(now_ns, os.getpid())
        except Retryable as error:
            self._log.error(LogEvent.CRASH_RECORD_FAILED, why=str(error))
        if crashes >= params.crashes_reduce_only:
            return f"{crashes} starts within {params.crash_window_s:g} s did not end by themselves"
        return ""

    def end(self) -> None:
        """The run ended in order."""
        try:
            self._record.end(self._clock.now_ns())
        except Retryable as error:
            self._log.error(LogEvent.CRASH_RECORD_FAILED, why=str(error))
