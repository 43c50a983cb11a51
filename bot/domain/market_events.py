"""What a market tells everyone: marks, quotes, bars, trades, settled funding, halts, changed rules.

Market events come in batches of one venue and one instant.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.event import Event
from bot.domain.instrument import Instrument
from bot.domain.values import InstrumentId, Nanos, Side, Venue


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A perpetual's mark price and, where known, its index and the venue's running funding estimate."""

    instrument: InstrumentId
    mark: Decimal
    index: Decimal | None = None
    funding_estimate: float | None = None
    """Rate for the current interval (fraction per interval), if the venue publishes one."""


class Quote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The touch, and the depth behind it: lots within 50 bp of the touch, each side (`market/book.py` spreads them)."""

    instrument: InstrumentId
    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int
    depth_lots: int


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A finished bar; an event at its close."""

    instrument: InstrumentId
    length_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume_base: float


class Print(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A public trade; the side is the aggressor's."""

    instrument: InstrumentId
    side: Side
    price_ticks: int
    quantity_lots: int


class FundingRate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A settled funding rate: the fraction of notional that longs pay for the interval that ended at `settled_ns`."""

    instrument: InstrumentId
    settled_ns: Nanos
    rate: Decimal
    interval_h: int


class KnownCloses(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Public history of one instrument, one value per day and per hour; None where nothing is known."""

    instrument: InstrumentId
    first_day: int
    """Days since 1970-01-01 of the first close; the others follow day by day, each at 00 UTC."""
    closes: tuple[float | None, ...]
    """A perpetual's mark, a spot market's last or mid, quote currency."""
    funding: tuple[float | None, ...]
    """Sum of the rates settled in the 24 h up to each close, a fraction of notional that longs pay; spot: all None."""
    rises: tuple[float | None, ...]
    """Largest log rise over at most 8 h that ended in those 24 h, from hourly closes; not negative."""
    falls: tuple[float | None, ...]
    """Largest log fall, as a positive number."""
    realised: tuple[float | None, ...]
    """Realised variance of those 24 h: squared hourly log returns, scaled up where up to four of them are missing."""
    first_hour: int
    """Hours since 1970-01-01 of the first hourly close."""
    hours: tuple[float | None, ...]


class Marks(Event, frozen=True):
    """Marks of one venue. `values`: they price equity; else they serve margin alone (off the common bar edge)."""

    venue: Venue
    marks: tuple[Mark, ...]
    values: bool = True


class Quotes(Event, frozen=True):
    """Quotes of one venue. `values`: a spot mid prices equity (ticks); False where the last close does (bars)."""

    venue: Venue
    quotes: tuple[Quote, ...]
    values: bool = True


class BarsClosed(Event, frozen=True):
    """Bars of one venue that ended at `at_ns`."""

    venue: Venue
    bars: tuple[Bar, ...]


class Prints(Event, frozen=True):
    """Public trades of one venue since its previous event."""

    venue: Venue
    prints: tuple[Print, ...]


class FundingSettled(Event, frozen=True):
    """Funding rates of one venue that have just been settled."""

    venue: Venue
    rates: tuple[FundingRate, ...]


class TradingHalted(Event, frozen=True):
    """No quote until the next one comes: a missing bar, maintenance, a delisting."""

    venue: Venue
    instruments: tuple[InstrumentId, ...]
    reason: str


class InstrumentsChanged(Event, frozen=True):
    """New or changed instruments (a dated rule took effect, an interval changed)."""

    venue: Venue
    instruments: tuple[Instrument, ...]


class ClosesKnown(Event, frozen=True):
    """Public history of one venue up to this instant, as a start reads it; it replaces what was folded so far."""

    venue: Venue
    closes: tuple[KnownCloses, ...]


class PegPrices(Event, frozen=True):
    """What a venue pays for the stablecoins it quotes in: (currency, USD per unit)."""

    venue: Venue
    prices: tuple[tuple[str, Decimal], ...]


IMPLIED_VOLATILITY: Final = "implied_volatility:"
"""Begins the name of a coin's implied volatility; the coin follows."""


class ReferenceRate(Event, frozen=True):
    """A published figure that belongs to no venue: the yield of idle cash (a T-bill: what capital would earn without
    trading), or a coin's implied volatility (an index such as DVOL over 100).
    """

    name: str
    """`implied_volatility:BTC`; any other names a yield."""
    annual: float
