"""What may be replaced, what may not, and who goes first."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bot.domain.errors import Fatal
from bot.domain.events import BarsClosed, Control, Mark, Marks, OperatorAction, OrderAccepted
from bot.domain.values import InstrumentId, Nanos, OrderId
from bot.runtime.inbox import Inbox
from tests.runtime_fakes import VENUE


def control(action: OperatorAction) -> Control:
    return Control(at_ns=Nanos(0), action=action, actor="x", reason="y")


def accepted(number: int) -> OrderAccepted:
    return OrderAccepted(at_ns=Nanos(number), venue=VENUE, order_id=OrderId(str(number)))


def marks_of(at_ns: int, **prices: int) -> Marks:
    return Marks(at_ns=Nanos(at_ns), venue=VENUE, marks=tuple(
        Mark(instrument=InstrumentId(name), mark=Decimal(price)) for name, price in prices.items()))


def test_R8_control_goes_first_then_the_account_then_the_market() -> None:
    """Whatever came first."""
    inbox = Inbox(10)
    inbox.put_market(marks_of(1, a=1))
    inbox.put_account(accepted(1))
    inbox.put_control(control(OperatorAction.PAUSE))
    assert [type(inbox.take()) for _ in range(4)] == [Control, OrderAccepted, Marks, type(None)]


def test_F05_newer_marks_replace_waiting_ones_by_instrument() -> None:
    """The newest of each instrument stays; an instrument missing from the newer event is kept."""
    inbox = Inbox(10)
    inbox.put_market(marks_of(1, a=1, b=2))
    inbox.put_market(marks_of(2, a=3))
    event = inbox.take()
    assert isinstance(event, Marks)
    assert {mark.instrument: mark.mark for mark in event.marks} == {"a": 3, "b": 2}
    assert (event.at_ns, inbox.replaced, len(inbox)) == (2, 1, 0)


def test_facts_of_the_market_are_not_replaced() -> None:
    """Two bars are two bars."""
    inbox = Inbox(10)
    for at_ns in (1, 2):
        inbox.put_market(BarsClosed(at_ns=Nanos(at_ns), venue=VENUE, bars=()))
    assert len(inbox) == 2


def test_a_full_inbox_is_fatal_for_account_events() -> None:
    """None may be lost, so the process stops and takes the venue's truth."""
    inbox = Inbox(2)
    inbox.put_account(accepted(1))
    inbox.put_account(accepted(2))
    with pytest.raises(Fatal, match="none may be lost"):
        inbox.put_account(accepted(3))


def test_a_kill_finds_room_and_undoes_a_resume_that_waits() -> None:
    """An older resume must not lift a newer kill."""
    inbox = Inbox(2)
    assert inbox.put_control(control(OperatorAction.RESUME))
    assert inbox.put_control(control(OperatorAction.PAUSE))
    assert not inbox.put_control(control(OperatorAction.FLATTEN))
    assert inbox.put_control(control(OperatorAction.KILL))
    assert inbox.kill_waits
    taken = [inbox.take_control() for _ in range(3)]
    assert [order.action if order else None for order in taken] == [OperatorAction.KILL, OperatorAction.PAUSE, None]


def test_waiting_ends_with_an_event_or_the_time() -> None:
    """And an interrupt wakes without one."""
    async def run() -> list[bool]:
        inbox = Inbox(2)
        outcomes = [await inbox.wait(0.01)]
        asyncio.get_running_loop().call_later(0.01, inbox.put_account, accepted(1))
        outcomes.append(await inbox.wait(5))
        return outcomes

    assert asyncio.run(run()) == [False, True]
