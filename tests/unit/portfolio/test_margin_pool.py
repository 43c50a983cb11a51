"""A pool of collateral and its positions."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from bot.domain.instrument import Instrument
from bot.domain.values import ZERO, Coin
from bot.portfolio.margin import liquidation_price_cross
from bot.portfolio.margin_pool import MarginPool, PoolPosition
from tests.unit.portfolio.samples import PERP, PERP_B, TIERS, instrument

ETH = instrument("ETH/USDT:USDT")


def position(of: Instrument, quantity: str, entry: str, mark: str) -> PoolPosition:
    """A position by entry price."""
    return PoolPosition(
        instrument=of, quantity=Decimal(quantity), cost_usd=Decimal(quantity) * Decimal(entry), mark=Decimal(mark),
    )


def pool(wallet: str, *positions: PoolPosition, fee: str = "0") -> MarginPool:
    """A pool."""
    return MarginPool(wallet_usd=Decimal(wallet), positions=positions, close_fee_rate=Decimal(fee))


def moved(of: MarginPool, factors: dict[str, float]) -> float:
    """Equity over maintenance after multiplying each coin's marks (an independent restatement)."""
    excess = float(of.wallet_usd)
    for each in of.positions:
        mark = float(each.mark) * factors.get(each.instrument.coin, 1.0)
        notional = abs(float(each.quantity)) * mark
        maintenance = sum(
            (float(tier.maintenance_rate) - below) * max(notional - float(tier.floor_usd), 0.0)
            for tier, below in zip(TIERS, (0.0, 0.004, 0.005), strict=True)
        )
        excess += float(each.quantity) * mark - float(each.cost_usd) - maintenance
        excess -= notional * float(of.close_fee_rate)
    return excess


def test_worked_figures_of_a_short() -> None:
    """L = 3 and a log move of +10 %: the pool knows leverage 4.84, distance 20.2 % and a top-up of 14 %."""
    mark = f"{1000 * math.exp(0.1):.6f}"
    got = pool("333.333333", position(PERP, "-1", "1000", mark))
    assert got.effective_leverage() == pytest.approx(4.84, abs=0.005)
    assert got.distance() == pytest.approx(0.202, abs=0.0005)
    assert float(got.top_up_usd(Decimal(3))) == pytest.approx(140, abs=0.5)
    assert got.free_usd(Decimal(3)) == ZERO


def test_money_is_exact() -> None:
    """Equity and maintenance are Decimal to the last digit; initial margin is rounded up per position."""
    got = pool("1000", position(PERP, "-2", "100", "101.1"), position(ETH, "3", "10", "9.9"), fee="0.0005")
    assert got.equity_usd() == Decimal("997.5")
    assert got.notional_usd() == Decimal("231.9")
    assert got.maintenance_usd() == Decimal("231.9") * Decimal("0.0045")
    assert got.initial_usd(Decimal(7)) == Decimal("33.12857144")


def test_initial_margin_respects_the_tiers_maximum() -> None:
    """Asking for 125x in a tier of 75x gets 75x."""
    got = pool("1000", position(PERP, "9", "100000", "100000"))
    assert got.initial_usd(Decimal(125)) == Decimal(12_000)


def test_free_cash_is_never_unrealised_profit() -> None:
    """A pool rich by P&L may send its wallet at most; one with losses what stands above its leverage."""
    assert pool("100", position(PERP, "1", "100", "1000")).free_usd(Decimal(3)) == Decimal(100)
    assert pool("100", position(PERP, "1", "90", "60")).free_usd(Decimal(3)) == Decimal(50)


@pytest.mark.parametrize("quantity", ["-1", "-9", "9", "2"])
def test_distance_of_one_position_is_that_of_its_liquidation_price(quantity: str) -> None:
    """A pool of one agrees with the cross formula through all tiers."""
    got = pool("110000", position(PERP, quantity, "100000", "98000"))
    price = liquidation_price_cross(110_000.0, float(quantity), 100_000.0, TIERS)
    assert price is not None
    assert got.distance() == pytest.approx(abs(price - 98_000) / 98_000, abs=1e-9)


def test_coins_move_against_the_pool_together() -> None:
    """Net short BTC rises while net long ETH falls by the same share; that is nearer than either alone."""
    got = pool("20000", position(PERP, "-1", "60000", "60000"), position(ETH, "10", "3000", "3000"))
    together, btc, eth = got.distance(), got.distance(Coin("BTC")), got.distance(Coin("ETH"))
    assert together is not None
    assert btc is not None
    assert eth is not None
    assert together < btc < eth
    assert moved(got, {"BTC": 1 + together, "ETH": 1 - together}) == pytest.approx(0, abs=1e-6)
    assert moved(got, {"ETH": 1 - eth}) == pytest.approx(0, abs=1e-6)


def test_marks_of_one_coin_move_alike() -> None:
    """Long and short of the same coin in one pool protect each other: only the net's move counts."""
    short, long = position(PERP, "-1", "60000", "60000"), position(PERP_B, "0.9", "60000", "60000")
    lone, covered = pool("20000", short).distance(), pool("20000", short, long).distance()
    assert lone is not None
    assert covered is not None
    assert covered > 5 * lone


def test_longs_cannot_fall_below_zero() -> None:
    """Where the long coin's fall to nothing is survived, the short's rise decides alone."""
    got = pool("60000", position(PERP, "-0.1", "60000", "60000"), position(ETH, "1", "3000", "3000"))
    distance = got.distance()
    assert distance is not None
    assert distance > 1
    assert moved(got, {"BTC": 1 + distance, "ETH": 0.0}) == pytest.approx(0, abs=1e-5)


def test_closing_fee_brings_liquidation_nearer() -> None:
    """A venue that keeps the closing fee in its requirement liquidates earlier."""
    plain = pool("20000", position(PERP, "-1", "60000", "60000"))
    with_fee = pool("20000", position(PERP, "-1", "60000", "60000"), fee="0.0005")
    before, after = plain.distance(), with_fee.distance()
    assert before is not None
    assert after is not None
    assert after < before
    assert moved(with_fee, {"BTC": 1 + after}) == pytest.approx(0, abs=1e-5)


def test_pools_beyond_reach_and_beyond_help() -> None:
    """No distance where nothing can liquidate; zero at or below maintenance; nothing to lose in an empty pool."""
    assert pool("200000", position(PERP, "1", "100000", "100000")).distance() is None
    assert pool("400", position(PERP, "-1", "100000", "100000")).distance() == 0.0
    assert pool("0").distance() is None
    assert pool("100").distance() is None


def test_bankrupt_pool_has_no_leverage() -> None:
    """Below zero equity leverage is not a number."""
    assert pool("-1", position(PERP, "1", "100", "100")).effective_leverage() is None
