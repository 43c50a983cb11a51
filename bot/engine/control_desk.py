"""The operator and the process: start, pause, resume, flatten, kill, stop, storage and clock trouble."""

from __future__ import annotations

from bot.domain.events import (
    ClockJumped,
    Control,
    DiskLow,
    InvariantBroken,
    OperatorAction,
    SessionStarted,
    StorageFailed,
)
from bot.domain.process_events import latch_holds
from bot.domain.values import DUST, HEDGE, NS_PER_S, Nanos
from bot.engine import (
    account_desk,
    breaker_desk,
    dust_desk,
    dust_parking,
    hedge_desk,
    lifecycle_desk,
    orders_desk,
    pairs_desk,
)
from bot.engine.turn import Turn
from bot.execution import order_states
from bot.execution.order_states import OrderState
from bot.execution.pair_execution import hedged_base
from bot.portfolio.pairs import PairState
from bot.risk import throttle

OPERATOR_REASONS = (
    "operator", "flatten", "kill", "drawdown", "daily_loss", "runaway", "doubts", "storage", "invariant", "crash_loop",
)
KILL_READ_NS = 5 * NS_PER_S
"""While a kill closes pairs the venues are read this often at least."""
KILL_PAGE_NS = 45 * NS_PER_S
"""A kill that is not proven flat by then is paged."""
KILL_PAGE_AGAIN_NS = 300 * NS_PER_S
OPERATOR_BLOCKS = ("key_refused", "foreign_orders", "foreign_fill", "books_differ", "orphan_holding")


def on_session(turn: Turn, event: SessionStarted) -> None:
    """A process took over. Nothing is trusted until the venues have been read; unanswered orders are UNKNOWN."""
    session = turn.state.session
    session.epoch, session.account, session.kind = event.epoch, event.account, event.kind
    session.build, session.config_hash, session.cadence_s = event.build, event.config_hash, event.cadence_s
    session.trade_from_ns, session.orders_made = event.trade_from_ns, 0
    session.trading = turn.now_ns >= event.trade_from_ns
    lifecycle_desk.take_rules(turn, event.instruments)
    turn.state.ticks_until_ns = Nanos(0)  # the market begins anew: what was asked of the last one is forgotten
    turn.state.modes.lift("stopping")
    turn.state.modes.lift("storage")
    turn.state.modes.lift("disk_low")
    # a latch that we do not know of was set while nobody ran, or the process died before the kill was committed
    kill_missed = bool(event.latch) and ("kill" not in turn.state.modes.halted or _only_held(turn, event))
    if event.latch and not (kill_missed and session.trading):
        turn.state.modes.halt(turn.reason("kill", event.latch, "operator: resume"))
    if event.doubts:
        turn.state.modes.reduce(turn.reason("doubts", "; ".join(event.doubts)[:300], "reconciliation"))
    if event.crash_loop and turn.state.modes.reduce(turn.reason("crash_loop", event.crash_loop, "operator: resume")):
        turn.alert("crash_loop", f"{event.crash_loop}; nothing opens", page=True)
    if turn.state.killed_flatten:
        turn.state.kill_page_ns = Nanos(turn.now_ns + KILL_PAGE_NS)  # nobody may have heard the process that is gone
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        if order.state is OrderState.SENT:
            order.state = OrderState.UNKNOWN
        order_states.doubt(order, turn.now_ns, turn.params.execution)
    hedge_desk.on_session(turn)
    for pair in turn.state.pairs.values():
        pair.paged_ns = None  # nobody may have heard the process that is gone
        if pair.parent is not None and pair.parent.opening:
            # R9: once whole it is HEDGED at what was filled; whether it grows on is a decision of its own
            pair.parent.deadline_ns = min(pair.parent.deadline_ns, turn.now_ns)
        elif pair.parent is not None:
            pair.parent.urgent = True  # an exit or cut that was under way is finished, not spread over minutes anew
    turn.note("session_started", epoch=event.epoch, kind=event.kind, account=event.account, build=event.build,
              config_hash=event.config_hash, resumed=event.resumed)
    for venue in turn.state.venues.values():
        venue.connected, venue.read_id, venue.differences = True, "", 0
        venue.down_since_ns = venue.down_paged_ns = venue.armed_ns = None
        venue.reported_ns = max(turn.now_ns, event.trade_from_ns)
        turn.state.modes.unblock_venue(venue.venue, "disconnected")
        account_desk.distrust(turn, venue, "start")
    dust_parking.look_soon(turn)
    if session.trading:
        begin_trading(turn)
        if kill_missed:
            _carry_out_latch(turn, event)
    else:
        turn.state.next_rebalance_ns = None


def _only_held(turn: Turn, event: SessionStarted) -> bool:
    """Whether we hold anything under a kill that was to hold, and the latch has been told since to end flat."""
    held = hedge_desk.live(turn) or any(pair.live for pair in turn.state.pairs.values())
    return held and not latch_holds(event.latch) and not turn.state.killed_flatten


