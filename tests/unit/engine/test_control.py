"""The operator and the process: pause, resume, flatten, kill, stop, storage, clock, sessions."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.commands import Alert, CancelOrder, ReadAccount
from bot.domain.errors import ConfigRefused, Fatal
from bot.domain.events import (
    ClockJumped,
    Control,
    DeadlineReached,
    DiskLow,
    Event,
    OperatorAction,
    StorageFailed,
    StorageRestored,
    VenueConnection,
)
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.state_bytes import MIGRATIONS
from bot.execution.order_states import OrderState
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode, Reason
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, FaultRates, Strike
from tests.unit.engine.driving import ALPHA, ONE_VENUE, PERP, SPOT, T0, Drive, session

SLOW = EngineParams(execution=ExecutionParams(slice_usd_max=1_000.0))


def mode(drive: Drive) -> Mode:
    return drive.engine.state.modes.mode()


def opened() -> Drive:
    """A drive with a hedged pair."""
    return Drive().run_to_note("pair_opened")


def opening() -> Drive:
    """A drive whose pair has some slices and lacks others."""
    drive = Drive(params=SLOW).run(0.05)
    assert drive.pair.state is PairState.OPENING
    return drive


def test_pause_stops_an_opening_at_what_is_hedged_and_resume_lets_it_grow_again() -> None:
    """REDUCE_ONLY with reason operator: the pair is whole, smaller than planned, and nothing opens until resume."""
    drive = opening()
    drive.control(OperatorAction.PAUSE)
    drive.run(0.2)
    assert (mode(drive), drive.pair.state, drive.pair.parent) == (Mode.REDUCE_ONLY, PairState.HEDGED, None)
    held, sent = drive.quantity(PERP), len(drive.orders)
    drive.run(3.0)
    assert (drive.quantity(PERP), len(drive.orders)) == (held, sent)
    assert drive.records[-1].mode_reasons == ("operator",)
    drive.control(OperatorAction.RESUME)
    drive.run(3.0)
    assert mode(drive) is Mode.RUN
    assert drive.quantity(PERP) < held


def test_flatten_closes_every_pair_in_good_order_and_stays_shut() -> None:
    """Both legs go, the venue is flat, nothing opens again by itself."""
    drive = opened()
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("pair_closed")
    assert drive.pair.exit_reason == "operator_flatten"
    drive.run()
    assert drive.exchange.account(ALPHA).holdings.positions == {}
    assert mode(drive) is Mode.REDUCE_ONLY
    assert drive.engine.state.pairs_made == 1


def test_kill_ends_flat_verified_by_the_venue_and_latches() -> None:
    """HALTED, both legs gone at the venue, said once; the page goes out with the order itself."""
    drive = opened()
    drive.control(OperatorAction.KILL, "enough")
    drive.run_to_note("kill_verified_flat")
    assert drive.exchange.account(ALPHA).holdings.positions == {}
    killed = next(index for index, step in enumerate(drive.steps)
                  if any(isinstance(c, Alert) and c.name == "killed" for c in step.commands))
    assert any(order in drive.orders for order in drive.steps[killed].commands)
    drive.run()
    assert mode(drive) is Mode.HALTED
    assert drive.notes.count("kill_verified_flat") == 1
    assert drive.engine.state.pairs_made == 1


def test_F79_a_kill_that_no_stream_tells_of_is_proven_by_reads() -> None:
    """Every private event is lost: the venue is read each five seconds until it shows flat."""
    plan = FaultPlan(rates=FaultRates.of(dropped_event=1.0), start_ns=opened().now, end_ns=T0 + NS_PER_DAY)
    drive = Drive(faults=plan).run_to_note("pair_opened")
    at_ns = drive.now
    drive.control(OperatorAction.KILL)
    drive.run_to_note("kill_verified_flat")
    assert drive.now - at_ns < 20 * NS_PER_S
    assert drive.exchange.account(ALPHA).holdings.positions == {}


def test_F79_a_kill_that_is_not_proven_is_paged_and_goes_on() -> None:
    """The venue is away: within 60 s a person is told, again after five minutes, and it ends flat when it answers."""
    away_ns = opened().now + NS_PER_S
    down = Strike(FaultKind.VENUE_DOWN, away_ns, away_ns + 400 * NS_PER_S, ALPHA)
    drive = Drive(faults=FaultPlan(strikes=(down,))).run_to_note("pair_opened")
    drive.hand_in(Control(Nanos(away_ns + 1), OperatorAction.KILL, "test"))
    drive.run_to_note("kill_verified_flat")
    assert away_ns + 400 * NS_PER_S < drive.now < away_ns + 460 * NS_PER_S
    paged_s = [(event.at_ns - away_ns) / NS_PER_S for event, step in zip(drive.events, drive.steps, strict=True)
               for command in step.commands if isinstance(command, Alert) and command.name == "kill_not_proven"]
    assert len(paged_s) == 2
    assert 45 <= paged_s[0] <= 60
    assert 345 <= paged_s[1] <= 360
    assert drive.engine.state.kill_page_ns is None


def test_kill_while_opening_sends_no_opening_order_after_it() -> None:
    """I4: from the kill on everything reduces."""
    drive = opening()
    before = len(drive.orders)
    drive.control(OperatorAction.KILL)
    drive.run(1.0)
    assert all(order.order.intent.reduces_owner for order in drive.orders[before:])
    assert drive.pair.state is PairState.FLAT


def test_kill_and_hold_keeps_whole_pairs_and_makes_broken_ones_whole() -> None:
    """What is hedged stays, nothing opens; a second look does not grow it again."""
    drive = opening()
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(1.0)
    assert (mode(drive), drive.pair.state) == (Mode.HALTED, PairState.HEDGED)
    assert drive.quantity(PERP) < 0
    assert abs(drive.quantity(PERP) + drive.quantity(SPOT)) < SPOT.quantity(6)


def test_a_kill_found_in_the_latch_holds_and_resume_lifts_it() -> None:
    """I14; a fresh reconciliation comes before anything opens."""
    drive = Drive(start=session(ONE_VENUE, latch="kill file found"))
    drive.run(2.0)
    assert (mode(drive), drive.orders) == (Mode.HALTED, [])
    reads = sum(isinstance(command, ReadAccount) for command in drive.commands)
    drive.control(OperatorAction.RESUME)
    drive.run(0.01)
    assert sum(isinstance(command, ReadAccount) for command in drive.commands) == reads + 1
    drive.run_to_note("pair_opened")


@pytest.mark.parametrize(("latch", "state"), [
    ("kill: by hand", PairState.FLAT), ("kill_hold: by hand", PairState.HEDGED),
])
def test_a_kill_that_only_the_latch_knows_is_carried_out(latch: str, state: PairState) -> None:
    """The process died between the latch and the journal: the next session does what was ordered."""
    drive = opened()
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, latch=latch, resumed=True, trade_from_ns=0))
    drive.run(1.0)
    assert (mode(drive), drive.pair.state) == (Mode.HALTED, state)


def test_a_kill_ends_flat_whatever_hold_follows_it() -> None:
    """Fat fingers: `kill`, then `kill --hold` before it is flat; only a resume undoes the first."""
    drive = opened()
    drive.control(OperatorAction.KILL)
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(1.0)
    assert (mode(drive), drive.pair.state) == (Mode.HALTED, PairState.FLAT)


def test_a_kill_latched_while_we_were_down_ends_what_a_hold_had_kept() -> None:
    """`kill --hold`, a death, and `kill` before the next start: the stricter is carried out."""
    drive = opened()
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(0.01)
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, latch="kill by operator: now", resumed=True,
                          trade_from_ns=0))
    drive.run(1.0)
    assert (mode(drive), drive.pair.state) == (Mode.HALTED, PairState.FLAT)


def test_a_kill_that_is_not_proven_is_paged_again_by_the_next_process() -> None:
    """The page of the process that died may have died with it: the next one counts its 45 s anew."""
    drive = opened()
    drive.control(OperatorAction.KILL)
    drive.engine.state.kill_page_ns = Nanos(drive.now + 3_600 * NS_PER_S)
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, latch="kill by operator: now", resumed=True,
                          trade_from_ns=0))
    drive.run(0.0)
    page_ns = drive.engine.state.kill_page_ns
    assert page_ns is not None
    assert page_ns <= drive.now + 60 * NS_PER_S


def test_doubts_of_recovery_reduce_until_reconciled() -> None:
    """A state that is not trusted trades down only, until every venue has been read and agrees."""
    drive = Drive(start=session(ONE_VENUE, doubts=("build changed",))).run(0.0)
    assert (mode(drive), drive.orders) == (Mode.REDUCE_ONLY, [])
    assert "doubts: build changed" in drive.engine.view().mode_reasons
    drive.run_to_note("venue_reconciled")
    assert mode(drive) is Mode.RUN


def test_stop_leaves_pairs_hedged_and_the_next_session_goes_on() -> None:
    """Ctrl-C: orders cancelled, pairs stay; the reason ends with the process."""
    drive = opened()
    drive.control(OperatorAction.STOP)
    drive.run(0.1)
    assert (mode(drive), drive.pair.state) == (Mode.REDUCE_ONLY, PairState.HEDGED)
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, resumed=True, trade_from_ns=0))
    drive.run(0.1)
    assert (mode(drive), drive.pair.state) == (Mode.RUN, PairState.HEDGED)


def test_acknowledging_clears_what_status_shows() -> None:
    """Alerts stay until somebody has seen them."""
    drive = opened()
    drive.hand_in(ClockJumped(drive.now, 2.5))
    drive.run(0.01)
    assert [alert.name for alert in drive.engine.view().alerts] == ["clock_jumped"]
    drive.control(OperatorAction.ACKNOWLEDGE)
    drive.run(0.01)
    assert drive.engine.view().alerts == ()


def test_orders_of_a_process_that_died_are_asked_after() -> None:
    """R4: what had no answer is UNKNOWN from the session's start, queried, and proven by the venue."""
    drive = Drive(params=SLOW).run(until=lambda step: any(n.name == "parent_started" for n in step.notes))
    (name,) = drive.engine.state.live_orders
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, resumed=True, trade_from_ns=0))
    drive.run(1e-9)
    assert drive.engine.state.orders[name].state is OrderState.UNKNOWN
    drive.run(2.0)
    assert not drive.engine.state.orders[name].live
    assert drive.pair.state is PairState.HEDGED
    assert drive.residual() == 0
    assert len({order.order.intent.order_id for order in drive.orders}) == len(drive.orders)


