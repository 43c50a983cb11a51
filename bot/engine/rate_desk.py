"""What a venue asks us to do less of: 429 and 418 with their waits, maintenance; no opens and no reads until then.

Cancels and orders that only reduce go on (their share of the limit is what opens and reads leave); during a ban they
are few by themselves, since every one of them comes back refused and the pairs' pauses double.
"""

from __future__ import annotations

from typing import Final

from bot.domain.events import ErrorClass, RejectReason
from bot.domain.values import HEDGE, NS_PER_S, Nanos, Venue
from bot.engine.turn import Turn

REASONS: Final = ("rate_limited", "banned", "maintenance")
_OF_REJECT: Final = {
    RejectReason.RATE_LIMIT: ErrorClass.RATE_LIMIT, RejectReason.BANNED: ErrorClass.BANNED,
    RejectReason.MAINTENANCE: ErrorClass.MAINTENANCE,
}
_NAME: Final = {
    ErrorClass.RATE_LIMIT: "rate_limited", ErrorClass.BANNED: "banned", ErrorClass.MAINTENANCE: "maintenance",
}


def heed(turn: Turn, venue: Venue, error: ErrorClass | RejectReason, retry_after_s: float | None, why: str) -> None:
    """A venue has answered; where it asks us to wait, block opens there and put reads off for as long as it says."""
    if isinstance(error, RejectReason):
        if error not in _OF_REJECT:
            return
        error = _OF_REJECT[error]
    name = _NAME.get(error)
    if name is None:
        return
    held = turn.state.venues[venue]
    until = Nanos(turn.now_ns + int(_wait_s(turn, error, retry_after_s) * NS_PER_S))
    held.waits[name] = max(held.waits.get(name, until), until)
    text = f"{why[:120]}; waiting until it is over"
    if turn.state.modes.block_venue(venue, turn.reason(name, text, "the end of the wait")):
        turn.note("venue_asked_to_wait", venue=venue, reason=name, seconds=f"{(until - turn.now_ns) / NS_PER_S:.1f}",
                  why=why[:120])
        if error is not ErrorClass.RATE_LIMIT:
            turn.alert(name, f"{venue}: {why[:120]}; no opens there", page=error is ErrorClass.BANNED)


def _wait_s(turn: Turn, error: ErrorClass, retry_after_s: float | None) -> float:
    """What the venue said, within reason; else the configured wait, doubled while it goes on asking."""
    risk = turn.params.risk
    if retry_after_s is not None and 0 <= retry_after_s < float("inf"):
        return min(max(retry_after_s, 1.0), risk.venue_wait_s_max)
    return risk.maintenance_wait_s if error is ErrorClass.MAINTENANCE else risk.rate_limit_wait_s


def lift(turn: Turn) -> None:
    """End the waits that are over."""
    for venue in turn.state.venues.values():
        for name in [name for name, until in venue.waits.items() if until <= turn.now_ns]:
            del venue.waits[name]
            turn.state.modes.unblock_venue(venue.venue, name)
            turn.note("venue_wait_over", venue=venue.venue, reason=name)
            turn.look(HEDGE)
            for pair in turn.state.pairs.values():
                if pair.live:
                    turn.look(pair.pair_id)


def next_lift_ns(turn: Turn) -> Nanos | None:
    """When the next wait is over."""
    return min((until for venue in turn.state.venues.values() for until in venue.waits.values()), default=None)
