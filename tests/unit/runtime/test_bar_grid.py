"""Which series serves when, and where the legs of a coin meet."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_HOUR as H
from bot.runtime.bar_grid import Candidate, FineBars, Segment, coin_grid, on_grid, plan_segments


def _fine(hours: list[int], opens: list[float]) -> FineBars:
    ts_ns = np.array(hours, dtype=np.int64) * H
    price = np.array(opens)
    return FineBars(ts_ns=ts_ns, end_ns=ts_ns + H, open=price, high=price + 2, low=price - 2, close=price + 1,
                    volume=np.ones(len(hours)), fills=np.ones(len(hours), dtype=np.bool_))


def test_the_wanted_length_serves_where_it_is_there() -> None:
    """4 h first, 1 h from hour 11 on: it takes over at 12, the next edge of the old one."""
    found = plan_segments([Candidate(4 * H, 0, 100 * H, True), Candidate(H, 11 * H, 100 * H, True)], H, 0, 100 * H)
    assert found == (Segment(4 * H, 0, 12 * H, True), Segment(H, 12 * H, 100 * H, True))


def test_finer_bars_are_not_used_where_the_wanted_ones_are() -> None:
    """5 min bars of the last months do not change a run at 1 h; asked for, they serve from their beginning."""
    both = [Candidate(H, 0, 100 * H, True), Candidate(H // 12, 50 * H, 100 * H, True)]
    assert plan_segments(both, H, 0, 100 * H) == (Segment(H, 0, 100 * H, True),)
    assert [one.bar_ns for one in plan_segments(both, H // 12, 0, 100 * H)] == [H, H // 12]


def test_a_series_that_fills_goes_before_closes_alone() -> None:
    """Bybit's spot: hourly closes, and real 5 min bars from some day on."""
    found = plan_segments([Candidate(H, 0, 100 * H, False), Candidate(H // 12, 50 * H, 100 * H, True)], H, 0, 100 * H)
    assert [(one.bar_ns, one.fills) for one in found] == [(H, False), (H // 12, True)]


def test_a_longer_series_takes_over_where_the_wanted_one_ends() -> None:
    """And the last one in use stays to the end of the period: what it lacks is missing, not over."""
    found = plan_segments([Candidate(H, 0, 50 * H, True), Candidate(4 * H, 0, 80 * H, True)], H, 0, 100 * H)
    assert found == (Segment(H, 0, 52 * H, True), Segment(4 * H, 52 * H, 100 * H, True))


def test_a_coin_meets_at_its_coarsest_edges() -> None:
    """1 h alone, then with a 4 h leg, then alone again."""
    grid = coin_grid("BTC", [[Segment(H, 0, 20 * H, True)], [Segment(4 * H, 4 * H, 12 * H, True)]], H)
    assert (grid.start_ns // H).tolist() == [0, 1, 2, 3, 4, 8, 12, 13, 14, 15, 16, 17, 18, 19]
    assert ((grid.end_ns - grid.start_ns) // H).tolist() == [1] * 4 + [4] * 2 + [1] * 8
    assert grid.is_edge(np.array([5 * H, 8 * H])).tolist() == [False, True]


def test_lengths_must_nest() -> None:
    """3 h and 4 h do not."""
    with pytest.raises(DataRefused, match="no common edges"):
        coin_grid("BTC", [[Segment(3 * H, 0, 12 * H, True)], [Segment(4 * H, 0, 12 * H, True)]], H)


def test_a_coin_without_bars_has_no_grid() -> None:
    """Nothing to decide on."""
    assert len(coin_grid("BTC", [[]], H).start_ns) == 0


def test_aggregation_keeps_open_extremes_close_and_volume() -> None:
    """A bar without its first hour is missing; one without a later hour holds what is there."""
    grid = coin_grid("BTC", [[Segment(4 * H, 0, 16 * H, True)]], H)
    bars = on_grid(_fine([0, 1, 2, 3, 5, 6, 7, 8, 10], [10, 14, 8, 11, 20, 21, 22, 30, 33]), grid)
    assert (bars.start_ns // H).tolist() == [0, 8]
    assert (bars.open.tolist(), bars.high.tolist()) == ([10, 30], [16, 35])
    assert (bars.low.tolist(), bars.close.tolist(), bars.volume.tolist()) == ([6, 28], [12, 34], [4, 2])


def test_no_bars_aggregate_to_none() -> None:
    """An empty leg stays empty."""
    assert len(on_grid(_fine([], []), coin_grid("BTC", [[Segment(H, 0, 4 * H, True)]], H)).open) == 0
