"""The path engine against the venues' liquidation formulas and hand-made books, event by event."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from bot.domain.instrument import Instrument, Kind, MarginTier
from bot.domain.values import Coin, InstrumentId, Side, Venue
from bot.portfolio.margin import liquidation_price_isolated
from bot.quant.book_paths import run_paths
from bot.quant.path_book import BookLegs, BookPools, KeeperRule, PathOutcome, PathStep, maintenance_usd
from bot.quant.path_keeper import PoolState, shrink_share
from tests.unit.quant.made_books import RATE, carry, legs_of, move, pools_of

NOBODY = KeeperRule(acts=False)


def run(legs: BookLegs, pools: BookPools, *steps: PathStep, rule: KeeperRule = NOBODY) -> PathOutcome:
    """As many paths as the first step has rows."""
    return run_paths(legs, pools, rule, steps, len(steps[0].returns))


def test_maintenance_is_the_instruments_own_tier_sum() -> None:
    """Vectorised floats equal the domain's Decimal sum below, on and above every floor, for any number of tiers."""
    tiers = tuple(MarginTier(Decimal(floor), Decimal(rate), 10)
                  for floor, rate in ((0, "0.004"), (300_000, "0.005"), (800_000, "0.01"), (3_000_000, "0.05")))
    instrument = Instrument(
        id=InstrumentId("v:X"), venue=Venue("v"), symbol="X", coin=Coin("X"), quote="USDT", kind=Kind.PERP,
        tick_size=Decimal(1), lot_size=Decimal(1), lots_min=1, notional_min_usd=Decimal(0), maker_fee=Decimal(0),
        taker_fee=Decimal(0), tiers=tiers)
    notionals = [0.0, 1.0, 299_999.0, 300_000.0, 300_001.0, -900_000.0, 5_000_000.0]
    floors = np.array([[float(tier.floor_usd) for tier in tiers], [0.0, np.inf, np.inf, np.inf]])
    rates = np.array([[float(tier.maintenance_rate) for tier in tiers], [0.02] * 4])
    margins = maintenance_usd(np.column_stack((notionals, notionals)), floors, rates)
    expected = [float(instrument.maintenance_margin_usd(abs(Decimal(notional)))) for notional in notionals]
    assert margins[:, 0] == pytest.approx(expected, rel=1e-12)
    assert margins[:, 1] == pytest.approx(0.02 * np.abs(notionals))


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("leverage", [2.0, 3.0, 5.0, 10.0])
def test_a_position_dies_at_the_venues_liquidation_price_and_not_before(side: Side, leverage: float) -> None:
    """Just short of it everything is left; at it the pool's whole margin is lost."""
    price = liquidation_price_isolated(side, 1.0, leverage, RATE)
    assert price is not None
    legs, pools = legs_of([side * 1000.0], [True]), pools_of((0.0, 1000.0 / leverage))
    out = run(legs, pools, move(price - 1.0 + side * 1e-9, price - 1.0 - side * 1e-9, legs=1))
    assert out.liquidated[:, 0].tolist() == [False, True]
    assert out.wealth_usd[0] == pytest.approx(1000.0 * price * RATE, abs=1e-3)  # maintenance, still ours
    assert out.wealth_usd[1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("leverage", "distance_pct"), [(1, 99), (2, 49), (3, 33), (5, 20), (10, 9.6)])
def test_a_short_survives_the_published_distance_and_no_more(leverage: float, distance_pct: float) -> None:
    """99 / 49 / 33 / 20 / 9.6 % at m = 0.4 %, each rounded by its last digit."""
    half = 0.05 if leverage == 10 else 0.5
    out = run(legs_of([-100.0], [True]), pools_of((0.0, 100.0 / leverage)),
              move((distance_pct - half) / 100, (distance_pct + half) / 100, legs=1))
    assert out.liquidated[:, 0].tolist() == [False, True]


