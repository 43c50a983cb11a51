"""A day of trading, seen from outside: what opens and why, funding, an exit, and that everything adds up."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.commands import ReadAccount, ShowTicks
from bot.domain.events import AccountReport, FundingPaid
from bot.domain.values import NS_PER_HOUR, NS_PER_S
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.strategy.params import CarryParams
from tests.unit.engine.driving import ONE_VENUE, PERP, PERP_B, RICH, SPOT, T0, TWO_VENUES, Drive, halted, session

SMALL_SLICES = EngineParams(execution=ExecutionParams(slice_usd_max=1_000.0))


def test_nothing_is_decided_or_ordered_before_the_account_has_been_read() -> None:
    """I13: warm-up only warms; the first command is a read, the first order follows its answer."""
    drive = Drive().run(2.0)
    first = next(index for index, step in enumerate(drive.steps) if step.commands)
    assert drive.events[first].at_ns == T0
    assert all(isinstance(command, ReadAccount) for command in drive.steps[first].commands)
    report = next(index for index, event in enumerate(drive.events) if isinstance(event, AccountReport))
    ordered = next(index for index, step in enumerate(drive.steps) if any(o in drive.orders for o in step.commands))
    decided = next(index for index, step in enumerate(drive.steps) if step.record is not None)
    assert first < report < decided <= ordered


def test_a_rich_pair_opens_hedged_and_the_decision_says_why() -> None:
    """Both legs, equal net of the coin fee, opened by the first decision two minutes past the hour."""
    drive = Drive().run_to_note("pair_opened")
    assert drive.pair.state is PairState.HEDGED
    assert -drive.quantity(PERP) == drive.pair.target_base
    assert 0 <= drive.quantity(SPOT) + drive.quantity(PERP) < Decimal("0.001")
    record = drive.records[0]
    assert record.at_ns == T0 + 120 * NS_PER_S
    rows = {row.verdict: row for row in record.candidates}
    assert rows["open"].reason == "carry_clears_costs"
    assert dict(rows["open"].terms_bps)["fees"] != 0
    assert rows["idle"].reason == "borrow_unknown"
    assert any(isinstance(command, ShowTicks) for command in drive.commands)


def test_a_poor_market_stays_idle_and_says_so() -> None:
    """Nothing clears its costs: no order, a reason per candidate, an idle hour counted."""
    drive = Drive(rates=lambda minute: "0.00001").run()
    assert drive.orders == []
    assert {row.verdict for record in drive.records for row in record.candidates} == {"idle"}
    assert sum(drive.engine.state.idle_reasons.values()) == len(drive.records) == 24
    assert dict(drive.engine.view().idle_reasons)


def test_funding_is_booked_once_for_the_pair_and_everything_adds_up() -> None:
    """Two settlements after the opening; attribution sums to the venue's equity, to the last digit."""
    drive = Drive().run()
    paid = [event for event in drive.events if isinstance(event, FundingPaid)]
    parts = drive.engine.ledger.attribution(drive.pair.pair_id)
    assert parts.funding == sum(each.amount_usd for each in paid) > 0
    assert drive.notes.count("funding_booked") == len(paid) == 2
    assert drive.residual() == 0
    assert "funding_gap" not in drive.alerts


def test_the_position_of_a_settlement_at_midnight_is_the_one_before_it() -> None:
    """What is opened at T is not charged for T: the settlement at T0 finds nobody."""
    drive = Drive().run(1.0)
    assert not [event for event in drive.events if isinstance(event, FundingPaid)]


def test_a_pair_that_stops_paying_is_closed_and_leaves_no_position() -> None:
    """Rates turn: after the minimum hold both legs go together, dust apart, and the closing is on record."""
    params = EngineParams(carry=CarryParams(min_hold_h=24.0))
    drive = Drive(days=8, rates=lambda minute: RICH if minute < 600 else "-0.002", params=params)
    drive.run_to_note("pair_closed")
    closed = next(note for step in drive.steps for note in step.notes if note.name == "pair_closed")
    keys = dict(closed.keys)
    assert keys["exit_reason"] in {row.reason for record in drive.records for row in record.candidates}
    assert int(keys["close_ns"]) - int(keys["open_ns"]) >= 24 * NS_PER_HOUR
    assert drive.exchange.account(PERP.venue).holdings.positions == {}
    assert drive.pair.state is PairState.FLAT
    assert drive.quantity(SPOT) == 0
    assert drive.engine.state.pairs_closed == 1
    assert drive.residual() == 0


