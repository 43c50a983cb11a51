"""Keys that are refused, accounts set otherwise than assumed, and what is held meanwhile (F42, F48, F49, F81)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import SubmitOrder
from bot.domain.events import (
    AccountMode,
    AnyEvent,
    ErrorClass,
    Mark,
    Marks,
    OperatorAction,
    OrderRejected,
    Quote,
    Quotes,
    ReadFailed,
    RejectReason,
)
from bot.domain.values import NS_PER_S, Nanos
from bot.engine import margin_desk, pairs_desk
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode, ModeState, Reason
from tests.unit.engine.alone import Alone, fill, names
from tests.unit.engine.driving import ALPHA, BETA, ONE_VENUE, PERP, PERP_B, SPOT, TWO_VENUES, Drive, session


@pytest.fixture
def alone() -> Alone:
    return Alone(Drive().run_to_note("pair_opened").run(0.1))


def refusing(drive: Drive, minutes: float) -> None:
    """The venue refuses our key from here on, for so long."""
    board = drive.exchange._desk(ALPHA).board
    board.key_refused = True
    drive.run(minutes / 60)
    board.key_refused = False


def test_F49_a_refused_key_halts_its_venue_within_a_minute_and_pages_once() -> None:
    """Found by the next reconciliation; the other venue goes on."""
    drive = Drive(instruments=TWO_VENUES).run_to_note("pair_opened").run(0.1)
    begun = drive.now
    refusing(drive, 20)
    told = [event.at_ns for event, step in zip(drive.events, drive.steps, strict=True) if "key_refused" in names(step)]
    assert len(told) == 1
    assert told[0] - begun <= 61 * NS_PER_S
    modes = drive.engine.state.modes
    assert (modes.venue_mode(ALPHA), modes.venue_mode(BETA), modes.mode()) == (Mode.HALTED, Mode.RUN, Mode.RUN)


def test_F49_a_refused_key_is_tried_once_a_minute_and_only_a_person_lifts_the_halt() -> None:
    """Every second would get the address banned; a key that is back is not trusted by itself."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    before = drive.engine.state.venues[ALPHA].reads
    refusing(drive, 20)
    assert drive.engine.state.venues[ALPHA].reads - before <= 22
    drive.run(0.1)
    assert drive.engine.state.modes.venue_mode(ALPHA) is Mode.HALTED
    drive.control(OperatorAction.RESUME)
    drive.run(0.1)
    assert drive.engine.state.modes.venue_mode(ALPHA) is Mode.RUN
    assert drive.residual() == 0


def test_F49_an_order_refused_for_its_key_halts_at_once(alone: Alone) -> None:
    """No reconciliation is waited for."""
    name = next(iter(alone.engine.state.orders))
    refused = OrderRejected(alone.after(1), ALPHA, name, RejectReason.AUTH, "expired")
    assert names(alone.take(refused)) == ["key_refused"]
    assert "key_refused" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert alone.engine.state.modes.blocks_open(ALPHA, PERP.id) == "key_refused"
    assert names(alone.take(ReadFailed(alone.after(1), ALPHA, "other", "x", ErrorClass.AUTH))) == []


def test_F49_a_patient_exit_waits_for_both_keys_and_an_urgent_one_does_not() -> None:
    """Half an exit would leave one leg alone; a kill goes on wherever a key works."""
    params = EngineParams(execution=ExecutionParams(slice_usd_max=500.0))
    drive = Drive(params=params).run_to_note("pair_opened").run(0.1)
    held = drive.quantity(PERP)
    refused = Reason("key_refused", drive.now, "x", "operator: resume")
    drive.engine.state.modes.halt_venue(ALPHA, refused)
    pairs_desk.close(Turn(drive.engine.state, drive.engine.ledger, params, drive.now), drive.pair.pair_id, "carry")
    drive.run(0.6)  # past the parent's deadline: it does not become urgent either
    assert drive.quantity(PERP) == held
    assert drive.pair.state is PairState.CLOSING
    assert drive.pair.unhedged_since_ns is None
    drive.control(OperatorAction.KILL)
    drive.run(0.1)
    assert drive.quantity(PERP) == 0


