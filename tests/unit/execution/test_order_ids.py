"""Client ids: one intent, one name, recognisable as ours; and the only source of jitter."""

from __future__ import annotations

import re

from bot.execution.order_ids import client_order_id, is_ours, unit_hash


def test_an_id_is_ours_short_and_unique() -> None:
    """32 lower-case hex digits with our prefix; another account, epoch or counter is another id (F13)."""
    ids = {client_order_id(account, epoch, counter)
           for account in ("a", "b") for epoch in (1, 11, 111) for counter in range(1, 120)}
    assert len(ids) == 2 * 3 * 119
    assert all(re.fullmatch("[0-9a-f]{32}", each) and is_ours(each) for each in ids)


def test_an_id_is_fixed_by_its_intent() -> None:
    """A replay names its orders as the run did."""
    assert client_order_id("main", 3, 7) == client_order_id("main", 3, 7)


def test_a_foreign_order_is_not_ours() -> None:
    """Another program's id does not carry our prefix."""
    assert not is_ours("x-123")


def test_jitter_is_a_fixed_number_below_one() -> None:
    """The same parts give the same number; the numbers spread over [0, 1)."""
    drawn = [unit_hash(1, "p", n) for n in range(500)]
    assert drawn == [unit_hash(1, "p", n) for n in range(500)]
    assert 0 <= min(drawn) < 0.05
    assert 0.95 < max(drawn) < 1
