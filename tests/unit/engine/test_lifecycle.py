"""Instruments that change or end under a position: grids, identities, intervals, delisting (F39, F45, F46, F47)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bot.domain.commands import Alert, CancelOrder, ShowTicks, SubmitOrder
from bot.domain.events import (
    AnyEvent,
    Control,
    ForcedFill,
    InstrumentsChanged,
    MarketEvent,
    OperatorAction,
    Quote,
    Quotes,
)
from bot.domain.instrument import Instrument
from bot.domain.values import DUST, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Nanos
from bot.engine.params import EngineParams
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from tests.unit.engine.alone import Alone, fill, names
from tests.unit.engine.driving import ALPHA, ONE_VENUE, PERP, PERP_B, SPOT, T0, TWO_VENUES, Drive, session

COARSE = {"tick_size": Decimal(1), "lot_size": Decimal("0.01")}
"""Ten times the tick and the lot."""


def changed(of: Instrument, at_minute: float, **rules: Any) -> InstrumentsChanged:
    at_ns = Nanos(T0 + int(at_minute * NS_PER_MINUTE))
    return InstrumentsChanged(at_ns, of.venue, (msgspec.structs.replace(of, **rules),))


def coarsened(event: MarketEvent, of: Instrument, from_ns: int) -> MarketEvent:
    """The same quotes in the coarse grid, from an instant on."""
    if not isinstance(event, Quotes) or event.at_ns < from_ns:
        return event
    return Quotes(event.at_ns, event.venue, tuple(
        Quote(q.instrument, q.bid_ticks // 10, q.bid_ticks // 10 + 1, q.bid_lots // 10, q.ask_lots // 10,
              q.depth_lots // 10) if q.instrument == of.id else q for q in event.quotes))


def regridded(of: Instrument, at_minute: float, **drive: Any) -> Drive:
    """A day on which the venue makes an instrument's grid ten times coarser."""
    change = changed(of, at_minute, **COARSE)
    made = Drive(extra=[change], **drive)
    made.script.events = [coarsened(event, of, change.at_ns) for event in made.script.events]
    return made


SLOW = EngineParams(execution=ExecutionParams(slice_usd_max=500.0))
"""A pair is built over minutes."""

# -------------------------------------------------------------------------------------------------------- grids


