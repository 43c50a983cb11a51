"""Loops of our own making and of the venue's: runaway orders, in and out, rejects without end (F24, F29, F43)."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.commands import ReadAccount, SubmitOrder
from bot.domain.events import Control, OperatorAction, OrderRejected, RejectReason
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, OrderId, Side
from bot.engine import decision, orders_desk
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.execution.pair_moves import WantedOrder
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from bot.risk.params import RiskLimits
from tests.unit.engine.alone import Alone, names
from tests.unit.engine.driving import ALPHA, PERP, SPOT, Drive, instrument


def wanted(lots: int = 10, purpose: str = "open", ticks: int = 10_001) -> WantedOrder:
    return WantedOrder(instrument=SPOT.id, side=Side.BUY, lots=lots, limit_ticks=ticks,
                       time_in_force=TimeInForce.IOC, purpose=purpose, reduces_owner=False)


def held(**risk: float) -> tuple[Alone, Turn]:
    """An engine with a hedged pair, and a turn at a fresh quote."""
    params = EngineParams(risk=msgspec.structs.replace(RiskLimits(), **risk))
    alone = Alone(Drive(params=params).run_to_note("pair_opened"))
    return alone, Turn(alone.engine.state, alone.engine.ledger, params, alone.now)


def place(turn: Turn, alone: Alone, order: WantedOrder) -> bool:
    return orders_desk.place(turn, alone.drive.pair.pair_id, order, "loop")


def test_F29_the_fourth_equal_order_within_a_second_halts() -> None:
    """A planted loop sends the same order again and again: three leave, then HALTED and a page."""
    alone, turn = held()
    assert [place(turn, alone, wanted()) for _ in range(50)] == [True] * 3 + [False] * 47
    assert turn.state.modes.mode() is Mode.HALTED
    assert turn.refusals[0].limit == "equal_orders_max"
    assert [c for c in turn.commands if getattr(c, "name", "") == "runaway"]


def test_F29_orders_that_differ_are_no_loop() -> None:
    """Slices have sizes of their own."""
    alone, turn = held()
    assert all(place(turn, alone, wanted(lots=lots)) for lots in range(10, 20))


def test_F29_the_notional_of_a_day_has_a_bound() -> None:
    """Below the hour's bound each hour, above the day's in sum."""
    alone, turn = held(notional_per_hour_max_x=1.0, notional_per_day_max_x=1.0)
    turn.state.recent_opens.clear()
    equity = float(turn.equity_usd())
    turn.state.throttle.hours = {alone.now // (3600 * NS_PER_S) - 5: equity * 0.9999}
    assert not place(turn, alone, wanted(lots=30))
    assert turn.refusals[0].limit == "notional_per_day_max_x"
    assert turn.state.modes.mode() is Mode.HALTED


def test_F43_a_pair_left_too_often_in_a_day_is_passed_by_and_an_order_for_it_halts() -> None:
    """The decision names the reason; whatever opens it all the same is a mistake."""
    alone, turn = held(round_trips_per_day_max=2)
    pair = alone.drive.pair
    turn.state.throttle.trips = {f"{pair.long_leg}|{pair.short_leg}": [alone.now, alone.now]}
    candidate = next(c for c in alone.engine.candidates if c.key == f"{pair.long_leg}|{pair.short_leg}")
    assert decision.blocked_by(turn, candidate) == "round_trips_per_day_max"
    assert place(turn, alone, wanted(purpose="hedge"))
    assert turn.state.modes.mode() is Mode.RUN
    assert not place(turn, alone, wanted())
    assert turn.state.modes.mode() is Mode.HALTED


def test_F43_operators_who_flatten_and_resume_all_day_reach_the_bound() -> None:
    """Two ways in and out are allowed; the third is not begun, and the mode stays RUN."""
    params = EngineParams(
        risk=RiskLimits(round_trips_per_day_max=2),
        carry=msgspec.structs.replace(EngineParams().carry, cool_down_h=0.0, min_hold_h=0.0))
    drive = Drive(params=params)
    for _ in range(2):
        drive.run_to_note("pair_opened")
        drive.control(OperatorAction.FLATTEN)
        drive.run_to_note("pair_closed")
        kept = dict(drive.engine.state.throttle.trips)
        drive.control(OperatorAction.RESUME)
        drive.run(0.01)
        drive.engine.state.throttle.trips = kept  # a resume looks at them; here nobody did
    made = drive.engine.state.pairs_made
    drive.run(3)
    assert drive.engine.state.pairs_made == made == 2
    assert drive.engine.state.modes.mode() is Mode.RUN
    assert any("round_trips_per_day_max" in action for action in drive.records[-1].actions)


def test_F43_a_pair_that_is_cut_and_grown_again_counts_as_in_and_out() -> None:
    """Margin cuts, the decision grows: two rules at odds."""
    from bot.engine import pairs_desk

    alone, turn = held()
    pair = turn.state.pairs[alone.drive.pair.pair_id]
    size = alone.drive.quantity(SPOT)
    key = f"{pair.long_leg}|{pair.short_leg}"
    for target in (size / 2, size * 2, size * 3):
        pairs_desk.begin(turn, pair, target, "resize", "test")
    assert len(turn.state.throttle.trips[key]) == 1
    assert pair.state is PairState.REBALANCING


# ------------------------------------------------------------------------------------------------------ rejects


def rejected(alone: Alone, reason: RejectReason, times: int, of: InstrumentId = SPOT.id) -> list[str]:
    """So many refusals of orders on an instrument; the alerts they led to."""
    told: list[str] = []
    for place_ in range(times):
        turn = Turn(alone.engine.state, alone.engine.ledger, alone.drive.params, alone.now)
        assert orders_desk.place(turn, alone.drive.pair.pair_id, wanted(lots=10 + place_), "x")
        name = OrderId(next(reversed(alone.engine.state.live_orders)))
        told += names(alone.take(OrderRejected(alone.after(0.2), ALPHA, name, reason)))
    assert of == SPOT.id
    return told


@pytest.mark.parametrize("reason", [RejectReason.PRECISION, RejectReason.NOTIONAL_MIN])
def test_F24_three_equal_permanent_rejects_block_the_symbol_until_an_operator_looks(reason: RejectReason) -> None:
    """The same order would be refused for ever."""
    alone, _ = held()
    assert rejected(alone, reason, 3) == ["symbol_blocked"]
    alone.take(Control(alone.after(3_000), OperatorAction.RESUME, "tester"))
    assert not alone.engine.state.modes.instruments[SPOT.id]


def test_F24_passing_rejects_let_the_symbol_cool_down_and_it_opens_by_itself() -> None:
    """Six equal ones in ten minutes: ten minutes of rest, and a clean count after."""
    alone, _ = held()
    assert rejected(alone, RejectReason.OTHER, 5) == []
    assert rejected(alone, RejectReason.OTHER, 1) == ["symbol_blocked"]
    blocked_ns = alone.now
    assert "reject_cool_down" in alone.engine.state.modes.instruments[SPOT.id]
    while alone.now - blocked_ns < 600 * NS_PER_S:
        assert "reject_cool_down" in alone.engine.state.modes.instruments[SPOT.id]
        alone.wake()
    assert "reject_cool_down" not in alone.engine.state.modes.instruments[SPOT.id]
    assert SPOT.id not in alone.engine.state.rejects


def test_F24_makers_who_would_cross_are_not_a_loop() -> None:
    """Their orders are posted anew all day."""
    alone, _ = held()
    assert rejected(alone, RejectReason.WOULD_CROSS, 10) == []


def test_F24_a_refusal_for_lack_of_means_reads_the_account_at_once() -> None:
    """The venue counts otherwise than our books (F42: margin mode or leverage may have changed)."""
    alone, _ = held()
    state = alone.engine.state
    state.venues[ALPHA].read_id = ""
    state.venues[ALPHA].next_read_ns = Nanos(alone.now + 50 * NS_PER_S)
    turn = Turn(state, alone.engine.ledger, alone.drive.params, alone.now)
    assert place(turn, alone, wanted())
    name = next(c.order.intent.order_id for c in turn.commands if isinstance(c, SubmitOrder))
    step = alone.take(OrderRejected(alone.after(0.2), ALPHA, name, RejectReason.MARGIN))
    assert any(isinstance(command, ReadAccount) for command in step.commands)


def test_a_symbol_of_another_venue_is_not_blocked_with_it() -> None:
    """One symbol never stalls others."""
    alone, _ = held()
    rejected(alone, RejectReason.PRECISION, 3)
    assert not alone.engine.state.modes.blocks_open(ALPHA, PERP.id)
    assert instrument(ALPHA, "BTC/USDT").id == SPOT.id
