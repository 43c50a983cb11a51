"""Makers, move by move: the clip, its hedge, its end, and everything that cancels it at once."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.orders import TimeInForce
from bot.domain.values import OrderId, Side
from bot.execution.pair_execution import advance
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Pair, PairState
from tests.unit.execution.scenes import OPEN, PERP, PERP_B, SPOT, T0, after, instrument, leg, pair, parent, quote

PARAMS = ExecutionParams(makers=True)
MAKERS = msgspec.structs.replace(OPEN, makers=True)
COARSE = instrument("BTC/USDT:USDT", "gamma", notional_min="100")
RESTS = (OrderId("m1"),)
CANCEL_SPOT = [(SPOT.id, OrderId("m1"))]


def look(each: Pair, long: LegSituation, short: LegSituation, seconds: float = 0.0, *,
         allowed: Permissions = MAKERS, params: ExecutionParams = PARAMS) -> Moves:
    return advance(each, long, short, after(seconds), allowed, params)


def only(moves: Moves) -> WantedOrder:
    assert len(moves.orders) == 1
    return moves.orders[0]


def making(**changes: object) -> Pair:
    """A pair that has just posted its first clip."""
    each = pair(parent=parent(), target="1")
    look(each, leg(SPOT), leg(PERP))
    for name, value in changes.items():
        setattr(each, name, value)
    return each


def resting(quantity: str = "0", lots: int = 20, *, quoted: bool = True) -> LegSituation:
    """The spot leg with so many lots of its maker still in the book."""
    return leg(SPOT, quantity, working=lots, resting=RESTS, quoted=quoted)


# ------------------------------------------------------------------------------------------------------ the clip


def test_the_harder_leg_rests_at_its_own_touch() -> None:
    """A buy at the bid, a sell at the ask, post-only."""
    order = only(look(pair(parent=parent()), leg(SPOT), leg(PERP)))
    assert (order.instrument, order.side, order.limit_ticks) == (SPOT.id, Side.BUY, 10_000)
    assert (order.time_in_force, order.purpose, order.reduces_owner) == (TimeInForce.POST_ONLY, "open", False)
    thin = leg(PERP, at=quote(PERP, lots=9_000))
    order = only(look(pair(parent=parent()), leg(SPOT), thin))
    assert (order.instrument, order.side, order.limit_ticks) == (PERP.id, Side.SELL, 10_001)


def test_where_makers_are_not_allowed_the_leg_is_taken() -> None:
    """Bars, or makers off: the order that was always sent, and no clock of a maker."""
    each = pair(parent=parent())
    order = only(look(each, leg(SPOT), leg(PERP), allowed=OPEN))
    assert (order.time_in_force, order.lots, order.limit_ticks) == (TimeInForce.IOC, 1_001, 10_005)
    assert each.parent is not None
    assert each.parent.making_since_ns is None


def test_an_urgent_parent_does_not_wait_for_makers() -> None:
    """Kill, margin, liquidation of the other leg."""
    urgent = pair(PairState.CLOSING, parent("1", "0", urgent=True))
    assert only(look(urgent, leg(SPOT, "1"), leg(PERP, "-1"))).time_in_force is TimeInForce.IOC


def test_a_clip_is_at_most_two_percent_of_the_target() -> None:
    """What its fill could leave unhedged is bounded before it is sent."""
    assert only(look(pair(parent=parent()), leg(SPOT), leg(PERP))).lots == 20
    assert only(look(pair(parent=parent("0", "5")), leg(SPOT), leg(PERP))).lots == 100


def test_a_clip_is_at_least_what_both_venues_take() -> None:
    """2 % of 0.2 is 4 USD; 5 USD and 2 % of room can be bought, and be hedged; a joint step of 0.05 needs more."""
    assert only(look(pair(parent=parent("0", "0.2")), leg(SPOT), leg(PERP))).lots == 5
    assert only(look(pair(parent=parent("0", "0.2"), step="0.05"), leg(SPOT), leg(PERP))).lots == 50


def test_what_one_leg_is_ahead_takes_room_from_the_next_clip() -> None:
    """|imbalance| + clip <= limit, also for an imbalance too small to be hedged; a leg that lags may catch up."""
    assert only(look(pair(parent=parent()), leg(SPOT, "0.104"), leg(PERP, "-0.1"))).lots == 16
    assert only(look(pair(parent=parent()), leg(SPOT, "0.096"), leg(PERP, "-0.1"))).lots == 24


def test_without_room_for_a_clip_the_leg_is_taken() -> None:
    """The limit is the least that both venues take, and something is ahead already."""
    order = only(look(pair(parent=parent("0", "0.2")), leg(SPOT, "0.1"), leg(PERP, "-0.099")))
    assert order.time_in_force is TimeInForce.IOC


def test_no_crumb_is_left_that_neither_leg_could_trade() -> None:
    """0.023 are left: not 0.02 and then 0.003, but two times 0.011; 0.008 are left: taken in one."""
    assert only(look(pair(parent=parent()), leg(SPOT, "0.977"), leg(PERP, "-0.977"))).lots == 11
    half = only(look(pair(parent=parent("0", "0.3")), leg(SPOT, "0.292"), leg(PERP, "-0.292")))
    assert (half.lots, half.time_in_force) == (8, TimeInForce.IOC)


def test_a_spot_clip_is_grossed_up_for_the_makers_fee() -> None:
    """10,000 lots net are 10,002 at a maker's 2 bp; the taker's 10 bp would have been 10,010."""
    wide = msgspec.structs.replace(PARAMS, maker_limit_share=1.0)
    assert only(look(pair(parent=parent("0", "10")), leg(SPOT), leg(PERP), params=wide)).lots == 10_002


def test_only_one_order_of_a_slice_is_out_at_a_time() -> None:
    """While the clip rests, or its outcome is unknown, there is no second one and nothing is taken."""
    assert look(making(), resting(), leg(PERP), 5.0).orders == []
    assert look(making(), leg(SPOT, doubtful=20), leg(PERP), 25.0).orders == []


def test_a_clip_that_would_have_crossed_is_priced_anew_after_the_pause() -> None:
    """`retry_s` apart at most, at the touch of that instant."""
    each = making()
    assert look(each, leg(SPOT), leg(PERP), 0.9).orders == []
    moved = leg(SPOT, at=quote(SPOT, 9_990, 9_991))
    order = only(look(each, moved, leg(PERP), 1.0))
    assert (order.limit_ticks, order.time_in_force) == (9_990, TimeInForce.POST_ONLY)


# ----------------------------------------------------------------------------------------------------- the hedge


def test_a_fill_is_hedged_at_once_while_the_rest_stays_in_the_book() -> None:
    """The other leg takes what has filled; the maker is not cancelled for it, and R9's clock runs."""
    each = making()
    moves = look(each, resting("0.012", 8), leg(PERP), 2.0)
    order = only(moves)
    assert (order.instrument, order.side, order.lots) == (PERP.id, Side.SELL, 12)
    assert (order.time_in_force, order.purpose) == (TimeInForce.IOC, "hedge")
    assert moves.cancels == []
    assert each.unhedged_since_ns == after(2.0)


