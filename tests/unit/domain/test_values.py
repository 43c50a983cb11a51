"""The small words: sides, owners, money that raises rather than rounds."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest

from bot.domain.events import EVENT_RANK, AccountEvent, AnyEvent, MarketEvent, ProcessEvent
from bot.domain.values import DUST, HEDGE, MONEY, OVERLAY, Owner, Side, is_pair_owner, round_cash


def test_a_side_is_the_sign_of_its_quantity() -> None:
    """And its opposite's is the other."""
    assert [int(side) for side in Side] == [1, -1]
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_only_pairs_are_pairs() -> None:
    """Overlay, hedge and dust move by price, pairs by basis."""
    assert is_pair_owner(Owner("pair-BTC-000001"))
    assert not any(is_pair_owner(owner) for owner in (OVERLAY, HEDGE, DUST))


@pytest.mark.parametrize(("amount", "booked"), [
    ("1.000000005", "1.00000000"), ("1.000000015", "1.00000002"), ("-1.000000015", "-1.00000002"), ("0.1", "0.1"),
])
def test_cash_is_rounded_to_eight_places_half_to_even(amount: str, booked: str) -> None:
    """The one rounding, symmetric in sign."""
    assert round_cash(Decimal(amount)) == Decimal(booked)


def test_money_that_would_be_rounded_raises() -> None:
    """A sum that cannot be exact is a fault, not a penny."""
    with pytest.raises(decimal.Inexact):
        MONEY.divide(Decimal(1), Decimal(3))


def test_every_event_has_a_rank_in_its_instant() -> None:
    """Without one, the order of equal times would be nobody's."""
    assert set(EVENT_RANK) == set(AnyEvent.__args__) == {
        *MarketEvent.__args__, *AccountEvent.__args__, *ProcessEvent.__args__}
