"""The daemon's monitors: an honest run shows nothing, each planted breach is told once, and the engine obeys."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import SubmitOrder
from bot.domain.events import InvariantBroken, OperatorAction
from bot.domain.orders import OrderIntent, Refusal, TimeInForce
from bot.domain.values import NS_PER_S, Nanos, OrderId, Side
from bot.engine.step import Step
from bot.portfolio.pairs import PairState
from bot.risk.limits import approve_reducing
from bot.risk.modes import Mode, Reason
from bot.runtime.monitors import Monitors
from bot.venues.simulated.faults import FaultPlan, FaultRates
from tests.unit.engine.alone import Alone
from tests.unit.engine.driving import PERP, SPOT, T0, Drive


class Watched:
    """A drive whose every step the monitors have seen."""

    def __init__(self, drive: Drive) -> None:
        self.found: list[InvariantBroken] = []
        self.drive = drive
        self.monitors = Monitors(drive.engine, self.found.append)

    @property
    def names(self) -> list[str]:
        return [breach.invariant for breach in self.found]

    def leaves(self, intent: OrderIntent, fence: int | None = None) -> None:
        """Such an order leaves with a step."""
        epoch = self.drive.engine.state.session.epoch if fence is None else fence
        order = msgspec.structs.replace(self.drive.orders[0].order, intent=intent, fence=epoch)
        event = msgspec.structs.replace(self.drive.events[-1], at_ns=self.drive.now)
        self.monitors.seen(event, Step(commands=(SubmitOrder(order),)))


@pytest.fixture
def held() -> Watched:
    return Watched(Drive().run_to_note("pair_opened").run(0.05))


def intent_of(watched: Watched, **changes: object) -> OrderIntent:
    """A sound reducing order of the pair's coins, changed."""
    sound = OrderIntent(
        order_id=OrderId("e4e1new"), owner=watched.drive.pair.pair_id, venue=SPOT.venue, instrument=SPOT.id,
        side=Side.SELL, quantity_lots=10, limit_price_ticks=9_990, time_in_force=TimeInForce.IOC, reduces_owner=True,
        reduce_only=False, parent_id="x", purpose="close", data_age_ns=0)
    approve_reducing(sound, Nanos(1), 1)
    return msgspec.structs.replace(sound, **changes)


@pytest.mark.parametrize("faults", [
    FaultPlan(), FaultPlan(rates=FaultRates.of(lost_answer=0.1, duplicated=0.2, dropped_event=0.2, late_booking=0.1),
                           start_ns=T0, end_ns=T0 + 86_400 * NS_PER_S),
], ids=["calm", "faulty"])
def test_an_honest_day_shows_no_breach(faults: FaultPlan) -> None:
    """Openings, funding, a flatten and a kill, with and without a bad network."""
    drive = Drive(faults=faults)
    found: list[InvariantBroken] = []
    monitors = Monitors(drive.engine, found.append)

    def look(step: Step) -> bool:
        monitors.seen(drive.events[-1], step)
        return False

    def on(hours: float) -> None:
        stop = drive.now + hours * 3600 * NS_PER_S
        drive.run(until=lambda step: look(step) or drive.now >= stop)

    on(3)
    drive.control(OperatorAction.FLATTEN)
    on(1)
    drive.control(OperatorAction.RESUME)
    on(2)
    drive.control(OperatorAction.KILL)
    on(1)
    assert monitors.looks > 10
    assert found == []


def test_I2_an_order_that_leaves_twice_is_told_once(held: Watched) -> None:
    """And halts."""
    for _ in range(3):
        held.leaves(intent_of(held))
    assert held.names == ["I2"]
    assert held.found[0].halts


def test_I4_an_opening_order_in_reduce_only_and_a_reduction_beyond_zero(held: Watched) -> None:
    """The mode held before the step already; and what reduces never crosses."""
    modes = held.drive.engine.state.modes
    modes.reduce(Reason("operator", Nanos(0), "", ""))
    held.monitors.seen(held.drive.events[-1], Step(notes=held.drive.steps[0].notes or (), wake_ns=Nanos(1)))
    held.monitors._remember()
    held.leaves(intent_of(held, reduces_owner=False, side=Side.BUY))
    held.leaves(intent_of(held, order_id=OrderId("b"), side=Side.BUY))
    assert [name for name in held.names if name == "I4"] == ["I4", "I4"]


