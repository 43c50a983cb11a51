"""The pair machine, move by move: the harder leg first, R9's clock, ends, dust, late fills."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.values import InstrumentId, OrderId, Side
from bot.execution.pair_execution import advance, hedged_base, imbalance_base, tolerance_base
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Pair, PairState, Slice
from tests.unit.execution.scenes import (
    OPEN,
    PERP,
    PERP_B,
    RECONCILING,
    SHUT,
    SPOT,
    T0,
    after,
    instrument,
    leg,
    pair,
    parent,
    quote,
)

PARAMS = ExecutionParams()


def look(each: Pair, long: LegSituation, short: LegSituation, seconds: float = 0.0,
         allowed: Permissions = OPEN) -> Moves:
    return advance(each, long, short, after(seconds), allowed, PARAMS)


def only(moves: Moves) -> WantedOrder:
    assert len(moves.orders) == 1
    return moves.orders[0]


def broken(state: PairState = PairState.OPENING, *, opening: bool = True) -> Pair:
    """A pair whose long leg holds 0.5 more than its short one, seen first at T0."""
    return pair(state, parent("0", "1") if opening else None, target="1")


LONG, SHORT = leg(SPOT, "0.5"), leg(PERP)


def test_the_leg_with_less_at_the_touch_goes_first() -> None:
    """The harder leg is known to be possible before the easy one moves; at equality the long leg."""
    thin = leg(PERP, at=quote(PERP, lots=9_000))
    assert only(look(pair(parent=parent()), leg(SPOT), thin)).instrument == PERP.id
    assert only(look(pair(parent=parent()), leg(SPOT), leg(PERP))).instrument == SPOT.id


def test_a_spot_buy_is_grossed_up_for_the_fee_taken_in_the_coin() -> None:
    """1,001 lots are bought so that 1,000 are held after 10 bp."""
    assert only(look(pair(parent=parent()), leg(SPOT), leg(PERP))).lots == 1_001


def test_a_perp_is_never_grossed_up() -> None:
    """Its fee is taken in cash."""
    assert only(look(pair(parent=parent(), long=PERP_B), leg(PERP_B), leg(PERP))).lots == 1_000


def test_the_first_leg_of_a_slice_pays_at_most_the_entry_bound() -> None:
    """3 bp beyond the ask, rounded up to a tick."""
    order = only(look(pair(parent=parent()), leg(SPOT), leg(PERP)))
    assert (order.side, order.limit_ticks, order.purpose) == (Side.BUY, 10_005, "open")


def test_an_imbalance_is_hedged_at_once_at_the_touch() -> None:
    """R9, 0 s."""
    order = only(look(broken(), LONG, SHORT))
    assert (order.instrument, order.side, order.lots, order.limit_ticks) == (PERP.id, Side.SELL, 500, 10_000)
    assert (order.purpose, order.reduces_owner) == ("hedge", False)


def test_the_next_tries_cross_within_the_collar_and_end_after_three() -> None:
    """R9: one try at the touch, three that cross 20 bp, then the longer leg is trimmed."""
    each, purposes, now = broken(), [], 0.0
    while now < 9.0 and "unwind" not in purposes:
        for order in look(each, LONG, SHORT, now).orders:
            purposes.append(order.purpose)
            if order.purpose == "hedge" and len(purposes) > 1:
                assert order.limit_ticks == 9_980
        now += 0.5
    assert purposes == ["hedge", "hedge", "hedge", "hedge", "unwind"]


def test_after_three_seconds_even_the_first_try_crosses() -> None:
    """A quote that came back late is not waited for at the touch."""
    each = broken()
    look(each, LONG, leg(PERP, working=-500))
    assert only(look(each, LONG, SHORT, 3.0)).limit_ticks == 9_980


def test_ten_seconds_off_balance_is_unwinding_even_with_orders_out() -> None:
    """I3: the state says so at once; the trim follows when nothing works any more."""
    each = broken()
    look(each, LONG, leg(PERP, working=-500))
    moves = look(each, LONG, leg(PERP, working=-500), 10.0)
    assert (each.state, moves.orders) == (PairState.UNWINDING, [])
    order = only(look(each, LONG, SHORT, 10.1))
    assert (order.instrument, order.side, order.purpose, order.reduces_owner) == (SPOT.id, Side.SELL, "unwind", True)


def test_a_restart_after_ten_seconds_goes_straight_to_unwinding() -> None:
    """Downtime counts."""
    each = broken()
    each.unhedged_since_ns = T0
    assert only(look(each, LONG, SHORT, 3600.0)).purpose == "unwind"


def test_the_collar_of_a_trim_widens_and_has_an_end() -> None:
    """50 bp, then twice as much with each try, 500 bp at most."""
    each, now = broken(opening=False), 0.0
    limits: list[int] = []
    while len(limits) < 6:
        limits += [order.limit_ticks for order in look(each, LONG, SHORT, now).orders]
        now += 0.5
    assert limits == [9_950, 9_900, 9_800, 9_600, 9_500, 9_500]


def test_a_page_at_sixty_seconds_and_each_minute_after() -> None:
    """Trimming goes on; the operator is told again and again."""
    each = broken()
    paged = [second for second in range(200) if look(each, LONG, leg(PERP, doubtful=-1), second).page]
    assert paged == [60, 120, 180]


def test_an_unknown_hedge_is_waited_for_until_ten_seconds_then_counts_as_unfilled() -> None:
    """F30: no second try beside it; at 10 s the leg that did fill is trimmed."""
    each, doubtful = broken(), leg(PERP, doubtful=-500)
    assert look(each, LONG, doubtful).orders == []
    assert look(each, LONG, doubtful, 9.9).orders == []
    assert only(look(each, LONG, doubtful, 10.0)).instrument == SPOT.id


def test_a_trim_leaves_room_for_one_whose_outcome_is_unknown() -> None:
    """A reducing order in doubt may have filled: the next never crosses zero beside it."""
    each = broken(PairState.UNWINDING, opening=False)
    assert only(look(each, leg(SPOT, "0.5", doubtful=-400, reducing=400), SHORT)).lots == 100


@pytest.mark.parametrize(("ends_flat", "seconds", "leave"), [
    (True, 11.0, {SPOT.id, PERP.id}), (True, 5.0, {SPOT.id}), (False, 11.0, {SPOT.id}),
])
def test_F79_a_kill_closes_the_leg_that_can_leave_although_the_longer_one_cannot(
    ends_flat: bool, seconds: float, leave: set[InstrumentId],
) -> None:
    """A venue that refuses every trim holds no other venue up for longer than R9's ten seconds; only after a kill."""
    allowed = msgspec.structs.replace(SHUT, ends_flat=ends_flat)
    each = pair(PairState.CLOSING, parent("0.3", "0", urgent=True))
    long, short = leg(SPOT, "0.5"), leg(PERP, "-0.3")
    look(each, long, short, 0.0, allowed)
    moves = look(each, long, short, seconds, allowed)
    assert {order.instrument for order in moves.orders} == leave
    assert all(order.reduces_owner for order in moves.orders)
    assert {order.lots for order in moves.orders if order.instrument == PERP.id} <= {300}