def test_an_exit_under_way_is_finished_at_once_by_the_next_process() -> None:
    """60 s after its reconciliation the pair is flat; its slices would have taken minutes."""
    drive = Drive(params=SLOW).run_to_note("pair_opened")
    drive.control(OperatorAction.FLATTEN)
    drive.run(0.01)
    states = [drive.pair.state]
    drive.hand_in(session(ONE_VENUE, at_ns=drive.now, epoch=2, resumed=True, trade_from_ns=0))
    drive.run(62 / 3600)
    states.append(drive.pair.state)
    assert states == [PairState.CLOSING, PairState.FLAT]
    assert drive.residual() == 0


def test_while_storage_fails_only_reducing_orders_leave() -> None:
    """HALTED(storage), paged; restored: everything is read from the venue before anything opens."""
    drive = opening()
    drive.hand_in(StorageFailed(drive.now, "disk full"))
    drive.run(1.5)
    assert mode(drive) is Mode.HALTED
    assert "storage_failed" in drive.alerts
    sent = len(drive.orders)
    drive.hand_in(StorageRestored(drive.now))
    drive.run(1e-6)
    assert mode(drive) is Mode.RUN
    assert "not_reconciled" in drive.engine.state.modes.venue_reasons(ALPHA)
    assert isinstance(drive.steps[-1].commands[-1], ReadAccount)
    assert len(drive.orders) == sent
    drive.run(3.0)
    assert drive.engine.state.modes.venue_reasons(ALPHA) == ()


