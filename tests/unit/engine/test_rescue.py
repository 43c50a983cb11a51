"""Without a ledger: cancel what is ours, close what the venue says we hold, sell what a snapshot calls ours."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import CancelOrder, ReadAccount, SubmitOrder
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    Fill,
    InstrumentsChanged,
    OrderClosed,
    OrderStatus,
    PositionRow,
    Quote,
    Quotes,
    ReadFailed,
    SessionStarted,
)
from bot.domain.instrument import Instrument, Kind
from bot.domain.values import NS_PER_S, Coin, InstrumentId, Nanos, OrderId, Side, Venue
from bot.engine.rescue import RescueEngine
from bot.engine.step import Step

VENUE = Venue("alpha")
BTC = Coin("BTC")
PERP = InstrumentId("alpha:BTC/USDT:USDT")
SPOT = InstrumentId("alpha:BTC/USDT")
T0 = 1_700_000_000 * NS_PER_S
OURS, FOREIGN = OrderId("e4e1" + "0" * 28), OrderId("manual-1")


def instrument(name: InstrumentId, kind: Kind) -> Instrument:
    return Instrument(
        id=name, venue=VENUE, symbol=name.partition(":")[2], coin=BTC, quote="USDT", kind=kind,
        tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=2, notional_min_usd=Decimal(5),
        maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"))


class Venues:
    """Steps the rescue and answers its reads with what it is told to hold."""

    def __init__(self, ours: str = "0.5", *, hold: bool = False, quoted: bool = True) -> None:
        self.engine = RescueEngine({(VENUE, BTC): Decimal(ours)}, hold=hold)
        self.positions: list[PositionRow] = []
        self.coins: tuple[tuple[Coin, Decimal], ...] = ()
        self.open: tuple[OrderId, ...] = ()
        self.now = T0
        self.orders: list[SubmitOrder] = []
        self.cancelled: list[OrderId] = []
        self.reads: list[ReadAccount] = []
        self.hand(SessionStarted(at_ns=Nanos(T0), epoch=3, build="b", config_hash="c", account="a", kind="demo",
                                 instruments=(instrument(PERP, Kind.PERP), instrument(SPOT, Kind.SPOT))))
        if quoted:
            self.quote()

    def quote(self) -> None:
        self.hand(Quotes(at_ns=Nanos(self.now), venue=VENUE, quotes=tuple(
            Quote(instrument=name, bid_ticks=500_000, ask_ticks=500_010, bid_lots=9, ask_lots=9, depth_lots=9)
            for name in (PERP, SPOT))))

    def hand(self, event: AnyEvent) -> Step:
        step = self.engine.step(event)
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                self.orders.append(command)
            elif isinstance(command, CancelOrder):
                self.cancelled.append(command.order_id)
            elif isinstance(command, ReadAccount):
                self.reads.append(command)
        return step

    def answer(self, after_s: float = 0.1) -> Step:
        """The account as it is, to the newest read."""
        self.now += int(after_s * NS_PER_S)
        return self.hand(AccountReport(
            at_ns=Nanos(self.now), venue=VENUE, request_id=self.reads[-1].request_id, taken_ns=Nanos(self.now),
            spot_usd=Decimal(0), futures_usd=Decimal(0), coins=self.coins, positions=tuple(self.positions),
            open_orders=self.open, fills=(), funding=(), cash=(), transfers_ended=(), cursor=7))

    def next_read(self, after_s: float = 60.0) -> None:
        """Let time pass until it asks again."""
        before = len(self.reads)
        self.now += int(after_s * NS_PER_S)
        self.quote()
        assert len(self.reads) == before + 1

    def done(self, order: SubmitOrder, status: OrderStatus = OrderStatus.EXPIRED) -> None:
        self.hand(OrderClosed(at_ns=Nanos(self.now), venue=VENUE, order_id=order.order.intent.order_id, status=status,
                              filled_lots=0))


def test_orders_of_ours_are_cancelled_before_anything_is_closed() -> None:
    """Others' orders are not touched; positions wait until none of ours is open."""
    world = Venues()
    world.open, world.positions = (OURS, FOREIGN), [PositionRow(PERP, Decimal("-0.4"), Decimal(-20_000))]
    world.answer()
    assert (world.cancelled, world.orders) == ([OURS], [])
    world.open = (FOREIGN,)
    world.next_read()
    world.answer()
    assert [order.order.intent.instrument for order in world.orders] == [PERP]
    assert world.engine.state.desks[VENUE].left == ["1 open orders of others"]