def test_F79_a_leg_in_doubt_is_not_closed_beside_a_longer_one_that_is_stuck() -> None:
    """Its order may have filled: what cannot be known is not sent twice."""
    allowed = msgspec.structs.replace(SHUT, ends_flat=True)
    each = pair(PairState.CLOSING, parent("0.3", "0", urgent=True))
    look(each, leg(SPOT, "0.5"), leg(PERP, "-0.3"), 0.0, allowed)
    moves = look(each, leg(SPOT, "0.5"), leg(PERP, "-0.3", doubtful=300, reducing=300), 11.0, allowed)
    assert {order.instrument for order in moves.orders} == {SPOT.id}


def test_where_opens_are_shut_the_longer_leg_is_trimmed_at_once() -> None:
    """REDUCE_ONLY and HALTED do not wait for 10 s."""
    each = broken()
    assert only(look(each, LONG, SHORT, allowed=SHUT)).purpose == "unwind"
    assert each.state is PairState.UNWINDING


def test_while_a_reconciliation_runs_the_hedge_waits_but_not_longer_than_ten_seconds() -> None:
    """Opens are blocked only until it ends."""
    each = broken()
    assert look(each, LONG, SHORT, allowed=RECONCILING).orders == []
    assert only(look(each, LONG, SHORT, 5.0)).purpose == "hedge"
    again = broken()
    look(again, LONG, SHORT, allowed=RECONCILING)
    assert only(look(again, LONG, SHORT, 10.0, RECONCILING)).purpose == "unwind"


