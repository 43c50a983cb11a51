"""What was sent of late: equal orders, notional of a day, ways in and out (F29, F43)."""

from __future__ import annotations

from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, Nanos
from bot.risk import throttle
from bot.risk.throttle import ThrottleState

T0 = Nanos(480_000 * NS_PER_HOUR)


def test_F29_equal_orders_count_within_a_second_only() -> None:
    """A loop is faster than any execution of ours tries again."""
    state = ThrottleState()
    for place in range(3):
        throttle.note_open(state, Nanos(T0 + place * NS_PER_S // 4), "a", 1.0)
    throttle.note_open(state, T0, "b", 1.0)
    assert throttle.equal_orders(state, Nanos(T0 + NS_PER_S // 2), "a") == 3
    assert throttle.equal_orders(state, Nanos(T0 + NS_PER_S), "a") == 2
    assert throttle.equal_orders(state, Nanos(T0 + 2 * NS_PER_S), "a") == 0


def test_F29_the_notional_of_a_day_forgets_what_is_older() -> None:
    """This hour and the 23 before it."""
    state = ThrottleState()
    for hour in range(30):
        throttle.note_open(state, Nanos(T0 + hour * NS_PER_HOUR), "a", 10.0)
    assert throttle.day_usd(state, Nanos(T0 + 29 * NS_PER_HOUR)) == 240.0
    assert throttle.day_usd(state, Nanos(T0 + 53 * NS_PER_HOUR)) == 0.0
    assert len(state.hours) == 24


def test_F43_ways_in_and_out_are_counted_by_candidate_for_a_day() -> None:
    """Another pair's do not count, and a day later none does."""
    state = ThrottleState()
    for _ in range(4):
        throttle.note_trip(state, T0, "x|y")
    throttle.note_trip(state, T0, "y|z")
    assert throttle.trips(state, Nanos(T0 + 1), "x|y") == 4
    assert throttle.trips(state, Nanos(T0 + NS_PER_DAY), "x|y") == 0
    throttle.note_trip(state, Nanos(T0 + NS_PER_DAY), "x|y")
    assert len(state.trips["x|y"]) == 1


def test_an_operator_who_resumes_begins_anew() -> None:
    """The counts of before were looked at."""
    state = ThrottleState()
    throttle.note_open(state, T0, "a", 10.0)
    throttle.note_trip(state, T0, "x|y")
    throttle.forget(state)
    assert (throttle.day_usd(state, T0), throttle.equal_orders(state, T0, "a"), throttle.trips(state, T0, "x|y")) == (
        0.0, 0, 0)
