"""Positions, funding, transfers, reads: every cent has its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bot.domain.commands import Alert, ShowTicks
from bot.domain.errors import ConfigRefused, Unavailable
from bot.domain.events import (
    AccountReport,
    Bar,
    BarsClosed,
    CashMoved,
    ForcedFill,
    FundingPaid,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    OrderClosed,
    OrderStatus,
    ReferenceRate,
    TradingHalted,
    TransferEnded,
)
from bot.domain.instrument import FundingRule
from bot.domain.orders import TimeInForce
from bot.domain.ports import Exchange
from bot.domain.values import Side, Wallet
from bot.venues.simulated.params import MarginMode, SimulatedParams
from bot.venues.simulated.positions import Position
from tests.unit.venues.sim_world import ALPHA, BETA, HOUR, PERP, PERP_ETH, SPOT, T0, World, instrument

BUY, SELL = Side.BUY, Side.SELL
SPOT_WALLET, FUTURES_WALLET = (ALPHA, Wallet.SPOT), (ALPHA, Wallet.FUTURES)


def paid(world: World) -> list[FundingPaid]:
    return [answer for answer in world.run() if isinstance(answer, FundingPaid)]


def test_closing_a_third_realises_a_rounded_share_and_keeps_the_rest() -> None:
    """A third of a cost of 100 is 33.33333333; wallet + quantity x mark - cost does not move."""
    position = Position(Decimal(3), Decimal(100))
    realised = position.trade(Decimal(-1), Decimal(40))
    assert (position.quantity, position.cost_usd) == (Decimal(2), Decimal("66.66666667"))
    assert realised == Decimal("6.66666667")


def test_flat_position_realises_everything() -> None:
    """At zero quantity no cost is left, whatever was rounded before."""
    position = Position(Decimal(3), Decimal(100))
    total = position.trade(Decimal(-1), Decimal(40)) + position.trade(Decimal(-2), Decimal(40))
    assert (position, total) == (Position(), Decimal(20))


def test_trade_across_zero_closes_then_opens() -> None:
    """Selling 3 from 2 at 110: 20 realised, one short at 110."""
    position = Position(Decimal(2), Decimal(200))
    assert position.trade(Decimal(-3), Decimal(110)) == Decimal(20)
    assert (position.quantity, position.cost_usd) == (Decimal(-1), Decimal(-110))


def test_longs_pay_a_positive_rate_on_mark_once() -> None:
    """1 BTC x 100.1 x 0.0001 is paid at T, with rank funding; the same settlement again pays nothing."""
    world = World().rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    world.mark(PERP, "100.1")
    world.settle(PERP, "0.0001")
    assert world.exchange.next_due() == (world.now, 4)
    again = FundingSettled(world.now, ALPHA, (FundingRate(PERP.id, world.now, Decimal("0.0001"), 8),))
    world.exchange.observe(again)
    payments = paid(world)
    assert [(p.amount_usd, p.quantity, p.price) for p in payments] == [
        (Decimal("-0.01001000"), Decimal("1.000"), Decimal("100.1"))]


def test_position_opened_at_the_settlement_is_not_charged_one_closed_there_is() -> None:
    """Both orders arrive at T exactly, after the funding of T."""
    world = World().rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    world.order(PERP, SELL, 1_000, 1_000)
    world.order(PERP_ETH, BUY, 1_000, 1_001)
    world.run(0.039)
    world.now = type(world.now)(world.now + 1_000_000)
    world.settle(PERP, "0.0001")
    world.settle(PERP_ETH, "0.0001")
    payments = paid(world)
    assert [(p.instrument, p.quantity) for p in payments] == [(PERP.id, Decimal("1.000"))]
    assert world.position(PERP) == 0
    assert world.position(PERP_ETH) == 1


def test_maker_filled_by_the_quote_of_the_settlement_is_not_charged() -> None:
    """A quote of T comes before the funding of T, yet what it opens was not held before T."""
    world = World().rich().market()
    world.order(PERP, BUY, 1_000, 999, TimeInForce.GTC)
    world.run()
    world.quote(PERP, 998, 999)
    assert world.position(PERP) == 1
    world.settle(PERP, "0.0001")
    assert paid(world) == []


@pytest.mark.parametrize("interval_h", [8, 4, 1])
def test_a_settled_rate_is_paid_as_settled(interval_h: int) -> None:
    """Also beyond the cap known today: the venue's own cap of that day is in the rate already."""
    world = World().rich().market()
    world.trade(PERP, SELL, 1_000, 1_000)
    world.settle(PERP, "0.5", interval_h)
    assert [p.rate for p in paid(world)] == [Decimal("0.5")]


