"""Keeps an account's records while the daemon runs: space on the disk, and once a day the chain, old rows, a backup.

It works beside the engine, in threads that give way; the engine learns only that the disk has no space. A broken chain
is paged and halts the bot.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC
from typing import Final, Protocol

import structlog
from apscheduler.triggers.cron import CronTrigger

from bot.domain.commands import Alert
from bot.domain.errors import BotError, Fatal, Retryable
from bot.domain.events import AnyEvent, DiskLow, OperatorAction
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.engine.view import StorageView
from bot.runtime.calendar import START_DATE, next_fire_ns
from bot.runtime.clock import SystemClock
from bot.runtime.journal_writer import JournalWriter
from bot.storage.account_dir import AccountDir
from bot.storage.backup import automatic_backups, make_backup, room_for_backup, rotate
from bot.storage.disk import MIB, DiskGuard, DiskLevel, DiskState
from bot.storage.journal import Journal
from bot.storage.journal_checks import verify
from bot.storage.journal_rows import Finding
from bot.storage.params import StorageParams
from bot.storage.snapshot import SnapshotStore
from bot.telemetry.names import LogEvent

DAILY: Final = CronTrigger(hour=0, minute=30, second=0, start_date=START_DATE, timezone=UTC)
"""When the records are looked after, in engine time: apart from settlements and the day's close."""
_LOOK_S: Final = 0.5
_PAUSE_S: Final = 0.002
_SNAPSHOT_WAIT_S: Final = 10.0


