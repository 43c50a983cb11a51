"""Commands leave here, one lane per venue, after their record is on disk.

An opening order leaves only while no kill latch is set. Whatever is raised once a create may have left makes the order
UNKNOWN; nothing is ever sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from bot.domain.commands import AnyCommand, ArmDeadMan, CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.errors import Fatal
from bot.domain.events import AnyEvent, CancelFailed, OrderRejected, OrderUnknown, ReadFailed, RejectReason
from bot.domain.values import Nanos
from bot.runtime.crash_points import CrashPoints
from bot.runtime.schedule import Schedule
from bot.storage.kill_latch import KillLatch
from bot.telemetry.names import LogEvent

QUEUE_MAX = 10_000


class Transport(Protocol):
    """Carries one command to its venue; an answer comes back as an event, not from here."""

    async def send(self, at_ns: int, command: AnyCommand) -> None:
        """Returns when the command has been handed over; raises if that is not certain."""
        ...

    def lane(self, command: AnyCommand) -> str:
        """Commands of one lane leave in their order; lanes do not wait for each other."""
        ...


class ScheduleTransport:
    """To the simulated exchange: one lane, so that all commands arrive in the order of their decision."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def send(self, at_ns: int, command: AnyCommand) -> None:
        """Hand it to the schedule."""
        self._schedule.handle(at_ns, (command,))

    def lane(self, command: AnyCommand) -> str:
        """All in one."""
        return "simulated"


class Senders:
    """The lanes. `report` takes what became of a command that did not plainly leave."""

    def __init__(self, transport: Transport, latch: KillLatch, epoch: int, report: Callable[[AnyEvent], None],
                 now_ns: Callable[[], int], crash: CrashPoints) -> None:
        self._transport = transport
        self._latch = latch
        self._epoch = epoch
        self._report = report
        self._now_ns = now_ns
        self._crash = crash
        self._lanes: dict[str, asyncio.Queue[tuple[int, AnyCommand]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger()
        self.sent = 0

    def attach(self, tasks: asyncio.TaskGroup) -> None:
        """Lanes are tasks of this group."""
        self._tasks = tasks

    async def send(self, at_ns: int, command: AnyCommand) -> None:
        """Put one command into its lane."""
        name = self._transport.lane(command)
        queue = self._lanes.get(name)
        if queue is None:
            if self._tasks is None:
                raise Fatal("senders: no task group yet")
            queue = self._lanes[name] = asyncio.Queue(QUEUE_MAX)
            self._running.append(self._tasks.create_task(self._run_lane(queue), name=f"sender {name}"))
        await queue.put((at_ns, command))

    async def handed_over(self) -> None:
        """Wait until every command has left (the barrier of simulated time)."""
        for queue in self._lanes.values():
            await queue.join()

    def close(self) -> None:
        """End the lanes; what was not handed over stays here."""
        for task in self._running:
            task.cancel()

    def hold_back(self, command: SubmitOrder, reason: RejectReason, why: str) -> None:
        """An order that stays here for certain is rejected, not unknown."""
        intent = command.order.intent
        self._log.warning(LogEvent.ORDER_HELD_BACK, order_id=intent.order_id, instrument=intent.instrument, why=why)
        self._report(OrderRejected(at_ns=Nanos(self._now_ns()), venue=intent.venue, order_id=intent.order_id,
                                   reason=reason, text=why))

    async def _run_lane(self, queue: asyncio.Queue[tuple[int, AnyCommand]]) -> None:
        while True:
            at_ns, command = await queue.get()
            try:
                await self._send(at_ns, command)
            finally:
                queue.task_done()

    async def _send(self, at_ns: int, command: AnyCommand) -> None:
        if isinstance(command, SubmitOrder):
            if not command.order.intent.reduces_owner and self._latch.is_set:
                self.hold_back(command, RejectReason.HALTED, "kill latch is set")
                return
            if command.order.fence != self._epoch:
                self.hold_back(command, RejectReason.OTHER, f"order of epoch {command.order.fence}")
                return
        creates = isinstance(command, SubmitOrder)
        self._crash("before_send")
        if creates:
            self._crash("before_order")
        try:
            await self._transport.send(at_ns, command)
        except Fatal:  # the simulated world itself is broken: no venue to ask later
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the create may have left
            self._log.error(LogEvent.SEND_FAILED, command=type(command).__name__, why=repr(error))
            self._report_unclear(command, f"{type(error).__name__}: {error}"[:200])
            return
        self.sent += 1
        self._crash("after_send")
        if creates:
            self._crash("after_order")

    def _report_unclear(self, command: AnyCommand, why: str) -> None:
        at_ns = Nanos(self._now_ns())
        match command:
            case SubmitOrder(order=order):
                self._report(OrderUnknown(at_ns=at_ns, venue=order.intent.venue, order_id=order.intent.order_id,
                                          why=why))
            case CancelOrder():
                self._report(CancelFailed(at_ns=at_ns, venue=command.venue, order_id=command.order_id, why=why))
            case QueryOrder():
                self._report(ReadFailed(at_ns=at_ns, venue=command.venue, request_id=command.order_id, why=why))
            case ReadAccount():
                self._report(ReadFailed(at_ns=at_ns, venue=command.venue, request_id=command.request_id, why=why))
            case Transfer():
                self._report(ReadFailed(at_ns=at_ns, venue=command.venue_to, request_id=command.transfer_id, why=why))
            case ArmDeadMan():
                pass  # what rests there lapses, and its own answers say so
            case _:
                raise Fatal(f"{type(command).__name__} could not be carried out: {why}")
