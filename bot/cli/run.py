"""`run` and `stop`: begin and end a daemon."""

from __future__ import annotations

import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bot.cli import arguments as args
from bot.cli.output import emit, program, say
from bot.cli.parse import duration_ns, speed_factor
from bot.options import RescueOptions, RunOptions
from bot.runtime.process_signals import ProcessSignals
from bot.settings import Settings, load


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
    rescue: Annotated[
        bool, typer.Option("--rescue", help="Damaged record: cancel all, close all, by the venue's own word.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (with --rescue).")] = False,
    account: args.Account = None,
    after_crashes: Annotated[
        bool, typer.Option("--after-crashes", help="Start although the last starts crashed; opens nothing at first.")
    ] = False,
    home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Run the bot. Without options: the demo account on the embedded market; Ctrl-C stops it safely."""
    if rescue:
        return _rescue(load(config, os.environ), args.home(home), args.account(account), yes=yes, as_json=as_json)
    scope = args.scope(data, venues, symbols, start, end)
    if feed is Feed.REPLAY and scope.data is None:
        raise typer.BadParameter("--feed replay needs --data DIR, a folder of Parquet history")
    if feed is Feed.DEMO and scope.data is not None:
        raise typer.BadParameter("--data is recorded history: add --feed replay")
    options = RunOptions(
        home=args.home(home), feed=feed.value, scope=scope, as_json=as_json,
        speed=args.parsed("--speed", speed_factor, speed), for_ns=args.parsed("--for", duration_ns, span),
        capital_usd=args.capital(capital), account=args.account(account), program=program(),
        after_crashes=after_crashes,
    )
    settings = load(config, os.environ)
    signals = ProcessSignals()
    signals.catch()

    from bot import app
    from bot.cli.screens import open_screen

    screen = open_screen(as_json, live=True)
    try:
        return app.run_daemon(settings, msgspec.structs.replace(options, screen=screen), signals=signals)
    finally:
        screen.close()


def _rescue(settings: Settings, home: Path, account: str | None, *, yes: bool, as_json: bool) -> int:
    """Get flat without the record, after a typed word; exit 1 if something of ours is left open.

    Raises:
        typer.BadParameter: not a terminal, and no --yes.
        typer.Abort: another word was typed.
    """
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("--rescue asks for a typed word; off a terminal add --yes")
        say("rescue: without its record the account's orders are cancelled and all it holds is closed at the market;")
        say("  what the bot did not buy stays as far as a snapshot can tell. If the record is sound, use `kill`.")
        if typer.prompt("Type rescue to go on", default="", show_default=False, err=True).strip().lower() != "rescue":
            raise typer.Abort

    from bot import app

    done = app.run_rescue(settings, RescueOptions(home=home, account=account))
    if as_json:
        emit(done, as_json=True)
        return 0 if done.flat else 1
    say(f"{'flat' if done.flat else 'NOT FLAT YET: run it again'}: {done.orders_cancelled} orders cancelled, "
        f"{done.orders_sent} sent")
    for text in done.left:
        say(f"left at {text}")
    say(f"coins went by {done.coins_from or 'no snapshot: none was touched'}; the rescue's own record is {done.record}")
    say("the account stays HALTED; put a backup back with `db restore`, or start anew with --account NAME")
    return 0 if done.flat else 1


def stop(account: args.Account = None, home: args.Home = None, as_json: args.Json = False) -> int:
    """Cancel open orders, leave pairs hedged, end the process."""
    from bot.cli.control import order

    return order("stop", home, account, as_json, "stopping: open orders are cancelled, pairs stay hedged")
