"""A perpetual position: signed quantity and signed cost, and what a trade realises."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.values import MONEY, ZERO, round_cash

QUOTIENT: Final = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)
"""For quotients that are rounded to cash at once, or only judged and never booked."""


class Position(msgspec.Struct, array_like=True):
    """Quantity in base coin and cost = sum of quantity x price, both signed; `margin_usd` only with isolated margin."""

    quantity: Decimal = ZERO
    cost_usd: Decimal = ZERO
    margin_usd: Decimal = ZERO

    def gain_usd(self, price: Decimal) -> Decimal:
        """Unrealised profit at a price, exact."""
        return MONEY.subtract(MONEY.multiply(self.quantity, price), self.cost_usd)

    def closing_part(self, signed: Decimal) -> Decimal:
        """The part of a trade (same sign) that brings this position nearer zero."""
        if self.quantity * signed >= 0:
            return ZERO
        whole = self.quantity.copy_negate()
        return whole if signed.copy_abs() > whole.copy_abs() else signed

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Add a trade of `signed` base at `price`; returns the profit realised, to be moved to the wallet.

        Wallet + quantity x mark - cost is the same before and after, to the last digit: the closed share of the cost
        is rounded to cash once and the position keeps the rest, until at quantity zero all that is left is realised.
        """
        part = self.closing_part(signed)
        realised = ZERO
        if part:
            left = MONEY.add(self.quantity, part)
            removed = self.cost_usd
            if left:
                share = MONEY.multiply(self.cost_usd, part.copy_abs())
                removed = round_cash(QUOTIENT.divide(share, self.quantity.copy_abs()))
            realised = MONEY.minus(MONEY.add(removed, MONEY.multiply(part, price)))
            self.quantity, self.cost_usd = left, MONEY.subtract(self.cost_usd, removed)
        rest = MONEY.subtract(signed, part)
        if rest:
            self.quantity = MONEY.add(self.quantity, rest)
            self.cost_usd = MONEY.add(self.cost_usd, MONEY.multiply(rest, price))
        return realised

    def release(self, part: Decimal) -> Decimal:
        """Isolated margin set free by closing `part` of the quantity; called before `trade`."""
        if not part or not self.margin_usd:
            return ZERO
        if part.copy_abs() >= self.quantity.copy_abs():
            free = self.margin_usd
        else:
            share = MONEY.multiply(self.margin_usd, part.copy_abs())
            free = round_cash(QUOTIENT.divide(share, self.quantity.copy_abs()))
        self.margin_usd = MONEY.subtract(self.margin_usd, free)
        return free