def test_F48_margin_keeps_both_legs_while_the_other_venue_is_away_and_shrinks_at_the_last() -> None:
    """Above the last share both legs are kept and a person is paged; below it the leg that can be reached shrinks."""
    drive = Drive(instruments=TWO_VENUES, usd=2_000).run_to_note("pair_opened").run(0.2)
    assert drive.pair.legs == (PERP_B.id, PERP.id)
    alone = Alone(drive)
    alone.engine.state.venues[BETA].connected = False
    alone.engine.ledger.state.wallets[ALPHA].spot_usd = Decimal(0)  # nothing to top up with
    waited_at, shrunk_at = None, None
    for price in range(1_010, 1_600, 10):
        steps = [alone.take(event) for event in prices(alone, price)]
        steps.append(alone.wake())
        left = [c for step in steps for c in step.commands if isinstance(c, SubmitOrder)]
        waited_at = waited_at or (price if any("margin_waits" in names(step) for step in steps) else None)
        if left:
            shrunk_at = price
            break
    assert waited_at is not None
    assert shrunk_at is not None
    assert waited_at < shrunk_at
    assert {order.order.intent.instrument for order in left} == {PERP.id}
    pool = margin_desk.pool_of(Turn(alone.engine.state, alone.engine.ledger, drive.params, alone.now), ALPHA)
    assert (pool.distance or 0.0) > 0.0


def prices(alone: Alone, price: int) -> list[AnyEvent]:
    """A minute later both venues show this price."""
    at_ns = alone.after(61)
    events: list[AnyEvent] = []
    for of in (PERP, PERP_B):
        events.append(Marks(at_ns, of.venue, (Mark(of.id, Decimal(price)),)))
        quote = Quote(of.id, price * 10, price * 10 + 1, 100_000, 100_000, 1_000_000)
        events.append(Quotes(at_ns, of.venue, (quote,)))
    return events


# ------------------------------------------------------------------------------------------------- account modes


@pytest.mark.parametrize(("mode", "said"), [
    (AccountMode(margin="isolated"), "margin is isolated"), (AccountMode(positions="hedge"), "positions are hedge"),
    (AccountMode(multi_asset=True), "multi-asset"), (AccountMode(leverage=1), "leverage is 1"),
], ids=["margin", "positions", "multi_asset", "leverage"])
def test_F42_an_account_set_otherwise_blocks_its_venue_until_it_is_set_back(
    alone: Alone, mode: AccountMode, said: str,
) -> None:
    """Named and paged once; nothing is changed there silently; the next read that is right lifts it."""
    step = alone.take(alone.report(mode=mode))
    (alert,) = [command for command in step.commands if getattr(command, "name", "") == "account_mode"]
    assert said in alert.text  # type: ignore[union-attr]
    assert names(alone.take(alone.report(mode=mode))) == []
    assert alone.engine.state.modes.venue_mode(ALPHA) is Mode.REDUCE_ONLY
    step = alone.take(alone.report(mode=AccountMode(leverage=20)))
    assert "account_mode_restored" in [note.name for note in step.notes]
    assert alone.engine.state.modes.venue_mode(ALPHA) is Mode.RUN


def test_F42_a_venue_that_does_not_say_proves_nothing(alone: Alone) -> None:
    """Neither wrong nor put right."""
    alone.take(alone.report(mode=AccountMode(margin="isolated")))
    alone.take(alone.report(mode=None))
    assert "account_mode" in alone.engine.state.modes.venue_reasons(ALPHA)


