"""The journal comes first: a step's record is committed, then its commands leave, then the engine goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.domain.commands import Alert, AnyCommand, CancelOrder, FitModels, ShowTicks, SubmitOrder, Transfer
from bot.domain.events import RejectReason, TransferEnded
from bot.domain.values import ZERO, Nanos
from bot.engine.step import Step
from bot.runtime.journal_writer import JournalWriter
from bot.runtime.schedule import Schedule
from bot.runtime.senders import Senders

_CHANGES: Final = (SubmitOrder, CancelOrder, Transfer)


class Outbox:
    """Takes the commands of a step whose record the writer has been given."""

    def __init__(self, writer: JournalWriter, senders: Senders, schedule: Schedule,
                 alert: Callable[[Alert], None]) -> None:
        self._writer = writer
        self._senders = senders
        self._schedule = schedule
        self._alert = alert

    async def carry_out(self, at_ns: Nanos, step: Step) -> None:
        """Commit what the writer holds, let the step's commands leave in order, wait until they have.

        Only what changes something at a venue waits for the disk: orders, cancels, transfers. A read that a crash
        forgets is asked again, so a step of reads alone rides with the next commit.
        """
        if any(isinstance(command, _CHANGES) for command in step.commands):
            written = await self._writer.commit()
        else:
            written = True
            if step.record or step.refusals or step.notes or any(isinstance(c, Alert) for c in step.commands):
                self._writer.start_commit()
        for command in step.commands:
            if isinstance(command, Alert | ShowTicks | FitModels):
                self._schedule.handle(at_ns, (command,))
            elif written or self._may_leave_unwritten(command):
                await self._senders.send(at_ns, command)
        await self._senders.handed_over()

    def _may_leave_unwritten(self, command: AnyCommand) -> bool:
        """Storage has failed: reads, cancels, and orders that can only reduce, each of these alerted as it goes."""
        if isinstance(command, Transfer):
            self._schedule.inject(TransferEnded(at_ns=self._schedule.now_ns, venue=command.venue_to, fee_usd=ZERO,
                                                transfer_id=command.transfer_id, ok=False, why="storage has failed"))
            return False
        if not isinstance(command, SubmitOrder):
            return True
        intent = command.order.intent
        if not intent.reduces_owner:
            self._senders.hold_back(command, RejectReason.HALTED, "storage has failed")
            return False
        self._alert(Alert(name="sent_unjournalled", text=f"reducing order {intent.order_id} left without a record",
                          page=True))
        return True