def test_a_spot_gain_does_not_protect_the_short() -> None:
    """A hedged pair in two wallets dies in a rise that leaves its net worth untouched, and loses its maintenance."""
    out = run(carry(), pools_of((0.0, 1000.0)), move(0.34))
    assert out.liquidated[0].tolist() == [False, True]
    assert out.margin_left_usd[0] == pytest.approx(1000 - 0.34 * 3000 - 1.34 * 3000 * RATE)
    assert out.wealth_usd[0] == pytest.approx(4000 - 1.34 * 3000 * RATE)
    assert out.naked_max_usd[0] == pytest.approx(1.34 * 3000)


def test_a_top_up_in_time_saves_the_short_and_one_step_late_does_not() -> None:
    """The same cash, the same two moves; only the transfer's delay differs."""
    book, steps = (carry(), pools_of((900.0, 1000.0))), (move(0.28), move(0.28 / 1.28))
    assert run(*book, *steps, rule=KeeperRule(reduce_share=0.0)).liquidated.sum() == 0
    late = KeeperRule(reduce_share=0.0, transfer_delay_steps=1)
    assert run(*book, *steps, rule=late).liquidated.sum() == 1
    assert run(*book, *steps).liquidated.sum() == 1  # nobody acts


def test_a_top_up_restores_the_distance_at_the_start() -> None:
    """After +10 % at leverage 3 the quant reference's amount: e^z / L - equity = 14 % of the original notional."""
    rise = np.expm1(0.10)
    out = run(carry(1000.0), pools_of((500.0, 1000.0 / 3)), move(rise),
              rule=KeeperRule(top_up_share=0.99, reduce_share=0.0))
    assert out.topped_up_usd[0] == pytest.approx(1000 * (np.exp(0.10) / 3 - (1 / 3 - rise)), rel=1e-9)
    assert out.topped_up_usd[0] == pytest.approx(140, abs=1)


def test_without_free_cash_both_legs_shrink_and_the_coins_pay_the_next_top_up() -> None:
    """Distance below 40 %: short and coin are cut alike; the book stays neutral and alive through a doubling."""
    out = run(carry(), pools_of((0.0, 1000.0)), *(move(0.07) for _ in range(10)), rule=KeeperRule())
    assert not out.liquidated.any()
    assert out.legs_end_usd.sum() == pytest.approx(0.0, abs=1e-6)
    assert 0.2 < out.gross_kept[0] < 0.9
    assert out.wealth_usd[0] == pytest.approx(4000.0)  # no costs, no basis: nothing is made or lost
    assert out.topped_up_usd[0] > 0.0


def test_shrinking_pays_fee_and_spread_of_both_legs() -> None:
    """The cost is the traded notional times fee and widened half-spread, twice."""
    legs = carry(fee=0.001, half_spread=0.0002)
    out = run(legs, pools_of((0.0, 1000.0)), move(0.25), move(0.0, spread_x=np.array([10.0])), rule=KeeperRule())
    traded = 2 * (1 - out.gross_kept[0]) * 3000 * 1.25
    assert out.costs_usd[0] == pytest.approx(traded * (0.001 + 0.002))
    assert out.wealth_usd[0] == pytest.approx(4000 - out.costs_usd[0])


def test_cash_of_another_venue_is_borrowed_when_the_own_wallet_is_empty() -> None:
    """Own spot wallet first, the others in proportion."""
    legs = legs_of((3000, -3000), (False, True), venues=(0, 0))
    pools = pools_of((100.0, 1000.0), (600.0, 0.0), (300.0, 0.0))
    out = run(legs, pools, move(0.20), rule=KeeperRule(reduce_share=0.0))
    taken = out.topped_up_usd[0] - 100.0
    assert taken > 0
    assert out.wealth_venue_usd[0] == pytest.approx(
        [4100 + taken, 600 - taken * 2 / 3, 300 - taken / 3])


def test_funding_is_paid_by_longs_on_notional_at_mark_at_the_end() -> None:
    """Short 3000, +10 %, rate 1 %: the short receives 33; a negative rate is paid."""
    rates = np.array([[0.0, 0.01], [0.0, -0.02]])
    out = run(carry(), pools_of((0.0, 2000.0)), move(0.10, 0.10, funding=rates))
    assert out.funding_usd == pytest.approx([33.0, -66.0])
    assert out.wealth_usd == pytest.approx([5033.0, 4934.0])


