"""One instrument's funding, folded settlement by settlement."""

from __future__ import annotations

import math

import msgspec
import pytest

from bot.domain.errors import Unavailable
from bot.domain.values import NS_PER_HOUR, InstrumentId, Nanos
from bot.market.funding import FundingHistory

START_NS = Nanos(1_704_067_200 * 1_000_000_000)


def folded(rates: list[float], interval_h: int = 8, **settings: float) -> FundingHistory:
    """A history of equally spaced settlements."""
    state = FundingHistory(instrument=InstrumentId("alpha:BTC/USDT:USDT"), **settings)  # type: ignore[arg-type]
    for number, rate in enumerate(rates):
        state.observe(rate, interval_h, Nanos(START_NS + number * interval_h * NS_PER_HOUR))
    return state


def test_fast_mean_is_the_span_9_ewma() -> None:
    """On 8 h settlements each new rate weighs 0.2, once the plain mean of the start is over."""
    state = folded([1e-4] * 100)
    before = state.fast_h
    state.observe(1.1e-4, 8, Nanos(state.settled_ns + 8 * NS_PER_HOUR))
    assert 8 * (state.fast_h - before) == pytest.approx(0.2 * 1e-5, rel=0.01)


def test_intervals_mix_on_the_hour() -> None:
    """Eight hourly eighths say the same as one 8 h rate."""
    eight, hourly = folded([1e-4] * 60), folded([1e-4] * 60)
    eight.observe(1.2e-4, 8, Nanos(eight.settled_ns + 8 * NS_PER_HOUR))
    start = hourly.settled_ns
    for hour in range(1, 9):
        hourly.observe(1.2e-4 / 8, 1, Nanos(start + hour * NS_PER_HOUR))
    assert hourly.fast_h == pytest.approx(eight.fast_h)
    assert hourly.slow_h == pytest.approx(eight.slow_h)


def test_duplicates_and_jittered_stamps_count_once() -> None:
    """The same settlement with 12 ms of jitter is the same settlement."""
    state = folded([1e-4] * 3)
    before = msgspec.structs.asdict(state)
    assert not state.observe(9e-4, 8, Nanos(state.settled_ns + 12_000_000))
    assert not state.observe(9e-4, 8, START_NS)
    assert msgspec.structs.asdict(state) == before


def test_one_wild_print_is_no_new_regime_but_many_are() -> None:
    """20 bp once moves the fast mean by a few sd; for three weeks, nearly all the way."""
    state = folded([0.3e-4] * 300)
    state.observe(20e-4, 8, Nanos(state.settled_ns + 8 * NS_PER_HOUR))
    assert state.fast_h * 8 < 1e-4
    for _ in range(63):
        state.observe(20e-4, 8, Nanos(state.settled_ns + 8 * NS_PER_HOUR))
    assert state.fast_h * 8 > 18e-4


def test_spacing_is_believed_over_the_stated_interval() -> None:
    """Stated 8 h, settled after 2 h: the interval is 2 h, the change is stamped and the disagreement flagged."""
    state = folded([1e-4] * 10)
    at_ns = Nanos(state.settled_ns + 2 * NS_PER_HOUR)
    state.observe(-1e-4, 8, at_ns)
    assert (state.interval_h, state.previous_interval_h, state.interval_changed_ns) == (2, 8, at_ns)
    assert state.interval_disagrees
    assert state.last_h == pytest.approx(-0.5e-4)
    assert state.interval_shortened_within(24.0, Nanos(at_ns + 23 * NS_PER_HOUR))
    assert not state.interval_shortened_within(24.0, Nanos(at_ns + 25 * NS_PER_HOUR))


