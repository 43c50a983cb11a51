"""Everything the engine can ask of the world. Each answer comes back as an event."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.orders import ApprovedOrder
from bot.domain.values import Coin, InstrumentId, OrderId, Venue, Wallet


class Command(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The root of all commands."""


class SubmitOrder(Command, frozen=True):
    """Send one approved order. Never sent twice; a lost answer makes it UNKNOWN."""

    order: ApprovedOrder


class CancelOrder(Command, frozen=True):
    """Cancel by client id. Always allowed."""

    venue: Venue
    instrument: InstrumentId
    order_id: OrderId


class QueryOrder(Command, frozen=True):
    """Read one order and its fills (two sources); answered by `OrderReport` or `ReadFailed`."""

    venue: Venue
    instrument: InstrumentId
    order_id: OrderId


class ReadAccount(Command, frozen=True):
    """Read balances, positions, open orders, and fills and payments after the cursor; answered by `AccountReport`."""

    venue: Venue
    request_id: str
    cursor: int


class Transfer(Command, frozen=True):
    """Move free cash between our wallets; answered by `TransferEnded` of the receiving venue."""

    transfer_id: str
    venue_from: Venue
    wallet_from: Wallet
    venue_to: Venue
    wallet_to: Wallet
    amount_usd: Decimal


class ArmDeadMan(Command, frozen=True):
    """Let the venue cancel all our open orders there unless it is armed again within `timeout_s`; 0 disarms.

    Unanswered. A venue without such a timer ignores it.
    """

    venue: Venue
    timeout_s: float


class Alert(Command, frozen=True):
    """Tell the operator: an ERROR line, a row in `status` until acknowledged, `alert_command` if set."""

    name: str
    text: str
    page: bool
    """A person should act now."""


class ShowTicks(Command, frozen=True):
    """Our orders are moving: the feed should show these venues' finest ticks until then (embedded market: 1 s)."""

    until_ns: int


class FitSeries(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One coin's history, as a fit reads it."""

    coin: Coin
    request: bytes
    """A `FitRequest` of `bot/quant/symbol_models.py` in msgpack."""


class FitModels(Command, frozen=True):
    """Fit these coins' volatility models in a worker; answered by `ModelsFitted`. One request is out at a time."""

    request_id: str
    stamp_ns: int
    """The instant up to which the series reach."""
    series: tuple[FitSeries, ...]


AnyCommand = (
    SubmitOrder | CancelOrder | QueryOrder | ReadAccount | Transfer | ArmDeadMan | Alert | ShowTicks | FitModels
)
