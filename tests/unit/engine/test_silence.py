"""Venues that fall silent, and we who do: pages, doubt, the written policy, the dead-man switch (F22, F48)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import ArmDeadMan, SubmitOrder
from bot.domain.events import OrderClosed, OrderStatus, VenueConnection
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos
from bot.engine.params import EngineParams
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, Strike
from tests.unit.engine.alone import Alone, names
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0, TWO_VENUES, Drive

HOUR_DOWN = FaultPlan(strikes=(Strike(FaultKind.VENUE_DOWN, T0 + 30 * NS_PER_MINUTE, T0 + 90 * NS_PER_MINUTE, ALPHA),))


def alerts_at(drive: Drive, name: str) -> list[float]:
    """Minutes since T0 at which an alert was raised."""
    return [(event.at_ns - T0) / NS_PER_MINUTE for event, step in zip(drive.events, drive.steps, strict=True)
            if name in names(step)]


def crash(minute: int) -> float:
    """The price falls by 30 % while the venue is down."""
    return 1_000.0 if minute < 31 else 700.0


def test_F48_an_hour_down_in_a_crash_is_paged_within_a_minute_and_whole_pairs_are_left_whole() -> None:
    """Closing the leg that can be reached would leave the other alone; after the hour everything agrees."""
    drive = Drive(instruments=TWO_VENUES, faults=HOUR_DOWN, prices=crash, days=0.2)
    drive.run_to_note("pair_opened")
    legs = set(drive.pair.legs)
    drive.run(1.0)
    pages = alerts_at(drive, "venue_down")
    assert 30.5 < pages[0] <= 31.0
    assert pages[1] - pages[0] == pytest.approx(15.0)
    assert not [o for o in drive.orders if 31 * NS_PER_MINUTE < o.order.approved_at_ns - T0 < 80 * NS_PER_MINUTE]
    drive.run()
    assert "venue_back" in drive.notes
    assert not drive.engine.state.modes.venue_reasons(ALPHA)
    assert drive.residual() == 0
    assert legs <= {each.id for each in TWO_VENUES}


def test_F48_a_venue_with_nothing_of_ours_is_told_and_nobody_is_woken() -> None:
    """An alert without a page."""
    alone = Alone(Drive(days=0.02).run(0.02))
    alone.take(VenueConnection(alone.after(1), ALPHA, up=False))
    told = []
    while alone.now < alone.drive.now + 60 * NS_PER_S:
        step = alone.wake()
        told += [command for command in step.commands if getattr(command, "name", "") == "venue_down"]
    assert [command.page for command in told] == [False]  # type: ignore[union-attr]


def test_R6_an_account_that_cannot_be_read_is_not_known() -> None:
    """Three reconciliations in a row without an answer: no opens, a page; the next report lifts it."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    told: list[str] = []
    begun = alone.now
    while alone.now - begun < 200 * NS_PER_S:
        told += names(alone.wake())
    assert told.count("venue_silent") == 1
    assert "unread" in alone.engine.state.modes.venue_reasons(ALPHA)
    alone.take(alone.report())
    assert "unread" not in alone.engine.state.modes.venue_reasons(ALPHA)


# ---------------------------------------------------------------------------------------------- dead-man switch

MAKERS = EngineParams(execution=ExecutionParams(makers=True, maker_wait_s=600.0))


def resting() -> Drive:
    """A maker's order rests at the venue."""
    drive = Drive(params=MAKERS)
    return drive.run(until=lambda step: any(
        isinstance(c, SubmitOrder) and c.order.intent.time_in_force is TimeInForce.POST_ONLY for c in step.commands))


def test_F22_the_switch_is_armed_with_the_first_resting_order_and_again_before_it_runs_out() -> None:
    """At most 30 s apart for as long as something rests."""
    drive = resting()
    assert ArmDeadMan(ALPHA, 60.0) in drive.steps[-1].commands
    begun = drive.now
    drive.run(1 / 30)
    armed = [event.at_ns for event, step in zip(drive.events, drive.steps, strict=True)
             if any(isinstance(c, ArmDeadMan) and c.timeout_s for c in step.commands)]
    assert drive.engine.state.live_orders
    assert len(armed) >= 5
    assert max(later - sooner for sooner, later in zip(armed, armed[1:], strict=False)) <= 30 * NS_PER_S
    assert armed[0] == begun


def test_F22_a_dead_process_leaves_nothing_resting_after_a_minute() -> None:
    """Nobody re-arms it: the venue cancels, and the next process finds it so."""
    drive = resting()
    drive.run(2 / 3600)
    account = drive.exchange.account(ALPHA)
    assert account.open
    died = drive.now
    while (event := drive.schedule.pop(Nanos(died + 61 * NS_PER_S))) is not None:
        assert event.at_ns <= died + 61 * NS_PER_S  # the world goes on, nobody listens
    assert not account.open


def test_F22_nothing_rests_any_more_so_it_is_disarmed() -> None:
    """And takers never arm it."""
    drive = resting()
    drive.run_to_note("pair_opened").run(0.2)
    assert ArmDeadMan(ALPHA, 0.0) in drive.commands
    assert drive.engine.state.venues[ALPHA].armed_ns is None
    assert not any(isinstance(c, ArmDeadMan) for c in Drive().run_to_note("pair_opened").commands)


def test_F22_the_switch_can_be_left_unused() -> None:
    """dead_man_s = 0."""
    execution = msgspec.structs.replace(MAKERS.execution, dead_man_s=0.0)
    drive = Drive(params=EngineParams(execution=execution)).run_to_note("pair_opened")
    assert not any(isinstance(c, ArmDeadMan) for c in drive.commands)


def test_F22_a_switch_that_ran_out_is_met_like_any_cancel() -> None:
    """The venue closed it unasked: the clip is posted anew or taken, and the pair ends whole."""
    drive = resting()
    drive.run(2 / 3600)
    alone_ns = drive.now
    desk = drive.exchange.account(ALPHA)
    assert desk.open
    drive.exchange._desk(ALPHA).board.dead_man_ns = alone_ns
    drive.exchange._desk(ALPHA).lapse(alone_ns)
    drive.run(1)
    closed = [e for e in drive.events if isinstance(e, OrderClosed) and e.status is OrderStatus.CANCELLED]
    assert closed
    assert drive.pair.state in (PairState.HEDGED, PairState.REBALANCING)
    assert abs(drive.quantity(PERP) + drive.quantity(SPOT)) < Decimal("0.01")
    assert drive.quantity(PERP) < Decimal(-1)
