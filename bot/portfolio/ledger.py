"""The ledger: who holds what, what it cost and where its P&L came from, to the last digit.

Each fill, payment, deposit and transfer is applied once, whatever the order and number of reports. All sums run in
the MONEY context, which raises rather than rounds; cash is rounded only by `round_cash`, when it is booked. Before a
fill, a settlement or a report the caller brings V of every instrument that the owners concerned hold up to date
(`revalue`).
"""

from __future__ import annotations

import decimal
from decimal import Decimal

from bot.domain.commands import Transfer
from bot.domain.errors import Unavailable
from bot.domain.events import CashMoved, Fill, ForcedFill, FundingPaid, TransferEnded
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, ZERO, InstrumentId, Nanos, Owner, Venue, Wallet, is_pair_owner
from bot.portfolio.ledger_reading import LedgerReading
from bot.portfolio.ledger_state import Holding, InstrumentBook, Wallets
from bot.portfolio.realisation import realise
from bot.portfolio.splits import OwnerShare, split_cash, split_funding, split_lots


class Ledger(LedgerReading):
    """The ledger's events; questions are answered by `LedgerReading`."""

    # ---------------------------------------------------------------------------------------------------- prices

    def revalue(self, instrument: InstrumentId, price: Decimal) -> None:
        """Bring V of an instrument to `price` and attribute the move to everyone who holds it.

        A pair whose legs have opposite signs earns basis on the quantity that both legs cover, price on the rest; all
        others earn price.

        Raises:
            Unavailable: if the price is not positive and finite; nothing has changed then.
        """
        if not price.is_finite() or price <= 0:
            raise Unavailable(f"{instrument}: {price} is no valuation price")
        old = self.state.prices.get(instrument)
        self.state.prices[instrument] = price
        book = self.state.books.get(instrument)
        if old is None or old == price or book is None or not book.held:
            return
        with decimal.localcontext(MONEY):
            move = price - old
            for owner, holding in book.held.items():
                if not is_pair_owner(owner):
                    holding.parts.price += holding.quantity * move
                    continue
                hedged = self._hedged(book, owner, holding.quantity)
                holding.parts.basis += hedged * move
                if hedged != holding.quantity:
                    holding.parts.price += (holding.quantity - hedged) * move

    def _hedged(self, book: InstrumentBook, owner: Owner, quantity: Decimal) -> Decimal:
        """The part of a pair's leg, signed, that its legs of opposite sign in the same coin cover."""
        other = ZERO
        for leg in self.state.legs[owner]:
            facing = self.state.books[leg]
            if leg != book.instrument and facing.coin == book.coin and (held := facing.held.get(owner)) is not None:
                other += held.quantity
        if quantity > 0:
            return min(quantity, max(-other, ZERO))
        return max(quantity, min(-other, ZERO))

    # ----------------------------------------------------------------------------------------------------- fills

    def apply_fill(self, fill: Fill, owner: Owner, instrument: Instrument, mid: Decimal | None) -> bool:
        """Book one trade for the owner of its order; False if this trade id has been booked before.

        Args:
            mid: mid price when it traded. None: slippage is not measured and stays in basis or price.
        """
        with decimal.localcontext(MONEY):
            book = self._book(instrument)
            if fill.trade_id in book.trades:
                return False
            book.trades[fill.trade_id] = None
            quantity = instrument.quantity(fill.quantity_lots) * int(fill.side)
            price = instrument.price(fill.price_ticks)
            fee_usd, fee_coins = (ZERO, fill.fee) if fill.fee_in_base else (fill.fee, ZERO)
            self._book_owner(book, owner, quantity, price, mid, fee_usd, fee_coins)
            self._book_venue(book, quantity, price, fee_usd, fee_coins)
            return True

    def apply_forced_fill(
        self, fill: ForcedFill, instrument: Instrument, mid: Decimal | None,
    ) -> tuple[OwnerShare, ...]:
        """Book a liquidation or deleveraging, split in whole lots over the owners on the side that was closed.

        Pro rata by quantity, remainder to the largest; what nobody held goes to dust. Returns the signed quantity of
        each owner; empty if this trade id has been booked before.
        """
        with decimal.localcontext(MONEY):
            book = self._book(instrument)
            if fill.trade_id in book.trades:
                return ()
            book.trades[fill.trade_id] = None
            sign, price = int(fill.side), instrument.price(fill.price_ticks)
            held = [
                (owner, int(abs(quantity) // instrument.lot_size))
                for owner, quantity in self.owners(book.instrument) if quantity * sign < 0
            ]
            shares = split_lots(fill.quantity_lots, held)
            fees = split_cash(fill.fee, [(owner, Decimal(lots)) for owner, lots in shares])
            split = tuple(OwnerShare(owner, instrument.quantity(lots) * sign) for owner, lots in shares)
            for share, fee in zip(split, fees, strict=True):
                self._book_owner(book, share.owner, share.amount, price, mid, fee.amount, ZERO)
            self._book_venue(book, instrument.quantity(fill.quantity_lots) * sign, price, fill.fee, ZERO)
            return split

    def move_owner(self, instrument: InstrumentId, from_owner: Owner, to_owner: Owner, quantity: Decimal) -> None:
        """Hand a signed quantity from one owner to another at V; nobody earns anything by it.

        Raises:
            ValueError: if the giver does not hold that much.
        """
        book = self.state.books.get(instrument)
        held = self.quantity(instrument, from_owner)
        if book is None or from_owner == to_owner or quantity * held <= 0 or abs(quantity) > abs(held):
            raise ValueError(f"{instrument}: {from_owner} holds {held} and cannot give {quantity} to {to_owner}")
        price = self.price(instrument)
        with decimal.localcontext(MONEY):
            self._book_owner(book, from_owner, -quantity, price, price, ZERO, ZERO)
            self._book_owner(book, to_owner, quantity, price, price, ZERO, ZERO)

    def _book(self, instrument: Instrument) -> InstrumentBook:
        book = self.state.books.get(instrument.id)
        if book is None:
            book = InstrumentBook(instrument.id, instrument.venue, instrument.coin, instrument.is_perp)
            self.state.books[instrument.id] = book
        return book

    def _book_owner(
        self, book: InstrumentBook, owner: Owner, d: Decimal, x: Decimal, mid: Decimal | None,
        fee_usd: Decimal, fee_coins: Decimal,
    ) -> None:
        """Change one owner's holding and attribute the trade (quant reference 15.1, ii and iii)."""
        # an instrument that has no V yet is valued at our own first trade until a mark or mid comes
        value = self.state.prices.setdefault(book.instrument, x)
        fair = x if mid is None else mid
        holding = self._opened(book, owner)
        holding.quantity, holding.cost_usd, realised = realise(holding.quantity, holding.cost_usd, d, x)
        holding.realised_usd += realised
        parts = holding.parts
        parts.slippage += d * (fair - x)
        if is_pair_owner(owner):
            parts.basis += d * (value - fair)
        else:
            parts.price += d * (value - fair)
        if fee_coins:
            # coins given away at V: their cost leaves with them, so realised and unrealised never show the fee again
            fee_usd += fee_coins * value
            holding.quantity -= fee_coins
            holding.cost_usd -= fee_coins * value
        parts.fees -= fee_usd
        if not holding.quantity:
            # a coin fee can leave cost on a flat leg; it is realised with the leg
            holding.realised_usd -= holding.cost_usd
            holding.cost_usd = ZERO
        if not holding.quantity and is_pair_owner(owner):
            del book.held[owner]
            book.closed[owner] = holding
            book.closed_parts.add(parts)

    def _opened(self, book: InstrumentBook, owner: Owner) -> Holding:
        """The owner's holding among those that are held, brought back or made new if need be."""
        holding = book.held.get(owner)
        if holding is None:
            holding = book.closed.pop(owner, None)
            if holding is not None:
                book.closed_parts.add(holding.parts, -1)
            else:
                holding = Holding()
                self.state.legs.setdefault(owner, []).append(book.instrument)
            book.held[owner] = holding
        return holding

    def _book_venue(
        self, book: InstrumentBook, d: Decimal, x: Decimal, fee_usd: Decimal, fee_coins: Decimal,
    ) -> None:
        """Mirror what the venue does with the net: spot pays at once, a perpetual keeps cost and realises."""
        wallets = self._wallets(book.venue)
        if book.perp:
            book.quantity, book.cost_usd, realised = realise(book.quantity, book.cost_usd, d, x)
            wallets.futures_usd += realised - fee_usd
        else:
            book.quantity += d - fee_coins
            wallets.spot_usd -= d * x + fee_usd

    # --------------------------------------------------------------------------------------------------- funding

    def note_settlement(self, instrument: InstrumentId, settled_ns: Nanos) -> None:
        """Keep the owners' quantities at a settlement until its payment is booked; noted once."""
        book = self.state.books.get(instrument)
        if book is None or settled_ns in book.pending or book.booked.contains(settled_ns):
            return
        owners = dict(self.owners(instrument))
        if owners:
            book.pending[settled_ns] = owners

    def forget_settlement(self, instrument: InstrumentId, settled_ns: Nanos) -> None:
        """The venue has proved that it booked no payment for this settlement."""
        self.state.books[instrument].pending.pop(settled_ns, None)

    def settle_among_owners(
        self, instrument: InstrumentId, settled_ns: Nanos, price: Decimal, rate: Decimal,
    ) -> tuple[OwnerShare, ...]:
        """Let owners whose quantities summed to zero at a noted settlement pay each other: venues pay nothing then.

        A payment that the venue makes after all is still booked. Returns the shares, which sum to zero; empty (and
        nothing happens) if the settlement is not pending or the quantities did not sum to zero.
        """
        book = self.state.books.get(instrument)
        with decimal.localcontext(MONEY):
            if book is None or sum(book.pending.get(settled_ns, {}).values(), ZERO) or settled_ns not in book.pending:
                return ()
            owners = tuple(book.pending.pop(settled_ns).items())
            return self._share_funding(book, ZERO, price, rate, owners)

    def apply_funding(self, paid: FundingPaid, instrument: Instrument) -> tuple[OwnerShare, ...]:
        """Book a payment once per settlement and split it by quantity then.

        By quantity now, if the settlement was not noted or only today's quantities sum to what the venue counted (a
        fill from before the settlement reached us after it). The shares sum to the payment exactly, also when it is
        zero because the venue's net was; where nobody held anything it belongs to the account.

        Returns the shares; empty if the settlement has been booked before, or nobody held anything.
        """
        with decimal.localcontext(MONEY):
            book = self._book(instrument)
            if book.booked.contains(paid.settled_ns):
                return ()
            book.booked.add(paid.settled_ns)
            owners = tuple(book.pending.pop(paid.settled_ns, {}).items())
            counted = sum((quantity for _, quantity in owners), ZERO)
            if not owners or (counted != paid.quantity and book.quantity == paid.quantity):
                owners = self.owners(instrument.id)
            self._wallets(book.venue).futures_usd += paid.amount_usd
            if not owners:
                self.state.account.funding += paid.amount_usd
                return ()
            return self._share_funding(book, paid.amount_usd, paid.price, paid.rate, owners)

    def _share_funding(
        self, book: InstrumentBook, amount_usd: Decimal, price: Decimal, rate: Decimal,
        owners: tuple[tuple[Owner, Decimal], ...],
    ) -> tuple[OwnerShare, ...]:
        shares = split_funding(amount_usd, price, rate, owners)
        for share in shares:
            if (holding := book.held.get(share.owner)) is None:
                holding = book.closed[share.owner]
                book.closed_parts.funding += share.amount
            holding.parts.funding += share.amount
        return shares

    # ------------------------------------------------------------------------------------------------------ cash

    def apply_cash(self, moved: CashMoved) -> bool:
        """Book a deposit or withdrawal, which is no P&L; False if its reference has been booked before."""
        seen = self.state.cash_seen.setdefault(moved.venue, {})
        if moved.reference in seen:
            return False
        seen[moved.reference] = None
        with decimal.localcontext(MONEY):
            self._credit(moved.venue, moved.wallet, moved.amount_usd)
            self.state.flows_usd += moved.amount_usd
        return True

    def begin_transfer(self, transfer: Transfer) -> bool:
        """Take the cash from its wallet; it is in transit until `end_transfer`. False if it is under way already."""
        if transfer.transfer_id in self.state.transfers:
            return False
        self.state.transfers[transfer.transfer_id] = transfer
        with decimal.localcontext(MONEY):
            self._credit(transfer.venue_from, transfer.wallet_from, -transfer.amount_usd)
        return True

    def end_transfer(self, ended: TransferEnded) -> bool:
        """Put the cash, less the fee, where it arrived or back where it came from; False if it is not under way."""
        transfer = self.state.transfers.pop(ended.transfer_id, None)
        if transfer is None:
            return False
        to = (transfer.venue_to, transfer.wallet_to) if ended.ok else (transfer.venue_from, transfer.wallet_from)
        with decimal.localcontext(MONEY):
            self._credit(*to, transfer.amount_usd - ended.fee_usd)
            self.state.account.fees -= ended.fee_usd
        return True

    def _credit(self, venue: Venue, wallet: Wallet, amount_usd: Decimal) -> None:
        wallets = self._wallets(venue)
        if wallet is Wallet.SPOT:
            wallets.spot_usd += amount_usd
        else:
            wallets.futures_usd += amount_usd

    def _wallets(self, venue: Venue) -> Wallets:
        return self.state.wallets.setdefault(venue, Wallets())
