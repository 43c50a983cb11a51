"""The basis of a pair and its rolling median."""

from __future__ import annotations

import statistics

import msgspec
import numpy as np
import pytest

from bot.domain.values import NS_PER_HOUR, InstrumentId, Nanos
from bot.market.basis import BasisTracker

START_NS = Nanos(1_704_067_200 * 1_000_000_000)


def tracker(window_h: int = 720) -> BasisTracker:
    """An empty one."""
    return BasisTracker(long_leg=InstrumentId("alpha:BTC/USDT"), short_leg=InstrumentId("alpha:BTC/USDT:USDT"),
                        window_h=window_h)


def fed(levels_bps: list[float], window_h: int = 720) -> BasisTracker:
    """One sample an hour."""
    state = tracker(window_h)
    for hour, level in enumerate(levels_bps):
        state.observe(Nanos(START_NS + hour * NS_PER_HOUR), 50_000.0, 50_000.0 * (1.0 + level * 1e-4))
    return state


def test_rich_short_leg_is_positive() -> None:
    """Short at 100.1 against long at 100 is 10 bp."""
    assert fed([10.0]).median_bps == pytest.approx(10.0)


def test_median_is_that_of_the_last_window() -> None:
    """Kept sorted while samples come and go, it equals the plain median of the newest 48 hours at every step."""
    levels = np.random.default_rng(3).normal(0.0, 5.0, 300).round(3).tolist()
    state = tracker(48)
    for hour, level in enumerate(levels):
        state.observe(Nanos(START_NS + hour * NS_PER_HOUR), 100.0, 100.0 * (1.0 + level * 1e-4))
        assert state.median_bps == pytest.approx(statistics.median(levels[max(0, hour - 47):hour + 1]), abs=1e-6)
    assert state.count == len(state.times_ns) == len(state.samples_bps) == 48


def test_samples_closer_than_an_hour_are_ignored() -> None:
    """Quotes every second do not crowd out the month."""
    state = fed([1.0])
    assert not state.observe(Nanos(START_NS + NS_PER_HOUR // 2), 100.0, 101.0)
    assert state.count == 1


@pytest.mark.parametrize("prices", [(0.0, 100.0), (100.0, -1.0), (float("nan"), 100.0)])
def test_missing_prices_are_no_sample(prices: tuple[float, float]) -> None:
    """A price that is not there makes no basis."""
    state = tracker()
    assert not state.observe(START_NS, *prices)
    assert state.median_bps is None
    assert state.expected_bps(5.0, 1.0) is None
    assert state.worst_bps is None


def test_gap_longer_than_the_window_forgets_all() -> None:
    """After two months of silence only the new sample counts."""
    state = fed([5.0] * 100)
    state.observe(Nanos(START_NS + 2000 * NS_PER_HOUR), 100.0, 100.0)
    assert (state.count, state.median_bps) == (1, 0.0)


def test_basis_returns_with_its_half_life() -> None:
    """10 bp above the median: 5 after 5 h, none after a month."""
    state = fed([2.0] * 50)
    assert state.expected_bps(12.0, 5.0) == pytest.approx(7.0)
    assert state.expected_bps(12.0, 720.0) == pytest.approx(2.0)


def test_robust_sd_ignores_a_single_extreme() -> None:
    """1,000 bp for one hour hardly widens it; the worst move remembers it."""
    levels = np.random.default_rng(4).normal(0.0, 5.0, 500).tolist()
    state = fed([*levels, 1000.0])
    assert state.robust_sd_bps == pytest.approx(5.0, rel=0.15)
    assert state.worst_bps == pytest.approx(1000.0, rel=0.01)
    assert fed([1.0] * 7).robust_sd_bps is None


def test_state_survives_a_snapshot() -> None:
    """Same bytes after encoding, decoding and going on."""
    state = fed([1.0, 5.0, -2.0, 4.0] * 10, window_h=30)
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=BasisTracker)
    for each in (state, copy):
        each.observe(Nanos(START_NS + 41 * NS_PER_HOUR), 100.0, 100.2)
    assert msgspec.msgpack.encode(copy) == msgspec.msgpack.encode(state)
