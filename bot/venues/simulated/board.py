"""What a venue knows of its market: quotes and what we took from them, marks, closes, and the prices that value."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.errors import Unavailable
from bot.domain.events import AccountMode, Mark, Quote
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, InstrumentId, Nanos, Side
from bot.market.book import Level, ladder

HALF: Final = Decimal("0.5")


def mid_price(instrument: Instrument, quote: Quote) -> Decimal:
    """The middle of the touch, exact."""
    return MONEY.multiply(MONEY.multiply(instrument.tick_size, Decimal(quote.bid_ticks + quote.ask_ticks)), HALF)


class Board(msgspec.Struct):
    """The newest public data of one venue by instrument. No quote: halted."""

    quotes: dict[InstrumentId, Quote] = msgspec.field(default_factory=dict)
    marks: dict[InstrumentId, Mark] = msgspec.field(default_factory=dict)
    """Every mark: serves margin."""
    valued_marks: dict[InstrumentId, Mark] = msgspec.field(default_factory=dict)
    """Marks that price equity."""
    valued_quotes: dict[InstrumentId, Quote] = msgspec.field(default_factory=dict)
    """Newest quotes of instruments that have ticks; bars are valued at `closes`."""
    closes: dict[InstrumentId, Decimal] = msgspec.field(default_factory=dict)
    own_trades: dict[InstrumentId, Decimal] = msgspec.field(default_factory=dict)
    """Our first trade's price: values what has no mark, mid or close yet."""
    taken: dict[InstrumentId, dict[int, int]] = msgspec.field(default_factory=dict)
    """Lots we took from the present quote, by price in ticks."""
    last_values: dict[InstrumentId, Decimal] = msgspec.field(default_factory=dict)
    """The mid of an instrument whose ticks have changed since: it values until the next quote."""
    regridded_ns: dict[InstrumentId, Nanos] = msgspec.field(default_factory=dict)
    """When ticks and lots last changed: an order decided before counts in units that mean nothing now."""
    account_mode: AccountMode = AccountMode()
    """How the venue keeps our account now."""
    key_refused: bool = False
    """Our key is revoked: no request is carried out, the private stream is silent."""
    foreign: dict[InstrumentId, Decimal] = msgspec.field(default_factory=dict)
    """Net base quantity that orders which are not ours have traded."""
    dead_man_ns: Nanos | None = None
    """When our dead-man switch runs out; None: it is not armed."""
    ended: dict[InstrumentId, None] = msgspec.field(default_factory=dict)
    """Instruments whose trading is over for good."""

    def regrid(self, old: Instrument, at_ns: Nanos) -> None:
        """Ticks or lots count in other units from now on: the quotes in the old ones are gone."""
        self.regridded_ns[old.id] = at_ns
        quote = self.valued_quotes.pop(old.id, None)
        if quote is not None:
            self.last_values[old.id] = mid_price(old, quote)
        self.quotes.pop(old.id, None)
        self.taken.pop(old.id, None)

    def levels(self, instrument: InstrumentId, side: Side) -> tuple[Level, ...]:
        """What an order of `side` can still take from the present quote, best first; empty when halted."""
        quote = self.quotes.get(instrument)
        if quote is None:
            return ()
        levels = ladder(quote, side)
        taken = self.taken.get(instrument)
        if not taken:
            return levels
        left = ((price, lots - taken.get(price, 0)) for price, lots in levels)
        return tuple((price, lots) for price, lots in left if lots > 0)

    def take(self, instrument: InstrumentId, price_ticks: int, lots: int) -> None:
        """Note that so much of the present quote is gone until the next one."""
        taken = self.taken.setdefault(instrument, {})
        taken[price_ticks] = taken.get(price_ticks, 0) + lots

    def margin_price(self, instrument: Instrument) -> Decimal:
        """What margin, price bands and funding are judged on: mark, else the stand-ins own close, mid, own first trade.

        Raises:
            Unavailable: nothing is known of the instrument; never for one that we hold.
        """
        mark = self.marks.get(instrument.id)
        if mark is not None:
            return mark.mark
        close = self.closes.get(instrument.id)
        if close is not None:
            return close
        quote = self.quotes.get(instrument.id) or self.valued_quotes.get(instrument.id)
        if quote is not None:
            return mid_price(instrument, quote)
        if instrument.id in self.last_values:
            return self.last_values[instrument.id]
        traded = self.own_trades.get(instrument.id)
        if traded is None:
            raise Unavailable(f"{instrument.id}: no mark, close or quote yet")
        return traded

    def band_price(self, instrument: Instrument) -> Decimal:
        """What limits may not be far from: a perpetual's mark, else the mid of the present quote."""
        mark = self.marks.get(instrument.id)
        if mark is not None and instrument.is_perp:
            return mark.mark
        quote = self.quotes.get(instrument.id)
        return self.margin_price(instrument) if quote is None else mid_price(instrument, quote)

    def value_price(self, instrument: Instrument) -> Decimal:
        """The valuation price V (quant reference 15.1): perp = mark, spot = mid on ticks, last close on bars.

        Before the first of these, what we hold is valued at our own first trade.

        Raises:
            Unavailable: no price at all has been seen.
        """
        if instrument.is_perp:
            mark = self.valued_marks.get(instrument.id)
            if mark is not None:
                return mark.mark
        else:
            quote = self.valued_quotes.get(instrument.id)
            if quote is not None:
                return mid_price(instrument, quote)
            if instrument.id in self.last_values:
                return self.last_values[instrument.id]
            close = self.closes.get(instrument.id)
            if close is not None:
                return close
        traded = self.own_trades.get(instrument.id)
        if traded is None:
            raise Unavailable(f"{instrument.id}: no price yet to value it")
        return traded
