"""What can be traded: spot markets and linear USDT/USDC perpetuals."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import MONEY, ZERO, Coin, InstrumentId, Nanos, Venue


class Kind(Enum):
    """Spot market or perpetual future."""

    SPOT = "spot"
    PERP = "perp"


class MarginTier(msgspec.Struct, frozen=True, array_like=True):
    """Maintenance rate for the part of a position's notional above `floor_usd`."""

    floor_usd: Decimal
    maintenance_rate: Decimal
    leverage_max: int


class FundingRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue turns premium into the rate it charges (quant reference 2.2).

    `f8 = P + clamp(interest_8h - P, -clamp_8h, +clamp_8h)`, scaled to `interval_h` hours, capped before or after.
    """

    interval_h: int
    interest_8h: Decimal
    clamp_8h: Decimal
    cap: Decimal
    """Largest |rate| per interval (after scaling), or per 8 h when `cap_before_division`."""
    cap_before_division: bool = False
    time_weighted: bool = True
    """Premium sample t weighs t (Binance, Bybit); False: plain mean (Hyperliquid)."""
    paid_on_index: bool = False
    """Notional at the index (Hyperliquid's oracle) instead of at mark."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable instrument with the rules its venue holds us to.

    Fees are fractions of notional. Quantities of orders are whole lots, prices whole ticks. Base quantity =
    lots * lot_size. `fee_in_base`: a buy pays its fee in the bought coin (spot without a fee coin).
    """

    id: InstrumentId
    venue: Venue
    symbol: str
    coin: Coin
    quote: str
    kind: Kind
    tick_size: Decimal
    lot_size: Decimal
    lots_min: int
    notional_min_usd: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    fee_in_base: bool = False
    tiers: tuple[MarginTier, ...] = ()
    funding: FundingRule | None = None
    source: str = ""
    multiplier: Decimal = Decimal(1)
    """Units of `coin` that the venue counts as one (1000: a contract on a thousand); quantities here are in units."""
    since_ns: Nanos = Nanos(0)
    """When these ticks and lots took effect; 0: when we were told."""
    delist_ns: Nanos | None = None
    """The announced end of its trading: a perpetual is settled then, a coin can no longer be sold there."""

    @property
    def is_perp(self) -> bool:
        """Whether this is a perpetual future."""
        return self.kind is Kind.PERP

    def price(self, ticks: int) -> Decimal:
        """The price of so many ticks, in quote currency."""
        return self.tick_size * ticks

    def quantity(self, lots: int) -> Decimal:
        """The base quantity of so many lots."""
        return self.lot_size * lots

    @property
    def identity(self) -> tuple[str, str, str, Kind, Decimal]:
        """What it is: another identity under the same name is another thing (F46)."""
        return (self.symbol, self.coin, self.quote, self.kind, self.multiplier)

    @property
    def grid(self) -> tuple[Decimal, Decimal]:
        """What ticks and lots count in."""
        return (self.tick_size, self.lot_size)

    def maintenance_margin_usd(self, notional_usd: Decimal) -> Decimal:
        """Maintenance margin of a position by the venue's tiers; continuous in the notional."""
        margin = ZERO
        tiers = self.tiers
        last = len(tiers) - 1
        for place, tier in enumerate(tiers):
            if notional_usd <= tier.floor_usd:
                break
            top = notional_usd if place == last else min(notional_usd, tiers[place + 1].floor_usd)
            margin = MONEY.add(margin, MONEY.multiply(MONEY.subtract(top, tier.floor_usd), tier.maintenance_rate))
        return margin


def instrument_id(venue: str, symbol: str) -> InstrumentId:
    """The name under which the whole bot knows an instrument."""
    return InstrumentId(f"{venue}:{symbol}")


def kind_of_symbol(symbol: str) -> Kind:
    """Spot or linear perpetual, from ccxt's spelling; everything else is refused in one line.

    Raises:
        ConfigRefused: for inverse, quanto and dated contracts, and quotes other than USDT, USDC or USD.
    """
    pair, colon, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote):
        raise ConfigRefused(f"symbol {symbol!r}: not of the form BASE/QUOTE or BASE/QUOTE:SETTLE")
    if "-" in settle:
        raise ConfigRefused(f"symbol {symbol!r}: dated futures and options are not supported; use a perpetual")
    if colon and settle == base:
        raise ConfigRefused(f"symbol {symbol!r}: inverse (coin-margined) contracts are refused; use BASE/USDT:USDT")
    if colon and settle != quote:
        raise ConfigRefused(f"symbol {symbol!r}: quanto contracts are refused; use BASE/USDT:USDT")
    if quote not in ("USDT", "USDC", "USD"):
        raise ConfigRefused(f"symbol {symbol!r}: only USDT and USDC markets are traded, not {quote}")
    return Kind.PERP if colon else Kind.SPOT
