"""Order states under any interleaving, repetition and delay of answers (rules R1-R3, invariants I2 and I8)."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import (
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
    RejectReason,
)
from bot.domain.values import NS_PER_S, Nanos, OrderId, Venue
from bot.execution import order_states
from bot.execution.order_states import Order, OrderState
from bot.execution.params import ExecutionParams
from tests.unit.execution.scenes import T0, order

PARAMS = ExecutionParams()
SIZE = 10
VENUE, NAME = Venue("alpha"), OrderId("o1")
PROOFS = ("rejected", "closed", "report_closed", "absent", "fill")
KINDS = ("accepted", "rejected", "unknown", "closed", "report_open", "report_closed", "absent", "read_failed", "fill",
         "restart")
Answer = tuple[str, int, int]
"""(kind, seconds since the answer before, lots)"""

answers = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 12), st.integers(0, 6)), max_size=25)


def take(each: Order, answer: Answer, now: int) -> None:
    """Hand one answer to the order, as the engine would."""
    kind, _, lots = answer
    at_ns = Nanos(T0 + now * NS_PER_S)
    match kind:
        case "accepted":
            order_states.on_accepted(each, OrderAccepted(at_ns, VENUE, NAME))
        case "rejected":
            order_states.on_rejected(each, OrderRejected(at_ns, VENUE, NAME, RejectReason.OTHER))
        case "unknown":
            order_states.on_unknown(each, OrderUnknown(at_ns, VENUE, NAME, "lost"), PARAMS)
        case "closed":
            order_states.on_closed(each, OrderClosed(at_ns, VENUE, NAME, OrderStatus.CANCELLED, lots), PARAMS)
        case "report_open":
            seen = OrderReport(at_ns, VENUE, NAME, True, 2, OrderStatus.OPEN, each.filled_lots)
            order_states.on_report(each, seen, PARAMS)
        case "report_closed":
            seen = OrderReport(at_ns, VENUE, NAME, True, 2, OrderStatus.EXPIRED, lots)
            order_states.on_report(each, seen, PARAMS)
        case "absent":
            order_states.on_report(each, OrderReport(at_ns, VENUE, NAME, False, 1 + lots % 2, None, 0), PARAMS)
        case "fill":
            order_states.on_fill(each, lots, at_ns)
        case "restart":
            order_states.doubt(each, at_ns, PARAMS)
        case "read_failed":
            if each.next_query_ns is not None:
                order_states.queried(each, at_ns, PARAMS)


def proven(answer: Answer, before: Order, now: int) -> bool:
    """Whether an answer may end a live order."""
    kind, _, lots = answer
    match kind:
        case "rejected":
            return before.filled_lots == 0
        case "closed" | "report_closed":
            return before.filled_lots >= max(lots, before.closed_filled_lots or 0)
        case "absent":
            return lots % 2 == 1 and now >= PARAMS.absence_after_s and before.filled_lots == 0
        case "fill":
            total = before.filled_lots + lots
            counted = before.closed_filled_lots
            return total >= SIZE if counted is None else total >= counted
    return False


@given(answers)
def test_only_proof_ends_an_order_and_nothing_revives_it(given_answers: list[Answer]) -> None:
    """A live order ends by the venue's proof alone; a finished one keeps its state whatever comes."""
    each, now = order(SIZE), 0
    for answer in given_answers:
        now += answer[1]
        before = copy.deepcopy(each)
        take(each, answer, now)
        if before.live:
            assert each.live is not proven(answer, before, now), answer
        else:
            assert each.state is before.state


@given(answers)
def test_filled_never_falls_and_is_the_sum_of_trades(given_answers: list[Answer]) -> None:
    """Filled is the sum of the booked trades, at any age; the rest is what may still fill."""
    each, now, traded = order(SIZE), 0, 0
    for answer in given_answers:
        now += answer[1]
        before = each.filled_lots
        take(each, answer, now)
        traded += answer[2] if answer[0] == "fill" else 0
        assert each.filled_lots == traded >= before
        assert 0 <= each.remaining_lots <= SIZE
        assert each.remaining_lots == (max(SIZE - traded, 0) if each.live else 0)


@given(answers)
def test_unknown_and_settling_always_have_a_next_question(given_answers: list[Answer]) -> None:
    """Nothing waits for proof without being asked after; nothing finished is asked after."""
    each, now = order(SIZE), 0
    for answer in given_answers:
        now += answer[1]
        if answer[0] == "restart" and not each.live:
            continue  # a session doubts live orders only
        take(each, answer, now)
        if each.state in (OrderState.UNKNOWN, OrderState.SETTLING):
            assert each.doubt_since_ns is not None
            assert each.next_query_ns is not None
        if not each.live:
            assert each.next_query_ns is None
            assert each.doubt_since_ns is None


@given(answers, st.integers(0, SIZE), st.booleans())
def test_the_venues_truth_told_at_last_resolves_every_doubt(given_answers: list[Answer], filled: int,
                                                            closes: bool) -> None:
    """However confused before: its trades and its last word end a live order at the venue's size, or leave it open."""
    each, now = order(SIZE), 0
    quiet = ("closed", "report_closed", "absent", "rejected", "fill")
    for answer in given_answers:
        if answer[0] not in quiet:
            now += answer[1]
            take(each, answer, now)
    if filled:
        take(each, ("fill", 1, filled), now + 1)
    take(each, ("report_closed", 1, filled) if closes else ("report_open", 1, 0), now + 2)
    assert each.filled_lots == filled
    assert each.next_query_ns is None
    assert each.live is (not closes and filled < SIZE)


@given(answers)
def test_an_answer_told_twice_is_an_answer_told_once(given_answers: list[Answer]) -> None:
    """Duplicates of everything but trades (the ledger drops those) change nothing."""
    each, now = order(SIZE), 0
    for answer in given_answers:
        now += answer[1]
        take(each, answer, now)
        if answer[0] in ("fill", "read_failed"):
            continue
        once = copy.deepcopy(each)
        take(each, answer, now)
        assert each == once
