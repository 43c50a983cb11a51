"""How one event of the venue's net position is divided among its owners; the shares always sum to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bot.domain.values import DUST, ZERO, Owner, round_cash


class OwnerShare(msgspec.Struct, frozen=True, array_like=True):
    """One owner's part of a forced fill (signed base quantity) or of a payment (USD, positive = received)."""

    owner: Owner
    amount: Decimal


def split_lots(total_lots: int, held: Sequence[tuple[Owner, int]]) -> tuple[tuple[Owner, int], ...]:
    """Take lots pro rata from those who hold them, the remainder from the largest, never more than anyone has.

    What exceeds all holdings goes to dust: the venue closed something the ledger did not know.

    Args:
        total_lots: lots to take, at least 1.
        held: positive lots per owner, in the ledger's order, which also breaks ties.
    """
    whole = sum(lots for _, lots in held)
    taken = {owner: min(lots, total_lots * lots // whole) for owner, lots in held} if whole else {}
    rest = total_lots - sum(taken.values())
    for owner, lots in sorted(held, key=lambda row: -row[1]):
        more = min(rest, lots - taken[owner])
        taken[owner] += more
        rest -= more
    if rest:
        taken[DUST] = taken.get(DUST, 0) + rest
    return tuple((owner, lots) for owner, lots in taken.items() if lots)


def split_cash(total_usd: Decimal, weights: Sequence[tuple[Owner, Decimal]]) -> tuple[OwnerShare, ...]:
    """Divide cash by positive weights, each share rounded as cash, the remainder to the largest (first of equals).

    Call it inside the MONEY context.
    """
    whole = sum((weight for _, weight in weights), ZERO)
    exact = [(owner, _ratio(total_usd * weight, whole)) for owner, weight in weights]
    return _with_remainder(total_usd, exact, [abs(weight) for _, weight in weights])


def split_funding(
    amount_usd: Decimal, price: Decimal, rate: Decimal, quantities: Sequence[tuple[Owner, Decimal]],
) -> tuple[OwnerShare, ...]:
    """Divide a funding payment by signed quantity at settlement: each owner earns `-quantity * price * rate`.

    The remainder of rounding (and whatever the venue paid beyond our quantities) goes to the largest. The shares sum to
    the payment exactly, also when it is zero because owners face each other. Call it inside the MONEY context.
    """
    exact = [(owner, -(quantity * price * rate)) for owner, quantity in quantities]
    return _with_remainder(amount_usd, exact, [abs(quantity) for _, quantity in quantities])


def _with_remainder(
    total: Decimal, exact: Sequence[tuple[Owner, Decimal]], sizes: Sequence[Decimal],
) -> tuple[OwnerShare, ...]:
    shares = [round_cash(amount) for _, amount in exact]
    largest = max(range(len(sizes)), key=lambda index: (sizes[index], -index))
    shares[largest] += total - sum(shares, ZERO)
    return tuple(OwnerShare(owner, share) for (owner, _), share in zip(exact, shares, strict=True))


def _ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient to 20 decimals; it is rounded to cash by its caller."""
    return (numerator * 10**20 // denominator).scaleb(-20)
