"""The ledger's memory: plain structs that the engine's snapshot encodes as they are."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.commands import Transfer
from bot.domain.values import ZERO, Coin, InstrumentId, Owner, Venue
from bot.portfolio.attribution import Parts
from bot.portfolio.settlements import SettlementRuns


class Holding(msgspec.Struct, array_like=True):
    """What one owner has of one instrument.

    `realised_usd + quantity * V - cost_usd + parts.funding + parts.fees` equals the sum of all parts, always.
    """

    quantity: Decimal = ZERO
    """Signed, base coin; net of fees taken in the coin."""
    cost_usd: Decimal = ZERO
    """Signed cost of what is held now, at average cost; for display."""
    realised_usd: Decimal = ZERO
    """Before fees and funding; for display."""
    parts: Parts = msgspec.field(default_factory=Parts)


class InstrumentBook(msgspec.Struct):
    """Everything the ledger knows of one instrument."""

    instrument: InstrumentId
    venue: Venue
    coin: Coin
    perp: bool
    quantity: Decimal = ZERO
    """The venue's net: the sum over owners."""
    cost_usd: Decimal = ZERO
    """A perpetual's signed cost as the venue keeps it on the net position."""
    held: dict[Owner, Holding] = msgspec.field(default_factory=dict)
    """Pairs with a quantity, and the single owners (overlay, hedge, dust) once they had one."""
    closed: dict[Owner, Holding] = msgspec.field(default_factory=dict)
    """Pairs that are flat here; apart, so that closed pairs cost a step nothing."""
    closed_parts: Parts = msgspec.field(default_factory=Parts)
    """The sum of `closed`."""
    trades: dict[str, None] = msgspec.field(default_factory=dict)
    """Trade ids that have been applied."""
    booked: SettlementRuns = msgspec.field(default_factory=SettlementRuns)
    pending: dict[int, dict[Owner, Decimal]] = msgspec.field(default_factory=dict)
    """Quantities by owner at settlements whose payment has not been booked."""


class Wallets(msgspec.Struct):
    """Cash at one venue."""

    spot_usd: Decimal = ZERO
    futures_usd: Decimal = ZERO


class LedgerState(msgspec.Struct):
    """The whole ledger."""

    books: dict[InstrumentId, InstrumentBook] = msgspec.field(default_factory=dict)
    prices: dict[InstrumentId, Decimal] = msgspec.field(default_factory=dict)
    """The valuation price V to which each instrument has been revalued."""
    wallets: dict[Venue, Wallets] = msgspec.field(default_factory=dict)
    legs: dict[Owner, list[InstrumentId]] = msgspec.field(default_factory=dict)
    """Instruments an owner has or had."""
    transfers: dict[str, Transfer] = msgspec.field(default_factory=dict)
    """Under way: taken from one wallet, not yet in the other."""
    cash_seen: dict[Venue, dict[str, None]] = msgspec.field(default_factory=dict)
    """References of deposits and withdrawals that have been applied."""
    account: Parts = msgspec.field(default_factory=Parts)
    """P&L that belongs to no owner."""
    flows_usd: Decimal = ZERO
    """Deposits less withdrawals: not P&L."""