def test_a_pair_whose_makers_fills_are_hedged_is_whole() -> None:
    """The clock stops although the rest of the clip is out."""
    each = making()
    look(each, resting("0.012", 8), leg(PERP), 2.0)
    moves = look(each, resting("0.012", 8), leg(PERP, "-0.012"), 2.1)
    assert each.unhedged_since_ns is None
    assert (moves.orders, moves.cancels) == ([], [])


def test_a_running_hedge_is_not_doubled() -> None:
    """The next fill waits until the first one's hedge has answered; the maker stays in the book meanwhile."""
    each = making()
    look(each, resting("0.012", 8), leg(PERP), 2.0)
    moves = look(each, resting("0.012", 8), leg(PERP, working=-12), 2.05)
    assert (moves.orders, moves.cancels) == ([], [])
    assert look(each, leg(SPOT, "0.02"), leg(PERP, working=-12), 2.05).orders == []
    assert only(look(each, leg(SPOT, "0.02"), leg(PERP, "-0.012"), 3.1)).lots == 8


def test_a_hedge_that_does_not_keep_up_ends_the_maker() -> None:
    """After 3 s off balance nothing more may fill; the hedge itself goes on beside the cancel."""
    each = making()
    look(each, resting("0.012", 8), leg(PERP), 2.0)
    assert look(each, resting("0.012", 8), leg(PERP), 4.9).cancels == []
    moves = look(each, resting("0.012", 8), leg(PERP), 5.0)
    assert moves.cancels == CANCEL_SPOT
    assert only(look(each, resting("0.012", 8), leg(PERP), 6.9)).purpose == "hedge"


