"""Our account at the venues: cash, funding, forced fills, transfers, and reconciliation with the venue's truth."""

from __future__ import annotations

from bot.domain.commands import CancelOrder
from bot.domain.events import (
    AccountReport,
    CashMoved,
    Fill,
    ForcedFill,
    ReadFailed,
    TransferEnded,
    VenueConnection,
)
from bot.domain.values import HEDGE, NS_PER_S, ZERO, Nanos, is_pair_owner
from bot.engine import (
    account_mode,
    auth_desk,
    breaker_desk,
    foreign,
    funding_desk,
    hedge_desk,
    lost_transfers,
    orders_desk,
    pairs_desk,
    rate_desk,
    venue_watch,
)
from bot.engine.state import VenueState
from bot.engine.turn import Turn
from bot.execution import order_states
from bot.execution.reconcile import compare_books, compare_open_orders
from bot.portfolio.venue_costs import adopt_costs
from bot.risk import stops

DIFFERENCES_MAX = 3
"""So many reads in a row that differ are real even if no two of them agree: something moves there without us."""


def on_cash(turn: Turn, event: CashMoved) -> None:
    """Deposits and withdrawals are not P&L."""
    if turn.ledger.apply_cash(event):
        turn.state.start_equity_usd += event.amount_usd
        stops.cash_flow(turn.state.stops, event.amount_usd)
        turn.note("cash_moved", venue=event.venue, wallet=event.wallet.value, amount_usd=event.amount_usd,
                  reference=event.reference)


def on_forced_fill(turn: Turn, event: ForcedFill) -> None:
    """The venue closed part of a position: the other leg goes at once."""
    if foreign.is_unknown(turn, event.venue, event.instrument):
        return
    turn.revalue_all()
    instrument = turn.rules_then(event)
    shares = turn.ledger.apply_forced_fill(event, instrument, turn.state.market.mid(event.instrument))
    if not shares:
        return
    turn.state.venues[event.venue].moved_ns = turn.now_ns
    turn.note("forced_fill", instrument=event.instrument, cause=event.cause,
              quantity_base=instrument.quantity(event.quantity_lots), price=instrument.price(event.price_ticks))
    turn.alert(event.cause, f"{event.instrument}: the venue closed {instrument.quantity(event.quantity_lots):f} at "
                            f"{instrument.price(event.price_ticks):f} ({event.cause}); the other leg is being closed",
               page=True)
    for share in shares:
        if is_pair_owner(share.owner):
            pairs_desk.close(turn, share.owner, event.cause, urgent=True)
        elif share.owner == HEDGE:
            hedge_desk.on_forced(turn, event.instrument)


def on_transfer_ended(turn: Turn, event: TransferEnded) -> None:
    """Cash arrived, or came back."""
    if not turn.ledger.end_transfer(event):
        return
    turn.state.venues[event.venue].moved_ns = turn.now_ns
    turn.state.transfers.pop(event.transfer_id, None)
    turn.state.transfers_overdue.pop(event.transfer_id, None)
    turn.note("transfer_ended", transfer_id=event.transfer_id, ok=event.ok, fee_usd=event.fee_usd, why=event.why)
    if not event.ok:
        turn.alert("transfer_failed", f"transfer {event.transfer_id} came back: {event.why}")
    hedge_desk.on_transfer(turn, event.transfer_id)
    for pair in turn.state.pairs.values():
        if event.transfer_id in pair.waiting_transfers:
            pair.waiting_transfers = tuple(t for t in pair.waiting_transfers if t != event.transfer_id)
            turn.look(pair.pair_id)


def on_connection(turn: Turn, event: VenueConnection) -> None:
    """Down: no opens there. Up: reconcile before anything opens."""
    venue = turn.state.venues[event.venue]
    venue.connected = event.up
    turn.note("venue_connection", venue=event.venue, up=event.up)
    if event.up:
        venue_watch.up(turn, venue)
        turn.state.modes.unblock_venue(event.venue, "disconnected")
        distrust(turn, venue, "reconnected")
        turn.read_account(venue)
    else:
        venue_watch.down(turn, venue)
        turn.state.modes.block_venue(event.venue, turn.reason("disconnected", "private side down", "reconnect"))


def distrust(turn: Turn, venue: VenueState, why: str) -> None:
    """No opens at this venue until it has been reconciled."""
    turn.state.modes.block_venue(venue.venue, turn.reason("not_reconciled", why, "reconciliation"))


