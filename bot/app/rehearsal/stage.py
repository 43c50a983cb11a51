"""A prepared account in the middle of its trade, from which every rehearsed death begins; and sessions that go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from bot.app.daemon import run_daemon
from bot.app.engines import build_id
from bot.app.rehearsal.children import in_child
from bot.app.rehearsal.walk import Walk, require
from bot.app.worlds import DEMO_START_NS, demo_world
from bot.domain.events import OperatorAction
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos
from bot.engine.params import EngineParams
from bot.options import RunOptions
from bot.runtime.crash_points import CrashPoints
from bot.runtime.rehearsed import Rehearsal, ScriptedOrder
from bot.settings import Settings
from bot.storage.account_dir import AccountDir

NAME: Final = "rehearsal"
LEAD_NS: Final = 8 * NS_PER_MINUTE
"""The undisturbed beginning: pairs are opened and hedged."""
BUSY_NS: Final = 7 * NS_PER_MINUTE
"""The stretch in which processes die: all is closed slice by slice and opened again."""
AFTER_NS: Final = 6 * NS_PER_MINUTE
"""The session after a death: reconciliation, a minute of grace, and a rebalance."""
SNAPSHOT_EVERY: Final = 300
_FLATTEN_S: Final = 10
_RESUME_S: Final = 130
_KILL_S: Final = 240
"""When the operator steps in, from the beginning of the stretch."""


def busy(settings: Settings) -> Settings:
    """The same bot with a strategy that trades all the time: opened and resized every five minutes, in slices.

    Execution's clocks, limits and storage stay as configured.
    """
    return msgspec.structs.replace(
        settings, engine=_eager(settings.engine),
        runtime=msgspec.structs.replace(settings.runtime, snapshot_every_events=SNAPSHOT_EVERY),
        account=msgspec.structs.replace(settings.account, kind="demo", venues=(), coins=(), alert_command=()))


def _eager(params: EngineParams) -> EngineParams:
    carry = msgspec.structs.replace(
        params.carry, basis_observations_min=1, horizon_h=8760.0, entry_buffer_bps=0.0, hurdle_annual=0.0,
        risk_premium_annual=0.0, min_hold_h=0.0, cool_down_h=0.0, pairs_max=12, resize_share_min=0.01)
    execution = msgspec.structs.replace(params.execution, slice_s=20.0, slices_max=10, slice_usd_max=400.0)
    return msgspec.structs.replace(params, carry=carry, execution=execution, rebalance_every_s=300,
                                   rebalance_offset_s=60)


class Stage:
    """One market (its seed), prepared once: folder, a walk over its journal, and how often each place is visited."""

    def __init__(self, settings: Settings, number: int, folder: Path) -> None:
        embedded = msgspec.structs.replace(settings.embedded, seed=settings.embedded.seed + number)
        self.settings = msgspec.structs.replace(settings, embedded=embedded)
        self.number = number
        self.folder = folder
        self.walk = Walk(self.settings)
        self.visits: dict[str, int] = {}

    def prepare(self) -> None:
        """Run the beginning, then the busy stretch once undisturbed on a copy.

        Raises:
            PromiseBroken: a run failed, or nothing happened in it.
        """
        self.folder.mkdir(parents=True)
        demo_world(self.settings, end_ns=None, books=None, resume_ns=None)  # what is dear is made before the forks
        build_id()
        code, said = session(self.settings, self.folder, LEAD_NS)
        require(code == 0, f"the beginning of stage {self.number} failed ({code}): {said}")
        self.walk.go_on(account_in(self.folder).journal)
        dry = self.copy(self.folder.with_name(f"{self.folder.name}-dry"))
        code, said = self.busy_session(dry, counted=True)
        require(code == 0, f"the busy stretch of stage {self.number} failed ({code}): {said}")
        self.visits = msgspec.json.decode(said, type=dict[str, int])
        discard(dry)
        require(self.visits["before_order"] >= 8, f"stage {self.number} is not busy: {self.visits}")

    def busy_session(self, home: Path, crash: Callable[[], CrashPoints] | None = None, *, fresh: bool = False,
                     kill: bool = False, counted: bool = False) -> tuple[int, str]:
        """The busy stretch on a copy (`fresh`: the very beginning of an account instead)."""
        begin_ns = DEMO_START_NS + (0 if fresh else LEAD_NS)
        return session(self.settings, home, BUSY_NS, orders=busy_orders(begin_ns, kill=kill), crash=crash,
                       counted=counted)

    def copy(self, to: Path) -> Path:
        """The prepared account again, in a folder of its own."""
        shutil.copytree(self.folder, to, ignore=shutil.ignore_patterns("BALLAST"))
        return to


def account_in(home: Path) -> AccountDir:
    """The rehearsal's account under a home folder."""
    return AccountDir(home, "demo", NAME)


def session(settings: Settings, home: Path, for_ns: int, *, orders: tuple[ScriptedOrder, ...] = (),
            counted: bool = False, crash: Callable[[], CrashPoints] | None = None) -> tuple[int, str]:
    """One session of the daemon in a process of its own, as fast as it goes: (exit code or -signal, what it said).

    `crash` is made in that process. `counted`: what it says are its visits of each place, as JSON.
    """
    options = RunOptions(home=home, for_ns=for_ns, account=NAME, as_json=True)

    def work() -> bytes:
        points = crash() if crash is not None else CrashPoints(lambda _name, _count: None)
        code = run_daemon(settings, options, Rehearsal(crash=points, orders=orders))
        require(code == 0, f"the daemon ended with {code}")
        return msgspec.json.encode(points.counts) if counted else b""

    code, said = in_child(work, home / "stderr")
    return code, said.decode(errors="replace")[-2_000:]


def busy_orders(begin_ns: int, *, kill: bool) -> tuple[ScriptedOrder, ...]:
    """The operator of a busy stretch: flatten, resume, and if asked the kill switch while pairs are opened again."""
    orders = [(_FLATTEN_S, OperatorAction.FLATTEN), (_RESUME_S, OperatorAction.RESUME)]
    orders += [(_KILL_S, OperatorAction.KILL)] if kill else []
    return tuple(ScriptedOrder(Nanos(begin_ns + after_s * NS_PER_S), action, action is OperatorAction.KILL)
                 for after_s, action in orders)


def discard(home: Path) -> None:
    """Remove the folder and what the daemon left in the machine's runtime folder."""
    place = account_in(home)
    for latch in place.kill_places:
        for path in (latch, latch.with_name(f"{latch.name}.reserve")):
            path.unlink(missing_ok=True)
    place.socket.unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)
