"""Stops against hand-made bars, Wilder's recursion written out, and the chance that noise touches them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.quant import price_stops
from bot.quant.no_answer import NoAnswer
from bot.quant.sizing import TradeSize, fixed_fraction_size


def number(answer: float | NoAnswer) -> float:
    """The number, or the failure's reason in the test's output."""
    assert isinstance(answer, float), answer
    return answer


def test_volatility_stop_is_k_deviations_of_the_horizon_away() -> None:
    """100, 4 % a day, 9 days, 2.5 deviations: e^-0.3 below a long, e^0.3 above a short."""
    assert price_stops.volatility_stop(100.0, 1, 0.04, 9.0) == pytest.approx(100 * math.exp(-0.3))
    assert price_stops.volatility_stop(100.0, -1, 0.04, 9.0) == pytest.approx(100 * math.exp(0.3))


def test_noise_touches_two_deviations_in_one_case_of_22() -> None:
    """4.6 % at 2, 0.27 % at 3; a fine random walk agrees."""
    assert price_stops.touch_probability(2.0) == pytest.approx(0.0455, abs=1e-4)
    assert price_stops.touch_probability(3.0) == pytest.approx(0.0027, abs=1e-4)
    steps = np.random.default_rng(0).choice([-1.0, 1.0], (2_000, 900)) / math.sqrt(900)
    touched = float(np.mean(np.cumsum(steps, axis=1).min(axis=1) <= -1.0))
    assert touched == pytest.approx(price_stops.touch_probability(1.0), abs=0.035)


def test_true_range_counts_the_gap() -> None:
    """A bar that opens below the last close has the gap in its range."""
    high, low, close = np.array([11.0, 9.0, 9.5]), np.array([10.0, 8.0, 8.9]), np.array([10.5, 8.5, 9.4])
    assert price_stops.true_ranges(high, low, close) == pytest.approx([1.0, 2.5, 1.0])


def test_atr_is_wilders_average() -> None:
    """Ranges 1, 2, 3, 4, 5 over 3 bars: 2, then (2 x 2 + 4) / 3, then (2 x 8/3 + 5) / 3."""
    close = np.full(5, 10.0)
    spans = np.array([1.0, 2.0, 3.0, 4.0, 5.0]) / 2
    found = price_stops.average_true_range(close + spans, close - spans, close, 3)
    assert not isinstance(found, NoAnswer)
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([2.0, 8 / 3, (2 * 8 / 3 + 5) / 3])


def test_atr_stop_is_three_ranges_away_and_sizes_the_trade() -> None:
    """Entry 100, ATR 2: 94; 1 % of 5,000 at that distance is 833 USD."""
    stop = number(price_stops.atr_stop(100.0, 1, 2.0))
    assert stop == 94.0
    assert price_stops.atr_stop(100.0, -1, 2.0) == 106.0
    assert price_stops.atr_stop(100.0, 1, 50.0) == 0.0
    size = fixed_fraction_size(5_000.0, 0.01, number(price_stops.stop_distance(100.0, stop, 1)))
    assert isinstance(size, TradeSize)
    assert size.notional_usd == pytest.approx(833.33, abs=0.01)


def test_chandelier_only_tightens() -> None:
    """Hung from the best price: a wider range or a fall never moves it back."""
    high, low = np.array([10.0, 12.0, 11.0, 13.0]), np.array([9.0, 10.0, 8.0, 12.0])
    atr = np.array([1.0, 1.0, 2.0, 1.0])
    assert price_stops.chandelier_stops(high, low, atr, 1) == pytest.approx([7.0, 9.0, 9.0, 10.0])
    assert price_stops.chandelier_stops(high, low, atr, -1) == pytest.approx([12.0, 12.0, 12.0, 11.0])


def test_stops_that_protect_nothing_are_refused() -> None:
    """A wrong side, numbers that are not positive, missing bars, a stop behind the price."""
    one = np.ones(3)
    hole = np.array([1.0, np.nan, 1.0])
    answers = [
        price_stops.volatility_stop(100.0, 0, 0.04, 1.0), price_stops.volatility_stop(100.0, 1, 0.0, 1.0),
        price_stops.atr_stop(100.0, 2, 1.0), price_stops.atr_stop(100.0, 1, math.nan),
        price_stops.average_true_range(one, one, one, 4), price_stops.average_true_range(one, hole, one, 2),
        price_stops.average_true_range(one, one * 2, one, 2), price_stops.chandelier_stops(one, one, one, 0),
        price_stops.chandelier_stops(one[:0], one[:0], one[:0], 1), price_stops.chandelier_stops(one, one, hole, 1),
        price_stops.stop_distance(100.0, 101.0, 1), price_stops.stop_distance(0.0, 101.0, -1),
    ]
    assert [answer.reason if isinstance(answer, NoAnswer) else answer for answer in answers] == [
        "out_of_range", "out_of_range", "out_of_range", "out_of_range", "too_little_history", "not_finite",
        "not_finite", "out_of_range", "not_finite", "not_finite", "out_of_range", "out_of_range"]
    with pytest.raises(ValueError, match="shapes"):
        price_stops.average_true_range(one, one, one[:2])