def test_F66_a_disk_without_space_blocks_opens_and_lifts_itself() -> None:
    """REDUCE_ONLY while space is short, paged once; an operator's own pause is not lifted with it."""
    drive = opening()
    drive.hand_in(DiskLow(drive.now, blocked=True, why="100 MiB free"))
    drive.run(1.5)
    assert mode(drive) is Mode.REDUCE_ONLY
    assert drive.alerts.count("disk_low") == 1
    drive.control(OperatorAction.PAUSE)
    drive.hand_in(DiskLow(drive.now, blocked=False, why="enough"))
    drive.run(1e-6)
    assert [reason.name for reason in drive.engine.state.modes.reasons()] == ["operator"]
    drive.control(OperatorAction.RESUME)
    drive.run(1e-6)
    assert mode(drive) is Mode.RUN


def test_a_clock_jump_makes_every_venue_prove_itself_again() -> None:
    """F58: stale until reconciled."""
    drive = opened()
    drive.hand_in(ClockJumped(drive.now, -3.0))
    drive.run(1e-6)
    assert drive.engine.state.modes.venue_reasons(ALPHA) == ("not_reconciled",)
    drive.run(0.1)
    assert drive.engine.state.modes.venue_reasons(ALPHA) == ()


def test_a_venue_that_goes_down_opens_nothing_until_it_has_been_read_again() -> None:
    """R6: down blocks, up reconciles, agreement lifts."""
    drive = Drive().run(0.01)
    drive.hand_in(VenueConnection(drive.now, ALPHA, False))
    drive.run(2.0)
    assert drive.orders == []
    assert any("disconnected" in action for record in drive.records for action in record.actions)
    drive.hand_in(VenueConnection(drive.now, ALPHA, True))
    drive.run_to_note("pair_opened")


