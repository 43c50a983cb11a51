"""The book's beta: what each coin moves with the market, and how much of it stands without its other leg.

A pair's two legs are one coin: what counts is what they hold beyond each other, at one price of the coin, so that two
venues' prices never look like an exposure. What a pair is just making whole is R9's business, not the hedge's.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from bot.domain.errors import Unavailable
from bot.domain.values import FOREIGN, HEDGE, NS_PER_HOUR, Coin, Owner
from bot.engine.turn import Turn

SETTLES_NS: Final = NS_PER_HOUR
"""A leg that has stood alone for so long is an exposure of the book; before, its pair is being made whole."""


def exposure_usd(turn: Turn) -> float | None:
    """Sum of beta times net notional over every owner but the hedge and what is not ours; None if one is not known."""
    total = 0.0
    for coin, base in open_base(turn).items():
        if not base:
            continue
        beta, price = turn.memory.beta_of(turn.state, turn.params.hedge, coin), price_of(turn, coin)
        if beta is None or price is None:
            return None
        total += beta.value * float(base) * price
    return total if math.isfinite(total) else None


def open_base(turn: Turn) -> dict[Coin, Decimal]:
    """Signed base quantity per coin that no other leg of its owner covers."""
    nets: dict[Coin, Decimal] = {}
    for book in turn.ledger.state.books.values():
        for owner, holding in book.held.items():
            if holding.quantity and owner not in (HEDGE, FOREIGN) and not _being_made_whole(turn, owner):
                nets[book.coin] = nets.get(book.coin, Decimal(0)) + holding.quantity
    return nets


def price_of(turn: Turn, coin: Coin) -> float | None:
    """One price of a coin: of the perpetual that stands for it, else of any market of it that has one."""
    own = turn.state.models.coins.get(coin)
    names = [own.instrument] if own is not None else []
    names += [name for name, rules in turn.state.market.instruments.items() if rules.coin == coin]
    for name in names:
        try:
            return float(turn.state.market.value(name))
        except Unavailable:
            continue
    return None


def _being_made_whole(turn: Turn, owner: Owner) -> bool:
    pair = turn.state.pairs.get(owner)
    since_ns = pair.unhedged_since_ns if pair is not None else None
    return since_ns is not None and turn.now_ns - since_ns < SETTLES_NS