def test_I12_an_order_of_another_epoch(held: Watched) -> None:
    """Two instances, one account."""
    held.leaves(intent_of(held), fence=99)
    assert held.names == ["I12"]


def test_I11_sizes_and_prices_that_no_venue_takes(held: Watched) -> None:
    """Nothing, and a price of nothing."""
    held.leaves(intent_of(held, quantity_lots=0))
    held.leaves(intent_of(held, order_id=OrderId("b"), limit_price_ticks=0))
    assert held.names == ["I11", "I11"]


def test_I9_and_I15_old_data_and_more_than_the_parent_wants(held: Watched) -> None:
    """No parent runs: nothing may open at all."""
    held.leaves(intent_of(held, reduces_owner=False, side=Side.BUY, data_age_ns=500 * NS_PER_S))
    assert held.names == ["I9", "I15"]


def test_I13_an_opening_before_its_venue_was_read(held: Watched) -> None:
    """The venue was distrusted before this step and still is."""
    state = held.drive.engine.state
    state.modes.block_venue(SPOT.venue, Reason("not_reconciled", Nanos(0), "", ""))
    held.monitors._remember()
    held.leaves(intent_of(held, reduces_owner=False, side=Side.BUY))
    assert "I13" in held.names


def test_I19_a_refused_reduction(held: Watched) -> None:
    """Our own limits never stand in the way of an exit."""
    refusal = Refusal(intent_of(held), "order_notional_max_usd", 2.0, 1.0)
    held.monitors.seen(held.drive.events[-1], Step(commands=(held.drive.orders[0],), refusals=(refusal,)))
    assert "I19" in held.names


def test_I8_a_filled_size_that_falls() -> None:
    """An order that is out forgets a trade."""
    drive = Drive().run_to_note("parent_started")
    watched = Watched(drive)
    (name,) = drive.engine.state.live_orders
    for filled in (5, 3):
        drive.engine.state.orders[name].filled_lots = filled
        watched.monitors.seen(drive.events[-1], Step())
    assert watched.names == ["I8"]


def test_I3_a_pair_that_is_off_and_neither_unwound_nor_told() -> None:
    """After ten seconds, and after a minute without a page."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.05))
    found: list[InvariantBroken] = []
    monitors = Monitors(alone.engine, found.append)
    pair = next(iter(alone.engine.state.pairs.values()))
    pair.unhedged_since_ns = alone.now
    for seconds in (5, 12, 70):
        at_ns = Nanos(pair.unhedged_since_ns + seconds * NS_PER_S)
        event = msgspec.structs.replace(alone.drive.events[-1], at_ns=at_ns)
        monitors.seen(event, Step())
    assert [breach.invariant for breach in found] == ["I3", "I3"]
    assert "not unwinding" in found[0].text
    assert "not paged" in found[1].text
    assert pair.state is PairState.HEDGED


def test_I6_an_attribution_that_does_not_add_up(held: Watched) -> None:
    """A cent that nobody earned."""
    held.drive.engine.ledger.state.account.fees += Decimal("0.01")
    held.monitors.seen(held.drive.events[-1], Step())
    assert held.names == ["I6"]


@pytest.mark.parametrize(("halts", "mode"), [(True, Mode.HALTED), (False, Mode.REDUCE_ONLY)])
def test_a_breach_stops_the_engine_until_an_operator_resumes(halts: bool, mode: Mode) -> None:
    """Journalled like any event, so a replay stops at the same place."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.05))
    step = alone.take(InvariantBroken(alone.after(1), "I2", "an order left twice", halts))
    assert alone.engine.state.modes.mode() is mode
    assert [getattr(command, "name", "") for command in step.commands] == ["invariant_broken"]
    assert alone.take(InvariantBroken(alone.after(1), "I2", "again", halts)).commands == ()
    assert PERP.id in alone.engine.state.market.instruments
