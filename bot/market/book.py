"""The ladder behind a quote: one stated model of depth, used by the simulated exchange and by our cost estimates."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.events import Quote
from bot.domain.values import Side

LADDER_BPS: Final = (10, 20, 30, 40, 50)
"""Beyond the touch the quote's depth stands in equal parts at these distances from it."""

Level = tuple[int, int]
"""(price in ticks, quantity in lots)"""


class Walk(msgspec.Struct, frozen=True):
    """What a taker would get by walking a ladder."""

    filled_lots: int
    cost_ticks: int
    """Sum of lots x ticks."""
    worst_ticks: int


def ladder(quote: Quote, side: Side) -> tuple[Level, ...]:
    """The levels an order of `side` can take, best first: the touch, then the depth within 50 bp in equal parts."""
    if side is Side.BUY:
        touch, lots = quote.ask_ticks, quote.ask_lots
    else:
        touch, lots = quote.bid_ticks, quote.bid_lots
    levels = [(touch, lots)] if lots > 0 else []
    behind = max(quote.depth_lots - lots, 0)
    share, rest = divmod(behind, len(LADDER_BPS))
    previous = touch
    for index, bps in enumerate(LADDER_BPS):
        size = share + (1 if index < rest else 0)
        step = max(touch * bps // 10_000, abs(previous - touch) + 1)
        price = touch + side * step
        if size > 0 and price > 0:
            levels.append((price, size))
        previous = price
    return tuple(levels)


def walk(levels: tuple[Level, ...], side: Side, quantity_lots: int, limit_ticks: int | None = None) -> Walk:
    """Take up to `quantity_lots` from the levels, never beyond `limit_ticks`."""
    filled = cost = worst = 0
    for price, lots in levels:
        if limit_ticks is not None and (price - limit_ticks) * side > 0:
            break
        take = min(lots, quantity_lots - filled)
        if take <= 0:
            break
        filled += take
        cost += take * price
        worst = price
    return Walk(filled_lots=filled, cost_ticks=cost, worst_ticks=worst)
