"""Leverage caps and margin plans: published distances, the four competing rules, transfers in time and too late."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from bot.domain.instrument import MarginTier
from bot.domain.values import Side as Direction
from bot.portfolio.margin import liquidation_price_cross, liquidation_price_isolated
from bot.quant.barrier import tail_multiplier
from bot.quant.leverage_cap import (
    UNBOUNDED,
    CapRules,
    PoolLeg,
    Side,
    adverse,
    distance_of,
    equity_needed,
    leverage_cap,
    leverage_max,
    pool_equity_needed,
    tiered_leverage_max,
)
from bot.quant.margin_plan import (
    CashSource,
    PoolAtRisk,
    carry_notional,
    plan_margin,
    short_after_move,
    start_distance,
)
from bot.quant.size_cut import beta_limit, size_cut

RULES = CapRules()


@pytest.mark.parametrize(("side", "leverage", "percent"), [
    ("short", 1, 99), ("short", 2, 49), ("short", 3, 33), ("short", 5, 20), ("short", 10, 9.6),
    ("long", 2, 50), ("long", 3, 33), ("long", 5, 20), ("long", 10, 9.6),
])
def test_published_distances_at_entry(side: Side, leverage: float, percent: float) -> None:
    """Distances of quant reference 2.4 at m = 0.4 %, to its rounding."""
    log = distance_of(side, 1.0 / leverage, 0.004)
    relative = math.expm1(log) if side == "short" else -math.expm1(-log)
    assert 100.0 * relative == pytest.approx(percent, abs=0.5 if percent > 10 else 0.05)


@pytest.mark.parametrize("side", ["short", "long"])
@pytest.mark.parametrize("leverage", [1.7, 3.0, 8.0])
def test_the_cap_is_the_liquidation_formula_inverted(side: Side, leverage: float) -> None:
    """The ledger's liquidation price at the entry of 100 lies at the distance that asks for this leverage."""
    direction = Direction.SELL if side == "short" else Direction.BUY
    price = liquidation_price_isolated(direction, 100.0, leverage, 0.01, fee_rate=0.0005)
    assert price is not None
    distance = abs(math.log(price / 100.0))
    assert leverage_max(side, distance, 0.01, 0.0005) == pytest.approx(leverage)
    assert distance_of(side, 1.0 / leverage, 0.01, 0.0005) == pytest.approx(distance)


TIERS = (MarginTier(Decimal(0), Decimal("0.004"), 150), MarginTier(Decimal(300_000), Decimal("0.005"), 100),
         MarginTier(Decimal(800_000), Decimal("0.01"), 75))


@pytest.mark.parametrize("side", ["short", "long"])
@pytest.mark.parametrize("notional", [1_000.0, 400_000.0, 5_000_000.0])
def test_a_pool_with_what_it_needs_is_liquidated_exactly_at_its_distance(side: Side, notional: float) -> None:
    """The ledger's tiered cross formula, started from that equity at a mark of 100, liquidates there."""
    leg = PoolLeg(side=side, notional_usd=notional, distance=0.3, tiers=TIERS)
    quantity = notional / 100.0 * (-1.0 if side == "short" else 1.0)
    price = liquidation_price_cross(pool_equity_needed((leg,)), quantity, 100.0, TIERS)
    assert price == pytest.approx(100.0 * math.exp(0.3 if side == "short" else -0.3), rel=1e-9)


def test_in_the_first_tier_the_pool_form_is_the_cap() -> None:
    """One small leg: equity over notional is 1 / L_max, fee included; two legs add up; nothing needed is unbounded."""
    leg = PoolLeg(side="short", notional_usd=1_000.0, distance=0.3, tiers=TIERS, close_fee=0.0005)
    assert tiered_leverage_max(leg) == pytest.approx(leverage_max("short", 0.3, 0.004, 0.0005))
    assert pool_equity_needed((leg, leg)) == pytest.approx(2.0 * pool_equity_needed((leg,)))
    assert tiered_leverage_max(PoolLeg(side="long", notional_usd=1_000.0, distance=0.0)) == UNBOUNDED


def test_a_large_short_grows_into_a_higher_tier() -> None:
    """At 700,000 USD and a rise of 35 % the third tier counts: less leverage than its present tier would say."""
    leg = PoolLeg(side="short", notional_usd=700_000.0, distance=0.3, tiers=TIERS)
    flat = PoolLeg(side="short", notional_usd=700_000.0, distance=0.3, tiers=TIERS[:2])
    assert tiered_leverage_max(leg) < tiered_leverage_max(flat)


