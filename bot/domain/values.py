"""The small words of the domain: names, sides, money arithmetic."""

from __future__ import annotations

import decimal
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Final, NewType

Nanos = NewType("Nanos", int)
"""An instant: nanoseconds since 1970-01-01 UTC."""
Venue = NewType("Venue", str)
Coin = NewType("Coin", str)
InstrumentId = NewType("InstrumentId", str)
"""`venue:symbol`, the symbol in ccxt's spelling: `binance:BTC/USDT:USDT`."""
OrderId = NewType("OrderId", str)
"""The client order id: 32 lower-case hex digits, ours if it begins with `OWN_PREFIX`."""
Owner = NewType("Owner", str)
"""Who holds a quantity: a pair's id (`pair-...`), `overlay`, `hedge`, `dust` or `foreign`."""

NS_PER_S: Final = 1_000_000_000
NS_PER_MINUTE: Final = 60 * NS_PER_S
NS_PER_HOUR: Final = 3_600 * NS_PER_S
NS_PER_DAY: Final = 24 * NS_PER_HOUR
HOURS_PER_YEAR: Final = 8_760

OWN_PREFIX: Final = "e4e1"
OVERLAY: Final = Owner("overlay")
HEDGE: Final = Owner("hedge")
DUST: Final = Owner("dust")
FOREIGN: Final = Owner("foreign")
"""What someone else traded on our account: valued, listed, never traded by us."""

MONEY: Final = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN, traps=[
    decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.Inexact,
])
"""Every sum of money is exact in this context; what would be rounded raises `decimal.Inexact`."""
CASH_STEP: Final = Decimal("0.00000001")
ZERO: Final = Decimal(0)


class Side(IntEnum):
    """The direction of an order or a fill; the value is the sign of the quantity."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Wallet(Enum):
    """A venue keeps spot coins and futures collateral apart."""

    SPOT = "spot"
    FUTURES = "futures"


def is_pair_owner(owner: Owner) -> bool:
    """Whether the owner is a hedged pair (its moves are basis, not price)."""
    return owner.startswith("pair-")


def round_cash(amount: Decimal) -> Decimal:
    """A cash flow as a venue books it: 8 decimals, half to even. Rounded here and nowhere else."""
    return amount.quantize(CASH_STEP, rounding=decimal.ROUND_HALF_EVEN, context=_CASH)


_CASH: Final = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)
