"""The only place that reads a clock, and how simulated time is stretched over real time."""

from __future__ import annotations

import math
import time
from typing import Final, Protocol

from bot.domain.values import NS_PER_S, Nanos

PAUSE_NS: Final = 2 * NS_PER_S
"""Nobody ran for this long: the process or the machine was paused (failure catalogue F58)."""
WALL_STEP_NS: Final = NS_PER_S
"""The wall clock was set by more than this (F75)."""


class Clock(Protocol):
    """Time as a driver needs it."""

    def now_ns(self) -> Nanos:
        """The stamp for something that happens now; never the same twice, never backwards."""
        ...

    def monotonic_ns(self) -> int:
        """For intervals only."""
        ...


class SystemClock:
    """Real time: the wall clock at the start plus monotonic time since, so that a wall step moves no stamp."""

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns()
        self._anchor_monotonic_ns = time.monotonic_ns()
        self._previous_ns = self._anchor_ns

    def now_ns(self) -> Nanos:
        """max(previous + 1, anchor + monotonic)."""
        stamp = self._anchor_ns + time.monotonic_ns() - self._anchor_monotonic_ns
        self._previous_ns = max(self._previous_ns + 1, stamp)
        return Nanos(self._previous_ns)

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """What the wall clock says, steps and all."""
        return time.time_ns()


class SimulatedClock:
    """A clock that a test or a schedule moves by hand."""

    def __init__(self, start_ns: int = 0) -> None:
        self._time_ns = start_ns

    def advance_to(self, at_ns: int) -> None:
        """Move to `at_ns`; backwards is refused with `ValueError`."""
        if at_ns < self._time_ns:
            raise ValueError(f"time would go back from {self._time_ns} to {at_ns}")
        self._time_ns = at_ns

    def now_ns(self) -> Nanos:
        """Where it stands."""
        return Nanos(self._time_ns)

    def monotonic_ns(self) -> int:
        """Where it stands."""
        return self._time_ns


class JumpWatch:
    """Sees that the process was paused or the wall clock was set; `look` is called often."""

    def __init__(self, monotonic_ns: int, wall_ns: int) -> None:
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns

    def look(self, monotonic_ns: int, wall_ns: int) -> float | None:
        """Seconds by which time jumped since the last look, or None; a wall step back is negative."""
        passed_ns = monotonic_ns - self._monotonic_ns
        step_ns = (wall_ns - self._wall_ns) - passed_ns
        self._monotonic_ns, self._wall_ns = monotonic_ns, wall_ns
        if abs(step_ns) > WALL_STEP_NS:
            return step_ns / NS_PER_S
        return passed_ns / NS_PER_S if passed_ns > PAUSE_NS else None


class Pacer:
    """Maps simulated time to real time at a fixed speed; infinite speed never waits."""

    def __init__(self, speed: float, simulated_ns: int, monotonic_ns: int) -> None:
        self.paced = math.isfinite(speed)
        self._speed = speed
        self._simulated_ns = simulated_ns
        self._monotonic_ns = monotonic_ns

    def reached_ns(self, monotonic_ns: int) -> int:
        """The simulated instant that real time has reached (only when paced)."""
        return self._simulated_ns + int((monotonic_ns - self._monotonic_ns) * self._speed)

    def due_ns(self, simulated_ns: int) -> int:
        """The monotonic instant at which `simulated_ns` is due (only when paced)."""
        return self._monotonic_ns + int((simulated_ns - self._simulated_ns) / self._speed)

    def delay_s(self, simulated_ns: int, monotonic_ns: int) -> float:
        """Real seconds until `simulated_ns` is due; 0 if it is."""
        if not self.paced:
            return 0.0
        return max(0.0, (self.due_ns(simulated_ns) - monotonic_ns) / NS_PER_S)

    def anchor(self, simulated_ns: int, monotonic_ns: int) -> None:
        """Go on from here: after a pause, or when the machine cannot keep up, lost time is not made up for."""
        self._simulated_ns = simulated_ns
        self._monotonic_ns = monotonic_ns


def sleep_us(span_us: int) -> None:
    """Let a thread of its own wait; never called on the event loop."""
    time.sleep(span_us / 1e6)


class Stopwatch:
    """How long something took: wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall_s = time.monotonic()
        self._cpu_s = time.process_time()

    def wall_s(self) -> float:
        """Seconds of wall time so far."""
        return time.monotonic() - self._wall_s

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        return time.process_time() - self._cpu_s
