"""Liquidation on mark, cross and isolated, bounded by bankruptcy."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.events import ForcedFill, OrderClosed, OrderStatus
from bot.domain.orders import TimeInForce
from bot.domain.values import Side, Wallet
from bot.venues.simulated.params import MarginMode, SimulatedParams
from tests.unit.venues.sim_world import ALPHA, PERP, PERP_ETH, World

BUY, SELL = Side.BUY, Side.SELL


def short(world: World, lots: int = 5_000) -> World:
    """5 BTC short at 100 (500 USD) against 100 USD of futures cash."""
    world.rich(100)
    for of in world.instruments:
        world.quote(of, 1_000, 1_001, lots=100_000)
        if of.is_perp:
            world.mark(of, "100")
    world.trade(PERP, SELL, lots, 1_000)
    return world


def forced(world: World) -> list[ForcedFill]:
    return [answer for answer in world.run() if isinstance(answer, ForcedFill)]


def test_liquidation_comes_at_the_maintenance_margin_and_not_before() -> None:
    """Equity 99.75 - 5 x move meets 1 % of notional near 118.8."""
    world = short(World())
    world.mark(PERP, "118.7")
    assert forced(world) == []
    world.mark(PERP, "118.9")
    got = forced(world)
    assert [(fill.cause, fill.side, fill.quantity_lots) for fill in got] == [("liquidation", BUY, 5_000)]
    assert world.position(PERP) == 0


def test_equity_equal_to_the_maintenance_margin_liquidates() -> None:
    """95.90 USD + 5 x (100 - 118) = 5.90 = 1 % of 590."""
    world = short(World())
    world.exchange.deposit(world.now, ALPHA, Wallet.FUTURES, Decimal("-3.85"))
    world.mark(PERP, "118")
    assert len(forced(world)) == 1


def test_liquidation_is_told_at_its_stamp_before_acks() -> None:
    """Rank 5 of the same instant."""
    world = short(World())
    world.mark(PERP, "119")
    assert world.exchange.next_due() == (world.now, 5)


def test_marks_off_the_valuation_edge_liquidate_too() -> None:
    """Margin uses every mark."""
    world = short(World())
    world.mark(PERP, "119", values=False)
    assert len(forced(world)) == 1


def test_penalty_is_paid_beyond_mark_where_collateral_allows() -> None:
    """50 bp beyond a mark of 119 is 119.6 in ticks; the taker fee is paid."""
    world = short(World())
    world.mark(PERP, "119")
    fill = forced(world)[0]
    assert fill.price_ticks == 1_196
    assert fill.fee == Decimal("0.29900000")


@pytest.mark.parametrize("mark", ["121", "150", "1000"])
def test_loss_ends_at_bankruptcy(mark: str) -> None:
    """However far the mark jumps, the wallet ends within a tick's worth of nothing and never below."""
    world = short(World())
    world.mark(PERP, mark)
    forced(world)
    left = world.exchange.account(ALPHA).holdings.futures_usd
    assert Decimal(0) <= left <= Decimal("0.5") + Decimal("0.3")


def test_longs_mirror_shorts() -> None:
    """A fall of half leaves nothing, and never less."""
    world = World().rich(100)
    world.quote(PERP, 1_000, 1_001, lots=100_000)
    world.mark(PERP, "100")
    world.trade(PERP, BUY, 5_000, 1_001)
    world.mark(PERP, "50")
    assert [fill.side for fill in forced(world)] == [SELL]
    assert Decimal(0) <= world.exchange.account(ALPHA).holdings.futures_usd <= Decimal(1)


def test_largest_maintenance_goes_first_and_the_rest_stays_if_safe() -> None:
    """Closing the large position saves the small one."""
    world = short(World(), 4_500)
    world.trade(PERP_ETH, SELL, 200, 1_000)
    world.mark(PERP, "121")
    assert [fill.instrument for fill in forced(world)] == [PERP.id]
    assert world.position(PERP_ETH) == Decimal("-0.2")


def test_open_orders_go_before_positions() -> None:
    """A liquidated pool's resting orders are cancelled."""
    world = short(World())
    name = world.order(PERP_ETH, BUY, 100, 950, TimeInForce.GTC)
    world.run()
    world.mark(PERP, "119")
    closed = [a for a in world.run() if isinstance(a, OrderClosed)]
    assert [(a.order_id, a.status) for a in closed] == [(name, OrderStatus.CANCELLED)]


def test_isolated_loss_is_the_positions_margin() -> None:
    """At leverage 10 a rise of 15 % takes the 50 USD of margin and leaves the wallet alone."""
    world = short(World(SimulatedParams(margin_mode=MarginMode.ISOLATED)))
    wallet = world.exchange.account(ALPHA).holdings.futures_usd
    world.mark(PERP, "115")
    assert len(forced(world)) == 1
    left = world.exchange.account(ALPHA).holdings
    assert wallet <= left.futures_usd <= wallet + Decimal("0.8")
    assert not left.positions


def test_tiers_raise_the_margin_of_large_positions() -> None:
    """2 % above 100,000 USD: 1,000 + 2,000 on 200,000."""
    assert PERP.maintenance_margin_usd(Decimal(200_000)) == Decimal(3_000)