def test_resuming_does_not_forget_the_peak_unless_the_drawdown_is_what_is_lifted() -> None:
    """A pause and a resume are no way around the drawdown stop."""
    drive = opened()
    drive.engine.state.stops.peak_usd = 20_500 * SPOT.tick_size * 10
    drive.control(OperatorAction.PAUSE)
    drive.control(OperatorAction.RESUME)
    drive.run(0.01)
    assert drive.engine.state.stops.peak_usd == 20_500
    drive.engine.state.modes.reduce(Reason("drawdown", drive.now, "x", "resume"))
    drive.control(OperatorAction.RESUME)
    drive.run(0.01)
    assert drive.engine.state.stops.peak_usd != 20_500


def test_resume_unblocks_an_instrument_that_was_rejected() -> None:
    """Three rejects blocked it; the operator has looked."""
    drive = Drive().run(0.01)
    drive.engine.state.modes.block_instrument(SPOT.id, Reason("rejects", drive.now, "x", "resume"))
    drive.run(2.0)
    assert drive.orders == []
    drive.control(OperatorAction.RESUME)
    drive.run_to_note("pair_opened")


def test_time_that_goes_back_and_events_of_no_kind_are_fatal() -> None:
    """What cannot be ordered cannot be trusted."""
    engine = Engine(EngineParams())
    engine.step(DeadlineReached(Nanos(5)))
    with pytest.raises(Fatal, match="lies before"):
        engine.step(DeadlineReached(Nanos(4)))
    with pytest.raises(Fatal, match="unknown event"):
        engine.step(Event(Nanos(6)))  # type: ignore[arg-type]


def test_a_snapshot_that_is_none_is_fatal() -> None:
    """The journal, or an older snapshot, is the way back."""
    with pytest.raises(Fatal, match="snapshot"):
        Engine.restore(EngineParams(), b"nonsense")
    with pytest.raises(Fatal, match="snapshot"):
        Engine.restore(EngineParams(), b"\x82\xa6schema\x00\xa5state\x80")  # older, and nobody knows how to bring it up


def test_F70_a_snapshot_of_a_newer_program_is_refused() -> None:
    """It is not passed over: its account has gone on under rules that we do not know."""
    with pytest.raises(ConfigRefused, match="newer program"):
        Engine.restore(EngineParams(), b"\x82\xa6schema\x09\xa5state\x80")


def test_a_snapshot_of_an_older_schema_is_brought_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, on plain values; the state comes out as if it had been written today."""
    drive = opened()
    data = drive.engine.snapshot()
    old = msgspec.msgpack.decode(data)
    old["schema"] = -1
    old["state"]["old_notes"] = old["state"].pop("notes")
    monkeypatch.setitem(MIGRATIONS, -1, lambda state: {**state, "notes": state["old_notes"]})
    monkeypatch.setitem(MIGRATIONS, 0, lambda state: {key: value for key, value in state.items() if key != "old_notes"})
    assert Engine.restore(drive.engine.params, msgspec.msgpack.encode(old)).snapshot() == data


@pytest.mark.parametrize("change", [
    {"rebalance_every_s": 299}, {"rebalance_every_s": 1000}, {"rebalance_offset_s": 59},
    {"rebalance_every_s": 300, "rebalance_offset_s": 300},
])
def test_a_rebalance_beside_a_settlement_is_refused(change: dict[str, int]) -> None:
    """The quiet minute is not negotiable."""
    with pytest.raises(ValueError, match="rebalance"):
        EngineParams(**change)  # type: ignore[arg-type]


def test_an_event_of_another_build_is_folded_and_its_orders_are_kept_in_doubt() -> None:
    """The recorded order may live at the venue: it is adopted and asked after."""
    drive = Drive().run_to_note("parent_started")
    (name,) = drive.engine.state.live_orders
    other = Engine(EngineParams(rebalance_offset_s=1800))
    for event, step in zip(drive.events, drive.steps, strict=True):
        other.fold_only(event, step)
    assert other.state.orders[name].state is OrderState.SENT
    other.step(DeadlineReached(Nanos(drive.now + 6 * NS_PER_S)))
    assert other.state.orders[name].state is OrderState.UNKNOWN
    asked = other.step(DeadlineReached(Nanos(drive.now + 7 * NS_PER_S))).commands
    assert name in {getattr(command, "order_id", None) for command in asked}


def test_cancels_pass_in_every_mode() -> None:
    """A live order of a killed account is cancelled at once."""
    drive = Drive(params=SLOW).run_to_note("parent_started")
    drive.control(OperatorAction.KILL)
    drive.run(1e-9)
    assert any(isinstance(command, CancelOrder) for command in drive.steps[-1].commands)
    assert drive.now > T0
