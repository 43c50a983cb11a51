"""Engines of one set of parameters, and the event that begins a session."""

from __future__ import annotations

from functools import cache

from bot import __version__
from bot.app.worlds import World
from bot.domain.events import SessionStarted
from bot.domain.values import Nanos
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.research.run_report import code_hash
from bot.settings import Settings, config_hash


class Engines:
    """Makes and restores engines; the factory that recovery and replay ask."""

    def __init__(self, params: EngineParams) -> None:
        self._params = params

    def create(self) -> Engine:
        """A fresh engine that has seen nothing."""
        return Engine(self._params)

    def restore(self, data: bytes) -> Engine:
        """The engine behind a snapshot."""
        return Engine.restore(self._params, data)


@cache
def build_id() -> str:
    """This program: version and the hash of its source."""
    return f"{__version__}+{code_hash()[:16]}"


def decision_hash(settings: Settings) -> str:
    """The hash of everything that decides: speed and other drivers' settings are not part of it."""
    return config_hash(settings.engine)


def session_started(
    settings: Settings, world: World, *, at_ns: int, epoch: int, account: str, kind: str, resumed: bool = False,
    latch: str = "", doubts: tuple[str, ...] = (), crash_loop: str = "",
) -> SessionStarted:
    """The event with which every run begins."""
    return SessionStarted(
        at_ns=Nanos(at_ns), epoch=epoch, build=build_id(), config_hash=decision_hash(settings), account=account,
        kind=kind, instruments=world.instruments, latch=latch, resumed=resumed, cadence_s=world.cadence_s,
        trade_from_ns=Nanos(0) if resumed and at_ns >= world.start_ns else world.start_ns, doubts=doubts,
        crash_loop=crash_loop,
    )
