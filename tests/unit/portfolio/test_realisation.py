"""Position cost into wallet cash."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.portfolio.realisation import realise


@pytest.mark.parametrize(("before", "trade", "after"), [
    (("0", "0"), ("2", "100"), ("2", "200", "0")),
    (("2", "200"), ("1", "103"), ("3", "303", "0")),
    (("2", "200"), ("-1", "110"), ("1", "100", "10")),
    (("-2", "-200"), ("1", "110"), ("-1", "-100", "-10")),
    (("2", "200"), ("-2", "90"), ("0", "0", "-20")),
    (("2", "200"), ("-3", "110"), ("-1", "-110", "20")),
    (("-1", "-100"), ("3", "90"), ("2", "180", "10")),
])
def test_rule(before: tuple[str, str], trade: tuple[str, str], after: tuple[str, str, str]) -> None:
    """Opening adds cost, closing realises against average cost, crossing does both."""
    got = realise(*(Decimal(each) for each in (*before, *trade)))
    assert got == tuple(Decimal(each) for each in after)


def test_removed_cost_is_rounded_to_cash_and_nothing_is_lost() -> None:
    """A third of a cost of 100 is 33.33333333; the rest stays in the position."""
    quantity, cost, realised = realise(Decimal(3), Decimal(100), Decimal(-1), Decimal(40))
    assert (quantity, cost, realised) == (Decimal(2), Decimal("66.66666667"), Decimal("6.66666667"))


def test_half_a_step_rounds_to_even() -> None:
    """0.000000005 of removed cost is booked as zero, 0.000000015 as 0.00000002."""
    assert realise(Decimal(2), Decimal("0.00000001"), Decimal(-1), Decimal(1))[1] == Decimal("0.00000001")
    assert realise(Decimal(2), Decimal("0.00000003"), Decimal(-1), Decimal(1))[1] == Decimal("0.00000001")
