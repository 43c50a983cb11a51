"""Circuit breakers by venue and class of error: nothing opens there, then one probe, then all again.

Cancels, reads and orders that reduce go on throughout. In the half-open state one opening order at a time leaves; where
the class is one of reads, the account is read. A plain "yes" to a create closes what creates have opened, any "no" of
the venue's own proves at least that outcomes are known again.
"""

from __future__ import annotations

from typing import Final

from bot.domain.events import ErrorClass, RejectReason
from bot.domain.values import Nanos, Venue
from bot.engine import venue_watch
from bot.engine.turn import Turn
from bot.execution.order_states import OrderState
from bot.risk import breaker
from bot.risk.breaker import RATE, REFUSED, UNAVAILABLE, UNKNOWN, Breaker

_RATE: Final = (ErrorClass.RATE_LIMIT, ErrorClass.BANNED)
_ANSWERED: Final = (ErrorClass.MAINTENANCE, ErrorClass.AUTH, ErrorClass.REFUSED)
"""The venue's own word; each has a desk of its own."""
_RATE_REJECTS: Final = (RejectReason.RATE_LIMIT, RejectReason.BANNED)
_NO_ERROR: Final = (RejectReason.WOULD_CROSS, RejectReason.MAINTENANCE, RejectReason.AUTH)
"""A maker's daily bread, and what other desks act upon at the first sign."""


def on_error(turn: Turn, venue: Venue, error: ErrorClass, *, create: bool) -> None:
    """A request got no usable answer; `create`: whether an order was booked is not known."""
    if error in _RATE:
        _count(turn, venue, RATE)
    elif error not in _ANSWERED:
        _count(turn, venue, UNKNOWN if create else UNAVAILABLE)


def on_reject(turn: Turn, venue: Venue, reason: RejectReason) -> None:
    """The venue refused an order: its outcome is known, and the reason counts."""
    if reason in _RATE_REJECTS:
        _count(turn, venue, RATE)
        return
    _answered(turn, venue, (UNKNOWN, RATE))
    if reason not in _NO_ERROR:
        _count(turn, venue, f"{REFUSED}{reason.value}")


def on_taken(turn: Turn, venue: Venue) -> None:
    """The venue booked an order."""
    held = turn.state.venues[venue].breakers
    if held:
        _answered(turn, venue, tuple(kind for kind in held if kind != UNAVAILABLE))


def on_read(turn: Turn, venue: Venue) -> None:
    """The venue answered a read."""
    _answered(turn, venue, (UNAVAILABLE, RATE))


def run_due(turn: Turn) -> None:
    """Cool-downs that are over: half open."""
    for venue in turn.state.venues.values():
        for kind, held in venue.breakers.items():
            if not breaker.begin_probe(held, turn.now_ns):
                continue
            turn.state.modes.unblock_venue(venue.venue, _name(kind))
            turn.note("breaker_probing", venue=venue.venue, error=kind)
            if kind in (UNAVAILABLE, RATE) and not venue.read_id:
                turn.read_account(venue)
            _look(turn)


def next_ns(turn: Turn) -> Nanos | None:
    """When the next cool-down is over."""
    due = [held.open_until_ns for venue in turn.state.venues.values() for held in venue.breakers.values()
           if held.open_until_ns is not None]
    return min(due) if due else None


def probe_is_out(turn: Turn, venue: Venue) -> bool:
    """Whether a half-open breaker waits for the answer to an opening order that has left: one is enough."""
    if not any(held.probing_since_ns is not None for held in turn.state.venues[venue].breakers.values()):
        return False
    orders = (turn.state.orders[order_id] for order_id in turn.state.live_orders)
    return any(order.intent.venue == venue and not order.intent.reduces_owner
               and order.state in (OrderState.SENT, OrderState.UNKNOWN) for order in orders)


def reset(turn: Turn, venue: Venue) -> list[str]:
    """An operator resumes: every breaker of the venue is closed and forgets; the names of those that were not."""
    held = turn.state.venues[venue].breakers
    lifted = [_name(kind) for kind, each in held.items() if not each.idle]
    for name in lifted:
        turn.state.modes.unblock_venue(venue, name)
    held.clear()
    return lifted


def _count(turn: Turn, venue: Venue, kind: str) -> None:
    held, params = turn.state.venues[venue].breakers, turn.params.risk.breaker
    if not breaker.note_error(held.setdefault(kind, Breaker()), kind, turn.now_ns, params):
        return
    each = held[kind]
    most, seconds = params.most(kind), ((each.open_until_ns or turn.now_ns) - turn.now_ns) / 1e9
    text = (f"{most} x {kind} within {params.window_s:g} s" if each.trips == 1
            else f"{kind} again at the probe, {each.trips} times in a row")
    turn.state.modes.block_venue(venue, turn.reason(_name(kind), text, "a probe after the cool-down"))
    turn.note("breaker_opened", venue=venue, error=kind, trips=each.trips, cool_down_s=f"{seconds:g}")
    turn.alert("circuit_breaker", f"{venue}: {kind}; nothing opens there until a probe is answered",
               page=bool(venue_watch.stake(turn, venue)))
    _look(turn)


def _answered(turn: Turn, venue: Venue, kinds: tuple[str, ...]) -> None:
    held = turn.state.venues[venue].breakers
    for kind in kinds:
        each = held.get(kind)
        if each is not None and breaker.note_answer(each, turn.now_ns):
            turn.note("breaker_closed", venue=venue, error=kind)


def _look(turn: Turn) -> None:
    """What may be opened has changed for every pair."""
    for pair in turn.state.pairs.values():
        if pair.live:
            turn.look(pair.pair_id)


def _name(kind: str) -> str:
    return f"breaker_{kind}"
