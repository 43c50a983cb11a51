"""`doctor`: what about this machine and this folder would keep the bot from running well."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bot.cli import arguments as args
from bot.cli.doctor_records import Verdict, record_findings
from bot.cli.kill_lines import kill_line, last_kill
from bot.cli.output import as_typed, emit
from bot.domain.errors import BotError
from bot.runtime.clock import SystemClock
from bot.settings import Settings, config_hash, load
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.kill_latch import KillLatch
from bot.storage.params import StorageParams

BUILT_IN = 2026
STATUS_WAIT_S = 5.0
SIMULATED = ("demo", "paper", "replay", "sim")
"""Kinds of account whose exchange keeps its books in our folder."""
SQLITE_MIN = (3, 35, 0)
LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
NEEDED = ("msgspec", "numpy", "scipy", "orjson", "structlog", "typer", "rich", "apscheduler", "duckdb")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at; a `bad` one makes the verb exit 1."""

    check: str
    verdict: Verdict
    text: str


def doctor(
    config: args.Config = None, data: args.Data = None, home: args.Home = None, as_json: args.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what is not good.")] = False,
) -> int:
    """Check interpreter, packages, configuration, state folder, disk and accounts; exit 1 if something is bad."""
    root = args.home(home)
    found, settings = _configuration(config)
    findings = [
        _interpreter(), *_packages(LOCK), _sqlite(), found, _writable(root), _disk(root, settings), _clock(),
        *_accounts(root, settings), *(_data(data) if data is not None else ()),
    ]
    shown = [finding for finding in findings if not (quiet and finding.verdict == "good")]
    bad = any(finding.verdict == "bad" for finding in findings)
    emit({"ok": not bad, "findings": shown} if as_json else shown or "all good", as_json)
    return 1 if bad else 0


def _good(check: str, text: str) -> Finding:
    return Finding(check=check, verdict="good", text=text)


