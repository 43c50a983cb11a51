"""Our account at the venues: payments, forced fills, transfers, differences, foreign things, orders in doubt."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.events import (
    AnyEvent,
    CancelFailed,
    CashMoved,
    Control,
    DeadlineReached,
    ForcedFill,
    FundingPaid,
    FundingRate,
    FundingSettled,
    OperatorAction,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
    ReadFailed,
    RejectReason,
    TransferEnded,
)
from bot.domain.values import HEDGE, NS_PER_S, OVERLAY, InstrumentId, Nanos, OrderId, Side, Wallet
from bot.execution.order_ids import client_order_id
from bot.execution.order_states import OrderState
from bot.portfolio.pairs import PairState
from bot.venues.simulated.faults import FaultPlan, FaultRates
from tests.unit.engine.alone import Alone, fill, names, poor_spot
from tests.unit.engine.driving import ALPHA, ONE_VENUE, PERP, SPOT, T0, Drive, session


def opened() -> Drive:
    """A drive with a hedged pair, a few minutes on."""
    return Drive().run_to_note("pair_opened").run(0.1)


@pytest.fixture
def alone() -> Alone:
    return Alone(opened())


# ---------------------------------------------------------------------------------------------- payments


def paid(alone: Alone, amount: str, settled_ns: int = T0 + 1) -> FundingPaid:
    return FundingPaid(alone.after(1), ALPHA, PERP.id, Nanos(settled_ns), Decimal(amount),
                       alone.engine.ledger.net(PERP.id), Decimal(1000), Decimal("0.0008"))


def settle(alone: Alone) -> int:
    """A settlement passes at which the pair held its short."""
    at_ns = alone.after(1)
    alone.take(FundingSettled(at_ns, ALPHA, (FundingRate(PERP.id, at_ns, Decimal("0.0008"), 8),)))
    return at_ns


def test_a_payment_is_booked_once(alone: Alone) -> None:
    """The stream and the account report bring the same one."""
    at_ns = settle(alone)
    before = alone.engine.ledger.wallets(ALPHA).futures_usd
    event = paid(alone, "4.4648", at_ns)
    assert [note.name for note in alone.take(event).notes] == ["funding_booked"]
    alone.take(alone.report(funding=(event,)))
    assert alone.engine.ledger.wallets(ALPHA).futures_usd == before + Decimal("4.4648")


def test_a_payment_far_from_the_estimate_alarms_and_is_booked_all_the_same(alone: Alone) -> None:
    """The venue is the truth; the gap is somebody's mistake."""
    at_ns = settle(alone)
    assert names(alone.take(paid(alone, "2", at_ns))) == ["funding_gap"]
    assert alone.engine.ledger.pending_settlements() == ()


def test_a_payment_that_nobody_expected_is_booked_without_an_alarm(alone: Alone) -> None:
    """A settlement whose rate never reached us."""
    assert names(alone.take(paid(alone, "2", alone.now - 5))) == []


def facing(alone: Alone) -> int:
    """Overlay and hedge hold the same perp against each other and the pair is gone: the venue's net is zero."""
    ledger = alone.engine.ledger
    held = ledger.net(PERP.id)
    ledger.apply_fill(fill(alone, "a", lots=int(-held / PERP.lot_size), trade="close"), alone.drive.pair.pair_id, PERP,
                      None)
    ledger.apply_fill(fill(alone, "a", lots=500, trade="l"), OVERLAY, PERP, None)
    ledger.apply_fill(fill(alone, "a", lots=500, trade="s", side=Side.SELL), HEDGE, PERP, None)
    assert ledger.net(PERP.id) == 0
    return settle(alone)


def test_owners_who_face_each_other_pay_each_other_when_the_venue_pays_nothing(alone: Alone) -> None:
    """Its net was zero: after a report taken later the shares are booked, and sum to nothing."""
    facing(alone)
    assert len(alone.engine.ledger.pending_settlements()) == 1
    step = alone.take(alone.report())
    assert "funding_shared" in [note.name for note in step.notes]
    shares = [alone.engine.ledger.attribution(owner).funding for owner in (OVERLAY, HEDGE)]
    assert shares == [Decimal("-0.4"), Decimal("0.4")]
    assert alone.engine.ledger.pending_settlements() == ()


