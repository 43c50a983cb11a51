"""The life of one order: unknown is a state, absence needs proof, late trades are booked."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.events import OrderAccepted, OrderClosed, OrderRejected, OrderStatus, OrderUnknown, RejectReason
from bot.domain.values import NS_PER_S, OrderId, Venue
from bot.execution import order_states
from bot.execution.order_states import OrderState
from bot.execution.params import ExecutionParams
from tests.unit.execution.scenes import after, order, report

PARAMS = ExecutionParams()
A, O1 = Venue("alpha"), OrderId("o1")


def accepted(seconds: float) -> OrderAccepted:
    return OrderAccepted(after(seconds), A, O1)


def rejected(seconds: float) -> OrderRejected:
    return OrderRejected(after(seconds), A, O1, RejectReason.FUNDS)


def unknown(seconds: float) -> OrderUnknown:
    return OrderUnknown(after(seconds), A, O1, "timeout")


def closed(seconds: float, status: OrderStatus, filled: int) -> OrderClosed:
    return OrderClosed(after(seconds), A, O1, status, filled)


def test_an_order_is_filled_by_its_trades() -> None:
    """Half filled is open, wholly filled is final."""
    each = order(10)
    order_states.on_accepted(each, accepted(0.1))
    order_states.on_fill(each, 4, after(0.2))
    assert (each.state, each.filled_lots, each.remaining_lots) == (OrderState.OPEN, 4, 6)
    order_states.on_fill(each, 6, after(0.3))
    assert (each.state, each.live, each.remaining_lots) == (OrderState.FILLED, False, 0)


def test_a_close_waits_for_the_trades_it_counts() -> None:
    """F20: cancelled with 4 filled is not final while only 3 of them are known; the venue is asked meanwhile."""
    each = order(10)
    order_states.on_fill(each, 3, after(0.1))
    order_states.on_closed(each, closed(0.2, OrderStatus.CANCELLED, 4), PARAMS)
    assert each.state is OrderState.SETTLING
    assert each.next_query_ns == after(0.7)
    order_states.on_fill(each, 1, after(0.3))
    assert not each.live
    assert each.closed_state is OrderState.CANCELLED
    assert (each.filled_lots, each.next_query_ns is None) == (4, True)


@pytest.mark.parametrize(("status", "state"), [
    (OrderStatus.EXPIRED, OrderState.EXPIRED), (OrderStatus.CANCELLED, OrderState.CANCELLED),
    (OrderStatus.REJECTED, OrderState.REJECTED),
])
def test_a_close_without_trades_is_final_as_the_venue_says(status: OrderStatus, state: OrderState) -> None:
    """Nothing filled, nothing missing: final at once."""
    each = order(10)
    order_states.on_closed(each, closed(0.2, status, 0), PARAMS)
    assert each.state is state


def test_a_reject_of_an_order_that_traded_is_not_believed() -> None:
    """What has traded was accepted."""
    each = order(10)
    order_states.on_fill(each, 1, after(0.1))
    order_states.on_rejected(each, rejected(0.2))
    assert each.live


def test_a_reject_ends_an_order_of_unknown_outcome() -> None:
    """A venue's proof of non-acceptance resolves the doubt."""
    each = order(10)
    order_states.on_unknown(each, unknown(5), PARAMS)
    order_states.on_rejected(each, rejected(6))
    assert (each.state, each.reject, each.doubt_since_ns) == (OrderState.REJECTED, "funds", None)


def test_a_late_acknowledgement_does_not_reopen() -> None:
    """Final is final for everything but trades."""
    each = order(10)
    order_states.on_rejected(each, rejected(0.1))
    order_states.on_accepted(each, accepted(0.2))
    order_states.on_unknown(each, unknown(0.3), PARAMS)
    order_states.on_closed(each, closed(0.4, OrderStatus.CANCELLED, 0), PARAMS)
    assert each.state is OrderState.REJECTED


def test_unknown_asks_first_after_half_a_second_and_backs_off_to_ten() -> None:
    """Bounds of the catalogue: 0.5 s, then doubling to 10 s."""
    each = order(10)
    order_states.on_unknown(each, unknown(19), PARAMS)
    assert each.next_query_ns == after(19.5)
    gaps, now = [], 19.5
    for _ in range(6):
        order_states.queried(each, after(now), PARAMS)
        assert each.next_query_ns is not None
        gaps.append((each.next_query_ns - after(now)) / NS_PER_S)
        now += gaps[-1]
    assert gaps == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_backing_off_does_not_pass_the_instant_of_proof() -> None:
    """A pair waits for the proof that its leg was not placed: it is asked for at once when it can be had."""
    each = order(10)
    order_states.on_unknown(each, unknown(0), PARAMS)
    for now in (0.5, 1.5, 3.5, 7.5, 15.5):
        order_states.queried(each, after(now), PARAMS)
    assert each.next_query_ns == after(PARAMS.absence_after_s)