def test_slices_bound_what_is_unhedged_at_a_time() -> None:
    """With 1,000 USD a slice the legs never differ by more than one jittered slice."""
    drive = Drive(params=SMALL_SLICES).run_to_note("pair_opened")
    opens = [order.order.intent for order in drive.orders if order.order.intent.purpose == "open"]
    assert len(opens) > 4
    assert drive.pair.unhedged_peak_usd == 0
    assert max(intent.quantity_lots for intent in opens) < 1.6 * 1_000


def test_two_venues_hold_a_pair_of_perps() -> None:
    """Long where funding is nothing, short where it is rich; cash goes where it is needed."""
    drive = Drive(instruments=TWO_VENUES, days=2).run()
    long_legs = {pair.long_leg for pair in drive.engine.state.pairs.values()}
    assert long_legs & {SPOT.id, PERP_B.id}
    assert drive.residual() == 0


def test_a_missing_bar_while_opening_keeps_what_is_hedged() -> None:
    """The spot market halts for a while: no order is priced on nothing, the pair ends whole."""
    drive = Drive(params=SMALL_SLICES, extra=[halted(SPOT, 3.5), halted(SPOT, 4.01), halted(SPOT, 5.01)]).run()
    assert drive.pair.state is PairState.HEDGED
    assert abs(drive.quantity(SPOT) + drive.quantity(PERP)) <= Decimal("0.006")
    assert drive.residual() == 0


def test_equal_events_give_equal_steps() -> None:
    """A second engine fed the same events answers the same, byte for byte, and ends in the same state."""
    drive = Drive(params=SMALL_SLICES).run()
    twin = Engine(SMALL_SLICES)
    for event, step in zip(drive.events, drive.steps, strict=True):
        assert msgspec.msgpack.encode(twin.step(event)) == msgspec.msgpack.encode(step)
    assert twin.snapshot() == drive.engine.snapshot()


def test_an_engine_restored_in_the_middle_goes_on_as_the_one_that_ran_through() -> None:
    """Snapshots at many instants, also while the pair is being built: identical bytes again, identical steps after."""
    drive = Drive(params=SMALL_SLICES).run(4.0)
    every = len(drive.events) // 40
    runner, twins = Engine(SMALL_SLICES), [Engine(SMALL_SLICES)]
    for index, (event, step) in enumerate(zip(drive.events, drive.steps, strict=True)):
        if index % every == 0:
            data = runner.snapshot()
            assert Engine.restore(SMALL_SLICES, data).snapshot() == data
            twins = [Engine.restore(SMALL_SLICES, data)]
        assert runner.step(event) == step
        assert all(twin.step(event) == step for twin in twins)
    assert twins[0].snapshot() == runner.snapshot() == drive.engine.snapshot()


def test_the_day_is_closed_at_midnight() -> None:
    """The daily job leaves the figures of the report."""
    drive = Drive(days=1.1).run()
    note = next(note for step in drive.steps for note in step.notes if note.name == "day_closed")
    keys = dict(note.keys)
    assert Decimal(keys["equity_usd"]) == 20_000 + sum(
        Decimal(keys[part]) for part in ("price", "basis", "funding", "fees", "slippage", "borrow"))
    assert keys["btc_price"] == "1000.0"


def test_what_is_old_is_forgotten_but_its_trades_are_not() -> None:
    """Orders and flat pairs leave memory after some days; the ledger's trades and P&L stay."""
    params = EngineParams(carry=CarryParams(min_hold_h=0.0), execution=ExecutionParams(orders_kept_days=1.0))
    drive = Drive(days=9, rates=lambda minute: RICH if minute < 600 else "-0.002", params=params)
    drive.run_to_note("pair_closed")
    owner, orders = drive.pair.pair_id, len(drive.engine.state.orders)
    drive.run()
    assert owner not in drive.engine.state.pairs
    assert len(drive.engine.state.orders) < orders
    assert drive.residual() == 0


def test_a_small_account_sends_no_order_below_a_minimum() -> None:
    """With 40 USD a wallet nothing the venue would refuse is sent."""
    drive = Drive(usd=40).run()
    assert "order_rejected" not in drive.notes


def test_a_resumed_session_trades_from_the_first_event() -> None:
    """No warm-up: the account is read at once."""
    drive = Drive(start=session(ONE_VENUE, resumed=True, trade_from_ns=0))
    drive.run(0.01)
    assert any(isinstance(command, ReadAccount) for command in drive.commands)
