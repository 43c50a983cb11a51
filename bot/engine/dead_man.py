"""The venue's own timer that cancels what rests if we fall silent (F22): re-armed while something of ours rests."""

from __future__ import annotations

from bot.domain.commands import ArmDeadMan
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, Nanos, Venue
from bot.engine.turn import Turn


def tend(turn: Turn) -> None:
    """Arm where an order of ours may rest, again before half of the time is over, and disarm where none does."""
    params = turn.params.execution
    if params.dead_man_s == 0:
        return
    resting = _resting(turn)
    for venue in turn.state.venues.values():
        if venue.venue in resting:
            if venue.armed_ns is None or turn.now_ns - venue.armed_ns >= int(params.dead_man_refresh_s * NS_PER_S):
                venue.armed_ns = turn.now_ns
                turn.commands.append(ArmDeadMan(venue.venue, params.dead_man_s))
        elif venue.armed_ns is not None:
            venue.armed_ns = None
            turn.commands.append(ArmDeadMan(venue.venue, 0.0))


def next_ns(turn: Turn) -> Nanos | None:
    """When a timer must be armed again."""
    refresh_ns = int(turn.params.execution.dead_man_refresh_s * NS_PER_S)
    due = [venue.armed_ns + refresh_ns for venue in turn.state.venues.values() if venue.armed_ns is not None]
    return Nanos(min(due)) if due else None


def _resting(turn: Turn) -> dict[Venue, None]:
    """Venues at which an order that may rest is live, as far as we can prove."""
    return {
        order.intent.venue: None
        for order in (turn.state.orders[order_id] for order_id in turn.state.live_orders)
        if order.intent.time_in_force is not TimeInForce.IOC
    }
