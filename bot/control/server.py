"""The control socket of a running daemon: a unix socket of mode 0600, one JSON request per line, one answer per line.

It cannot slow trading down: few clients, short lines, answers built between two steps, and a client that does not read
is cut off. History is read from the journal in a thread, on a connection that cannot write.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from bot.control.history import read_history
from bot.control.protocol import HISTORIES, HISTORY_ROWS_MAX, ORDERS, VERSION, VIEWS, Answer, Request
from bot.domain.errors import BotError, ConfigRefused
from bot.domain.events import OperatorAction
from bot.engine.view import EngineView
from bot.risk.sheet import RiskSheet
from bot.runtime.params import RuntimeParams
from bot.telemetry.names import LogEvent

_ACTOR_CHARS_MAX = 40
_REASON_CHARS_MAX = 400


class ControlTarget(Protocol):
    """What the server needs of a daemon."""

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An operator's order; False: too many wait."""
        ...

    def request_stop(self, actor: str) -> None:
        """End in order."""
        ...

    def view(self) -> EngineView:
        """The engine as it stands."""
        ...

    def risk_sheet(self) -> RiskSheet:
        """What its governor knows and did."""
        ...


class ControlServer:
    """Listens for one daemon."""

    def __init__(self, target: ControlTarget, socket_path: Path, journal_path: Path, params: RuntimeParams) -> None:
        self._target = target
        self._socket = socket_path
        self._journal = journal_path
        self._clients_max = params.control_clients_max
        self._line_max = params.control_line_bytes_max
        self._timeout_s = params.control_timeout_s
        self._clients: set[asyncio.Task[None]] = set()
        self._history = asyncio.Semaphore(1)
        self._requests = msgspec.json.Decoder(Request)
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Listen until cancelled; the socket file is gone afterwards.

        Raises:
            ConfigRefused: the socket cannot be made.
        """
        self._socket.unlink(missing_ok=True)  # the account's lock is ours, so whoever left it is dead
        previous = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._connected, str(self._socket), limit=self._line_max)
        except OSError as error:
            raise ConfigRefused(f"{self._socket}: cannot listen ({error.strerror})") from None
        finally:
            os.umask(previous)
        self._log.info(LogEvent.CONTROL_LISTENING, socket=str(self._socket))
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            self._socket.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= self._clients_max:
            self._log.warning(LogEvent.CONTROL_CLIENT_REFUSED, clients=len(self._clients))
            writer.transport.abort()
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:
            # the server ends: a cancelled client handler would be logged as a crash by asyncio's own callback
            pass
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                await self._send(writer, Answer(ok=False, error=f"request: longer than {self._line_max} bytes"))
                return
            if not line:
                return
            await self._send(writer, await self._answer(line))

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(self._timeout_s):
            await writer.drain()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = self._requests.decode(line)
        except msgspec.MsgspecError as error:
            return Answer(ok=False, error=f"request: {error}"[:_REASON_CHARS_MAX])
        try:
            return Answer(ok=True, result=await self._do(request))
        except BotError as error:
            return Answer(ok=False, error=str(error))

    async def _do(self, request: Request) -> Any:
        verb, params = request.verb, request.params
        actor = (params.actor or "control")[:_ACTOR_CHARS_MAX]
        if verb == "risk":
            return self._target.risk_sheet()
        if verb in VIEWS:
            view = self._target.view()
            return view.positions if verb == "positions" else view
        if verb in HISTORIES:
            limit = max(1, min(params.limit, HISTORY_ROWS_MAX))
            async with self._history:  # one reader at a time: history must not take the processor from trading
                return await asyncio.to_thread(read_history, self._journal, verb, limit)
        if verb == "stop":
            self._target.request_stop(actor)
            return {"ordered": "stop"}
        if verb == "version":
            return {"protocol": VERSION}
        action = ORDERS.get(verb)
        if action is None:
            known = ", ".join((*VIEWS, *HISTORIES, *ORDERS, "stop", "version"))
            raise ConfigRefused(f"verb {verb!r}: not known; one of {known}"[:_REASON_CHARS_MAX])
        if action is OperatorAction.KILL and params.hold:
            action = OperatorAction.KILL_HOLD
        if not self._target.order(action, actor, params.reason[:_REASON_CHARS_MAX]):
            raise ConfigRefused(f"{verb}: too many orders wait already; try again")
        return {"ordered": action.value}
