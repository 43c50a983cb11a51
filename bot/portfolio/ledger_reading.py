"""Reading the ledger: quantities by owner, equity, attribution, and the residual that proves them."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from bot.domain.errors import Unavailable
from bot.domain.values import (
    DUST,
    FOREIGN,
    HEDGE,
    MONEY,
    OVERLAY,
    ZERO,
    Coin,
    InstrumentId,
    Nanos,
    Owner,
    Venue,
    is_pair_owner,
)
from bot.portfolio.attribution import Attribution, Parts, Sleeve, attribution_of
from bot.portfolio.ledger_state import Holding, InstrumentBook, LedgerState, Wallets


class HoldingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one owner, valued at V."""

    instrument: InstrumentId
    owner: Owner
    quantity: Decimal
    cost_usd: Decimal
    price: Decimal
    value_usd: Decimal
    unrealised_usd: Decimal
    realised_usd: Decimal
    funding_usd: Decimal
    fees_usd: Decimal
    """As booked: negative = paid."""


class VenueNet(msgspec.Struct, frozen=True, array_like=True):
    """A venue's net of one instrument as we know it; spot has no cost at a venue (zero)."""

    instrument: InstrumentId
    quantity: Decimal
    cost_usd: Decimal


class LedgerReading:
    """Every question to the ledger; nothing here changes it. Orders of iteration are those of first trades."""

    def __init__(self, state: LedgerState | None = None) -> None:
        self.state = state if state is not None else LedgerState()

    # ------------------------------------------------------------------------------------------------ quantities

    def quantity(self, instrument: InstrumentId, owner: Owner) -> Decimal:
        """Signed base quantity of an owner; zero if it has none."""
        book = self.state.books.get(instrument)
        holding = book.held.get(owner) if book is not None else None
        return holding.quantity if holding is not None else ZERO

    def net(self, instrument: InstrumentId) -> Decimal:
        """Signed base quantity over all owners: what the venue should have."""
        book = self.state.books.get(instrument)
        return book.quantity if book is not None else ZERO

    def owners(self, instrument: InstrumentId) -> tuple[tuple[Owner, Decimal], ...]:
        """Owners with a quantity of the instrument, and how much."""
        book = self.state.books.get(instrument)
        if book is None:
            return ()
        return tuple((owner, holding.quantity) for owner, holding in book.held.items() if holding.quantity)

    def legs(self, owner: Owner) -> tuple[tuple[InstrumentId, Decimal], ...]:
        """Instruments of which the owner has a quantity, and how much."""
        rows = ((leg, self.quantity(leg, owner)) for leg in self.state.legs.get(owner, ()))
        return tuple(row for row in rows if row[1])

    def holdings(self, owner: Owner | None = None) -> Iterator[HoldingRow]:
        """Every quantity with its value and P&L, by instrument and owner."""
        for book in self.state.books.values():
            for each, holding in book.held.items():
                if holding.quantity and owner in (None, each):
                    yield _row(book, each, holding, self.state.prices[book.instrument])

    def coins(self, venue: Venue) -> tuple[tuple[Coin, Decimal], ...]:
        """Spot coins at a venue over all owners, by name."""
        coins: dict[Coin, Decimal] = {}
        with decimal.localcontext(MONEY):
            for book in self.state.books.values():
                if book.venue == venue and not book.perp and book.quantity:
                    coins[book.coin] = coins.get(book.coin, ZERO) + book.quantity
        return tuple(sorted(coins.items()))

    def venue_nets(self, venue: Venue) -> tuple[VenueNet, ...]:
        """Net quantity and cost of a venue's instruments, those that are flat left out."""
        return tuple([  # a list is filled faster than a generator is drained: this runs at every mark
            VenueNet(book.instrument, book.quantity, book.cost_usd)
            for book in self.state.books.values() if book.venue == venue and book.quantity
        ])

    def pair_holdings(self, venue: Venue) -> tuple[tuple[InstrumentId, Owner], ...]:
        """Every (instrument, pair) of a venue with a quantity."""
        return tuple(
            (book.instrument, owner)
            for book in self.state.books.values() if book.venue == venue
            for owner, holding in book.held.items() if holding.quantity and is_pair_owner(owner)
        )

    # ------------------------------------------------------------------------------------------- money and P&L

    def price(self, instrument: InstrumentId) -> Decimal:
        """The valuation price V in use.

        Raises:
            Unavailable: if the instrument has never been valued.
        """
        value = self.state.prices.get(instrument)
        if value is None:
            raise Unavailable(f"{instrument}: no valuation price yet")
        return value

    def wallets(self, venue: Venue) -> Wallets:
        """A venue's cash (a copy)."""
        wallets = self.state.wallets.get(venue)
        return Wallets(wallets.spot_usd, wallets.futures_usd) if wallets is not None else Wallets()

    def in_transit_usd(self) -> Decimal:
        """Cash that has left one wallet and not reached the other."""
        with decimal.localcontext(MONEY):
            return sum((transfer.amount_usd for transfer in self.state.transfers.values()), ZERO)

    def equity_usd(self, venue: Venue | None = None) -> Decimal:
        """Cash, coins and unrealised P&L at V; over all venues cash in transit counts too."""
        with decimal.localcontext(MONEY):
            equity = self.in_transit_usd() if venue is None else ZERO
            for name, wallets in self.state.wallets.items():
                if venue in (None, name):
                    equity += wallets.spot_usd + wallets.futures_usd
            for book in self.state.books.values():
                if book.quantity and venue in (None, book.venue):
                    equity += book.quantity * self.state.prices[book.instrument] - book.cost_usd
            return equity

    def attribution(self, owner: Owner | None = None) -> Attribution:
        """P&L by cause since the beginning: of one owner, or of everything with what belongs to nobody."""
        if owner is None:
            return attribution_of([self.state.account, *self._all_parts()])
        return attribution_of(
            holding.parts
            for leg in self.state.legs.get(owner, ())
            if (holding := _holding(self.state.books[leg], owner)) is not None
        )

    def attribution_of_sleeve(self, sleeve: Sleeve) -> Attribution:
        """P&L by cause of a group of owners; the sleeves sum to `attribution()`."""
        match sleeve:
            case Sleeve.ACCOUNT:
                return attribution_of([self.state.account])
            case Sleeve.CARRY:
                single = (OVERLAY, HEDGE, DUST, FOREIGN)
                return attribution_of(self._all_parts(without=single))
            case Sleeve.OVERLAY | Sleeve.HEDGE | Sleeve.DUST | Sleeve.FOREIGN:
                return self.attribution(Owner(sleeve.value))

    def check(self, venue_equity_usd: Decimal) -> Decimal:
        """The residual: the venues' own equity, net of deposits and withdrawals, less our attribution.

        Anything but zero is a fault. The venues' equity must be taken at the same prices V and include cash in transit.
        """
        with decimal.localcontext(MONEY):
            return venue_equity_usd - self.state.flows_usd - self.attribution().total

    def pending_settlements(self) -> tuple[tuple[InstrumentId, Nanos], ...]:
        """Settlements at which we held something and whose payment has not been booked."""
        return tuple(
            (book.instrument, Nanos(settled_ns)) for book in self.state.books.values() for settled_ns in book.pending
        )

    def _all_parts(self, without: tuple[Owner, ...] = ()) -> Iterator[Parts]:
        for book in self.state.books.values():
            yield book.closed_parts
            for owner, holding in book.held.items():
                if owner not in without:
                    yield holding.parts


def _holding(book: InstrumentBook, owner: Owner) -> Holding | None:
    holding = book.held.get(owner)
    return holding if holding is not None else book.closed.get(owner)


def _row(book: InstrumentBook, owner: Owner, holding: Holding, price: Decimal) -> HoldingRow:
    with decimal.localcontext(MONEY):
        value = holding.quantity * price
        unrealised = value - holding.cost_usd
    return HoldingRow(
        instrument=book.instrument, owner=owner, quantity=holding.quantity, cost_usd=holding.cost_usd, price=price,
        value_usd=value, unrealised_usd=unrealised, realised_usd=holding.realised_usd,
        funding_usd=holding.parts.funding, fees_usd=holding.parts.fees,
    )