def test_funding_is_paid_on_the_index_where_the_rule_says_so() -> None:
    """Oracle venues charge the index notional."""
    rule = FundingRule(interval_h=1, interest_8h=Decimal("0.0001"), clamp_8h=Decimal("0.0005"), cap=Decimal("0.04"),
                       paid_on_index=True)
    perp = instrument(ALPHA, "BTC/USDT:USDT", funding=rule)
    world = World(instruments=(perp,)).rich().market()
    world.trade(perp, SELL, 1_000, 1_000)
    world.mark(perp, "100", index="90")
    world.settle(perp, "0.001", 1)
    assert [p.amount_usd for p in paid(world)] == [Decimal("0.09000000")]


def test_missing_mark_has_its_stand_ins() -> None:
    """Without a mark funding is paid on the own close; without that, while halted, on the last mid."""
    world = World().rich()
    world.quote(PERP, 1_000, 1_001)
    world.trade(PERP, SELL, 1_000, 1_000)
    world.exchange.observe(TradingHalted(world.now, ALPHA, (PERP.id,), "missing bar"))
    world.settle(PERP, "0.001")
    assert [p.price for p in paid(world)] == [Decimal("100.05")]
    bar = Bar(PERP.id, 3_600, Decimal(100), Decimal(100), Decimal(98), Decimal(99), 5.0)
    world.exchange.observe(BarsClosed(world.now, ALPHA, (bar,)))
    world.settle(PERP, "0.001")
    assert [p.price for p in paid(world)] == [Decimal(99)]


def test_spot_is_valued_at_the_mid_of_ticks_or_the_close_of_bars() -> None:
    """Own first trade, then the last close while quotes do not value, then the mid."""
    world = World().rich()
    world.quote(SPOT, 1_000, 1_001, values=False)
    world.trade(SPOT, BUY, 1_000, 1_001)
    coins = world.exchange.account(ALPHA).holdings.coins[SPOT.coin]
    cash = world.exchange.equity_usd(ALPHA) - coins * Decimal("100.1")
    for seen, price in ((Decimal(99), "99"), (Decimal(98), "98")):
        bar = Bar(SPOT.id, 3_600, seen, seen, seen, seen, 5.0)
        world.exchange.observe(BarsClosed(world.now, ALPHA, (bar,)))
        world.quote(SPOT, 1_200, 1_201, values=False)
        assert world.exchange.equity_usd(ALPHA) == cash + coins * Decimal(price)
    world.quote(SPOT, 1_200, 1_201)
    assert world.exchange.equity_usd(ALPHA) == cash + coins * Decimal("120.05")


def test_isolated_funding_beyond_the_wallet_comes_out_of_the_margin() -> None:
    """A wallet of 0.05 USD pays what it can, the position's margin the rest."""
    world = World(SimulatedParams(margin_mode=MarginMode.ISOLATED)).rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    held = world.exchange.account(ALPHA).holdings
    world.transfer(str(held.futures_usd - Decimal("0.05")), FUTURES_WALLET, SPOT_WALLET)
    world.run(5)
    world.settle(PERP, "0.003")
    assert [p.amount_usd for p in paid(world)] == [Decimal("-0.30000000")]
    assert held.futures_usd == 0
    assert held.positions[PERP.id].margin_usd == Decimal("9.76")


@pytest.mark.parametrize("wrong", [
    {"latency_out_ms": -1.0}, {"transfer_venues_fee_usd": Decimal("NaN")}, {"leverage_max": 0},
    {"cancels_ahead_share": 1.5}, {"price_band_pct": 0.0}, {"request_timeout_ms": float("nan")}])
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    """One clear line for the author of the configuration."""
    with pytest.raises(ConfigRefused, match="simulated venue"):
        SimulatedParams(**wrong)


