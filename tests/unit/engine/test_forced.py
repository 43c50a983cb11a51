"""Positions that the venue closes itself, wherever the pair stands, told or found (F35); funding gone wrong (F40)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.commands import SubmitOrder
from bot.domain.events import ForcedFill, FundingPaid, OperatorAction
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, Nanos, Side
from bot.engine.params import EngineParams
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, FaultRates, Strike
from tests.unit.engine.alone import Alone, fill, names
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0, Drive

SLOW = EngineParams(execution=ExecutionParams(slice_usd_max=500.0))


@pytest.mark.parametrize("fraction", ["0.3", "1"])
def test_F35_adl_of_any_share_takes_the_pair_off_at_once_and_the_books_agree(fraction: str) -> None:
    """Whole or in part: the other leg goes in the step that books it."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    assert drive.exchange.auto_deleverage(drive.now, PERP.id, Decimal(fraction))
    drive.run_to_note("forced_fill")
    assert [c.order.intent.instrument for c in drive.steps[-1].commands if isinstance(c, SubmitOrder)] == [SPOT.id]
    drive.run_to_note("pair_closed").run(0.1)
    assert drive.pair.exit_reason == "adl"
    assert drive.residual() == 0


def test_F35_adl_while_the_pair_is_closing_hurries_it_and_crosses_nothing() -> None:
    """The slices of a patient exit are given up; no leg changes its sign."""
    drive = Drive(params=SLOW).run_to_note("pair_opened").run(0.1)
    drive.control(OperatorAction.FLATTEN)
    drive.run(1 / 60)
    assert drive.pair.state.value == "closing"
    assert drive.exchange.auto_deleverage(drive.now, PERP.id, Decimal("0.5"))
    while drive.pair.live:
        drive.run(1 / 3600)
        assert drive.quantity(PERP) <= 0 <= drive.quantity(SPOT)
        assert drive.now < T0 + NS_PER_HOUR
    assert drive.residual() == 0


def test_F35_adl_while_a_leg_is_being_unwound_ends_flat() -> None:
    """The leg that was too long is taken by the venue: what is left of either side is closed."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    pair = alone.engine.state.pairs[alone.drive.pair.pair_id]
    lots = int(-alone.drive.quantity(PERP) / PERP.lot_size)
    name = next(o.order.intent.order_id for o in alone.drive.orders if o.order.intent.instrument == SPOT.id)
    alone.take(fill(alone, name, lots=lots // 2, trade="half", of=SPOT.id, side=Side.SELL))  # half the coins are gone
    pair.state = PairState.UNWINDING
    step = alone.take(ForcedFill(alone.after(1), ALPHA, PERP.id, "adl-1", Side.BUY, lots, 10_000, Decimal(0), "adl"))
    assert "adl" in names(step)
    orders = [c.order.intent for s in (step, *(alone.wake() for _ in range(12))) for c in s.commands
              if isinstance(c, SubmitOrder)]
    assert {order.side for order in orders if order.instrument == SPOT.id} == {Side.SELL}
    assert all(order.reduces_owner for order in orders)
    assert pair.exit_reason == "adl"


def test_F35_adl_that_no_stream_tells_is_found_by_the_next_read() -> None:
    """Within the minute, and treated as if it had been told."""
    drive = Drive(faults=FaultPlan(rates=FaultRates.of(dropped_event=1.0), start_ns=T0 + NS_PER_HOUR // 4,
                                   end_ns=T0 + 2 * NS_PER_HOUR))
    drive.run_to_note("pair_opened")
    drive.run(0.2)
    begun = drive.now
    assert drive.exchange.auto_deleverage(begun, PERP.id, Decimal(1))
    drive.run_to_note("forced_fill")
    assert drive.now - begun <= 62 * NS_PER_S
    drive.run_to_note("pair_closed")
    assert drive.residual() == 0


def test_F35_a_liquidation_out_of_the_blue_leaves_no_leg_alone() -> None:
    """The venue's own spike; our margin was fine."""
    plan = FaultPlan(strikes=(Strike(FaultKind.LIQUIDATION, T0 + NS_PER_HOUR // 2, T0 + NS_PER_HOUR // 2, ALPHA),))
    drive = Drive(faults=plan).run_to_note("pair_closed").run(0.1)
    assert drive.pair.exit_reason == "liquidation"
    assert drive.quantity(SPOT) == drive.quantity(PERP) == 0
    assert drive.residual() == 0


# ------------------------------------------------------------------------------------------------------ funding


def test_F40_a_payment_booked_late_is_booked_once_and_for_who_held_then() -> None:
    """Twenty minutes late, after the pair is gone: the pair's all the same."""
    drive = Drive(faults=FaultPlan(rates=FaultRates.of({FaultKind.FUNDING_LATE: 1200.0}, funding_late=1.0),
                                   start_ns=T0, end_ns=T0 + NS_PER_DAY))
    drive.run_to_note("pair_opened")
    while drive.now < T0 + 8 * NS_PER_HOUR + NS_PER_S:
        drive.run(0.25)
    pair_id = drive.pair.pair_id
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("pair_closed").run(0.6)
    paid = [event for event in drive.events if isinstance(event, FundingPaid)]
    assert len(paid) == 1
    assert paid[0].at_ns > paid[0].settled_ns
    assert drive.engine.ledger.attribution(pair_id).funding == paid[0].amount_usd
    assert drive.residual() == 0


def test_F40_a_payment_at_another_rate_is_booked_as_paid_and_alarms() -> None:
    """The venue is the truth, and the gap somebody's mistake."""
    drive = Drive(faults=FaultPlan(rates=FaultRates.of(funding_restated=1.0), start_ns=T0, end_ns=T0 + NS_PER_DAY))
    drive.run_to_note("funding_booked")
    assert "funding_gap" in drive.alerts
    assert drive.residual() == 0


def test_F40_a_payment_that_is_never_made_alarms_and_is_written_off_after_a_day() -> None:
    """It stays pending, is told after a quarter of an hour, and given up when the venue's own account has none."""
    drive = Drive(days=1.6, faults=FaultPlan(rates=FaultRates.of(funding_missing=1.0), start_ns=T0,
                                             end_ns=T0 + 9 * NS_PER_HOUR))
    drive.run_to_note("pair_opened")
    drive.run(9)
    assert drive.alerts.count("funding_missing") == 1
    assert drive.engine.ledger.pending_settlements()
    drive.run()
    assert "funding_written_off" in drive.alerts
    assert not [row for row in drive.engine.ledger.pending_settlements() if row[1] < T0 + 9 * NS_PER_HOUR]
    assert drive.residual() == 0
    assert drive.engine.state.modes.mode() is Mode.RUN
    assert Nanos(T0) < drive.now
