"""The rule by which a venue turns position cost into wallet cash; our own statement of it, independent of any venue."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Final

from bot.domain.values import ZERO, round_cash

_RATIO: Final = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)
"""For the one quotient here; its result is rounded to cash at once."""


def realise(quantity: Decimal, cost: Decimal, d: Decimal, x: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Add a trade of signed `d` at `x` to a position and say what it realises.

    Opening adds `d * x` to the signed cost. Closing removes `round_cash(cost * |d| / |quantity|)` (the whole cost when
    it closes the position) and realises `-(removed + d * x)`. A trade that crosses zero closes first, then opens the
    rest. So `realised - cost` always falls by exactly `d * x`: no rounding is lost between wallet and position.

    Call it inside the MONEY context. Returns (quantity, cost_usd, realised_usd).
    """
    if not quantity or (quantity > 0) == (d > 0):
        return quantity + d, cost + d * x, ZERO
    if abs(d) > abs(quantity):
        rest = quantity + d
        return rest, rest * x, -(cost - quantity * x)
    left = quantity + d
    removed = round_cash(_RATIO.divide(cost * abs(d), abs(quantity))) if left else cost
    return left, cost - removed, -(removed + d * x)
