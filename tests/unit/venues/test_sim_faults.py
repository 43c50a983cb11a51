"""Faults between us and a venue: what is lost, late or doubled, and what the books say all the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.events import (
    AccountReport,
    CancelFailed,
    ErrorClass,
    Event,
    Fill,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderUnknown,
    ReadFailed,
    RejectReason,
    TransferEnded,
    VenueConnection,
)
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, Side, Wallet
from bot.venues.simulated.blows import BLOWS, is_blow
from bot.venues.simulated.fault_kinds import ROW_OF, ROWS, FaultKind, Shape
from bot.venues.simulated.faults import FaultPlan, FaultRates, Faults, Strike
from bot.venues.simulated.gateway import fate_of
from bot.venues.simulated.streams import Streams
from tests.unit.venues.sim_world import ALPHA, BETA, PERP, PERP_B, T0, World

BUY, GTC = Side.BUY, TimeInForce.GTC
FOREVER = 2**62


def faulty(**rates: float) -> World:
    return World(faults=FaultPlan(rates=FaultRates.of(**rates), end_ns=FOREVER)).rich().market()


def kinds(answers: list[Event]) -> list[type[Event]]:
    return [type(answer) for answer in answers]


def test_lost_answer_books_the_order_and_leaves_us_unknowing() -> None:
    """No acceptance comes, the private stream still shows the fill, after 5 s the order is unknown."""
    world = faulty(lost_answer=1.0)
    world.order(PERP, BUY, 100, 1_001)
    assert kinds([*world.run(6)]) == [Fill, OrderClosed, OrderUnknown]
    assert world.position(PERP) == Decimal("0.1")


def test_lost_request_is_never_booked() -> None:
    """Only the time limit answers; two sources at the venue know nothing."""
    world = faulty(lost_request=1.0)
    name = world.order(PERP, BUY, 100, 1_001)
    assert kinds([*world.run(6)]) == [OrderUnknown]
    world.query(PERP, name)
    report = world.run()[0]
    assert isinstance(report, OrderReport)
    assert (report.found, report.sources) == (False, 2)
    assert world.exchange.account(ALPHA).creates == {}


def test_late_booking_comes_after_we_gave_up() -> None:
    """Booked up to an hour later, with its acceptance then."""
    late = FaultRates.of({FaultKind.LATE_BOOKING: 60.0}, late_booking=1.0)
    world = World(faults=FaultPlan(rates=late, end_ns=FOREVER))
    world.rich().market()
    world.order(PERP, BUY, 100, 1_001)
    answers = world.run(70)
    assert sorted(kind.__name__ for kind in kinds([*answers])) == [
        "Fill", "OrderAccepted", "OrderClosed", "OrderUnknown"]
    assert answers[0].at_ns - T0 > NS_PER_S


def test_busy_venue_rejects_without_booking() -> None:
    """The reject is a proof: nothing is booked."""
    world = faulty(rejected=1.0)
    world.order(PERP, BUY, 100, 1_001)
    assert kinds([*world.run()]) == [OrderRejected]
    assert not world.exchange.account(ALPHA).orders


def test_lost_cancel_answer_still_cancels() -> None:
    """We hear `CancelFailed` after the time limit, the venue has cancelled."""
    world = World(faults=FaultPlan(rates=FaultRates.of(lost_answer=1.0), start_ns=T0 + NS_PER_S, end_ns=FOREVER))
    world.rich().market()
    name = world.order(PERP, BUY, 100, 990, GTC)
    world.run(2)
    world.cancel(PERP, name)
    assert kinds([*world.run(6)]) == [CancelFailed]
    assert not world.exchange.account(ALPHA).open


def test_dropped_private_events_are_found_in_the_account_report() -> None:
    """No fill is told; the report has it."""
    world = faulty(dropped_event=1.0)
    world.order(PERP, BUY, 100, 1_001)
    assert kinds([*world.run(3)]) == [OrderAccepted]
    world.read(ALPHA)
    report = world.run()[0]
    assert isinstance(report, AccountReport)
    assert [fill.quantity_lots for fill in report.fills] == [100]


def test_doubled_fill_keeps_its_trade_id() -> None:
    """The same trade is told twice and booked once."""
    world = faulty(duplicated=1.0)
    world.order(PERP, BUY, 100, 1_001)
    fills = [answer for answer in world.run(30) if isinstance(answer, Fill)]
    assert len(fills) == 2
    assert fills[0].trade_id == fills[1].trade_id
    assert world.position(PERP) == Decimal("0.1")


def test_delayed_answers_are_overtaken_but_come() -> None:
    """Each event is up to 10 s late; none is lost."""
    world = faulty(delayed_answer=1.0)
    world.order(PERP, BUY, 100, 1_001)
    answers = world.run(30)
    assert sorted(kind.__name__ for kind in kinds([*answers])) == ["Fill", "OrderAccepted", "OrderClosed"]
    assert max(answer.at_ns for answer in answers) > T0 + NS_PER_S


def test_read_failure_proves_nothing() -> None:
    """Order and account reads fail with their own names."""
    world = faulty(read_failure=1.0)
    world.query(PERP, world.order(PERP, BUY, 100, 1_001))
    world.read(ALPHA)
    failed = [answer.request_id for answer in world.run(6) if isinstance(answer, ReadFailed)]
    assert failed == ["e4e11", "r"]


def test_venue_that_is_down_knows_what_it_booked() -> None:
    """Requests time out, resting orders go on filling unseen, the other venue works, the return is announced."""
    down = Strike(FaultKind.VENUE_DOWN, T0 + 10 * NS_PER_S, T0 + 60 * NS_PER_S, ALPHA)
    world = World(faults=FaultPlan(strikes=(down,))).rich().market()
    world.order(PERP, BUY, 100, 990, GTC)
    world.run(10)
    world.order(PERP, BUY, 100, 1_001)
    world.read(ALPHA)
    world.transfer("5", (ALPHA, Wallet.SPOT), (ALPHA, Wallet.FUTURES))
    world.order(PERP_B, BUY, 100, 1_001)
    world.quote(PERP, 980, 981)
    answers = world.run(40)
    assert sorted(kind.__name__ for kind in kinds([*answers])) == [
        "Fill", "OrderAccepted", "OrderClosed", "OrderUnknown", "ReadFailed", "TransferEnded"]
    assert all(answer.venue == BETA for answer in answers if isinstance(answer, Fill))
    assert not next(answer.ok for answer in answers if isinstance(answer, TransferEnded))
    assert world.position(PERP) == Decimal("0.1")
    assert [answer.up for answer in world.run(15) if isinstance(answer, VenueConnection)] == [True]


def test_answers_under_way_into_an_outage_are_unknown() -> None:
    """Sent before, booked before, answered into the outage: unknown, reads failed, the private fill lost."""
    down = Strike(FaultKind.VENUE_DOWN, T0 + NS_PER_S, T0 + 9 * NS_PER_S, ALPHA)
    world = World(faults=FaultPlan(strikes=(down,))).rich().market()
    resting = world.order(PERP, BUY, 100, 990, GTC)
    world.run(0.95)
    name = world.order(PERP, BUY, 100, 1_001)
    world.query(PERP, name)
    world.read(ALPHA)
    world.cancel(PERP, resting)
    world.cancel(PERP, resting)
    answers = world.run(1)
    assert kinds([*answers]) == [VenueConnection, OrderUnknown, ReadFailed, ReadFailed, CancelFailed]
    assert {answer.why for answer in answers if isinstance(answer, OrderUnknown | ReadFailed | CancelFailed)} == {
        "connection lost"}
    assert world.position(PERP) == Decimal("0.1")


def test_faults_stay_in_their_window_and_are_counted() -> None:
    """Outside [start, end) nothing is hit."""
    plan = FaultPlan(rates=FaultRates.of(lost_request=1.0), start_ns=T0 + NS_PER_S, end_ns=T0 + 2 * NS_PER_S)
    world = World(faults=plan).rich().market()
    for _ in range(3):
        world.order(PERP, BUY, 100, 1_001)
        world.run(1)
    assert world.exchange.account(ALPHA).arrivals == 2
    assert world.exchange.fault_counts == {"lost_request": 1}


def test_removing_one_kind_leaves_the_others_as_they_were() -> None:
    """Every kind draws from its own stream."""
    def lost(rates: FaultRates) -> list[str]:
        faults = Faults(FaultPlan(rates=rates, end_ns=FOREVER), Streams(3))
        for n in range(200):
            fate_of(faults, ALPHA, "submit", n)
        return [name for name in faults.hit_names if "lost_answer" in name]
    both = lost(FaultRates.of(lost_answer=0.3, late_booking=0.4, rejected=0.2))
    alone = lost(FaultRates.of(lost_answer=0.3))
    assert both == alone
    assert 30 < len(alone) < 90


def test_other_venues_and_operations_have_streams_of_their_own() -> None:
    """Equal rates do not hit two venues at the same places."""
    faults = Faults(FaultPlan(rates=FaultRates.of(lost_request=0.5), end_ns=FOREVER), Streams(3))
    first = [faults.hits(FaultKind.LOST_REQUEST, ALPHA, "submit", 1) for _ in range(50)]
    second = [faults.hits(FaultKind.LOST_REQUEST, BETA, "submit", 1) for _ in range(50)]
    assert first != second


@pytest.mark.parametrize("rates", [
    {"shares": {FaultKind.LOST_ANSWER: 1.5}}, {"shares": {FaultKind.REJECTED: -0.1}},
    {"sizes": {FaultKind.DELAYED_ANSWER: -1.0}}, {"shares": {FaultKind.VENUE_DOWN: 0.1}},
])
def test_impossible_rates_are_refused(rates: Any) -> None:
    """A probability outside [0, 1], or of what is no chance, is a mistake of the plan's author."""
    with pytest.raises(ConfigRefused):
        FaultRates(**rates)


