"""Laws of variance recursions, barriers and caps, for whatever numbers come."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quant.barrier import tail_multiplier, touch_probability
from bot.quant.ewma import ewma_variance
from bot.quant.garch import GarchParams, filter_variance, variance_sum
from bot.quant.leverage_cap import CapRules, Side, distance_of, leverage_cap, leverage_max
from bot.quant.margin_plan import CashSource, PoolAtRisk, plan_margin

RULES = CapRules()
SIDES: st.SearchStrategy[Side] = st.sampled_from(("short", "long"))
FEW = st.floats(0.0, 0.05)


@st.composite
def garch_params(draw: st.DrawFn) -> GarchParams:
    """Stationary parameters of GARCH-t or GJR-t."""
    alpha, gamma = draw(st.floats(0.0, 0.25)), draw(st.floats(0.0, 0.2))
    beta = draw(st.floats(0.0, 0.99 - alpha - gamma / 2))
    return GarchParams(model="gjr_t", omega=draw(st.floats(1e-4, 5.0)), alpha=alpha, gamma=gamma, beta=beta, nu=4.0)


@settings(deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=30, max_size=60), st.floats(0.5, 0.99))
def test_an_average_lies_between_the_squares_it_is_made_of(returns: list[float], decay: float) -> None:
    """EWMA variance is a mean: never below the least square, never above the largest."""
    values = np.array(returns)
    variance = ewma_variance(values, decay)[-1]
    assert np.min(values**2) * (1 - 1e-9) <= variance <= np.max(values**2) * (1 + 1e-9)


@settings(deadline=None)
@given(garch_params(), st.lists(st.floats(-30.0, 30.0), min_size=5, max_size=60))
def test_filtered_variances_never_fall_below_omega(params: GarchParams, returns: list[float]) -> None:
    """Omega is what is left when nothing moves."""
    assert (filter_variance(np.array(returns), params) >= params.omega).all()


@settings(deadline=None)
@given(garch_params(), st.floats(0.01, 100.0), st.integers(1, 60))
def test_a_variance_sum_lies_between_its_ends(params: GarchParams, h1: float, steps: int) -> None:
    """n steps sum to between n times the forecast and n times the mean, and grow with n."""
    total, mean = variance_sum(params, h1, steps), params.variance_mean
    assert mean is not None
    assert min(h1, mean) * steps * (1 - 1e-9) <= total <= max(h1, mean) * steps * (1 + 1e-9)
    assert variance_sum(params, h1, steps + 1) > total


@settings(deadline=None)
@given(SIDES, st.floats(1.01, 100.0), FEW, FEW)
def test_caps_and_distances_are_inverse(side: Side, leverage: float, maintenance: float, fee: float) -> None:
    """The leverage that a leverage's own distance allows is that leverage."""
    distance = distance_of(side, 1.0 / leverage, maintenance, fee)
    if distance > 1e-6:
        assert leverage_max(side, distance, maintenance, fee) == pytest.approx(leverage, rel=1e-6)


@settings(deadline=None)
@given(SIDES, st.floats(0.001, 0.3), st.floats(1.01, 3.0), FEW)
def test_more_volatility_never_raises_a_cap(side: Side, sigma: float, factor: float, maintenance: float) -> None:
    """Caps fall with sigma, with the scale and with a jump."""
    def cap(s: float, **given_: float) -> float:
        return leverage_cap(side, s, s / 3.0, RULES, maintenance_rate=maintenance, **given_).cap

    assert cap(sigma * factor) <= cap(sigma)
    assert cap(sigma, scale=factor) <= cap(sigma)
    assert cap(sigma, jump=factor) <= cap(sigma)


@settings(deadline=None)
@given(st.floats(1e-6, 0.4), st.floats(2.1, 50.0))
def test_multipliers_fall_with_p_and_invert(p: float, nu: float) -> None:
    """Rarer means farther, and the bound read backwards is p."""
    k = tail_multiplier(p, nu)
    assert tail_multiplier(p / 2, nu) > k
    assert touch_probability(k, 1.0, nu) == pytest.approx(p, rel=1e-6)


@settings(deadline=None)
@given(
    SIDES, st.floats(1.0, 1e6), st.floats(0.001, 1.5), st.floats(0.0005, 0.05),
    st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 12.0), st.floats(0.0, 5.0)), max_size=3),
)
def test_a_plan_never_adds_risk_or_spends_what_is_not_there(
    side: Side, notional: float, equity_share: float, sigma_hour: float, cash: list[tuple[float, float, float]]
) -> None:
    """Transfers within what is free and wanted, size never up, and a pool that needs nothing gets nothing."""
    pool = PoolAtRisk(side=side, equity_usd=notional * equity_share, notional_usd=notional, maintenance_rate=0.005)
    sources = [CashSource(name=str(i), free_usd=f, latency_h=h, fee_usd=c) for i, (f, h, c) in enumerate(cash)]
    plan = plan_margin(pool, 0.25, sigma_hour, RULES, sources)
    for transfer in plan.transfers:
        assert transfer.amount_usd <= sources[int(transfer.source)].free_usd
        assert transfer.source not in plan.late
    net = math.fsum(each.amount_usd - each.fee_usd for each in plan.transfers)
    assert net <= plan.wanted_usd * (1 + 1e-9) + 1e-9
    if plan.notional_usd is not None:
        assert 0.0 <= plan.notional_usd <= notional
    if pool.distance >= 0.25:
        assert plan.step == "hold"
