"""A rehearsal's hold on a daemon: where its process dies, and which orders an operator gives at which instant."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bot.domain.commands import SubmitOrder
from bot.domain.events import AnyEvent, OperatorAction
from bot.domain.values import Nanos
from bot.engine.step import Step
from bot.runtime.crash_points import CrashPoints
from bot.runtime.ports import RunObserver


class ScriptedOrder(msgspec.Struct, frozen=True):
    """Given as soon as an event of this instant or a later one has been taken."""

    at_ns: Nanos
    action: OperatorAction
    with_order: bool = False
    """It waits for an order that has just been sent, so that one is on its way."""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to one session."""

    crash: CrashPoints
    orders: tuple[ScriptedOrder, ...] = ()
    drill: bool = False
    """Its kills are drills: on record as such."""


class Ordered(Protocol):
    """What a script needs of a daemon."""

    def order(self, action: OperatorAction, actor: str, reason: str = "") -> bool:
        """An operator's order."""
        ...


class Script:
    """Gives a daemon its scripted orders, each at its instant, and lets the observers look on."""

    def __init__(self, orders: tuple[ScriptedOrder, ...], *observers: RunObserver | None) -> None:
        self._orders = list(orders)
        self._observers = [observer for observer in observers if observer is not None]
        self.daemon: Ordered | None = None

    def watch(self, observer: RunObserver) -> None:
        """One more observer."""
        self._observers.append(observer)

    def seen(self, event: AnyEvent, step: Step) -> None:
        """One step was taken."""
        for observer in self._observers:
            observer.seen(event, step)
        sends = any(isinstance(command, SubmitOrder) for command in step.commands)
        while self._orders and self.daemon is not None and event.at_ns >= self._orders[0].at_ns:
            if self._orders[0].with_order and not sends:
                return
            order = self._orders.pop(0)
            self.daemon.order(order.action, "rehearsal", f"rehearsed {order.action.value}")