def test_exchange_is_the_port_that_drivers_know() -> None:
    """The simulated exchange satisfies the domain's protocol, and ignores what is not for a venue."""
    port: Exchange = World().exchange
    port.handle(T0, Alert("name", "text", page=False))
    port.handle(T0, ShowTicks(1))
    port.observe(ReferenceRate(T0, "t-bill", 0.04))
    assert port.next_due() is None


def test_transfer_takes_its_time_and_counts_meanwhile() -> None:
    """Between venues 120 s and 1 USD: until then the cash is nowhere, but equity has it."""
    world = World().rich().market()
    total = world.exchange.equity_usd()
    world.transfer("500", SPOT_WALLET, (BETA, Wallet.FUTURES))
    assert world.run(119) == []
    assert world.exchange.account(ALPHA).holdings.spot_usd == Decimal(9_500)
    assert world.exchange.account(BETA).holdings.futures_usd == Decimal(10_000)
    assert world.exchange.equity_usd() == total
    ended = world.run(2)[0]
    assert isinstance(ended, TransferEnded)
    assert (ended.venue, ended.ok, ended.fee_usd) == (BETA, True, Decimal(1))
    assert world.exchange.account(BETA).holdings.futures_usd == Decimal(10_499)
    assert world.exchange.equity_usd() == total - 1


def test_transfer_within_a_venue_is_quick_and_free() -> None:
    """Two seconds, nothing lost."""
    world = World().rich().market()
    world.transfer("500", SPOT_WALLET, FUTURES_WALLET)
    ended = world.run(3)[0]
    assert isinstance(ended, TransferEnded)
    assert (ended.ok, ended.fee_usd) == (True, Decimal(0))
    assert world.exchange.account(ALPHA).holdings.futures_usd == Decimal(10_500)


@pytest.mark.parametrize("amount", ["10001", "0", "-5", "0.123456789", "1"])
def test_transfer_without_free_funds_comes_back(amount: str) -> None:
    """Too much, nothing, negative, too fine, or no more than the fee: nothing moves."""
    world = World().rich().market()
    world.transfer(amount, SPOT_WALLET, (BETA, Wallet.SPOT))
    ended = world.run(200)[0]
    assert isinstance(ended, TransferEnded)
    assert not ended.ok
    assert ended.why
    assert world.exchange.account(ALPHA).holdings.spot_usd == Decimal(10_000)


def test_collateral_of_a_position_cannot_leave() -> None:
    """A position of 5,005 USD at leverage 10 keeps 500 USD in the futures wallet."""
    world = World().rich(1_000).market()
    world.trade(PERP, BUY, 50_000, 1_060)
    held = world.exchange.account(ALPHA).holdings
    notional = held.positions[PERP.id].quantity * 100
    world.transfer(str(1_000 - int(notional / 10)), FUTURES_WALLET, SPOT_WALLET)
    ended = world.run(5)[0]
    assert isinstance(ended, TransferEnded)
    assert not ended.ok


def test_isolated_margin_stands_with_its_position() -> None:
    """1 BTC at 100.1 and leverage 10 takes 10.01 USD out of the wallet; the report still counts it as futures cash."""
    world = World(SimulatedParams(margin_mode=MarginMode.ISOLATED)).rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    held = world.exchange.account(ALPHA).holdings
    assert held.positions[PERP.id].margin_usd == Decimal("10.01000000")
    fee = Decimal("0.05005")
    assert held.futures_usd == Decimal(10_000) - Decimal("10.01") - fee
    world.read(ALPHA)
    report = world.run()[0]
    assert isinstance(report, AccountReport)
    assert report.futures_usd == Decimal(10_000) - fee
    world.trade(PERP, SELL, 500, 1_000)
    assert held.positions[PERP.id].margin_usd == Decimal("5.00500000")


