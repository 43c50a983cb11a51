"""Looks around while the engine works: the KILL file, clocks, the event loop's lag, storage that failed."""

from __future__ import annotations

import asyncio
import resource
from typing import Final, Protocol

import structlog

from bot.domain.events import OperatorAction
from bot.domain.process_events import latch_holds
from bot.runtime.clock import JumpWatch, SystemClock
from bot.runtime.inbox import Inbox
from bot.runtime.journal_writer import JournalWriter
from bot.runtime.params import RuntimeParams
from bot.storage.kill_latch import KillLatch
from bot.telemetry.names import LogEvent

_RETRY_NS: Final = 1_000_000_000
_LAG_WARN_NS: Final = 250_000_000


class Watched(Protocol):
    """What the watch looks at, and what it may order: a running daemon."""

    params: RuntimeParams
    clock: SystemClock
    latch: KillLatch
    writer: JournalWriter
    inbox: Inbox
    events: int

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An operator's order."""
        ...

    def request_stop(self, actor: str, *, insist: bool = False) -> None:
        """End in order; a second signal ends at once."""
        ...


class Watch:
    """A task beside the engine's; it only looks and orders, it changes nothing itself."""

    def __init__(self, daemon: Watched) -> None:
        self._daemon = daemon
        self._log = structlog.get_logger()
        self._latched = daemon.latch.is_set
        """The latch as known to the engine: found at the start, or ordered since."""
        self.lag_ns_max = 0

    async def run(self) -> None:
        """Look every `watch_ms`, for as long as the daemon runs."""
        clock, period_s = self._daemon.clock, self._daemon.params.watch_ms / 1_000
        jumps = JumpWatch(clock.monotonic_ns(), clock.wall_ns())
        retry_ns = heartbeat_ns = clock.monotonic_ns()
        while True:
            before_ns = clock.monotonic_ns()
            await asyncio.sleep(period_s)
            now_ns = clock.monotonic_ns()
            self._note_lag(now_ns - before_ns - int(period_s * 1e9))
            jump_s = jumps.look(now_ns, clock.wall_ns())
            if jump_s is not None:
                # simulated time stands still meanwhile and the pacer starts afresh, so no data grew old
                self._log.warning(LogEvent.CLOCK_JUMPED, jump_s=round(jump_s, 3))
            self._look_for_kill_file()
            if self._daemon.writer.failure and now_ns - retry_ns >= _RETRY_NS:
                retry_ns = now_ns
                if await self._daemon.writer.commit():
                    self._daemon.inbox.interrupt()
            if now_ns - heartbeat_ns >= self._daemon.params.heartbeat_s * 1e9:
                heartbeat_ns = now_ns
                self._beat()

    def _look_for_kill_file(self) -> None:
        is_set = self._daemon.latch.is_set
        if is_set and not self._latched and not self._daemon.latch.known:
            reason = self._daemon.latch.found()
            self._daemon.order(OperatorAction.KILL_HOLD if latch_holds(reason) else OperatorAction.KILL, actor="file",
                               reason=reason)
        self._latched = is_set

    def _note_lag(self, lag_ns: int) -> None:
        self.lag_ns_max = max(self.lag_ns_max, lag_ns)
        if lag_ns > _LAG_WARN_NS:
            self._log.warning(LogEvent.LOOP_LAGGED, lag_ms=lag_ns // 1_000_000)

    def _beat(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._log.info(LogEvent.HEARTBEAT, events=self._daemon.events, commits=self._daemon.writer.commits,
                       rss_mib_max=usage.ru_maxrss // 1_024, cpu_s=round(usage.ru_utime + usage.ru_stime, 2),
                       loop_lag_ms_max=self.lag_ns_max // 1_000_000)
        self.lag_ns_max = 0