def test_typical_outcome_of_the_reference() -> None:
    """BTC at 1.7 % per 8 h and 1e-4: 4.7x short and 5.7x long at nu = 4, about 3x short at nu = 3."""
    four, three = (tail_multiplier(1e-4, nu) * 0.017 for nu in (4.0, 3.0))
    assert leverage_max("short", four, 0.004) == pytest.approx(4.75, abs=0.05)
    assert leverage_max("long", four, 0.004) == pytest.approx(5.75, abs=0.05)
    assert leverage_max("short", three, 0.004) == pytest.approx(3.1, abs=0.05)


def test_the_yearly_budget_of_one_per_cent_is_honest_and_wasteful() -> None:
    """9.2e-6 per rebalance makes k about 36 at nu = 3, and a cap near 1.2x at 1.7 %."""
    k = tail_multiplier(9.18e-6, 3.0)
    assert k == pytest.approx(36.0, abs=0.5)
    assert leverage_max("short", k * 0.017, 0.004) == pytest.approx(1.2, abs=0.05)


def test_no_distance_and_no_maintenance_bound_nothing() -> None:
    """The number that stands for it can be encoded."""
    assert leverage_max("short", 0.0, 0.0) == UNBOUNDED
    assert distance_of("long", 1.0, 0.004) == math.inf
    assert distance_of("short", -1.5, 0.004) == -math.inf
    assert distance_of("short", 0.0, 0.004) < 0
    assert (adverse("short"), adverse("long")) == ("up", "down")


@pytest.mark.parametrize(("distance", "rate"), [
    (-0.1, 0.004), (math.nan, 0.004), (math.inf, 0.004), (0.1, 1.0), (0.1, -0.1),
])
def test_impossible_distances_and_rates_are_refused(distance: float, rate: float) -> None:
    """One line each."""
    with pytest.raises(ValueError, match="must be"):
        equity_needed("short", distance, rate)


def test_the_largest_distance_binds_and_is_named() -> None:
    """Each of the four rules can be the one."""
    def cap(**given: float) -> str:
        values = {"sigma_horizon": 0.02, "sigma_reaction": 0.002, "maintenance_rate": 0.004, **given}
        return leverage_cap("short", values.pop("sigma_horizon"), values.pop("sigma_reaction"), RULES, **values).binding

    assert cap() == "barrier"
    assert cap(sigma_reaction=0.02) == "two_barrier"
    assert cap(jump=0.5) == "jump"
    assert cap(tier_max=1.5) == "tier"
    assert cap(config_max=1.0) == "config"


def test_a_cap_shows_its_arithmetic() -> None:
    """Barrier k(1e-4) sigma, reaction k(1e-4) sigma over 40 %, both times the coin's scale."""
    cap = leverage_cap("long", 0.02, 0.005, RULES, maintenance_rate=0.004, close_fee=0.0005, scale=1.2)
    k = tail_multiplier(1e-4, 3.0)
    assert cap.barrier == pytest.approx(1.2 * k * 0.02)
    assert cap.two_barrier == pytest.approx(1.2 * k * 0.005 / 0.4)
    assert cap.cap == pytest.approx(leverage_max("long", 1.2 * k * 0.02, 0.004, 0.0005))
    assert cap.equity_per_notional == pytest.approx(1.0 / cap.cap)
    assert cap.sigma_horizon == pytest.approx(0.024)


def test_a_coin_that_tripled_in_eight_hours_is_capped_below_one() -> None:
    """A rise of 274 %: even 1x dies, so the short stands at a third."""
    cap = leverage_cap("short", 0.02, 0.005, RULES, maintenance_rate=0.005, jump=math.log(3.74), config_max=3.0)
    assert cap.cap == pytest.approx(1.0 / (1.005 * 3.74 - 1.0))
    assert cap.cap < 0.37


@pytest.mark.parametrize("sigma", [None, math.nan, 0.0])
def test_an_unknown_volatility_allows_nothing(sigma: float | None) -> None:
    """Fail closed, with the reason in the record."""
    cap = leverage_cap("short", sigma, 0.01, RULES, maintenance_rate=0.004)
    assert (cap.cap, cap.binding, cap.distance, cap.equity_per_notional) == (0.0, "no_volatility", None, None)
    assert leverage_cap("short", 0.01, sigma, RULES, maintenance_rate=0.004).cap == 0.0


def test_a_cap_in_use_moves_only_by_more_than_a_tenth() -> None:
    """8 % is kept, 12 % is followed, and nothing is kept above tier or configuration."""
    fresh = leverage_cap("short", 0.02, 0.002, RULES, maintenance_rate=0.004).cap
    def after(previous: float, tier: float = UNBOUNDED) -> float:
        return leverage_cap("short", 0.02, 0.002, RULES, maintenance_rate=0.004, previous=previous, tier_max=tier).cap

    assert after(fresh * 1.08) == fresh * 1.08
    assert after(fresh * 1.12) == fresh
    assert after(fresh * 1.08, tier=fresh * 1.01) == fresh


