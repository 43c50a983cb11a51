"""Stress: each scenario's loss where it can be written down, what is accepted, what is not known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from bot.risk.scenarios import SCENARIOS, Scenario
from bot.risk.stress import StressLimits, StressResult, StressSheet, stress
from bot.risk.stress_book import StressBook, worst_move
from tests.unit.risk.made_stress import NAN, leg, pair, pool, small_book

LIMITS = StressLimits()
HEDGED = StressBook(legs=pair("BTC", 3000.0), pools=(pool(400.0, 1000.0),))


def of(sheet: StressSheet, name: str) -> StressResult:
    """The result of one scenario."""
    return next(result for result in sheet.results if result.name == name)


def one(book: StressBook, name: str) -> StressResult:
    """One standard scenario applied alone, under its own or its only telling's name."""
    scenario = next(each for each in SCENARIOS if each.name == name)
    return stress(book, LIMITS, (scenario,)).results[0]


def test_every_scenario_of_the_standard_set_is_there() -> None:
    """The list of the quant reference: histories, melt-ups, basis, funding, recall, depeg, venues, ADL, liquidity."""
    wanted = {"2020-03-12", "2021-05-19", "2022-11-08", "2022-11_sol_funding", "2025-10-10", "melt_up", "up_and_back",
              "basis_down", "funding_floor", "borrow_recall", "stablecoin", "venue_down", "venue_lost", "adl",
              "spreads_x10", "correlation_95", "volatility_x3_up", "volatility_x3_down", "latency_60s"}
    assert wanted <= {scenario.name for scenario in SCENARIOS}
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_a_hedged_pair_without_costs_loses_nothing_in_a_crash() -> None:
    """What is left is basis: with both legs moving alike there is none."""
    for name in ("2021-05-19", "2022-11-08", "melt_up", "up_and_back", "volatility_x3_up"):
        assert one(HEDGED, name).pnl_usd == pytest.approx(0.0, abs=1e-6)


def test_a_naked_short_loses_the_melt_up() -> None:
    """Unlevered and unhedged: BTC +35 % of the notional, and the keeper shrinks nothing at 30 % leverage."""
    book = StressBook(legs=(leg("BTC", -1000.0, perp=True),), pools=(pool(0.0, 3000.0),))
    result = one(book, "melt_up")
    assert result.pnl_usd == pytest.approx(-350.0)
    assert result.pnl_pct == pytest.approx(-100 * 350 / 3000)


def test_a_coin_that_is_not_named_takes_the_other_move() -> None:
    """A short of an unknown alt loses 80 %; one of DOGE, tenfold, lives because the keeper cuts it on the way up."""
    alt = StressBook(legs=(leg("WIF", -100.0, perp=True),), pools=(pool(0.0, 3000.0),))
    assert one(alt, "melt_up").pnl_usd == pytest.approx(-80.0)
    doge = StressBook(legs=(leg("DOGE", -100.0, perp=True),), pools=(pool(0.0, 3000.0),))
    cut = one(doge, "melt_up")
    assert -900 < cut.pnl_usd < -200
    assert cut.shrunk_pct > 50
    assert not cut.liquidated


def test_a_levered_short_without_reserve_is_liquidated_where_nobody_can_act() -> None:
    """Venue down through +20 %: at 5.5x the short is gone, at 3x it lives."""
    lean = StressBook(legs=pair("BTC", 5500.0), pools=(pool(0.0, 1000.0),))
    assert one(lean, "venue_down_up").liquidated == ("binance:BTC/USDT:USDT",)
    assert one(HEDGED, "venue_down_up").liquidated == ()


def test_basis_is_lost_by_the_side_that_holds_the_perp_against_it() -> None:
    """300 bp: a carry pair loses when perps stand above spot, its mirror when below, for a day."""
    assert one(HEDGED, "basis_up").pnl_usd == pytest.approx(-90.0)
    assert one(HEDGED, "basis_down").pnl_usd == pytest.approx(0.0)
    mirror = StressBook(legs=(leg("BTC", -3000.0, perp=False), leg("BTC", 3000.0, perp=True)),
                        pools=(pool(3400.0, 1000.0),))
    assert one(mirror, "basis_down").pnl_usd == pytest.approx(-90.0)