def test_a_plan_of_chosen_hits_has_these_and_no_others() -> None:
    """What shrinking leaves is repeated exactly, however many hits stood beside it."""
    rates = FaultRates.of(lost_answer=0.3, late_booking=0.4)
    first = Faults(FaultPlan(rates=rates, end_ns=FOREVER), Streams(3))
    fates = [fate_of(first, ALPHA, "submit", n) for n in range(100)]
    late = [name for name in first.hit_names if "late_booking" in name][:2]
    second = Faults(FaultPlan(rates=rates, end_ns=FOREVER, chosen=tuple(late)), Streams(3))
    again = [fate_of(second, ALPHA, "submit", n) for n in range(100)]
    assert second.hit_names == late
    assert [fate.late_ns for fate in again if fate.late_ns] == [fate.late_ns for fate in fates if fate.late_ns][:2]


def test_every_kind_has_one_row_and_every_blow_someone_to_strike_it() -> None:
    """A kind without a row would never be drawn; an instant at a venue without a function could not happen."""
    assert [row.kind for row in ROWS] == list(dict.fromkeys(row.kind for row in ROWS))
    assert set(ROW_OF) == set(FaultKind)
    assert {kind for kind in FaultKind if is_blow(kind)} == set(BLOWS)
    for row in ROWS:
        assert (row.per_day > 0) is (row.shape is not Shape.CHANCE), row.kind
        assert (row.length_s[1] > 0) is (row.shape is Shape.WINDOW), row.kind


