"""Liquidation formulas against the figures of the quant reference, section 2.4."""

from __future__ import annotations

import math

import pytest

from bot.domain.values import Side
from bot.portfolio.margin import (
    distance_to_liquidation,
    effective_leverage,
    liquidation_price_cross,
    liquidation_price_hyperliquid,
    liquidation_price_isolated,
    top_up_usd,
)
from tests.unit.portfolio.samples import TIERS

M = 0.004


@pytest.mark.parametrize(("side", "leverage", "percent"), [
    (Side.SELL, 1, 99), (Side.SELL, 2, 49), (Side.SELL, 3, 33), (Side.SELL, 5, 20), (Side.SELL, 10, 9.6),
    (Side.BUY, 2, 50), (Side.BUY, 3, 33), (Side.BUY, 5, 20), (Side.BUY, 10, 9.6),
])
def test_distance_at_entry(side: Side, leverage: int, percent: float) -> None:
    """With m = 0.4 % the distances are those of the reference."""
    distance = distance_to_liquidation(side, 100.0, liquidation_price_isolated(side, 100.0, leverage, M))
    assert distance is not None
    assert 100 * distance == pytest.approx(percent, abs=0.6 if percent > 10 else 0.06)


def test_long_without_leverage_has_no_liquidation_price() -> None:
    """A fully paid long survives any positive price, and so has no distance."""
    assert liquidation_price_isolated(Side.BUY, 100.0, 1.0, M) is None
    assert distance_to_liquidation(Side.BUY, 100.0, None) is None


@pytest.mark.parametrize("side", list(Side))
def test_isolated_price_is_where_equity_meets_the_requirement(side: Side) -> None:
    """At the price, margin and P&L equal maintenance with constant and fee, by definition."""
    price = liquidation_price_isolated(
        side, 100.0, 5.0, 0.01, fee_rate=0.0005, extra_margin=1.5, tier_constant=0.2,
    )
    assert price is not None
    assert 100 / 5 + 1.5 + side * (price - 100) == pytest.approx(price * 0.0105 - 0.2)


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, 80.5), (Side.SELL, 119.5)])
def test_older_rule_takes_maintenance_at_entry(side: Side, expected: float) -> None:
    """E -+ (E/L + x - mE)."""
    assert liquidation_price_isolated(side, 100.0, 5.0, 0.015, extra_margin=1.0, mm_at="entry") == pytest.approx(
        expected,
    )


@pytest.mark.parametrize("side", list(Side))
def test_hyperliquid_form_is_the_mark_rule(side: Side) -> None:
    """With l = half the initial rate at the asset's maximum leverage both formulas give one price, from any price."""
    rate = 0.5 / 40
    expected = liquidation_price_isolated(side, 100.0, 4.0, rate)
    for now in (95.0, 100.0, 104.0):
        margin = 2 * (25 + side * (now - 100))
        got = liquidation_price_hyperliquid(side, now, margin, 2 * now * rate, 2.0, 40)
        assert got == pytest.approx(expected)


def test_hyperliquid_long_with_ample_margin_has_none() -> None:
    """A negative root is no price."""
    assert liquidation_price_hyperliquid(Side.BUY, 100.0, 150.0, 1.0, 1.0, 40) is None


@pytest.mark.parametrize("quantity", [-1.0, -7.0, -30.0, 1.5, 7.0, 30.0])
def test_cross_root_lies_in_its_tier(quantity: float) -> None:
    """At the price of whichever tier applies there, equity equals tiered maintenance and other positions' needs."""
    price = liquidation_price_cross(
        120_000.0, quantity, 100_000.0, TIERS, maintenance_other_usd=500.0, unrealised_other_usd=-300.0,
    )
    assert price is not None
    notional = abs(quantity) * price
    maintenance = 0.004 * min(notional, 300_000) + 0.005 * min(max(notional - 300_000, 0), 500_000)
    maintenance += 0.0065 * max(notional - 800_000, 0)
    assert 120_000 - 300 + quantity * (price - 100_000) == pytest.approx(maintenance + 500, abs=1e-3)


def test_cross_without_root_is_none() -> None:
    """A long with more cash than its notional, and a pool without tiers of that kind, cannot be liquidated."""
    assert liquidation_price_cross(200_000.0, 1.0, 100_000.0, TIERS) is None
    assert liquidation_price_cross(200_000.0, 1.0, 100_000.0, ()) is None


@pytest.mark.parametrize("side", [1, -1])
def test_root_on_the_edge_of_two_tiers_is_found(side: int) -> None:
    """Where liquidation falls on a tier's floor exactly, both tiers agree and there is a price."""
    wallet = 1_200 - side * 3 * (100_000 - 100_007)
    assert liquidation_price_cross(wallet, 3.0 * side, 100_007.0, TIERS) == pytest.approx(100_000)


def test_figures_after_a_move_against_a_short() -> None:
    """L = 3, z = +10 %: leverage 4.84, distance 20.2 %, top-up 14 % of the original notional."""
    notional = math.exp(0.1)
    equity = 1 / 3 - (notional - 1)
    assert effective_leverage(notional, equity) == pytest.approx(4.84, abs=0.005)
    distance = distance_to_liquidation(Side.SELL, notional, liquidation_price_isolated(Side.SELL, 1.0, 3.0, M))
    assert distance == pytest.approx(0.202, abs=0.0005)
    assert top_up_usd(notional, equity, 3.0) == pytest.approx(0.14, abs=0.0005)


def test_no_equity_has_no_leverage() -> None:
    """Leverage of a bankrupt pool is not a number."""
    assert effective_leverage(100.0, 0.0) is None
