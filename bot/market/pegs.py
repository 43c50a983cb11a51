"""What venues say of the currencies they quote in: newest price in dollars by currency and source."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import PegPrices
from bot.domain.values import Nanos, Venue

Pegs = dict[str, dict[Venue, tuple[int, Decimal]]]
"""(seen, price) by currency and by the venue that says so."""


def fold(pegs: Pegs, event: PegPrices) -> int:
    """Newest price wins; how many were no prices."""
    odd = 0
    for currency, price in event.prices:
        if price.is_finite() and price > 0:
            pegs.setdefault(currency, {})[event.venue] = (event.at_ns, price)
        else:
            odd += 1
    return odd


def nearest(pegs: Pegs, currency: str, now_ns: Nanos, age_ns_max: int | None) -> Decimal | None:
    """Of the sources that are not too old the price nearest to a dollar: one venue alone proves no depeg.

    Args:
        pegs: all that is known.
        currency: USDT, USDC ...
        now_ns: the instant to judge at.
        age_ns_max: older prices do not count; None: any age does.
    Returns:
        USD per unit; None: nobody has said anything (lately).
    """
    known = [price for seen_ns, price in pegs.get(currency, {}).values()
             if age_ns_max is None or now_ns - seen_ns <= age_ns_max]
    return min(known, key=lambda price: (abs(price - 1), price), default=None)


def newest_ns(pegs: Pegs, currency: str) -> int | None:
    """When anybody last said something of it."""
    return max((seen_ns for seen_ns, _ in pegs.get(currency, {}).values()), default=None)