def test_funding_at_the_floor_can_take_the_whole_margin() -> None:
    """SOL in November 2022: 33 % of notional in twelve days liquidates a 3x short that nobody tops up."""
    steps = [move(0.0, funding=np.array([[0.0, -0.0275]])) for _ in range(12)]
    assert run(carry(), pools_of((0.0, 980.0)), *steps).liquidated[0].tolist() == [False, True]


def test_adl_leaves_the_coin_naked_until_the_reaction() -> None:
    """The short is closed at mark at -20 %; of the next -25 % the coin suffers a tenth before it is sold."""
    adl = move(-0.20, closed=np.array([[0.0, 1.0]]))
    out = run(carry(), pools_of((0.0, 1000.0)), adl, move(-0.25, reaction=0.1), rule=KeeperRule())
    assert out.naked_max_usd[0] == pytest.approx(2400.0)
    assert out.wealth_usd[0] == pytest.approx(4000 - 2400 * 0.025)
    assert out.gross_kept[0] == 0.0
    nobody = run(carry(), pools_of((0.0, 1000.0)), adl, move(-0.25))
    assert nobody.wealth_usd[0] == pytest.approx(4000 - 2400 * 0.25)


def test_half_an_adl_trims_half_the_coin() -> None:
    """What is left of both legs is hedged."""
    out = run(carry(), pools_of((0.0, 1000.0)), move(-0.2, closed=np.array([[0.0, 0.5]])), move(0.0), rule=KeeperRule())
    assert out.legs_end_usd[0] == pytest.approx([1200.0, -1200.0])


def test_a_recall_buys_back_at_a_penalty_and_the_perp_is_trimmed() -> None:
    """A borrowed coin: the short spot leg is closed 5 % too dear, the long perp follows."""
    legs = legs_of((-1000, 1000), (False, True))
    out = run(legs, pools_of((1200.0, 400.0)), move(0.0, closed=np.array([[1.0, 0.0]]),
              closed_penalty=np.array([[0.05, 0.0]])), move(0.0), rule=KeeperRule())
    assert out.wealth_usd[0] == pytest.approx(600 - 50)
    assert out.gross_kept[0] == 0.0


def test_a_lost_venue_takes_its_wallets_and_leaves_the_other_leg_naked() -> None:
    """A perp-perp pair: margin and unrealised gain there are gone; the leg here is trimmed after the reaction."""
    legs = legs_of((1000, -1000), (True, True), venues=(0, 1))
    lost = np.array([[True, False]])
    out = run(legs, pools_of((50.0, 500.0), (0.0, 500.0)), move(0.10, lost=lost), move(0.10, reaction=0.5),
              rule=KeeperRule())
    assert out.wealth_venue_usd[0] == pytest.approx([0.0, 500 - 100 - 1100 * 0.05])
    assert out.legs_end_usd[0].tolist() == [0.0, 0.0]


def test_a_venue_that_is_down_neither_trades_nor_sends() -> None:
    """The naked coin cannot be sold while its venue is down; it is sold in the first step after."""
    down = np.array([[True]])
    adl = move(-0.20, closed=np.array([[0.0, 1.0]]))
    out = run(carry(), pools_of((100.0, 1000.0)), adl, move(-0.10, down=down), move(0.0), move(-0.5), rule=KeeperRule())
    assert out.wealth_usd[0] == pytest.approx(4100 - 240)
    rising = run(carry(), pools_of((900.0, 1000.0)), move(0.28, down=down), move(0.28 / 1.28),
                 rule=KeeperRule(reduce_share=0.0))
    assert rising.topped_up_usd[0] == 0.0
    assert rising.liquidated.any()


def test_the_lowest_and_highest_mark_inside_a_step_liquidate_too() -> None:
    """A day that ends where it began, with a spike in it; a long dies at the low, a short at the high."""
    legs = legs_of((-1000,), (True,))
    spike = move(0.0, 0.0, legs=1, low=np.array([[-0.4], [-0.4]]), high=np.array([[0.3], [0.4]]))
    assert run(legs, pools_of((0.0, 333.0)), spike).liquidated[:, 0].tolist() == [False, True]
    long = legs_of((1000,), (True,))
    assert run(long, pools_of((0.0, 333.0)), spike).liquidated.all()