def test_a_report_from_before_the_settlement_proves_nothing_about_it(alone: Alone) -> None:
    """It stays pending until one is taken after it."""
    at_ns = facing(alone)
    early = msgspec.structs.replace(alone.report(), taken_ns=at_ns)
    alone.take(early)
    assert alone.engine.ledger.pending_settlements() == ((PERP.id, at_ns),)


def test_a_settlement_whose_rate_is_not_at_hand_stays_pending(alone: Alone) -> None:
    """Nothing is shared by a guessed rate."""
    facing(alone)
    alone.engine.state.market.value_marks.clear()
    alone.take(alone.report())
    assert len(alone.engine.ledger.pending_settlements()) == 1


def test_a_settlement_that_the_venue_has_yet_to_pay_stays_pending(alone: Alone) -> None:
    """Its net was not zero."""
    settle(alone)
    alone.take(alone.report())
    assert len(alone.engine.ledger.pending_settlements()) == 1


# ------------------------------------------------------------------------------------------ forced fills


def test_a_forced_fill_closes_the_other_leg_in_the_same_step(alone: Alone) -> None:
    """F35: urgent, paged, and told by its cause."""
    lots = int(-alone.drive.quantity(PERP) / PERP.lot_size)
    event = ForcedFill(alone.after(1), ALPHA, PERP.id, "f1", Side.BUY, lots, 10_000, Decimal(1), "adl")
    step = alone.take(event)
    (order,) = [command.order.intent for command in step.commands if isinstance(command, SubmitOrder)]
    assert (order.instrument, order.side, order.reduces_owner) == (SPOT.id, Side.SELL, True)
    assert names(step) == ["adl"]
    assert alone.take(msgspec.structs.replace(event, at_ns=alone.after(1))).notes == ()


def test_a_liquidated_pair_ends_flat_and_the_books_agree() -> None:
    """A jump beyond any reserve: the venue takes the short, the coin is sold at once, nothing is lost from sight."""
    def jump(minute: int) -> float:
        return 1_000.0 if minute < 60 else 3_500.0
    drive = Drive(prices=jump, usd=6_000).run()
    assert "liquidation" in drive.alerts
    first = next(pair for pair in drive.engine.state.pairs.values())
    assert (first.state, first.exit_reason) == (PairState.FLAT, "liquidation")
    assert drive.residual() == 0
    assert "books_differ" not in drive.alerts


# ------------------------------------------------------------------------------------------------ orders


def test_rejects_block_an_instrument_after_three_equal_permanent_ones() -> None:
    """F24: not before, and only permanent ones."""
    drive = Drive().run_to_note("parent_started")
    alone = Alone(drive)
    (name,) = alone.engine.state.live_orders
    for reason, blocked in ((RejectReason.FUNDS, False), (RejectReason.FUNDS, False), (RejectReason.FUNDS, False),
                            (RejectReason.PRECISION, False), (RejectReason.PRECISION, False),
                            (RejectReason.PRECISION, True)):
        alone.take(OrderRejected(alone.after(1), ALPHA, name, reason))
        of = alone.engine.state.orders[name].intent.instrument
        assert bool(alone.engine.state.modes.instruments.get(of)) is blocked
    assert alone.take(OrderRejected(alone.after(1), ALPHA, OrderId("other"), RejectReason.FUNDS)).notes == ()


def test_an_unknown_order_is_asked_after_alerted_at_thirty_seconds_and_blocks_until_proven() -> None:
    """R1-R3 in the engine: one query after 0.5 s, a page at 30 s, opens blocked, lifted by the venue's proof."""
    drive = Drive().run_to_note("parent_started")
    alone = Alone(drive)
    (name,) = alone.engine.state.live_orders
    alone.take(OrderUnknown(alone.after(0.1), ALPHA, name, "timeout"))
    lost, asked, paged = alone.now, [], 0.0
    while not paged and alone.now - lost < 100 * NS_PER_S:
        assert alone.engine.state.wake_ns is not None
        step = alone.take(DeadlineReached(alone.engine.state.wake_ns))
        asked += [alone.now for command in step.commands if isinstance(command, QueryOrder)]
        assert not [command for command in step.commands if isinstance(command, SubmitOrder)]
        if "order_unresolved" in names(step):
            paged = (alone.now - lost) / NS_PER_S
    assert asked[0] == lost + NS_PER_S // 2
    assert paged == 30.0
    assert "order_unresolved" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert alone.engine.view().orders_unknown == 1
    alone.take(OrderReport(alone.after(1), ALPHA, name, False, 2, None, 0))
    assert alone.engine.state.orders[name].state is OrderState.NOT_PLACED
    alone.take(DeadlineReached(alone.after(1)))
    assert "order_unresolved" not in alone.engine.state.modes.venue_reasons(ALPHA)


