"""Who runs, and how a daemon's run ended."""

from __future__ import annotations

import msgspec


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs: goes into rows and snapshots."""

    epoch: int
    build: str
    config_hash: str


class LiveRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a daemon's run ended."""

    events: int
    commits: int
    end_ns: int
    ended: str
    """finished (the schedule is over), stopped, stop_timed_out (orders may still be open) or aborted."""
    trace_hash: str
    """As `BacktestRun.trace_hash`."""
    snapshot_seq: int | None
    """The event after which the last snapshot was taken."""
