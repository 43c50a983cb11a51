"""The hedge's machine: one order at a time, never across zero, an opening that may end and an exit that may not."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.values import NS_PER_S, Nanos, OrderId, Side
from bot.execution.hedge_execution import advance_hedge, grows
from bot.execution.pair_moves import LegSituation, Moves, Permissions
from bot.execution.params import ExecutionParams
from bot.portfolio.hedge_legs import HedgeLeg
from bot.portfolio.pairs import Parent, Slice
from tests.unit.execution.scenes import OPEN, PERP, RECONCILING, SHUT, T0, after, leg, parent

PARAMS = ExecutionParams()


def hedge(target: str = "0", running: Parent | None = None) -> HedgeLeg:
    return HedgeLeg(instrument=PERP.id, target_base=Decimal(target), parent=running)


def to(target: str, start: str = "0", *, urgent: bool = False, slices: tuple[Slice, ...] | None = None) -> HedgeLeg:
    """A leg under way to a quantity."""
    return hedge(target, parent(start, target, urgent=urgent, slices=slices))


def look(own: HedgeLeg, seen: LegSituation, now: Nanos = T0, allowed: Permissions = OPEN) -> Moves:
    return advance_hedge(own, seen, now, allowed, PARAMS)


@pytest.mark.parametrize(("held", "target", "away"), [
    ("0", "1", True), ("0", "-1", True), ("1", "2", True), ("-1", "-2", True), ("2", "1", False), ("1", "-5", False),
    ("-1", "5", False), ("1", "1", False), ("0", "0", False),
])
def test_away_from_zero_is_growth_and_a_change_of_side_is_not(held: str, target: str, away: bool) -> None:
    """The first thing that a change of side does is to come nearer zero."""
    assert grows(Decimal(held), Decimal(target)) is away


def test_an_opening_pays_a_little_beyond_the_touch_and_waits_for_its_answer() -> None:
    """One IOC order; nothing while it is out."""
    own = to("-1")
    moves = look(own, leg(PERP))
    order = moves.orders[0]
    assert (order.side, order.lots, order.purpose, order.reduces_owner) == (Side.SELL, 1_000, "open", False)
    assert order.limit_ticks == 9_997
    assert not look(own, leg(PERP, working=-1_000), after(60)).orders


def test_a_change_of_side_stops_at_zero_first() -> None:
    """From plus one to minus two: what is held goes, then the other side opens."""
    own = to("-2", "1")
    first = look(own, leg(PERP, "1")).orders[0]
    assert (first.side, first.lots, first.reduces_owner) == (Side.SELL, 1_000, True)
    second = look(own, leg(PERP, "0"), after(60)).orders[0]
    assert (second.side, second.lots, second.reduces_owner) == (Side.SELL, 2_000, False)


def test_slices_are_worked_one_at_a_time_as_they_fall_due() -> None:
    """The second is not sent before its time, whatever the first has filled."""
    slices = (Slice(T0, Decimal("0.4")), Slice(after(30), Decimal(1)))
    own = to("1", slices=slices)
    assert look(own, leg(PERP)).orders[0].lots == 400
    early = look(own, leg(PERP, "0.4"), after(29))
    assert not early.orders
    assert early.wake_ns == after(30)
    assert look(own, leg(PERP, "0.4"), after(31)).orders[0].lots == 600


def test_it_rests_where_it_wanted_to_be() -> None:
    """The parent ends within a lot of its target, and the leg says so."""
    own = to("1")
    moves = look(own, leg(PERP, "1"))
    assert own.parent is None
    assert own.target_base == 1
    assert moves.notes[0][0] == "hedge_done"
    assert not look(own, leg(PERP, "1")).orders


def test_what_no_venue_takes_ends_the_opening() -> None:
    """Missing less than the smallest order: done."""
    own = to("0.002")
    assert not look(own, leg(PERP)).orders
    assert own.parent is None
    assert own.target_base == 0


def test_an_opening_that_is_blocked_ends_and_one_before_reconciliation_waits() -> None:
    """REDUCE_ONLY ends it at what is held; a reconciliation under way does not."""
    waiting = to("1")
    moves = look(waiting, leg(PERP, "0.5"), T0, RECONCILING)
    assert not moves.orders
    assert moves.wake_ns == after(1)
    assert waiting.parent is not None
    blocked = to("1")
    look(blocked, leg(PERP, "0.5"), T0, SHUT)
    assert blocked.parent is None
    assert blocked.target_base == Decimal("0.5")


def test_after_its_deadline_an_opening_rests_and_an_exit_hurries() -> None:
    """What grows has a time; what leaves has none."""
    opening = to("1")
    look(opening, leg(PERP, "0.5"), after(1_201))
    assert opening.parent is None
    closing = to("0", "1", slices=(Slice(after(5_000), Decimal(0)),))
    moves = look(closing, leg(PERP, "1"), after(1_201))
    assert closing.parent is not None
    assert closing.parent.urgent
    assert moves.orders[0].reduces_owner


def test_blocked_modes_never_stop_an_exit() -> None:
    """Closing goes out whatever is blocked, with a collar that widens with each try."""
    own = to("0", "1", urgent=True)
    first = look(own, leg(PERP, "1"), T0, SHUT).orders[0]
    second = look(own, leg(PERP, "1"), after(120), SHUT).orders[0]
    assert first.reduces_owner
    assert second.limit_ticks < first.limit_ticks < 10_000


def test_a_patient_exit_waits_for_a_venue_that_cannot_be_reached_and_an_urgent_one_tries() -> None:
    """Nothing is gained by orders into the void; a kill tries all the same."""
    away = msgspec.structs.replace(OPEN, exits=False)
    patient = look(to("0", "1"), leg(PERP, "1"), T0, away)
    assert not patient.orders
    assert patient.wake_ns == after(5)
    assert look(to("0", "1", urgent=True), leg(PERP, "1"), T0, away).orders


def test_the_quiet_minute_around_a_settlement_stops_slices_not_urgent_exits() -> None:
    """No new slice beside a settlement."""
    quiet = msgspec.structs.replace(OPEN, settlement_quiet_until_ns=after(40))
    moves = look(to("1"), leg(PERP), T0, quiet)
    assert not moves.orders
    assert moves.wake_ns == after(40)
    assert look(to("0", "1", urgent=True), leg(PERP, "1"), T0, quiet).orders


def test_what_fills_late_beyond_the_target_is_closed_without_being_asked() -> None:
    """No parent runs, nothing is wanted, and something is held: it goes."""
    own = hedge("0")
    order = look(own, leg(PERP, "0.3"), T0, SHUT).orders[0]
    assert (order.side, order.lots, order.reduces_owner) == (Side.SELL, 300, True)
    assert not look(hedge("1"), leg(PERP, "0.3")).orders, "what is missing is no reason to trade"


def test_an_urgent_exit_goes_on_around_an_order_in_doubt_and_a_patient_one_waits() -> None:
    """Lots that may be sold already are not sold again."""
    seen = leg(PERP, "1", doubtful=-400, reducing=400)
    assert look(to("0", "1", urgent=True), seen).orders[0].lots == 600
    assert not look(to("0", "1"), seen).orders
    assert not look(to("1"), leg(PERP, doubtful=500)).orders


def test_a_resting_order_is_waited_for() -> None:
    """One order at a time."""
    assert not look(to("1"), leg(PERP, resting=(OrderId("x"),))).orders


def test_leftovers_that_no_order_closes_are_parked() -> None:
    """Less than a lot: dust, and the leg is done."""
    own = to("0", "1", urgent=True)
    moves = look(own, leg(PERP, "0.0004"))
    assert own.parent is None
    assert moves.dust == [(PERP.id, Decimal("0.0004"))]


def test_without_a_quote_it_asks_to_be_looked_at_again() -> None:
    """Nothing can be priced: no order, and no end either."""
    own = to("1")
    moves = look(own, leg(PERP, quoted=False))
    assert not moves.orders
    assert moves.wake_ns is not None
    assert own.parent is not None


def test_tries_that_fill_nothing_wait_longer_each_time() -> None:
    """The pause doubles up to a minute."""
    own = to("0", "1", urgent=True)
    pauses, now = [], T0
    for _ in range(8):
        moves = look(own, msgspec.structs.replace(leg(PERP, "1"), quote_ns=now), now)
        assert moves.orders
        assert moves.wake_ns is not None
        pauses.append((moves.wake_ns - now) / NS_PER_S)
        now = moves.wake_ns
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == 60.0
    assert not look(own, leg(PERP, "1"), Nanos(now - 1)).orders