def test_an_order_without_any_answer_becomes_unknown_after_five_seconds() -> None:
    """Silence is doubt, too."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    alone.take(DeadlineReached(alone.after(4.9)))
    assert alone.engine.state.orders[name].state is OrderState.SENT
    alone.take(DeadlineReached(alone.after(0.1)))
    assert alone.engine.state.orders[name].state is OrderState.UNKNOWN


def test_a_late_and_an_excessive_fill_are_booked_and_told() -> None:
    """F17 and F21: by name, and hedged or taken off by the pair."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    intent = alone.engine.state.orders[name].intent
    alone.take(OrderAccepted(alone.after(0.1), ALPHA, name))
    alone.take(OrderClosed(alone.after(0.1), ALPHA, name, OrderStatus.EXPIRED, 0))
    step = alone.take(fill(alone, name, lots=intent.quantity_lots + 5, of=intent.instrument, side=intent.side))
    assert [each for each in names(step) if each != "one_legged"] == ["late_fill", "overfill"]
    assert alone.engine.ledger.quantity(intent.instrument, intent.owner) != 0


def test_a_cancel_that_failed_is_followed_by_a_question_and_another_cancel() -> None:
    """F20: the order still rests, so it is cancelled again."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    alone.take(OrderAccepted(alone.after(0.1), ALPHA, name))
    step = alone.take(Control(alone.after(0.1), OperatorAction.KILL, "t"))
    assert any(isinstance(command, CancelOrder) for command in step.commands)
    alone.take(CancelFailed(alone.after(0.1), ALPHA, name, "lost"))
    step = alone.take(DeadlineReached(alone.after(0.5)))
    assert any(isinstance(command, QueryOrder) for command in step.commands)
    step = alone.take(OrderReport(alone.after(0.1), ALPHA, name, True, 2, OrderStatus.OPEN, 0))
    assert any(isinstance(command, CancelOrder) for command in step.commands)
    assert alone.take(CancelFailed(alone.after(0.1), ALPHA, OrderId("other"), "lost")).commands == ()


@pytest.mark.parametrize("event", ["accepted", "unknown", "closed", "report"])
def test_answers_about_orders_we_do_not_know_change_nothing(alone: Alone, event: str) -> None:
    """A venue may talk of what was forgotten."""
    at_ns, other = alone.after(1), OrderId("other")
    before = alone.engine.state.orders.copy()
    answers: dict[str, AnyEvent] = {
        "accepted": OrderAccepted(at_ns, ALPHA, other), "unknown": OrderUnknown(at_ns, ALPHA, other, "x"),
        "closed": OrderClosed(at_ns, ALPHA, other, OrderStatus.FILLED, 1),
        "report": OrderReport(at_ns, ALPHA, other, True, 2, OrderStatus.FILLED, 1),
    }
    alone.take(answers[event])
    assert alone.engine.state.orders == before


# --------------------------------------------------------------------------------------- foreign things


@pytest.mark.parametrize("kind", ["fill", "forced", "funding"])
def test_dealings_in_what_is_not_traded_here_block_the_venue_and_stop_nothing_else(alone: Alone, kind: str) -> None:
    """A coin the bot does not know is alerted, not booked and no reason to fall over."""
    other, at_ns = InstrumentId("alpha:XYZ/USDT:USDT"), alone.after(1)
    event: AnyEvent = {
        "fill": fill(alone, "manual", of=other),
        "forced": ForcedFill(at_ns, ALPHA, other, "t", Side.BUY, 1, 1, Decimal(0), "adl"),
        "funding": FundingPaid(at_ns, ALPHA, other, at_ns, Decimal(1), Decimal(1), Decimal(1), Decimal(1)),
    }[kind]  # type: ignore[assignment]
    assert names(alone.take(event)) == ["foreign_fill"]
    assert names(alone.take(msgspec.structs.replace(event, at_ns=alone.after(1)))) == []
    assert "foreign_fill" in alone.engine.state.modes.venue_reasons(ALPHA)


def test_foreign_open_orders_block_and_are_left_alone(alone: Alone) -> None:
    """Named once, never cancelled."""
    step = alone.take(alone.report(open_orders=(OrderId("manual"),)))
    assert names(step) == ["foreign_orders"]
    assert not any(isinstance(command, CancelOrder) for command in step.commands)
    assert names(alone.take(alone.report(open_orders=(OrderId("manual"),)))) == []


def test_a_forgotten_order_of_ours_is_cancelled(alone: Alone) -> None:
    """F22: ours by its prefix; known to be over, or not known at all."""
    over = next(iter(alone.engine.state.orders))
    lost = client_order_id("main", 99, 1)
    step = alone.take(alone.report(open_orders=(over, lost)))
    cancelled = [command for command in step.commands if isinstance(command, CancelOrder)]
    assert [command.order_id for command in cancelled] == [over, lost]
    assert cancelled[1].instrument in {SPOT.id, PERP.id}


def test_an_acknowledged_order_that_the_venue_does_not_list_is_asked_after() -> None:
    """Missing is not gone (R3)."""
    alone = Alone(Drive().run_to_note("parent_started"))
    (name,) = alone.engine.state.live_orders
    alone.take(OrderAccepted(alone.after(0.1), ALPHA, name))
    alone.take(ReadFailed(alone.after(4), ALPHA, "other", "x"))
    alone.take(alone.report())
    assert alone.engine.state.orders[name].doubt_since_ns is not None
    assert alone.engine.state.orders[name].live


# ------------------------------------------------------------------------------------------ differences


def test_books_that_differ_twice_block_until_they_agree(alone: Alone) -> None:
    """F37: one odd read is a question, two are an answer, agreement lifts it."""
    wrong = {"positions": ()}
    assert names(alone.take(alone.report(**wrong))) == []
    assert alone.engine.state.modes.venue_reasons(ALPHA) == ()
    assert names(alone.take(alone.report(**wrong))) == ["books_differ"]
    assert names(alone.take(alone.report(**wrong))) == []
    assert alone.engine.state.modes.venue_reasons(ALPHA) == ("books_differ",)
    alone.take(alone.report())
    assert alone.engine.state.modes.venue_reasons(ALPHA) == ()


def test_reconciling_twice_changes_nothing_the_second_time(alone: Alone) -> None:
    """I22."""
    report = alone.report()
    alone.take(report)
    before = msgspec.msgpack.encode(alone.engine.state.ledger)
    step = alone.take(msgspec.structs.replace(report, at_ns=alone.after(1)))
    assert (step.commands, step.notes) == ((), ())
    assert msgspec.msgpack.encode(alone.engine.state.ledger) == before


def test_an_older_answer_books_but_proves_nothing(alone: Alone) -> None:
    """Its trades are news, its silence about orders is not."""
    report = alone.report(request_id="r0-0", positions=(), cash=(
        CashMoved(alone.now, ALPHA, Wallet.SPOT, Decimal(5), "late"),))
    step = alone.take(report)
    assert "cash_moved" in [note.name for note in step.notes]
    assert alone.engine.state.venues[ALPHA].differences == 0
    assert alone.engine.state.venues[ALPHA].read_id


def test_a_read_without_an_answer_is_sent_again(alone: Alone) -> None:
    """After its time limit, or at once after a refusal; another's refusal is not ours."""
    first = alone.read_id()
    alone.take(ReadFailed(alone.after(0.1), ALPHA, "other", "x"))
    assert alone.engine.state.venues[ALPHA].read_id == first
    step = alone.take(DeadlineReached(alone.after(10)))
    assert [type(command) for command in step.commands] == [ReadAccount]
    alone.take(ReadFailed(alone.after(0.1), ALPHA, alone.read_id(), "x"))
    assert alone.engine.state.venues[ALPHA].read_id == ""
    assert alone.read_id() not in ("", first)


