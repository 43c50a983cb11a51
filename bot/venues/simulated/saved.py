"""The exchange's state as values: what one commit writes and one reopening reads."""

from __future__ import annotations

import msgspec

from bot.domain.commands import Transfer
from bot.domain.instrument import Instrument
from bot.domain.values import InstrumentId, OrderId, Venue
from bot.venues.simulated.account import Holdings, LogEntry, VenueAccount, VenueOrder
from bot.venues.simulated.board import Board
from bot.venues.simulated.pending import Entry
from bot.venues.simulated.picture import Picture

SAVED_VERSION = 1


class SavedVenue(msgspec.Struct, array_like=True):
    """One venue's present; its closed orders and its log are history rows."""

    venue: Venue
    holdings: Holdings
    board: Board
    open_orders: list[VenueOrder]
    settled_ns: dict[InstrumentId, int]
    repeats: dict[OrderId, int]
    last_trade_ns: int
    changed: dict[InstrumentId, Instrument]
    """Instruments that changed since the start."""
    picture: Picture | None = None


class SavedExchange(msgspec.Struct, kw_only=True):
    """The exchange's present: clock, undelivered answers, requests under way, random states, venues."""

    version: int
    seed: int
    now_ns: int
    number: int
    entries: list[Entry]
    stream_counts: dict[str, int]
    latency_ns: dict[str, int]
    under_way: dict[str, Transfer]
    fault_counts: dict[str, int]
    venues: list[SavedVenue]


class HistoryRow(msgspec.Struct, frozen=True):
    """One row of history: `table` orders, trades, funding or cash; `place` counts within (venue, orders or log)."""

    table: str
    venue: Venue
    place: int
    name: str
    """Client id, trade id, instrument or reference: for people who look into the file."""
    body: bytes


STATE = msgspec.msgpack.Decoder(SavedExchange)
ORDER = msgspec.msgpack.Decoder(VenueOrder)
ENTRY: msgspec.msgpack.Decoder[LogEntry] = msgspec.msgpack.Decoder(LogEntry)
ENCODE = msgspec.msgpack.Encoder()


def restore_account(account: VenueAccount, saved: SavedVenue, closed: list[VenueOrder], log: list[LogEntry]) -> None:
    """Put an account back as it was."""
    account.holdings = saved.holdings
    account.log = log
    account.settled_ns = saved.settled_ns
    account.repeats = saved.repeats
    account.last_trade_ns = saved.last_trade_ns
    account.put_back(saved.open_orders, closed)
