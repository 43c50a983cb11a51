"""The drill: a kill with flatten in the middle of a scratch account's orders, measured, and held over a restart."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import msgspec

from bot.app.rehearsal.stage import account_in, busy, discard, session
from bot.app.rehearsal.walk import PromiseBroken, Walk
from bot.app.worlds import DEMO_START_NS
from bot.domain.errors import ConfigRefused, Retryable
from bot.domain.events import OperatorAction
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos
from bot.options import DrillOptions
from bot.risk.modes import Mode
from bot.runtime.kill_times import KillTimes
from bot.runtime.rehearsed import ScriptedOrder
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.kill_record import record_kill, recorded_kills

_KILL_AFTER_S: Final = 110
"""Pairs are being opened slice by slice since the first minute."""
_SESSION_NS: Final = 6 * NS_PER_MINUTE
_RESTART_NS: Final = 8 * NS_PER_MINUTE
"""Long enough for a rebalance that would open pairs again."""


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found; `late` empty and `survives_restart` true is a pass."""

    times: KillTimes
    late: tuple[str, ...]
    survives_restart: bool
    """The next session was HALTED from its first event and sent no opening order over a whole rebalance."""
    recorded: str
    """The file that keeps it."""

    @property
    def passed(self) -> bool:
        """Whether every bound held."""
        return not self.late and self.survives_restart


def run_drill(settings: Settings, options: DrillOptions) -> DrillReport:
    """Drill the kill switch with the account's own execution, limits and storage, on made-up money.

    Raises:
        ConfigRefused: a folder that cannot be written.
        PromiseBroken: no kill could be measured.
    """
    try:
        options.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="drill-", dir=options.home))
    except OSError as error:
        raise ConfigRefused(f"{options.home}: cannot be written ({error.strerror}); choose another --home") from None
    try:
        times, held = _drilled(busy(settings), home)
    finally:
        discard(home)
    place = AccountDir(options.home, settings.account.kind, options.account or settings.account.name).prepare()
    row = {**msgspec.to_builtins(times), "late": times.late, "drill": True, "survives_restart": held}
    try:
        record_kill(place.kill_record, row)
    except Retryable as error:
        raise ConfigRefused(str(error)) from None
    return DrillReport(times=times, late=times.late, survives_restart=held, recorded=str(place.kill_record))


def _drilled(settings: Settings, home: Path) -> tuple[KillTimes, bool]:
    kill = ScriptedOrder(Nanos(DEMO_START_NS + _KILL_AFTER_S * NS_PER_S), OperatorAction.KILL, with_order=True)
    for span_ns, orders in ((_SESSION_NS, (kill,)), (_RESTART_NS, ())):
        code, said = session(settings, home, span_ns, orders=orders)
        if code:
            raise PromiseBroken(f"the drill's own daemon ended with {code}: {said}")
    rows = recorded_kills(account_in(home).kill_record)
    if not rows:
        raise PromiseBroken("the drill's kill was not measured")
    times = msgspec.convert({name: rows[0][name] for name in KillTimes.__struct_fields__}, KillTimes)
    walk = Walk(settings)
    walk.go_on(account_in(home).journal)
    halted = walk.engine.state.modes.mode() is Mode.HALTED
    return times, walk.sessions == len(("killed", "restarted")) and halted and walk.opened_in_session == 0