# ------------------------------------------------------------------------------------------ cash, transfers


def test_a_deposit_is_no_profit(alone: Alone) -> None:
    """Start, peak and day move with it."""
    before = alone.engine.view()
    alone.take(CashMoved(alone.after(1), ALPHA, Wallet.SPOT, Decimal(5_000), "gift"))
    alone.take(CashMoved(alone.after(1), ALPHA, Wallet.SPOT, Decimal(5_000), "gift"))
    view = alone.engine.view()
    assert Decimal(view.equity_usd) == Decimal(before.equity_usd) + 5_000
    assert Decimal(view.start_equity_usd) == Decimal(before.start_equity_usd) + 5_000
    assert view.drawdown_pct == pytest.approx(before.drawdown_pct, abs=0.02)


def test_an_opening_waits_for_the_money_it_needs() -> None:
    """No order before the transfer has arrived; then the pair opens."""
    drive = poor_spot()
    assert drive.orders == []
    assert drive.pair.waiting_transfers
    drive.run_to_note("pair_opened")
    assert drive.residual() == 0


def test_a_transfer_that_came_back_is_alerted_and_the_pair_goes_on_with_what_there_is() -> None:
    """The cash is where it was."""
    alone = Alone(poor_spot())
    (transfer,) = alone.engine.state.transfers
    before = alone.engine.ledger.wallets(ALPHA).futures_usd
    step = alone.take(TransferEnded(alone.after(1), ALPHA, transfer, False, Decimal(0), "suspended"))
    assert "transfer_failed" in names(step)
    assert alone.engine.ledger.wallets(ALPHA).futures_usd > before
    assert alone.engine.state.pairs[alone.drive.pair.pair_id].waiting_transfers == ()
    assert alone.take(TransferEnded(alone.after(1), ALPHA, transfer, True, Decimal(0))).notes == ()


