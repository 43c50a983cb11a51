"""`db status|verify|backup|restore`: an account's records, looked at, checked, copied and put back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import arguments as args
from bot.cli.output import emit, say
from bot.domain.errors import BotError, ConfigRefused
from bot.settings import load
from bot.storage.account_dir import AccountDir
from bot.storage.account_state import AccountState, account_state, damage_of
from bot.storage.backup import Backup, look_into, make_backup, rotate
from bot.storage.journal_rows import Finding

app = typer.Typer(no_args_is_help=True, help="An account's records: look, verify, back up, restore.")
To = Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to; none: the account's own backups.")]
Source = Annotated[Path, typer.Argument(metavar="FILE", help="A backup made by `db backup` or by the daemon.")]
Record = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A backup or journal; none: the account's own.")]


@app.command()
def status(
    config: args.Config = None, account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """What is on record, how large, how safe: journal, snapshots, backups, space."""
    settings = load(config, os.environ)
    states = [account_state(place, settings.storage) for place in _accounts(home, account)]
    if as_json:
        emit({"accounts": states}, as_json=True)
    else:
        typer.echo("\n".join(_lines(state) for state in states))
    return 0


@app.command()
def verify(
    file: Record = None, account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Check every row of the chain, the file, snapshots and the exchange's books; exit 1 if something is damaged."""
    found: list[dict[str, Any]] = []
    if file is not None:
        backup, findings = look_into(file)
        found.append(_verdict(str(file), backup.events, findings))
    else:
        for place in _accounts(home, account):
            if not as_json:
                say(f"{place.journal}: checking every row ...")
            events, findings = damage_of(place)
            found.append(_verdict(f"{place.kind}/{place.account}", events, findings))
    ok = all(entry["ok"] for entry in found)
    if as_json:
        emit({"ok": ok, "verified": found}, as_json=True)
    else:
        for entry in found:
            lines = [f"  row {finding.row_number}: {finding.what}" for finding in entry["findings"]]
            typer.echo("\n".join([f"{entry['what']}: {entry['events']} events, "
                                  f"{'every byte is as it was written' if entry['ok'] else 'DAMAGED'}", *lines]))
    return 0 if ok else 1


@app.command()
def backup(
    to: To = None, config: args.Config = None, account: args.Account = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Make a verified backup, also while the daemon runs."""
    from bot.runtime.clock import SystemClock

    settings = load(config, os.environ)
    place = _one(home, account)
    if to is not None and to.exists():
        raise ConfigRefused(f"{to}: is there already; choose another name")
    made = make_backup(place, to, SystemClock().wall_ns())
    if to is None:
        rotate(place, settings.storage.backups_kept)
    if as_json:
        emit({"ok": True, "backup": made}, as_json=True)
    else:
        typer.echo(_made(made))
    return 0


@app.command()
def restore(
    file: Source, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    account: args.Account = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Put a backup in its account's place. What is there is kept aside; the next start reduces only until reconciled.

    The account must not run (exit 75). A kill latch stays set.
    """
    from bot.runtime.clock import SystemClock
    from bot.storage.restore import restore as put_back

    found, _ = look_into(file)
    name = args.account(account) or found.account
    if name != found.account:
        raise ConfigRefused(f"{file}: belongs to {found.kind}/{found.account}, not to {found.kind}/{name}; never "
                            "exchange records between accounts")
    place = AccountDir(args.home(home), found.kind, name).prepare()
    with place.lock():
        _confirm(place, found, yes)
        done = put_back(place, file, SystemClock().wall_ns())
    if as_json:
        emit({"ok": True, "restored": done}, as_json=True)
        return 0
    typer.echo(f"restored {place.kind}/{place.account} to event {done.backup.events} from {file}")
    if done.replaced:
        typer.echo(f"what was there is kept in {done.replaced}")
    typer.echo("the next start is REDUCE_ONLY until every venue has been reconciled")
    return 0


def _confirm(place: AccountDir, found: Backup, yes: bool) -> None:
    """Ask for the word, unless nothing is replaced.

    Raises:
        typer.BadParameter: not a terminal, and no --yes.
        typer.Abort: another word was typed.
    """
    if yes or not place.journal.exists():
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("restore asks for a typed word; off a terminal add --yes")
    say(f"{place.kind}/{place.account} goes back to event {found.events} of epoch {found.epoch}.")
    typed = typer.prompt("Type restore to go on", default="", show_default=False, err=True)
    if typed.strip().lower() != "restore":
        raise typer.Abort


def _accounts(home: Path | None, name: str | None) -> list[AccountDir]:
    """Accounts with a record.

    Raises:
        BotError: there is none.
    """
    root = args.home(home)
    found = [place for place in args.accounts(root, args.account(name)) if place.journal.is_file()]
    if not found:
        raise BotError(f"{root}: nothing on record{f' of account {name}' if name else ''}; start a run first")
    return found


def _one(home: Path | None, name: str | None) -> AccountDir:
    """The account meant: the only one, else the one that runs, else it must be named.

    Raises:
        ConfigRefused: it is not clear which.
    """
    found = _accounts(home, name)
    running = [place for place in found if place.holder() is not None]
    if len(found) == 1 or len(running) == 1:
        return found[0] if len(found) == 1 else running[0]
    names = ", ".join(f"{place.kind}/{place.account}" for place in found)
    raise ConfigRefused(f"{args.home(home)}: several accounts ({names}); name one with --account")


def _verdict(what: str, events: int, findings: list[Finding]) -> dict[str, Any]:
    return {"what": what, "ok": not findings, "events": events, "findings": findings}


def _made(made: Backup) -> str:
    return (f"{made.path}: {made.kind}/{made.account} up to event {made.events} of epoch {made.epoch}, "
            f"{made.bytes / 1e6:.1f} MB, with {', '.join(made.attachments) or 'no attachment'}; verified")


def _lines(state: AccountState) -> str:
    """One account for people."""
    dropped = f", market data from event {state.whole_from:,} on" if state.whole_from > 1 else ""
    snapshot = f", the newest at event {state.newest_snapshot_event:,}" if state.newest_snapshot_event else ""
    free = "unknown space" if state.free_mib is None else f"{state.free_mib:,.0f} MiB"
    return "\n".join([
        f"{state.kind}/{state.account}: {'does not run' if state.pid is None else f'runs as pid {state.pid}'}",
        f"  journal    {state.events:,} events in {state.rows:,} rows, {state.journal_bytes / 1e6:.1f} MB, epoch "
        f"{state.epoch}{dropped}",
        f"  snapshots  {state.snapshots}{snapshot}",
        f"  backups    {state.backups}{f', the newest {state.newest_backup}' if state.newest_backup else ''}",
        f"  disk       {free} free ({state.disk})",
        f"  kill latch {state.kill_latch or 'not set'}",
    ])
