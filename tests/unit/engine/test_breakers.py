"""Circuit breakers by class of error at a venue: no opens, a cool-down, one probe, and all again."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.commands import Alert, ReadAccount
from bot.domain.events import (
    AccountEvent,
    CancelFailed,
    Control,
    ErrorClass,
    OperatorAction,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
    ReadFailed,
    RejectReason,
)
from bot.domain.values import NS_PER_HOUR, NS_PER_S, OrderId
from bot.engine.engine import Engine
from bot.engine.exposure import exposure_of
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.engine.turn import Turn
from bot.execution.order_states import Order, OrderState
from bot.risk.breaker import BreakerParams
from bot.risk.params import RiskLimits
from bot.strategy.params import CarryParams
from bot.venues.simulated.faults import FaultPlan, FaultRates
from tests.unit.engine.alone import Alone, names
from tests.unit.engine.driving import ALPHA, T0, Drive

QUICK = BreakerParams(unknown_max=2, unavailable_max=3, rate_max=2, refused_max=2, cool_down_s=60.0)


@pytest.fixture
def alone() -> Alone:
    params = EngineParams(risk=RiskLimits(breaker=QUICK))
    return Alone(Drive(params=params).run_to_note("pair_opened").run(0.1))


def sent(alone: Alone, name: str, state: OrderState = OrderState.SENT) -> OrderId:
    """An opening order like the last one, on its way."""
    order_id = OrderId(f"{next(reversed(alone.engine.state.orders))}-{name}")
    like = next(order for order in alone.engine.state.orders.values() if not order.intent.reduces_owner)
    intent = msgspec.structs.replace(like.intent, order_id=order_id)
    alone.engine.state.orders[order_id] = Order(intent=intent, sent_ns=alone.now, state=state)
    alone.engine.state.live_orders[order_id] = None
    return order_id


def unknown(alone: Alone, name: str) -> Step:
    return alone.take(OrderUnknown(alone.after(0.1), ALPHA, sent(alone, name), "503", ErrorClass.SERVER))


def rejected(alone: Alone, name: str, reason: RejectReason) -> Step:
    return alone.take(OrderRejected(alone.after(0.1), ALPHA, sent(alone, name), reason, "no"))


def reasons(alone: Alone) -> list[str]:
    return [name for name in alone.engine.state.modes.venue_reasons(ALPHA) if name.startswith("breaker")]


def told(step: Step) -> list[str]:
    return [note.name for note in step.notes]


def cooled_down(alone: Alone) -> Step:
    """On to the end of the cool-down."""
    for _ in range(500):
        step = alone.wake()
        if "breaker_probing" in told(step):
            return step
    raise AssertionError("it never tries again")


def test_outcomes_that_stay_unknown_open_it_and_a_person_is_told(alone: Alone) -> None:
    """Blocked by name, with what counted and what lifts it; paged, for a pair is held there."""
    assert "breaker_opened" not in told(unknown(alone, "a"))
    assert reasons(alone) == []
    step = unknown(alone, "b")
    assert reasons(alone) == ["breaker_unknown"]
    assert "breaker_opened" in told(step)
    assert [command.page for command in step.commands if isinstance(command, Alert)
            and command.name == "circuit_breaker"] == [True]
    reason = alone.engine.state.modes.venues[ALPHA]["breaker_unknown"]
    assert (reason.text, reason.lifted_by) == ("2 x unknown within 300 s", "a probe after the cool-down")


def test_the_same_news_again_counts_once(alone: Alone) -> None:
    """An event that comes twice is one error."""
    order_id = sent(alone, "a")
    for _ in range(4):
        alone.take(OrderUnknown(alone.after(0.1), ALPHA, order_id, "503", ErrorClass.SERVER))
    assert reasons(alone) == []


def test_an_answer_that_is_overdue_counts_as_unknown(alone: Alone) -> None:
    """No news at all is bad news after some seconds."""
    sent(alone, "a")
    sent(alone, "b")
    while alone.engine.state.live_orders and not reasons(alone):
        alone.wake()
    assert reasons(alone) == ["breaker_unknown"]


@pytest.mark.parametrize("answer", ["accepted", "closed", "refused"])
def test_any_plain_answer_to_a_create_is_the_probe(answer: str, alone: Alone) -> None:
    """Half open nothing is blocked but a second order beside the first; then it is closed."""
    unknown(alone, "a")
    unknown(alone, "b")
    cooled_down(alone)
    assert reasons(alone) == []
    order_id = sent(alone, "probe")
    answers: dict[str, AccountEvent] = {
        "accepted": OrderAccepted(alone.after(0.1), ALPHA, order_id),
        "closed": OrderClosed(alone.after(0.1), ALPHA, order_id, OrderStatus.EXPIRED, 0),
        "refused": OrderRejected(alone.after(0.1), ALPHA, order_id, RejectReason.WOULD_CROSS, "")}
    assert "breaker_closed" in told(alone.take(answers[answer]))
    unknown(alone, "c")
    assert reasons(alone) == []


def test_a_probe_that_fails_opens_it_again_at_once(alone: Alone) -> None:
    """One error is enough then, and the wait doubles."""
    unknown(alone, "a")
    unknown(alone, "b")
    cooled_down(alone)
    begin = alone.now
    unknown(alone, "probe")
    assert reasons(alone) == ["breaker_unknown"]
    assert "in a row" in alone.engine.state.modes.venues[ALPHA]["breaker_unknown"].text
    cooled_down(alone)
    assert (alone.now - begin) / NS_PER_S == pytest.approx(120.0, abs=1.0)


def test_only_one_opening_order_probes_at_a_time(alone: Alone) -> None:
    """A second one is refused by name while the first is unanswered; hedges are not."""
    state = alone.engine.state
    unknown(alone, "a")
    unknown(alone, "b")
    for order_id in list(state.live_orders):
        state.orders[order_id].state = OrderState.NOT_PLACED
        del state.live_orders[order_id]
    cooled_down(alone)
    turn = Turn(state, alone.engine.revalued_ledger(), alone.engine.params, alone.now)
    like = next(order.intent for order in state.orders.values() if not order.intent.reduces_owner)
    opening = msgspec.structs.replace(like, purpose="open")
    assert exposure_of(turn, opening).blocked == ""
    sent(alone, "probe")
    assert exposure_of(turn, opening).blocked == "breaker_probing"
    assert exposure_of(turn, msgspec.structs.replace(like, purpose="hedge")).blocked == ""


def test_reads_and_cancels_without_answers_open_another(alone: Alone) -> None:
    """It is probed by a read, and closed by the account's answer."""
    for number in range(3):
        error = ErrorClass.UNREACHABLE if number else ErrorClass.UNREADABLE
        event: AccountEvent = ReadFailed(alone.after(0.1), ALPHA, f"other-{number}", "gone", error)
        alone.take(event if number < 2 else CancelFailed(alone.after(0.1), ALPHA, OrderId("x"), "gone", error))
    assert reasons(alone) == ["breaker_unavailable"]
    venue = alone.engine.state.venues[ALPHA]
    venue.read_id, venue.next_read_ns = "", None
    step = cooled_down(alone)
    assert any(isinstance(command, ReadAccount) for command in step.commands)
    assert "breaker_closed" in told(alone.take(alone.report()))


