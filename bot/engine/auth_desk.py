"""A key that is refused: that venue is HALTED at once, a person is paged, and only a person lifts it (F49).

The other leg's policy: a whole pair is left whole. No patient exit begins, for it would leave one leg alone; what is
broken is trimmed where a key works; kill and unwind are tried again without end.
"""

from __future__ import annotations

from bot.domain.events import ErrorClass, OrderRejected, ReadFailed, RejectReason
from bot.domain.values import Venue
from bot.engine.turn import Turn


def on_rejected(turn: Turn, event: OrderRejected) -> None:
    """An order was refused for want of a right."""
    if event.reason is RejectReason.AUTH:
        refused(turn, event.venue, event.text)


def on_read_failed(turn: Turn, event: ReadFailed) -> bool:
    """A read was refused for want of a right; True if it was."""
    if event.error is not ErrorClass.AUTH:
        return False
    refused(turn, event.venue, event.why)
    return True


def refused(turn: Turn, venue: Venue, why: str) -> None:
    """The venue does not take our key: revoked, expired, or its rights or address list were changed."""
    text = f"{venue} refuses the key: {why[:200] or 'no reason given'}"
    if turn.state.modes.halt_venue(venue, turn.reason("key_refused", text, "operator: resume")):
        turn.alert("key_refused", text, page=True)
        turn.note("mode_changed", mode="HALTED", venue=venue, reason="key_refused")
