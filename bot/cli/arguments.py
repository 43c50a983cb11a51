"""The options that several verbs share, typed and explained once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bot.cli.parse import account_name, amount_usd, coin_list, instant_ns, word_list
from bot.domain.errors import ConfigRefused, DataRefused
from bot.options import Scope
from bot.settings import home_folder
from bot.storage.account_dir import KINDS, AccountDir

Value = TypeVar("Value")

Home = Annotated[Path | None, typer.Option("--home", metavar="DIR", help="Where state lives ($EVENKEEL_HOME, ./var).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Account = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Which account, if not the usual.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A TOML file; see config/.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV to FILE, or to stdout for `-`.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, metavar="N", help="At most N, newest first.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="A folder of Parquet history.")]
Venues = Annotated[str | None, typer.Option("--venues", metavar="A,B", help="Venues, such as binance,bybit.")]
Symbols = Annotated[str | None, typer.Option("--symbols", metavar="BTC,ETH", help="Base coins.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First instant, UTC: 2024-03-01.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="End, UTC, not included.")]
Capital = Annotated[str | None, typer.Option("--capital", metavar="USD", help="Cash a fresh account begins with.")]


def parsed(option: str, parse: Callable[[str], Value], text: str | None) -> Value | None:
    """What the text means, None if it was not given; a misfit names the option (exit 2)."""
    if text is None:
        return None
    try:
        return parse(text)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{option}: {error.message}") from None


def scope(data: Path | None, venues: str | None, symbols: str | None, start: str | None, end: str | None) -> Scope:
    """The data a verb is pointed at; refuses a folder that is none and an end before its start."""
    coins = parsed("--symbols", coin_list, symbols) or ()
    from_ns, to_ns = parsed("--from", instant_ns, start), parsed("--to", instant_ns, end)
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise typer.BadParameter(f"--to {end} does not come after --from {start}")
    if data is not None and not data.is_dir():
        raise DataRefused(f"--data {data}: no such folder; give one with Parquet history (bot/storage/DATA_FORMAT.md)")
    return Scope(
        data=data,
        venues=parsed("--venues", word_list, venues) or (),
        symbols=coins,
        from_ns=from_ns,
        to_ns=to_ns,
    )


def symbols(text: str | None) -> tuple[str, ...]:
    """Base coins, none twice."""
    return parsed("--symbols", coin_list, text) or ()


def capital(text: str | None) -> str | None:
    """A positive amount of USD."""
    return parsed("--capital", amount_usd, text)


def account(text: str | None) -> str | None:
    """A usable account name."""
    return parsed("--account", account_name, text)


def accounts(home: Path, name: str | None = None) -> list[AccountDir]:
    """Every account that has a folder under home, or those of that name (one per kind of run)."""
    found = []
    for kind in KINDS:
        for folder in sorted((home / kind).glob("*/")):
            if name is None or folder.name == name:
                with contextlib.suppress(ConfigRefused):  # a stranger's folder
                    found.append(AccountDir(home, kind, folder.name))
    return found


def home(option: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder: the option, else the environment, else ./var."""
    return home_folder(option, environ)