def struck(kind: FaultKind, start_s: float, end_s: float, size: float = 0.0, draw: float = 0.0) -> World:
    strike = Strike(kind, T0 + int(start_s * NS_PER_S), T0 + int(end_s * NS_PER_S), ALPHA, size, draw)
    return World(faults=FaultPlan(strikes=(strike,))).rich().market()


@pytest.mark.parametrize(("kind", "error"), [
    ("html_body", ErrorClass.UNREADABLE), ("empty_body", ErrorClass.UNREADABLE),
    ("garbled_body", ErrorClass.UNREADABLE),
])
def test_F12_a_body_that_cannot_be_read_is_unknown_though_the_order_is_booked(kind: str, error: ErrorClass) -> None:
    """A page of HTML, nothing, a 200 that is not JSON: none of them proves anything."""
    world = faulty(**{kind: 1.0})
    world.order(PERP, BUY, 100, 1_001)
    unknown = [answer for answer in world.run(3) if isinstance(answer, OrderUnknown)]
    assert [answer.error for answer in unknown] == [error]
    assert world.position(PERP) == Decimal("0.1")
    world.read(ALPHA)
    assert [answer.error for answer in world.run(3) if isinstance(answer, ReadFailed)] == [error]


def test_F11_status_unknown_is_unknown_and_booked_half_of_the_times() -> None:
    """A 5xx says nothing of the order behind it."""
    world = faulty(server_error=1.0)
    for _ in range(40):
        world.order(PERP, BUY, 10, 1_001)
        world.run(1)
    assert 10 < world.exchange.account(ALPHA).arrivals < 30


