"""SIGTERM, SIGINT and SIGUSR1 from the first moment of a run to its last; a stop that hangs is cut short.

Before the run nothing has been sent, so a stop simply ends the process. While it runs, the first one asks for an end in
order, the second for an end at once. When it is over, signals that come too late do no harm.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

import structlog

from bot.domain.events import OperatorAction
from bot.telemetry.names import LogEvent

INSISTED_S: Final = 1.5
"""After a second signal the process is gone within two seconds, whatever hangs."""
CLOSING_S: Final = 4.0
"""What closing the files may take after `stop_wait_s`; together below the 20 s that service managers are told."""
EXIT_FORCED: Final = 1
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


class Signalled(Protocol):
    """What signals may ask of a daemon."""

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An operator's order."""
        ...

    def request_stop(self, actor: str, *, insist: bool = False) -> None:
        """End in order; insisting ends at once."""
        ...


class ProcessSignals:
    """The signals of one process; `catch` once at its beginning, from the main thread."""

    def __init__(self) -> None:
        self.stop_wait_s = 15.0
        """How long a stop may wait for cancels (`runtime.stop_wait_s`, once it is known)."""
        self._daemon: Signalled | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stops = 0
        self._over = False
        self._released = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def catch(self) -> None:
        """Take the signals over."""
        for number in (*_STOPS, signal.SIGUSR1):
            self._before[number] = signal.signal(number, self._caught)

    def release(self) -> None:
        """Give them back, for a process that lives longer than its run."""
        self._released.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def forward_to(self, daemon: Signalled, loop: asyncio.AbstractEventLoop) -> None:
        """The run has begun."""
        self._daemon, self._loop = daemon, loop

    def done(self) -> None:
        """The run is over: files are being closed, and nothing is left to stop."""
        self._over = True

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if self._over:
            return
        daemon, loop = self._daemon, self._loop
        if daemon is None or loop is None:
            if number in _STOPS:
                structlog.get_logger().warning(LogEvent.STOP_REQUESTED, actor=signal.Signals(number).name, begun=False)
                raise SystemExit(0)
            return  # a kill before there is anything to kill: the KILL file is the way
        if number == signal.SIGUSR1:
            self._soon(loop, lambda: daemon.order(OperatorAction.KILL, "SIGUSR1", "signal"))
            return
        self._stops += 1
        self._exit_after(INSISTED_S if self._stops > 1 else self.stop_wait_s + CLOSING_S)
        name = signal.Signals(number).name
        self._soon(loop, lambda: daemon.request_stop(name, insist=True))

    @staticmethod
    def _soon(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(work)

    def _exit_after(self, span_s: float) -> None:
        """A thread that outlives every hang of the event loop; what is committed is safe, as after a crash."""
        def end() -> None:
            if not self._released.wait(span_s):
                structlog.get_logger().error(LogEvent.STOP_FORCED, after_s=span_s)
                os._exit(EXIT_FORCED)

        threading.Thread(target=end, name="last resort", daemon=True).start()
