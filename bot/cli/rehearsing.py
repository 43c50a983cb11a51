"""Verbs that rehearse what must never happen: rehearse."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bot.cli import arguments as args
from bot.cli.output import emit
from bot.cli.screens import open_screen
from bot.options import RehearsalOptions
from bot.settings import load


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
