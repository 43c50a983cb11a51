"""Trades that reach us in another order than the venue's: the same money, split otherwise into realised and not."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal

from bot.domain.events import PositionRow
from bot.domain.values import MONEY, ZERO, Venue
from bot.portfolio.ledger import Ledger


def adopt_costs(ledger: Ledger, venue: Venue, rows: Sequence[PositionRow], futures_usd: Decimal) -> bool:
    """Take over the venue's cost of each position, and the cash that goes with it, where equity stays as it is.

    At average cost a closing and an opening trade in exchanged order leave another cost and another wallet, with the
    same sum. Only if every quantity agrees and the wallets differ by exactly what the costs do; else nothing changes.

    Returns:
        Whether anything was taken over.
    """
    with decimal.localcontext(MONEY):
        wallets = ledger.state.wallets.get(venue)
        if wallets is None:
            return False
        moved = ZERO
        for row in rows:
            book = ledger.state.books.get(row.instrument)
            if book is None or book.quantity != row.quantity:
                return False
            moved += row.cost_usd - book.cost_usd
        if not moved or futures_usd - wallets.futures_usd != moved:
            return False
        for row in rows:
            ledger.state.books[row.instrument].cost_usd = row.cost_usd
        wallets.futures_usd = futures_usd
        return True
