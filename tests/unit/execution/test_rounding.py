"""Whole ticks and lots: worked numbers of quant reference 3.4."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.instrument import Instrument, Kind
from bot.domain.values import Coin, InstrumentId, Side, Venue
from bot.execution import rounding


def leg(kind: Kind, lot: str, notional_min: str = "5", lots_min: int = 1, fee: str = "0.001") -> Instrument:
    """One leg with its grid."""
    symbol = "BTC/USDT" if kind is Kind.SPOT else "BTC/USDT:USDT"
    return Instrument(
        id=InstrumentId(f"alpha:{symbol}"), venue=Venue("alpha"), symbol=symbol, coin=Coin("BTC"), quote="USDT",
        kind=kind, tick_size=Decimal("0.1"), lot_size=Decimal(lot), lots_min=lots_min,
        notional_min_usd=Decimal(notional_min), maker_fee=Decimal("0.0002"), taker_fee=Decimal(fee),
        fee_in_base=kind is Kind.SPOT,
    )


SPOT, PERP = leg(Kind.SPOT, "0.00001"), leg(Kind.PERP, "0.001", "50")


def test_joint_step_is_the_coarser_lot() -> None:
    """Binance BTC: 0.001 of the perp, not 0.00001 of spot."""
    assert rounding.joint_step(SPOT, PERP) == Decimal("0.001")


def test_joint_step_of_lots_that_do_not_divide() -> None:
    """0.002 and 0.003 meet at 0.006; 0.01 and 0.025 at 0.05."""
    assert rounding.joint_step(leg(Kind.SPOT, "0.002"), leg(Kind.PERP, "0.003")) == Decimal("0.006")
    assert rounding.joint_step(leg(Kind.SPOT, "0.01"), leg(Kind.PERP, "0.025")) == Decimal("0.05")


def test_lots_without_a_usable_multiple_are_refused() -> None:
    """A common multiple of thousands of lots is none."""
    with pytest.raises(ConfigRefused, match="common multiple"):
        rounding.joint_step(leg(Kind.SPOT, "0.01999"), leg(Kind.PERP, "0.02003"))


def test_worked_size() -> None:
    """1,000 USD at 78,000: 0.012 BTC on both legs, 936 USD, 64 USD not placed, and the waste is named."""
    found = rounding.floor_joint(1_000.0, Decimal(78_000), SPOT, PERP)
    assert (found.quantity, found.long_lots, found.short_lots) == (Decimal("0.012"), 1200, 12)
    assert found.wasteful
    assert not rounding.floor_joint(1_600.0, Decimal(78_000), SPOT, PERP).wasteful


@pytest.mark.parametrize(("notional", "perp", "reason"), [
    (70.0, PERP, "below_lot:alpha:BTC/USDT:USDT"),
    (100.0, leg(Kind.PERP, "0.001", "200"), "notional_min:alpha:BTC/USDT:USDT"),
    (100.0, leg(Kind.PERP, "0.001", "50", lots_min=3), "quantity_min:alpha:BTC/USDT:USDT"),
    (0.0, PERP, "below_lot:alpha:BTC/USDT:USDT"),
])
def test_too_small_is_refused_with_leg_and_reason(notional: float, perp: Instrument, reason: str) -> None:
    """Neither leg is sent if one cannot be."""
    found = rounding.floor_joint(notional, Decimal(78_000), SPOT, perp)
    assert (found.quantity, found.long_lots, found.short_lots, found.reason) == (Decimal(0), 0, 0, reason)


def test_smallest_joint_notional_is_accepted_and_a_step_less_is_not() -> None:
    """It is the smallest: one step below is refused."""
    price, perp = Decimal(30_000), leg(Kind.PERP, "0.001", "100", lots_min=2)
    smallest = rounding.smallest_joint_notional(price, SPOT, perp)
    assert smallest == Decimal("120.000")
    assert not rounding.floor_joint(smallest, price, SPOT, perp).reason
    assert rounding.floor_joint(smallest - 1, price, SPOT, perp).reason.startswith("notional_min")


@pytest.mark.parametrize("notional", [-1.0, float("nan"), float("inf")])
def test_impossible_notionals_raise(notional: float) -> None:
    """A wish that is no number is a mistake of the caller."""
    with pytest.raises(ValueError, match="finite"):
        rounding.floor_joint(notional, Decimal(78_000), SPOT, PERP)


def test_gross_up_buys_the_fee_too() -> None:
    """0.1 % in the coin: 1 BTC net takes 1.001 BTC gross."""
    assert rounding.gross_up_lots(Decimal(1), SPOT) == 100_100
    assert rounding.gross_up_lots(Decimal(1), SPOT, maker=True) == 100_020


def test_no_gross_up_without_a_coin_fee() -> None:
    """A perp's fee is paid in cash."""
    assert rounding.gross_up_lots(Decimal(1), PERP) == 1000


def test_gross_up_does_not_add_a_coarse_lot_for_a_small_fee() -> None:
    """On the perp's own grid 0.012 net would need 12.012 lots: 12 come nearer than 13."""
    assert rounding.gross_up_lots(Decimal("0.012"), leg(Kind.SPOT, "0.001")) == 12


def test_collar_rounds_outward() -> None:
    """10 bp beyond 50,000.01: a buy up to the next tick, a sell down."""
    reference = Decimal("50000.01")
    assert rounding.price_ticks_with_collar(reference, Side.BUY, 10, PERP) == 500_501
    assert rounding.price_ticks_with_collar(reference, Side.SELL, 10, PERP) == 499_500
    assert rounding.price_ticks_with_collar(Decimal("50000.1"), Side.BUY, 0, PERP) == 500_001


def test_collar_never_reaches_zero() -> None:
    """A sell of a nearly worthless coin still names a price."""
    assert rounding.price_ticks_with_collar(Decimal("0.1"), Side.SELL, 9_000, PERP) == 1


@pytest.mark.parametrize(("reference", "collar"), [(Decimal(0), 1.0), (Decimal(1), -1.0), (Decimal(1), float("nan"))])
def test_impossible_collars_raise(reference: Decimal, collar: float) -> None:
    """No price from nothing."""
    with pytest.raises(ValueError, match="collar"):
        rounding.price_ticks_with_collar(reference, Side.BUY, collar, PERP)


def test_quantity_off_the_grid_is_an_error() -> None:
    """Half a lot is never silently dropped; flooring is asked for by name."""
    with pytest.raises(ValueError, match="whole lots"):
        rounding.whole_lots(Decimal("0.0015"), PERP)
    assert rounding.floor_lots(Decimal("0.0019"), PERP) == 1
