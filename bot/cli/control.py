"""Verbs that change what the running daemon does: pause, resume, flatten, kill, acknowledge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import arguments as args
from bot.cli.output import emit, say
from bot.domain.errors import BotError, ConfigRefused
from bot.domain.process_events import OperatorAction
from bot.storage.kill_latch import KillLatch

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def ask_daemon(home: Path | None, account: str | None, verb: str, **params: Any) -> Any:
    """The running daemon's answer.

    Raises:
        Unavailable: none runs, or it does not answer; the text says what to do.
        BotError: it refused.
    """
    from bot.control.client import find_daemon, request

    daemon = find_daemon(args.home(home), args.account(account))
    try:
        return request(daemon.socket, verb, **params)
    except ConfigRefused as error:
        raise BotError(str(error)) from error  # an order refused is no mistake in a configuration: exit 1


def order(verb: str, home: Path | None, account: str | None, as_json: bool, done: str, **params: Any) -> int:
    """Send an operator's order and say what follows from it."""
    result = ask_daemon(home, account, verb, actor="cli", **params)
    if as_json:
        emit({"ok": True, "verb": verb, "result": result}, as_json=True)
    else:
        say(done)
    return 0


def pause(
    reason: args.Reason = "", account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """No new entries; pairs are made whole, held pairs stay, exits go on."""
    return order("pause", home, account, as_json, "paused: no new entries until `evenkeel resume`", reason=reason)


def resume(
    reason: args.Reason = "", account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Take new entries again, after a pause, a stop rule or a kill."""
    return order("resume", home, account, as_json, "resumed", reason=reason)


def flatten(
    yes: Yes = False, reason: args.Reason = "", account: args.Account = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Close all positions in an orderly way, both legs of each pair together."""
    confirm("flatten", home, account, "both legs of every pair are closed, slice by slice; costs are paid", yes)
    done = "flattening: watch it with `evenkeel status --watch`"
    return order("flatten", home, account, as_json, done, reason=reason)


def kill(
    hold: Annotated[bool, typer.Option("--hold", help="Cancel and latch, but keep the positions.")] = False,
    yes: Yes = False, reason: args.Reason = "", account: args.Account = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Cancel everything, end flat, and stay HALTED until a resume. Never waits for an answer off a terminal."""
    what = "all orders are cancelled" + (", positions are kept" if hold else ", all positions closed at once")
    confirm("kill", home, account, f"{what}; HALTED until `evenkeel resume`", yes, off_terminal=True)
    done = "killed: HALTED until `evenkeel resume --reason ...`"
    try:
        return order("kill", home, account, as_json, done, hold=hold, reason=reason)
    except BotError as error:
        ordered = OperatorAction.KILL_HOLD if hold else OperatorAction.KILL
        text = f"{ordered.value} by operator: {reason or 'no reason given'}"
        return _latch_by_file(str(error), home, account, as_json, text)


def acknowledge(account: args.Account = None, home: args.Home = None, as_json: args.Json = False) -> int:
    """Mark all alerts as seen."""
    return order("ack", home, account, as_json, "alerts acknowledged")


def _latch_by_file(why: str, home: Path | None, account: str | None, as_json: bool, reason: str) -> int:
    """The way that needs no socket: the KILL files of the account, else of all that run, else of all there are.

    Raises:
        BotError: there is no account to latch, or a file could not be written.
    """
    root = args.home(home)
    found = args.accounts(root, account)
    running = [folder for folder in found if folder.holder() is not None]
    failures, latched = [], []
    for folder in running or found:
        failures += KillLatch(*folder.kill_places).set(reason)
        latched.append(f"{folder.kind}/{folder.account}")
    if not latched or failures:
        raise BotError("; ".join([why, *failures] if failures else [why, f"no account under {root} to latch"]))
    text = f"{why}; KILL file written for {', '.join(latched)}: " + (
        "the running daemon sees it at once" if running else "HALTED at the next start until `evenkeel resume`"
    )
    if as_json:
        emit({"ok": bool(running), "verb": "kill", "latched": latched, "error": why}, as_json=True)
    else:
        say(text)
    return 0 if running else 1


def confirm(
    word: str, home: Path | None, account: str | None, what: str, yes: bool, *, off_terminal: bool = False,
) -> None:
    """Ask for the verb as a typed word after showing what it does; off a terminal only `kill` goes on unasked.

    Raises:
        typer.BadParameter: not a terminal, and neither --yes nor a kill.
        typer.Abort: another word was typed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        if off_terminal:
            return
        raise typer.BadParameter(f"{word} asks for a typed word; off a terminal add --yes")
    say(f"{word}: {what}.")
    for line in _at_stake(home, account):
        say(f"  {line}")
    typed = typer.prompt(f"Type {word} to go on", default="", show_default=False, err=True)
    if typed.strip().lower() != word:
        raise typer.Abort


def _at_stake(home: Path | None, account: str | None) -> list[str]:
    """What is held now, as far as the daemon says; never in the way of the order itself."""
    try:
        view = ask_daemon(home, account, "status")
    except BotError as error:
        return [f"(no status: {error})"]
    if not isinstance(view, dict):
        return []
    pairs = view.get("pairs") or []
    held = [f"{pair.get('coin')} {pair.get('state')} {pair.get('notional_usd')} USD" for pair in pairs]
    return [f"{len(pairs)} pairs: {'; '.join(held)}" if held else "no pairs are held"]