def on_read_failed(turn: Turn, event: ReadFailed) -> None:
    """A failed read proves nothing; ask again soon, less often each time, and not before the venue wants to hear it."""
    venue = turn.state.venues[event.venue]
    rate_desk.heed(turn, event.venue, event.error, event.retry_after_s, event.why)
    breaker_desk.on_error(turn, event.venue, event.error, create=False)
    refused = auth_desk.on_read_failed(turn, event)
    if event.request_id == venue.read_id:
        venue.read_id = ""
        venue.reads_failed += 1
        pause_s = min(2.0 ** min(venue.reads_failed - 1, 10), turn.params.risk.read_retry_s_max)
        # a refused key is not tried every second: that is how addresses get banned
        pause_ns = reconcile_every_ns(turn) if refused else int(pause_s * NS_PER_S)
        venue.next_read_ns = Nanos(turn.now_ns + pause_ns)


def on_report(turn: Turn, event: AccountReport) -> None:
    """The venue's whole truth: book what we missed, then compare everything else."""
    venue = turn.state.venues[event.venue]
    for fill in event.fills:
        if isinstance(fill, Fill):
            orders_desk.on_fill(turn, fill)
        else:
            on_forced_fill(turn, fill)
    for cash in event.cash:
        on_cash(turn, cash)
    for paid in event.funding:
        funding_desk.on_paid(turn, paid)
    for ended in event.transfers_ended:
        on_transfer_ended(turn, ended)
    funding_desk.settle_unpaid(turn, event)
    venue.cursor = max(venue.cursor, event.cursor)
    venue_watch.reported(turn, venue)
    breaker_desk.on_read(turn, event.venue)
    account_mode.check(turn, event)
    if event.request_id != venue.read_id:
        return  # an older answer: what it brought is booked, but it proves nothing about now
    venue.read_id, venue.reads_failed = "", 0
    venue.next_read_ns = Nanos(turn.now_ns + reconcile_every_ns(turn))
    _compare_orders(turn, event)
    _compare_books(turn, venue, event)


def _compare_orders(turn: Turn, event: AccountReport) -> None:
    findings = compare_open_orders(event, turn.state.orders, turn.state.live_orders, 2 * NS_PER_S)
    for order_id in findings.forgotten:
        turn.alert("forgotten_order", f"{event.venue}: our order {order_id} is open and unknown here: cancelling")
        any_there = next(i.id for i in turn.state.market.instruments.values() if i.venue == event.venue)
        order = turn.state.orders.get(order_id)
        instrument = order.intent.instrument if order is not None else any_there
        turn.commands.append(CancelOrder(event.venue, instrument, order_id))
    for order_id in findings.missing:
        order_states.doubt(turn.state.orders[order_id], turn.now_ns, turn.params.execution)
    foreign.on_open_orders(turn, event.venue, findings.foreign)


def _compare_books(turn: Turn, venue: VenueState, event: AccountReport) -> None:
    """Compare only what is at rest: orders or transfers on their way make both sides right at different times."""
    in_motion = any(turn.state.orders[o].intent.venue == event.venue for o in turn.state.live_orders)
    if not in_motion:
        _end_lost_transfers(turn, venue, event)
    in_motion = in_motion or _cash_moves(turn, event)
    if not in_motion:
        if adopt_costs(turn.ledger, event.venue, event.positions, event.futures_usd):
            turn.note("costs_adopted", venue=event.venue)
        differences = compare_books(event, turn.ledger, turn.state.market.instruments)
        if differences and event.taken_ns < venue.moved_ns + int(turn.params.risk.read_lag_s_max * NS_PER_S):
            venue.next_read_ns = Nanos(turn.now_ns + 2 * NS_PER_S)  # the read may not have caught up with our trades
            return
        if differences:
            _differ(turn, venue, "; ".join(f"{d.what}: venue {d.venue_says}, books {d.we_say}" for d in differences))
            return
        venue.differences, venue.difference = 0, ""
        turn.state.modes.unblock_venue(venue.venue, "books_differ")
        _look_for_orphans(turn, venue)
        if foreign.shows_flat(turn, event):
            venue.flat_proven_ns = turn.now_ns
        venue.reconciled_ns = turn.now_ns
    elif "not_reconciled" in turn.state.modes.venue_reasons(venue.venue):
        # at a start all trades up to the report are booked; orders in motion are resolved by their own queries
        venue.next_read_ns = Nanos(turn.now_ns + NS_PER_S)
        return
    if turn.state.modes.unblock_venue(venue.venue, "not_reconciled"):
        turn.note("venue_reconciled", venue=venue.venue)
        _lift_doubts(turn)
        turn.look(HEDGE)
        for pair in turn.state.pairs.values():
            turn.look(pair.pair_id)


