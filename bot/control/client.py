"""Asks a running daemon, from another process."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.control.protocol import Answer, Params, Request
from bot.domain.errors import ConfigRefused, Unavailable
from bot.storage.account_dir import KINDS, AccountDir

_ANSWER_BYTES_MAX: Final = 64_000_000


def request(socket_path: Path, verb: str, *, timeout_s: float = 10.0, **params: Any) -> Any:
    """Send one request and return its result as plain data.

    Args:
        socket_path: `AccountDir.socket`.
        verb: see `bot.control.protocol`.
        timeout_s: for the whole answer.
        params: fields of `protocol.Params`.
    Raises:
        Unavailable: no daemon listens there, or it did not answer in time.
        ConfigRefused: the daemon refused; its one line.
    """
    line = msgspec.json.encode(Request(verb=verb, params=Params(**params))) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(socket_path))
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                raw = answers.readline(_ANSWER_BYTES_MAX)
        answer = msgspec.json.decode(raw, type=Answer)
    except (FileNotFoundError, ConnectionRefusedError):
        raise Unavailable(f"{socket_path}: no daemon listens; start one with `evenkeel run`") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable(f"{socket_path}: no usable answer to {verb} ({error})") from None
    if not answer.ok:
        raise ConfigRefused(answer.error)
    return answer.result


def find_daemon(home: Path, account: str | None = None) -> AccountDir:
    """The account whose daemon runs now: the named one, or the only one.

    Raises:
        Unavailable: none runs.
        ConfigRefused: several run and none was named.
    """
    found = running_accounts(home)
    if account is not None:
        found = [folder for folder in found if folder.account == account]
    if not found:
        which = f"account {account}" if account else "any account"
        raise Unavailable(f"{home}: no daemon runs for {which}; start one with `evenkeel run`")
    if len(found) > 1:
        names = ", ".join(f"{folder.kind}/{folder.account}" for folder in found)
        raise ConfigRefused(f"{home}: several daemons run ({names}); name one with --account")
    return found[0]


def running_accounts(home: Path) -> list[AccountDir]:
    """Accounts under `home` whose lock is held."""
    found = []
    for kind in KINDS:
        for lock in sorted((home / kind).glob("*/lock")):
            try:
                folder = AccountDir(home, kind, lock.parent.name)
            except ConfigRefused:
                continue  # a stranger's folder
            if folder.holder() is not None:
                found.append(folder)
    return found
