"""What happens to our own process: sessions, operators, deadlines, storage, clocks."""

from __future__ import annotations

from enum import Enum

from bot.domain.event import Event
from bot.domain.instrument import Instrument
from bot.domain.values import Nanos


class SessionStarted(Event, frozen=True):
    """A process took over the account. Orders without an answer are UNKNOWN from here, nothing is reconciled."""

    epoch: int
    build: str
    config_hash: str
    account: str
    kind: str
    instruments: tuple[Instrument, ...]
    latch: str = ""
    """Reason of a kill latch found at start; empty if none."""
    resumed: bool = False
    """An earlier session of this account exists in the journal."""
    cadence_s: float = 1.0
    """The feed's declared cadence: how far apart two quotes of an instrument may lie in good order."""
    trade_from_ns: Nanos = Nanos(0)
    """Events before this instant only warm the forecasts; nothing is read, decided or sent."""
    doubts: tuple[str, ...] = ()
    """Why the state behind this session is not trusted yet (build changed, replay differs): REDUCE_ONLY."""
    crash_loop: str = ""
    """Its predecessors crashed one after another: REDUCE_ONLY until an operator resumes; empty: they did not."""


class OperatorAction(Enum):
    """What an operator can order."""

    PAUSE = "pause"
    RESUME = "resume"
    FLATTEN = "flatten"
    KILL = "kill"
    KILL_HOLD = "kill_hold"
    STOP = "stop"
    ACKNOWLEDGE = "acknowledge"


def latch_holds(reason: str) -> bool:
    """Whether a kill latch of this reason keeps positions (`kill --hold`); any other ends flat."""
    return reason.startswith(OperatorAction.KILL_HOLD.value)


class Control(Event, frozen=True):
    """An operator's order; handled ahead of everything else."""

    action: OperatorAction
    actor: str
    reason: str = ""


class DeadlineReached(Event, frozen=True):
    """The instant the engine asked for with `wake_ns`."""


class CalendarFired(Event, frozen=True):
    """A calendar job's time has come."""

    job: str


class StorageFailed(Event, frozen=True):
    """A commit failed or did not return in time."""

    why: str


class StorageRestored(Event, frozen=True):
    """Commits work again."""


class DiskLow(Event, frozen=True):
    """The disk has too little space for new positions, or enough again."""

    blocked: bool
    why: str


class ClockJumped(Event, frozen=True):
    """Wall or monotonic time jumped: all data are stale, reconcile before any order."""

    jump_s: float


class InvariantBroken(Event, frozen=True):
    """The daemon's monitors saw something that must never be: no opens, or HALTED."""

    invariant: str
    """Its name in the failure catalogue: I1 to I22."""
    text: str
    halts: bool = False