def test_resting_orders_are_cancelled_before_anything_else() -> None:
    """A broken pair does not trade beside its own makers."""
    moves = look(broken(), LONG, leg(PERP, resting=(OrderId("m1"),)))
    assert (moves.cancels, moves.orders) == ([(PERP.id, OrderId("m1"))], [])


def test_without_a_quote_nothing_is_sent_and_the_clock_runs() -> None:
    """A halted leg cannot be hedged, the other cannot be trimmed: looked at again, and paged."""
    each = broken()
    dark = leg(SPOT, "0.5", quoted=False)
    moves = look(each, dark, leg(PERP, quoted=False))
    assert (moves.orders, moves.wake_ns) == ([], after(1))
    assert look(each, dark, leg(PERP, quoted=False), 60.0).page


def test_balance_stops_the_clock_and_notes_the_seconds() -> None:
    """The measured figure of the report."""
    each = broken()
    look(each, LONG, SHORT)
    moves = look(each, LONG, leg(PERP, "-0.5"), 2.5)
    assert ("unhedged", (("pair_id", each.pair_id), ("seconds", "2.500"))) in moves.notes
    assert (each.unhedged_since_ns, each.tries) == (None, 0)
    assert each.unhedged_peak_usd == Decimal(500)


def test_an_opening_that_had_to_be_unwound_is_not_tried_again() -> None:
    """Whole again after UNWINDING: HEDGED at the filled size, the parent over."""
    each = pair(PairState.UNWINDING, parent(), target="1")
    moves = look(each, leg(SPOT, "0.2"), leg(PERP, "-0.2"))
    assert (moves.orders, each.parent, each.state, each.target_base) == ([], None, PairState.HEDGED, Decimal("0.2"))


def test_an_opening_stops_where_opens_are_shut_and_keeps_what_is_hedged() -> None:
    """Pause: opening parents stop, held pairs stay."""
    each = pair(PairState.OPENING, parent(), target="1")
    look(each, leg(SPOT, "0.4"), leg(PERP, "-0.4"), allowed=SHUT)
    assert (each.state, each.parent, each.target_base) == (PairState.HEDGED, None, Decimal("0.4"))


def test_an_opening_waits_for_a_running_reconciliation_until_its_deadline() -> None:
    """It resumes only before its deadline."""
    each = pair(PairState.OPENING, parent(deadline_s=30), target="1")
    moves = look(each, leg(SPOT), leg(PERP), allowed=RECONCILING)
    assert (moves.orders, moves.wake_ns) == ([], after(1))
    look(each, leg(SPOT), leg(PERP), 30.0, RECONCILING)
    assert (each.state, each.parent) == (PairState.FLAT, None)


def test_an_opening_past_its_deadline_ends_at_its_size_a_closing_one_becomes_urgent() -> None:
    """An entry is given up, an exit never."""
    opening = pair(PairState.OPENING, parent(deadline_s=10), target="1")
    look(opening, leg(SPOT, "0.4"), leg(PERP, "-0.4"), 10.0)
    assert (opening.state, opening.parent) == (PairState.HEDGED, None)
    closing = pair(PairState.CLOSING, parent("1", "0", deadline_s=10))
    order = only(look(closing, leg(SPOT, "1"), leg(PERP, "-1"), 10.0))
    assert closing.parent is not None
    assert (closing.parent.urgent, order.limit_ticks) == (True, 9_950)