def test_an_overdue_transfer_is_alerted_once() -> None:
    """Not with every event that follows."""
    alone = Alone(poor_spot())
    seen = [name for second in range(60) for name in names(alone.take(DeadlineReached(alone.after(30))))]
    assert seen.count("transfer_overdue") == 1
    assert alone.engine.state.transfers
    assert second_of(alone) == 1800


def second_of(alone: Alone) -> int:
    return int(alone.now - alone.drive.now) // NS_PER_S


def test_a_pair_whose_money_never_comes_gives_up_at_its_deadline() -> None:
    """The parent ends, nothing was bought, nothing is left waiting."""
    alone = Alone(poor_spot())
    for _ in range(60):
        alone.take(DeadlineReached(alone.after(30)))
    pair = alone.engine.state.pairs[alone.drive.pair.pair_id]
    assert (pair.state, pair.waiting_transfers) == (PairState.FLAT, ())


# ------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("rates", [
    FaultRates.of(lost_answer=0.3, duplicated=0.3), FaultRates.of(dropped_event=0.4, read_failure=0.3),
    FaultRates.of(rejected=0.4, delayed_answer=0.4, late_booking=0.3),
])
def test_a_day_of_faults_ends_whole_with_books_that_agree(rates: FaultRates) -> None:
    """Answers lost, late, doubled and refused: one create per intent, the pair whole, residual zero."""
    plan = FaultPlan(rates=rates, start_ns=T0, end_ns=T0 + 20 * 3600 * NS_PER_S)
    drive = Drive(faults=plan).run()
    sent = [order.order.intent.order_id for order in drive.orders]
    assert len(set(sent)) == len(sent)
    assert all(pair.state in (PairState.HEDGED, PairState.FLAT) for pair in drive.engine.state.pairs.values())
    assert drive.engine.state.live_orders == {}
    assert drive.residual() == 0
    assert drive.engine.state.modes.venue_reasons(ALPHA) == ()


def test_a_session_reads_every_venue_before_it_trusts_it() -> None:
    """Start: distrusted, read, reconciled."""
    drive = Drive(start=session(ONE_VENUE, resumed=True, trade_from_ns=0)).run(0.0)
    assert drive.engine.state.modes.venue_reasons(ALPHA) in ((), ("not_reconciled",))
    assert "venue_reconciled" in drive.run(0.01).notes


def test_transfers_between_wallets_are_commands_of_whole_cents() -> None:
    """No venue takes fractions of a cent."""
    drive = poor_spot()
    for command in drive.commands:
        if isinstance(command, Transfer):
            assert command.amount_usd == command.amount_usd.quantize(Decimal("0.01")) > 0