@pytest.mark.parametrize(("seconds", "sources", "filled", "state"), [
    (17.9, 2, 0, OrderState.UNKNOWN), (18.0, 1, 0, OrderState.UNKNOWN), (18.0, 2, 1, OrderState.OPEN),
    (18.0, 2, 0, OrderState.NOT_PLACED),
])
def test_absence_needs_two_sources_time_and_no_trade(seconds: float, sources: int, filled: int,
                                                     state: OrderState) -> None:
    """R3, each condition alone being too little."""
    each = order(10)
    order_states.on_unknown(each, unknown(0.1), PARAMS)
    if filled:
        order_states.on_fill(each, filled, after(0.2))
    order_states.on_report(each, report(seconds, None, found=False, sources=sources), PARAMS)
    assert each.state is state


@pytest.mark.parametrize(("seconds", "state"), [(119.9, OrderState.UNKNOWN), (120, OrderState.NOT_PLACED)])
def test_F14_without_a_validity_window_absence_takes_two_minutes(seconds: float, state: OrderState) -> None:
    """A venue that books a create 40 s late proves nothing by not knowing it after 18 s."""
    params = msgspec.structs.replace(PARAMS, venues_without_validity=(str(order(10).intent.venue),))
    each = order(10)
    order_states.on_unknown(each, unknown(0.1), params)
    order_states.on_report(each, report(seconds, None, found=False), params)
    assert each.state is state


def test_a_report_resolves_unknown() -> None:
    """Open at the venue is open here; cancelled there is final here."""
    each = order(10)
    order_states.on_unknown(each, unknown(5), PARAMS)
    order_states.on_report(each, report(6, OrderStatus.OPEN), PARAMS)
    assert (each.state, each.next_query_ns) == (OrderState.OPEN, None)
    order_states.on_report(each, report(7, OrderStatus.CANCELLED), PARAMS)
    assert each.state is OrderState.CANCELLED
    order_states.on_report(each, report(8, OrderStatus.OPEN), PARAMS)
    assert each.state is OrderState.CANCELLED


def test_a_report_of_open_does_not_end_the_wait_for_counted_trades() -> None:
    """An older answer (open) after the close leaves the order settling."""
    each = order(10)
    order_states.on_closed(each, closed(1, OrderStatus.CANCELLED, 4), PARAMS)
    order_states.on_report(each, report(2, OrderStatus.OPEN), PARAMS)
    assert each.state is OrderState.SETTLING
    assert each.next_query_ns is not None


def test_a_trade_after_the_end_is_counted() -> None:
    """F17: a fill on a finished order is booked; the order stays finished."""
    each = order(10)
    order_states.on_rejected(each, rejected(0.1))
    order_states.on_fill(each, 3, after(60))
    assert (each.state, each.filled_lots, each.live) == (OrderState.REJECTED, 3, False)


def test_doubt_is_begun_once() -> None:
    """A second reason for doubt neither restarts the clock nor the backing off."""
    each = order(10)
    order_states.doubt(each, after(1), PARAMS)
    order_states.queried(each, after(2), PARAMS)
    order_states.doubt(each, after(3), PARAMS)
    assert (each.doubt_since_ns, each.next_query_ns) == (after(1), after(3))


def test_being_told_again_does_not_restart_the_clock_of_missing_trades() -> None:
    """A venue that repeats its count without the trades is alerted 30 s after the first time, not never."""
    each = order(10)
    order_states.on_closed(each, closed(1, OrderStatus.CANCELLED, 4), PARAMS)
    for second in range(2, 20):
        order_states.on_report(each, report(second, OrderStatus.CANCELLED, 4), PARAMS)
    assert each.doubt_since_ns == after(1)


def test_a_lower_count_told_later_does_not_end_the_wait() -> None:
    """Counts of trades never fall: the older answer was the truer one."""
    each = order(10)
    order_states.on_closed(each, closed(1, OrderStatus.CANCELLED, 4), PARAMS)
    order_states.on_report(each, report(2, OrderStatus.CANCELLED, 0), PARAMS)
    assert each.state is OrderState.SETTLING


def test_absence_is_judged_on_when_the_venue_looked_not_on_when_its_answer_came() -> None:
    """R3: a look after 2 s proves nothing, however late its answer comes: the create may have been booked since."""
    each = order(10)
    order_states.on_unknown(each, unknown(1), PARAMS)
    late = msgspec.structs.replace(report(22, None, found=False), taken_ns=after(2))
    order_states.on_report(each, late, PARAMS)
    assert each.live
    order_states.on_report(each, msgspec.structs.replace(late, taken_ns=after(18)), PARAMS)
    assert each.state is OrderState.NOT_PLACED
