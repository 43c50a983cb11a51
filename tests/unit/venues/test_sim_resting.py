"""Orders that rest: queue position on ticks, the stated model on bars."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.events import AccountEvent, Bar, BarsClosed, Fill, OrderClosed, OrderStatus, Print, Prints
from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import Side
from tests.unit.venues.sim_world import PERP, SPOT, World

BUY, SELL = Side.BUY, Side.SELL
GTC, POST = TimeInForce.GTC, TimeInForce.POST_ONLY


def resting(lots: int, ticks: int, side: Side = BUY, tif: TimeInForce = POST) -> World:
    """A world in which one order has just come to rest."""
    world = World().rich().market()
    world.order(PERP, side, lots, ticks, tif)
    world.run()
    return world


def prints(world: World, side: Side, ticks: int, lots: int) -> list[Fill]:
    """One public trade, and our fills by it."""
    world.exchange.observe(Prints(world.now, PERP.venue, (Print(PERP.id, side, ticks, lots),)))
    return fills(world.run())


def fills(answers: list[AccountEvent]) -> list[Fill]:
    return [answer for answer in answers if isinstance(answer, Fill)]


def bar(
    world: World, of: Instrument, low: str, high: str, length_s: int = 60, volume: float = 100.0,
) -> list[AccountEvent]:
    """A bar that closes now, and what it leads to."""
    closed = Bar(of.id, length_s, Decimal(100), Decimal(high), Decimal(low), Decimal(100), volume)
    world.exchange.observe(BarsClosed(world.now, of.venue, (closed,)))
    return world.run()


def test_displayed_size_stands_ahead_and_prints_work_it_off() -> None:
    """1000 lots at the touch were there first: prints of 600 and 600 leave 200 for us."""
    world = resting(300, 1_000)
    assert prints(world, SELL, 1_000, 600) == []
    got = prints(world, SELL, 1_000, 600)
    assert [(fill.quantity_lots, fill.price_ticks, fill.maker) for fill in got] == [(200, 1_000, True)]
    assert got[0].fee == Decimal("0.00400000")


def test_aggressor_of_our_own_side_does_not_fill_us() -> None:
    """Buyers do not trade with a bid."""
    assert prints(resting(300, 1_000), BUY, 1_000, 5_000) == []


def test_print_beyond_our_price_fills_us_whole() -> None:
    """A sale a tick below our bid must have passed through it."""
    assert [fill.quantity_lots for fill in prints(resting(300, 1_000), SELL, 999, 5)] == [300]


def test_better_price_has_nobody_ahead() -> None:
    """A bid inside the spread is first in its queue."""
    world = World().rich().market()
    world.quote(PERP, 1_000, 1_003)
    world.order(PERP, BUY, 300, 1_001, POST)
    world.run()
    assert [fill.quantity_lots for fill in prints(world, SELL, 1_001, 100)] == [100]


def test_half_of_a_shrinking_size_stood_ahead_of_us() -> None:
    """1000 joined behind us; when 400 of the 2000 are cancelled, 200 of them were ahead."""
    world = resting(300, 1_000)
    order = world.exchange.account(PERP.venue).open_of(PERP.id)[0]
    world.quote(PERP, 1_000, 1_001, lots=2_000)
    assert order.ahead_lots == 1_000
    world.quote(PERP, 1_000, 1_001, lots=1_600)
    assert order.ahead_lots == 800


def test_no_more_can_be_ahead_than_is_displayed() -> None:
    """A display of 300 leaves at most 300 before us."""
    world = resting(300, 1_000)
    world.quote(PERP, 1_000, 1_001, lots=300)
    assert world.exchange.account(PERP.venue).open_of(PERP.id)[0].ahead_lots == 300


def test_prints_are_not_counted_again_as_cancels() -> None:
    """After a print of 500 a display of 500 means that nobody has cancelled."""
    world = resting(300, 1_000)
    prints(world, SELL, 1_000, 500)
    world.quote(PERP, 1_000, 1_001, lots=500)
    assert world.exchange.account(PERP.venue).open_of(PERP.id)[0].ahead_lots == 500


def test_two_orders_of_ours_share_one_print() -> None:
    """A print of 1100 against 1000 ahead leaves 100 for both of our orders together."""
    world = resting(80, 1_000)
    world.order(PERP, BUY, 80, 1_000, POST)
    world.run()
    assert [fill.quantity_lots for fill in prints(world, SELL, 1_000, 1_100)] == [80, 20]


def test_quote_that_crosses_fills_at_our_price_as_far_as_it_reaches() -> None:
    """The ask comes down to our bid with 200 lots: we get 200 at our own price, the fee is the maker's."""
    world = resting(300, 1_000)
    world.quote(PERP, 998, 1_000, lots=200, depth=200)
    got = fills(world.run())
    assert [(fill.quantity_lots, fill.price_ticks, fill.maker) for fill in got] == [(200, 1_000, True)]


def test_nobody_is_ahead_when_the_touch_has_left_us_behind_it() -> None:
    """The market's bid falls below ours: we are the touch."""
    world = resting(300, 1_000)
    world.quote(PERP, 998, 1_001)
    assert world.exchange.account(PERP.venue).open_of(PERP.id)[0].ahead_lots == 0


@pytest.mark.parametrize(("low", "volume", "lots"), [("99.9", 100.0, 300), ("100", 100.0, 0), ("99.9", 2.0, 100)])
def test_short_bar_fills_what_it_traded_through_up_to_its_share(low: str, volume: float, lots: int) -> None:
    """A bid at 100 fills if the bar went a tick lower; 5 % of a volume of 2 are 100 lots."""
    world = World().rich().market()
    world.quote(PERP, 1_000, 1_001, values=False)
    world.order(PERP, BUY, 300, 1_000, POST)
    world.run()
    assert sum(fill.quantity_lots for fill in fills(bar(world, PERP, low, "101", volume=volume))) == lots


def test_long_bar_expires_a_post_only_order() -> None:
    """On hourly bars the leg must be taken: the resting order ends with the bar."""
    world = World().rich().market()
    world.quote(PERP, 1_000, 1_001, values=False)
    world.order(PERP, BUY, 300, 1_000, POST)
    world.run()
    closed = bar(world, PERP, "90", "101", length_s=3_600)
    assert [(type(a), getattr(a, "status", None)) for a in closed] == [(OrderClosed, OrderStatus.EXPIRED)]


def test_bars_beside_ticks_do_not_fill() -> None:
    """Where ticks are shown the queue decides, not the bar."""
    world = resting(300, 1_000)
    assert bar(world, PERP, "90", "101") == []


def test_gtc_rest_fills_when_a_later_bar_opens_through_it() -> None:
    """On bars a resting GTC order meets the next quote."""
    world = World().rich().market()
    world.quote(SPOT, 1_000, 1_001, values=False)
    world.order(SPOT, BUY, 300, 990, GTC)
    world.run()
    world.quote(SPOT, 980, 981, values=False)
    assert [(fill.quantity_lots, fill.price_ticks) for fill in fills(world.run())] == [(300, 990)]


def test_sells_mirror_buys() -> None:
    """An offer at the touch waits behind 1000 lots and fills on a bar that went a tick higher."""
    world = resting(300, 1_001, SELL)
    assert [fill.quantity_lots for fill in prints(world, BUY, 1_001, 1_200)] == [200]
    assert [fill.quantity_lots for fill in prints(world, BUY, 1_002, 1)] == [100]
    assert world.position(PERP) == Decimal("-0.3")
