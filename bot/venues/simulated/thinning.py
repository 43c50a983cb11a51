"""Thin books: when an order arrives, others have taken most of what it was decided upon (F07)."""

from __future__ import annotations

from bot.domain.values import InstrumentId, Side
from bot.market.book import ladder
from bot.venues.simulated.desk import Desk


def thin_out(desk: Desk, instrument: InstrumentId, side: Side, left_share: float) -> bool:
    """Leave so large a share of each level that an order of `side` could take, at most; whether anything went.

    It is gone until the next quote, as what we take ourselves; a second order finds no less because of it.
    """
    quote = desk.board.quotes.get(instrument)
    if quote is None:
        return False
    shown, gone = dict(ladder(quote, side)), False
    for price, lots in desk.board.levels(instrument, side):
        away = lots - int(shown.get(price, lots) * left_share)
        if away > 0:
            desk.board.take(instrument, price, away)
            gone = True
    return gone
