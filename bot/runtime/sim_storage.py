"""The simulated journal: what is committed survives the process; commits fail while the plan says so."""

from __future__ import annotations

from typing import Final

from bot.domain.commands import AnyCommand, CancelOrder, SubmitOrder, Transfer
from bot.domain.events import AnyEvent, OrderRejected, RejectReason, TransferEnded
from bot.domain.values import NS_PER_S, ZERO, Nanos, OrderId, Venue
from bot.engine.step import Step
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults, Strike

_COMMIT_AFTER_NS: Final = NS_PER_S
"""Events that decided nothing wait at most this long for their commit."""
_CHANGES: Final = (SubmitOrder, CancelOrder, Transfer)
_FAILING: Final = (FaultKind.DISK_FULL, FaultKind.COMMIT_FAILED)
_EVERYWHERE: Final = Venue("")


class MemoryJournal:
    """(event, step) pairs as bytes; what is not committed dies with the process."""

    def __init__(self) -> None:
        self.rows: list[tuple[bytes, bytes]] = []
        self.intents: dict[OrderId, None] = {}
        """Orders whose intent is committed."""
        self.failing = False
        """Commits fail: rows wait in memory."""
        self._durable = 0
        self._waiting_ns: int | None = None
        self._wanted = False
        self._fresh: list[OrderId] = []

    def add(self, event: AnyEvent, step: Step, pair: tuple[bytes, bytes]) -> None:
        """Take a pair; it is committed at once if it decided something, else within a second."""
        if self._waiting_ns is not None and event.at_ns - self._waiting_ns >= _COMMIT_AFTER_NS:
            self.commit()
        self.rows.append(pair)
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                self._fresh.append(command.order.intent.order_id)
        if self._waiting_ns is None:
            self._waiting_ns = event.at_ns
        if step.decided:
            self.commit()

    def late(self, at_ns: int) -> bool:
        """A commit is due and has not come about."""
        return self.unwritten > 0 and self._waiting_ns is not None and (
            self._wanted or at_ns - self._waiting_ns >= _COMMIT_AFTER_NS)

    @property
    def unwritten(self) -> int:
        """Pairs that a death now would take with it."""
        return len(self.rows) - self._durable

    def lose_tail(self) -> int:
        """The process is gone: how many pairs went with it."""
        lost = self.unwritten
        del self.rows[self._durable:]
        self._waiting_ns, self._fresh = None, []
        return lost

    def commit(self) -> bool:
        """All that was taken is on disk from here; False while storage fails."""
        if self.failing:
            self._wanted = True
            return False
        self._wanted = False
        self._durable, self._waiting_ns = len(self.rows), None
        for order_id in self._fresh:
            self.intents[order_id] = None
        self._fresh = []
        return True


class Storage:
    """The disk by plan: when it fails, when it works again, how slow it is."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._planned = bool(faults.plan.strikes)

    def fails(self, at_ns: int) -> Strike | None:
        """The fault that keeps a commit from succeeding now."""
        if not self._planned:
            return None
        for kind in _FAILING:
            strike = self._faults.during(kind, _EVERYWHERE, at_ns)
            if strike is not None:
                return strike
        return None

    def slow_ns(self, at_ns: int, number: int) -> int:
        """How long the commit `number` takes."""
        slow = self._faults.during(FaultKind.SLOW_DISK, _EVERYWHERE, at_ns) if self._planned else None
        if slow is None:
            return 0
        self._faults.count(FaultKind.SLOW_DISK)
        return int(slow.size * NS_PER_S * (number % 7 + 1) / 7)


def changes_something(step: Step) -> bool:
    """Whether a step waits for its commit: it sends what changes something at a venue."""
    return any(isinstance(command, _CHANGES) for command in step.commands)


def held_back(at_ns: Nanos, command: AnyCommand) -> AnyEvent | None:
    """What the bot is told of a command that may not leave without a record; None: it may (I1's exception)."""
    match command:
        case Transfer():
            return TransferEnded(at_ns, command.venue_to, command.transfer_id, False, ZERO, "storage has failed")
        case SubmitOrder(order=order) if not order.intent.reduces_owner:
            return OrderRejected(at_ns, order.intent.venue, order.intent.order_id, RejectReason.HALTED,
                                 "storage has failed")
        case _:
            return None