def test_F47_a_new_grid_under_a_held_pair_leaves_money_and_quantities_as_they_are() -> None:
    """Ticks and lots of the old quote mean nothing in the new units: the value stands until a new one comes."""
    drive = regridded(SPOT, 60.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed")
    assert drive.engine.state.market.quote(SPOT.id) is None
    assert drive.residual() == 0
    drive.run(0.5)
    assert drive.engine.state.market.mid(SPOT.id) == Decimal("1000.5")
    assert drive.pair.state is PairState.HEDGED
    assert drive.residual() == 0
    assert not drive.engine.state.modes.venue_reasons(ALPHA)


@pytest.mark.parametrize("of", ONE_VENUE, ids=lambda each: each.symbol)
def test_F47_a_pair_opened_in_the_old_grid_is_closed_in_the_new(of: Instrument) -> None:
    """Both legs leave in the coarse lots, what is no whole lot is parked, books and venue agree to the last digit."""
    drive = regridded(of, 60.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(0.1)
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("pair_closed").run(0.2)
    after = [order.order for order in drive.orders if order.order.approved_at_ns > T0 + 61 * NS_PER_MINUTE]
    assert {order.intent.instrument for order in after} == {SPOT.id, PERP.id}
    assert "order_rejected" not in drive.notes
    assert drive.residual() == 0
    assert not drive.engine.state.modes.venue_reasons(ALPHA)


def test_F34_F47_a_kill_says_what_a_coarser_lot_keeps_it_from_closing() -> None:
    """A rest of less than one new lot stays open at the venue: parked, paged, and never passed off as flat."""
    drive = regridded(PERP, 60.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(0.1)
    rest = drive.quantity(PERP) % COARSE["lot_size"]
    assert rest != 0
    drive.control(OperatorAction.KILL)
    drive.run_to_note("kill_verified_flat").run(0.1)
    assert drive.engine.ledger.quantity(PERP.id, DUST) == rest
    left = [command for command in drive.commands if isinstance(command, Alert) and command.page]
    assert {"unclosable", "kill_left_dust"} <= {alert.name for alert in left}
    assert any(f"{rest:f} {PERP.id}" in alert.text for alert in left)


def test_F47_what_has_to_leave_asks_for_ticks_while_a_new_grid_has_no_quote() -> None:
    """A kill just after the change: the pair is looked at every second, not at the feed's next minute."""
    drive = regridded(PERP, 60.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed")
    assert drive.engine.state.market.quote(PERP.id) is None
    before = len(drive.commands)
    drive.control(OperatorAction.KILL)
    drive.run(2.5 / 3600)
    assert any(isinstance(command, ShowTicks) for command in drive.commands[before:])
    wake_ns = drive.engine.state.wake_ns
    assert wake_ns is not None
    assert wake_ns <= drive.now + NS_PER_S


def test_F47_a_pair_that_grows_rests_at_what_it_has_and_its_step_is_the_new_one() -> None:
    """Its slices were planned in the old steps; the next decision plans anew."""
    drive = regridded(SPOT, 3.5, params=SLOW)
    drive.run_to_note("rules_changed").run(0.05)
    assert drive.pair.step_base == Decimal("0.01")
    assert (drive.pair.state, drive.pair.parent) == (PairState.HEDGED, None)
    (started,) = [note for step in drive.steps for note in step.notes if note.name == "parent_started"]
    assert 0 < drive.quantity(SPOT) < Decimal(dict(started.keys)["target_base"]) * Decimal("0.9")
    assert drive.residual() == 0


def test_F47_an_order_that_was_decided_in_the_old_grid_is_refused_and_not_repeated_in_it() -> None:
    """It was on its way when the grid changed; what follows is in the new lots, and no loop begins."""
    probe = Drive(params=SLOW).run_to_note("parent_started")
    sent_ns = probe.orders[0].order.approved_at_ns
    change = msgspec.structs.replace(changed(PERP, 0, **COARSE), at_ns=Nanos(sent_ns + 1))
    second = msgspec.structs.replace(changed(SPOT, 0, **COARSE), at_ns=Nanos(sent_ns + 1))
    drive = Drive(params=SLOW, extra=[change, second])
    drive.script.events = [coarsened(coarsened(e, PERP, sent_ns + 1), SPOT, sent_ns + 1) for e in drive.script.events]
    drive.run(0.5)
    refused = [note for step in drive.steps for note in step.notes if note.name == "order_rejected"]
    assert [dict(note.keys)["reason"] for note in refused] == ["precision"]
    assert len(drive.orders) < 20
    assert drive.residual() == 0


def test_F47_a_fill_told_after_the_change_counts_in_the_lots_it_traded_in() -> None:
    """The stream was slow; the venue's trade stands in the old units."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    name = next(o.order.intent.order_id for o in alone.drive.orders if o.order.intent.instrument == PERP.id)
    traded_ns, before = alone.now, alone.engine.ledger.net(PERP.id)
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (msgspec.structs.replace(PERP, **COARSE),)))
    late = msgspec.structs.replace(fill(alone, name, lots=100, trade="late"), traded_ns=traded_ns)
    alone.take(late)
    assert alone.engine.ledger.net(PERP.id) - before == Decimal("0.100")
    alone.take(fill(alone, name, lots=100, trade="newer"))
    assert alone.engine.ledger.net(PERP.id) - before == Decimal("1.100")


def test_F47_orders_that_are_out_are_cancelled_and_count_in_their_own_lots() -> None:
    """Until the venue has said so they weigh what they weighed (R5)."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    order = alone.engine.state.orders[name]
    of = next(each for each in ONE_VENUE if each.id == order.intent.instrument)
    base = of.quantity(order.intent.quantity_lots)
    alone.take(InstrumentsChanged(alone.after(0.001), ALPHA, (msgspec.structs.replace(of, **COARSE),)))
    step = alone.wake()
    assert CancelOrder(ALPHA, of.id, name) in step.commands
    view = next(row for row in alone.engine.view().orders_open if row.order_id == name)
    assert Decimal(view.quantity_base) == base


def test_F47_legs_without_a_common_step_are_closed_and_paged() -> None:
    """A grid on which both legs can never hold the same."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    odd = msgspec.structs.replace(PERP, lot_size=Decimal("0.0010007"))
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (odd,)))
    step = alone.wake()
    assert "no_joint_step" in names(step)
    pair = next(iter(alone.engine.state.pairs.values()))
    assert (pair.state, pair.exit_reason) == (PairState.CLOSING, "no_joint_step")


# --------------------------------------------------------------------------------------------------- identities


@pytest.mark.parametrize("other", [{"multiplier": Decimal(1000)}, {"quote": "USDC"}, {"symbol": "BTC2/USDT:USDT"}],
                         ids=["multiplier", "quote", "rename"])
def test_F46_another_identity_blocks_the_symbol_until_an_operator_confirms(other: dict[str, Any]) -> None:
    """Its quotes are not taken, nothing is sent on it, and a resume takes it for what it is."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (msgspec.structs.replace(PERP, **other),)))
    assert "identity_changed" in names(alone.wake())
    alone.take(Quotes(alone.after(1), ALPHA, (Quote(PERP.id, 1, 2, 5, 5, 50),)))
    state = alone.engine.state
    assert state.market.quote(PERP.id) is None
    assert "identity_changed" in state.modes.instruments[PERP.id]
    assert state.market.instruments[PERP.id] == PERP
    alone.take(control(alone, OperatorAction.RESUME))
    assert "identity_changed" not in state.modes.instruments[PERP.id]
    assert state.market.instruments[PERP.id] == msgspec.structs.replace(PERP, **other)
    alone.take(Quotes(alone.after(1), ALPHA, (Quote(PERP.id, 1, 2, 5, 5, 50),)))
    assert state.market.quote(PERP.id) is not None


def control(alone: Alone, action: OperatorAction) -> AnyEvent:
    return Control(alone.after(1), action, "tester")


def test_F46_a_change_made_while_nobody_ran_is_met_at_the_start() -> None:
    """The session begins with other rules than the last one knew."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    renamed = msgspec.structs.replace(PERP, multiplier=Decimal(10))
    step = alone.take(session((SPOT, renamed), at_ns=alone.after(60), epoch=2, resumed=True))
    assert "identity_changed" in names(step)
    assert alone.engine.state.market.instruments[PERP.id] == PERP


# ---------------------------------------------------------------------------------------------------- intervals


def test_F39_an_interval_that_changes_under_a_pair_moves_the_next_settlement_at_once() -> None:
    """From 8 h to 4 h at 01:00: the next settlement is at 04:00, before any settlement has told."""
    assert PERP.funding is not None
    quick = msgspec.structs.replace(PERP.funding, interval_h=4)
    drive = Drive(extra=[changed(PERP, 60, funding=quick)]).run_to_note("pair_opened").run_to_note("rules_changed")
    history = drive.engine.state.market.funding[PERP.id]
    assert history.next_settlement_ns(drive.now) == T0 + 4 * NS_PER_HOUR
    assert history.interval_shortened_within(24.0, drive.now)
    assert history.last_h == pytest.approx(0.0008 / 8)


# --------------------------------------------------------------------------------------------------- delisting


def test_F45_an_announced_end_closes_both_legs_early_and_blocks_the_symbol() -> None:
    """A day ahead: patiently, both legs, and nothing of it is opened again."""
    drive = Drive(extra=[changed(PERP, 60, delist_ns=Nanos(T0 + 20 * NS_PER_HOUR))])
    drive.run_to_note("pair_opened").run_to_note("pair_closed")
    assert drive.pair.exit_reason == "delisting"
    assert "delisting" in drive.alerts
    drive.run()
    assert drive.engine.state.pairs_made == 1
    assert "delisting" in drive.engine.state.modes.instruments[PERP.id]
    assert drive.engine.state.modes.mode() is Mode.RUN
    assert drive.residual() == 0


def test_F45_an_end_within_the_hour_is_left_at_once() -> None:
    """Slices would come too late."""
    drive = Drive(params=SLOW, extra=[changed(PERP, 100, delist_ns=Nanos(T0 + 110 * NS_PER_MINUTE))])
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(1 / 30)
    assert drive.pair.state is PairState.FLAT
    assert drive.residual() == 0


def test_F45_a_settlement_under_a_position_is_booked_and_the_other_leg_leaves() -> None:
    """Without notice: the end comes at the instant it is announced; the venue settles the perpetual at mark."""
    drive = Drive(extra=[changed(PERP, 60, delist_ns=Nanos(T0 + 60 * NS_PER_MINUTE))])
    drive.run_to_note("pair_opened").run_to_note("pair_closed").run(0.1)
    (forced,) = [event for event in drive.events if isinstance(event, ForcedFill)]
    assert forced.cause == "settlement"
    assert drive.quantity(PERP) == drive.quantity(SPOT) == 0
    assert drive.residual() == 0


def test_F45_coins_that_can_no_longer_be_sold_are_parked_and_paged_and_the_perp_leaves() -> None:
    """A spot market that ends without notice: nothing retries for ever, nothing is forgotten."""
    drive = Drive(extra=[changed(SPOT, 60, delist_ns=Nanos(T0 + 60 * NS_PER_MINUTE))])
    drive.script.events = [without(event, SPOT, T0 + 60 * NS_PER_MINUTE) for event in drive.script.events]
    drive.run_to_note("pair_opened").run_to_note("pair_closed").run(0.1)
    assert "unsellable" in drive.alerts
    assert drive.engine.ledger.quantity(SPOT.id, DUST) > 1
    assert drive.quantity(PERP) == 0
    assert drive.residual() == 0


def without(event: MarketEvent, of: Instrument, from_ns: int) -> MarketEvent:
    """No quote of an instrument from an instant on."""
    if not isinstance(event, Quotes) or event.at_ns < from_ns:
        return event
    return Quotes(event.at_ns, event.venue, tuple(quote for quote in event.quotes if quote.instrument != of.id))


def test_F45_a_withdrawn_announcement_opens_the_symbol_again() -> None:
    """The venue lists it on."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    ends = msgspec.structs.replace(PERP, delist_ns=Nanos(alone.now + 10 * NS_PER_HOUR))
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (ends,)))
    alone.wake()
    assert "delisting" in alone.engine.state.modes.instruments[PERP.id]
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (PERP,)))
    alone.wake()
    assert not alone.engine.state.modes.instruments[PERP.id]
    assert not alone.engine.state.delistings


