"""What strikes the process itself at a planned instant: it stands still, its clock jumps, another takes over."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.events import AnyEvent, ClockJumped, DeadlineReached, Marks, Quotes
from bot.domain.values import NS_PER_S, Nanos, Venue
from bot.runtime.invariants import Invariants
from bot.runtime.sim_process import SimProcess
from bot.runtime.sim_world import SimWorld
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Strike

STRUCK_HERE: Final = (FaultKind.PAUSED, FaultKind.CLOCK_JUMP, FaultKind.TAKEN_OVER)


def strike_process(strike: Strike, world: SimWorld, process: SimProcess, invariants: Invariants) -> None:
    """Let one planned strike happen now."""
    if strike.at_ns < world.schedule.now_ns:
        return  # it would have come while the process was dead or stood still
    world.exchange.faults.count(strike.kind)
    match strike.kind:
        case FaultKind.CLOCK_JUMP:
            jump_s = round((2 * strike.draw - 1) * strike.size, 3)
            world.schedule.inject(ClockJumped(Nanos(strike.at_ns), jump_s))
        case FaultKind.TAKEN_OVER:
            process.taken_over(strike.at_ns)
        case _:
            _stand_still(strike, world, process, invariants)


def _stand_still(strike: Strike, world: SimWorld, process: SimProcess, invariants: Invariants) -> None:
    """Nothing is taken until the end; then all comes at once, of quotes and marks the newest; the gap is noticed."""
    schedule = world.schedule
    end_ns = Nanos(strike.end_ns)
    waiting: list[AnyEvent] = []
    newest: dict[tuple[type, Venue], Quotes | Marks] = {}
    while (event := schedule.pop(until_ns=end_ns - 1)) is not None:
        if isinstance(event, Quotes | Marks):
            newest[type(event), event.venue] = event
        elif not isinstance(event, DeadlineReached):
            waiting.append(event)
    invariants.stood_still(end_ns)
    schedule.inject(ClockJumped(end_ns, (strike.end_ns - strike.at_ns) / NS_PER_S))
    for event in (*newest.values(), *waiting):
        schedule.inject(msgspec.structs.replace(event, at_ns=end_ns))
    schedule.wake(process.engine.state.wake_ns)
