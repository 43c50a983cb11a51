"""Makers against the simulated exchange: whatever the tape prints, a pair ends whole and each fill finds its hedge."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.commands import SubmitOrder
from bot.domain.events import AnyEvent, Fill, Mark, MarketEvent, Marks, OperatorAction, Print, Prints, Quote, Quotes
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, OrderId, Side
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, FaultRates
from bot.venues.simulated.params import SimulatedParams
from tests.examples import examples
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0, Drive, halted

MAKERS = EngineParams(execution=ExecutionParams(makers=True, slice_usd_max=2_000.0, maker_limit_share=0.05))
BEGIN_S, TICKS_S = 110, 400
"""The first decision falls on second 120."""
TOLERANCE = Decimal("0.006")
"""A spot market sells no less than 5 USD."""


class Tape(msgspec.Struct, frozen=True):
    """How wild the seconds after the decision are."""

    seed: int
    step_ticks: int
    touch_lots: int
    print_lots_max: int
    halted_after_s: int | None


TAPES = st.builds(
    Tape, seed=st.integers(0, 10**6), step_ticks=st.integers(0, 4), touch_lots=st.sampled_from([300, 3_000, 9_000]),
    print_lots_max=st.sampled_from([5, 60, 900, 9_000]), halted_after_s=st.sampled_from([None, None, None, 13, 31]))
ORDERS = st.lists(st.tuples(st.integers(1, 90), st.sampled_from([
    OperatorAction.PAUSE, OperatorAction.RESUME, OperatorAction.FLATTEN, OperatorAction.KILL, OperatorAction.KILL_HOLD,
])), max_size=3)


def tape(of: Tape) -> list[MarketEvent]:
    """A quote of both legs each second, and prints that hit bids and lift offers by chance."""
    random = Random(of.seed)
    found: list[MarketEvent] = []
    mid = 10_000
    for second in range(BEGIN_S, BEGIN_S + TICKS_S):
        at = Nanos(T0 + second * NS_PER_S)
        mid += random.randint(-of.step_ticks, of.step_ticks)
        quotes = []
        for leg, thinner in ((SPOT, 2), (PERP, 1)):
            bid, ask = (max(int(of.touch_lots * random.uniform(0.3, 1.0)) // thinner, 1) for _ in range(2))
            quotes.append(Quote(leg.id, mid, mid + 1, bid, ask, 20 * of.touch_lots))
        prints = [Print(leg.id, side, mid + (side is Side.BUY), random.randint(1, of.print_lots_max))
                  for leg in (SPOT, PERP) for side in Side if random.random() < 0.6]
        found += [Marks(at, ALPHA, (Mark(PERP.id, PERP.price(mid)),)), Quotes(at, ALPHA, tuple(quotes)),
                  Prints(at, ALPHA, tuple(prints))]
    if of.halted_after_s is not None:
        found.append(halted(PERP, (120 + of.halted_after_s) / 60 + 0.001))
    return found


class Watch:
    """Follows a drive step by step and checks the promises on the way."""

    def __init__(self, drive: Drive, *, calm: bool) -> None:
        self.drive = drive
        self.calm = calm
        self.filled: dict[OrderId, int] = {}
        self.seen: set[tuple[str, str]] = set()
        self.maker_fills = 0
        self.longest_ns = 0

    def run(self, hours: float) -> None:
        """On for so long, one event at a time."""
        stop_ns = int(self.drive.now + hours * 3600 * NS_PER_S)
        drive = self.drive
        while (event := drive.schedule.pop(stop_ns)) is not None:
            step = drive.engine.step(event)
            drive.events.append(event)
            drive.steps.append(step)
            drive.schedule.handle(event.at_ns, step.commands)
            drive.schedule.wake(step.wake_ns)
            self._after(event, step)

    def _after(self, event: AnyEvent, step: Step) -> None:
        state = self.drive.engine.state
        slots: dict[tuple[str, InstrumentId, bool], int] = {}
        for order_id in state.live_orders:
            order = state.orders[order_id]
            if order.doubt_since_ns is None and order.state is not OrderState.UNKNOWN:
                slot = (order.intent.owner, order.intent.instrument, order.intent.reduces_owner)
                slots[slot] = slots.get(slot, 0) + 1
        assert max(slots.values(), default=0) <= 1, f"two live orders for one purpose: {slots}"
        for pair in state.pairs.values():
            if pair.unhedged_since_ns is not None:
                self.longest_ns = max(self.longest_ns, event.at_ns - pair.unhedged_since_ns)
        if isinstance(event, Fill) and (event.venue, event.trade_id) not in self.seen:
            self._filled(event, step)

    def _filled(self, fill: Fill, step: Step) -> None:
        """What has filled stays within its intent, and a maker's fill has its hedge in the same step."""
        self.seen.add((fill.venue, fill.trade_id))
        state = self.drive.engine.state
        order = state.orders[fill.order_id]
        total = self.filled[fill.order_id] = self.filled.get(fill.order_id, 0) + fill.quantity_lots
        assert total <= order.intent.quantity_lots
        if not fill.maker:
            return
        self.maker_fills += 1
        assert order.intent.time_in_force is TimeInForce.POST_ONLY
        pair = state.pairs[order.intent.owner]
        gap = self.drive.quantity(SPOT, pair.pair_id) + self.drive.quantity(PERP, pair.pair_id)
        if self.calm and abs(gap) > TOLERANCE:
            other = PERP.id if fill.instrument == SPOT.id else SPOT.id
            assert pair.unhedged_since_ns is not None
            follows = [c for c in step.commands if isinstance(c, SubmitOrder) and c.order.intent.instrument == other]
            out = [o for o in state.live_orders if state.orders[o].intent.instrument == other]
            assert follows or out or pair.tries, "a maker's fill without a hedge"

    def at_the_end(self) -> None:
        """HEDGED or FLAT, legs equal, nothing out, and every dollar attributed."""
        drive = self.drive
        assert not drive.engine.state.live_orders
        for pair in drive.engine.state.pairs.values():
            assert pair.state in (PairState.HEDGED, PairState.FLAT), pair
            gap = drive.quantity(SPOT, pair.pair_id) + drive.quantity(PERP, pair.pair_id)
            assert abs(gap) <= TOLERANCE, (pair, gap)
        assert drive.residual() == 0


