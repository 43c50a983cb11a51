"""What waits for the engine: control first, then account events in their order, then the newest market data."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from bot.domain.errors import Fatal
from bot.domain.events import AnyEvent, Control, MarketEvent, Marks, OperatorAction, Quotes
from bot.domain.values import Venue

_URGENT = (OperatorAction.KILL, OperatorAction.KILL_HOLD)


class Inbox:
    """Bounded. Newer marks and quotes of an instrument replace what waits; nothing else is ever dropped."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._control: deque[Control] = deque()
        self._account: deque[AnyEvent] = deque()
        self._market: dict[tuple[type[Quotes | Marks], Venue], Quotes | Marks] = {}
        self._filled = asyncio.Event()
        self.replaced = 0
        """How many market events were replaced by newer ones."""

    def __len__(self) -> int:
        return len(self._control) + len(self._account) + len(self._market)

    def put_control(self, event: Control) -> bool:
        """An operator's order; kills go to the front. False: too many wait (a kill or stop always finds room)."""
        if event.action in _URGENT:
            # a resume that still waits is older than this kill: it must not undo it
            waiting = [order for order in self._control if order.action is not OperatorAction.RESUME]
            self._control = deque([event, *waiting])
        elif len(self._control) >= self._capacity and event.action is not OperatorAction.STOP:
            return False
        else:
            self._control.append(event)
        self._filled.set()
        return True

    def put_account(self, event: AnyEvent) -> None:
        """An event of our account, or of our process; raises `Fatal` when the inbox is full, for none may be lost."""
        if len(self._account) >= self._capacity:
            raise Fatal(f"inbox: {len(self._account)} account events wait; the engine does not keep up, and none "
                        "may be lost")
        self._account.append(event)
        self._filled.set()

    def put_market(self, event: MarketEvent) -> None:
        """Market data. Marks and quotes: the newest of an instrument wins. All else (bars, settlements, prints,
        halts, rule changes) is a fact of its own and keeps its place like an account event.
        """
        if not isinstance(event, Quotes | Marks):
            self.put_account(event)
            return
        key = (type(event), event.venue)
        waiting = self._market.pop(key, None)
        if waiting is not None:
            event = _merged(waiting, event)
            self.replaced += 1
        self._market[key] = event
        self._filled.set()

    @property
    def kill_waits(self) -> bool:
        """Whether a kill has been ordered that the engine has not seen."""
        return bool(self._control) and self._control[0].action in _URGENT

    def take_control(self) -> Control | None:
        """The next order of an operator, if one waits."""
        return self._control.popleft() if self._control else None

    def take(self) -> AnyEvent | None:
        """The next event by urgency, or None."""
        if self._control:
            return self._control.popleft()
        if self._account:
            return self._account.popleft()
        if self._market:
            return self._market.pop(next(iter(self._market)))
        return None

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something comes, at most so long; True if something waits."""
        if len(self) == 0:
            self._filled.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return False
        return True

    def interrupt(self) -> None:
        """Wake whoever waits, without an event."""
        self._filled.set()


def _merged(old: Quotes | Marks, new: Quotes | Marks) -> Quotes | Marks:
    if isinstance(old, Quotes) and isinstance(new, Quotes):
        seen = {quote.instrument for quote in new.quotes}
        kept = tuple(quote for quote in old.quotes if quote.instrument not in seen)
        return msgspec.structs.replace(new, quotes=kept + new.quotes)
    if isinstance(old, Marks) and isinstance(new, Marks):
        seen = {mark.instrument for mark in new.marks}
        kept_marks = tuple(mark for mark in old.marks if mark.instrument not in seen)
        return msgspec.structs.replace(new, marks=kept_marks + new.marks)
    raise TypeError(f"{type(old).__name__} cannot be merged with {type(new).__name__}")
