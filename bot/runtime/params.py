"""The settings of the drivers."""

from __future__ import annotations

import math

import msgspec

from bot.domain.errors import ConfigRefused


class RuntimeParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the daemon runs; none of it but `fit_delay_s` changes what the engine decides."""

    speed: float = 600.0
    """Simulated seconds per real second; `inf`: as fast as possible."""
    commit_delay_ms_max: int = 1_000
    """Events that decided nothing wait at most this long (real) for their commit."""
    commit_wait_ms_max: int = 1_000
    """A commit that has not returned after this is a storage failure."""
    batch_events_max: int = 4_096
    """Events in one journal row."""
    unwritten_events_max: int = 200_000
    """Events kept in memory while the storage fails; beyond that the process stops."""
    snapshot_every_events: int = 50_000
    stop_wait_s: float = 15.0
    """How long a stop waits for the cancels of open orders (real)."""
    loop_slice_ms: float = 5.0
    """The engine gives the event loop a turn at least this often."""
    crash_window_s: float = 600.0
    """Starts that did not end by themselves are counted over so long (real)."""
    crashes_reduce_only: int = 3
    """So many of them: the next start opens nothing until an operator resumes."""
    crashes_max: int = 5
    """So many: no start at all, but with `--after-crashes`."""
    heartbeat_s: float = 60.0
    watch_ms: int = 100
    """How often the KILL file, the storage and the clocks are looked at."""
    inbox_events_max: int = 1_024
    control_clients_max: int = 16
    control_line_bytes_max: int = 65_536
    control_timeout_s: float = 5.0
    """A client that does not read its answer for so long is cut off."""

    fit_delay_s: float = 5.0
    """In simulated time a model fit returns so long after it was asked for, in every driver alike."""

    def __post_init__(self) -> None:
        if not (1 <= self.crashes_reduce_only <= self.crashes_max <= 1_000 and 10 <= self.crash_window_s <= 86_400):
            raise ConfigRefused("1 <= crashes_reduce_only <= crashes_max <= 1000 and 10 <= crash_window_s <= 86400 "
                                "must hold")
        if math.isnan(self.speed) or self.speed <= 0:
            raise ConfigRefused(f"runtime.speed = {self.speed}: must be above 0 (`inf` = as fast as possible)")
        for name in self.__struct_fields__[1:]:
            value = getattr(self, name)
            if not (0 < value < math.inf):
                raise ConfigRefused(f"runtime.{name} = {value}: must be above 0 and finite")
