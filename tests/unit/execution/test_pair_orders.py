"""A leg's part of an order: lots, limits, and what a venue would take."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.values import NS_PER_S, Side
from bot.execution.pair_orders import (
    closable,
    harder,
    limit_ticks,
    opening_lots,
    pause_ns,
    reducing_ticks,
    tradable,
)
from bot.execution.params import ExecutionParams
from tests.unit.execution.scenes import PERP, SPOT, instrument, leg, pair


def test_nothing_wanted_is_no_lots() -> None:
    """Neither zero nor what is already too much."""
    assert opening_lots(PERP, Side.BUY, Decimal(0)) == opening_lots(SPOT, Side.BUY, Decimal(-1)) == 0


def test_a_sale_of_spot_is_not_grossed_up() -> None:
    """The fee of a sale is taken in cash."""
    assert opening_lots(SPOT, Side.SELL, Decimal(1)) == 1_000


def test_without_a_quote_there_is_no_limit() -> None:
    """No price is made up."""
    with pytest.raises(ValueError, match="no quote"):
        limit_ticks(leg(SPOT, quoted=False), Side.BUY, 3.0)


def test_too_few_lots_are_refused_unless_they_reduce_a_perp() -> None:
    """The minimum in lots binds openings and spot, not a perp's way out."""
    perp, spot = instrument("BTC/USDT:USDT", lots_min=5), instrument("BTC/USDT", lots_min=5, notional_min="0")
    assert not tradable(perp, 4, 10_000)
    assert tradable(perp, 4, 10_000, reducing=True)
    assert not tradable(perp, 0, 10_000, reducing=True)
    assert not tradable(spot, 4, 10_000, reducing=True)
    assert tradable(spot, 5, 10_000, reducing=True)


def test_an_order_worth_exactly_the_minimum_is_taken() -> None:
    """5 lots at 1,000 USD are 5 USD; a tick less is too little."""
    assert tradable(SPOT, 5, 10_000)
    assert not tradable(SPOT, 5, 9_999)


def test_a_reducing_buy_and_a_large_sale_are_priced_by_the_collar_alone() -> None:
    """Only a small spot sale is held up by the minimum."""
    assert reducing_ticks(leg(PERP, "-1"), Side.BUY, 1, 50.0) == 10_052
    assert reducing_ticks(leg(SPOT, "1"), Side.SELL, 1_000, 50.0) == 9_950
    assert reducing_ticks(leg(SPOT, "1"), Side.SELL, 5, 50.0) == 10_000


def test_less_than_a_lot_cannot_be_closed() -> None:
    """It is dust, quote or not."""
    assert not closable(leg(PERP, "0.0009", quoted=False))
    assert closable(leg(PERP, "0.001", quoted=False))


def test_a_leg_without_a_quote_is_the_harder_one() -> None:
    """Nothing at the touch is less than something."""
    assert harder(leg(SPOT), leg(PERP, quoted=False)).instrument is PERP
    assert harder(leg(SPOT, quoted=False), leg(PERP)).instrument is SPOT


def test_a_perp_shared_with_another_pair_is_closable_only_where_the_venues_net_shrinks() -> None:
    """The venue's exemption from its minimum holds for reduce-only orders, and it sees the sum over our pairs."""
    crumb = leg(PERP, "-0.001")
    assert closable(crumb)
    opposed = msgspec.structs.replace(crumb, net=Decimal("0.5"))
    assert not opposed.shrinks_net(1)
    assert not closable(opposed)
    assert closable(msgspec.structs.replace(crumb, net=Decimal("-0.5")))


def test_the_longest_pause_grows_with_the_age_of_the_quote() -> None:
    """A book that has stood for an hour will not refill in a minute; it is tried now and then all the same."""
    tired = pair()
    tired.fruitless = 12
    assert pause_ns(tired.fruitless, 1.0, ExecutionParams(), quote_age_ns=0) == 60 * NS_PER_S
    assert pause_ns(tired.fruitless, 1.0, ExecutionParams(), quote_age_ns=300 * NS_PER_S) == 300 * NS_PER_S
    assert pause_ns(tired.fruitless, 1.0, ExecutionParams(), quote_age_ns=7_200 * NS_PER_S) == 900 * NS_PER_S
    assert pause_ns(pair().fruitless, 1.0, ExecutionParams(), quote_age_ns=7_200 * NS_PER_S) == NS_PER_S