@settings(max_examples=examples(12), deadline=None)
@given(TAPES, ORDERS, st.sampled_from([5.0, 40.0, 400.0]))
def test_whatever_the_tape_prints_a_pair_ends_whole(of: Tape, orders: list[tuple[int, OperatorAction]],
                                                    latency_ms: float) -> None:
    """Random fills, queues, halts and operators: no fill beyond its intent, one live order per purpose, no leg alone.

    Each maker's fill that unbalances the pair is followed by its hedge at once, or one is on its way.
    """
    drive = Drive(params=MAKERS, days=0.05, extra=tape(of),
                  simulated=SimulatedParams(latency_out_ms=latency_ms, latency_back_ms=latency_ms))
    watch = Watch(drive, calm=not orders and of.halted_after_s is None)
    watch.run(119 / 3600)
    for pause_s, action in orders:
        watch.run(pause_s / 3600)
        drive.control(action)
    watch.run(0.9)
    watch.at_the_end()
    if watch.calm:
        assert watch.longest_ns <= 10 * NS_PER_S


@settings(max_examples=examples(8), deadline=None)
@given(TAPES, st.integers(0, 1000))
def test_lost_answers_and_late_cancels_leave_no_leg_alone(of: Tape, seed: int) -> None:
    """The same with answers that are lost, late, doubled or refused: R2 and F18 hold for makers too."""
    random = Random(seed)
    rates = FaultRates.of(
        {FaultKind.DELAYED_ANSWER: 4.0, FaultKind.DUPLICATED: 4.0}, lost_answer=random.choice([0, 0.1]),
        lost_request=random.choice([0, 0.1]),
        delayed_answer=random.choice([0, 0.2]), duplicated=random.choice([0, 0.2]), rejected=random.choice([0, 0.1]),
        dropped_event=random.choice([0, 0.1]), late_booking=random.choice([0, 0.1]))
    faults = FaultPlan(rates=rates, start_ns=T0 + (100 + seed % 50) * NS_PER_S, end_ns=T0 + 900 * NS_PER_S)
    watch = Watch(Drive(params=MAKERS, days=0.08, extra=tape(of), faults=faults), calm=False)
    watch.run(1.9)
    watch.at_the_end()


def test_a_busy_tape_fills_makers_and_a_dead_one_takes() -> None:
    """The property above is about something: fills at the maker's fee, and orders taken where nothing prints."""
    busy = Watch(Drive(params=MAKERS, days=0.05, extra=tape(Tape(1, 2, 300, 9_000, None))), calm=True)
    busy.run(0.9)
    busy.at_the_end()
    assert busy.maker_fills > 5
    dead = Watch(Drive(params=MAKERS, days=0.05), calm=True)
    dead.run(0.9)
    dead.at_the_end()
    assert dead.maker_fills == 0
    posted = [o.order.intent.time_in_force for o in dead.drive.orders]
    assert TimeInForce.POST_ONLY in posted
    assert dead.drive.pair.state is PairState.HEDGED
