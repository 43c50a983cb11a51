"""What stops an order, what is told when nothing can be sent, and late news of pairs that are over."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import Alert, SubmitOrder, Transfer
from bot.domain.events import (
    AnyEvent,
    DeadlineReached,
    InstrumentsChanged,
    OperatorAction,
    OrderAccepted,
    OrderClosed,
    OrderStatus,
    Prints,
    ReferenceRate,
    TradingHalted,
)
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, OrderId, Side, Wallet
from bot.engine import orders_desk, owner_legs, pairs_desk
from bot.engine.engine import Engine
from bot.engine.exposure import exposure_of, futures_equity_usd, gross_worst_usd
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.engine.turn import Turn
from bot.execution.order_states import Order, OrderState
from bot.execution.pair_moves import WantedOrder
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from bot.risk.params import RiskLimits
from bot.strategy.params import CarryParams
from tests.unit.engine.alone import Alone, fill, names, poor_spot
from tests.unit.engine.driving import ALPHA, PERP, SPOT, Drive


def test_an_order_above_a_limit_is_refused_by_name_and_the_pair_is_given_up_calmly() -> None:
    """No order leaves, each refusal is recorded, the tries are paced, and at the deadline the pair is abandoned."""
    params = EngineParams(risk=RiskLimits(order_notional_max_usd=100.0))
    drive = Drive(params=params).run_to_note("pair_abandoned")
    refused = [refusal for step in drive.steps for refusal in step.refusals]
    assert drive.orders == []
    assert {refusal.limit for refusal in refused} == {"order_notional_max_usd"}
    assert len(refused) < 100
    assert drive.engine.state.pairs_closed == 0


def test_a_runaway_halts_the_account_and_the_pair_is_made_whole() -> None:
    """F29: more opening orders a minute than allowed: HALTED and paged; the leg that stood alone is trimmed."""
    params = EngineParams(risk=RiskLimits(orders_per_minute_max=1))
    drive = Drive(params=params).run(1.0)
    assert drive.engine.state.modes.mode() is Mode.HALTED
    assert "runaway" in drive.alerts
    assert drive.quantity(SPOT) + drive.quantity(PERP) < SPOT.quantity(7)
    assert all(order.order.intent.reduces_owner for order in drive.orders[1:])
    drive.control(OperatorAction.RESUME)
    drive.run(1e-6)
    assert drive.engine.state.modes.mode() is Mode.RUN


def test_what_cannot_be_valued_refuses_an_opening() -> None:
    """R7: a missing mark makes the worst case unknown, and unknown refuses."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    intents = {order.order.intent.instrument: order.order.intent for order in drive.orders}
    state = drive.engine.state
    turn = Turn(state, drive.engine.ledger, drive.params, drive.now)
    state.market.marks.clear()
    state.market.value_marks.clear()
    assert math.isnan(gross_worst_usd(turn, ALPHA)[0])
    assert math.isnan(futures_equity_usd(turn, ALPHA))
    assert math.isnan(exposure_of(turn, intents[PERP.id]).distance_bps)
    state.market.marks_ns.clear()
    assert math.isinf(exposure_of(turn, intents[PERP.id]).data_age_s)


def test_a_halted_instrument_blocks_its_opens_by_name() -> None:
    """A missing bar is a halt, not a price."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    intent = drive.orders[0].order.intent
    state = drive.engine.state
    state.market.fold_halt(TradingHalted(drive.now, ALPHA, (intent.instrument,), "missing bar"))
    turn = Turn(state, drive.engine.ledger, drive.params, drive.now)
    assert exposure_of(turn, intent).blocked == "halted"
    assert not pairs_desk.permissions(turn, drive.pair).opens


def test_a_leg_that_cannot_be_hedged_or_trimmed_is_paged_every_minute() -> None:
    """Both markets halt right after the first leg filled: UNWINDING at 10 s, a page at 60 s and again."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    intent = alone.engine.state.orders[name].intent
    alone.take(TradingHalted(alone.after(0.1), ALPHA, (SPOT.id, PERP.id), "outage"))
    alone.take(OrderAccepted(alone.after(0.1), ALPHA, name))
    alone.take(fill(alone, name, lots=intent.quantity_lots, of=intent.instrument, side=intent.side))
    begun, pages = alone.now, []
    while alone.now - begun < 190 * NS_PER_S:
        step = alone.wake()
        assert not any(isinstance(command, SubmitOrder) for command in step.commands)
        pages += [round((alone.now - begun) / NS_PER_S) for command in step.commands
                  if isinstance(command, Alert) and command.name == "one_legged" and command.page]
    assert pages == [60, 120, 180]
    pair = alone.engine.state.pairs[intent.owner]
    assert (pair.state, alone.engine.view().unhedged_s > 180) == (PairState.UNWINDING, True)


