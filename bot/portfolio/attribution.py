"""Where P&L comes from: six parts that sum to the change of equity (quant reference 15.1, the one definition)."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.values import DUST, FOREIGN, HEDGE, MONEY, OVERLAY, ZERO, Owner, is_pair_owner


class Sleeve(Enum):
    """A group of owners that reports show together."""

    CARRY = "carry"
    """All pairs."""
    OVERLAY = "overlay"
    HEDGE = "hedge"
    DUST = "dust"
    FOREIGN = "foreign"
    """What someone else traded on our account."""
    ACCOUNT = "account"
    """What belongs to no owner: transfer fees, funding on quantities nobody held."""


class Parts(msgspec.Struct, array_like=True):
    """Running sums of one holding, USD, positive = gain. Part of the engine's snapshot."""

    price: Decimal = ZERO
    basis: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    borrow: Decimal = ZERO

    def add(self, other: Parts, sign: int = 1) -> None:
        """Add (or with `sign` -1 take away) all parts of another; call it inside the MONEY context."""
        self.price += sign * other.price
        self.basis += sign * other.basis
        self.funding += sign * other.funding
        self.fees += sign * other.fees
        self.slippage += sign * other.slippage
        self.borrow += sign * other.borrow


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """P&L by cause in USD, exact; positive = gain, so fees are negative."""

    price: Decimal = ZERO
    basis: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    borrow: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """The sum of the parts: the change of equity net of deposits and withdrawals."""
        with decimal.localcontext(MONEY):
            return self.price + self.basis + self.funding + self.fees + self.slippage + self.borrow


def attribution_of(parts: Iterable[Parts]) -> Attribution:
    """The exact sum of many parts."""
    total = Parts()
    with decimal.localcontext(MONEY):
        for each in parts:
            total.add(each)
    return Attribution(
        price=total.price, basis=total.basis, funding=total.funding,
        fees=total.fees, slippage=total.slippage, borrow=total.borrow,
    )


def sleeve_of(owner: Owner) -> Sleeve:
    """The sleeve an owner is shown in.

    Raises:
        ValueError: if the name is neither a pair's nor one of the single owners.
    """
    if is_pair_owner(owner):
        return Sleeve.CARRY
    if owner in (OVERLAY, HEDGE, DUST, FOREIGN):
        return Sleeve(owner)
    raise ValueError(f"owner {owner!r} is neither a pair nor overlay, hedge, dust or foreign")
