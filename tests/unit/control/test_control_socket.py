"""The control socket: private, bounded, and never in the way of trading."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.control.client import find_daemon, request
from bot.control.server import ControlServer
from bot.domain.errors import ConfigRefused, Unavailable
from bot.domain.events import OperatorAction
from bot.engine.view import EngineView
from bot.risk.sheet import RiskSheet
from bot.runtime.params import RuntimeParams
from bot.storage.account_dir import AccountDir
from tests.runtime_fakes import EngineState, engine_view


class Target:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.orders: list[tuple[OperatorAction, str, str]] = []
        self.stops: list[str] = []
        self.room = True

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        self.orders.append((action, actor, reason))
        return self.room

    def request_stop(self, actor: str) -> None:
        self.stops.append(actor)

    def view(self) -> EngineView:
        return engine_view(EngineState())

    def risk_sheet(self) -> RiskSheet:
        raise Unavailable("no governor here")


@pytest.fixture
def target() -> Target:
    return Target()


def served(tmp_path: Path, target: Target, work: Callable[[Path], Any], **params: Any) -> Any:
    """Run `work(socket path)` in a thread against a running server."""
    path = tmp_path / "c.sock"

    async def run() -> Any:
        server = ControlServer(target, path, tmp_path / "journal.db", RuntimeParams(**params))
        task = asyncio.create_task(server.run())
        while not path.exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.001)
        try:
            return await asyncio.to_thread(work, path)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not path.exists()

    return asyncio.run(run())


def test_the_socket_is_private(tmp_path: Path, target: Target) -> None:
    """Mode 0600."""
    assert served(tmp_path, target, lambda path: stat.S_IMODE(path.stat().st_mode)) == 0o600


def test_status_is_the_engines_view(tmp_path: Path, target: Target) -> None:
    """As JSON, with nothing left out."""
    result = served(tmp_path, target, lambda path: request(path, "status"))
    assert result["mode"] == "RUN"
    assert set(result) == set(EngineView.__struct_fields__)


def test_orders_reach_the_daemon_with_who_and_why(tmp_path: Path, target: Target) -> None:
    """Each verb is its action; `kill` with `hold` holds."""
    def work(path: Path) -> None:
        request(path, "pause", actor="cli")
        request(path, "resume", reason="checked")
        request(path, "kill")
        request(path, "kill", hold=True)
        request(path, "stop", actor="cli")

    served(tmp_path, target, work)
    assert [action.value for action, _, _ in target.orders] == ["pause", "resume", "kill", "kill_hold"]
    assert target.orders[0][1] == "cli"
    assert target.orders[1][2] == "checked"
    assert target.stops == ["cli"]


@pytest.mark.parametrize("line", [b"hello\n", b'{"verb": 3}\n', b'{"verb":"kill","params":{"hld":true}}\n',
                                  b'{"verb":"sell everything"}\n', b"\xff\xfe\n", b"[]\n"])
def test_what_is_not_understood_does_nothing_and_says_so(tmp_path: Path, target: Target, line: bytes) -> None:
    """A misspelt parameter is refused, not ignored; the connection goes on."""
    def work(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            with connection.makefile("rwb") as stream:
                stream.write(line)
                stream.flush()
                first = json.loads(stream.readline())
                stream.write(b'{"verb":"version"}\n')
                stream.flush()
                return first, json.loads(stream.readline())

    first, second = served(tmp_path, target, work)
    assert first["ok"] is False
    assert first["error"]
    assert second["ok"] is True
    assert target.orders == []


def test_F89_a_line_without_end_is_cut_off(tmp_path: Path, target: Target) -> None:
    """Nothing grows without bound."""
    def work(path: Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.settimeout(5)
            try:
                connection.sendall(b"x" * 500_000)
                return connection.recv(1_000)
            except OSError:
                return b""

    answer = served(tmp_path, target, work, control_line_bytes_max=1_000)
    assert answer == b"" or b"longer than 1000 bytes" in answer


def test_F89_only_so_many_clients(tmp_path: Path, target: Target) -> None:
    """The one too many is cut off; the others go on."""
    def work(path: Path) -> bytes:
        held = []
        for _ in range(2):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            client.sendall(b'{"verb":"version"}\n')
            client.recv(100)
            held.append(client)
        with socket.socket(socket.AF_UNIX) as extra:
            extra.settimeout(5)
            extra.connect(str(path))
            try:
                extra.sendall(b'{"verb":"version"}\n')
                answer = extra.recv(100)
            except OSError:
                answer = b""
        for client in held:
            client.close()
        return answer

    assert served(tmp_path, target, work, control_clients_max=2) == b""


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path, target: Target) -> None:
    """Others are answered meanwhile, and afterwards its place is free."""
    def work(path: Path) -> Any:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(path))
            deaf.settimeout(0.5)
            try:
                for _ in range(5_000):
                    deaf.sendall(b'{"verb":"status"}\n' * 20)
            except OSError:
                pass
            return request(path, "version")

    assert served(tmp_path, target, work, control_clients_max=2, control_timeout_s=0.2) == {"protocol": 1}


def test_a_full_inbox_is_reported(tmp_path: Path, target: Target) -> None:
    """The operator is not told that something was ordered that was not."""
    target.room = False
    with pytest.raises(ConfigRefused, match="too many orders wait"):
        served(tmp_path, target, lambda path: request(path, "flatten"))


def test_history_without_a_journal_is_one_line(tmp_path: Path, target: Target) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigRefused, match="no journal there"):
        served(tmp_path, target, lambda path: request(path, "fills"))


def test_without_a_daemon_the_client_says_how_to_start_one(tmp_path: Path) -> None:
    """No socket, and a socket nobody listens on."""
    with pytest.raises(Unavailable, match="evenkeel run"):
        request(tmp_path / "none.sock", "status")
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(dead))
    with pytest.raises(Unavailable, match="no daemon listens"):
        request(dead, "status")


def test_the_running_account_is_found_by_its_lock(tmp_path: Path) -> None:
    """None: refused; one: found; several: a name is asked for."""
    folders = [AccountDir(tmp_path, "demo", name, short_folder=tmp_path / "s").prepare() for name in ("a", "b")]
    with pytest.raises(Unavailable, match="no daemon runs"):
        find_daemon(tmp_path)
    with folders[0].lock():
        assert find_daemon(tmp_path).account == "a"
        with folders[1].lock():
            with pytest.raises(ConfigRefused, match="demo/a, demo/b"):
                find_daemon(tmp_path)
            assert find_daemon(tmp_path, "b").account == "b"
