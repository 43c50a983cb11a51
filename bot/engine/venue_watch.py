"""Venues that cannot be reached or do not answer: told within a minute, told again, nothing opens there (F48).

The written policy for what is held: a whole pair is left as it is, both legs, because closing the leg that can be
reached would leave the other alone. A broken pair is trimmed at whichever venue answers (R9). Exits, kill and unwind
are tried again without end; their bounds count from the venue's first answer.
"""

from __future__ import annotations

from typing import Final

from bot.domain.values import HEDGE, NS_PER_S, Nanos, Venue
from bot.engine.state import VenueState
from bot.engine.turn import Turn

PAGE_NS: Final = 50 * NS_PER_S
"""Paged so long after the first sign: within a minute, with room for the alert itself."""
AGAIN_NS: Final = 900 * NS_PER_S
"""... and again this often."""
SILENT_READS: Final = 3
"""An account that could not be read for so many reconciliations in a row is not known."""


def run_due(turn: Turn) -> None:
    """Look at every venue: since when it cannot be reached, and when it last told us anything."""
    for venue in turn.state.venues.values():
        _watch_connection(turn, venue)
        _watch_reads(turn, venue)


def next_ns(turn: Turn) -> Nanos | None:
    """When the next page or doubt is due."""
    due = []
    for venue in turn.state.venues.values():
        if venue.down_since_ns is not None:
            due.append(_page_ns(venue, venue.down_since_ns))
        if not _unread(turn, venue):
            due.append(_silent_ns(turn, venue))
    return Nanos(min(due)) if due else None


def down(turn: Turn, venue: VenueState) -> None:
    """It cannot be reached from now on."""
    if venue.down_since_ns is None:
        venue.down_since_ns, venue.down_paged_ns = turn.now_ns, None


def up(turn: Turn, venue: VenueState) -> None:
    """It answers again."""
    if venue.down_since_ns is not None and venue.down_paged_ns is not None:
        turn.note("venue_back", venue=venue.venue, seconds=f"{(turn.now_ns - venue.down_since_ns) / NS_PER_S:.0f}")
    venue.down_since_ns = venue.down_paged_ns = None


def reported(turn: Turn, venue: VenueState) -> None:
    """Its account has been read."""
    venue.reported_ns = turn.now_ns
    turn.state.modes.unblock_venue(venue.venue, "unread")


def _watch_connection(turn: Turn, venue: VenueState) -> None:
    since_ns = venue.down_since_ns
    if since_ns is None or turn.now_ns < _page_ns(venue, since_ns):
        return
    venue.down_paged_ns = turn.now_ns
    held = stake(turn, venue.venue)
    turn.alert("venue_down", f"{venue.venue} cannot be reached since {(turn.now_ns - since_ns) / NS_PER_S:.0f} s; "
                             f"{held or 'nothing is held or open there'}", page=bool(held))


def _page_ns(venue: VenueState, since_ns: Nanos) -> int:
    return since_ns + PAGE_NS if venue.down_paged_ns is None else venue.down_paged_ns + AGAIN_NS


def stake(turn: Turn, venue: Venue) -> str:
    """What of ours is there, in words."""
    orders = sum(1 for order_id in turn.state.live_orders if turn.state.orders[order_id].intent.venue == venue)
    legs = [f"{leg} {turn.ledger.quantity(leg, pair.pair_id):f}" for pair in turn.state.pairs.values() if pair.live
            for leg in pair.legs if turn.venue_of(leg) == venue and turn.ledger.quantity(leg, pair.pair_id)]
    legs += [f"{leg} {turn.ledger.quantity(leg, HEDGE):f} (hedge)" for leg in turn.state.hedge.legs
             if turn.venue_of(leg) == venue and turn.ledger.quantity(leg, HEDGE)]
    parts = [", ".join(legs)] if legs else []
    if orders:
        parts.append(f"{orders} order(s) open or in doubt")
    return "; ".join(parts)


def _watch_reads(turn: Turn, venue: VenueState) -> None:
    if _unread(turn, venue) or turn.now_ns < _silent_ns(turn, venue):
        return
    text = f"{venue.venue}: the account could not be read for {SILENT_READS} reconciliations in a row"
    if turn.state.modes.block_venue(venue.venue, turn.reason("unread", text, "the next account report")):
        turn.alert("venue_silent", text, page=bool(stake(turn, venue.venue)))


def _unread(turn: Turn, venue: VenueState) -> bool:
    return "unread" in turn.state.modes.venue_reasons(venue.venue)


def _silent_ns(turn: Turn, venue: VenueState) -> int:
    every_s = max(turn.params.risk.reconcile_s, turn.state.session.cadence_s)
    return venue.reported_ns + int(SILENT_READS * every_s * NS_PER_S)