def test_F42_the_simulated_venue_tells_its_mode_with_each_read() -> None:
    """Changed by someone at noon, seen within a minute."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    drive.exchange._desk(ALPHA).board.account_mode = AccountMode(margin="isolated")
    drive.run(2 / 60)
    assert "account_mode" in drive.alerts
    assert drive.exchange._desk(ALPHA).board.account_mode.margin == "isolated"


# ------------------------------------------------------------------------------------------------------- modes


def test_F81_the_stricter_of_account_venue_and_instrument_holds() -> None:
    """One enum, reasons stacked at three places."""
    modes, why = ModeState(), Reason("x", Nanos(0), "", "")
    assert modes.instrument_mode(ALPHA, PERP.id) is Mode.RUN
    modes.block_instrument(PERP.id, why)
    assert modes.instrument_mode(ALPHA, PERP.id) is Mode.REDUCE_ONLY
    assert modes.venue_mode(ALPHA) is Mode.RUN
    modes.block_venue(ALPHA, why)
    assert modes.venue_mode(ALPHA) is Mode.REDUCE_ONLY
    modes.halt_venue(ALPHA, msgspec.structs.replace(why, name="y"))
    assert modes.venue_mode(ALPHA) is Mode.HALTED
    assert modes.venue_reasons(ALPHA) == ("y", "x")
    assert modes.venue_mode(BETA) is Mode.RUN
    modes.reduce(why)
    assert modes.venue_mode(BETA) is Mode.REDUCE_ONLY
    modes.halt(why)
    assert modes.venue_mode(BETA) is Mode.HALTED
    assert modes.unblock_venue(ALPHA, "y")
    assert not modes.unblock_venue(ALPHA, "y")


def test_F64_a_broken_pair_is_trimmed_within_ten_seconds_of_a_start_without_any_warm_up() -> None:
    """Guard mode: no forecast, no basis, no decision; unwind and kill need quotes and rules alone."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    alone = Alone(drive)
    lots = int(-drive.quantity(PERP) / PERP.lot_size)
    alone.engine.ledger.apply_fill(fill(alone, "x", lots=lots // 2, trade="gone"), drive.pair.pair_id, PERP, None)
    alone.engine.state.market.funding.clear()
    alone.engine.state.market.basis.clear()
    steps = [alone.take(session(ONE_VENUE, at_ns=alone.after(30), epoch=2, resumed=True))]
    begun = alone.now
    for event in prices(alone, 1_000)[:2]:
        steps.append(alone.take(msgspec.structs.replace(event, at_ns=alone.after(0.5))))
    spot = Quotes(alone.after(0.1), ALPHA, (Quote(SPOT.id, 10_000, 10_001, 100_000, 100_000, 1_000_000),))
    steps.append(alone.take(spot))
    while alone.now - begun < 10 * NS_PER_S and not any(isinstance(c, SubmitOrder) for s in steps for c in s.commands):
        steps.append(alone.wake())
    (order,) = [c.order.intent for step in steps for c in step.commands if isinstance(c, SubmitOrder)]
    assert (order.instrument, order.reduces_owner) == (SPOT.id, True)
    assert alone.now - begun <= 10 * NS_PER_S


def test_F81_the_view_tells_the_mode_of_each_venue_and_instrument_with_its_reasons() -> None:
    """Stacked, with what lifts each; a venue that runs has none, and an instrument without reasons is left out."""
    drive = Drive(instruments=TWO_VENUES).run_to_note("pair_opened")
    modes = drive.engine.state.modes
    for name in ("rate_limited", "depeg"):
        modes.block_venue(ALPHA, Reason(name, drive.now, f"why {name}", f"end of {name}"))
    modes.halt_venue(ALPHA, Reason("key_refused", drive.now, "401", "operator: resume"))
    modes.block_instrument(PERP_B.id, Reason("rejects", drive.now, "3 x precision", "operator: resume"))
    modes.block_instrument(PERP.id, Reason("rejects", drive.now, "over", "operator: resume"))
    modes.unblock_instrument(PERP.id, "rejects")
    view = drive.engine.view()
    alpha, beta = view.venues
    assert (alpha.mode, beta.mode, view.mode) == ("HALTED", "RUN", "RUN")
    assert [(each.name, each.text, each.lifted_by) for each in alpha.reasons] == [
        ("key_refused", "401", "operator: resume"), ("rate_limited", "why rate_limited", "end of rate_limited"),
        ("depeg", "why depeg", "end of depeg")]
    assert beta.reasons == ()
    assert [(each.instrument, each.venue, each.mode, len(each.reasons)) for each in view.instrument_modes] == [
        (PERP_B.id, BETA, "REDUCE_ONLY", 1)]
    drive.control(OperatorAction.PAUSE, "lunch")
    drive.run(0.01)
    view = drive.engine.view()
    assert [(each.name, each.text, each.lifted_by) for each in view.reasons] == [
        ("operator", "lunch", "operator: resume")]
    assert view.venues[1].mode == "REDUCE_ONLY"
