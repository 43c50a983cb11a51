"""The two thresholds: they solve the switching problem, and stand where the quant reference says."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from bot.strategy import thresholds
from bot.strategy.thresholds import bands


@pytest.mark.parametrize("round_trip_bps", [24.0, 28.0, 32.0])
def test_reference_bands(round_trip_bps: float) -> None:
    """24-30 bp, phi 0.96: enter near +1, leave near -1 to -1.5 bp per 8 h net of the hurdle (quant reference 3.2)."""
    found = bands(0.1, 0.27, 0.96, round_trip_bps / 2, round_trip_bps / 2)
    assert 0.7 <= found.enter_bps_8h <= 1.3
    assert -1.5 <= found.exit_bps_8h <= -1.0


def test_fixed_point_of_value_iteration() -> None:
    """Thousands of plain sweeps of W = x + E[clip(W)] lead to the same values."""
    for mean, sd in ((-1.0, 0.2), (0.0, 0.8), (0.5, 0.3), (2.0, 0.5)):
        found = bands(mean, sd, 0.97, 16.0, 14.0)
        grid, chain = thresholds._chain(round(mean / 0.1) * 0.1, math.exp(round(math.log(sd) / 0.2) * 0.2), 0.97)
        worth = grid.copy()
        for _ in range(5000):
            worth = grid + chain @ np.clip(worth, -14.0, 16.0)
        assert np.abs(worth - np.array(found.values_bps)).max() < 1e-5


def test_bands_earn_more_than_leaving_at_zero() -> None:
    """Simulated for 60,000 settlements, the two thresholds beat a zero-threshold rule by far (quant reference 3.2)."""
    generator = np.random.default_rng(7)
    shocks = generator.normal(0.0, 0.45, 60_000)
    found = bands(0.0, 0.45, 0.96, 14.0, 14.0)

    def earned(enter: float, leave: float) -> float:
        rate, inside, total = 0.0, False, 0.0
        for shock in shocks:
            if not inside and rate >= enter:
                inside, total = True, total - 14.0
            elif inside and rate <= leave:
                inside, total = False, total - 14.0
            rate = 0.96 * rate + float(shock)
            total += rate if inside else 0.0
        return total / len(shocks)

    best, zero = earned(found.enter_bps_8h, found.exit_bps_8h), earned(0.0, 0.0)
    assert best > 0.1
    assert zero < -0.4
    assert best > earned(found.enter_bps_8h * 2, found.exit_bps_8h * 2)
    assert best > earned(found.enter_bps_8h / 3, found.exit_bps_8h / 3)


def test_zero_mean_and_equal_costs_are_symmetric() -> None:
    """Nothing favours one side."""
    found = bands(0.0, 0.3, 0.96, 14.0, 14.0)
    assert found.enter_bps_8h == pytest.approx(-found.exit_bps_8h, abs=1e-5)


def test_better_mean_enters_and_stays_sooner() -> None:
    """Both thresholds fall as the mean rises."""
    found = [bands(mean, 0.3, 0.96, 14.0, 14.0) for mean in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert sorted(found, key=lambda each: -each.enter_bps_8h) == found
    assert sorted(found, key=lambda each: -each.exit_bps_8h) == found


def test_costs_widen_the_band() -> None:
    """Dearer fills: enter later, leave later."""
    cheap, dear = bands(0.0, 0.3, 0.96, 8.0, 8.0), bands(0.0, 0.3, 0.96, 30.0, 30.0)
    assert dear.enter_bps_8h > cheap.enter_bps_8h
    assert dear.exit_bps_8h < cheap.exit_bps_8h


def test_hopeless_and_certain_means_have_no_inner_threshold() -> None:
    """Far below the hurdle nothing on the grid enters; far above nothing leaves."""
    hopeless, certain = bands(-20.0, 0.2, 0.9, 14.0, 14.0), bands(20.0, 0.2, 0.9, 14.0, 14.0)
    assert hopeless.value_bps(-20.0) < -14.0
    assert certain.value_bps(20.0) > 14.0
    assert hopeless.exit_bps_8h > -20.0
    assert certain.enter_bps_8h < 20.0


def test_unreachable_levels_are_infinite() -> None:
    """Costs no rate on the grid can pay: never."""
    found = bands(0.0, 0.1, 0.5, 400.0, 400.0)
    assert found.enter_bps_8h == math.inf
    assert found.exit_bps_8h == -math.inf


def test_value_is_monotone_and_continues_beyond_the_grid() -> None:
    """More carry is never worth less, also where no grid point stands."""
    found = bands(0.0, 0.3, 0.96, 14.0, 14.0)
    values = [found.value_bps(x / 10) for x in range(-300, 301)]
    assert all(after >= before for before, after in pairwise(values))
    assert found.value_bps(30.0) > found.value_bps(20.0) + 9.9


def test_drift_survives_a_coarse_grid() -> None:
    """A mean 30 bp away and a sd of 0.1: enter as soon as the rate is positive, since it surely runs to the mean."""
    found = bands(30.0, 0.1, 0.97, 14.0, 14.0)
    assert found.value_bps(0.0) == pytest.approx(14.0, abs=0.01)
    assert found.enter_bps_8h == pytest.approx(0.0, abs=0.01)
    assert found.exit_bps_8h == -math.inf


def test_nearby_parameters_share_one_solution() -> None:
    """Rounding keeps the number of solved problems small."""
    assert bands(0.301, 0.3, 0.96, 14.1, 14.0) is bands(0.32, 0.305, 0.96, 13.9, 14.3)
