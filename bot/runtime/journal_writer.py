"""Commits in one thread: the engine task hands pairs over, and waits only where something is to leave.

Pairs are sealed into batches in order; a batch that could not be committed stays first in line, so numbers never have a
gap and a failed commit is tried again as it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bot.domain.errors import Fatal, Retryable
from bot.domain.events import AnyEvent
from bot.domain.values import NS_PER_S
from bot.engine.step import Step
from bot.runtime.crash_points import CrashPoints
from bot.runtime.params import RuntimeParams
from bot.storage.journal import Journal
from bot.storage.journal_codec import is_market_data, kinds_of
from bot.storage.journal_retention import drop_market_data
from bot.storage.journal_rows import Batch, Pair

T = TypeVar("T")

_CROWD_BATCHES = 8


class JournalWriter:
    """Owns the journal while the daemon runs."""

    def __init__(self, journal: Journal, fence: int, params: RuntimeParams, crash: CrashPoints) -> None:
        self._journal = journal
        self._fence = fence
        self._crash = crash
        self._batch_events_max = params.batch_events_max
        self._unwritten_max = params.unwritten_events_max
        self._delay_ns = params.commit_delay_ms_max * 1_000_000
        self._wait_s = params.commit_wait_ms_max / 1_000
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._pairs: list[Pair] = []
        self._market: list[int] = []
        self._kinds = 0
        self._at_ns = 0
        self._oldest_ns = 0
        self._sealed: deque[Batch] = deque()
        self._under_way = 0
        self._wanted = False
        self._closed = False
        self._background: Fatal | None = None
        self.last_seq = journal.head.last_seq
        """The number of the last pair taken, committed or not."""
        self.commits = 0
        self.failure = ""
        """Why the last commit failed; empty while storage works."""

    def add(self, event: AnyEvent, step: Step, event_bytes: bytes, step_bytes: bytes, monotonic_ns: int) -> None:
        """Take one pair; raises `Fatal` if far too much waits for a storage that fails."""
        if not self._pairs:
            self._oldest_ns = monotonic_ns
        if is_market_data(event, step):
            self._market.append(len(self._pairs))
        self._pairs.append((event_bytes, step_bytes))
        self._kinds |= kinds_of(event, step)
        self._at_ns = event.at_ns
        self.last_seq += 1
        if self._background is not None:
            raise self._background
        if self.last_seq - self._journal.head.last_seq > self._unwritten_max:
            raise Fatal(f"journal: {self._unwritten_max} events could not be written ({self.failure or 'too slow'}); "
                        "stopping, the account goes on from what is on record")

    def due_in_s(self, monotonic_ns: int) -> float | None:
        """Real seconds until what waits must be committed (0: now), or None if nothing waits."""
        if not self._pairs:
            return None
        if len(self._pairs) >= self._batch_events_max:
            return 0.0
        return max(0.0, (self._oldest_ns + self._delay_ns - monotonic_ns) / NS_PER_S)

    @property
    def crowded(self) -> bool:
        """More waits than the disk takes while the engine does not wait for it: it should, once."""
        waiting = self.last_seq - self._journal.head.last_seq
        return not self.failure and waiting > _CROWD_BATCHES * self._batch_events_max

    def start_commit(self) -> None:
        """Commit all that was taken, without waiting; a failure shows in `failure`.

        While a commit is under way the next one gathers: many small steps become one row and one sync.
        """
        if self._under_way:
            self._wanted = True
        else:
            self._submit().add_done_callback(self._note)

    async def commit(self) -> bool:
        """Commit and sync all that was taken; False if that failed or took too long (it may still come)."""
        future = self._submit()
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(future)
        except TimeoutError:
            self.failure = f"a commit has not returned after {self._wait_s:g} s"
            future.add_done_callback(self._note)
            return False
        except Retryable as error:
            self.failure = str(error)
            return False
        self.failure = ""
        return True

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do slow file work in the writer's thread, after the commits before it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def drop_market_data(self, before_seq: int) -> bool:
        """Drop a few rows' old market data between two commits; whether more remain. Raises `Retryable`."""
        return await self.in_thread(lambda: drop_market_data(self._journal, before_seq))

    @property
    def head_hash(self) -> bytes:
        """The chain's end; asked for only after a successful `commit`."""
        return self._journal.head.hash

    async def close(self) -> bool:
        """Commit the rest and end the thread; False if the rest could not be written."""
        written = await self.commit()
        self._closed = True
        self._thread.shutdown(wait=written, cancel_futures=True)
        return written

    def _submit(self) -> asyncio.Future[None]:
        if self._pairs:
            first = self.last_seq - len(self._pairs) + 1
            self._sealed.append(Batch(first_seq=first, at_ns=self._at_ns, fence=self._fence, kinds=self._kinds,
                                      pairs=tuple(self._pairs), market=frozenset(self._market)))
            self._pairs, self._market, self._kinds = [], [], 0
        self._under_way += 1
        self._wanted = False
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._write_sealed)
        future.add_done_callback(self._landed)
        return future

    def _landed(self, future: asyncio.Future[None]) -> None:
        """One commit less is under way; what gathered meanwhile goes next, unless storage fails."""
        self._under_way -= 1
        failed = future.cancelled() or future.exception() is not None
        if self._wanted and not self._under_way and not self._closed and not failed:
            self.start_commit()

    def _write_sealed(self) -> None:
        while self._sealed:
            self._crash("before_commit")
            self._journal.append(self._sealed[0])
            self._sealed.popleft()
            self.commits += 1
            self._crash("after_commit")

    def _note(self, future: asyncio.Future[None]) -> None:
        """A commit nobody waits for has ended."""
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Retryable):
            self.failure = str(error)
        elif error is not None:
            self._background = error if isinstance(error, Fatal) else Fatal(f"journal writer: {error!r}")

    def abandon(self) -> None:
        """The run has failed: what was not committed is as lost as in a crash."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