def test_no_slice_begins_in_the_minute_around_a_settlement_but_an_urgent_exit_does() -> None:
    """Architecture, Funding: new parents and slices only."""
    quiet = Permissions(opens=True, opens_after_reconciliation=True, settlement_quiet_until_ns=after(60))
    moves = look(pair(parent=parent()), leg(SPOT), leg(PERP), allowed=quiet)
    assert (moves.orders, moves.wake_ns) == ([], after(60))
    assert look(pair(PairState.CLOSING, parent("1", "0", urgent=True)), leg(SPOT, "1"), leg(PERP, "-1"),
                allowed=quiet).orders
    assert only(look(broken(), LONG, SHORT, allowed=quiet)).purpose == "hedge"


def test_slices_wait_for_their_time() -> None:
    """The second slice is not worked before it is due."""
    cut = (Slice(T0, Decimal("0.5")), Slice(after(30), Decimal(1)))
    each = pair(parent=parent(slices=cut), target="1")
    look(each, leg(SPOT), leg(PERP))
    moves = look(each, leg(SPOT, "0.5"), leg(PERP, "-0.5"), 25.0)
    assert (moves.orders, moves.wake_ns) == ([], after(30))
    assert only(look(each, leg(SPOT, "0.5"), leg(PERP, "-0.5"), 30.0)).purpose == "open"


def test_what_the_last_slice_left_is_tried_again_until_the_deadline() -> None:
    """A slice that found no fill is not forgotten."""
    each = pair(parent=parent(), target="1")
    look(each, leg(SPOT), leg(PERP))
    assert look(each, leg(SPOT), leg(PERP), 1.0).orders == []
    assert only(look(each, leg(SPOT), leg(PERP), 60.0)).purpose == "open"


def test_a_slice_needs_both_quotes() -> None:
    """No first leg while the second could not follow (F31)."""
    assert look(pair(parent=parent()), leg(SPOT), leg(PERP, quoted=False)).orders == []


def test_an_urgent_exit_sells_around_an_order_in_doubt_a_patient_one_waits() -> None:
    """Kill does not wait for a venue's proof; what is in doubt is left room."""
    long, short = leg(SPOT, "1", doubtful=-400, reducing=400), leg(PERP, "-1")
    assert look(pair(PairState.CLOSING, parent("1", "0")), long, short).orders == []
    assert only(look(pair(PairState.CLOSING, parent("1", "0", urgent=True)), long, short)).lots == 600


def test_an_exit_reached_while_an_order_is_in_doubt_is_not_over() -> None:
    """Flat is flat once the outcome is proven."""
    each = pair(PairState.CLOSING, parent("1", "0", urgent=True))
    look(each, leg(SPOT, doubtful=-400, reducing=400), leg(PERP))
    assert each.state is PairState.CLOSING


def test_a_reduction_ends_hedged_at_its_target() -> None:
    """From 1 to 0.5: over when half a unit is held."""
    each = pair(PairState.REBALANCING, parent("1", "0.5"), target="0.5")
    assert only(look(each, leg(SPOT, "1"), leg(PERP, "-1"))).lots == 500
    look(each, leg(SPOT, "0.5"), leg(PERP, "-0.5"), 1.0)
    assert (each.state, each.parent) == (PairState.HEDGED, None)


def test_dust_is_parked_and_a_perps_last_lot_is_not_dust() -> None:
    """F34: what no venue would take is handed over; a reducing order of a perp has no minimum."""
    each = pair(PairState.CLOSING, parent("1", "0"))
    moves = look(each, leg(SPOT, "0.0008"), leg(PERP))
    assert (each.state, moves.dust) == (PairState.FLAT, [(SPOT.id, Decimal("0.0008"))])
    again = pair(PairState.CLOSING, parent("1", "0"))
    assert only(look(again, leg(SPOT), leg(PERP, "-0.001"))).lots == 1