def test_a_flatten_becomes_urgent_when_the_kill_comes() -> None:
    """The exit that runs already is hurried, not begun anew."""
    params = EngineParams(execution=ExecutionParams(slice_usd_max=500.0))
    drive = Drive(params=params).run_to_note("pair_opened")
    drive.control(OperatorAction.FLATTEN)
    drive.run(1 / 3600)
    assert drive.pair.parent is not None
    begun = drive.pair.parent.parent_id
    drive.control(OperatorAction.KILL)
    drive.run(1e-9)
    assert drive.pair.parent is not None
    assert (drive.pair.parent.parent_id, drive.pair.parent.urgent) == (begun, True)
    drive.run(0.05)
    assert drive.pair.exit_reason == "operator_flatten"
    assert drive.pair.state is PairState.FLAT
    drive.control(OperatorAction.KILL)
    drive.run(0.05)
    assert drive.engine.state.pairs_closed == 1


def test_a_late_fill_of_a_pair_that_is_over_is_taken_off_again() -> None:
    """F17, end to end: booked for its owner, told, and reduced in the same step."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    drive.control(OperatorAction.KILL)
    drive.run_to_note("pair_closed")
    alone = Alone(drive)
    name = next(o.order.intent.order_id for o in drive.orders if o.order.intent.instrument == PERP.id)
    step = alone.take(fill(alone, name, lots=100, trade="late", side=Side.SELL))
    (order,) = [command.order.intent for command in step.commands if isinstance(command, SubmitOrder)]
    assert (order.side, order.quantity_lots, order.reduces_owner, order.reduce_only) == (Side.BUY, 100, True, True)
    assert "late_fill" in names(step)


def test_a_transfer_whose_command_never_left_is_taken_back() -> None:
    """Two reads a minute on that still show the cash where it was prove it; one proves nothing."""
    alone = Alone(poor_spot())
    (transfer,) = alone.engine.ledger.state.transfers.values()
    there = alone.engine.ledger.wallets(ALPHA).futures_usd + transfer.amount_usd
    for _ in range(2):
        alone.take(DeadlineReached(alone.after(40)))
    assert names(alone.take(alone.report(futures_usd=there))) == []
    assert alone.engine.state.transfers
    alone.take(alone.report())
    alone.take(alone.report(futures_usd=there))
    assert alone.engine.state.transfers
    assert "transfer_failed" in names(alone.take(alone.report(futures_usd=there)))
    assert alone.engine.ledger.wallets(ALPHA).futures_usd == there


def test_transfers_from_one_wallet_are_told_apart_by_their_amounts() -> None:
    """Two of 1 USD, of which one never left: had both one amount, nobody could say which is still to come."""
    drive = Drive().run_to_note("parent_started")
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.engine.params, drive.now)
    for number in range(3):
        turn.transfer(Transfer(f"x{number}", ALPHA, Wallet.SPOT, ALPHA, Wallet.FUTURES, Decimal(1)), "a test")
    turn.transfer(Transfer("y", ALPHA, Wallet.FUTURES, ALPHA, Wallet.SPOT, Decimal(1)), "a test")
    sent = [command.amount_usd for command in turn.commands if isinstance(command, Transfer)]
    assert sent == [Decimal(1), Decimal("0.99"), Decimal("0.98"), Decimal(1)]


def test_market_news_of_every_kind_is_folded_without_a_word() -> None:
    """Public trades, a yield, new rules: nothing leaves, and what must be known is known."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    quiet: list[AnyEvent] = [Prints(alone.after(0.1), ALPHA, ()), ReferenceRate(alone.after(0.1), "tbill", 0.05),
             InstrumentsChanged(alone.after(0.1), ALPHA, (SPOT,))]
    before = alone.engine.candidates
    assert [alone.take(event).decided for event in quiet] == [False] * 3
    assert alone.engine.state.market.hurdle_annual == 0.05
    assert alone.engine.candidates == before
    assert alone.engine.candidates is not before


def test_an_older_build_of_nothing_decides_nothing() -> None:
    """Before its first session an engine only folds."""
    step = Engine(EngineParams()).step(DeadlineReached(Drive().now))
    assert step == Step()


