"""Trades booked in another order than the venue's: the venue's cost is taken over, and equity stays."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import PositionRow
from bot.domain.instrument import instrument_id
from bot.domain.values import Coin, Venue
from bot.portfolio.ledger import Ledger
from bot.portfolio.ledger_state import InstrumentBook, Wallets
from bot.portfolio.venue_costs import adopt_costs

PERP = instrument_id("alpha", "BTC/USDT:USDT")
ALPHA = Venue("alpha")


def ledger() -> Ledger:
    made = Ledger()
    made.state.books[PERP] = InstrumentBook(PERP, ALPHA, Coin("BTC"), True, Decimal(-2), Decimal(-200))
    made.state.prices[PERP] = Decimal(105)
    made.state.wallets[ALPHA] = Wallets(futures_usd=Decimal(1000))
    return made


def test_the_venues_split_is_taken_over_and_equity_stays() -> None:
    """Cost and cash move by the same amount."""
    books = ledger()
    before = books.equity_usd()
    assert adopt_costs(books, ALPHA, [PositionRow(PERP, Decimal(-2), Decimal(-204))], Decimal(996))
    assert books.state.books[PERP].cost_usd == Decimal(-204)
    assert books.wallets(ALPHA).futures_usd == Decimal(996)
    assert books.equity_usd() == before


def test_nothing_is_taken_over_where_money_is_missing() -> None:
    """Another quantity, or cash that the costs do not explain, is a difference and stays one."""
    for row, cash in (((Decimal(-3), Decimal(-204)), 996), ((Decimal(-2), Decimal(-204)), 995),
                      ((Decimal(-2), Decimal(-200)), 1000)):
        books = ledger()
        assert not adopt_costs(books, ALPHA, [PositionRow(PERP, *row)], Decimal(cash))
        assert books.state.books[PERP].cost_usd == Decimal(-200)
        assert books.wallets(ALPHA).futures_usd == Decimal(1000)