class Kept(Protocol):
    """A running daemon, as far as its records go."""

    clock: SystemClock
    writer: JournalWriter

    @property
    def now_ns(self) -> Nanos:
        """The engine's time."""
        ...

    @property
    def snapshot_seq(self) -> int | None:
        """The event after which the last snapshot was taken."""
        ...

    def request_snapshot(self) -> None:
        """Take one soon."""
        ...

    def tell_engine(self, event: AnyEvent) -> None:
        """An event of our own process."""
        ...

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An order."""
        ...

    def alert(self, alert: Alert) -> None:
        """Tell the operator."""
        ...


class _Stopped(Exception):
    """The run ends; what goes on in a thread must not hold it up."""


class Housekeeper:
    """One account's records while one daemon runs."""

    def __init__(self, place: AccountDir, params: StorageParams, *, daily: bool) -> None:
        """`daily` False: a run that ends by itself keeps its whole record, so that it can be replayed."""
        self._place = place
        self._params = params
        self._daily = daily
        self._guard = DiskGuard(place.ballast, params)
        self._state = DiskState(free_mib=None, level=DiskLevel.GOOD, ballast=False)
        self._stopping = threading.Event()
        self._log = structlog.get_logger()
        self._verified_ns: int | None = None
        self._findings = 0
        newest = automatic_backups(place)[:1]
        self._backup = newest[0].name if newest else ""
        self._backup_ns = newest[0].stat().st_mtime_ns if newest else None

    async def run(self, daemon: Kept) -> None:
        """Look every half second, for as long as the daemon runs."""
        due_ns = next_fire_ns(DAILY, daemon.now_ns)
        last_ns: int | None = None
        try:
            while True:
                await self._look_at_disk(daemon)
                now_ns = daemon.clock.monotonic_ns()
                rested = last_ns is None or now_ns - last_ns >= self._params.backup_spacing_s * NS_PER_S
                if self._daily and due_ns is not None and daemon.now_ns >= due_ns and rested:
                    last_ns = now_ns
                    await self.look_after(daemon)
                    due_ns = next_fire_ns(DAILY, daemon.now_ns)
                await asyncio.sleep(_LOOK_S)
        finally:
            self._stopping.set()

    def view(self, writer: JournalWriter) -> StorageView:
        """What `status` shows."""
        try:
            journal_mib = round(self._place.journal.stat().st_size / MIB, 1)
        except OSError:
            journal_mib = None
        return StorageView(
            disk=self._state.level.value, free_mib=self._state.free_mib, ballast=self._state.ballast,
            failure=writer.failure, journal_mib=journal_mib, last_backup=self._backup, last_backup_ns=self._backup_ns,
            chain_verified_ns=self._verified_ns, chain_findings=self._findings)

    # ------------------------------------------------------------------------------------------------- the disk

    async def _look_at_disk(self, daemon: Kept) -> None:
        failure = daemon.writer.failure
        freed = await asyncio.to_thread(self._guard.give_way) if failure else False
        if freed:
            self._log.warning(LogEvent.BALLAST_FREED, why=failure)
        before, self._state = self._state, await asyncio.to_thread(self._guard.look)
        if before.level is self._state.level:
            return
        why = f"{self._place.folder}: {self._free_text()} free on the disk"
        self._log.warning(LogEvent.DISK_LEVEL_CHANGED, level=self._state.level.value, free_mib=self._state.free_mib)
        if self._state.level is DiskLevel.LOW and not before.blocks:
            daemon.alert(Alert(name="disk_low", text=f"{why}; below {self._params.disk_block_mib:g} MiB nothing new is "
                               "opened", page=False))
        if self._state.blocks != before.blocks:
            daemon.tell_engine(DiskLow(at_ns=daemon.now_ns, blocked=self._state.blocks, why=why))

    def _free_text(self) -> str:
        return "an unknown number of MiB" if self._state.free_mib is None else f"{self._state.free_mib:g} MiB"

    # ------------------------------------------------------------------------------------------------ once a day

    async def look_after(self, daemon: Kept) -> None:
        """The chain is checked, old market data leave, a backup is made."""
        await self._snapshot(daemon)
        if not await self._check(daemon):
            return
        await self._drop(daemon)
        await self._back_up(daemon)

    async def _snapshot(self, daemon: Kept) -> None:
        before = daemon.snapshot_seq
        daemon.request_snapshot()
        for _ in range(int(_SNAPSHOT_WAIT_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            if daemon.snapshot_seq != before:
                return

    async def _check(self, daemon: Kept) -> bool:
        """Verify the whole chain on a connection of its own; a break halts the bot."""
        findings = await asyncio.to_thread(self._verify)
        self._findings = len(findings)
        if not findings:
            self._verified_ns = daemon.clock.wall_ns()
            self._log.info(LogEvent.CHAIN_VERIFIED)
            return True
        text = f"{self._place.journal}: row {findings[0].row_number}: {findings[0].what} ({len(findings)} findings)"
        self._log.error(LogEvent.CHAIN_BROKEN, row_number=findings[0].row_number, why=findings[0].what)
        daemon.alert(Alert(name="journal_damaged", text=f"{text}; stop, and restore a backup", page=True))
        daemon.order(OperatorAction.KILL_HOLD, "chain check", text)
        return False

    def _verify(self) -> list[Finding]:
        try:
            with Journal.open_readonly(self._place.journal) as journal:
                return verify(journal, pause=self._pause)
        except Fatal as error:
            return [Finding(0, str(error))]

    async def _drop(self, daemon: Kept) -> None:
        kept_ns = int(self._params.market_rows_kept_days * NS_PER_DAY)
        snapshots = SnapshotStore(self._place.snapshots)
        boundary = await asyncio.to_thread(snapshots.before, daemon.now_ns - kept_ns)
        if boundary is None:
            return
        try:
            more = True
            while more:
                more = await daemon.writer.drop_market_data(boundary.seq)
        except Retryable as error:
            self._log.warning(LogEvent.MARKET_DATA_DROPPED, failed=str(error))
        else:
            self._log.info(LogEvent.MARKET_DATA_DROPPED, before_event=boundary.seq)

    async def _back_up(self, daemon: Kept) -> None:
        try:
            why = await asyncio.to_thread(
                room_for_backup, self._place, self._guard, 1.1 * self._params.disk_block_mib + self._params.ballast_mib)
            if why:
                raise Retryable(why)
            made_ns = daemon.clock.wall_ns()
            made = await asyncio.to_thread(make_backup, self._place, None, made_ns, pause=self._pause)
            removed = rotate(self._place, self._params.backups_kept)
        except BotError as error:
            self._log.error(LogEvent.BACKUP_FAILED, why=str(error))
            daemon.alert(Alert(name="backup_failed", text=str(error), page=False))
            return
        self._backup, self._backup_ns = made.path.rpartition("/")[2], made_ns
        self._log.info(LogEvent.BACKUP_MADE, path=made.path, bytes=made.bytes, removed=removed)

    def _pause(self) -> None:
        if self._stopping.wait(_PAUSE_S):
            raise _Stopped