def test_many_flat_pairs_do_not_stop_the_engine() -> None:
    """An event that looks at every pair, hundreds of them long flat, still ends within its step."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    drive.control(OperatorAction.KILL)
    drive.run_to_note("pair_closed")
    pairs = drive.engine.state.pairs
    for number in range(300):
        pairs[type(drive.pair.pair_id)(f"pair-OLD-{number}")] = drive.pair
    drive.control(OperatorAction.PAUSE)
    drive.run(1e-9)
    assert drive.engine.state.modes.mode() is Mode.HALTED


@pytest.mark.parametrize(("key", "change"), [
    ("slices_max", {"slices_max": 0}), ("collar_max_bps", {"collar_max_bps": 1001.0}),
    ("absence_after_s", {"absence_after_s": 7.9}), ("unwind_after_s", {"unwind_after_s": 61.0}),
    ("maker_wait_s", {"maker_wait_s": 0.0}), ("maker_limit_share", {"maker_limit_share": 1.1}),
    ("time_jitter", {"time_jitter": 1.0}),
])
def test_parameters_that_would_disable_a_promise_are_refused_by_name(key: str, change: dict[str, float]) -> None:
    """No configuration turns a rule off by its number."""
    with pytest.raises(ValueError, match=key):
        ExecutionParams(**change)  # type: ignore[arg-type]


def test_prices_of_makers_need_makers() -> None:
    """A judgement on fees that are never paid would be false."""
    with pytest.raises(ValueError, match="maker_harder_leg"):
        EngineParams(carry=CarryParams(maker_harder_leg=True), execution=ExecutionParams(makers=False))


def test_a_resting_maker_is_filled_hedged_and_left_whole() -> None:
    """With makers on, post-only orders rest, each fill is hedged, a halt has their pair looked at; it ends whole."""
    params = EngineParams(execution=ExecutionParams(makers=True))
    drive = Drive(params=params).run_to_note("pair_opened")
    kinds = {order.order.intent.time_in_force.value for order in drive.orders}
    assert "post_only" in kinds
    drive.run(1.0)
    assert drive.pair.state is PairState.HEDGED
    assert drive.residual() == 0


def test_a_halt_has_makers_looked_at_when_the_instant_is_complete() -> None:
    """The pair of a resting order wakes at once; without one nothing does."""
    params = EngineParams(execution=ExecutionParams(makers=True))
    drive = Drive(params=params).run_to_note("parent_started").run(1e-5)
    alone = Alone(drive)
    (name,) = alone.engine.state.live_orders
    alone.take(OrderAccepted(alone.after(0.01), ALPHA, name))
    step = alone.take(TradingHalted(alone.after(0.01), ALPHA, (PERP.id, SPOT.id), "outage"))
    assert (step.commands, step.wake_ns) == ((), alone.now)
    step = alone.take(DeadlineReached(alone.now))
    assert step.wake_ns is not None
    alone.take(OrderClosed(alone.after(0.1), ALPHA, name, OrderStatus.CANCELLED, 0))
    later = alone.take(TradingHalted(alone.after(0.01), ALPHA, (PERP.id,), "outage"))
    assert later.wake_ns != alone.now
    assert Decimal(alone.engine.view().unhedged_usd) == 0


def test_a_pair_that_waits_for_money_is_hedged_all_the_same_when_a_late_fill_breaks_it() -> None:
    """R9's clock waits for no transfer."""
    drive = Drive(usd=3_000).run(0.5)
    drive.exchange.deposit(drive.now, ALPHA, Wallet.FUTURES, Decimal(15_000), "more")
    drive.run_to_note("transfer_sent")
    assert drive.pair.waiting_transfers
    alone = Alone(drive)
    name = next(o.order.intent.order_id for o in drive.orders if o.order.intent.instrument == PERP.id)
    step = alone.take(fill(alone, name, lots=500, trade="late", side=Side.SELL))
    (order,) = [command.order.intent for command in step.commands if isinstance(command, SubmitOrder)]
    assert (order.instrument, order.side, order.purpose) == (SPOT.id, Side.BUY, "hedge")


def test_an_alert_that_stands_is_sent_again_but_not_stacked() -> None:
    """One row until somebody acknowledges it, with the newest stamp; at most a hundred rows in all."""
    engine = Engine(EngineParams())
    turn = Turn(engine.state, engine.ledger, engine.params, Drive().now)
    turn.alert("a", "same", page=True)
    turn.alert("a", "same")
    assert [alert.page for alert in engine.state.alerts] == [True]
    assert len(turn.commands) == 2
    for number in range(150):
        turn.alert("b", str(number))
    assert len(engine.state.alerts) == 100


