"""The closed forms of carry against figures worked by hand and against plain sums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.carry_economics import (
    annual_compounded,
    annual_simple,
    break_even_settlements,
    capital_per_notional,
    funding_rate_of_premium,
    funding_sum,
    net_carry,
)

FLAT = {"rate_now": 1e-4, "mean": 1e-4, "phi": 1.0, "cost": 30e-4, "interval_h": 8.0}
RULE = {"interest_8h": 1e-4, "clamp_8h": 5e-4, "cap": 3e-3, "interval_h": 8.0, "cap_before_division": False}


def test_a_basis_point_per_eight_hours_is_eleven_per_cent_a_year() -> None:
    """Quant-reference section 0: 10.95 % simple, 11.57 % compounded."""
    assert annual_simple(1e-4, 8.0) == pytest.approx(0.1095)
    assert annual_compounded(1e-4, 8.0) == pytest.approx(0.1157, abs=5e-5)


def test_thirty_basis_points_of_cost_need_ten_days_of_one_basis_point() -> None:
    """Quant-reference 3.1: 30 settlements."""
    assert break_even_settlements(**FLAT) == 30
    assert net_carry(30, **FLAT) == pytest.approx(0.0, abs=1e-15)


def test_a_rate_below_the_hurdle_never_breaks_even() -> None:
    """1 bp per 8 h on 1.43 of capital does not earn an idle yield of 8 %."""
    assert break_even_settlements(**FLAT, hurdle_annual=0.08, capital=1.4333) is None
    assert break_even_settlements(**FLAT, hurdle_annual=0.07, capital=1.4333) is not None


def test_a_rich_rate_that_fades_may_break_even_before_it_is_gone() -> None:
    """The sum of a fading rate rises, then falls: the first crossing counts."""
    fading = {"rate_now": 20e-4, "mean": 0.0, "phi": 0.9, "cost": 100e-4, "interval_h": 8.0}
    count = break_even_settlements(**fading, borrow_annual=0.2)
    assert count is not None
    assert net_carry(count, **fading, borrow_annual=0.2) >= 0.0 > net_carry(count - 1, **fading, borrow_annual=0.2)
    assert net_carry(2_000, **fading, borrow_annual=0.2) < 0.0


@given(st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3), st.floats(0.0, 1.0), st.integers(1, 200))
def test_the_closed_sum_is_the_plain_sum(now: float, mean: float, phi: float, count: int) -> None:
    """sum over j of mu + (f0 - mu) phi^j."""
    plain = sum(mean + (now - mean) * phi**j for j in range(1, count + 1))
    assert funding_sum(now, mean, phi, count) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize(("premium", "rate"), [
    (0.0, 1e-4), (-4e-4, 1e-4), (6e-4, 1e-4), (7e-4, 2e-4), (-5e-4, 0.0), (-20e-4, -15e-4), (0.5, 3e-3),
])
def test_the_clamped_rule_pays_interest_inside_its_band_and_premium_less_the_clamp_outside(premium: float, rate: float
                                                                                              ) -> None:
    """Quant-reference 2.2: f8 = I for P in [-0.04 %, +0.06 %], else P -+ d, then the cap."""
    assert funding_rate_of_premium(premium, **RULE) == pytest.approx(rate, abs=1e-12)  # type: ignore[arg-type]


def test_capping_before_or_after_the_division_differs() -> None:
    """A cap of 4 % per 8 h before division is 0.5 % in an hour; after it 4 %."""
    hourly = {"interest_8h": 1e-4, "clamp_8h": 5e-4, "cap": 0.04, "interval_h": 1.0}
    assert funding_rate_of_premium(0.5, **hourly, cap_before_division=True) == pytest.approx(0.005)
    assert funding_rate_of_premium(0.5, **hourly, cap_before_division=False) == pytest.approx(0.04)


def test_capital_per_notional_of_both_trades() -> None:
    """1 + 1/3 + 0.1 with spot, 2/3 + 0.1 with two perps."""
    assert capital_per_notional(1, 3.0, 0.1) == pytest.approx(1.43333, abs=1e-5)
    assert capital_per_notional(2, 3.0, 0.1) == pytest.approx(0.76667, abs=1e-5)
