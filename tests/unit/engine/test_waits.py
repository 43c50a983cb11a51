"""A venue that asks for less gets less: no opens and no reads until its wait is over; cancels and reductions go on."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.commands import CancelOrder, QueryOrder, ReadAccount, SubmitOrder
from bot.domain.events import (
    AnyEvent,
    ClockJumped,
    Control,
    ErrorClass,
    OperatorAction,
    OrderRejected,
    OrderUnknown,
    ReadFailed,
    RejectReason,
    VenueConnection,
)
from bot.domain.values import NS_PER_S, Nanos, OrderId
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.execution.params import ExecutionParams
from tests.unit.engine.alone import Alone, names
from tests.unit.engine.driving import ALPHA, Drive


@pytest.fixture
def alone() -> Alone:
    return Alone(Drive().run_to_note("pair_opened").run(0.1))


def failed(alone: Alone, error: ErrorClass, retry_after_s: float | None = None, after_s: float = 0.1) -> Step:
    """The account read that is out fails so."""
    request_id = alone.read_id()
    return alone.take(ReadFailed(alone.after(after_s), ALPHA, request_id, "told so", error, retry_after_s))


def next_read_s(alone: Alone) -> float:
    """Seconds until the next account read leaves."""
    start = alone.now
    for _ in range(200):
        if any(isinstance(command, ReadAccount) for command in alone.wake().commands):
            return (alone.now - start) / NS_PER_S
    raise AssertionError("no read")


def test_F26_a_429_blocks_opens_and_reads_for_as_long_as_it_says(alone: Alone) -> None:
    """Retry-After is obeyed, and afterwards nothing is left of it."""
    failed(alone, ErrorClass.RATE_LIMIT, 7.0)
    assert "rate_limited" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert next_read_s(alone) == pytest.approx(7.0, abs=0.01)
    assert "rate_limited" not in alone.engine.state.modes.venue_reasons(ALPHA)


def test_F26_a_ban_is_paged_and_no_read_is_sent_into_it(alone: Alone) -> None:
    """418 with two minutes to go: not one read before."""
    step = failed(alone, ErrorClass.BANNED, 120.0)
    assert "banned" in names(step)
    assert next_read_s(alone) == pytest.approx(120.0, abs=0.01)


@pytest.mark.parametrize("event", ["reconnect", "clock", "resume"])
def test_F26_whatever_asks_for_a_read_waits_for_the_end_of_a_ban(event: str, alone: Alone) -> None:
    """A reconnect, a jump of the clock, an operator: the venue is distrusted at once and read when it answers again."""
    failed(alone, ErrorClass.BANNED, 120.0)
    asks: dict[str, AnyEvent] = {
        "reconnect": VenueConnection(alone.after(1), ALPHA, True), "clock": ClockJumped(alone.after(1), 30.0),
        "resume": Control(alone.after(1), OperatorAction.RESUME, "tester"),
    }
    step = alone.take(asks[event])
    assert not any(isinstance(command, ReadAccount) for command in step.commands)
    assert "not_reconciled" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert next_read_s(alone) == pytest.approx(119.0, abs=0.01)


@pytest.mark.parametrize("wait", [None, float("nan"), float("inf"), -5.0])
def test_a_wait_that_is_no_wait_is_replaced_by_ours(wait: float | None, alone: Alone) -> None:
    """R7: what cannot be read is not taken for nothing."""
    failed(alone, ErrorClass.RATE_LIMIT, wait)
    assert next_read_s(alone) == pytest.approx(alone.engine.params.risk.rate_limit_wait_s, abs=0.01)


def test_F48_maintenance_blocks_opens_and_not_the_reads(alone: Alone) -> None:
    """The account can still be read; a minute later an order may try again."""
    step = failed(alone, ErrorClass.MAINTENANCE)
    assert "maintenance" in names(step)
    assert "maintenance" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert next_read_s(alone) <= 1.1
    alone.engine.state.venues[ALPHA].waits["maintenance"] = Nanos(alone.now)
    alone.wake()
    assert "maintenance" not in alone.engine.state.modes.venue_reasons(ALPHA)


def test_F16_reads_that_fail_are_tried_less_and_less_often(alone: Alone) -> None:
    """1, 2, 4, 8 s, then every 10 s; an answer starts anew."""
    waits = []
    for _ in range(6):
        failed(alone, ErrorClass.UNREACHABLE)
        waits.append(round(next_read_s(alone)))
    assert waits == [1, 2, 4, 8, 10, 10]
    alone.take(alone.report())
    assert alone.engine.state.venues[ALPHA].reads_failed == 0


def test_F11_an_unknown_order_is_not_asked_after_while_the_venue_wants_quiet() -> None:
    """Its question waits for the end of the wait, then goes at once."""
    alone, order_id = in_doubt()
    alone.take(ReadFailed(alone.after(0.1), ALPHA, order_id, "slower", ErrorClass.RATE_LIMIT, 20.0))
    start = alone.now
    for _ in range(100):
        if any(isinstance(command, QueryOrder) for command in alone.wake().commands):
            break
    assert (alone.now - start) / NS_PER_S == pytest.approx(20.0, abs=0.01)


def test_F14_where_nothing_grows_too_old_an_unknown_order_is_cancelled_with_each_question() -> None:
    """It may be booked a minute later; then the cancel finds it."""
    alone, order_id = in_doubt(venues_without_validity=(str(ALPHA),))
    for _ in range(20):
        commands = alone.wake().commands
        if any(isinstance(command, QueryOrder) for command in commands):
            assert CancelOrder(ALPHA, alone.engine.state.orders[order_id].intent.instrument, order_id) in commands
            return
    raise AssertionError("never asked")


def test_a_rejection_for_the_rate_waits_too() -> None:
    """A create answered 429 was not placed for certain, and the venue gets its quiet."""
    alone, order_id = in_doubt()
    alone.engine.state.orders[order_id].state = OrderState.SENT
    alone.take(OrderRejected(alone.after(0.1), ALPHA, order_id, RejectReason.RATE_LIMIT, "429", 5.0))
    assert alone.engine.state.orders[order_id].state is OrderState.REJECTED
    assert "rate_limited" in alone.engine.state.modes.venue_reasons(ALPHA)


def in_doubt(**execution: object) -> tuple[Alone, OrderId]:
    """An engine whose first order got a 5xx: its outcome is unknown."""
    params = EngineParams(execution=msgspec.structs.replace(ExecutionParams(), **execution))
    drive = Drive(params=params).run(until=lambda step: any(isinstance(c, SubmitOrder) for c in step.commands))
    alone = Alone(drive)
    order_id = next(iter(alone.engine.state.live_orders))
    alone.take(OrderUnknown(alone.after(0.1), ALPHA, order_id, "503", ErrorClass.SERVER))
    return alone, order_id
