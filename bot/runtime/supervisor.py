"""Every task has an owner, and none fails unseen.

A critical one that fails ends the run; any other is started again, a few times, then given up with an alert.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bot.domain.commands import Alert
from bot.runtime.clock import Clock
from bot.telemetry.names import LogEvent

RESTARTS_MAX: Final = 3
WINDOW_NS: Final = 600_000_000_000
_BACKOFF_S: Final = 0.5


class Supervisor:
    """Starts the tasks of one run inside its task group and knows how each of them is."""

    def __init__(self, tasks: asyncio.TaskGroup, clock: Clock, alert: Callable[[Alert], None]) -> None:
        self._tasks = tasks
        self._clock = clock
        self._alert = alert
        self._log = structlog.get_logger()
        self._running: dict[str, asyncio.Task[None]] = {}
        self.given_up: list[str] = []
        """Tasks that failed too often; the run goes on without them."""

    def start_critical(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """The run ends with this task's failure: it leaves the group, and the process starts anew."""
        return self._start(name, self._once(work))

    def start(self, name: str, work: Callable[[], Awaitable[None]],
              on_given_up: Callable[[], None] | None = None) -> asyncio.Task[None]:
        """Started again after a failure, at most `RESTARTS_MAX` times in ten minutes; then given up with an alert.

        `on_given_up`: what must not go on without it is told so.
        """
        if name in self.given_up:
            self.given_up.remove(name)
        return self._start(name, self._again_and_again(name, work, on_given_up))

    def alive(self) -> dict[str, bool]:
        """Which tasks run."""
        return {name: not task.done() for name, task in self._running.items()}

    def cancel_all(self) -> None:
        """End every task that runs still."""
        for task in self._running.values():
            task.cancel()

    def _start(self, name: str, work: Awaitable[None]) -> asyncio.Task[None]:
        async def run() -> None:
            await work

        task = self._tasks.create_task(run(), name=name)
        self._running[name] = task
        return task

    async def _once(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()

    async def _again_and_again(self, name: str, work: Callable[[], Awaitable[None]],
                               on_given_up: Callable[[], None] | None) -> None:
        failures: deque[int] = deque(maxlen=RESTARTS_MAX + 1)
        while True:
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 - a helper must not take trading down with it
                now_ns = self._clock.monotonic_ns()
                failures.append(now_ns)
                self._log.error(LogEvent.TASK_FAILED, task=name, why=repr(error), exc_info=True)
                if len(failures) > RESTARTS_MAX and now_ns - failures[0] < WINDOW_NS:
                    self.given_up.append(name)
                    self._log.error(LogEvent.TASK_GIVEN_UP, task=name)
                    self._alert(Alert(name="task_given_up", text=f"{name} failed {len(failures)} times: {error!r}",
                                      page=True))
                    if on_given_up is not None:
                        on_given_up()
                    return
            await asyncio.sleep(_BACKOFF_S * len(failures))