def test_orders_that_are_out_count_as_if_they_had_filled() -> None:
    """R5: the worst case before a second order includes the first, unless it reduces."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    intent = alone.engine.state.orders[name].intent
    turn = Turn(alone.engine.state, alone.engine.ledger, alone.engine.params, alone.now)
    expected = float(SPOT.quantity(intent.quantity_lots) * alone.engine.state.market.value(intent.instrument))
    assert gross_worst_usd(turn, ALPHA)[:2] == pytest.approx((expected, expected))
    alone.take(OrderClosed(alone.after(0.1), ALPHA, name, OrderStatus.EXPIRED, 0))
    assert gross_worst_usd(turn, ALPHA)[0] == 0.0


@pytest.mark.parametrize("state", [OrderState.OPEN, OrderState.UNKNOWN])
def test_R2_two_orders_that_face_each_other_are_not_nothing(state: OrderState) -> None:
    """A late order of one side and a new one of the other: the leg is busy until both are over."""
    drive = Drive().run_to_note("parent_started")
    (name,) = drive.engine.state.live_orders
    order = drive.engine.state.orders[name]
    other = OrderId(f"{name}x")
    facing = msgspec.structs.replace(order.intent, order_id=other, side=order.intent.side.opposite, reduces_owner=True)
    for each, intent in ((name, order.intent), (other, facing)):
        drive.engine.state.orders[each] = Order(intent=intent, sent_ns=drive.now, state=state)
        drive.engine.state.live_orders[each] = None
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.engine.params, drive.now)
    leg = owner_legs.leg_situation(turn, order.intent.owner, order.intent.instrument)
    assert not leg.quiet
    assert (leg.working_lots or leg.doubtful_lots) == 2 * order.intent.quantity_lots


def test_a_leg_does_not_leave_when_risk_would_refuse_its_hedge() -> None:
    """The perp leg may not be levered: the spot leg, which could be bought, is not sent either (F31)."""
    params = EngineParams(risk=RiskLimits(perp_leverage_max=1e-4))
    drive = Drive(params=params).run_to_note("pair_abandoned")
    refused = [refusal for step in drive.steps for refusal in step.refusals]
    assert drive.orders == []
    assert {(refusal.limit, refusal.intent.instrument) for refusal in refused} == {("perp_leverage_max", PERP.id)}


def test_a_pair_over_a_limit_is_opened_at_what_both_legs_may_be() -> None:
    """Only the perp's leverage binds, a twentieth of the wallet: both legs shrink alike, and the record names it."""
    drive = Drive(params=EngineParams(risk=RiskLimits(perp_leverage_max=0.05))).run_to_note("pair_opened")
    shrunk = [refusal for step in drive.steps for refusal in step.refusals if refusal.shrunk_to_lots]
    assert {(each.limit, each.intent.instrument) for each in shrunk} == {("perp_leverage_max", PERP.id)}
    assert all(each.value > each.allowed and each.shrunk_to_lots < each.intent.quantity_lots for each in shrunk)
    held = drive.quantity(PERP)
    mark = drive.engine.state.market.marks[PERP.id].mark
    assert 0 < float(-held * mark) <= 0.05 * futures_equity_usd(
        Turn(drive.engine.state, drive.engine.ledger, drive.engine.params, drive.now), ALPHA) * 1.001
    assert abs(drive.quantity(SPOT) + held) < PERP.lot_size


def test_a_room_too_small_for_the_other_leg_opens_nothing() -> None:
    """Six lots of the perp would pass; with the step that is kept free five are left, below the venue's 5 USD."""
    drive = Drive(params=EngineParams(risk=RiskLimits(perp_leverage_max=6.5e-4))).run_to_note("pair_abandoned")
    assert drive.orders == []
    refused = [refusal for step in drive.steps for refusal in step.refusals]
    assert {(each.limit, each.shrunk_to_lots) for each in refused} == {("perp_leverage_max", 0)}
    assert all(6.0 < each.allowed < 7.0 for each in refused)


def test_a_hedge_beyond_a_limit_leaves_at_what_is_left_of_it() -> None:
    """Half hedged is safer than not at all: order, throttle and record all have the smaller size."""
    alone = Alone(Drive().run_to_note("pair_opened"))
    state, now = alone.engine.state, alone.now
    turn = Turn(state, alone.engine.ledger, alone.engine.params, now)
    gross, equity = gross_worst_usd(turn, ALPHA)[0], float(turn.equity_usd())
    turn.params = EngineParams(risk=RiskLimits(gross_leverage_max=(gross + 500.0) / equity))
    ticks = state.market.quotes[PERP.id][1].bid_ticks
    wanted = WantedOrder(instrument=PERP.id, side=Side.SELL, lots=1_000, limit_ticks=ticks,
                         time_in_force=TimeInForce.IOC, purpose="hedge", reduces_owner=False)
    assert orders_desk.place(turn, alone.drive.pair.pair_id, wanted, "p")
    (sent,) = [command.order.intent for command in turn.commands if isinstance(command, SubmitOrder)]
    assert 495 <= sent.quantity_lots <= 500
    assert state.orders[sent.order_id].intent == sent
    assert state.recent_opens[-1][1] == pytest.approx(float(PERP.quantity(sent.quantity_lots) * PERP.price(ticks)))
    (cut,) = turn.refusals
    assert (cut.limit, cut.shrunk_to_lots) == ("gross_leverage_max", sent.quantity_lots)
    assert cut.intent.quantity_lots == 1_000
