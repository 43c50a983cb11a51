"""How fast the kill switch was: measured by the daemon itself at every kill, drilled or meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bot.domain.commands import CancelOrder, SubmitOrder
from bot.domain.events import AnyEvent, Control, OperatorAction
from bot.domain.values import NS_PER_S, OrderId
from bot.engine.engine import Engine
from bot.engine.step import Step

OPENING_S_MAX: Final = 0.25
CANCELS_S_MAX: Final = 1.0
NONE_OPEN_S_MAX: Final = 10.0
FLAT_S_MAX: Final = 60.0
_KILLS: Final = (OperatorAction.KILL, OperatorAction.KILL_HOLD)


class KillTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the kill by the engine's clock, which is the venues' clock. None: there was no such thing."""

    at_ns: int
    actor: str
    hold: bool
    orders_open: int
    """Orders that were open, on their way or unknown when it was set."""
    pairs_held: int
    last_opening_s: float | None
    """The last order sent that could open something; the engine decides none after a kill."""
    cancels_sent_s: float | None
    """Every order of `orders_open` has been asked to be cancelled."""
    none_open_s: float | None
    """Every one of them is proven not to be open any more."""
    flat_s: float | None
    """Every venue has shown no position and no order itself."""
    ended: bool
    """False: the run ended before all this was proven."""

    @property
    def late(self) -> tuple[str, ...]:
        """What took longer than it may, in words; empty: all bounds held."""
        rows = (("last opening order", self.last_opening_s, OPENING_S_MAX, False),
                ("cancels sent", self.cancels_sent_s, CANCELS_S_MAX, self.orders_open > 0),
                ("no order open", self.none_open_s, NONE_OPEN_S_MAX, self.orders_open > 0),
                ("flat", self.flat_s, FLAT_S_MAX, not self.hold))
        found = []
        for what, seconds, most_s, wanted in rows:
            if seconds is None and wanted:
                found.append(f"{what}: not proven")
            elif seconds is not None and seconds > most_s:
                found.append(f"{what}: {seconds:g} s, allowed {most_s:g} s")
        return tuple(found)


class KillWatch:
    """Looks on while a run goes; tells the times of a kill once, when all is proven or the run ends."""

    def __init__(self, engine: Engine, tell: Callable[[KillTimes], None]) -> None:
        self._engine = engine
        self._tell = tell
        self._kill: Control | None = None
        self._orders = self._pairs = 0
        self._uncancelled: set[OrderId] = set()
        self._open: set[OrderId] = set()
        self._times: dict[str, float] = {}

    def seen(self, event: AnyEvent, step: Step) -> None:
        """One step was taken."""
        if isinstance(event, Control) and event.action in _KILLS:
            if self._kill is None:
                self._begin(event, step)
        elif isinstance(event, Control) and event.action is OperatorAction.RESUME and self._kill is not None:
            self.end()
        if self._kill is not None:
            self._look(event.at_ns, step)

    def end(self) -> None:
        """The run ends, or an operator resumed: what was not proven by now stays unproven."""
        if self._kill is not None:
            self._finish(ended=False)

    def _begin(self, event: Control, step: Step) -> None:
        state = self._engine.state
        self._kill, self._times = event, {}
        closing = {command.order.intent.order_id for command in step.commands if isinstance(command, SubmitOrder)}
        self._open = set(state.live_orders) - closing
        self._uncancelled = set(self._open)
        self._orders, self._pairs = len(self._open), sum(pair.live for pair in state.pairs.values())

    def _look(self, at_ns: int, step: Step) -> None:
        assert self._kill is not None, "only after a kill"
        after_s = (at_ns - self._kill.at_ns) / NS_PER_S
        for command in step.commands:
            if isinstance(command, SubmitOrder) and not command.order.intent.reduces_owner:
                self._times["opening"] = after_s
            elif isinstance(command, CancelOrder) and command.order_id in self._uncancelled:
                self._uncancelled.discard(command.order_id)
                self._times["cancels"] = after_s
        self._uncancelled &= self._engine.state.live_orders.keys()
        if self._open:
            self._open &= self._engine.state.live_orders.keys()
            if not self._open:
                self._times["none_open"] = after_s
        flat = any(note.name == "kill_verified_flat" for note in step.notes)
        if flat:
            self._times["flat"] = after_s
        hold = self._kill.action is OperatorAction.KILL_HOLD
        if not self._open and (flat or hold):
            self._finish(ended=True)

    def _finish(self, *, ended: bool) -> None:
        kill, times = self._kill, self._times
        assert kill is not None, "only after a kill"
        self._kill = None
        self._tell(KillTimes(
            at_ns=kill.at_ns, actor=kill.actor, hold=kill.action is OperatorAction.KILL_HOLD, orders_open=self._orders,
            pairs_held=self._pairs, last_opening_s=times.get("opening"),
            cancels_sent_s=None if self._uncancelled else times.get("cancels"), none_open_s=times.get("none_open"),
            flat_s=times.get("flat"), ended=ended))
