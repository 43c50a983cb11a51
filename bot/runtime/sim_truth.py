"""What the venues know and we may not: trades that have not reached our books, orders on their way."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.events import Fill, ForcedFill
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent
from bot.domain.values import MONEY, ZERO, InstrumentId, OrderId, Owner, Venue
from bot.market.state import MarketState
from bot.portfolio.ledger import Ledger
from bot.venues.simulated.account import VenueOrder
from bot.venues.simulated.exchange import SimulatedExchange

Trade = Fill | ForcedFill


class SentOrder(msgspec.Struct):
    """An order that left us, until we and the venue agree that it is over."""

    intent: OrderIntent
    sent_ns: int
    booked_lots: int = 0
    """What our books counted when last looked at; may never fall within one process's life."""


class Truth:
    """Reads the simulated venues' books beside ours. Nothing here is known to the bot."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self.exchange = exchange
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.unseen: dict[tuple[Venue, str], Trade] = {}
        """Trades at the venues that our books do not have yet."""
        self.booked: dict[InstrumentId, Decimal] = {}
        """Sum of the trades that our books do have, net of fees taken in the coin."""
        self._read: dict[Venue, int] = {}
        self._accounts = [(venue, exchange.account(venue)) for venue in exchange.venues]

    def read(self, ledger: Ledger) -> list[Trade]:
        """Take in what the venues booked and what reached our books since; returns trades just booked by us."""
        for venue, account in self._accounts:
            log, read = account.log, self._read.get(venue, 0)
            if len(log) == read:
                continue
            for entry in log[read:]:
                if isinstance(entry, Fill | ForcedFill):
                    self.unseen[venue, entry.trade_id] = entry
            self._read[venue] = len(log)
        if not self.unseen:
            return []
        arrived = [trade for trade in self.unseen.values() if _has(ledger, trade)]
        for trade in arrived:
            del self.unseen[trade.venue, trade.trade_id]
            known = self.booked.get(trade.instrument, ZERO)
            self.booked[trade.instrument] = MONEY.add(known, self.net_base(trade))
        return arrived

    def read_anew(self, ledger: Ledger) -> None:
        """After a death our books may have forgotten what they had."""
        self.unseen, self.booked, self._read = {}, {}, {}
        self.read(ledger)

    def net_base(self, trade: Trade) -> Decimal:
        """The signed base quantity a trade moved, net of a fee taken in the coin."""
        rules = self.exchange.rules_at(trade.instrument, trade.at_ns if trade.traded_ns is None else trade.traded_ns)
        moved = rules.quantity(trade.quantity_lots) * int(trade.side)
        if isinstance(trade, Fill) and trade.fee_in_base:
            return MONEY.subtract(moved, trade.fee)
        return moved

    def order(self, venue: Venue, order_id: OrderId) -> VenueOrder | None:
        """The order as its venue knows it."""
        return self.exchange.account(venue).find(order_id)

    def on_its_way(self, order_id: OrderId) -> bool:
        """Whether a create of this id can still reach its venue."""
        return self.exchange.create_under_way(order_id)

    def may_fill_lots(self, sent: SentOrder) -> int:
        """How much of an order the venue could still fill."""
        intent = sent.intent
        order = self.order(intent.venue, intent.order_id)
        if order is None:
            if sent.sent_ns <= self.exchange.regridded_ns(intent.instrument):
                return 0  # off the grid of now: the venue will refuse it
            return intent.quantity_lots if self.on_its_way(intent.order_id) else 0
        return order.open_lots if order.order_id in self.exchange.account(intent.venue).open else 0

    def gross_usd(self, market: MarketState) -> float:
        """Notional of everything held at all venues, at the bids we know; what has no quote now is left out."""
        total = 0.0
        for instrument in self.instruments.values():
            holdings = self.exchange.account(instrument.venue).holdings
            if instrument.is_perp:
                position = holdings.positions.get(instrument.id)
                held = position.quantity if position is not None else ZERO
            else:
                held = holdings.coins.get(instrument.coin, ZERO)
            quote = market.quote(instrument.id) if held else None
            if quote is not None:
                total += float(abs(held) * instrument.price(quote.bid_ticks))
        return total

    def unseen_base(self, orders: dict[OrderId, SentOrder], owner: Owner, leg: InstrumentId) -> Decimal:
        """What the venue has traded for an owner's leg beyond our books (forced trades left out)."""
        total = ZERO
        for trade in self.unseen.values():
            if isinstance(trade, Fill) and trade.instrument == leg:
                sent = orders.get(trade.order_id)
                if sent is not None and sent.intent.owner == owner:
                    total = MONEY.add(total, self.net_base(trade))
        return total


def _has(ledger: Ledger, trade: Trade) -> bool:
    book = ledger.state.books.get(trade.instrument)
    return book is not None and trade.trade_id in book.trades
