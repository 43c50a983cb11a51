"""The market moves: what each kind of market event does at a venue. The path without orders and positions is short."""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.events import (
    BarsClosed,
    FundingSettled,
    InstrumentsChanged,
    MarketEvent,
    Marks,
    OrderStatus,
    PegPrices,
    Prints,
    Quotes,
    ReferenceRate,
    TradingHalted,
)
from bot.domain.values import Venue
from bot.venues.simulated import resting
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.funding import settle_funding
from bot.venues.simulated.funding_fates import FundingFates
from bot.venues.simulated.margin import end_trading, liquidate


class Observer:
    """Hands market events to the desk of their venue."""

    def __init__(self, desks: dict[Venue, Desk], open_desk: Callable[[Venue], Desk], fates: FundingFates) -> None:
        self._desks = desks
        self._fates = fates
        self._open_desk = open_desk

    def observe(self, event: MarketEvent) -> None:
        """Fold one market event; whatever it causes is told by the desk. Yields and pegs move nothing there."""
        if isinstance(event, ReferenceRate | PegPrices):
            return
        desk = self._desks.get(event.venue)
        if desk is None:
            desk = self._open_desk(event.venue)
        if desk.ends_ns is not None and desk.ends_ns <= event.at_ns:
            end_trading(desk, event.at_ns)
        if isinstance(event, Quotes):
            _quotes(desk, event)
        elif isinstance(event, Marks):
            _marks(desk, event)
        else:
            _rest(desk, event, self._fates)


def _quotes(desk: Desk, event: Quotes) -> None:
    board = desk.board
    quotes, taken = board.quotes, board.taken
    valued = board.valued_quotes if event.values else None
    for quote in event.quotes:
        quotes[quote.instrument] = quote
        if valued is not None:
            valued[quote.instrument] = quote
        elif board.valued_quotes:
            board.valued_quotes.pop(quote.instrument, None)
        if taken:
            taken.pop(quote.instrument, None)
    if desk.account.open:
        for quote in event.quotes:
            if quote.instrument in desk.instruments:
                resting.on_quote(desk, event.at_ns, quote, event.values)


def _marks(desk: Desk, event: Marks) -> None:
    marks = desk.board.marks
    for mark in event.marks:
        marks[mark.instrument] = mark
    if event.values:
        valued = desk.board.valued_marks
        for mark in event.marks:
            valued[mark.instrument] = mark
    if desk.account.holdings.positions:
        liquidate(desk, event.at_ns)


def _rest(desk: Desk, event: MarketEvent, fates: FundingFates) -> None:
    match event:
        case BarsClosed():
            for bar in event.bars:
                desk.board.closes[bar.instrument] = bar.close
                if desk.account.open:
                    resting.on_bar(desk, event.at_ns, bar)
        case Prints():
            if desk.account.open:
                for seen in event.prints:
                    resting.on_print(desk, event.at_ns, seen)
        case FundingSettled():
            settle_funding(desk, event.at_ns, event.rates, fates)
        case TradingHalted():
            for instrument in event.instruments:
                desk.board.quotes.pop(instrument, None)
                desk.board.taken.pop(instrument, None)
            desk.cancel_all(event.at_ns, event.instruments, OrderStatus.EXPIRED)
        case InstrumentsChanged():
            for changed in event.instruments:
                desk.change(event.at_ns, changed)
