"""`run` and `stop`: begin and end a daemon."""

from __future__ import annotations

import enum
import os
from typing import Annotated

import msgspec
import typer

from bot.cli import arguments as args
from bot.cli.output import program
from bot.cli.parse import duration_ns, speed_factor
from bot.options import RunOptions
from bot.settings import load


class Feed(enum.StrEnum):
    """Where prices come from."""

    DEMO = "demo"
    REPLAY = "replay"


def run(
    config: args.Config = None,
    feed: Annotated[Feed, typer.Option("--feed", help="The embedded market, or recorded history.")] = Feed.DEMO,
    data: args.Data = None,
    venues: args.Venues = None,
    symbols: args.Symbols = None,
    start: args.From = None,
    end: args.To = None,
    speed: Annotated[
        str | None, typer.Option("--speed", metavar="X", help="Simulated seconds per second, or max.")
    ] = None,
    span: Annotated[str | None, typer.Option("--for", metavar="30d", help="End after so much simulated time.")] = None,
    capital: args.Capital = None,
    account: args.Account = None,
    home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Run the bot. Without options: the demo account on the embedded market; Ctrl-C stops it safely."""
    scope = args.scope(data, venues, symbols, start, end)
    if feed is Feed.REPLAY and scope.data is None:
        raise typer.BadParameter("--feed replay needs --data DIR, a folder of Parquet history")
    if feed is Feed.DEMO and scope.data is not None:
        raise typer.BadParameter("--data is recorded history: add --feed replay")
    options = RunOptions(
        home=args.home(home), feed=feed.value, scope=scope, as_json=as_json,
        speed=args.parsed("--speed", speed_factor, speed), for_ns=args.parsed("--for", duration_ns, span),
        capital_usd=args.capital(capital), account=args.account(account), program=program(),
    )
    settings = load(config, os.environ)

    from bot import app
    from bot.cli.screens import open_screen

    screen = open_screen(as_json, live=True)
    try:
        return app.run_daemon(settings, msgspec.structs.replace(options, screen=screen))
    finally:
        screen.close()


def stop(account: args.Account = None, home: args.Home = None, as_json: args.Json = False) -> int:
    """Cancel open orders, leave pairs hedged, end the process."""
    from bot.cli.control import order

    return order("stop", home, account, as_json, "stopping: open orders are cancelled, pairs stay hedged")
