"""Parts, sums and sleeves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.values import DUST, HEDGE, OVERLAY, Owner
from bot.portfolio.attribution import Attribution, Parts, Sleeve, attribution_of, sleeve_of

SIX = [Decimal(2) ** power for power in range(6)]


def test_total_is_the_sum_of_all_six_parts() -> None:
    """No part is left out or counted twice (each is another power of two)."""
    names = ("price", "basis", "funding", "fees", "slippage", "borrow")
    assert Attribution(**dict(zip(names, SIX, strict=True))).total == Decimal(63)


def test_sum_keeps_each_part_apart() -> None:
    """Adding twice and taking away once leaves every part as it was."""
    total = Parts(*SIX)
    total.add(Parts(*SIX))
    total.add(Parts(*SIX), -1)
    got = attribution_of([total])
    assert [got.price, got.basis, got.funding, got.fees, got.slippage, got.borrow] == SIX


def test_sums_are_exact_beyond_the_default_precision() -> None:
    """Thirty digits on either side of the point survive."""
    big, small = Decimal(10) ** 20, Decimal(1).scaleb(-20)
    assert attribution_of([Parts(price=big), Parts(price=small)]).price - big == small


@pytest.mark.parametrize(("owner", "sleeve"), [
    ("pair-7", Sleeve.CARRY), (OVERLAY, Sleeve.OVERLAY), (HEDGE, Sleeve.HEDGE), (DUST, Sleeve.DUST),
])
def test_every_owner_has_a_sleeve(owner: str, sleeve: Sleeve) -> None:
    """Pairs are the carry; the single owners stand for themselves."""
    assert sleeve_of(Owner(owner)) is sleeve


def test_stranger_has_none() -> None:
    """An unknown owner is a fault, not a sleeve."""
    with pytest.raises(ValueError, match="neither a pair"):
        sleeve_of(Owner("someone"))
