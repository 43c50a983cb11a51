"""Verbs that rehearse what must never happen: rehearse, drill."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import arguments as args
from bot.cli.control import Yes, ask_daemon, confirm
from bot.cli.kill_lines import kill_line
from bot.cli.output import emit, say
from bot.cli.screens import open_screen
from bot.domain.errors import BotError, ConfigRefused
from bot.options import DrillOptions, RehearsalOptions
from bot.settings import load
from bot.storage.account_dir import AccountDir
from bot.storage.kill_record import recorded_kills

REALLY_WAIT_S = 120.0
"""How long a drill on the account itself waits for its kill to be measured."""
_LOOK_EVERY_S = 0.2


def rehearse(
    kills: Annotated[int, typer.Option("--kills", min=0, metavar="N", help="Deaths by SIGKILL.")] = 40,
    power_cuts: Annotated[int, typer.Option("--power-cuts", min=0, metavar="N", help="Lost power: torn files.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Another seed, other places to die.")] = 0,
    config: args.Config = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Kill scratch copies of the daemon wherever it hurts, cut their power, audit each; exit 1 on any breach."""
    if kills + power_cuts < 1:
        raise typer.BadParameter("--kills and --power-cuts: at least one of both")
    settings = load(config, os.environ)

    from bot import app

    screen = open_screen(as_json, live=False)
    try:
        report = app.run_rehearsal(settings, RehearsalOptions(
            home=args.home(home), kills=kills, power_cuts=power_cuts, seed=seed, screen=screen))
    finally:
        screen.close()
    emit(report, as_json)
    return 1 if report.breaches else 0


def drill(
    really: Annotated[bool, typer.Option("--really", help="Kill the running demo or paper account itself.")] = False,
    yes: Yes = False, account: args.Account = None, config: args.Config = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Drill the kill switch: kill and flatten, measured against its bounds; on a scratch account unless --really."""
    if really:
        row = _drill_really(home, account, yes=yes)
    else:
        settings = load(config, os.environ)

        from bot import app

        found = app.run_drill(settings, DrillOptions(home=args.home(home), account=args.account(account)))
        row = {"drill": True, **_plain_times(found)}
    emit({"passed": _passed(row), **row}, as_json, kill_line(row))
    return 0 if _passed(row) else 1


def _plain_times(found: Any) -> dict[str, Any]:
    times = {name: getattr(found.times, name) for name in found.times.__struct_fields__}
    return {**times, "late": found.late, "survives_restart": found.survives_restart, "recorded": found.recorded}


def _passed(row: dict[str, Any]) -> bool:
    return not row.get("late") and row.get("survives_restart") is not False


def _drill_really(home: Path | None, account: str | None, *, yes: bool) -> dict[str, Any]:
    """Order the kill, wait until the daemon has measured it.

    Raises:
        Unavailable: no daemon runs.
        ConfigRefused: it trades real money; a drill is for demo and paper.
        BotError: the kill could not be measured in time.
    """
    from bot.control.client import find_daemon

    place: AccountDir = find_daemon(args.home(home), args.account(account))
    if place.kind not in ("demo", "paper"):
        raise ConfigRefused(f"{place.kind}/{place.account}: --really drills demo and paper accounts only")
    confirm("drill", home, account, "all orders are cancelled, all positions closed at once; HALTED until "
            "`evenkeel resume`", yes)
    before = recorded_kills(place.kill_record)
    ask_daemon(home, account, "kill", actor="drill", reason="drill")
    for _ in range(int(REALLY_WAIT_S / _LOOK_EVERY_S)):
        rows = recorded_kills(place.kill_record)
        if rows != before:
            say("drilled: HALTED until `evenkeel resume --reason drilled`")
            return {**rows[-1], "recorded": str(place.kill_record)}
        time.sleep(_LOOK_EVERY_S)
    raise BotError(f"{place.kind}/{place.account}: the kill was ordered and is not proven flat after "
                   f"{REALLY_WAIT_S:.0f} s; look with `evenkeel status`")
