"""Lanes: what may leave, what is held back, and what an exception means."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.commands import AnyCommand, CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.errors import Fatal
from bot.domain.events import AnyEvent, CancelFailed, OrderRejected, OrderUnknown, ReadFailed, RejectReason
from bot.domain.values import OrderId, Venue, Wallet
from bot.runtime.crash_points import CrashPoints
from bot.runtime.senders import Senders
from bot.storage.kill_latch import KillLatch
from tests.runtime_fakes import BTC, START_NS, VENUE, EngineState, FakeEngine

ORDER_ID = OrderId("e4e1" + "0" * 28)


class Wire:
    """A transport that notes, and raises where told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[AnyCommand] = []
        self._error = error

    async def send(self, at_ns: int, command: AnyCommand) -> None:
        await asyncio.sleep(0)
        self.sent.append(command)
        if self._error is not None:
            raise self._error

    def lane(self, command: AnyCommand) -> str:
        return "one"


def order(*, reduces: bool, epoch: int = 1) -> SubmitOrder:
    return FakeEngine(state=EngineState(epoch=epoch))._order(START_NS, reduces=reduces)


def carried_out(tmp_path: Path, wire: Wire, *commands: AnyCommand, latch: bool = False) -> list[AnyEvent]:
    """What is reported when the commands are sent."""
    kill, reports = KillLatch(tmp_path / "KILL"), list[AnyEvent]()
    if latch:
        kill.set("x")

    async def run() -> None:
        senders = Senders(wire, kill, 1, reports.append, lambda: START_NS + 5, CrashPoints())
        async with asyncio.TaskGroup() as tasks:
            senders.attach(tasks)
            for command in commands:
                await senders.send(START_NS, command)
            await senders.handed_over()
            senders.close()

    asyncio.run(run())
    return reports


def test_commands_leave_in_their_order(tmp_path: Path) -> None:
    """And the barrier waits for the last of them."""
    commands: list[AnyCommand] = [
        order(reduces=False), order(reduces=True), CancelOrder(venue=VENUE, instrument=BTC, order_id=ORDER_ID)]
    wire = Wire()
    assert carried_out(tmp_path, wire, *commands) == []
    assert wire.sent == commands


def test_I19_the_latch_holds_opening_orders_only(tmp_path: Path) -> None:
    """Reducing orders, cancels and reads pass."""
    wire = Wire()
    passing: list[AnyCommand] = [order(reduces=True), CancelOrder(venue=VENUE, instrument=BTC, order_id=ORDER_ID),
                                 ReadAccount(venue=VENUE, request_id="r", cursor=0)]
    reports = carried_out(tmp_path, wire, order(reduces=False), *passing, latch=True)
    assert wire.sent == passing
    assert isinstance(reports[0], OrderRejected)
    assert reports[0].reason is RejectReason.HALTED
    assert len(reports) == 1


def test_I12_an_order_of_an_older_epoch_does_not_leave(tmp_path: Path) -> None:
    """It was approved by a session that is over."""
    wire = Wire()
    reports = carried_out(tmp_path, wire, order(reduces=True, epoch=7))
    assert wire.sent == []
    assert isinstance(reports[0], OrderRejected)
    assert "epoch 7" in reports[0].text


@pytest.mark.parametrize(("command", "report"), [
    (order(reduces=False), OrderUnknown),
    (CancelOrder(venue=VENUE, instrument=BTC, order_id=ORDER_ID), CancelFailed),
    (QueryOrder(venue=VENUE, instrument=BTC, order_id=ORDER_ID), ReadFailed),
    (ReadAccount(venue=VENUE, request_id="r", cursor=0), ReadFailed),
    (Transfer(transfer_id="t", venue_from=VENUE, wallet_from=Wallet.SPOT, venue_to=Venue("bybit"),
              wallet_to=Wallet.FUTURES, amount_usd=Decimal(1)), ReadFailed),
])
def test_F10_whatever_is_raised_proves_nothing(tmp_path: Path, command: AnyCommand, report: type[AnyEvent]) -> None:
    """Each command has its own way to say that its outcome is not known; it was sent once."""
    wire = Wire(ConnectionResetError("reset by peer"))
    reports = carried_out(tmp_path, wire, command)
    assert [type(event) for event in reports] == [report]
    assert reports[0].at_ns == START_NS + 5
    assert wire.sent == [command]


def test_a_broken_simulated_world_ends_the_run(tmp_path: Path) -> None:
    """There is no venue that could be asked later."""
    with pytest.raises(ExceptionGroup) as caught:
        carried_out(tmp_path, Wire(Fatal("books could not be written")), order(reduces=True))
    assert caught.group_contains(Fatal)
