"""What one call of a verb asks for, typed and parsed; defaults of the trading kind live in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from bot.engine.view import EngineView


class Screen(Protocol):
    """Where a run shows itself while it goes and leaves its report when it ends."""

    def show(self, view: EngineView) -> None:
        """Show the state; called about once a second, never from inside a step."""
        ...

    def progress(self, text: str) -> None:
        """One line for people: what is going on, or what just ended. Never on stdout when that carries JSON."""
        ...

    def advance(self, done: float, text: str) -> None:
        """How far a long calculation is: a share in 0..1 and where it stands."""
        ...

    def report(self, document: Any) -> None:
        """Print the run's final document, once, after everything else."""
        ...

    def close(self) -> None:
        """Give the terminal back; may be called twice."""
        ...


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which data a run sees. Empty venues or coins: what the settings say. Instants are UTC, the end is left out."""

    data: Path | None = None
    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    """Base coins."""
    from_ns: int | None = None
    to_ns: int | None = None


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`run`: one daemon."""

    home: Path
    feed: str = "demo"
    """demo: the embedded market. replay: recorded history from `scope.data`."""
    scope: Scope = Scope()
    speed: float | None = None
    """Simulated seconds per real second, None: as the settings say, `inf`: as fast as it goes."""
    for_ns: int | None = None
    """End by itself after so much simulated time; such a run begins a fresh account unless one is named."""
    capital_usd: str | None = None
    account: str | None = None
    after_crashes: bool = False
    """Start although the last starts crashed; nothing opens until an operator resumes."""
    as_json: bool = False
    program: str = "evenkeel"
    """How the program was called, for lines that say what to type next."""
    screen: Screen | None = None


class RescueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`run --rescue`: get an account flat whose record cannot be trusted."""

    home: Path
    account: str | None = None
    hold: bool = False
    """Only cancel; positions stay."""


class BacktestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`backtest`: a loop over recorded history."""

    home: Path
    scope: Scope
    capital_usd: str | None = None
    screen: Screen | None = None


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`replay JOURNAL`: step a recorded run again and compare byte for byte."""

    home: Path
    journal: Path
    screen: Screen | None = None


class DiffOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`replay --diff`: the daemon and the backtest over the same history, compared."""

    home: Path
    scope: Scope
    capital_usd: str | None = None
    screen: Screen | None = None


class SimOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`sim`: seeded days with faults; the seeds run from the first to the last, both included."""

    home: Path
    seed_first: int
    seed_last: int
    days: float
    profile: str
    plan: Path | None = None
    """Run this plan instead of a seed's own."""
    explain: bool = False
    """One seed: tell its plan first."""
    trace: Path | None = None
    """Write what happens, line by line; `-`: to stdout."""
    screen: Screen | None = None


class RehearsalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`rehearse`: deaths of the process and of the power, each audited."""

    home: Path
    """Scratch accounts are made below it and removed; those that broke a promise are kept."""
    kills: int
    power_cuts: int
    seed: int = 0
    screen: Screen | None = None


class DrillOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`drill`: the kill switch on made-up money; its times are kept with the account."""

    home: Path
    account: str | None = None


class RiskReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`report risk`: models and risks on a history of coins; without data, on the embedded market."""

    scope: Scope
    screen: Screen | None = None


class ReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`report`: the report of a recorded run, from its journal or its account's folder; None: the newest run."""

    home: Path
    source: Path | None = None
    account: str | None = None
