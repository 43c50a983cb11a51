"""The kill switch's own stopwatch: what it counts from, what it waits for, what it calls late."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.domain.commands import AnyCommand, CancelOrder, SubmitOrder
from bot.domain.events import AnyEvent, Control, DeadlineReached, OperatorAction
from bot.domain.values import InstrumentId, Nanos, OrderId, Venue
from bot.engine.engine import Engine
from bot.engine.step import Note, Step
from bot.runtime.kill_times import KillTimes, KillWatch

S = 1_000_000_000


@dataclass
class Watched:
    """An engine reduced to what the watch looks at, and the times it told."""

    live: dict[OrderId, None] = field(default_factory=dict)
    told: list[KillTimes] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = SimpleNamespace(live_orders=self.live, pairs={"p": SimpleNamespace(live=True)})
        self.watch = KillWatch(cast("Engine", SimpleNamespace(state=state)), self.told.append)

    def at(self, second: float, event: AnyEvent | None = None, commands: tuple[Any, ...] = (), note: str = "") -> None:
        """One step at a second."""
        at_ns = Nanos(int(second * S))
        notes = (Note(note, ()),) if note else ()
        self.watch.seen(event or DeadlineReached(at_ns), Step(commands=cast("tuple[AnyCommand, ...]", commands),
                                                              notes=notes, wake_ns=None))


def kill(second: float, action: OperatorAction = OperatorAction.KILL) -> Control:
    return Control(Nanos(int(second * S)), action, "test", "")


def cancel(order_id: str) -> CancelOrder:
    return CancelOrder(Venue("v"), InstrumentId("i"), OrderId(order_id))


def submit(order_id: str, *, reduces: bool) -> SubmitOrder:
    intent = SimpleNamespace(order_id=OrderId(order_id), reduces_owner=reduces)
    return SubmitOrder(cast("Any", SimpleNamespace(intent=intent)))


def test_each_step_is_timed_from_the_kill() -> None:
    """Cancels, none open and flat; the kill's own closing orders are not among those that were open."""
    watched = Watched({OrderId("a"): None, OrderId("b"): None})
    watched.live[OrderId("close")] = None
    watched.at(10, kill(10), (cancel("a"), submit("close", reduces=True)))
    watched.at(10.5, commands=(cancel("b"),))
    del watched.live[OrderId("a")]
    watched.at(11)
    del watched.live[OrderId("b")]
    watched.at(13)
    assert watched.told == []
    watched.at(20, note="kill_verified_flat")
    (times,) = watched.told
    assert (times.orders_open, times.pairs_held, times.ended, times.late) == (2, 1, True, ())
    assert (times.cancels_sent_s, times.none_open_s, times.flat_s, times.last_opening_s) == (0.5, 3.0, 10.0, None)


def test_a_run_that_ends_first_says_what_was_not_proven() -> None:
    """Unknown is not zero: what did not happen has no time and is late."""
    watched = Watched({OrderId("a"): None})
    watched.at(10, kill(10))
    watched.watch.end()
    (times,) = watched.told
    assert (times.ended, times.cancels_sent_s, times.none_open_s, times.flat_s) == (False, None, None, None)
    assert times.late == ("cancels sent: not proven", "no order open: not proven", "flat: not proven")


def test_an_opening_order_after_the_kill_is_seen() -> None:
    """The one thing that must not be."""
    watched = Watched()
    watched.at(10, kill(10))
    watched.at(12, commands=(submit("x", reduces=False),))
    watched.at(13, note="kill_verified_flat")
    (times,) = watched.told
    assert times.last_opening_s == 2.0
    assert times.late == ("last opening order: 2 s, allowed 0.25 s",)


def test_holding_ends_when_nothing_is_open() -> None:
    """`kill --hold` keeps positions: flat is not waited for and not late."""
    watched = Watched({OrderId("a"): None})
    watched.at(10, kill(10, OperatorAction.KILL_HOLD), (cancel("a"),))
    watched.live.clear()
    watched.at(11)
    (times,) = watched.told
    assert (times.hold, times.flat_s, times.late) == (True, None, ())


@pytest.mark.parametrize("second", [1, 2])
def test_a_second_kill_does_not_start_the_clock_anew(second: int) -> None:
    """The bounds count from the first."""
    watched = Watched()
    watched.at(10, kill(10))
    watched.at(10 + second, kill(10 + second))
    watched.at(14, note="kill_verified_flat")
    assert [times.flat_s for times in watched.told] == [4.0]
