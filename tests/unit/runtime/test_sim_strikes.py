"""What strikes the market data, the disk and the process of a simulated run, and what still leaves then."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import CancelOrder, SubmitOrder, Transfer
from bot.domain.events import DeadlineReached, Mark, Marks, OrderRejected, Quote, Quotes, TransferEnded
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, OrderId, Owner, Side, Venue, Wallet
from bot.engine.step import Note, Step
from bot.risk.limits import approve_reducing
from bot.runtime.sim_lens import Lens
from bot.runtime.sim_storage import MemoryJournal, Storage, held_back
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, FaultRates, Faults, Strike
from bot.venues.simulated.streams import Streams

A = Venue("a")
ONE, TWO = InstrumentId("a:BTC/USDT"), InstrumentId("a:BTC/USDT:USDT")
DECIDED = Step(notes=(Note("something", ()),))


def lens(*strikes: Strike, **rates: float) -> Lens:
    return Lens(Faults(FaultPlan(rates=FaultRates.of(**rates), end_ns=2**62, strikes=strikes), Streams(3)))


def quotes(second: int, bid: int = 1_000) -> Quotes:
    return Quotes(at(second), A, tuple(Quote(name, bid, bid + 1, 5, 5, 50) for name in (ONE, TWO)))


def marks(second: int) -> Marks:
    return Marks(at(second), A, (Mark(ONE, Decimal("100.0")), Mark(TWO, Decimal("100.0"))))


def at(second: float) -> Nanos:
    return Nanos(int(second * NS_PER_S))


def window(kind: FaultKind, first: int, last: int, size: float = 0.0, draw: float = 0.0, venue: Venue = A) -> Strike:
    return Strike(kind, at(first), at(last), venue, size, draw)


def test_a_silent_market_shows_nothing_and_then_goes_on() -> None:
    """F01: other venues and other kinds of events are not touched."""
    seen = lens(window(FaultKind.MARKET_SILENT, 10, 20))
    assert seen.seen(quotes(9)) is not None
    assert seen.seen(quotes(10)) is None
    assert seen.seen(marks(15)) is None
    assert seen.seen(quotes(20)) == quotes(20)


def test_one_market_of_many_is_silent() -> None:
    """The others of the same event are there."""
    seen = lens(window(FaultKind.ONE_SILENT, 10, 20, draw=0.9)).seen(quotes(10))
    assert isinstance(seen, Quotes)
    assert [quote.instrument for quote in seen.quotes] == [ONE]


def test_frozen_quotes_come_again_under_new_stamps() -> None:
    """The first of the window, until it is over."""
    bent = lens(window(FaultKind.QUOTES_FROZEN, 10, 20))
    shown = [bent.seen(quotes(second, bid)) for second, bid in ((10, 1_000), (15, 1_100), (20, 1_200))]
    assert [event.quotes[0].bid_ticks for event in shown if isinstance(event, Quotes)] == [1_000, 1_000, 1_200]


@pytest.mark.parametrize(("draw", "price"), [(0.1, "105.0"), (0.9, "95.0")])
def test_marks_stand_apart_from_the_market(draw: float, price: str) -> None:
    """All marks of the venue, up or down."""
    seen = lens(window(FaultKind.MARK_APART, 10, 20, size=0.05, draw=draw)).seen(marks(10))
    assert isinstance(seen, Marks)
    assert {mark.mark for mark in seen.marks} == {Decimal(price)}


@pytest.mark.parametrize("kind", ["quote_spike", "quote_crossed", "quote_empty", "quote_lost"])
def test_one_quote_is_bent_and_the_other_left_alone(kind: str) -> None:
    """One of two, and the event keeps its stamp."""
    seen = lens(**{kind: 1.0}).seen(quotes(1))
    assert isinstance(seen, Quotes)
    assert len(set(seen.quotes) & set(quotes(1).quotes)) == 1


def test_nonsense_marks_are_no_prices() -> None:
    """NaN, zero, negative, endless, in turn."""
    bent = lens(mark_nonsense=1.0)
    bad = []
    for second in range(30):
        seen = bent.seen(marks(second))
        assert isinstance(seen, Marks)
        bad += [mark.mark for mark in seen.marks if not (mark.mark.is_finite() and mark.mark > 0)]
    assert len(bad) == 30
    assert len({str(price) for price in bad}) > 1


# ---------------------------------------------------------------------------------------------------- storage


def order(*, reduces: bool) -> SubmitOrder:
    intent = OrderIntent(
        order_id=OrderId("o"), owner=Owner("pair-1"), venue=A, instrument=TWO, side=Side.SELL, quantity_lots=1,
        limit_price_ticks=10, time_in_force=TimeInForce.IOC, reduces_owner=True, reduce_only=False, parent_id="p",
        purpose="trim", data_age_ns=0)
    approved = approve_reducing(intent, Nanos(1), 1)
    return SubmitOrder(msgspec.structs.replace(
        approved, intent=msgspec.structs.replace(intent, reduces_owner=reduces)))


def test_F66_without_a_record_only_what_cannot_open_leaves() -> None:
    """An opening order is rejected here, a transfer has ended; cancels and reductions go."""
    opening, transfer = held_back(at(1), order(reduces=False)), held_back(at(1), Transfer(
        "t", A, Wallet.SPOT, A, Wallet.FUTURES, Decimal(1)))
    assert isinstance(opening, OrderRejected)
    assert isinstance(transfer, TransferEnded)
    assert not transfer.ok
    assert held_back(at(1), order(reduces=True)) is None
    assert held_back(at(1), CancelOrder(A, TWO, OrderId("o"))) is None


def test_F67_a_commit_that_fails_is_late_and_writes_nothing() -> None:
    """A decided step waits; when the disk works again all that waited is written at once."""
    journal = MemoryJournal()
    journal.failing = True
    journal.add(DeadlineReached(at(1)), DECIDED, (b"a", b"a"))
    assert (journal.late(at(1)), journal.unwritten) == (True, 1)
    journal.failing = False
    assert journal.commit()
    assert (journal.late(at(9)), journal.unwritten) == (False, 0)


def test_a_disk_fails_and_is_slow_by_plan() -> None:
    """Within their windows, and nowhere else."""
    nowhere = Venue("")
    strikes = (window(FaultKind.DISK_FULL, 10, 20, venue=nowhere),
               window(FaultKind.SLOW_DISK, 30, 40, size=0.7, venue=nowhere))
    storage = Storage(Faults(FaultPlan(strikes=strikes), Streams(3)))
    assert [storage.fails(at(second)) is not None for second in (9, 10, 19, 20)] == [False, True, True, False]
    assert storage.slow_ns(at(29), 6) == 0
    assert 0 < storage.slow_ns(at(30), 6) <= at(0.7)