def test_funding_at_the_floor_costs_what_the_caps_say() -> None:
    """Shorts pay 9 x 0.30 % on a major, 17 x 2 % on an alt; longs receive nothing that counts, and pay at the cap."""
    assert one(HEDGED, "funding_floor").pnl_usd == pytest.approx(-3000 * 0.027)
    alt = StressBook(legs=pair("SOL", 300.0), pools=(pool(0.0, 3000.0),))
    assert one(alt, "funding_floor").pnl_usd == pytest.approx(-300 * 0.34)
    assert one(alt, "2022-11_sol_funding").pnl_usd == pytest.approx(-300 * 0.33)
    assert one(HEDGED, "2022-11_sol_funding").pnl_usd == pytest.approx(0.0)
    assert one(HEDGED, "funding_cap").pnl_usd == pytest.approx(0.0)
    long = StressBook(legs=(leg("BTC", 1000.0, perp=True),), pools=(pool(0.0, 3000.0),))
    assert one(long, "funding_floor").pnl_usd == pytest.approx(0.0)
    assert one(long, "funding_cap").pnl_usd == pytest.approx(-27.0)


def test_a_stablecoin_at_88_cents_takes_12_pct_of_all_that_is_held_against_it() -> None:
    """A cash-and-carry is a synthetic dollar: its hedged coin loses as much as its cash. Cash alone loses the same."""
    assert one(HEDGED, "stablecoin").pnl_usd == pytest.approx(-0.12 * 4400)
    cash = StressBook(legs=(leg("BTC", 0.0, perp=True),), pools=(pool(400.0, 1000.0),))
    assert one(cash, "stablecoin").pnl_usd == pytest.approx(-0.12 * 1400)
    coin = StressBook(legs=(leg("BTC", 3000.0, perp=False),), pools=(pool(0.0, 0.0),))
    assert one(coin, "stablecoin").pnl_usd == pytest.approx(0.0)


def test_each_stablecoin_and_each_venue_is_told_apart() -> None:
    """Two venues, two stablecoins: a loss at one leaves the other."""
    book = StressBook(legs=(*pair("BTC", 1000.0), *pair("ETH", 500.0, venue="hyperliquid")),
                      pools=(pool(0.0, 500.0), pool(0.0, 300.0, venue="hyperliquid", quote="USDC")))
    sheet = stress(book, LIMITS)
    assert of(sheet, "stablecoin:USDC").pnl_usd == pytest.approx(-0.12 * 800)
    assert of(sheet, "stablecoin:USDT").pnl_usd == pytest.approx(-0.12 * 1500)
    assert of(sheet, "venue_lost:hyperliquid").pnl_usd == pytest.approx(-800)
    assert of(sheet, "venue_lost:binance").pnl_usd == pytest.approx(-1500)


def test_a_lost_venue_of_a_cross_venue_pair_leaves_a_naked_leg_that_is_trimmed() -> None:
    """Margin and unrealised gain there are lost; here the short is closed two minutes into the next hour's fall."""
    book = StressBook(legs=(leg("BTC", 1000.0, perp=True), leg("BTC", -1000.0, perp=True, venue="bybit")),
                      pools=(pool(0.0, 500.0), pool(0.0, 500.0, venue="bybit")))
    sheet = stress(book, LIMITS, tuple(each for each in SCENARIOS if each.name == "venue_lost"))
    result = of(sheet, "venue_lost:bybit")
    assert result.naked_usd == pytest.approx(1000 * math.sqrt(0.9))
    assert result.delta_end_usd == 0.0
    fall = 1000 * (1 - math.sqrt(0.9))  # the long here has lost it; the short's gain went with the venue
    late = 1000 * math.sqrt(0.9) * (1 - math.sqrt(0.9)) / 30
    assert result.pnl_usd == pytest.approx(-500 - fall - late)