def test_rules_refuse_what_makes_no_sense() -> None:
    """Each bound names its setting."""
    for bad in (
        {"touch_probability": 0.0}, {"reaction_probability": 0.5}, {"nu": 2.0}, {"rebalance_h": 0.0},
        {"alarm_share": 1.0}, {"jump_quantile": 0.1}, {"hysteresis": 0.9}, {"scale_min": 1.5},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            CapRules(**bad)  # type: ignore[arg-type]
    assert RULES.horizon_h == 9.0


# ------------------------------------------------------------------------------------------- margin


def test_a_short_after_a_rise_of_ten_per_cent() -> None:
    """The reference's example at 3x: leverage 4.84, distance 20.2 %, top-up 14 % of the first notional."""
    after = short_after_move(3.0, 0.10, 0.004)
    assert after.leverage == pytest.approx(4.84, abs=0.005)
    assert after.distance == pytest.approx(0.202, abs=0.001)
    assert after.top_up == pytest.approx(0.14, abs=0.001)
    assert short_after_move(3.0, 0.5, 0.004).leverage is None


def pool(leverage: float, notional: float = 1_000.0) -> PoolAtRisk:
    """A short's wallet at this effective leverage."""
    return PoolAtRisk(side="short", equity_usd=notional / leverage, notional_usd=notional, maintenance_rate=0.004)


def test_equity_and_notional_for_a_distance_are_each_others_inverse() -> None:
    """Topped up, or shrunk at a cost, the pool stands where it should."""
    p = pool(6.0)
    topped = PoolAtRisk(side="short", equity_usd=p.equity_for(0.3), notional_usd=1_000.0, maintenance_rate=0.004)
    assert topped.distance == pytest.approx(0.3)
    left = p.notional_for(0.3, cost_rate=0.001)
    equity = p.equity_usd - 0.001 * (1_000.0 - left)
    assert PoolAtRisk(side="short", equity_usd=equity, notional_usd=left, maintenance_rate=0.004).distance == (
        pytest.approx(0.3))
    assert p.leverage == pytest.approx(6.0)
    assert pool(2.0).notional_for(0.1) == 1_000.0
    assert PoolAtRisk(side="short", equity_usd=-5.0, notional_usd=10.0, maintenance_rate=0.0).notional_for(0.2) == 0.0
    assert PoolAtRisk(side="short", equity_usd=-5.0, notional_usd=10.0, maintenance_rate=0.0).leverage is None
    assert pool(100.0).notional_for(0.0, cost_rate=0.01) == 1_000.0
    assert pool(1_000.0).notional_for(0.0, cost_rate=0.01) == 0.0


def test_far_from_liquidation_nothing_is_done() -> None:
    """At the target distance, and with no position at all."""
    target = distance_of("short", 1 / 3, 0.004)
    assert plan_margin(pool(3.0), target, 0.005, RULES).step == "hold"
    assert plan_margin(pool(3.0, notional=0.0), target, 0.005, RULES).step == "hold"


def test_the_alarm_is_the_share_or_what_the_latency_may_use_up() -> None:
    """40 % of the distance for quick cash; k(1e-4) sigma of the latency where that is more."""
    assert start_distance(0.3, 0.002, RULES) == pytest.approx(0.12)
    assert start_distance(0.3, 0.02, RULES) == pytest.approx(tail_multiplier(1e-4, 3.0) * 0.02)


def test_cash_that_arrives_in_time_tops_up_to_the_target() -> None:
    """Cheapest first, fees on top, and the pool with it stands at the target."""
    target = distance_of("short", 1 / 3, 0.004)
    sources = (CashSource(name="own spot wallet", free_usd=100.0, latency_h=0.1),
               CashSource(name="other venue", free_usd=900.0, latency_h=0.5, fee_usd=1.0))
    plan = plan_margin(pool(9.0), target, 0.005, RULES, sources)
    assert plan.step == "top_up"
    assert plan.wanted_usd == pytest.approx(1_000.0 / 3 - 1_000.0 / 9, rel=1e-3)
    assert [each.source for each in plan.transfers] == ["own spot wallet", "other venue"]
    assert sum(each.amount_usd - each.fee_usd for each in plan.transfers) == pytest.approx(plan.wanted_usd)
    assert plan.notional_usd is None


def test_money_on_its_way_is_not_asked_for_twice() -> None:
    """What is in flight counts towards the wish; nothing more is sent."""
    target = distance_of("short", 1 / 3, 0.004)
    sources = (CashSource(name="spot", free_usd=900.0, latency_h=0.1),)
    plan = plan_margin(pool(9.0), target, 0.005, RULES, sources, in_flight_usd=230.0)
    assert (plan.step, plan.transfers, plan.wanted_usd) == ("hold", (), 0.0)


def test_cash_that_could_come_too_late_does_not_count() -> None:
    """Six hours at 2 % an hour use up more than is left: both legs shrink instead."""
    target = distance_of("short", 1 / 3, 0.004)
    sources = (CashSource(name="bank", free_usd=900.0, latency_h=6.0),)
    plan = plan_margin(pool(6.0), target, 0.02, RULES, sources)
    assert (plan.step, plan.late, plan.transfers) == ("reduce", ("bank",), ())
    assert plan.notional_usd is not None
    assert plan.notional_usd < 1_000.0


def test_without_enough_cash_the_pair_shrinks_to_what_the_cash_carries() -> None:
    """Half of the wish arrives: size falls to what equity and it hold at the target."""
    target = distance_of("short", 1 / 3, 0.004)
    plan = plan_margin(pool(9.0), target, 0.003, RULES, (CashSource(name="spot", free_usd=100.0, latency_h=0.1),),
                       cost_rate=0.0)
    assert plan.step == "reduce"
    assert plan.notional_usd == pytest.approx(3.0 * (1_000.0 / 9 + 100.0), rel=1e-3)


def test_crumbs_are_not_moved() -> None:
    """A transfer that hardly pays its fee is none."""
    target = distance_of("short", 1 / 3, 0.004)
    dust = CashSource(name="dust", free_usd=1.5, latency_h=0.1, fee_usd=1.0)
    plan = plan_margin(pool(9.0), target, 0.003, RULES, (dust,))
    assert plan.transfers == ()
    assert plan.step == "reduce"


def test_in_a_hurry_size_follows_the_equity_that_is_there() -> None:
    """Below what an hour may use up, money in flight carries nothing."""
    target = distance_of("short", 1 / 3, 0.004)
    plan = plan_margin(pool(30.0), target, 0.01, RULES, in_flight_usd=400.0, cost_rate=0.0)
    assert plan.step == "reduce"
    assert plan.notional_usd == pytest.approx(100.0, rel=1e-3)


def test_a_pool_at_liquidation_is_gone() -> None:
    """Equity at maintenance: nothing is planned for it any more."""
    assert plan_margin(pool(300.0), 0.3, 0.01, RULES).step == "gone"


def test_capital_for_a_carry_at_three_x_with_a_reserve() -> None:
    """3,500 USD at 3x with 10 % reserve carries 2,442 USD."""
    assert carry_notional(3_500.0, 3.0, 0.1) == pytest.approx(2_442.0, abs=1.0)


# ------------------------------------------------------------------------------------------- the size cut


def test_twelve_per_cent_over_seven_and_a_cut_of_thirty() -> None:
    """The seeds' case: rf = 12 - 7 beta, 43 % too much volatility, liquidation from -19.7 % to -28.3 % at 5x."""
    assert beta_limit(0.12, 0.07) == pytest.approx(1.71, abs=0.005)
    cut = size_cut(0.30, 5.0, 0.004)
    assert cut.volatility_over_target == pytest.approx(0.43, abs=0.002)
    assert cut.leverage_after == pytest.approx(3.5)
    assert cut.move_before == pytest.approx(-0.197, abs=0.0005)
    assert cut.move_after == pytest.approx(-0.283, abs=0.0005)
    assert cut.survives(-0.25)
    assert not cut.survives(-0.45)


def test_a_cut_of_a_short_and_of_an_unlevered_long() -> None:
    """A short is liquidated by rises; a long at 1x by nothing."""
    short = size_cut(0.30, 5.0, 0.004, "short")
    assert short.move_after > short.move_before > 0.0
    assert short.survives(0.27)
    assert not short.survives(0.29)
    assert size_cut(0.0, 1.0, 0.004).survives(-0.99)


def test_cuts_that_are_none_are_refused() -> None:
    """A cut of everything, leverage 0, a premium of 0."""
    with pytest.raises(ValueError, match="cut"):
        size_cut(1.0, 5.0, 0.004)
    with pytest.raises(ValueError, match="leverage"):
        size_cut(0.1, 0.0, 0.004)
    with pytest.raises(ValueError, match="premium"):
        beta_limit(0.12, 0.0)
