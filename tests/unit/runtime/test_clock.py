"""Time never goes back, and simulated time is stretched evenly."""

from __future__ import annotations

import math
import time

import pytest

from bot.runtime.clock import JumpWatch, Pacer, SimulatedClock, SystemClock

S = 1_000_000_000


def test_F75_stamps_rise_whatever_the_wall_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the anchor only monotonic time counts, and no stamp comes twice."""
    clock = SystemClock()
    first = clock.now_ns()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    frozen = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: frozen)
    stamps = [clock.now_ns() for _ in range(3)]
    assert first < stamps[0] < stamps[1] < stamps[2]
    assert stamps[2] - first < S


def test_F58_a_pause_and_a_wall_step_are_seen_once() -> None:
    """More than 2 s without a look, or a wall step of more than 1 s either way."""
    watch = JumpWatch(0, 100 * S)
    assert watch.look(S, 101 * S) is None
    assert watch.look(5 * S, 105 * S) == 4.0
    assert watch.look(6 * S, 106 * S - 3_600 * S) == -3_600.0
    assert watch.look(7 * S, 107 * S - 3_600 * S) is None


def test_the_pacer_maps_both_ways() -> None:
    """At speed 600 ten minutes take one second."""
    pacer = Pacer(600.0, simulated_ns=1_000 * S, monotonic_ns=5 * S)
    assert pacer.delay_s(1_600 * S, 5 * S) == 1.0
    assert pacer.delay_s(1_600 * S, 7 * S) == 0.0
    assert pacer.reached_ns(6 * S) == 1_600 * S
    pacer.anchor(1_600 * S, 100 * S)
    assert pacer.reached_ns(100 * S) == 1_600 * S


def test_infinite_speed_never_waits() -> None:
    """As fast as possible."""
    pacer = Pacer(math.inf, 0, 0)
    assert not pacer.paced
    assert pacer.delay_s(10**18, 0) == 0.0


def test_a_simulated_clock_is_not_set_back() -> None:
    """It stands where it was put."""
    clock = SimulatedClock(5)
    clock.advance_to(7)
    assert clock.now_ns() == clock.monotonic_ns() == 7
    with pytest.raises(ValueError, match="back"):
        clock.advance_to(6)