def test_both_legs_of_a_coin_are_closed_together_and_only_towards_zero() -> None:
    """The perp by the venue's own net, reduce-only; the coin as far as a snapshot calls it ours; approved by risk."""
    world = Venues(ours="0.3")
    world.positions, world.coins = [PositionRow(PERP, Decimal("-0.4"), Decimal(-20_000))], ((BTC, Decimal("0.7004")),)
    world.answer()
    perp, spot = (order.order.intent for order in world.orders)
    assert (perp.side, perp.quantity_lots, perp.reduce_only) == (Side.BUY, 400, True)
    assert (spot.side, spot.quantity_lots, spot.reduce_only) == (Side.SELL, 300, False)
    assert all(order.order.fence == 3 and order.order.intent.reduces_owner for order in world.orders)
    assert perp.limit_price_ticks == 502_511  # 50 bp beyond the ask, rounded away from us
    assert spot.limit_price_ticks == 497_500
    assert not world.engine.finished


def test_it_is_done_when_the_venue_itself_shows_nothing_of_ours() -> None:
    """A crumb and others' coins are named, not traded."""
    world = Venues(ours="0.0005")
    world.coins = ((BTC, Decimal("0.2")),)
    world.answer()
    assert world.orders == []
    assert world.engine.finished
    left = " ".join(world.engine.state.desks[VENUE].left)
    assert "0.1995 BTC that no snapshot calls ours" in left
    assert "too little to be traded" in left
    assert world.engine.step(Quotes(at_ns=Nanos(world.now + 1), venue=VENUE, quotes=())).wake_ns is None


def test_sold_coins_are_not_sold_again() -> None:
    """A fill is counted once, streamed or read back."""
    world = Venues(ours="0.3")
    world.coins = ((BTC, Decimal("0.7")),)
    world.answer()
    (first,) = world.orders
    fill = Fill(at_ns=Nanos(world.now), venue=VENUE, instrument=SPOT, trade_id="t", price_ticks=1, fee=Decimal(0),
                order_id=first.order.intent.order_id, side=Side.SELL, quantity_lots=200, fee_in_base=False, maker=False)
    for _ in range(2):
        world.hand(fill)
    world.done(first)
    world.coins = ((BTC, Decimal("0.5")),)
    world.next_read()
    world.answer()
    assert world.orders[-1].order.intent.quantity_lots == 100


def test_hold_only_cancels() -> None:
    """Positions stay."""
    world = Venues(hold=True)
    world.open, world.positions = (OURS,), [PositionRow(PERP, Decimal(1), Decimal(50_000))]
    world.answer()
    world.open = ()
    world.next_read()
    world.answer()
    assert (world.cancelled, world.orders, world.engine.finished) == ([OURS], [], True)


def test_each_try_that_fills_nothing_widens_the_collar_and_the_pause() -> None:
    """50 bp doubled up to 500; the pause grows up to a minute."""
    world = Venues()
    world.positions = [PositionRow(PERP, Decimal(1), Decimal(50_000))]
    pauses = []
    for _ in range(8):
        world.answer()
        world.done(world.orders[-1])
        pauses.append((world.engine.state.desks[VENUE].next_ns - world.now) / NS_PER_S)
        world.next_read()
    limits = [order.order.intent.limit_price_ticks for order in world.orders]
    assert limits == [497_500, 495_000, 490_000, 480_000, 475_000, 475_000, 475_000, 475_000]
    assert pauses == [2, 2, 2, 4, 8, 16, 32, 60]


def test_an_order_without_an_answer_is_not_replaced_for_a_minute() -> None:
    """A venue may book it late."""
    world = Venues()
    world.positions = [PositionRow(PERP, Decimal(1), Decimal(50_000))]
    world.answer()
    world.next_read(20)
    world.answer()
    assert len(world.orders) == 1
    world.next_read(60)
    world.answer()
    assert len(world.orders) == 2


