"""What is under way between us and the venues, in the order in which it happens."""

from __future__ import annotations

import heapq

import msgspec

from bot.domain.commands import ArmDeadMan, CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.events import AccountEvent, AccountReport, FundingPaid, OrderReport, ReadFailed
from bot.domain.values import Nanos, Venue
from bot.venues.simulated.faults import Strike

Request = SubmitOrder | CancelOrder | QueryOrder | ReadAccount | Transfer | ArmDeadMan


class Arrival(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request that reaches its venue; its answer may be lost on the way back."""

    request: Request
    answered: bool = True


class Landing(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A transfer that lands, or comes back."""

    transfer_id: str
    back: bool = False


class Lapse(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A dead-man switch runs out, unless it was armed again since."""


class LatePayment(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A funding payment that its venue books after its time."""

    paid: FundingPaid


class Delivery(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An event that reaches us."""

    event: AccountEvent
    own: bool = False
    """What we say to ourselves (a time limit, a lost connection): no venue can keep it from us."""


class Blow(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A planned fault that strikes a venue or our account there."""

    strike: Strike


Happening = Arrival | Landing | Lapse | LatePayment | Delivery | Blow
Entry = tuple[int, int, str, int, Happening]
"""(at_ns, rank, venue, number, what); the number is unique, so no two entries tie."""

_READS = (ReadAccount, QueryOrder)
_READ_ANSWERS = (AccountReport, OrderReport, ReadFailed)
ARRIVAL_RANK = 6
"""Arrivals of an instant come after its market and its funding: what opens at T is not charged for T."""


class Pending:
    """A heap of happenings: time, rank of the event, venue, then the number given when it was put in."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.number = 0
        self.reads = 0
        """How many of the pushes were reads and their answers: they change no book and may be lost."""

    @property
    def changes(self) -> int:
        """Counts everything put in that a restart must not lose."""
        return self.number - self.reads

    def put_back(self, entries: list[Entry], number: int) -> None:
        """Restore what was under way."""
        self.entries = [*entries]
        heapq.heapify(self.entries)
        self.number = number

    def push(self, at_ns: Nanos, rank: int, venue: Venue, what: Happening) -> None:
        """Put in one happening."""
        self.number += 1
        if isinstance(what, Arrival):
            self.reads += isinstance(what.request, _READS)
        elif isinstance(what, Delivery):
            self.reads += isinstance(what.event, _READ_ANSWERS)
        heapq.heappush(self.entries, (at_ns, rank, venue, self.number, what))

    def pop(self) -> Entry:
        """Take out the next one."""
        return heapq.heappop(self.entries)
