"""Sizes against arithmetic that can be done on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.quant import sizing
from bot.quant.no_answer import NoAnswer
from bot.quant.sizing import TradeSize, VolatilityScale


def test_five_thousand_at_one_per_cent_and_a_six_per_cent_stop_is_833() -> None:
    """50 USD may be lost; 6 % of 833.33 USD is 50."""
    size = sizing.fixed_fraction_size(5_000.0, 0.01, 0.06)
    assert isinstance(size, TradeSize)
    assert size.notional_usd == pytest.approx(833.33, abs=0.01)
    assert size.loss_at_stop_usd == pytest.approx(50.0)
    assert size.leverage == pytest.approx(1 / 6)


def test_seventy_thirty_earns_10_to_12_per_cent_and_not_18() -> None:
    """5,000 USD: 3,500 at 8 % and 1,500 at 15 to 20 % make 505 to 580 USD; 18 % would need 41 % from the 1,500."""
    assert sizing.blend_return_annual((0.7, 0.3), (0.08, 0.15)) == pytest.approx(0.101)
    assert sizing.blend_return_annual((0.7, 0.3), (0.08, 0.20)) == pytest.approx(0.116)
    assert sizing.part_return_needed_annual(0.18, 0.3, 0.08) == pytest.approx(0.4133, abs=1e-4)


def test_volatility_target_scales_to_it_and_stops_at_the_cap() -> None:
    """10 % on a book that moves 5 % is 2 times; a calm book asks for more than the cap."""
    assert sizing.volatility_scale(0.10, 0.05, 3.0) == VolatilityScale(2.0, "target")
    assert sizing.volatility_scale(0.10, 0.02, 3.0) == VolatilityScale(3.0, "leverage_cap")


def test_a_scale_within_its_band_is_kept_unless_it_exceeds_the_cap() -> None:
    """9 % off is kept, 11 % is not, and a cap that came down is obeyed at once."""
    assert sizing.volatility_scale(0.10, 0.05 / 1.09, 3.0, in_use=2.0) == VolatilityScale(2.0, "in_band")
    moved = sizing.volatility_scale(0.10, 0.05 / 1.11, 3.0, in_use=2.0)
    assert isinstance(moved, VolatilityScale)
    assert moved.scale == pytest.approx(2.22)
    assert sizing.volatility_scale(0.10, 0.05, 1.9, in_use=2.0) == VolatilityScale(1.9, "leverage_cap")


def test_rebalancing_leaves_small_gaps_and_always_goes_to_zero() -> None:
    """14 % off stays, 16 % moves, a crumb whose target is zero goes."""
    target, held = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.86, 0.84, 0.001, 0.0])
    assert sizing.rebalanced(target, held) == pytest.approx([0.86, 1.0, 0.0, 0.0])
    assert sizing.rebalanced(target, held, smallest=0.2) == pytest.approx([0.86, 0.84, 0.0, 0.0])
    with pytest.raises(ValueError, match="known"):
        sizing.rebalanced(np.array([np.nan]), np.array([0.0]))


def test_half_kelly_leverage_of_a_sharpe_of_one() -> None:
    """c SR / sigma: Sharpe 1 at 20 % volatility may be held 2.5 times; a losing book not at all."""
    assert sizing.risk_adjusted_leverage(1.0, 0.2) == pytest.approx(2.5)
    assert sizing.risk_adjusted_leverage(-0.3, 0.2) == 0.0


def test_unknown_numbers_have_a_reason_and_no_size() -> None:
    """Never a size from a volatility of zero, a share outside (0, 1) or parts that are not a whole."""
    answers = [
        sizing.volatility_scale(0.1, 0.0, 3.0), sizing.volatility_scale(0.1, math.nan, 3.0),
        sizing.volatility_scale(-0.1, 0.2, 3.0), sizing.fixed_fraction_size(0.0, 0.01, 0.06),
        sizing.fixed_fraction_size(1.0, 0.0, 0.06), sizing.fixed_fraction_size(1.0, 0.01, 1.0),
        sizing.blend_return_annual((0.7, 0.2), (0.1, 0.1)), sizing.blend_return_annual((1.0,), ()),
        sizing.part_return_needed_annual(0.18, 0.0, 0.08), sizing.risk_adjusted_leverage(1.0, 0.0),
        sizing.risk_adjusted_leverage(1.0, 0.2, fraction=1.5),
    ]
    assert [answer.reason if isinstance(answer, NoAnswer) else answer for answer in answers] == [
        "volatility_unknown", "volatility_unknown", "out_of_range", "equity_not_positive", "out_of_range",
        "out_of_range", "shares_do_not_sum_to_one", "out_of_range", "out_of_range", "volatility_unknown",
        "out_of_range",
    ]