def test_F45_a_settlement_that_does_not_come_is_asked_for_and_alerted() -> None:
    """The contract is over, our books still hold it: read every minute, alerted after a quarter of an hour."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    over = msgspec.structs.replace(PERP, delist_ns=alone.after(0.1))
    alone.take(InstrumentsChanged(alone.after(0.1), ALPHA, (over,)))
    told: list[str] = []
    while alone.now < (over.delist_ns or 0) + 17 * NS_PER_MINUTE:
        told += names(alone.wake())
    assert "settlement_missing" in told
    assert PERP.id in alone.engine.state.delistings


def test_F45_one_ended_symbol_does_not_stall_the_others() -> None:
    """The perp of one venue ends; the pair across venues without it is found and held."""
    drive = Drive(instruments=TWO_VENUES, extra=[changed(SPOT, -60, delist_ns=Nanos(T0))])
    drive.run_to_note("pair_opened")
    assert set(drive.pair.legs) == {PERP.id, PERP_B.id}
    drive.run(2)
    assert drive.pair.state is PairState.HEDGED
    assert not [o for o in drive.commands if isinstance(o, SubmitOrder) and o.order.intent.instrument == SPOT.id]


def test_an_unknown_instrument_is_only_added() -> None:
    """A listing is no change."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    alone.take(InstrumentsChanged(alone.after(1), PERP_B.venue, (PERP_B,)))
    assert PERP_B.id in alone.engine.state.market.instruments
    assert not alone.engine.state.rule_changes
