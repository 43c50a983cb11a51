"""Makers in the engine: rest on ticks, take on bars, hedge at once, and end with whatever forbids them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import CancelOrder
from bot.domain.events import Fill, MarketEvent, OperatorAction, Print, Prints, TradingHalted, VenueConnection
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import NS_PER_S, Nanos, OrderId, Side
from bot.engine.params import EngineParams
from bot.execution.order_states import OrderState
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.params import RiskLimits
from bot.strategy.params import CarryParams
from bot.venues.simulated.faults import FaultPlan, FaultRates
from tests.unit.engine.driving import ALPHA, ONE_VENUE, PERP, SPOT, T0, Drive, session

MAKERS = EngineParams(execution=ExecutionParams(makers=True))
DECISION_S = 120


def at_s(second: float) -> Nanos:
    return Nanos(T0 + round(second * NS_PER_S))


def hit(second: float, lots: int) -> MarketEvent:
    """Somebody sells at our bid; 100,000 lots stand before us there."""
    return Prints(at_s(second), ALPHA, (Print(SPOT.id, Side.SELL, 10_000, lots),))


def posted(params: EngineParams = MAKERS, **changes: object) -> Drive:
    """A drive whose first clip has just been accepted by the venue."""
    drive = Drive(params=params, **changes)  # type: ignore[arg-type]
    drive.run((DECISION_S + 0.5) / 3600)
    return drive


def intents(drive: Drive) -> list[OrderIntent]:
    return [order.order.intent for order in drive.orders]


def clip(drive: Drive) -> OrderId:
    """The one order that rests."""
    (only,) = drive.engine.state.live_orders
    assert drive.engine.state.orders[only].intent.time_in_force is TimeInForce.POST_ONLY
    return only


def cancelled_ns(drive: Drive, order_id: OrderId) -> list[int]:
    return [event.at_ns for event, step in zip(drive.events, drive.steps, strict=True)
            for command in step.commands if isinstance(command, CancelOrder) and command.order_id == order_id]


def test_where_ticks_are_shown_the_first_order_rests_at_the_touch() -> None:
    """Post-only at the bid, worth at most 2 % of the target."""
    drive = posted()
    order = drive.engine.state.orders[clip(drive)]
    assert (order.state, order.intent.instrument, order.intent.limit_price_ticks) == (OrderState.OPEN, SPOT.id, 10_000)
    assert SPOT.quantity(order.intent.quantity_lots) <= drive.pair.target_base * Decimal("0.0201")


def test_on_bars_every_leg_is_taken() -> None:
    """A feed of hourly bars shows no queue: makers on changes nothing there."""
    hourly = msgspec.structs.replace(session(ONE_VENUE), cadence_s=3600.0)
    drive = Drive(params=MAKERS, start=hourly).run_to_note("pair_opened")
    assert {intent.time_in_force for intent in intents(drive)} == {TimeInForce.IOC}


def test_without_the_parameter_every_leg_is_taken() -> None:
    """All-taker is the default."""
    drive = Drive().run_to_note("pair_opened")
    assert {intent.time_in_force for intent in intents(drive)} == {TimeInForce.IOC}


def test_each_fill_is_hedged_in_the_step_that_books_it() -> None:
    """Two partial fills of one clip: two hedges, the maker's fee on the one leg, the taker's on the other."""
    drive = posted(extra=[hit(121, 100_050), hit(123, 30)])
    before = len(drive.orders)
    drive.run(4 / 3600)
    fills = [event for event in drive.events if isinstance(event, Fill)]
    makers = [fill for fill in fills if fill.maker]
    hedges = [intent for intent in intents(drive)[before:] if intent.purpose == "hedge"]
    assert [fill.quantity_lots for fill in makers] == [50, 30]
    assert [intent.quantity_lots for intent in hedges] == [50, 30]
    assert {intent.time_in_force for intent in hedges} == {TimeInForce.IOC}
    for event, step in zip(drive.events, drive.steps, strict=True):
        if isinstance(event, Fill) and event.maker:
            assert len(step.commands) == 1
            assert event.fee == SPOT.quantity(event.quantity_lots) * SPOT.maker_fee
    assert clip(drive) == makers[0].order_id == makers[1].order_id
    assert drive.pair.unhedged_since_ns is None


def test_what_nobody_hits_is_taken_after_the_wait_and_never_beside_the_maker() -> None:
    """20 s, a cancel, its proof, and only then the taking order."""
    drive = posted()
    name = clip(drive)
    drive.run(19 / 3600)
    assert cancelled_ns(drive, name) == []
    drive.run(2 / 3600)
    assert cancelled_ns(drive, name) == [at_s(DECISION_S + 20)]
    order = drive.engine.state.orders[name]
    assert (order.state, order.filled_lots) == (OrderState.CANCELLED, 0)
    taken = intents(drive)[1]
    assert (taken.instrument, taken.time_in_force) == (SPOT.id, TimeInForce.IOC)
    drive.run(0.5)
    assert drive.pair.state is PairState.HEDGED
    assert drive.residual() == 0


@pytest.mark.parametrize("action", [
    OperatorAction.PAUSE, OperatorAction.FLATTEN, OperatorAction.KILL, OperatorAction.KILL_HOLD, OperatorAction.STOP])
def test_an_operators_order_cancels_it_in_the_same_step(action: OperatorAction) -> None:
    """Nothing opens after an operator has said stop."""
    drive = posted()
    name, now_ns = clip(drive), drive.now
    drive.control(action)
    drive.run(0.5)
    assert cancelled_ns(drive, name)[0] == now_ns
    assert not drive.engine.state.live_orders
    assert drive.quantity(SPOT) == drive.quantity(PERP) == 0


def test_a_halt_of_the_other_leg_cancels_it_at_that_instant() -> None:
    """Its fills could not be hedged."""
    drive = posted(extra=[TradingHalted(at_s(DECISION_S + 3), ALPHA, (PERP.id,), "missing bar")])
    name = clip(drive)
    drive.run(4 / 3600)
    assert cancelled_ns(drive, name) == [at_s(DECISION_S + 3)]


def test_a_lost_connection_cancels_it_in_the_same_step() -> None:
    """No opens at a venue that does not tell us what happens."""
    drive = posted()
    name, now_ns = clip(drive), drive.now
    drive.hand_in(VenueConnection(now_ns, ALPHA, False))
    drive.run(1 / 3600)
    assert cancelled_ns(drive, name)[0] == now_ns


def test_a_cancel_that_came_before_its_order_is_sent_again() -> None:
    """The venue books the create late: the cancel finds nothing, the order then rests, and must not be forgotten."""
    late = FaultPlan(rates=FaultRates.of(late_booking=1.0), start_ns=at_s(DECISION_S), end_ns=at_s(DECISION_S + 0.01))
    drive = posted(faults=late)
    name = clip(drive)
    assert drive.engine.state.orders[name].state is OrderState.SENT
    drive.control(OperatorAction.PAUSE)
    drive.run(0.1)
    assert len(cancelled_ns(drive, name)) >= 2
    assert drive.engine.state.orders[name].state is OrderState.CANCELLED


def test_when_half_of_the_minutes_orders_are_used_legs_are_taken() -> None:
    """Clips and their hedges may not run into the limit that halts."""
    few = EngineParams(execution=ExecutionParams(makers=True), risk=RiskLimits(orders_per_minute_max=20))
    drive = posted(few)
    name = clip(drive)
    drive.engine.state.recent_opens += [(drive.now, 1.0)] * 9
    drive.run(2 / 3600)
    assert len(cancelled_ns(drive, name)) == 1
    assert intents(drive)[1].time_in_force is TimeInForce.IOC


# ------------------------------------------------------------------------------------------------------- pricing


def fees_bps(params: EngineParams) -> float:
    """The fees of the first decision's candidate."""
    drive = Drive(params=params).run(0.04)
    (judged,) = [each for each in drive.records[0].candidates if each.terms_bps]
    return dict(judged.terms_bps)["fees"]


def test_pricing_the_harder_leg_as_maker_needs_makers() -> None:
    """A configuration that judges fills it never makes is refused."""
    with pytest.raises(ValueError, match="maker_harder_leg"):
        EngineParams(carry=CarryParams(maker_harder_leg=True))


def test_the_harder_leg_is_judged_at_the_makers_fee() -> None:
    """2 instead of 5 bp for two of the four fills."""
    carry = CarryParams(maker_harder_leg=True)
    cheaper = fees_bps(msgspec.structs.replace(MAKERS, carry=carry))
    assert fees_bps(MAKERS) == pytest.approx(-20.0)
    assert cheaper == pytest.approx(-14.0)
