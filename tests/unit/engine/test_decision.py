"""The rebalance: what is not judged and why, growing and shrinking, and what margin closes."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import DeadlineReached, OperatorAction, TradingHalted
from bot.domain.values import NS_PER_HOUR, Nanos, Wallet
from bot.engine import margin_desk
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.margin_keeper import KeeperVerdict
from tests.unit.engine.alone import Alone
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0, TWO_VENUES, Drive


def rows(drive: Drive, number: int) -> dict[str, str]:
    """Verdict and reason of the spot-perp candidate at a decision."""
    record = drive.records[number]
    return {row.verdict: row.reason for row in record.candidates if row.long_leg == SPOT.id}


def test_a_pair_that_is_being_built_is_left_alone() -> None:
    """A decision in the middle of an opening neither judges nor resizes it."""
    params = EngineParams(rebalance_every_s=300, execution=ExecutionParams(slice_usd_max=200.0))
    drive = Drive(params=params).run(0.13)
    assert len(drive.records) == 2
    assert rows(drive, 1) == {"hold": "in_motion"}
    assert drive.notes.count("parent_started") == 1


def test_old_quotes_are_not_judged() -> None:
    """An hour of silence: the decision says what is missing instead of pricing on it."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    step = alone.take(DeadlineReached(Nanos(alone.now + NS_PER_HOUR)))
    assert step.record is not None
    reasons = {row.reason for row in step.record.candidates if row.long_leg == SPOT.id}
    assert reasons <= {"between_bar_edges", "leg_halted"}
    assert step.record.actions == ()


def test_a_halted_leg_is_the_reason_where_it_is_one() -> None:
    """No quote at the decision: idle, by name, and nothing is sent."""
    alone = Alone(Drive(rates=lambda minute: "0.00001").run(0.5))
    alone.take(TradingHalted(alone.after(1), ALPHA, (PERP.id,), "missing bar"))
    step = alone.take(DeadlineReached(Nanos(alone.now + NS_PER_HOUR)))
    assert step.record is not None
    assert {row.reason for row in step.record.candidates} <= {"leg_halted", "borrow_unknown"}
    assert "leg_halted" in {row.reason for row in step.record.candidates}


def test_new_cash_lets_a_pair_grow_behind_the_transfer_it_needs() -> None:
    """Four times the capital: the next decisions resize the pair; it stays whole and everything adds up."""
    drive = Drive(usd=3_000).run(0.5)
    held = -drive.quantity(PERP)
    for wallet in Wallet:
        drive.exchange.deposit(drive.now, ALPHA, wallet, Decimal(9_000), f"more-{wallet.value}")
    drive.run(4.0)
    assert any(action.startswith("grow") for record in drive.records for action in record.actions)
    assert -drive.quantity(PERP) > 2 * held
    assert drive.engine.state.pairs_made == 1
    assert drive.pair.state is PairState.HEDGED
    assert drive.residual() == 0


def test_a_pair_that_outgrew_its_share_shrinks() -> None:
    """The coin doubles: what binds more than its share of the equity is reduced, both legs alike."""
    drive = Drive(prices=lambda minute: 1_000.0 * (1 + min(minute / 720, 1.0)), usd=10_000).run()
    resized = [action for record in drive.records for action in record.actions if action.startswith("shrink")]
    assert resized or "margin_reduce" in drive.notes
    assert abs(drive.quantity(SPOT) + drive.quantity(PERP)) < Decimal("0.006")
    assert drive.residual() == 0


def test_two_venues_bind_no_more_than_their_cash() -> None:
    """With nearly nothing at the second venue, what is opened there is cut or passed, never rejected for funds."""
    drive = Drive(instruments=TWO_VENUES, usd=500)
    drive.exchange.deposit(T0, ALPHA, Wallet.FUTURES, Decimal(20_000), "rich")
    drive.run()
    assert "order_rejected" not in drive.notes
    assert drive.residual() == 0


def test_what_margin_cannot_carry_at_all_is_closed_urgently() -> None:
    """Less than one joint step left: the pair goes, both legs."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.now)
    margin_desk._shrink(turn, ALPHA, KeeperVerdict(share=0.1, shrink_to=0.0))
    assert drive.pair.parent is not None
    assert drive.pair.parent.target_base == 0
    assert (drive.pair.parent.urgent, drive.pair.exit_reason) == (True, "margin")
    again = drive.pair.parent
    margin_desk._shrink(turn, ALPHA, KeeperVerdict(share=0.1, shrink_to=0.0))
    assert drive.pair.parent is again


def test_a_pair_just_left_is_not_entered_again_at_once() -> None:
    """Flattened and resumed: the same candidate waits out its cool-down."""
    drive = Drive(days=2).run_to_note("pair_opened")
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("pair_closed")
    drive.control(OperatorAction.RESUME)
    drive.run(20.0)
    assert rows(drive, -1) == {"idle": "cool_down"}
    assert drive.engine.state.pairs_made == 1
    drive.run(10.0)
    assert drive.engine.state.pairs_made == 2