def test_adl_costs_the_move_until_the_reaction() -> None:
    """Shorts closed at -20 %; the coins follow two minutes into the next hour, then the fall touches nothing."""
    result = one(HEDGED, "adl")
    assert result.naked_usd == pytest.approx(2400.0, rel=1e-3)
    next_hour = math.exp((0.7 - 0.373) * math.log(0.55)) - 1
    assert result.pnl_usd == pytest.approx(2400 * next_hour / 30, rel=1e-3)
    assert (result.shrunk_pct, result.delta_end_usd) == (100.0, 0.0)


def test_closing_at_ten_times_the_spread_costs_fee_and_spread_of_every_leg() -> None:
    """6000 of gross at 5 bp of fee and 10 x 1 bp."""
    result = one(small_book(), "spreads_x10")
    assert result.pnl_usd == pytest.approx(-6000 * (0.0005 + 0.001))
    assert (result.shrunk_pct, result.delta_end_usd) == (100.0, 0.0)


def test_a_recall_hurts_only_who_has_borrowed() -> None:
    """5 % on the borrowed notional after the first hour's rise, nothing for a cash-and-carry."""
    mirror = StressBook(legs=(leg("BTC", -1000.0, perp=False), leg("BTC", 1000.0, perp=True)),
                        pools=(pool(1400.0, 500.0),))
    assert one(mirror, "borrow_recall").pnl_usd == pytest.approx(-0.05 * 1100)
    assert one(HEDGED, "borrow_recall").pnl_usd == pytest.approx(0.0)


def test_the_worst_move_loses_the_books_own_deviation() -> None:
    """b'm = -sqrt(b'Sb); no move as likely loses more; legs of one coin move as one."""
    notional, sigma, coin = np.array([1000.0, -400.0, -200.0]), np.array([0.03, 0.04, 0.05]), np.array([0, 1, 2])
    move = worst_move(notional, sigma, coin, 0.95)
    covariance = (0.95 + 0.05 * np.eye(3)) * np.outer(sigma, sigma)
    deviation = math.sqrt(notional @ covariance @ notional)
    assert notional @ move == pytest.approx(-deviation)
    assert move @ np.linalg.solve(covariance, move) == pytest.approx(1.0)
    others = np.random.default_rng(2).standard_normal((500, 3)) @ np.linalg.cholesky(covariance).T
    others /= np.sqrt(np.einsum("ij,jk,ik->i", others, np.linalg.inv(covariance), others))[:, None]
    assert (others @ notional).min() >= -deviation
    hedged = worst_move(np.array([500.0, -500.0]), np.array([0.03, 0.03]), np.array([0, 0]), 0.95)
    assert hedged.tolist() == [0.0, 0.0]


def test_correlation_takes_the_offset_away_that_a_long_short_book_lives_on() -> None:
    """Long BTC, short ETH, equal volatility: 3 sd of sqrt(2 (1 - 0.95)); both long: of sqrt(2 (1 + 0.95))."""
    def loss(second: float) -> float:
        book = StressBook(legs=(leg("BTC", 1000.0, perp=True), leg("ETH", second, perp=True)),
                          pools=(pool(0.0, 50_000.0),))
        return -one(book, "correlation_95").pnl_usd

    # the scenario's log moves are turned into simple ones, hence the tolerance
    assert loss(-1000.0) == pytest.approx(1000 * 0.09 * math.sqrt(0.1), rel=0.03)
    assert loss(1000.0) == pytest.approx(1000 * 0.09 * math.sqrt(3.9), rel=0.05)


def test_scenarios_told_in_deviations_need_a_volatility() -> None:
    """They are named as not computed, never taken as calm."""
    book = StressBook(legs=(leg("BTC", -100.0, perp=True, sigma=NAN),), pools=(pool(0.0, 100.0),))
    sheet = stress(book, LIMITS)
    assert set(sheet.not_computed) == {"correlation_95", "volatility_x3_down", "volatility_x3_up"}
    assert not {"correlation_95", "volatility_x3_up"} & {result.name for result in sheet.results}