def test_the_longer_leg_is_trimmed_only_once_its_maker_is_gone() -> None:
    """10 s: UNWINDING, the cancel first; then the trim."""
    each = making()
    look(each, resting("0.012", 8), leg(PERP), 2.0)
    moves = look(each, resting("0.012", 8), leg(PERP), 12.0)
    assert (each.state, moves.orders, moves.cancels) == (PairState.UNWINDING, [], CANCEL_SPOT)
    order = only(look(each, leg(SPOT, "0.012"), leg(PERP), 12.1))
    assert (order.instrument, order.side, order.purpose) == (SPOT.id, Side.SELL, "unwind")


def test_a_fill_too_small_to_be_hedged_waits_for_the_next_one() -> None:
    """12 USD cannot be hedged where 100 are the least; they are not sold beside their maker, but once it is gone."""
    each = pair(parent=parent("0", "10"), target="10", long=PERP, short=COARSE)
    look(each, leg(PERP), leg(COARSE))
    maker = leg(PERP, "0.012", working=188, resting=RESTS)
    assert look(each, maker, leg(COARSE), 2.0) == Moves(wake_ns=after(3.0))
    moves = look(each, maker, leg(COARSE), 5.0)
    assert (moves.orders, moves.cancels) == ([], [(PERP.id, OrderId("m1"))])
    order = only(look(each, leg(PERP, "0.012"), leg(COARSE), 5.1))
    assert (order.instrument, order.side, order.reduces_owner) == (PERP.id, Side.SELL, True)


def test_an_imbalance_that_is_not_the_makers_ends_it() -> None:
    """The other leg is longer: the maker goes before anything is hedged on its leg."""
    moves = look(making(), resting(), leg(PERP, "-0.1"), 2.0)
    assert (moves.orders, moves.cancels) == ([], CANCEL_SPOT)


# ----------------------------------------------------------------------------------------------------- its end


def test_a_clip_that_the_touch_has_left_behind_is_posted_anew() -> None:
    """Others bid more: cancelled, proven, and then the next at the new bid; but not within `retry_s` of the last."""
    each = making()
    higher = quote(SPOT, 10_003, 10_004)
    behind = msgspec.structs.replace(leg(SPOT, at=higher, working=20, resting=RESTS), resting_ticks=10_000)
    assert look(each, behind, leg(PERP), 0.9).cancels == []
    moves = look(each, behind, leg(PERP), 1.0)
    assert (moves.orders, moves.cancels) == ([], CANCEL_SPOT)
    order = only(look(each, leg(SPOT, at=higher), leg(PERP, at=quote(PERP, lots=20_000)), 1.1))
    assert (order.limit_ticks, order.time_in_force) == (10_003, TimeInForce.POST_ONLY)


def test_a_clip_at_or_before_the_touch_stays() -> None:
    """A bid that fell back to ours or below it leaves us first."""
    for bid in (10_000, 9_990):
        at = leg(SPOT, at=quote(SPOT, bid, bid + 1), working=20, resting=RESTS)
        assert look(making(), msgspec.structs.replace(at, resting_ticks=10_000), leg(PERP), 5.0).cancels == []


