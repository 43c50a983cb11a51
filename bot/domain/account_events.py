"""What a venue tells us of our account: orders, fills, payments, cash, and the answers to our reads."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.event import Event
from bot.domain.values import Coin, InstrumentId, Nanos, OrderId, Side, Venue, Wallet


class OrderStatus(Enum):
    """What a venue says an order is."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class ErrorClass(Enum):
    """Why a request got no usable answer, by the reaction that it asks for."""

    TIMEOUT = "timeout"
    """No answer in time: whatever was asked may have happened."""
    UNREACHABLE = "unreachable"
    """The venue cannot be reached."""
    UNREADABLE = "unreadable"
    """A page of HTML, an empty or cut body, a 200 that is not the venue's own form."""
    SERVER = "server"
    """5xx, or the venue itself does not know what became of it."""
    RATE_LIMIT = "rate_limit"
    """429: slower; `retry_after_s` says until when, if the venue does."""
    BANNED = "banned"
    """418: nothing is answered before `retry_after_s` is over, and whatever is sent until then makes it longer."""
    MAINTENANCE = "maintenance"
    """The venue has said that it takes no such request now."""
    AUTH = "auth"
    """The key is refused: revoked, expired, without this permission or from a strange address."""
    REFUSED = "refused"
    """The venue's own plain no."""


class RejectReason(Enum):
    """Why a venue proved non-acceptance, by class; `PERMANENT` ones are never tried again unchanged."""

    NOTIONAL_MIN = "notional_min"
    QUANTITY_MIN = "quantity_min"
    PRECISION = "precision"
    FUNDS = "funds"
    MARGIN = "margin"
    WOULD_CROSS = "would_cross"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"
    PRICE_BAND = "price_band"
    RATE_LIMIT = "rate_limit"
    BANNED = "banned"
    MAINTENANCE = "maintenance"
    AUTH = "auth"
    BUSY = "busy"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    OTHER = "other"


class OrderAccepted(Event, frozen=True):
    """The venue has booked the order."""

    venue: Venue
    order_id: OrderId


class OrderRejected(Event, frozen=True):
    """The venue proved that it did not accept the order."""

    venue: Venue
    order_id: OrderId
    reason: RejectReason
    text: str = ""
    retry_after_s: float | None = None
    """When the venue would listen again (`RATE_LIMIT`, `BANNED`), if it said so."""


class OrderUnknown(Event, frozen=True):
    """A create may have left and its outcome is not known (lost answer, timeout, 5xx, unreadable)."""

    venue: Venue
    order_id: OrderId
    why: str
    error: ErrorClass = ErrorClass.TIMEOUT
    retry_after_s: float | None = None


class OrderClosed(Event, frozen=True):
    """The order is terminal at the venue with this much filled."""

    venue: Venue
    order_id: OrderId
    status: OrderStatus
    filled_lots: int


class CancelFailed(Event, frozen=True):
    """A cancel was refused or its answer lost; the order's own state decides what follows."""

    venue: Venue
    order_id: OrderId
    why: str
    error: ErrorClass = ErrorClass.TIMEOUT
    """`REFUSED`: the venue found nothing to cancel; anything else proves nothing at all."""
    retry_after_s: float | None = None


class Fill(Event, frozen=True):
    """One trade of ours. Applied once per (venue, instrument, trade_id), at any age."""

    venue: Venue
    instrument: InstrumentId
    trade_id: str
    order_id: OrderId
    side: Side
    quantity_lots: int
    price_ticks: int
    fee: Decimal
    """As the venue booked it, rounded once: quote currency, or base coin when `fee_in_base`. Positive = paid."""
    fee_in_base: bool
    maker: bool
    traded_ns: Nanos | None = None
    """When the venue traded, in the ticks and lots of then; None: `at_ns`."""


class ForcedFill(Event, frozen=True):
    """The venue closed part of our position: liquidation or auto-deleveraging."""

    venue: Venue
    instrument: InstrumentId
    trade_id: str
    side: Side
    quantity_lots: int
    price_ticks: int
    fee: Decimal
    cause: str
    """liquidation, adl, or settlement of a contract that ends."""
    traded_ns: Nanos | None = None
    """When the venue traded, in the ticks and lots of then; None: `at_ns`."""


class FundingPaid(Event, frozen=True):
    """The venue booked a funding payment on our position at `settled_ns`."""

    venue: Venue
    instrument: InstrumentId
    settled_ns: Nanos
    amount_usd: Decimal
    """Positive = received."""
    quantity: Decimal
    """The venue's net base quantity at settlement, signed."""
    price: Decimal
    rate: Decimal


class CashMoved(Event, frozen=True):
    """Cash entered (positive) or left the account from outside: deposit or withdrawal, not P&L."""

    venue: Venue
    wallet: Wallet
    amount_usd: Decimal
    reference: str


class TransferEnded(Event, frozen=True):
    """A transfer between our own wallets arrived (`ok`) or came back."""

    venue: Venue
    transfer_id: str
    ok: bool
    fee_usd: Decimal
    why: str = ""


class OrderReport(Event, frozen=True):
    """The answer to `QueryOrder`. `found` False counts as absence only with `sources` >= 2 (order by id, and fills)."""

    venue: Venue
    order_id: OrderId
    found: bool
    sources: int
    status: OrderStatus | None
    filled_lots: int
    fills: tuple[Fill, ...] = ()
    taken_ns: Nanos | None = None
    """When the venue looked; None: `at_ns`. What was absent then may have been booked since (answers come late)."""


class PositionRow(msgspec.Struct, frozen=True, array_like=True):
    """A perpetual position as the venue holds it: signed lots, signed cost (sum of quantity x price)."""

    instrument: InstrumentId
    quantity: Decimal
    cost_usd: Decimal


class AccountMode(msgspec.Struct, frozen=True, array_like=True):
    """How a venue keeps our account."""

    margin: str = "cross"
    """cross or isolated."""
    positions: str = "one_way"
    """one_way or hedge."""
    multi_asset: bool = False
    leverage: int = 0
    """Of the futures account; 0: the venue keeps it by position, or does not say."""


class AccountReport(Event, frozen=True):
    """The answer to `ReadAccount`: the venue's whole truth about us at `taken_ns`."""

    venue: Venue
    request_id: str
    taken_ns: Nanos
    spot_usd: Decimal
    futures_usd: Decimal
    coins: tuple[tuple[Coin, Decimal], ...]
    positions: tuple[PositionRow, ...]
    open_orders: tuple[OrderId, ...]
    fills: tuple[Fill | ForcedFill, ...]
    """Trades after the request's cursor."""
    funding: tuple[FundingPaid, ...]
    """Payments after the request's cursor."""
    cash: tuple[CashMoved, ...]
    transfers_ended: tuple[TransferEnded, ...]
    cursor: int
    """Pass it to the next `ReadAccount`."""
    mode: AccountMode | None = None
    """None: the venue does not say."""


class ReadFailed(Event, frozen=True):
    """A read (`QueryOrder`, `ReadAccount`) got no usable answer; proves nothing."""

    venue: Venue
    request_id: str
    why: str
    error: ErrorClass = ErrorClass.TIMEOUT
    retry_after_s: float | None = None


class VenueConnection(Event, frozen=True):
    """The private side of a venue went down or came up (up: reconcile before opening)."""

    venue: Venue
    up: bool