def test_F26_a_429_proves_that_nothing_was_booked_and_says_when_to_come_back() -> None:
    """Creates are rejected, cancels and reads fail, each with the wait."""
    world = faulty(rate_limited=1.0)
    name = world.order(PERP, BUY, 100, 1_001)
    world.query(PERP, name)
    world.cancel(PERP, name)
    answers = world.run(3)
    assert kinds([*answers]) == [OrderRejected, ReadFailed, CancelFailed]
    assert all(1.0 <= getattr(answer, "retry_after_s", 0.0) <= 11.0 for answer in answers)
    assert not world.exchange.account(ALPHA).orders


def test_F26_a_ban_answers_nothing_until_it_is_over() -> None:
    """418 to all, with the time that is left; afterwards all is as before."""
    world = struck(FaultKind.BANNED, 0, 60)
    world.run(20)
    world.order(PERP, BUY, 100, 1_001)
    refused = [answer for answer in world.run(1) if isinstance(answer, OrderRejected)]
    assert [answer.reason for answer in refused] == [RejectReason.BANNED]
    assert refused[0].retry_after_s == pytest.approx(40, abs=0.1)
    world.run(40)
    world.order(PERP, BUY, 100, 1_001)
    assert OrderAccepted in kinds([*world.run(1)])


def test_F48_in_maintenance_creates_are_refused_and_cancels_go_through() -> None:
    """Cancel only."""
    world = struck(FaultKind.MAINTENANCE, 5, 60)
    resting = world.order(PERP, BUY, 100, 990, GTC)
    world.run(10)
    world.order(PERP, BUY, 100, 1_001)
    world.cancel(PERP, resting)
    answers = world.run(2)
    assert [answer.reason for answer in answers if isinstance(answer, OrderRejected)] == [RejectReason.MAINTENANCE]
    assert not world.exchange.account(ALPHA).open


def test_F15_reads_that_lag_show_the_account_as_it_was() -> None:
    """Just booked, not found; the report has neither order nor trade, and claims to be of now."""
    world = struck(FaultKind.READ_LAG, 1, 120, size=8.0)
    world.run(2)
    name = world.order(PERP, BUY, 100, 1_001)
    world.run(1)
    world.query(PERP, name)
    world.read(ALPHA)
    report, account = world.run(1)
    assert isinstance(report, OrderReport)
    assert isinstance(account, AccountReport)
    assert (report.found, account.fills, account.positions) == (False, (), ())
    world.run(9)
    world.query(PERP, name)
    caught_up = world.run(1)[0]
    assert isinstance(caught_up, OrderReport)
    assert (caught_up.found, caught_up.filled_lots) == (True, 100)


@pytest.mark.parametrize("kind", [FaultKind.PRIVATE_DEAD, FaultKind.RECONNECT_GAP])
def test_F50_F52_a_private_stream_that_is_dead_or_torn_tells_no_fill(kind: FaultKind) -> None:
    """Requests are still answered; the trade is in the books alone."""
    world = struck(kind, 0, 30)
    world.run(1)
    world.order(PERP, BUY, 100, 1_001)
    assert {OrderAccepted} == set(kinds([*world.run(5)])) - {VenueConnection}
    assert world.position(PERP) == Decimal("0.1")


def test_F14_a_venue_without_a_validity_window_books_a_create_long_after() -> None:
    """Up to 45 s late there, never at the others."""
    rates = FaultRates.of(very_late_booking=1.0)
    world = World(faults=FaultPlan(rates=rates, end_ns=FOREVER, no_validity=(BETA,))).rich().market()
    world.order(PERP, BUY, 100, 1_001)
    world.order(PERP_B, BUY, 100, 1_001)
    world.run(4)
    assert (world.position(PERP), world.position(PERP_B)) == (Decimal("0.1"), Decimal(0))
    world.run(45)
    assert world.position(PERP_B) == Decimal("0.1")


def test_F74_a_drifting_clock_shows_in_what_a_report_claims() -> None:
    """Up to a second, before or behind."""
    world = struck(FaultKind.CLOCK_DRIFT, 0, 60, size=0.9, draw=0.0)
    world.run(1)
    world.read(ALPHA)
    report = world.run(1)[0]
    assert isinstance(report, AccountReport)
    assert (report.at_ns - report.taken_ns) / NS_PER_S == pytest.approx(0.94, abs=0.01)