def test_a_venue_that_does_not_answer_is_asked_again() -> None:
    """After a failure with a pause, after silence too; without a price nothing is sent, and it is not done."""
    world = Venues(quoted=False)
    world.hand(ReadFailed(at_ns=Nanos(world.now), venue=VENUE, request_id=world.reads[-1].request_id, why="down"))
    assert len(world.reads) == 1
    world.next_read(3)
    world.next_read(11)
    world.engine.state.quotes.clear()
    world.positions = [PositionRow(PERP, Decimal(1), Decimal(50_000))]
    world.answer()
    assert (world.orders, world.engine.finished) == ([], False)
    assert world.engine.view().mode == "HALTED"


@pytest.mark.parametrize("quantity", ["1", "-1"])
def test_a_position_without_rules_is_named(quantity: str) -> None:
    """It cannot be priced: a person has to."""
    world = Venues()
    world.positions = [PositionRow(InstrumentId("alpha:DOGE/USDT:USDT"), Decimal(quantity), Decimal(1))]
    world.answer()
    assert world.engine.finished
    assert "no rules are known" in world.engine.state.desks[VENUE].left[0]


def test_trades_that_only_a_report_tells_count_too() -> None:
    """The stream was silent: what was sold is read back; trades of others and of perpetuals take nothing away."""
    world = Venues(ours="0.3")
    world.coins = ((BTC, Decimal("0.7")),)
    world.answer()
    (first,) = world.orders
    sold = Fill(at_ns=Nanos(world.now), venue=VENUE, instrument=SPOT, trade_id="t1", price_ticks=1, fee=Decimal(0),
                order_id=first.order.intent.order_id, side=Side.SELL, quantity_lots=100, fee_in_base=False, maker=False)
    others = msgspec.structs.replace(sold, trade_id="t2", order_id=FOREIGN)
    perp = msgspec.structs.replace(sold, trade_id="t3", instrument=PERP)
    unknown = msgspec.structs.replace(sold, trade_id="t4", instrument=InstrumentId("alpha:X/Y"))
    world.next_read()
    world.now += NS_PER_S
    world.hand(AccountReport(
        at_ns=Nanos(world.now), venue=VENUE, request_id=world.reads[-1].request_id, taken_ns=Nanos(world.now),
        spot_usd=Decimal(0), futures_usd=Decimal(0), coins=(), positions=(), open_orders=(),
        fills=(sold, others, perp, unknown), funding=(), cash=(), transfers_ended=(), cursor=9))
    assert world.engine.state.ours == {"alpha BTC": Decimal("0.2")}
    assert world.engine.state.desks[VENUE].cursor == 9


def test_answers_to_questions_that_were_not_asked_change_nothing() -> None:
    """An old report, or one of a venue we do not know; new rules of an instrument are taken over."""
    world = Venues()
    world.positions = [PositionRow(PERP, Decimal(1), Decimal(50_000))]
    for venue, request_id in ((VENUE, "old"), (Venue("omega"), "x")):
        world.hand(AccountReport(
            at_ns=Nanos(world.now), venue=venue, request_id=request_id, taken_ns=Nanos(world.now), spot_usd=Decimal(0),
            futures_usd=Decimal(0), coins=(), positions=(), open_orders=(), fills=(), funding=(), cash=(),
            transfers_ended=(), cursor=1))
    world.hand(ReadFailed(at_ns=Nanos(world.now), venue=Venue("omega"), request_id="x", why="down"))
    assert not world.engine.finished
    coarser = msgspec.structs.replace(instrument(PERP, Kind.PERP), lot_size=Decimal("0.1"))
    world.hand(InstrumentsChanged(at_ns=Nanos(world.now), venue=VENUE, instruments=(coarser,)))
    world.answer()
    assert world.orders[-1].order.intent.quantity_lots == 10
    assert [order.order_id for order in world.engine.view().orders_open] == [world.orders[-1].order.intent.order_id]


def test_coins_without_a_market_and_closed_positions_are_passed_over() -> None:
    """A position of zero is none; a coin that cannot be sold here stays."""
    world = Venues(ours="0.3")
    world.engine.state.ours["alpha DOGE"] = Decimal(5)
    world.positions, world.coins = [PositionRow(PERP, Decimal(0), Decimal(0))], ((Coin("DOGE"), Decimal(5)),)
    world.answer()
    assert (world.orders, world.engine.finished) == ([], True)
    assert world.engine.state.desks[VENUE].left == ["5 DOGE, which is not traded there"]
    assert msgspec.msgpack.decode(world.engine.snapshot())["epoch"] == 3
