"""What the pair machine sees and what it answers: situations of legs in, wanted orders out."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.events import Quote
from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import InstrumentId, Nanos, OrderId, Side


class LegSituation(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a pair at this instant."""

    instrument: Instrument
    quantity: Decimal
    """Signed base quantity the pair holds."""
    quote: Quote | None
    """None while the instrument has no quote (halted, missing bar)."""
    quote_ns: Nanos
    working_lots: int = 0
    """Signed remaining lots of orders that are sent or open and not in doubt; where a late order of one side stands
    against one of the other and nothing would be left, all of them: what is out is never nothing."""
    doubtful_lots: int = 0
    """Remaining lots of orders whose outcome is unknown or overdue, both sides together."""
    doubtful_reducing_lots: int = 0
    """The part of `doubtful_lots` that would reduce the leg (unsigned)."""
    resting: tuple[OrderId, ...] = ()
    """Working orders that may rest (makers), oldest first."""
    resting_ticks: int | None = None
    """The limit of the oldest of them."""
    reachable: bool = True
    """Its venue can be reached and takes our key, as far as we know."""
    net: Decimal | None = None
    """Signed base quantity of all owners together; None: as the pair's own."""

    def shrinks_net(self, lots: int) -> bool:
        """Whether closing so many lots of the leg also shrinks the venue's net: only then is it reduce-only there."""
        net = self.quantity if self.net is None else self.net
        return net * self.quantity > 0 and self.instrument.quantity(lots) <= abs(net)

    @property
    def quiet(self) -> bool:
        """No order of the pair is out on this leg."""
        return self.working_lots == 0 and self.doubtful_lots == 0 and not self.resting


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What modes and clocks allow this pair now."""

    opens: bool
    """Both venues and the mode allow opening orders."""
    opens_after_reconciliation: bool
    """Opens are blocked only until a running reconciliation ends."""
    settlement_quiet_until_ns: Nanos | None
    """No new slices before this instant; hedges, trims and exits on other grounds go on."""
    exits: bool = True
    """Both venues can be reached with a key that works: a patient exit would else leave one leg alone."""
    ends_flat: bool = False
    """A kill that ends flat: after R9's ten seconds the leg that can leave leaves, although the other cannot."""
    makers: bool = False
    """Slices may rest in the book: makers are on, the feed shows ticks, and few orders were sent of late."""


class WantedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order the pair machine would like; risk decides."""

    instrument: InstrumentId
    side: Side
    lots: int
    limit_ticks: int
    time_in_force: TimeInForce
    purpose: str
    reduces_owner: bool


class Moves(msgspec.Struct, kw_only=True):
    """What one look at a pair led to."""

    orders: list[WantedOrder] = []
    cancels: list[tuple[InstrumentId, OrderId]] = []
    notes: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    dust: list[tuple[InstrumentId, Decimal]] = []
    """Leftovers no order can close: they move to the owner `dust`."""
    page: str = ""
    wake_ns: Nanos | None = None

    def cancel_resting(self, *legs: LegSituation) -> None:
        """Ask for the end of every order that rests on these legs."""
        resting = [(leg.instrument.id, order) for leg in legs for order in leg.resting]
        self.cancels.extend(each for each in resting if each not in self.cancels)

    def wake(self, at_ns: int) -> None:
        """Ask to be looked at again no later than `at_ns`."""
        if self.wake_ns is None or at_ns < self.wake_ns:
            self.wake_ns = Nanos(at_ns)
