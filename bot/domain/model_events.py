"""Models: what a worker has found. A fit enters as an event, so a replay never fits again."""

from __future__ import annotations

import msgspec

from bot.domain.event import Event
from bot.domain.values import Coin


class CoinFit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One coin's models, or why there are none."""

    coin: Coin
    models: bytes
    """A `SymbolModels` of `bot/quant/volatility.py` in msgpack: the domain knows no mathematics."""


class ModelsFitted(Event, frozen=True):
    """The answer to `FitModels`; with `why` the worker failed and nothing is known."""

    request_id: str
    stamp_ns: int
    """The instant up to which the data of the fits reach."""
    fits: tuple[CoinFit, ...]
    why: str = ""