def test_a_sale_that_the_ask_has_left_behind_is_posted_anew() -> None:
    """The same on the other side."""
    each = closing()
    maker = leg(SPOT, "1", at=quote(SPOT, 9_990, 9_991), working=-20, resting=RESTS)
    assert look(each, msgspec.structs.replace(maker, resting_ticks=10_001), leg(PERP, "-1"), 1.0).cancels == CANCEL_SPOT
    assert look(each, msgspec.structs.replace(maker, resting_ticks=9_991), leg(PERP, "-1"), 1.0).cancels == []


def test_after_its_wait_the_clip_is_cancelled_and_nothing_is_sent_beside_it() -> None:
    """20 s; until the venue has proven its end the remainder waits."""
    each = making()
    assert look(each, resting(), leg(PERP), 19.9).cancels == []
    moves = look(each, resting(), leg(PERP), 20.0)
    assert (moves.orders, moves.cancels) == ([], CANCEL_SPOT)
    assert look(each, resting(), leg(PERP), 25.0).orders == []


def test_the_remainder_is_taken_once_the_end_is_proven() -> None:
    """Its final filled size counts; the next slice is worked as maker again."""
    each = making()
    look(each, resting(), leg(PERP), 20.0)
    order = only(look(each, leg(SPOT, "0.012"), leg(PERP, "-0.012"), 20.1))
    assert (order.time_in_force, order.lots, order.limit_ticks) == (TimeInForce.IOC, 989, 10_005)
    assert each.parent is not None
    assert (each.parent.making_since_ns, each.parent.next_slice) == (None, 1)


def test_the_wait_counts_for_the_slice_and_not_for_each_clip() -> None:
    """A second clip begun after 15 s has 5 s left."""
    each = making()
    assert only(look(each, leg(SPOT, "0.02"), leg(PERP, "-0.02"), 15.0)).time_in_force is TimeInForce.POST_ONLY
    assert look(each, resting("0.02"), leg(PERP, "-0.02"), 20.0).cancels == CANCEL_SPOT


def test_while_a_clip_rests_the_pair_is_looked_at_every_second_and_at_its_end() -> None:
    """Settlement minutes and lost quotes come without an event of their own."""
    each = making()
    assert look(each, resting(), leg(PERP), 5.0).wake_ns == after(6.0)
    assert look(each, resting(), leg(PERP), 19.7).wake_ns == after(20.0)


@pytest.mark.parametrize("allowed", [
    msgspec.structs.replace(MAKERS, opens=False, opens_after_reconciliation=False),
    msgspec.structs.replace(MAKERS, opens=False),
    msgspec.structs.replace(MAKERS, makers=False),
    msgspec.structs.replace(MAKERS, settlement_quiet_until_ns=after(60.0)),
], ids=["stopped", "reconciling", "makers off", "settlement minute"])
def test_what_forbids_makers_cancels_them_at_once(allowed: Permissions) -> None:
    """Mode changes, a reconciliation, too many orders a minute, the minute around a settlement."""
    moves = look(making(), resting(), leg(PERP), 5.0, allowed=allowed)
    assert (moves.orders, moves.cancels) == ([], CANCEL_SPOT)


def test_a_lost_quote_of_either_leg_cancels_it_at_once() -> None:
    """Its fills could not be hedged, or its price means nothing any more."""
    assert look(making(), resting(), leg(PERP, quoted=False), 5.0).cancels == CANCEL_SPOT
    assert look(making(), resting(quoted=False), leg(PERP), 5.0).cancels == CANCEL_SPOT


def test_another_parent_none_or_a_passed_deadline_cancels_it_at_once() -> None:
    """Flatten replaces the parent, kill with hold drops it."""
    for changed in (None, parent("0.5", "0"), parent(urgent=True), parent(deadline_s=5.0)):
        assert look(making(parent=changed), resting(), leg(PERP), 5.0).cancels == CANCEL_SPOT


def test_an_order_found_resting_on_a_flat_pair_is_cancelled() -> None:
    """It was unknown when the pair was given up, and turned out to be open."""
    assert look(pair(PairState.FLAT), resting(), leg(PERP), 5.0).cancels == CANCEL_SPOT


