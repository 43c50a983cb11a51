"""Everything that can happen to the engine. Frozen, tagged, encodable; `at_ns` is the engine's time.

Market events come in batches of one venue and one instant. Account events come from a venue's private side. The order
of equal-time events is `EVENT_RANK`, then venue, then the number given at arrival (architecture, Time and determinism).
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.instrument import Instrument
from bot.domain.values import Coin, InstrumentId, Nanos, OrderId, Side, Venue, Wallet


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The root: something happened at `at_ns`."""

    at_ns: Nanos


# ------------------------------------------------------------------------------------------------ the market


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A perpetual's mark price and, where known, its index and the venue's running funding estimate."""

    instrument: InstrumentId
    mark: Decimal
    index: Decimal | None = None
    funding_estimate: float | None = None
    """Rate for the current interval (fraction per interval), if the venue publishes one."""


class Quote(msgspec.Struct, frozen=True, array_like=True):
    """The touch, and the depth behind it: lots within 50 bp of the touch on each side (`market/book.py` spreads them)."""

    instrument: InstrumentId
    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int
    depth_lots: int


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """A finished bar; an event at its close."""

    instrument: InstrumentId
    length_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume_base: float


class Print(msgspec.Struct, frozen=True, array_like=True):
    """A public trade; the side is the aggressor's."""

    instrument: InstrumentId
    side: Side
    price_ticks: int
    quantity_lots: int


class FundingRate(msgspec.Struct, frozen=True, array_like=True):
    """A settled funding rate: the fraction of notional that longs pay for the interval that ended at `settled_ns`."""

    instrument: InstrumentId
    settled_ns: Nanos
    rate: Decimal
    interval_h: int


class Marks(Event, frozen=True):
    """Marks of one venue. `values`: they price equity; else they serve margin alone (off the common bar edge)."""

    venue: Venue
    marks: tuple[Mark, ...]
    values: bool = True


class Quotes(Event, frozen=True):
    """Quotes of one venue. `values`: a spot mid prices equity (ticks); False where the last close does (bars)."""

    venue: Venue
    quotes: tuple[Quote, ...]
    values: bool = True


class BarsClosed(Event, frozen=True):
    """Bars of one venue that ended at `at_ns`."""

    venue: Venue
    bars: tuple[Bar, ...]


class Prints(Event, frozen=True):
    """Public trades of one venue since its previous event."""

    venue: Venue
    prints: tuple[Print, ...]


class FundingSettled(Event, frozen=True):
    """Funding rates of one venue that have just been settled."""

    venue: Venue
    rates: tuple[FundingRate, ...]


class TradingHalted(Event, frozen=True):
    """No quote until the next one comes: a missing bar, maintenance, a delisting."""

    venue: Venue
    instruments: tuple[InstrumentId, ...]
    reason: str


class InstrumentsChanged(Event, frozen=True):
    """New or changed instruments (a dated rule took effect, an interval changed)."""

    venue: Venue
    instruments: tuple[Instrument, ...]


class ReferenceRate(Event, frozen=True):
    """A published yield of idle cash (a T-bill): what capital would earn without trading."""

    name: str
    annual: float


# ----------------------------------------------------------------------------------------- our account at a venue


class OrderStatus(Enum):
    """What a venue says an order is."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


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


class OrderUnknown(Event, frozen=True):
    """A create may have left and its outcome is not known (lost answer, timeout, 5xx, unreadable)."""

    venue: Venue
    order_id: OrderId
    why: str


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
    """liquidation or adl."""


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


class PositionRow(msgspec.Struct, frozen=True, array_like=True):
    """A perpetual position as the venue holds it: signed lots, signed cost (sum of quantity x price)."""

    instrument: InstrumentId
    quantity: Decimal
    cost_usd: Decimal


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


class ReadFailed(Event, frozen=True):
    """A read (`QueryOrder`, `ReadAccount`) got no usable answer; proves nothing."""

    venue: Venue
    request_id: str
    why: str


class VenueConnection(Event, frozen=True):
    """The private side of a venue went down or came up (up: reconcile before opening)."""

    venue: Venue
    up: bool


# ---------------------------------------------------------------------------------------------- our own process


class SessionStarted(Event, frozen=True):
    """A process took over the account. Orders without an answer are UNKNOWN from here, nothing is reconciled."""

    epoch: int
    build: str
    config_hash: str
    account: str
    kind: str
    instruments: tuple[Instrument, ...]
    latch: str = ""
    """Reason of a kill latch found at start; empty if none."""
    resumed: bool = False
    """An earlier session of this account exists in the journal."""
    cadence_s: float = 1.0
    """The feed's declared cadence: how far apart two quotes of an instrument may lie in good order."""
    trade_from_ns: Nanos = Nanos(0)
    """Events before this instant only warm the forecasts; nothing is read, decided or sent."""
    doubts: tuple[str, ...] = ()
    """Why the state behind this session is not trusted yet (build changed, replay differs): REDUCE_ONLY."""


class OperatorAction(Enum):
    """What an operator can order."""

    PAUSE = "pause"
    RESUME = "resume"
    FLATTEN = "flatten"
    KILL = "kill"
    KILL_HOLD = "kill_hold"
    STOP = "stop"
    ACKNOWLEDGE = "acknowledge"


class Control(Event, frozen=True):
    """An operator's order; handled ahead of everything else."""

    action: OperatorAction
    actor: str
    reason: str = ""


class DeadlineReached(Event, frozen=True):
    """The instant the engine asked for with `wake_ns`."""


class CalendarFired(Event, frozen=True):
    """A calendar job's time has come."""

    job: str


class StorageFailed(Event, frozen=True):
    """A commit failed or did not return in time."""

    why: str


class StorageRestored(Event, frozen=True):
    """Commits work again."""


class ClockJumped(Event, frozen=True):
    """Wall or monotonic time jumped: all data are stale, reconcile before any order."""

    jump_s: float


MarketEvent = (
    Marks | Quotes | BarsClosed | Prints | FundingSettled | TradingHalted | InstrumentsChanged | ReferenceRate
)
AccountEvent = (
    OrderAccepted | OrderRejected | OrderUnknown | OrderClosed | CancelFailed | Fill | ForcedFill | FundingPaid
    | CashMoved | TransferEnded | OrderReport | AccountReport | ReadFailed | VenueConnection
)
ProcessEvent = (
    SessionStarted | Control | DeadlineReached | CalendarFired | StorageFailed | StorageRestored | ClockJumped
)
AnyEvent = MarketEvent | AccountEvent | ProcessEvent

EVENT_RANK: dict[type[Event], int] = {
    SessionStarted: 0, Control: 0, StorageFailed: 0, StorageRestored: 0, ClockJumped: 0,
    InstrumentsChanged: 1, TradingHalted: 1, ReferenceRate: 1,
    Marks: 2,
    BarsClosed: 3, Quotes: 3, Prints: 3,
    FundingSettled: 4, FundingPaid: 4,
    ForcedFill: 5,
    OrderAccepted: 6, OrderRejected: 6, OrderUnknown: 6, OrderClosed: 6, CancelFailed: 6, Fill: 6, CashMoved: 6,
    TransferEnded: 6, OrderReport: 6, AccountReport: 6, ReadFailed: 6, VenueConnection: 6,
    DeadlineReached: 8,
    CalendarFired: 9,
}
"""Order of events of one instant (7 is kept for model results)."""
