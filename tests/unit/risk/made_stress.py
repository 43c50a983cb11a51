"""Books for stress tests."""

from __future__ import annotations

import math
from decimal import Decimal

from bot.domain.instrument import MarginTier
from bot.domain.values import Coin, InstrumentId, Venue
from bot.risk.stress_book import StressBook, StressLeg, StressPool

TIERS = tuple(MarginTier(Decimal(floor), Decimal(rate), 50)
              for floor, rate in ((0, "0.004"), (50_000, "0.005"), (250_000, "0.01")))


def leg(coin: str, notional: float, *, perp: bool, venue: str = "binance", sigma: float = 0.03, fee: float = 0.0,
        half_spread: float = 0.0) -> StressLeg:
    """One leg, free of costs unless said otherwise."""
    symbol = f"{coin}/USDT:USDT" if perp else f"{coin}/USDT"
    return StressLeg(instrument=InstrumentId(f"{venue}:{symbol}"), venue=Venue(venue), coin=Coin(coin), is_perp=perp,
                     notional_usd=notional, taker_fee=fee, half_spread=half_spread, tiers=TIERS if perp else (),
                     sigma_daily=sigma)


def pair(coin: str, notional: float, venue: str = "binance", fee: float = 0.0,
         half_spread: float = 0.0) -> tuple[StressLeg, StressLeg]:
    """Long spot, short perp of one venue."""
    return (leg(coin, notional, perp=False, venue=venue, fee=fee, half_spread=half_spread),
            leg(coin, -notional, perp=True, venue=venue, fee=fee, half_spread=half_spread))


def pool(spot: float, futures: float, venue: str = "binance", quote: str = "USDT") -> StressPool:
    """Two wallets."""
    return StressPool(venue=Venue(venue), quote=quote, spot_cash_usd=spot, futures_equity_usd=futures)


def small_book(leverage: float = 3.0, reserve: float = 300.0) -> StressBook:
    """BTC 2000 and ETH 1000 of carry at one venue, with costs."""
    legs = (*pair("BTC", 2000.0, fee=0.0005, half_spread=0.0001), *pair("ETH", 1000.0, fee=0.0005, half_spread=0.0001))
    return StressBook(legs=legs, pools=(pool(reserve, 3000.0 / leverage),))


NAN = math.nan
