"""Verbs that only look: status, positions, orders, fills, decisions, funding."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import arguments as args
from bot.cli.control import ask_daemon
from bot.cli.kill_lines import kill_line, last_kill
from bot.cli.output import emit, say, write_csv
from bot.domain.errors import BotError, Unavailable

WATCH_EVERY_S = 1.0


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh every second until Ctrl-C.")] = False,
    account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Mode, equity and where it came from, unhedged notional, pairs, limits, alerts. Exit 1 if no daemon runs."""
    if watch and as_json:
        raise typer.BadParameter("--watch is for people; --json prints one document and ends")
    try:
        view = ask_daemon(home, account, "status")
    except Unavailable as error:
        if not as_json:
            raise
        emit({"running": False, "error": str(error), "home": args.home(home)}, as_json=True)
        return 1
    killed = _last_kill(home, account)
    if as_json:
        emit({"running": True, **view, "last_kill": killed}, as_json=True)
        return 0
    from bot.cli.render import render_status

    if watch and sys.stdout.isatty():
        return _watch(view, home, account)
    emit(view, as_json=False, rendered=render_status(view))
    if killed is not None:
        say(kill_line(killed))
    return 0


def _last_kill(home: Path | None, account: str | None) -> dict[str, Any] | None:
    """The newest kill on record of the account that runs; it may have ended a moment ago."""
    from bot.control.client import find_daemon

    try:
        return last_kill(find_daemon(args.home(home), args.account(account)))
    except BotError:
        return None


def positions(
    symbols: args.Symbols = None, account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """What is held, by owner: each leg of each pair, the hedge, dust."""
    coins = args.symbols(symbols)
    view = ask_daemon(home, account, "status")
    rows = _of_coins(view["positions"], coins)
    if as_json:
        emit(rows, as_json=True)
        return 0
    from bot.cli.render import render_positions

    emit(rows, as_json=False, rendered=render_positions({**view, "positions": rows}))
    return 0


def orders(
    history: Annotated[bool, typer.Option("--all", help="All orders on record, not only the open ones.")] = False,
    limit: args.Limit = 50, symbols: args.Symbols = None, csv: args.Csv = None, account: args.Account = None,
    home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Open orders and those whose outcome is not known; --all: every order on record."""
    if history:
        return _table("orders", limit, symbols, csv, home, account, as_json)
    coins = args.symbols(symbols)
    view = ask_daemon(home, account, "status")
    rows = _of_coins(view["orders_open"], coins)
    if as_json or csv is not None:
        _export(rows, csv, as_json)
        return 0
    from bot.cli.render import render_orders

    emit(rows, as_json=False, rendered=render_orders({**view, "orders_open": rows}))
    return 0


def fills(
    limit: args.Limit = 50, symbols: args.Symbols = None, csv: args.Csv = None, account: args.Account = None,
    home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Trades of ours, newest first, with price, fee and whether they made or took."""
    return _table("fills", limit, symbols, csv, home, account, as_json)


def decisions(
    limit: args.Limit = 5, symbols: args.Symbols = None, csv: args.Csv = None, account: args.Account = None,
    home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Rebalances, newest first: each candidate with its arithmetic, and the limits that bound."""
    return _table("decisions", limit, symbols, csv, home, account, as_json)


def funding(
    limit: args.Limit = 50, symbols: args.Symbols = None, csv: args.Csv = None, account: args.Account = None,
    home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Funding payments as the venues booked them, newest first, split by owner."""
    return _table("funding", limit, symbols, csv, home, account, as_json)


def _table(
    verb: str, limit: int, symbols: str | None, csv: Path | None, home: Path | None, account: str | None, as_json: bool,
) -> int:
    """Records of one kind as JSON, CSV or a table; from the journal where no daemon runs."""
    coins = args.symbols(symbols)
    try:
        rows = ask_daemon(home, account, verb, limit=limit)
    except Unavailable:
        rows = _on_record(args.home(home), args.account(account), verb, limit)
    # a reconciliation reports trades of many minutes, by instrument
    rows = sorted(_of_coins(rows, coins), key=lambda row: row.get("at_ns", 0), reverse=True)
    if as_json or csv is not None:
        _export(rows, csv, as_json)
        return 0
    from bot.cli import render

    drawn = {
        "orders": render.render_order_history, "fills": render.render_fills, "decisions": render.render_decisions,
        "funding": render.render_funding,
    }
    emit(rows, as_json=False, rendered=drawn[verb](rows))
    return 0


def _on_record(home: Path, name: str | None, verb: str, limit: int) -> list[Any]:
    """The same records from the journal of the named account, else of the one written last.

    Raises:
        BotError: there is no journal.
    """
    from bot.control.history import read_history

    found = [account for account in args.accounts(home, name) if account.journal.is_file()]
    if not found:
        raise BotError(f"{home}: no daemon runs and nothing is on record; start one with `evenkeel run`")
    latest = max(found, key=lambda account: account.journal.stat().st_mtime_ns)
    say(f"no daemon runs; from the journal of {latest.kind}/{latest.account}")
    return read_history(latest.journal, verb, limit)


def _export(rows: list[Any], csv: Path | None, as_json: bool) -> None:
    """Records for a script."""
    if csv is None:
        emit(rows, as_json=True)
    elif as_json:
        raise typer.BadParameter("give either --csv or --json")
    else:
        write_csv(rows, None if str(csv) == "-" else csv)


def _of_coins(rows: list[Any], coins: tuple[str, ...]) -> list[Any]:
    """The records about these base coins; a decision keeps the candidates about them. None named: all."""
    if not coins:
        return rows
    kept = []
    for row in rows:
        if "candidates" in row:
            kept.append({**row, "candidates": _of_coins(row["candidates"], coins)})
        elif (row.get("coin") or _coin(row.get("instrument", ""))) in coins:
            kept.append(row)
    return kept


def _coin(instrument: str) -> str:
    """The base coin of `venue:BTC/USDT:USDT`."""
    return instrument.partition(":")[2].partition("/")[0]


def _watch(view: Any, home: Path | None, account: str | None) -> int:
    """Redraw until Ctrl-C; raises once the daemon has gone."""
    from bot.cli.live_view import LiveView

    with LiveView() as live:
        try:
            while True:
                live.update(view)
                time.sleep(WATCH_EVERY_S)
                view = ask_daemon(home, account, "status")
        except KeyboardInterrupt:
            return 0
