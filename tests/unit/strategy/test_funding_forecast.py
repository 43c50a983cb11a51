"""The forecast of a pair's funding, and the reasons for having none."""

from __future__ import annotations

import pytest

from bot.domain.values import NS_PER_HOUR, Nanos
from bot.strategy.funding_forecast import cap_binding, mean_over, pair_forecast, pinned_against, why_unavailable
from bot.strategy.params import CarryParams
from bot.strategy.verdict import PairKind, RateCap
from tests.unit.strategy.worked_pair import START_NS, candidate, history

PARAMS = CarryParams()


def test_mean_over_matches_the_ar1_sum() -> None:
    """The closed form equals the sum of the 90 expected rates (quant reference 3.1)."""
    state, mean, phi, total = 5.0, 1.0, 0.97, 0.0
    expected = state
    for _ in range(90):
        expected = mean + phi * (expected - mean)
        total += expected
    assert mean_over(state, mean, phi, 720) == pytest.approx(total / 90)


def test_stale_and_short_histories_are_named() -> None:
    """Each missing thing has its own reason."""
    known = history([1.0] * 30)
    assert why_unavailable(None, START_NS, PARAMS) == "funding_unknown"
    assert why_unavailable(history([]), START_NS, PARAMS) == "funding_unknown"
    assert why_unavailable(history([1.0] * 5), Nanos(START_NS + 32 * NS_PER_HOUR), PARAMS) == "funding_warming_up"
    assert why_unavailable(known, Nanos(known.settled_ns + 16 * NS_PER_HOUR), PARAMS) is None
    assert why_unavailable(known, Nanos(known.settled_ns + 18 * NS_PER_HOUR), PARAMS) == "funding_stale"


def test_pair_of_perps_is_short_minus_long_per_hour() -> None:
    """An hourly leg and an 8 h leg, on one clock."""
    long_leg, short_leg = history([1.0] * 30), history([3.0] * 233, interval_h=1)
    found = pair_forecast(candidate(PairKind.PERP_PERP), long_leg, short_leg, long_leg.settled_ns, PARAMS)
    assert not isinstance(found, str)
    assert found.fast_h == pytest.approx(2e-4 / 8)
    assert found.last_h == pytest.approx(2e-4 / 8)


def test_surprises_of_one_coin_at_two_venues_cancel_in_part() -> None:
    """Equal sds and a correlation of 0.6 leave sqrt(0.8) of one; uncorrelated ones would leave sqrt(2)."""
    noisy = [1.0, 3.0, 0.0, 2.5, 0.5] * 8
    legs = history(noisy), history(noisy)
    one = legs[0].sd_8h
    found = pair_forecast(candidate(PairKind.PERP_PERP), *legs, legs[0].settled_ns, PARAMS)
    assert not isinstance(found, str)
    assert one > 0
    assert found.sd_8h == pytest.approx(one * 0.8 ** 0.5)
    apart = CarryParams(funding_correlation=0.0)
    loose = pair_forecast(candidate(PairKind.PERP_PERP), *legs, legs[0].settled_ns, apart)
    assert not isinstance(loose, str)
    assert loose.sd_8h == pytest.approx(one * 2 ** 0.5)


def test_spot_leg_has_no_funding() -> None:
    """Spot against perp earns the perp's rate alone."""
    short_leg = history([3.0] * 30)
    found = pair_forecast(candidate(), None, short_leg, short_leg.settled_ns, PARAMS)
    assert not isinstance(found, str)
    assert found.slow_h == pytest.approx(3e-4 / 8)


def test_a_rate_at_its_limit_binds_in_both_directions_but_only_one_is_against_us() -> None:
    """A short at the cap is paid, at the floor it pays."""
    at_cap, at_floor = history([1.0] * 20 + [30.0]), history([1.0] * 20 + [-30.0])
    assert cap_binding(candidate(), None, at_cap, 0.95)
    assert cap_binding(candidate(), None, at_floor, 0.95)
    assert not pinned_against(candidate(), None, at_cap, 0.95)
    assert pinned_against(candidate(), None, at_floor, 0.95)


def test_a_long_leg_at_its_cap_is_against_us() -> None:
    """The long perp of a cross-venue pair pays its cap."""
    assert pinned_against(candidate(PairKind.PERP_PERP), history([1.0] * 20 + [30.0]), history([1.0] * 21), 0.95)


def test_cap_per_8h_scales_with_the_interval() -> None:
    """A venue that caps before dividing by the interval caps an hour at an eighth."""
    assert RateCap(0.008, per_8h=True).reached(0.001, 1, 0.95)
    assert not RateCap(0.008).reached(0.001, 1, 0.95)