def test_a_leg_without_a_quote_is_never_dust() -> None:
    """Not being able to price is not being worth nothing."""
    each = pair(PairState.CLOSING, parent("1", "0"))
    moves = look(each, leg(SPOT, "0.004", quoted=False), leg(PERP, "-0.004"))
    assert (each.state, moves.dust) == (PairState.CLOSING, [])


def test_a_sale_just_above_the_minimum_is_not_priced_below_it() -> None:
    """6 lots at 1,000 are 6 USD; 50 bp lower the venue with a minimum of 5.98 would refuse them."""
    market = instrument("BTC/USDT", notional_min="5.98")
    each = pair(PairState.CLOSING, parent("1", "0", urgent=True), long=market)
    assert only(look(each, leg(market, "0.006"), leg(PERP))).limit_ticks == 9_967


def test_a_difference_no_venue_would_trade_is_whole() -> None:
    """Below the spot minimum (lots or USD) the legs count as equal; a halted leg is priced by the other."""
    each = pair()
    assert tolerance_base(each, leg(SPOT), leg(PERP)) == Decimal("0.006")
    assert tolerance_base(each, leg(SPOT, quoted=False), leg(PERP)) == Decimal("0.006")
    assert tolerance_base(each, leg(SPOT, quoted=False), leg(PERP, quoted=False)) == Decimal("0.001")
    assert tolerance_base(each, leg(instrument("BTC/USDT", lots_min=20)), leg(PERP)) == Decimal("0.020")


def test_a_small_remainder_that_can_still_be_closed_is_closed() -> None:
    """A flat pair leaves nothing an order could take away."""
    each = pair(PairState.OPENING)
    moves = look(each, leg(SPOT), leg(PERP, "-0.001"))
    assert (each.state, moves.wake_ns) == (PairState.CLOSING, 0)
    assert only(look(each, leg(SPOT), leg(PERP, "-0.001"), 1.0)).lots == 1


@pytest.mark.parametrize("quantity", ["0.001", "0.5"])
def test_a_fill_after_the_end_is_taken_off_again(quantity: str) -> None:
    """F17: late trades of one leg are unwound, however small."""
    each = pair(PairState.FLAT, long=PERP_B)
    now, held, sold = 0.0, leg(PERP_B, quantity), 0
    while not sold:
        sold += sum(order.lots for order in look(each, held, leg(PERP), now).orders)
        assert each.live
        now += 0.5
    assert sold == int(Decimal(quantity) * 1000)
    look(each, leg(PERP_B), leg(PERP), now)
    assert each.state is PairState.FLAT


def test_late_fills_of_both_legs_are_closed_together() -> None:
    """A pair that was over is not opened by accident."""
    each = pair(PairState.FLAT)
    look(each, leg(SPOT, "0.3"), leg(PERP, "-0.3"))
    assert (each.state, each.parent is not None) == (PairState.CLOSING, True)


def test_a_flat_pair_at_rest_asks_for_nothing() -> None:
    """No wake, no note."""
    assert look(pair(PairState.FLAT), leg(SPOT), leg(PERP)) == Moves()


def test_hedged_and_imbalance_are_measured_on_both_legs() -> None:
    """The smaller side counts as hedged; the sign says which leg is longer."""
    assert hedged_base(leg(SPOT, "1"), leg(PERP, "-0.4")) == Decimal("0.4")
    assert hedged_base(leg(SPOT, "-1"), leg(PERP, "-0.4")) == 0
    assert imbalance_base(leg(SPOT, "0.4"), leg(PERP, "-1")) == Decimal("-0.6")


def test_an_exit_made_urgent_does_not_wait_for_its_slices() -> None:
    """A kill during a patient exit: everything at once, not at the pace that was planned."""
    cut = (Slice(T0, Decimal("0.5")), Slice(after(30), Decimal(0)))
    each = pair(PairState.CLOSING, parent("1", "0", slices=cut))
    look(each, leg(SPOT, "1"), leg(PERP, "-1"))
    assert each.parent is not None
    each.parent.urgent = True
    each.next_try_ns = T0
    assert only(look(each, leg(SPOT, "0.5"), leg(PERP, "-0.5"), 1.0)).lots == 500