def _interpreter() -> Finding:
    return _good("python", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def _packages(lock: Path) -> Iterator[Finding]:
    """Installed versions against the lock, where the lock is at hand (a checkout)."""
    text = lock.read_text("utf-8") if lock.is_file() else ""
    for name in NEEDED:
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(check=name, verdict="bad", text="not installed; run ./evenkeel from the checkout")
            continue
        pins = re.findall(rf"^{name}==([^ ;\\]+)", text, re.MULTILINE)
        if pins and have not in pins:
            yield Finding(check=name, verdict="warn", text=f"{have}, but the lock says {' or '.join(pins)}")
        else:
            yield _good(name, have)


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        return Finding(check="sqlite", verdict="bad", text=f"{sqlite3.sqlite_version}: 3.35 or newer is needed")
    return _good("sqlite", sqlite3.sqlite_version)


def _configuration(config: Path | None) -> tuple[Finding, Settings | None]:
    try:
        settings = load(config, os.environ)
    except BotError as error:
        return Finding(check="configuration", verdict="bad", text=str(error)), None
    return _good("configuration", f"{config or 'built-in settings'}, hash {config_hash(settings)[:16]}"), settings


def _clock() -> Finding:
    """Orders are stamped with it and venues refuse stamps that are off; a machine that woke up in 1970 is named."""
    stamp = datetime.fromtimestamp(SystemClock().wall_ns() / 1e9, UTC)
    text = f"{stamp:%Y-%m-%d %H:%M:%S} UTC"
    if stamp.year < BUILT_IN:
        return Finding(check="clock", verdict="bad", text=f"{text}: before this program was written; set the clock")
    return _good("clock", text)


def _writable(home: Path) -> Finding:
    """Whether the state folder, or the nearest folder above it that exists, can be written; makes nothing."""
    folder = _nearest(home)
    if not folder.is_dir():
        return Finding(check="home", verdict="bad", text=f"{folder} is not a folder; choose another --home")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(check="home", verdict="bad", text=f"{folder} cannot be written; choose another --home")
    return _good("home", f"{home.absolute()}{'' if home.exists() else ' (made at the first run)'}")


def _disk(home: Path, settings: Settings | None) -> Finding:
    """Free space against the watermarks of the daemon."""
    params = StorageParams() if settings is None else settings.storage
    free_mib = shutil.disk_usage(_nearest(home)).free / (1 << 20)
    if free_mib < params.disk_block_mib:
        return Finding(check="disk", verdict="bad", text=f"only {free_mib:,.0f} MiB free: below "
                       f"{params.disk_block_mib:g} nothing new is opened; make room")
    if free_mib < params.disk_warn_mib:
        return Finding(check="disk", verdict="warn", text=f"only {free_mib:,.0f} MiB free; the journal will need more")
    return _good("disk", f"{free_mib:,.0f} MiB free")


def _accounts(home: Path, settings: Settings | None) -> Iterator[Finding]:
    """Accounts found: what those that run say of themselves, what keeps the others from going on."""
    for account in args.accounts(home):
        pid = account.holder()
        verdict, state = _resting(account) if pid is None else _running(account, pid)
        if KillLatch(*account.kill_places).is_set:
            then = "" if pid is not None else "start it, then "
            verdict = "warn" if verdict == "good" else verdict
            state += f"; kill latch found: HALTED until you {then}`evenkeel resume`"
        yield Finding(check=f"account {account.kind}/{account.account}", verdict=verdict, text=as_typed(state))
        if account.journal.is_file() and verdict != "bad":
            yield from (Finding(check=f"records {account.kind}/{account.account}", verdict=worth, text=as_typed(text))
                        for worth, text in record_findings(account, settings, SystemClock().wall_ns()))
        killed = last_kill(account)
        if killed is not None:
            slow = bool(killed.get("late")) or killed.get("survives_restart") is False
            yield Finding(check=f"kill switch {account.kind}/{account.account}", verdict="warn" if slow else "good",
                          text=kill_line(killed))


def _running(account: AccountDir, pid: int) -> tuple[Verdict, str]:
    """Its own word over the control socket."""
    from bot.cli.render import as_view
    from bot.cli.view_lines import counted, venue_trouble
    from bot.control.client import request

    try:
        view = as_view(request(account.socket, "status", timeout_s=STATUS_WAIT_S))
    except BotError as error:
        return "bad", f"pid {pid} holds it but does not answer: {error}"
    loose = [pair.coin for pair in view.pairs if pair.unhedged_s > 0]
    said = [f"runs as pid {pid}: {view.mode}", *view.mode_reasons, counted(len(view.pairs), "pair")]
    said += [f"one leg alone: {', '.join(loose)}"] if loose else []
    said += [f"{view.orders_unknown} orders UNKNOWN"] if view.orders_unknown else []
    said += [f"{counted(len(view.alerts), 'alert')} to acknowledge"] if view.alerts else []
    said += [f"{venue.venue} {trouble}" for venue in view.venues if (trouble := venue_trouble(venue))]
    calm = view.mode == "RUN" and len(said) == 2  # nothing but the mode and the pairs
    return "good" if calm else "warn", ", ".join(said)


def _resting(account: AccountDir) -> tuple[Verdict, str]:
    """Whether the next start could go on from what is there."""
    if not account.journal.is_file():
        return "good", "does not run; nothing on record yet"
    try:
        with Journal.open_readonly(account.journal):
            pass
    except BotError as error:
        return "bad", str(error)
    if account.kind in SIMULATED and not account.venue.is_file():
        return "bad", f"{account.venue} is missing: the journal cannot go on without the exchange's books; restore it"
    return "good", f"does not run; goes on from a journal of {account.journal.stat().st_size / 1e6:.1f} MB"


def _data(folder: Path) -> Iterator[Finding]:
    files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    if not files:
        yield Finding(check="data", verdict="bad", text=f"{folder}: no Parquet files below it")
        return
    broken = [file for file in files if not _is_parquet(file)]
    for file in broken:
        yield Finding(check="data", verdict="bad", text=f"{file}: not a whole Parquet file; fetch it again")
    if not broken:
        yield _good("data", f"{folder}: {len(files)} Parquet files")


def _is_parquet(file: Path) -> bool:
    """Whether it begins and ends as Parquet does; a half-fetched one does not."""
    try:
        with file.open("rb") as handle:
            head = handle.read(4)
            handle.seek(-4, os.SEEK_END)
            return head == b"PAR1" == handle.read(4)
    except OSError:
        return False


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
