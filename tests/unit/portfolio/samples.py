"""Instruments and events that the portfolio's tests share."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import Fill, ForcedFill, FundingPaid
from bot.domain.instrument import Instrument, Kind, MarginTier, instrument_id, kind_of_symbol
from bot.domain.values import Coin, Nanos, OrderId, Side, Venue

TIERS = (
    MarginTier(Decimal(0), Decimal("0.004"), 150),
    MarginTier(Decimal(300_000), Decimal("0.005"), 100),
    MarginTier(Decimal(800_000), Decimal("0.0065"), 75),
)


def instrument(
    symbol: str, venue: str = "binance", tick: str = "0.1", lot: str = "0.001",
    tiers: tuple[MarginTier, ...] = TIERS,
) -> Instrument:
    """A spot market or perpetual of a venue."""
    kind = kind_of_symbol(symbol)
    return Instrument(
        id=instrument_id(venue, symbol), venue=Venue(venue), symbol=symbol, coin=Coin(symbol.partition("/")[0]),
        quote="USDT", kind=kind, tick_size=Decimal(tick), lot_size=Decimal(lot), lots_min=1,
        notional_min_usd=Decimal(5), maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"),
        fee_in_base=kind is Kind.SPOT, tiers=tiers if kind is Kind.PERP else (),
    )


SPOT = instrument("BTC/USDT")
PERP = instrument("BTC/USDT:USDT")
PERP_B = instrument("BTC/USDT:USDT", venue="bybit")


def fill(
    of: Instrument, trade_id: str, side: Side, quantity: str, price: str, fee: str = "0", fee_in_base: bool = False,
) -> Fill:
    """A trade of so much at such a price."""
    return Fill(
        Nanos(1), of.venue, of.id, trade_id, OrderId("0" * 32), side, lots(of, quantity), ticks(of, price),
        Decimal(fee), fee_in_base, False,
    )


def forced(of: Instrument, trade_id: str, side: Side, quantity: str, price: str, fee: str = "0") -> ForcedFill:
    """A liquidation of so much at such a price."""
    return ForcedFill(
        Nanos(1), of.venue, of.id, trade_id, side, lots(of, quantity), ticks(of, price), Decimal(fee), "liquidation",
    )


def paid(of: Instrument, settled_ns: int, amount: str, quantity: str, price: str, rate: str) -> FundingPaid:
    """A funding payment."""
    return FundingPaid(
        Nanos(settled_ns), of.venue, of.id, Nanos(settled_ns), Decimal(amount), Decimal(quantity), Decimal(price),
        Decimal(rate),
    )


def lots(of: Instrument, quantity: str) -> int:
    """A quantity in whole lots."""
    return int(Decimal(quantity) / of.lot_size)


def ticks(of: Instrument, price: str) -> int:
    """A price in whole ticks."""
    return int(Decimal(price) / of.tick_size)