def test_an_announced_interval_outlives_the_settlement_it_was_announced_in() -> None:
    """F39: 2 h becomes 1 h between two settlements; the next one still closes two hours, the one after is 1 h on."""
    history = folded([1e-4] * 5, 2)
    history.state_interval(1, Nanos(history.settled_ns + NS_PER_HOUR))
    first_ns = Nanos(history.settled_ns + 2 * NS_PER_HOUR)
    assert history.observe(1e-4, 2, first_ns)
    assert history.last_h == pytest.approx(1e-4 / 2)
    assert history.next_interval_h == 1
    assert history.next_settlement_ns(first_ns) == first_ns + NS_PER_HOUR
    assert history.observe(1e-4, 2, Nanos(first_ns + 2 * NS_PER_HOUR))
    assert history.next_interval_h == 2, "two whole hours later it was not so"


def test_missing_settlement_is_flagged_and_keeps_the_interval() -> None:
    """16 h of silence on an 8 h contract is a gap, not a longer interval."""
    state = folded([1e-4] * 10)
    state.observe(1e-4, 8, Nanos(state.settled_ns + 16 * NS_PER_HOUR))
    assert state.interval_disagrees
    assert (state.interval_h, state.interval_changed_ns) == (8, None)


def test_longer_interval_is_no_distress() -> None:
    """Back from 4 h to 8 h is a change, not a shortening."""
    state = folded([1e-4] * 10, interval_h=4)
    state.observe(1e-4, 8, Nanos(state.settled_ns + 8 * NS_PER_HOUR))
    assert state.interval_changed_ns is not None
    assert not state.interval_shortened_within(24.0, state.settled_ns)


def test_next_settlement_lies_on_the_grid_after_now() -> None:
    """Also when a settlement has been missed, and with jittered stamps."""
    state = folded([1e-4] * 3)
    last = state.settled_ns
    assert state.next_settlement_ns(last) == last + 8 * NS_PER_HOUR
    assert state.next_settlement_ns(Nanos(last + 9 * NS_PER_HOUR)) == last + 16 * NS_PER_HOUR
    assert folded([]).next_settlement_ns(START_NS) is None


def test_sd_measures_surprises() -> None:
    """Alternating rates have one, constant ones none."""
    assert folded([1e-4] * 200).sd_8h == pytest.approx(0.0, abs=1e-9)
    assert folded([0.5e-4, 1.5e-4] * 100).sd_8h > 0.5e-5


def test_pinned_share_counts_the_interest_component() -> None:
    """Half of the settlements exactly at 0.01 % per 8 h, on any interval."""
    assert folded([1e-4, 2e-4] * 200).pinned_share == pytest.approx(0.5, abs=0.02)
    assert folded([1.25e-5] * 50, interval_h=1).pinned_share == pytest.approx(1.0)


def test_worst_of_late_is_remembered_and_fades() -> None:
    """A fortnight at -10 bp still shows a week later, hardly a year later."""
    state = folded([1e-4] * 100 + [-10e-4] * 42 + [1e-4] * 21)
    assert state.low_h < -5e-4 / 8
    for _ in range(1095):
        state.observe(1e-4, 8, Nanos(state.settled_ns + 8 * NS_PER_HOUR))
    assert state.low_h > 0.9e-4 / 8


@pytest.mark.parametrize(("rate", "interval_h"), [(math.nan, 8), (math.inf, 8), (1e-4, 0), (1e-4, -8)])
def test_unusable_rates_are_refused(rate: float, interval_h: int) -> None:
    """NaN and funding without an interval are missing, not zero."""
    with pytest.raises(Unavailable, match="cannot be used"):
        folded([]).observe(rate, interval_h, START_NS)


def test_state_survives_a_snapshot() -> None:
    """Encoding and decoding gives the same bytes and goes on the same way."""
    state = folded([1e-4, 3e-4, -2e-4] * 20)
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=FundingHistory)
    for each in (state, copy):
        each.observe(5e-4, 8, Nanos(each.settled_ns + 8 * NS_PER_HOUR))
    assert msgspec.msgpack.encode(copy) == msgspec.msgpack.encode(state)
