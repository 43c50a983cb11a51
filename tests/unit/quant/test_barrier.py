"""Barriers: published multipliers, the reflection law, Levy's bound by simulation, jump floors, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bot.quant.barrier import budget_per_horizon, excursions, jump_floor, tail_multiplier, touch_probability
from bot.quant.barrier_calibration import RECORD_MAX, BarrierRecord, barrier_scale, hit_rate, standardised


@pytest.mark.parametrize(("nu", "expected"), [
    (3.0, (3.37, 7.46, 16.17)), (4.0, (3.26, 6.09, 10.99)), (None, (2.58, 3.29, 3.89)),
])
def test_the_table_of_multipliers(nu: float | None, expected: tuple[float, ...]) -> None:
    """k at 1e-2, 1e-3 and 1e-4 as published in the reference, to two decimals."""
    assert [round(tail_multiplier(p, nu), 2) for p in (1e-2, 1e-3, 1e-4)] == list(expected)


@pytest.mark.parametrize("p", [1e-9, 9.2e-6, 1e-4, 0.3, 0.99])
def test_multipliers_are_scipys_quantiles_far_into_the_tail(p: float) -> None:
    """Unit-variance t with 3.5 degrees, also where 1 - p/2 is not told from 1."""
    assert tail_multiplier(p, 3.5) == pytest.approx(math.sqrt(1.5 / 3.5) * stats.t.isf(p / 2, 3.5), rel=1e-9)


@pytest.mark.parametrize("nu", [None, 3.0])
def test_touch_probability_is_the_inverse(nu: float | None) -> None:
    """A distance of k(p) sigma is touched with p; none at all is certain, a still price never."""
    assert touch_probability(tail_multiplier(1e-3, nu) * 0.02, 0.02, nu) == pytest.approx(1e-3)
    assert touch_probability(0.0, 0.02, nu) == 1.0
    assert touch_probability(0.1, 0.0, nu) == 0.0


def test_probabilities_and_tails_outside_their_range_are_refused() -> None:
    """0, 1 and a t without variance have no multiplier."""
    for p in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="probability"):
            tail_multiplier(p, 3.0)
    with pytest.raises(ValueError, match="nu"):
        tail_multiplier(1e-3, 2.0)
    with pytest.raises(ValueError, match="probability"):
        budget_per_horizon(1.0, 10)
    with pytest.raises(ValueError, match="horizons"):
        budget_per_horizon(0.01, 0)


def test_one_per_cent_a_year_is_nine_in_a_million_per_rebalance() -> None:
    """1,095 rebalances: 9.2e-6 each, and compounding them gives the year back."""
    p = budget_per_horizon(0.01, 1_095)
    assert p == pytest.approx(9.18e-6, rel=1e-3)
    assert 1.0 - (1.0 - p) ** 1_095 == pytest.approx(0.01)


def test_brownian_motion_obeys_the_reflection_law() -> None:
    """20,000 paths of 512 steps reach k(0.1) about as often as they should, a little less for being discrete."""
    steps = np.random.default_rng(3).standard_normal((20_000, 512)) / math.sqrt(512)
    highest = np.cumsum(steps, axis=1).max(axis=1)
    rate = float(np.mean(highest >= tail_multiplier(0.1, None)))
    # Broadie, Glasserman, Kou: monitoring at n instants moves the barrier out by 0.5826 sigma / sqrt(n)
    expected = touch_probability(tail_multiplier(0.1, None) + 0.5826 / math.sqrt(512), 1.0, None)
    assert rate == pytest.approx(expected, abs=3.5 * math.sqrt(0.1 * 0.9 / 20_000))
    assert rate < 0.1


def test_levys_inequality_bounds_t_walks_and_garch() -> None:
    """Symmetric fat-tailed steps with moving variance: maxima are past d at most twice as often as ends are."""
    rng = np.random.default_rng(4)
    shocks = rng.standard_t(3.0, (40_000, 9)) / math.sqrt(3.0)
    h = np.ones(40_000)
    walk = np.zeros_like(shocks)
    level = np.zeros(40_000)
    for step in range(9):
        move = np.sqrt(h) * shocks[:, step]
        level = level + move
        walk[:, step] = level
        h = 0.1 + 0.2 * move**2 + 0.7 * h
    for d in (3.0, 6.0, 10.0):
        ends, touched = float(np.mean(level >= d)), float(np.mean(walk.max(axis=1) >= d))
        assert touched <= 2.0 * ends + 3.0 * math.sqrt(2.0 * ends / 40_000)


def test_excursions_look_ahead_exactly_as_far_as_they_say() -> None:
    """Worst rise and fall within two rows of each row; an unknown hour is left out, an unknown start is unknown."""
    prices = np.array([0.0, 0.1, -0.2, 0.3, math.nan, 0.5])
    assert excursions(prices, 2, "up") == pytest.approx([0.1, 0.2, 0.5, 0.2])
    assert excursions(prices, 2, "down") == pytest.approx([0.2, 0.3, 0.0, 0.0])
    assert math.isnan(excursions(prices, 1, "up")[4])
    assert len(excursions(prices, 6, "up")) == 0
    with pytest.raises(ValueError, match="horizon"):
        excursions(prices, 0, "up")


def test_a_jump_floor_is_the_worst_move_or_its_quantile() -> None:
    """The largest rise of a known series; without a window there is no floor."""
    prices = np.array([0.0, 0.1, -0.2, 0.3, 0.2, 0.5])
    assert jump_floor(prices, 2, "up") == pytest.approx(0.5)
    assert jump_floor(prices, 2, "up", 0.5) == pytest.approx(0.2)
    assert jump_floor(prices[:2], 2, "up") is None
    with pytest.raises(ValueError, match="quantile"):
        jump_floor(prices, 2, "up", 0.0)


def test_the_scale_brings_hits_to_target() -> None:
    """Shocks one and a half times too wide ask for about 1.5; with it the hit rate is the target."""
    ratios = np.abs(1.5 * np.random.default_rng(2).standard_normal(60_000))
    scale = barrier_scale(ratios, None)
    assert scale.factor == pytest.approx(1.5, rel=0.05)
    for p in (1e-2, 1e-3):
        rate = hit_rate(ratios, scale.factor, p, None)
        assert rate.hits <= p * rate.windows
        assert rate.p_value > 0.05


def test_the_scale_is_held_within_its_bounds() -> None:
    """Calm history does not narrow barriers by default; too few windows say nothing; panic is capped."""
    calm = np.abs(0.4 * np.random.default_rng(2).standard_normal(5_000))
    assert barrier_scale(calm, 3.0).factor == 1.0
    assert (barrier_scale(calm, 3.0).raw or 1.0) < 0.6
    assert barrier_scale(calm[:200], 3.0).raw is None
    assert barrier_scale(100.0 * calm, 3.0).factor == 3.0


def test_a_running_record_scales_as_all_its_windows_do() -> None:
    """Window by window, the unknown left out, the same factor as from the whole array; also far past its size."""
    ratios = np.abs(1.4 * np.random.default_rng(8).standard_normal(6_000))
    record = BarrierRecord()
    for place, ratio in enumerate(ratios.tolist()):
        record = record.with_ratio(ratio)
        if place in (100, 700, 3_500, 5_999):
            assert record.scale(3.5) == barrier_scale(ratios[: place + 1], 3.5)
    assert record.with_ratio(math.nan) == record
    assert len(record.largest) == RECORD_MAX
    assert record.scale(3.5, probabilities=(0.05,)).factor >= barrier_scale(ratios, 3.5, probabilities=(0.05,)).factor


def test_hit_rates_carry_scipys_binomial_test() -> None:
    """One-sided p values, and ratios at each window's own scale."""
    ratios = np.concatenate((np.full(7, 9.0), np.zeros(993)))
    rate = hit_rate(ratios, np.ones(1_000), 1e-3, 3.0)
    assert rate.hits == 7
    assert rate.rate_over_target == pytest.approx(7.0)
    assert rate.p_value == pytest.approx(stats.binomtest(7, 1_000, 1e-3, alternative="greater").pvalue)
    assert hit_rate(ratios, 2.0, 1e-3, 3.0).p_value == 1.0
    assert math.isnan(hit_rate(np.empty(0), 1.0, 1e-3, 3.0).rate_over_target)


def test_windows_without_a_volatility_do_not_count() -> None:
    """Unknown excursion or sigma: left out, not zero."""
    assert standardised(np.array([1.0, math.nan, 2.0]), np.array([0.5, 1.0, 0.0])) == pytest.approx([2.0])