def _cash_moves(turn: Turn, event: AccountReport) -> bool:
    """Whether a transfer may still be about to leave this venue. Later its cash is gone here, wherever it is meanwhile.

    One that is lost on its way must not keep the books from being compared for ever.
    """
    return any(
        transfer.venue_from == event.venue
        and event.taken_ns - turn.state.transfers[transfer_id] < lost_transfers.AFTER_NS
        for transfer_id, transfer in turn.ledger.state.transfers.items()
    )


def _look_for_orphans(turn: Turn, venue: VenueState) -> None:
    """A quantity whose pair we no longer know is nobody's to close: a person must (never silent, never adopted)."""
    for leg, owner in turn.ledger.pair_holdings(venue.venue):
        if owner in turn.state.pairs:
            continue
        text = f"{leg}: {turn.ledger.quantity(leg, owner):f} belongs to {owner}, which is not known here"
        if turn.state.modes.block_venue(venue.venue, turn.reason("orphan_holding", text, "operator: resume")):
            turn.alert("orphan_holding", text, page=True)


def _lift_doubts(turn: Turn) -> None:
    """A start on a record of another build or configuration is REDUCE_ONLY until every venue has been reconciled."""
    modes = turn.state.modes
    waiting = any("not_reconciled" in modes.venue_reasons(venue) for venue in turn.state.venues)
    if not waiting and modes.lift("doubts"):
        turn.note("mode_changed", mode=modes.mode().value, lifted="doubts")


def _end_lost_transfers(turn: Turn, venue: VenueState, event: AccountReport) -> None:
    """A transfer whose command died with its process never left: two reads a minute on show the cash where it was."""
    for transfer in lost_transfers.never_left(turn, venue, event):
        ended = TransferEnded(turn.now_ns, transfer.venue_to, transfer.transfer_id, False, ZERO, "never left")
        on_transfer_ended(turn, ended)
    if venue.lost_transfer:
        venue.next_read_ns = Nanos(turn.now_ns + 2 * NS_PER_S)


def _differ(turn: Turn, venue: VenueState, text: str) -> None:
    """Two agreeing reads make a difference real (F37); then no opens until it is explained."""
    agrees, venue.difference = venue.difference == text, text
    venue.differences += 1
    if venue.differences == 1 or (not agrees and venue.differences < DIFFERENCES_MAX):
        venue.next_read_ns = Nanos(turn.now_ns + 2 * NS_PER_S)
    else:
        reason = turn.reason("books_differ", text[:300], "agreement with the venue")
        if turn.state.modes.block_venue(venue.venue, reason):
            turn.alert("books_differ", f"{venue.venue}: {text[:300]}", page=True)


def reconcile_every_ns(turn: Turn) -> int:
    """60 s, or the feed's cadence where that is longer."""
    return int(max(turn.params.risk.reconcile_s, turn.state.session.cadence_s) * NS_PER_S)


def run_reads(turn: Turn) -> None:
    """Send the account reads that are due, and those again whose answer never came."""
    if not turn.state.session.trading:
        return
    timeout_ns = int(turn.params.risk.reconcile_timeout_s * NS_PER_S)
    for venue in turn.state.venues.values():
        if venue.read_id and turn.now_ns - venue.read_ns >= timeout_ns:
            venue.read_id = ""
            venue.next_read_ns = turn.now_ns
        if not venue.read_id and venue.next_read_ns is not None and venue.next_read_ns <= turn.now_ns:
            turn.read_account(venue)


def next_read_ns(turn: Turn) -> Nanos | None:
    """When the next read, or the timeout of one, is due."""
    if not turn.state.session.trading:
        return None
    timeout_ns = int(turn.params.risk.reconcile_timeout_s * NS_PER_S)
    times = [v.read_ns + timeout_ns if v.read_id else v.next_read_ns for v in turn.state.venues.values()]
    known = [t for t in times if t is not None]
    return Nanos(min(known)) if known else None


def watch_transfers(turn: Turn) -> None:
    """Alert a transfer that has not arrived in time."""
    timeout_ns = int(turn.params.risk.transfer_timeout_s * NS_PER_S)
    for transfer_id, sent_ns in turn.state.transfers.items():
        if turn.now_ns - sent_ns > timeout_ns and transfer_id not in turn.state.transfers_overdue:
            turn.state.transfers_overdue[transfer_id] = None
            turn.alert("transfer_overdue", f"transfer {transfer_id} has not arrived after "
                                           f"{turn.params.risk.transfer_timeout_s:g} s")
