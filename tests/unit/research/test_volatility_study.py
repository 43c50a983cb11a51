"""The walk through hourly closes sees no future, and the studies count what they say they count."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.errors import DataRefused
from bot.quant.barrier import excursions, tail_multiplier
from bot.quant.leverage_cap import CapRules
from bot.quant.volatility import VolatilityParams
from bot.research.leverage_study import leverage_table
from bot.research.volatility_study import CHOSEN, volatility_table
from bot.research.volatility_walk import HourlyCloses, Walk, hourly_grid, walk

HOUR = 3_600_000_000_000
START = 1_700_006_400_000_000_000 // (24 * HOUR) * (24 * HOUR)
PARAMS = VolatilityParams(window_days=300)
HOURS = 24 * 390


def made_closes() -> HourlyCloses:
    """390 days whose daily volatility wanders; t shocks by the hour."""
    noise = np.random.default_rng(31)
    level = np.zeros(HOURS // 24)
    for day in range(1, len(level)):
        level[day] = 0.93 * level[day - 1] + 0.25 * noise.standard_normal()
    sigma = 0.006 * np.exp(np.repeat(level, 24))
    shocks = sigma * noise.standard_t(4.0, HOURS) / np.sqrt(2.0)
    stamps = START + HOUR * np.arange(1, HOURS + 1, dtype=np.int64)
    return HourlyCloses(closed_ns=stamps, close=100.0 * np.exp(np.cumsum(shocks)))


CLOSES = made_closes()


@pytest.fixture(scope="module")
def walked() -> Walk:
    """One walk for all tests."""
    return walk("x", CLOSES, PARAMS)


def test_cutting_the_future_off_changes_nothing_before(walked: Walk) -> None:
    """Fits, choices, forecasts and caps of the first 320 days are the same without the last 70."""
    rows = 24 * 320
    short = walk("x", HourlyCloses(closed_ns=CLOSES.closed_ns[:rows], close=CLOSES.close[:rows]), PARAMS)
    days, windows = len(short.day_ns), len(short.window_ns)
    assert short.fits >= 2
    assert short.chosen_source == walked.chosen_source[:days]
    assert np.array_equal(short.chosen, walked.chosen[:days], equal_nan=True)
    assert np.array_equal(short.sigma_horizon, walked.sigma_horizon[:windows], equal_nan=True)


def test_a_gap_is_a_hole_in_the_grid_and_no_zero_return() -> None:
    """Missing hours are NaN closes, and the days around them have no return."""
    keep = np.delete(np.arange(HOURS), slice(1_000, 1_030))
    grid = hourly_grid(CLOSES.closed_ns[keep], CLOSES.close[keep])
    assert len(grid.close) == HOURS
    assert int(np.isnan(grid.close).sum()) == 30
    gapped = walk("x", HourlyCloses(closed_ns=grid.closed_ns[:2_400], close=grid.close[:2_400]), PARAMS)
    assert int(np.isnan(gapped.realised).sum()) == 2


def test_the_table_ranks_models_on_common_days(walked: Walk) -> None:
    """Best first, all on the same days; where volatility persists in logs, HAR beats GARCH."""
    table = volatility_table("x", CLOSES, START + 255 * 24 * HOUR, START + 400 * 24 * HOUR, PARAMS, walked=walked)
    losses = [score.qlike for score in table.scores]
    assert losses == sorted(losses)
    assert len({score.days for score in table.scores}) == 1
    assert {"har", "garch_t", "egarch_t", CHOSEN} <= {score.model for score in table.scores}
    assert table.har_beats_garch
    assert sum(days for _, days in table.chosen_days) == table.scores[0].days
    assert table.choice_found_it == (table.chosen_days[0][0].replace("garch", "garch_t")
                                     == next(s.model for s in table.scores
                                             if s.model in ("har", "ewma_realised", "ewma_daily", "garch_t")))


def test_a_period_without_forecasts_is_refused(walked: Walk) -> None:
    """One line that says how many days there were and what to give."""
    with pytest.raises(DataRefused, match="only 0 days"):
        volatility_table("x", CLOSES, START, START + 90 * 24 * HOUR, PARAMS, walked=walked)


def test_hits_are_counted_window_by_window(walked: Walk) -> None:
    """Under no scale: rises beyond k(p) sigma within eight hours, by hand."""
    begin = START + 300 * 24 * HOUR
    table = leverage_table("x", CLOSES, begin, START + 500 * 24 * HOUR, params=PARAMS, walked=walked)
    row = next(each for each in table.rows if each.scale == "none" and each.short.probability == 1e-2)
    rises = excursions(np.log(CLOSES.close), 8, "up")
    hits = windows = 0
    for at_ns, at, sigma in zip(walked.window_ns, walked.window_row, walked.sigma_horizon, strict=True):
        if at_ns >= begin and at < len(rises):
            windows += 1
            hits += rises[at] >= tail_multiplier(1e-2, 3.0) * sigma * (8 / 9) ** 0.5
    assert (row.short.hits, row.short.windows) == (hits, windows)
    assert row.both.windows == 2 * windows
    assert row.both.hits == row.short.hits + row.long.hits


def test_scales_rest_on_windows_that_were_over(walked: Walk) -> None:
    """Making the last month ten times wilder changes no scale that was in use before it."""
    wild = CLOSES.close.copy()
    edge = 24 * 360
    moves = np.diff(np.log(wild[edge:]))
    wild[edge + 1:] = wild[edge] * np.exp(np.cumsum(10.0 * moves))
    stirred = HourlyCloses(closed_ns=CLOSES.closed_ns, close=wild)
    rules = CapRules(scale_min=0.3)
    begin, end = START + 300 * 24 * HOUR, START + 359 * 24 * HOUR
    calm = leverage_table("x", CLOSES, begin, end, rules, PARAMS, walked=walked)
    assert leverage_table("x", stirred, begin, end, rules, PARAMS) == calm


def test_caps_shown_are_the_products(walked: Walk) -> None:
    """Ordered quantiles, every window bound by something, and never above the configuration."""
    table = leverage_table("x", CLOSES, START + 300 * 24 * HOUR, START + 500 * 24 * HOUR, params=PARAMS, walked=walked,
                           config_max=1.5)
    for cap in table.caps:
        assert 0.0 < cap.low <= cap.median <= cap.high <= 1.5
        assert sum(count for _, count in cap.binding) == table.windows
    assert table.passes == all(row.both.p_value >= 0.05 for row in table.rows if row.scale == "used")


def test_too_few_windows_are_refused(walked: Walk) -> None:
    """A month has under a hundred rebalances."""
    with pytest.raises(DataRefused, match="whole windows"):
        leverage_table("x", CLOSES, START + 380 * 24 * HOUR, START + 500 * 24 * HOUR, params=PARAMS, walked=walked)