def test_results_stand_worst_first_and_accepted_ones_do_not_bind() -> None:
    """A lost venue and a depeg take idle cash too; the operator may accept others, also of one venue alone."""
    sheet = stress(small_book(), LIMITS)
    assert [result.pnl_usd for result in sheet.results] == sorted(result.pnl_usd for result in sheet.results)
    worst = sheet.worst(LIMITS)
    assert worst is not None
    assert sheet.results[0].name == "venue_lost:binance"
    assert worst.name == "basis_up"
    assert StressLimits(stress_accepted=("venue_down:binance",)).accepts("venue_down:binance")
    assert not StressLimits(stress_accepted=("venue_down:bybit",)).accepts("venue_down:binance")
    everything = StressLimits(stress_accepted=tuple(scenario.name for scenario in SCENARIOS))
    assert sheet.worst(everything) is None
    assert sheet.breaches(everything) == ()


def test_the_default_book_passes_and_a_levered_directional_one_breaches() -> None:
    """Two pairs at 3x with a reserve stay inside 10 %; 1.5x net short loses half its equity in the melt-up."""
    assert stress(small_book(), LIMITS).breaches(LIMITS) == ()
    book = StressBook(legs=(leg("BTC", -1500.0, perp=True),), pools=(pool(0.0, 1000.0),))
    found = {breach.name: breach for breach in stress(book, LIMITS).breaches(LIMITS)}
    assert found["melt_up"].limit == "stress_loss_max_pct"
    assert found["melt_up"].value > found["melt_up"].allowed == 10.0


def test_liquidation_in_a_history_is_a_breach_by_itself() -> None:
    """Even where the loss stays below the limit: 5x without a reserve dies in 2020's crash when long the perp."""
    book = StressBook(legs=(leg("BTC", -100.0, perp=False), leg("BTC", 100.0, perp=True)),
                      pools=(pool(0.0, 7.0), pool(10_100.0, 0.0, venue="bybit")))
    names = {(breach.name, breach.limit) for breach in stress(book, LIMITS).breaches(LIMITS)}
    assert ("2020-03-12", "stress_liquidated_legs") in names


def test_a_book_without_equity_breaches_everything_that_is_not_accepted() -> None:
    """NaN is not below any limit."""
    book = StressBook(legs=(leg("BTC", -100.0, perp=True),), pools=(pool(0.0, 0.0),))
    sheet = stress(book, LIMITS)
    assert all(math.isnan(result.pnl_pct) for result in sheet.results)
    assert len(sheet.breaches(LIMITS)) >= sum(not LIMITS.accepts(result.name) for result in sheet.results)


def test_no_positions_no_stress() -> None:
    """An empty book has an empty sheet; a book of spot alone has no margin to lose."""
    assert stress(StressBook(legs=(), pools=(pool(100.0, 0.0),)), LIMITS).results == ()
    spot = stress(StressBook(legs=(leg("BTC", 100.0, perp=False),), pools=(pool(0.0, 0.0),)), LIMITS)
    assert all(result.margin_left_usd is None for result in spot.results)


def test_a_reference_distance_per_pool_is_taken_over() -> None:
    """A keeper that wants 60 % of distance tops up from the start."""
    steered = msgspec.structs.replace(HEDGED.pools[0], reference_distance=0.6)
    scenario = (Scenario(name="still", text="nothing happens"),)
    assert stress(HEDGED, LIMITS, scenario).results[0].topped_up_usd == 0.0
    book = StressBook(legs=HEDGED.legs, pools=(steered,))
    assert stress(book, LIMITS, scenario).results[0].topped_up_usd == pytest.approx(400.0)


def test_a_leg_at_a_venue_without_wallets_is_refused() -> None:
    """Its margin would be unknown."""
    with pytest.raises(ValueError, match="no pool"):
        stress(StressBook(legs=pair("BTC", 100.0, venue="okx"), pools=(pool(0.0, 1.0),)), LIMITS)


@pytest.mark.parametrize(("change", "says"), [
    ({"stress_loss_max_pct": 0.0}, "at most 50"), ({"stress_loss_max_pct": 51.0}, "at most 50"),
    ({"margin_reduce_share": 0.7}, "must hold"), ({"stress_accepted": ("ftx",)}, "no scenario"),
])
def test_limits_out_of_bounds_are_refused(change: dict[str, object], says: str) -> None:
    """A name that is no scenario would accept nothing and look as if it did."""
    with pytest.raises(ValueError, match=says):
        StressLimits(**change)  # type: ignore[arg-type]