def test_a_pool_of_two_coins_is_judged_as_a_whole() -> None:
    """A long of one coin carries a short of another through a common rise; alone the short is liquidated."""
    pools = pools_of((0.0, 300.0))
    assert not run(legs_of((-1000, 1000), (True, True), coins=(0, 1)), pools, move(0.5)).liquidated.any()
    assert run(legs_of((-1000,), (True,)), pools, move(0.5, legs=1)).liquidated.all()


def test_a_directional_book_is_not_trimmed_when_it_shrinks() -> None:
    """A net long that loses part of itself moves towards zero: nothing is naked, nothing is bought."""
    legs = legs_of((500, -300, 200), (True, True, False))
    out = run(legs, pools_of((0.0, 900.0)), move(0.01, legs=3, closed=np.array([[0.4, 0.0, 0.0]])), move(0.0, legs=3),
              rule=KeeperRule())
    assert out.naked_max_usd[0] == 0.0
    assert out.legs_end_usd[0] == pytest.approx(np.array([300, -300, 200]) * 1.01)


def test_drawdown_and_time_under_water_are_those_of_the_wealth() -> None:
    """Spot alone: 100, 120, 90, 96, 125: a fall of a quarter, two steps under water."""
    levels = np.array([100.0, 120.0, 90.0, 96.0, 125.0])
    steps = [move(after / before - 1, legs=1) for before, after in zip(levels, levels[1:], strict=False)]
    out = run(legs_of((100,), (False,)), pools_of((0.0, 0.0)), *steps)
    assert (out.drawdown_max[0], out.under_water_steps[0]) == pytest.approx((0.25, 2.0))
    assert (out.wealth_min_usd[0], out.wealth_usd[0]) == pytest.approx((90.0, 125.0))


@pytest.mark.parametrize("where", ["notional", "cash", "return", "funding"])
def test_an_unknown_number_is_refused(where: str) -> None:
    """A missing return is not a calm one, missing cash not none."""
    nan = float("nan")
    legs = carry(nan if where == "notional" else 3000.0)
    pools = pools_of((nan if where == "cash" else 0.0, 1000.0))
    step = move(nan if where == "return" else 0.0, funding=np.array([[0.0, nan if where == "funding" else 0.0]]))
    with pytest.raises(ValueError, match="known"):
        run(legs, pools, step)


def test_a_given_reference_distance_is_steered_to() -> None:
    """An account that stands too near already is topped up at the first look."""
    near = KeeperRule(reference_distance=np.array([0.6]), reduce_share=0.0)
    out = run(carry(), pools_of((900.0, 1000.0)), move(0.0), rule=near)
    assert out.topped_up_usd[0] == pytest.approx(0.6 * 3000 * (1 + RATE) + 3000 * RATE - 1000)


def test_a_book_without_legs_keeps_its_cash() -> None:
    """Nothing happens to nothing."""
    out = run_paths(legs_of((), ()), pools_of((100.0, 50.0)), KeeperRule(), [move(0.5, legs=0)], 1)
    assert (out.wealth_usd[0], out.gross_kept[0], out.margin_left_usd[0]) == (150.0, 1.0, np.inf)


@pytest.mark.parametrize("notional", [5e-324, 1e-320])
def test_a_pool_with_a_crumb_is_far_from_liquidation_and_warns_nobody(notional: float) -> None:
    """A notional too small to divide by: infinite distance, not an overflow."""
    held = PoolState(equity_usd=np.array([[1.0]]), notional_usd=np.array([[notional]]),
                     maintenance_usd=np.array([[0.0]]))
    assert held.distance[0, 0] == np.inf
    assert held.share_of(np.array([[0.3]]))[0, 0] == np.inf
    assert shrink_share(held, np.array([[0.3]]))[0, 0] == 1.0