def test_account_report_lists_what_came_after_the_cursor() -> None:
    """The first read has everything, the second only what is new."""
    world = World().rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    world.read(ALPHA)
    first = world.run()[0]
    assert isinstance(first, AccountReport)
    assert [len(first.fills), len(first.cash), first.cursor] == [1, 2, 3]
    world.settle(PERP, "0.0001")
    paid(world)
    world.read(ALPHA, first.cursor)
    second = world.run()[0]
    assert isinstance(second, AccountReport)
    assert [len(second.fills), len(second.cash), len(second.funding)] == [0, 0, 1]
    assert [(row.instrument, row.quantity) for row in second.positions] == [(PERP.id, Decimal("1.000"))]


def test_deposit_is_answered_at_once_and_checked() -> None:
    """`CashMoved` at the same instant; a sum that no venue could book is refused."""
    world = World()
    world.exchange.deposit(world.now, ALPHA, Wallet.SPOT, Decimal(5), "first")
    answer = world.run(0)[0]
    assert isinstance(answer, CashMoved)
    assert (answer.amount_usd, answer.reference, answer.at_ns) == (Decimal(5), "first", world.now)
    with pytest.raises(ConfigRefused):
        world.exchange.deposit(world.now, ALPHA, Wallet.SPOT, Decimal("0.000000001"))


def test_marks_that_serve_margin_alone_do_not_value() -> None:
    """Off the common bar edge a mark moves no equity."""
    world = World().rich().market()
    world.trade(PERP, BUY, 1_000, 1_001)
    before = world.exchange.equity_usd(ALPHA)
    world.mark(PERP, "105", values=False)
    assert world.exchange.equity_usd(ALPHA) == before
    world.mark(PERP, "105")
    assert world.exchange.equity_usd(ALPHA) == before + 5


def test_coin_without_any_price_is_unavailable_not_zero() -> None:
    """A missing price never counts as nothing."""
    world = World().rich()
    world.exchange.account(ALPHA).holdings.move_coins(SPOT.coin, Decimal(1))
    with pytest.raises(Unavailable):
        world.exchange.equity_usd()


def test_flat_means_nothing_left_that_could_be_sold() -> None:
    """Coins below the least order are dust, a coin above it is not."""
    world = World().rich().market()
    world.trade(SPOT, BUY, 100, 1_001)
    assert not world.exchange.flat(ALPHA)
    world.trade(SPOT, SELL, 99, 1_000)
    assert world.exchange.flat(ALPHA)


def test_changed_tick_cancels_orders_counted_in_the_old_one() -> None:
    """After a rule change the numbers of a resting order mean something else."""
    world = World().rich().market()
    world.order(PERP, BUY, 100, 999, TimeInForce.GTC)
    world.run()
    changed = msgspec.structs.replace(PERP, tick_size=Decimal("0.01"))
    world.exchange.observe(InstrumentsChanged(world.now, ALPHA, (changed,)))
    closed = world.run()[0]
    assert isinstance(closed, OrderClosed)
    assert closed.status is OrderStatus.CANCELLED


def test_deleveraging_closes_a_fraction_at_mark_without_a_fee() -> None:
    """Half of 1 BTC goes at mark; the event is a forced fill of its own cause."""
    world = World().rich().market()
    world.trade(PERP, SELL, 1_000, 1_000)
    world.mark(PERP, "90")
    assert world.exchange.auto_deleverage(world.now, PERP.id, Decimal("0.5"))
    forced = world.run()[0]
    assert isinstance(forced, ForcedFill)
    assert (forced.cause, forced.side, forced.quantity_lots, forced.price_ticks, forced.fee) == (
        "adl", BUY, 500, 900, Decimal(0))
    assert not world.exchange.auto_deleverage(world.now, PERP_ETH.id, Decimal(1))


def test_interval_is_whatever_the_settlement_says() -> None:
    """Three settlements an hour apart are three payments."""
    world = World().rich().market()
    world.trade(PERP, SELL, 1_000, 1_000)
    count = 0
    for _ in range(3):
        world.run(HOUR / 1e9)
        world.settle(PERP, "0.0001", 1)
        count += len(paid(world))
    assert count == 3