def test_a_paused_pair_trims_what_its_maker_has_filled_after_the_cancel() -> None:
    """REDUCE_ONLY: no hedge any more; the longer leg shrinks once its maker is gone."""
    shut = msgspec.structs.replace(MAKERS, opens=False, opens_after_reconciliation=False)
    each = making()
    moves = look(each, resting("0.012", 8), leg(PERP), 2.0, allowed=shut)
    assert (moves.orders, moves.cancels) == ([], CANCEL_SPOT)
    assert only(look(each, leg(SPOT, "0.012"), leg(PERP), 2.1, allowed=shut)).side is Side.SELL


# --------------------------------------------------------------------------------------------------------- exits


def closing() -> Pair:
    """A pair of 1 BTC that is being closed calmly and has posted its first clip."""
    each = pair(PairState.CLOSING, parent("1", "0"))
    order = only(look(each, leg(SPOT, "1"), leg(PERP, "-1")))
    assert (order.side, order.limit_ticks, order.lots, order.reduces_owner) == (Side.SELL, 10_001, 20, True)
    assert (order.time_in_force, order.purpose) == (TimeInForce.POST_ONLY, "close")
    return each


def test_an_exit_rests_too_and_the_other_leg_follows_its_fills() -> None:
    """The other leg is bought back beside the resting sale."""
    moves = look(closing(), leg(SPOT, "0.988", working=-8, resting=RESTS), leg(PERP, "-1"), 1.0)
    order = only(moves)
    assert (order.instrument, order.side, order.lots) == (PERP.id, Side.BUY, 12)
    assert (order.time_in_force, order.reduces_owner, moves.cancels) == (TimeInForce.IOC, True, [])


def test_an_exit_that_becomes_urgent_cancels_its_maker_and_then_takes() -> None:
    """A kill does not wait for a fill."""
    each = closing()
    assert each.parent is not None
    each.parent.urgent = True
    maker = leg(SPOT, "1", working=-20, resting=RESTS)
    assert look(each, maker, leg(PERP, "-1"), 1.0).cancels == CANCEL_SPOT
    order = only(look(each, leg(SPOT, "1"), leg(PERP, "-1"), 1.1))
    assert (order.time_in_force, order.lots) == (TimeInForce.IOC, 1_000)


def test_an_exit_may_rest_where_opening_is_forbidden() -> None:
    """Pause: exits go on, patiently."""
    shut = msgspec.structs.replace(MAKERS, opens=False, opens_after_reconciliation=False)
    maker = leg(SPOT, "1", working=-20, resting=RESTS)
    assert look(closing(), maker, leg(PERP, "-1"), 1.0, allowed=shut).cancels == []


def test_between_two_perps_the_hedge_goes_to_the_other_venue() -> None:
    """No coin fee, no gross-up: the same rule on both sides."""
    each = pair(parent=parent(), target="1", long=PERP_B)
    assert only(look(each, leg(PERP_B), leg(PERP))).lots == 20
    maker = leg(PERP_B, "0.01", working=10, resting=RESTS)
    assert only(look(each, maker, leg(PERP), 1.0)).instrument == PERP.id


# -------------------------------------------------------------------------------------------------------- params


@pytest.mark.parametrize("broken", [{"maker_wait_s": 0.0}, {"maker_limit_share": 0.0}, {"maker_limit_share": 1.1}])
def test_impossible_parameters_are_refused(broken: dict[str, float]) -> None:
    """No wait and no limit are not ways to say "off"."""
    with pytest.raises(ValueError, match="maker_"):
        ExecutionParams(**broken)  # type: ignore[arg-type]


def test_a_pair_mid_slice_survives_its_bytes() -> None:
    """The maker's clock is part of the durable state."""
    each = making()
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=Pair)
    assert again == each
    assert again.parent is not None
    assert again.parent.making_since_ns == T0
    assert look(again, resting(), leg(PERP), 20.0).cancels == CANCEL_SPOT
