"""`risk`: the governor's sheet, from the running daemon, else as an account's record ends."""

from __future__ import annotations

import os

from bot.cli import arguments as args
from bot.cli.control import ask_daemon
from bot.cli.output import emit, say
from bot.domain.errors import Unavailable
from bot.options import ReportOptions
from bot.settings import load


def risk(
    config: args.Config = None, account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Limits with headroom, leverage caps and why, VaR and its record, stress, margin, cuts.

    Of the daemon that runs; without one, as the newest account's record ends. `report risk` judges the models.
    """
    settings = load(config, os.environ)
    try:
        sheet = ask_daemon(home, account, "risk")
    except Unavailable:
        from bot.app.risk_sheets import recorded_sheet

        sheet = recorded_sheet(settings, ReportOptions(home=args.home(home), account=args.account(account)))
        say("no daemon runs: this is where the record ends")
    if as_json:
        emit(sheet, as_json=True)
        return 0
    from bot.cli.risk_view import render_risk

    emit(sheet, as_json=False, rendered=render_risk(sheet))
    return 0
