"""A breaker counts within its window, cools down for twice as long each time, and closes with one good answer."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.values import NS_PER_S, Nanos
from bot.risk.breaker import (
    RATE,
    REFUSED,
    UNAVAILABLE,
    UNKNOWN,
    Breaker,
    BreakerParams,
    begin_probe,
    note_answer,
    note_error,
)

PARAMS = BreakerParams(unknown_max=3, window_s=100.0, cool_down_s=60.0, cool_down_s_max=200.0)


def at(seconds: float) -> Nanos:
    return Nanos(int(seconds * NS_PER_S))


def errors(breaker: Breaker, *seconds: float) -> list[bool]:
    return [note_error(breaker, UNKNOWN, at(each), PARAMS) for each in seconds]


def test_it_opens_with_the_last_of_so_many_within_the_window() -> None:
    """What lies a window back does not count any more."""
    breaker = Breaker()
    assert errors(breaker, 0, 50, 100.0, 120) == [False, False, False, True]
    assert not breaker.idle
    assert breaker.open_until_ns == at(180)
    assert breaker.errors == []


def test_while_it_is_open_nothing_is_learnt() -> None:
    """Errors do not make the cool-down longer, an answer does not end it."""
    breaker = Breaker()
    errors(breaker, 0, 1, 2)
    assert errors(breaker, *range(3, 20)) == [False] * 17
    assert not note_answer(breaker, at(20))
    assert not begin_probe(breaker, at(61.9))
    assert breaker.open_until_ns == at(62)


def test_one_good_answer_at_the_probe_closes_it() -> None:
    """Then it counts from nothing again."""
    breaker = Breaker()
    errors(breaker, 0, 1, 2)
    assert begin_probe(breaker, at(62))
    assert not begin_probe(breaker, at(63))
    assert note_answer(breaker, at(64))
    assert breaker.idle
    assert not note_answer(breaker, at(65))
    assert errors(breaker, 66, 67) == [False, False]


def test_each_failed_probe_waits_twice_as_long_up_to_the_bound() -> None:
    """60, 120, then 200 s for ever."""
    breaker = Breaker()
    errors(breaker, 0, 1, 2)
    waits, now = [], 2.0
    for _ in range(4):
        assert breaker.open_until_ns is not None
        waits.append(breaker.open_until_ns / NS_PER_S - now)
        now = breaker.open_until_ns / NS_PER_S
        assert begin_probe(breaker, at(now))
        assert errors(breaker, now) == [True]
    assert waits == [60.0, 120.0, 200.0, 200.0]


@pytest.mark.parametrize(("held_s", "wait_s"), [(50.0, 120.0), (300.0, 60.0)])
def test_only_one_that_has_held_begins_with_the_first_cool_down_again(held_s: float, wait_s: float) -> None:
    """A venue that flaps waits longer each time, though each probe was answered."""
    breaker = Breaker()
    errors(breaker, 0, 1, 2)
    begin_probe(breaker, at(62))
    note_answer(breaker, at(62))
    again = 62 + held_s
    assert errors(breaker, again, again, again) == [False, False, True]
    assert breaker.open_until_ns == at(again + wait_s)


def test_each_class_has_its_own_bound() -> None:
    """All reasons of refusal share one."""
    params = BreakerParams(unknown_max=2, unavailable_max=3, rate_max=4, refused_max=5)
    assert [params.most(kind) for kind in (UNKNOWN, UNAVAILABLE, RATE, f"{REFUSED}funds")] == [2, 3, 4, 5]


@pytest.mark.parametrize(("name", "value"), [
    ("window_s", 5.0), ("window_s", 4_000.0), ("unknown_max", 1), ("unavailable_max", 101), ("rate_max", 0),
    ("refused_max", 1), ("cool_down_s", 1.0), ("cool_down_s", 2_000.0), ("cool_down_s_max", 90_000.0),
])
def test_F78_a_breaker_that_would_never_open_or_never_close_is_refused(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=name):
        BreakerParams(**{name: value})
