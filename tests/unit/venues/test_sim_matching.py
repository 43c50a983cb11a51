"""Orders that take: fills by level, fees, rejects."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.events import (
    Fill,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderStatus,
    RejectReason,
    TradingHalted,
)
from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, Coin, Side
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, Strike
from bot.venues.simulated.params import SimulatedParams
from tests.unit.venues.sim_world import ALPHA, BETA, PERP, PERP_B, SPOT, World, instrument

BUY, SELL = Side.BUY, Side.SELL
IOC, GTC, POST = TimeInForce.IOC, TimeInForce.GTC, TimeInForce.POST_ONLY


def test_ioc_takes_level_by_level_then_expires() -> None:
    """1000 lots at the touch, 1000 ten basis points behind; the limit ends there and the rest expires."""
    world = World().rich().market()
    answers = world.trade(PERP, BUY, 2_500, 1_002)
    kinds = [type(answer) for answer in answers]
    assert kinds == [OrderAccepted, Fill, Fill, OrderClosed]
    fills = [(each.price_ticks, each.quantity_lots, each.maker) for each in answers if isinstance(each, Fill)]
    assert fills == [(1_001, 1_000, False), (1_002, 1_000, False)]
    closed = answers[-1]
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.filled_lots) == (OrderStatus.EXPIRED, 2_000)


def test_F07_where_books_are_thin_an_order_gets_a_share_of_what_was_shown() -> None:
    """A tenth of each level, once; whole again with the next quote, and whole outside of the window."""
    window = Strike(FaultKind.THIN_BOOK, 0, 2**62, ALPHA, 0.1)
    world = World(faults=FaultPlan(strikes=(window,))).rich().market()

    def taken(lots: int) -> list[tuple[int, int]]:
        answers = world.trade(PERP, BUY, lots, 1_002)
        return [(each.price_ticks, each.quantity_lots) for each in answers if isinstance(each, Fill)]

    assert taken(150) == [(1_001, 100), (1_002, 50)]
    assert taken(150) == [(1_002, 50)]
    world.quote(PERP, 1_000, 1_001)
    assert taken(90) == [(1_001, 90)]
    assert [each.quantity_lots for each in world.trade(PERP_B, BUY, 500, 1_002) if isinstance(each, Fill)] == [500]
    assert world.exchange.fault_counts == {"thin_book": 2}


def test_answers_come_back_after_both_latencies() -> None:
    """40 ms there and 40 ms back: the acceptance stands at 80 ms."""
    world = World().rich().market()
    sent = world.now
    answers = world.trade(PERP, BUY, 100, 1_001)
    assert {answer.at_ns for answer in answers} == {sent + 80_000_000}


def test_order_meets_the_quote_of_its_arrival() -> None:
    """A quote that changes while the order is under way is the one it trades against."""
    world = World().rich().market()
    world.order(PERP, BUY, 100, 1_005)
    world.run(0.02)
    world.quote(PERP, 1_002, 1_003)
    fills = [answer for answer in world.run() if isinstance(answer, Fill)]
    assert [fill.price_ticks for fill in fills] == [1_003]


def test_liquidity_is_taken_once_until_the_next_quote() -> None:
    """The second order finds the touch empty; after a new quote it is there again."""
    world = World().rich().market()
    first = [a for a in world.trade(PERP, BUY, 1_000, 1_001) if isinstance(a, Fill)]
    second = [a for a in world.trade(PERP, BUY, 1_000, 1_001) if isinstance(a, Fill)]
    world.quote(PERP, 1_000, 1_001)
    third = [a for a in world.trade(PERP, BUY, 1_000, 1_001) if isinstance(a, Fill)]
    assert [len(first), len(second), len(third)] == [1, 0, 1]


def test_spot_buy_pays_its_fee_in_coins_and_sell_in_cash() -> None:
    """100 lots at 100.1: 0.1 coins, fee 0.00005 coins; the sale of 50 lots at 100 pays 0.0025 USD."""
    world = World().rich().market()
    buy = next(a for a in world.trade(SPOT, BUY, 100, 1_001) if isinstance(a, Fill))
    held = world.exchange.account(ALPHA).holdings
    assert (buy.fee, buy.fee_in_base) == (Decimal("0.00005000"), True)
    assert held.coins == {Coin("BTC"): Decimal("0.09995")}
    assert held.spot_usd == Decimal(10_000) - Decimal("10.01")
    sell = next(a for a in world.trade(SPOT, SELL, 60, 1_000) if isinstance(a, Fill))
    assert (sell.fee, sell.fee_in_base) == (Decimal("0.00300000"), False)
    assert held.spot_usd == Decimal(10_000) - Decimal("10.01") + Decimal(6) - Decimal("0.003")


def test_spot_fee_in_cash_where_the_venue_takes_it_so() -> None:
    """Without `fee_in_base` the coins arrive whole."""
    spot = instrument(ALPHA, "BTC/USDT", fee_in_base=False)
    world = World(instruments=(spot,)).rich().market()
    fill = next(a for a in world.trade(spot, BUY, 100, 1_001) if isinstance(a, Fill))
    assert (fill.fee, fill.fee_in_base) == (Decimal("0.00500500"), False)
    assert world.exchange.account(ALPHA).holdings.coins == {Coin("BTC"): Decimal("0.100")}


def test_rest_of_a_gtc_order_rests_and_locks_cash() -> None:
    """A resting spot buy holds its cash: a second order of the same size is refused for funds."""
    world = World().rich(11).market()
    name = world.order(SPOT, BUY, 100, 999, GTC)
    world.run()
    assert world.exchange.account(ALPHA).open[name].status is OrderStatus.OPEN
    answer = world.trade(SPOT, BUY, 100, 999)[0]
    assert isinstance(answer, OrderRejected)
    assert answer.reason is RejectReason.FUNDS


@pytest.mark.parametrize(("of", "side", "lots", "ticks", "tif", "reduce_only", "reason"), [
    (PERP, BUY, 0, 1_000, IOC, False, RejectReason.PRECISION),
    (PERP, BUY, 10, 0, IOC, False, RejectReason.PRECISION),
    (PERP, BUY, 1, 1_000, IOC, False, RejectReason.QUANTITY_MIN),
    (PERP, BUY, 49, 1_000, IOC, False, RejectReason.NOTIONAL_MIN),
    (PERP, BUY, 100, 1_101, IOC, False, RejectReason.PRICE_BAND),
    (SPOT, SELL, 100, 899, IOC, False, RejectReason.PRICE_BAND),
    (PERP, BUY, 100, 1_001, POST, False, RejectReason.WOULD_CROSS),
    (PERP, SELL, 100, 1_000, POST, False, RejectReason.WOULD_CROSS),
    (PERP, BUY, 100, 1_001, IOC, True, RejectReason.REDUCE_ONLY),
    (SPOT, BUY, 100, 1_001, IOC, True, RejectReason.REDUCE_ONLY),
    (SPOT, BUY, 200_000, 1_001, IOC, False, RejectReason.FUNDS),
    (SPOT, SELL, 100, 1_000, IOC, False, RejectReason.FUNDS),
    (PERP, BUY, 1_100_000, 1_001, IOC, False, RejectReason.MARGIN),
    (instrument(ALPHA, "DOGE/USDT"), BUY, 100, 1_000, IOC, False, RejectReason.UNKNOWN_INSTRUMENT),
])
def test_rejects(of: Instrument, side: Side, lots: int, ticks: int, tif: TimeInForce, reduce_only: bool,
                 reason: RejectReason) -> None:
    """Each refusal of a real venue has its class, and nothing is booked."""
    world = World().rich().market()
    world.order(of, side, lots, ticks, tif, reduce_only=reduce_only)
    answers = world.run()
    assert [getattr(answer, "reason", answer) for answer in answers] == [reason]
    assert not world.exchange.account(ALPHA).fills


def test_halted_instrument_rejects_until_it_is_quoted_again() -> None:
    """A halt takes the quote away and expires what rests."""
    world = World().rich().market()
    name = world.order(PERP, BUY, 100, 999, GTC)
    world.run()
    world.exchange.observe(TradingHalted(world.now, ALPHA, (PERP.id,), "missing bar"))
    closed = world.run()
    assert [(a.order_id, a.status) for a in closed if isinstance(a, OrderClosed)] == [(name, OrderStatus.EXPIRED)]
    answer = world.trade(PERP, BUY, 100, 1_001)[0]
    assert isinstance(answer, OrderRejected)
    assert answer.reason is RejectReason.HALTED
    world.quote(PERP, 1_000, 1_001)
    assert isinstance(world.trade(PERP, BUY, 100, 1_001)[0], OrderAccepted)


def test_second_create_of_a_client_id_books_nothing() -> None:
    """One client id is one order; the venue counts how often it was asked."""
    world = World().rich().market()
    name = world.order(PERP, BUY, 100, 1_001, order_id="same")
    world.order(PERP, BUY, 100, 1_001, order_id="same")
    answers = world.run()
    reasons = [answer.reason for answer in answers if isinstance(answer, OrderRejected)]
    assert reasons == [RejectReason.DUPLICATE_ID]
    assert world.exchange.account(ALPHA).creates == {name: 2}
    assert world.position(PERP) == Decimal("0.1")


def test_reduce_only_never_crosses_zero() -> None:
    """500 lots reduce-only against a position of 300 fill 300; what is left expires."""
    world = World().rich().market()
    world.trade(PERP, BUY, 300, 1_001)
    world.order(PERP, SELL, 500, 1_000, reduce_only=True)
    closed = world.run()[-1]
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.filled_lots) == (OrderStatus.EXPIRED, 300)
    assert world.position(PERP) == 0


def test_reduce_only_closes_below_the_minimums() -> None:
    """One lot (0.1 USD) can be closed reduce-only, not otherwise."""
    world = World().rich().market()
    world.trade(PERP, BUY, 101, 1_001)
    world.trade(PERP, SELL, 100, 1_000)
    world.order(PERP, SELL, 1, 1_000)
    refused = world.run()[0]
    world.order(PERP, SELL, 1, 1_000, reduce_only=True)
    world.run()
    assert isinstance(refused, OrderRejected)
    assert world.position(PERP) == 0


def test_idle_reduce_only_orders_expire_with_the_position() -> None:
    """A resting reduce-only order leaves when another order has closed the position."""
    world = World().rich().market()
    world.trade(PERP, BUY, 300, 1_001)
    resting = world.order(PERP, SELL, 300, 1_050, GTC, reduce_only=True)
    world.run()
    answers = world.trade(PERP, SELL, 300, 1_000)
    closed = {a.order_id: a.status for a in answers if isinstance(a, OrderClosed)}
    assert closed[resting] is OrderStatus.EXPIRED


def test_margin_counts_open_orders_as_if_they_filled() -> None:
    """100 USD at leverage 10 carry 999 USD: two resting orders of 600 are too much, opposite ones are not."""
    world = World(SimulatedParams(leverage_max=10)).rich(100).market()
    world.order(PERP, BUY, 6_000, 999, GTC)
    world.run()
    same_side = world.trade(PERP, BUY, 6_000, 998)[0]
    other_side = world.trade(PERP, SELL, 6_000, 1_002)[0]
    assert isinstance(same_side, OrderRejected)
    assert same_side.reason is RejectReason.MARGIN
    assert isinstance(other_side, OrderAccepted)


def test_venues_have_wallets_of_their_own() -> None:
    """A trade at one venue leaves the other venue as it was."""
    world = World().rich().market()
    before = world.exchange.equity_usd(BETA)
    world.trade(PERP, BUY, 1_000, 1_001)
    assert world.exchange.equity_usd(BETA) == before
    assert world.position(PERP_B) == 0


def test_cancel_and_query_tell_the_venues_truth() -> None:
    """A cancelled order reports CANCELLED, a second cancel fails and says why, the unknown is proven absent."""
    world = World().rich().market()
    name = world.order(PERP, BUY, 1_500, 1_001, GTC)
    world.run()
    world.cancel(PERP, name)
    closed = world.run()[0]
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.filled_lots) == (OrderStatus.CANCELLED, 1_000)
    world.cancel(PERP, name)
    again = world.run()[0]
    assert getattr(again, "why", "") == "already cancelled"
    world.query(PERP, name)
    report = world.run()[0]
    assert (report.found, report.filled_lots, len(report.fills)) == (True, 1_000, 1)  # type: ignore[union-attr]
    world.query(PERP, type(name)("nobody"))
    absent = world.run()[0]
    assert (absent.found, absent.sources) == (False, 2)  # type: ignore[union-attr]


def test_jitter_keeps_the_order_of_messages() -> None:
    """With 500 ms of jitter acceptances still come in the order of the sends, and the run repeats."""
    def ids() -> list[tuple[str, int]]:
        world = World(SimulatedParams(latency_jitter_ms=500.0)).rich().market()
        for _ in range(20):
            world.order(PERP, BUY, 60, 999, GTC)
        return [(a.order_id, a.at_ns) for a in world.run(5) if isinstance(a, OrderAccepted)]
    first = ids()
    assert [name for name, _ in first] == [f"e4e1{n}" for n in range(1, 21)]
    assert first == ids()
    assert len({at for _, at in first}) > 1
    assert all(at < 2 * NS_PER_S + 1_700_000_000 * NS_PER_S for _, at in first)
