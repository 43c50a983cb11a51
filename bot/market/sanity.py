"""Which prices are believed (F04, F06): no consumer sees a crossed or empty touch, and one odd tick changes nothing.

A price that jumps beyond the collar needs a second source (mark, index or another market of the coin near it) or a
second sample that agrees with it; until then the last good price stands and grows old.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from bot.domain.events import Mark, Quote

COLLAR: Final = 0.10
"""A move of more than this share between two prices of one market is odd until something agrees with it."""
STANDS_NS: Final = 3_600_000_000_000
"""A price this old says nothing about where the market should be now."""


def usable(quote: Quote) -> bool:
    """Whether a quote can be traded on at all: a positive bid below its ask, and something on both sides."""
    return 0 < quote.bid_ticks < quote.ask_ticks and quote.bid_lots > 0 and quote.ask_lots > 0


def positive(mark: Mark) -> bool:
    """Whether a mark is a price: finite and above 0 (and so its index, if it has one)."""
    price, index = mark.mark, mark.index
    return price.is_finite() and price > 0 and (index is None or (index.is_finite() and index > 0))


def far(a: float, b: float) -> bool:
    """Whether two prices lie more than the collar apart."""
    return not abs(a - b) <= COLLAR * min(a, b)


def seconded(price: float, others: Iterable[float | Decimal | None]) -> bool:
    """Whether another source lies near this price."""
    return any(other is not None and not far(price, float(other)) for other in others)