def _carry_out_latch(turn: Turn, event: SessionStarted) -> None:
    """The kill that stands in the latch alone."""
    hold = latch_holds(event.latch)
    action = OperatorAction.KILL_HOLD if hold else OperatorAction.KILL
    order = Control(event.at_ns, action, "latch", event.latch)
    if hold:
        _kill_hold(turn, order)
    else:
        _kill(turn, order)


def begin_trading(turn: Turn) -> None:
    """From here accounts are read and decisions taken."""
    turn.state.session.trading = True
    for venue in turn.state.venues.values():
        turn.read_account(venue)
    every, offset = turn.params.rebalance_every_s * NS_PER_S, turn.params.rebalance_offset_s * NS_PER_S
    turn.state.next_rebalance_ns = Nanos(-(-(turn.now_ns - offset) // every) * every + offset)
    turn.look(HEDGE)
    for pair in turn.state.pairs.values():
        turn.look(pair.pair_id)


def on_control(turn: Turn, event: Control) -> None:
    """An operator's order, ahead of everything else."""
    turn.note("control", action=event.action.value, actor=event.actor, reason=event.reason)
    match event.action:
        case OperatorAction.PAUSE:
            _pause(turn, "operator", event.reason or "paused by the operator")
        case OperatorAction.RESUME:
            _resume(turn)
        case OperatorAction.FLATTEN:
            _pause(turn, "flatten", event.reason or "flatten ordered")
            _close_all(turn, "operator_flatten", urgent=False)
        case OperatorAction.KILL:
            _kill(turn, event)
        case OperatorAction.KILL_HOLD:
            _kill_hold(turn, event)
        case OperatorAction.STOP:
            turn.state.modes.reduce(turn.reason("stopping", "the process is ending", "the next start"))
            orders_desk.cancel_all(turn)
        case OperatorAction.ACKNOWLEDGE:
            turn.state.alerts.clear()


def _pause(turn: Turn, name: str, text: str) -> None:
    """No opens; pairs are made whole, held pairs stay, exits go on."""
    turn.state.modes.reduce(turn.reason(name, text, "operator: resume"))
    turn.note("mode_changed", mode=turn.state.modes.mode().value, reason=name)
    orders_desk.cancel_all(turn, opening_only=True)
    turn.look(HEDGE)
    for pair in turn.state.pairs.values():
        turn.look(pair.pair_id)


def _resume(turn: Turn) -> None:
    """Lift what an operator may lift; opens wait for a fresh reconciliation."""
    modes = turn.state.modes
    lifted = [name for name in OPERATOR_REASONS if modes.lift(name)]
    for venue in turn.state.venues.values():
        lifted += [name for name in OPERATOR_BLOCKS if modes.unblock_venue(venue.venue, name)]
        lifted += breaker_desk.reset(turn, venue.venue)
        account_desk.distrust(turn, venue, "resumed")
        turn.read_account(venue)
    for instrument in modes.instruments:
        if modes.unblock_instrument(instrument, "rejects"):
            lifted.append(f"rejects {instrument}")
        if lifecycle_desk.confirm(turn, instrument):
            lifted.append(f"identity_changed {instrument}")
    turn.state.rejects.clear()
    turn.state.recent_opens.clear()
    throttle.forget(turn.state.throttle)
    turn.state.killed_flatten = False
    dust_parking.look_soon(turn)
    if "drawdown" in lifted:
        turn.state.stops.peak_usd = turn.equity_usd()
    if "daily_loss" in lifted:
        turn.state.stops.day_start_usd, turn.state.stops.daily_seen_ns = turn.equity_usd(), None
    turn.note("mode_changed", mode=modes.mode().value, lifted=",".join(lifted))


def _kill(turn: Turn, event: Control) -> None:
    """Cancel all, end flat, latch. The venue itself must show flat before it counts as done."""
    text = event.reason or "kill switch"
    if turn.state.modes.halt(turn.reason("kill", text, "operator: resume")):
        turn.alert("killed", f"kill switch by {event.actor}: {text}", page=True)
    turn.state.killed_flatten = True
    turn.state.kill_page_ns = Nanos(turn.now_ns + KILL_PAGE_NS)
    turn.note("mode_changed", mode=turn.state.modes.mode().value, reason="kill")
    orders_desk.cancel_all(turn)
    _close_all(turn, "kill", urgent=True)
    dust_parking.look_soon(turn)
    for venue in turn.state.venues.values():
        venue.flat_proven_ns = None
        turn.read_account(venue)


def _kill_hold(turn: Turn, event: Control) -> None:
    """Cancel all, trim broken pairs, latch; whole pairs stay as they are.

    After a kill that ends flat it changes nothing: what was ordered first goes on until an operator resumes.
    """
    if turn.state.killed_flatten:
        turn.note("mode_changed", mode=turn.state.modes.mode().value, reason="kill")
        return
    turn.state.modes.halt(turn.reason("kill", event.reason or "kill switch (hold)", "operator: resume"))
    turn.note("mode_changed", mode=turn.state.modes.mode().value, reason="kill_hold")
    orders_desk.cancel_all(turn)
    hedge_desk.hold(turn)
    for pair in turn.state.pairs.values():
        if pair.live:
            pair.parent = None
            pair.target_base = hedged_base(pairs_desk.situation(turn, pair, pair.long_leg),
                                           pairs_desk.situation(turn, pair, pair.short_leg))
            turn.look(pair.pair_id)


def _close_all(turn: Turn, reason: str, *, urgent: bool) -> None:
    hedge_desk.close(turn, reason, urgent=urgent)
    for pair in tuple(turn.state.pairs.values()):
        if pair.state is not PairState.FLAT:
            pairs_desk.close(turn, pair.pair_id, reason, urgent=urgent)


def verify_flat(turn: Turn) -> None:
    """After a kill: read the venues often, and say once that each has shown no position and no open order.

    A fill or an end of which the private stream never told is found by these reads alone. What a venue showed while a
    pair was still being closed proves nothing.
    """
    if not turn.state.killed_flatten:
        return
    venues = turn.state.venues.values()
    live = (dust_desk.sellable(turn) or hedge_desk.live(turn)
            or any(pair.live for pair in turn.state.pairs.values()))
    for venue in venues:
        if live:
            venue.flat_proven_ns = None
        within_ns = KILL_READ_NS if live else NS_PER_S
        if venue.flat_proven_ns is None and not venue.read_id and (
                venue.next_read_ns is None or venue.next_read_ns > turn.now_ns + within_ns):
            venue.next_read_ns = Nanos(turn.now_ns + within_ns)
    unproven = [venue.venue for venue in venues if venue.flat_proven_ns is None]
    if not unproven:
        turn.state.killed_flatten, turn.state.kill_page_ns = False, None
        turn.note("kill_verified_flat", venues=",".join(turn.state.venues))
        if left := _unclosable(turn):
            turn.alert("kill_left_dust", f"killed; flat but for what no order can close: {left}; close it by hand",
                       page=True)
    elif turn.state.kill_page_ns is None or turn.now_ns >= turn.state.kill_page_ns:
        turn.state.kill_page_ns = Nanos(turn.now_ns + KILL_PAGE_AGAIN_NS)
        turn.alert("kill_not_proven", f"killed, and not proven flat yet: {', '.join(unproven)}; going on", page=True)


def _unclosable(turn: Turn) -> str:
    """Positions in perpetuals that are parked as dust: less than a lot, and yet exposure."""
    held = ((name, turn.ledger.quantity(name, DUST)) for name, rules in turn.state.market.instruments.items()
            if rules.is_perp)
    return ", ".join(f"{quantity:f} {name}" for name, quantity in held if quantity != 0)


def on_storage_failed(turn: Turn, event: StorageFailed) -> None:
    """Commits fail: only cancels and reducing orders leave, unjournalled and alerted (I1's exception)."""
    if turn.state.modes.halt(turn.reason("storage", event.why[:200], "working storage, then resume")):
        turn.alert("storage_failed", f"commits fail: {event.why[:200]}; no opens", page=True)
    orders_desk.cancel_all(turn, opening_only=True)


def on_storage_restored(turn: Turn) -> None:
    """Take everything from the venues before running on."""
    if turn.state.modes.lift("storage"):
        turn.note("mode_changed", mode=turn.state.modes.mode().value, lifted="storage")
    for venue in turn.state.venues.values():
        account_desk.distrust(turn, venue, "storage restored")
        turn.read_account(venue)


def on_disk_low(turn: Turn, event: DiskLow) -> None:
    """Too little space: nothing new is opened until there is enough again; all that reduces goes on."""
    modes = turn.state.modes
    if event.blocked:
        if modes.reduce(turn.reason("disk_low", event.why[:200], "space on the disk")):
            turn.alert("disk_low", f"{event.why[:200]}; nothing new is opened", page=True)
        orders_desk.cancel_all(turn, opening_only=True)
    else:
        modes.lift("disk_low")
    turn.note("mode_changed", mode=modes.mode().value, reason="disk_low", blocked=str(event.blocked))
    turn.look(HEDGE)
    for pair in turn.state.pairs.values():
        turn.look(pair.pair_id)


def on_clock_jumped(turn: Turn, event: ClockJumped) -> None:
    """All data are stale: reconcile before any order."""
    turn.alert("clock_jumped", f"the clock jumped by {event.jump_s:+.1f} s; reconciling")
    for venue in turn.state.venues.values():
        account_desk.distrust(turn, venue, "clock jumped")
        turn.read_account(venue)


def on_invariant_broken(turn: Turn, event: InvariantBroken) -> None:
    """Something must never be, and is: nothing opens, or all is HALTED, until a person has looked."""
    text = f"{event.invariant}: {event.text}"
    reason = turn.reason("invariant", text, "operator: resume")
    if turn.state.modes.halt(reason) if event.halts else turn.state.modes.reduce(reason):
        turn.alert("invariant_broken", text, page=True)
        turn.note("mode_changed", mode=turn.state.modes.mode().value, reason="invariant")
        orders_desk.cancel_all(turn, opening_only=True)
