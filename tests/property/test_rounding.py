"""Rounding never leaves a difference between two legs, never exceeds the wish, and always errs the safe way."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Instrument, Kind
from bot.domain.values import Coin, InstrumentId, Side, Venue
from bot.execution import rounding

LOTS = st.sampled_from(["0.00001", "0.0001", "0.001", "0.002", "0.005", "0.01", "0.025", "0.1", "1", "5", "10"])
PRICES = st.decimals("0.01", "150000", places=2)


def leg(kind: Kind, lot: str, lots_min: int, fee: str = "0.001") -> Instrument:
    """One leg with its grid."""
    symbol = "X/USDT" if kind is Kind.SPOT else "X/USDT:USDT"
    return Instrument(
        id=InstrumentId(f"alpha:{symbol}"), venue=Venue("alpha"), symbol=symbol, coin=Coin("X"), quote="USDT",
        kind=kind, tick_size=Decimal("0.01"), lot_size=Decimal(lot), lots_min=lots_min, notional_min_usd=Decimal(5),
        maker_fee=Decimal(0), taker_fee=Decimal(fee), fee_in_base=kind is Kind.SPOT,
    )


@given(LOTS, LOTS, st.integers(1, 9), PRICES, st.floats(0, 1e7))
def test_both_legs_hold_the_same_and_no_more_than_wished(
    spot_lot: str, perp_lot: str, lots_min: int, price: Decimal, notional: float,
) -> None:
    """Equal base quantities, within the wish by less than a step, and above every minimum, or a reason and nothing."""
    spot, perp = leg(Kind.SPOT, spot_lot, 1), leg(Kind.PERP, perp_lot, lots_min)
    found = rounding.floor_joint(notional, price, spot, perp)
    assert spot.quantity(found.long_lots) == perp.quantity(found.short_lots) == found.quantity
    assert found.quantity * price <= Decimal(notional)
    if found.reason:
        assert found.quantity == 0
        assert Decimal(notional) < rounding.smallest_joint_notional(price, spot, perp)
    else:
        assert Decimal(notional) - found.quantity * price < rounding.joint_step(spot, perp) * price
        assert found.quantity * price >= rounding.smallest_joint_notional(price, spot, perp)


@given(LOTS, st.decimals("0", "1000", places=6), st.decimals("0", "0.01", places=5))
def test_gross_up_is_the_nearest(lot: str, wanted: Decimal, fee: Decimal) -> None:
    """No other number of lots leaves less difference after the coin fee."""
    spot = leg(Kind.SPOT, lot, 1, str(fee))
    lots = rounding.gross_up_lots(wanted, spot)

    def off(count: int) -> Decimal:
        return abs(spot.quantity(count) * (1 - fee) - wanted)

    assert lots >= 0
    assert off(lots) <= min(off(lots + 1), off(max(lots - 1, 0)))


@given(PRICES, st.sampled_from(list(Side)), st.floats(0, 5_000))
def test_collar_lies_outward_by_less_than_a_tick(reference: Decimal, side: Side, collar_bps: float) -> None:
    """The limit is at least as far as asked, and less than one tick further (or the lowest price there is)."""
    perp = leg(Kind.PERP, "1", 1)
    ticks = rounding.price_ticks_with_collar(reference, side, collar_bps, perp)
    beyond = (perp.price(ticks) - reference * (1 + side * Decimal(collar_bps) / 10_000)) * side
    assert ticks == 1 or Decimal("-1e-20") <= beyond < perp.tick_size
