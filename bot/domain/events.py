"""Everything that can happen to the engine. Frozen, tagged, encodable; `at_ns` is the engine's time.

Market events come in batches of one venue and one instant. Account events come from a venue's private side. The order
of equal-time events is `EVENT_RANK`, then venue, then the number given at arrival (architecture, Time and determinism).
"""

from __future__ import annotations

from bot.domain.account_events import (
    AccountMode,
    AccountReport,
    CancelFailed,
    CashMoved,
    ErrorClass,
    Fill,
    ForcedFill,
    FundingPaid,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUnknown,
    PositionRow,
    ReadFailed,
    RejectReason,
    TransferEnded,
    VenueConnection,
)
from bot.domain.event import Event
from bot.domain.market_events import (
    Bar,
    BarsClosed,
    ClosesKnown,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    KnownCloses,
    Mark,
    Marks,
    PegPrices,
    Print,
    Prints,
    Quote,
    Quotes,
    ReferenceRate,
    TradingHalted,
)
from bot.domain.model_events import CoinFit, ModelsFitted
from bot.domain.process_events import (
    CalendarFired,
    ClockJumped,
    Control,
    DeadlineReached,
    DiskLow,
    InvariantBroken,
    OperatorAction,
    SessionStarted,
    StorageFailed,
    StorageRestored,
)

MarketEvent = (
    Marks | Quotes | BarsClosed | Prints | FundingSettled | TradingHalted | InstrumentsChanged | ReferenceRate
    | ClosesKnown | PegPrices
)
AccountEvent = (
    OrderAccepted | OrderRejected | OrderUnknown | OrderClosed | CancelFailed | Fill | ForcedFill | FundingPaid
    | CashMoved | TransferEnded | OrderReport | AccountReport | ReadFailed | VenueConnection
)
ProcessEvent = (
    SessionStarted | Control | DeadlineReached | CalendarFired | StorageFailed | StorageRestored | DiskLow
    | ClockJumped | InvariantBroken | ModelsFitted
)
AnyEvent = MarketEvent | AccountEvent | ProcessEvent

EVENT_RANK: dict[type[Event], int] = {
    SessionStarted: 0, Control: 0, StorageFailed: 0, StorageRestored: 0, DiskLow: 0, ClockJumped: 0,
    InvariantBroken: 0,
    InstrumentsChanged: 1, TradingHalted: 1, ReferenceRate: 1, ClosesKnown: 1, PegPrices: 1,
    Marks: 2,
    BarsClosed: 3, Quotes: 3, Prints: 3,
    FundingSettled: 4, FundingPaid: 4,
    ForcedFill: 5,
    OrderAccepted: 6, OrderRejected: 6, OrderUnknown: 6, OrderClosed: 6, CancelFailed: 6, Fill: 6, CashMoved: 6,
    TransferEnded: 6, OrderReport: 6, AccountReport: 6, ReadFailed: 6, VenueConnection: 6,
    ModelsFitted: 7,
    DeadlineReached: 8,
    CalendarFired: 9,
}
"""Order of events of one instant."""

__all__ = [
    "EVENT_RANK",
    "AccountEvent",
    "AccountMode",
    "AccountReport",
    "AnyEvent",
    "Bar",
    "BarsClosed",
    "CalendarFired",
    "CancelFailed",
    "CashMoved",
    "ClockJumped",
    "ClosesKnown",
    "CoinFit",
    "Control",
    "DeadlineReached",
    "DiskLow",
    "ErrorClass",
    "Event",
    "Fill",
    "ForcedFill",
    "FundingPaid",
    "FundingRate",
    "FundingSettled",
    "InstrumentsChanged",
    "InvariantBroken",
    "KnownCloses",
    "Mark",
    "MarketEvent",
    "Marks",
    "ModelsFitted",
    "OperatorAction",
    "OrderAccepted",
    "OrderClosed",
    "OrderRejected",
    "OrderReport",
    "OrderStatus",
    "OrderUnknown",
    "PegPrices",
    "PositionRow",
    "Print",
    "Prints",
    "ProcessEvent",
    "Quote",
    "Quotes",
    "ReadFailed",
    "ReferenceRate",
    "RejectReason",
    "SessionStarted",
    "StorageFailed",
    "StorageRestored",
    "TradingHalted",
    "TransferEnded",
    "VenueConnection",
]
