"""What happened in a simulated run, one readable line per event, command, refusal and note."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from bot.domain.commands import AnyCommand, SubmitOrder
from bot.domain.events import AccountReport, AnyEvent, BarsClosed, Marks, PegPrices, Prints, Quotes, SessionStarted
from bot.engine.step import Step
from bot.runtime.breaches import Breach
from bot.runtime.sim_plan_text import clock

_LISTS: Final = (Quotes, Marks, BarsClosed, Prints, PegPrices)
_ID_SHOWN: Final = 10


class Tracer:
    """Writes lines; market events that decided nothing are left out unless `market`."""

    def __init__(self, write: Callable[[str], Any], *, market: bool = False) -> None:
        self._write = write
        self._market = market

    def seen(self, event: AnyEvent, step: Step) -> None:
        """The engine has answered this event with this step."""
        if isinstance(event, _LISTS) and not step.decided and not self._market:
            return
        self._write(f"{clock(event.at_ns)}  {event_text(event)}\n")
        for command in step.commands:
            self._write(f"    -> {command_text(command)}\n")
        for refusal in step.refusals:
            done = f"shrunk to {refusal.shrunk_to_lots} lots" if refusal.shrunk_to_lots else "refused"
            self._write(f"    {done}: {refusal.limit} {refusal.value:g}, allowed {refusal.allowed:g}\n")
        for note in step.notes:
            keys = " ".join(f"{key}={value}" for key, value in note.keys)
            self._write(f"    {note.name} {keys}\n")

    def happened(self, at_ns: int, text: str) -> None:
        """Something that is no event: a death, a restart."""
        self._write(f"{clock(at_ns)}  ** {text}\n")

    def broken(self, breach: Breach) -> None:
        """An invariant broke."""
        self._write(f"{breach.at}  !! {breach.invariant}: {breach.text}\n")


def event_text(event: AnyEvent) -> str:
    """An event in one line: its name and what matters of it."""
    match event:
        case Quotes():
            return f"Quotes {event.venue}: " + " ".join(f"{q.instrument} {q.bid_ticks}/{q.ask_ticks}"
                                                        for q in event.quotes)
        case Marks():
            return f"Marks {event.venue}: " + " ".join(f"{m.instrument} {m.mark:f}" for m in event.marks)
        case AccountReport():
            return (f"AccountReport {event.venue} {event.request_id} taken {clock(event.taken_ns)[11:]}: spot "
                    f"{event.spot_usd:f} futures {event.futures_usd:f}, {len(event.positions)} positions, "
                    f"{len(event.open_orders)} open, {len(event.fills)} fills, cursor {event.cursor}")
        case SessionStarted():
            return (f"SessionStarted epoch {event.epoch}" + (f", latch {event.latch}" if event.latch else "")
                    + (", resumed" if event.resumed else ""))
        case _:
            return _fields(event)


def command_text(command: AnyCommand) -> str:
    """A command in one line."""
    if isinstance(command, SubmitOrder):
        intent = command.order.intent
        return (f"SubmitOrder {intent.order_id[:_ID_SHOWN]} {intent.purpose} {intent.side.name.lower()} "
                f"{intent.quantity_lots} lots {intent.instrument} at {intent.limit_price_ticks} ticks "
                f"{intent.time_in_force.value}{', reduce only' if intent.reduce_only else ''} for {intent.owner}")
    return _fields(command)


def _fields(value: msgspec.Struct) -> str:
    parts = [type(value).__name__]
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if name == "at_ns" or field is None or field == "" or field == ():
            continue
        parts.append(f"{name}={_shown(name, field)}")
    return " ".join(parts)


def _shown(name: str, field: Any) -> str:
    if isinstance(field, Enum):
        return str(field.value)
    if name == "order_id":
        return str(field)[:_ID_SHOWN]
    if name.endswith("_ns") and isinstance(field, int):
        return clock(field).replace(" ", "T")
    if isinstance(field, tuple):
        return f"[{len(field)}]"
    return f"{field}"
