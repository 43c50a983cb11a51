"""How events and steps become bytes and back; the decoder types are built once.

Equal values give equal bytes: the structs are arrays in field order, Decimals keep their digits, and no mapping is
inside. That is why two runs can be compared byte for byte.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final, get_args

import msgspec

from bot.domain.commands import SubmitOrder
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    DeadlineReached,
    Fill,
    ForcedFill,
    FundingPaid,
    FundingSettled,
    InstrumentsChanged,
    MarketEvent,
    OrderClosed,
    OrderRejected,
    OrderReport,
    ReferenceRate,
    SessionStarted,
    TradingHalted,
)
from bot.engine.step import Step

_ENCODER: Final = msgspec.msgpack.Encoder()
_EVENTS: Final = msgspec.msgpack.Decoder(AnyEvent)
_STEPS: Final = msgspec.msgpack.Decoder(Step)

KIND_FILL: Final = 1
KIND_FUNDING: Final = 2
KIND_ORDER: Final = 4
KIND_DECISION: Final = 8
KIND_SESSION: Final = 16
KIND_OTHER: Final = 32
"""Bits of a journal row's `kinds`: what a reader of history may look for in it."""

_KIND_OF_EVENT: Final[dict[type, int]] = {
    Fill: KIND_FILL, ForcedFill: KIND_FILL, FundingPaid: KIND_FUNDING,
    OrderRejected: KIND_ORDER, OrderClosed: KIND_ORDER,
    SessionStarted: KIND_SESSION, InstrumentsChanged: KIND_SESSION,
}

_RULES: Final = frozenset({InstrumentsChanged, TradingHalted, FundingSettled, ReferenceRate})
"""Market events that are few and explain what came after: always kept."""
_MARKET_DATA: Final = (frozenset(get_args(MarketEvent)) | {DeadlineReached}) - _RULES


def encode_event(event: AnyEvent) -> bytes:
    """The event's canonical bytes."""
    return _ENCODER.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """The event behind the bytes; raises `msgspec.DecodeError` for anything else."""
    return _EVENTS.decode(data)  # type: ignore[no-any-return]


def encode_step(step: Step) -> bytes:
    """The step's canonical bytes."""
    return _ENCODER.encode(step)


def decode_step(data: bytes) -> Step:
    """The step behind the bytes; raises `msgspec.DecodeError` for anything else."""
    return _STEPS.decode(data)


def kinds_of(event: AnyEvent, step: Step) -> int:
    """Which kinds of history this pair holds, as bits; 0 for plain market data that decided nothing."""
    kinds = _KIND_OF_EVENT.get(type(event), 0)
    if type(event) is AccountReport:
        kinds = (KIND_FILL if event.fills else 0) | (KIND_FUNDING if event.funding else 0)
    elif type(event) is OrderReport:
        kinds = KIND_FILL if event.fills else 0
    if step.decided:
        kinds |= KIND_OTHER
        if step.record is not None:
            kinds |= KIND_DECISION
        for command in step.commands:
            if type(command) is SubmitOrder:
                kinds |= KIND_ORDER
                break
    return kinds


def is_market_data(event: AnyEvent, step: Step) -> bool:
    """Whether this is plain market data that decided nothing: what a journal need not keep for ever."""
    return type(event) in _MARKET_DATA and not step.decided


class RunHash:
    """One running sha256 over (event, step) pairs; two runs with equal hashes made equal decisions on equal events."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._lengths = struct.Struct("<II")

    def add(self, event: bytes, step: bytes) -> None:
        """Take in the next pair. Lengths go in too, so that bytes cannot move between event and step unseen."""
        self._digest.update(self._lengths.pack(len(event), len(step)) + event + step)

    def hexdigest(self) -> str:
        """The hash so far, 64 hex digits."""
        return self._digest.hexdigest()
