"""The simulated exchange under any sequence of orders, marks, prints, funding, transfers and kills."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Unavailable
from bot.domain.events import CashMoved, Fill, ForcedFill, FundingPaid, OrderStatus, Print, Prints, TradingHalted
from bot.domain.instrument import Instrument
from bot.domain.orders import TimeInForce
from bot.domain.values import MONEY, ZERO, Side, Wallet
from bot.venues.simulated.account import LogEntry
from bot.venues.simulated.faults import FaultPlan, FaultRates
from bot.venues.simulated.params import MarginMode, SimulatedParams
from bot.venues.simulated.saved import ENCODE
from tests.examples import examples
from tests.unit.venues.sim_world import ALL, ALPHA, BETA, World

Action = tuple[object, ...]
VENUES = (ALPHA, BETA)
PRICES = st.integers(985, 1_015)
INSTRUMENTS = st.sampled_from(ALL)
PERPS = st.sampled_from([of for of in ALL if of.is_perp])
ORDERS = st.tuples(st.just("order"), INSTRUMENTS, st.sampled_from(Side), st.integers(50, 4_000), PRICES,
                   st.sampled_from(TimeInForce), st.sampled_from((False, False, True)),
                   st.sampled_from((0.0, 0.05, 1.0, 1.0)))
QUOTES = st.tuples(st.just("quote"), INSTRUMENTS, PRICES, st.integers(1, 4), st.integers(0, 5_000))
MARKS = st.tuples(
    st.just("mark"), PERPS, st.one_of(st.integers(9_800_000, 10_200_000), st.integers(8_000_000, 12_500_000)))
ACTIONS = st.one_of(
    ORDERS, ORDERS, ORDERS, QUOTES, QUOTES, MARKS,
    st.tuples(st.just("print"), INSTRUMENTS, st.sampled_from(Side), PRICES, st.integers(1, 5_000)),
    st.tuples(st.just("settle"), PERPS, st.integers(-400, 400), st.sampled_from((1, 4, 8))),
    st.tuples(st.just("transfer"), st.sampled_from(VENUES), st.sampled_from(Wallet), st.sampled_from(VENUES),
              st.sampled_from(Wallet), st.integers(1, 600)),
    st.tuples(st.just("cancel"), st.integers(1, 20)),
    st.tuples(st.sampled_from(("adl", "halt", "read", "read")), INSTRUMENTS),
    st.tuples(st.just("run"), st.sampled_from((0.04, 1.0, 130.0))),
)
SCENES = st.lists(ACTIONS, min_size=30, max_size=60)
PARAMS = st.sampled_from([
    SimulatedParams(leverage_max=30), SimulatedParams(margin_mode=MarginMode.ISOLATED),
    SimulatedParams(leverage_max=50, latency_jitter_ms=30.0),
])


def busy(params: SimulatedParams, faults: FaultPlan | None = None, books: Path | None = None) -> World:
    """A world that holds something of everything: short and long perpetuals at two venues, coins, little cash."""
    world = World(params, faults, books=books).rich(400).market()
    for of, side in zip(ALL, (Side.BUY, Side.SELL, Side.BUY, Side.SELL), strict=True):
        world.order(of, side, 3_000, 1_000 + 20 * side)
    world.run()
    return world


def act(world: World, action: Action) -> list[object]:
    """Do one thing; requests arrive and answers come only where time passes."""
    match action:
        case ("quote", Instrument() as of, int() as bid, int() as width, int() as lots):
            world.quote(of, bid, bid + width, lots=lots, depth=3 * lots)
            return [*world.run(0.01)]
        case ("mark", Instrument() as of, int() as mark):
            world.mark(of, str(Decimal(mark).scaleb(-5)))
        case ("order", Instrument() as of, Side() as side, int() as lots, int() as ticks, TimeInForce() as tif,
              bool() as reduce_only, float() as seconds):
            world.order(of, side, lots, ticks, tif, reduce_only=reduce_only)
            return [*world.run(seconds)]
        case ("print", Instrument() as of, Side() as side, int() as ticks, int() as lots):
            world.exchange.observe(Prints(world.now, of.venue, (Print(of.id, side, ticks, lots),)))
        case ("settle", Instrument() as of, int() as rate, int() as interval_h):
            world.settle(of, str(Decimal(rate).scaleb(-5)), interval_h)
        case ("transfer", venue_from, Wallet() as wallet_from, venue_to, Wallet() as wallet_to, int() as amount):
            ends = {str(venue): venue for venue in VENUES}
            world.transfer(str(amount), (ends[str(venue_from)], wallet_from), (ends[str(venue_to)], wallet_to),
                           name=f"t{world.orders}-{amount}")
        case ("cancel", int() as number):
            for venue in VENUES:
                for order in world.exchange.account(venue).orders[number - 1:number]:
                    world.cancel(next(of for of in ALL if of.id == order.instrument), order.order_id)
        case ("adl", Instrument() as of):
            world.exchange.auto_deleverage(world.now, of.id, Decimal("0.3"))
        case ("halt", Instrument() as of):
            world.exchange.observe(TradingHalted(world.now, of.venue, (of.id,), "missing bar"))
        case ("read", Instrument() as of):
            world.read(of.venue)
        case ("run", float() as seconds):
            return [*world.run(seconds)]
        case _:
            raise AssertionError(action)
    return []


def values(world: World) -> dict[str, Decimal]:
    """V of every instrument that has one."""
    found: dict[str, Decimal] = {}
    for of in ALL:
        try:
            found[of.id] = world.exchange._desk(of.venue).board.value_price(of)
        except Unavailable:
            continue
    return found


def held(world: World) -> dict[str, Decimal]:
    """Quantity by instrument, coins under their spot market."""
    found: dict[str, Decimal] = {}
    for of in ALL:
        holdings = world.exchange.account(of.venue).holdings
        quantity = world.position(of) if of.is_perp else holdings.coins.get(of.coin, ZERO)
        if quantity:
            found[of.id] = quantity
    return found


def explained(entry: LogEntry, at: dict[str, Decimal]) -> Decimal:
    """What one booking does to equity at the valuation prices `at`."""
    match entry:
        case Fill() | ForcedFill():
            of = next(each for each in ALL if each.id == entry.instrument)
            signed = of.quantity(entry.quantity_lots) * entry.side
            in_coin = isinstance(entry, Fill) and entry.fee_in_base
            fee = MONEY.multiply(entry.fee, at[of.id]) if in_coin else entry.fee
            gain = MONEY.multiply(signed, MONEY.subtract(at[of.id], of.price(entry.price_ticks)))
            return MONEY.subtract(gain, fee)
        case FundingPaid() | CashMoved():
            return entry.amount_usd
        case _:
            return -entry.fee_usd


@settings(max_examples=80, deadline=None)
@given(PARAMS, SCENES)
def test_equity_moves_only_by_prices_fees_funding_and_cash(params: SimulatedParams, actions: list[Action]) -> None:
    """After each step the change of equity is explained to the last digit, whatever was liquidated or under way."""
    world = busy(params)
    for action in actions:
        before, prices, quantities = world.exchange.equity_usd(), values(world), held(world)
        logs = {venue: len(world.exchange.account(venue).log) for venue in VENUES}
        act(world, action)
        after = values(world)
        change = ZERO
        for name, quantity in quantities.items():
            change = MONEY.add(change, MONEY.multiply(quantity, MONEY.subtract(after[name], prices[name])))
        for venue, length in logs.items():
            for entry in world.exchange.account(venue).log[length:]:
                change = MONEY.add(change, explained(entry, after))
        assert MONEY.subtract(world.exchange.equity_usd(), before) == change


@settings(max_examples=80, deadline=None)
@given(PARAMS, SCENES)
def test_books_agree_with_the_trades(params: SimulatedParams, actions: list[Action]) -> None:
    """Positions and coins are the sum of the fills, no order fills beyond its size, none rests when finished."""
    world = busy(params)
    for action in actions:
        act(world, action)
    for of in ALL:
        account = world.exchange.account(of.venue)
        total = ZERO
        for trade in account.fills:
            if trade.instrument == of.id:
                total += of.quantity(trade.quantity_lots) * trade.side
                total -= trade.fee if isinstance(trade, Fill) and trade.fee_in_base else ZERO
        assert total == held(world).get(of.id, ZERO)
    for venue in VENUES:
        account = world.exchange.account(venue)
        assert len({trade.trade_id for trade in account.fills}) == len(account.fills)
        for order in account.orders:
            assert sum(trade.quantity_lots for trade in account.fills_of(order)) == order.filled_lots
            assert order.filled_lots <= order.quantity_lots
            assert (order.status is OrderStatus.OPEN) == (order.order_id in account.open)
            for trade in account.fills_of(order):
                assert (order.limit_price_ticks - trade.price_ticks) * order.side >= 0


@settings(max_examples=examples(16), deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.sampled_from((False, False, True))), min_size=20, max_size=40), st.booleans())
def test_kill_and_reopen_changes_nothing(actions: list[tuple[Action, bool]], faulty: bool) -> None:
    """Killed after any commit, the exchange goes on with the same answers and ends in the same bytes."""
    rates = FaultRates.of(lost_answer=0.2, late_booking=0.2, duplicated=0.2, delayed_answer=0.2, dropped_event=0.1)
    plan = FaultPlan(rates=rates, end_ns=2**62) if faulty else None
    calm = busy(SimulatedParams(leverage_max=30), plan)
    with tempfile.TemporaryDirectory() as folder:
        killed = busy(SimulatedParams(leverage_max=30), plan, Path(folder) / "venue.db")
        for action, kill in actions:
            if kill:
                killed.exchange.commit()
                killed.reopen()
            assert act(killed, action) == act(calm, action)
        killed.exchange.commit()
        killed.reopen()
        assert ENCODE.encode(killed.exchange.saved()) == ENCODE.encode(calm.exchange.saved())
        assert killed.file is not None
        killed.file.close()


@settings(max_examples=15, deadline=None)
@given(PARAMS, SCENES)
def test_equal_inputs_give_equal_answers(params: SimulatedParams, actions: list[Action]) -> None:
    """Two exchanges of one seed cannot be told apart."""
    first, second = busy(params), busy(params)
    for action in actions:
        assert act(first, action) == act(second, action)
    assert ENCODE.encode(first.exchange.saved()) == ENCODE.encode(second.exchange.saved())


@settings(max_examples=60, deadline=None)
@given(PARAMS, st.sampled_from(Side), st.lists(st.integers(1_000_000, 40_000_000), min_size=1, max_size=6))
def test_liquidation_never_leaves_a_debt(params: SimulatedParams, side: Side, marks: list[int]) -> None:
    """However marks jump, a pool that is closed ends with zero or more."""
    world = World(params).rich(300).market()
    for of in ALL:
        if of.is_perp:
            world.order(of, side, 6_000, 1_000 + 10 * side)
    world.run()
    for mark in marks:
        for of in ALL:
            if of.is_perp:
                world.mark(of, str(Decimal(mark).scaleb(-5)))
    for venue in VENUES:
        holdings = world.exchange.account(venue).holdings
        assert holdings.positions or holdings.futures_usd >= 0