def test_an_order_that_was_asked_after_proves_that_reads_work(alone: Alone) -> None:
    """Whatever the answer says."""
    for number in range(3):
        alone.take(ReadFailed(alone.after(0.1), ALPHA, f"other-{number}", "gone", ErrorClass.SERVER))
    cooled_down(alone)
    event = OrderReport(alone.after(0.1), ALPHA, OrderId("x"), False, 2, None, 0)
    assert "breaker_closed" in told(alone.take(event))


def test_too_many_requests_count_wherever_they_are_told(alone: Alone) -> None:
    """429 to a create and to a read are one class."""
    rejected(alone, "a", RejectReason.RATE_LIMIT)
    alone.take(ReadFailed(alone.after(0.1), ALPHA, "other", "429", ErrorClass.RATE_LIMIT, 1.0))
    assert reasons(alone) == ["breaker_rate"]


def test_refusals_count_by_their_reason(alone: Alone) -> None:
    """Two of one kind, not one of each; a maker who would cross, maintenance and the key are no errors here."""
    for reason in (RejectReason.BUSY, RejectReason.OTHER, *[RejectReason.WOULD_CROSS] * 3,
                   *[RejectReason.MAINTENANCE] * 3):
        rejected(alone, f"{reason.value}-{alone.now}", reason)
    assert reasons(alone) == []
    rejected(alone, "again", RejectReason.OTHER)
    assert reasons(alone) == ["breaker_refused_other"]


def test_a_refusal_told_twice_counts_once(alone: Alone) -> None:
    """The order was over before."""
    order_id = sent(alone, "a")
    for _ in range(3):
        alone.take(OrderRejected(alone.after(0.1), ALPHA, order_id, RejectReason.OTHER, "no"))
    assert reasons(alone) == []


def test_an_operator_who_resumes_closes_them_all(alone: Alone) -> None:
    """What was counted is forgotten."""
    unknown(alone, "a")
    unknown(alone, "b")
    step = alone.take(Control(alone.after(1), OperatorAction.RESUME, "tester"))
    assert reasons(alone) == []
    assert "breaker_unknown" in next(dict(note.keys)["lifted"] for note in step.notes if note.name == "mode_changed")
    assert alone.engine.state.venues[ALPHA].breakers == {}


def test_a_breaker_outlives_the_process(alone: Alone) -> None:
    """Count and cool-down stand in the snapshot."""
    unknown(alone, "a")
    alone.engine = Engine.restore(alone.engine.params, alone.engine.snapshot())
    assert "circuit_breaker" in names(unknown(alone, "b"))
    again = Engine.restore(alone.engine.params, alone.engine.snapshot())
    assert again.state.venues[ALPHA].breakers == alone.engine.state.venues[ALPHA].breakers


def in_the_dark(breaker: BreakerParams) -> Drive:
    """Two hours in which no create arrives and none is answered."""
    lost = FaultPlan(rates=FaultRates.of(lost_request=1.0), start_ns=T0, end_ns=T0 + 2 * NS_PER_HOUR)
    params = EngineParams(risk=RiskLimits(breaker=breaker, round_trips_per_day_max=100),
                          carry=CarryParams(cool_down_h=0.0), rebalance_every_s=300)
    return Drive(params=params, faults=lost).run(1.9)


def opening_orders(drive: Drive) -> int:
    return sum(not each.order.intent.reduces_owner for each in drive.orders)


def test_where_creates_are_lost_for_hours_few_are_sent() -> None:
    """Without a breaker each decision sends more into the dark; with it only probes do, and light ends it."""
    drive = in_the_dark(BreakerParams(unknown_max=2, cool_down_s=1_800.0))
    assert "circuit_breaker" in drive.alerts
    assert 3 * opening_orders(drive) < opening_orders(in_the_dark(BreakerParams(unknown_max=100)))
    before = opening_orders(drive)
    drive.run(4.0)
    assert "breaker_closed" in drive.notes
    assert drive.engine.state.modes.venue_reasons(ALPHA) == ()
    assert opening_orders(drive) > before
