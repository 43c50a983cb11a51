"""Cash between our wallets: it leaves at once, is nowhere for a while, and still counts in equity."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.commands import Transfer
from bot.domain.events import TransferEnded
from bot.domain.values import MONEY, ZERO, Nanos, Venue, Wallet, round_cash
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.latency import NS_PER_S
from bot.venues.simulated.margin import free_collateral_usd
from bot.venues.simulated.params import SimulatedParams


class Transfers:
    """The transfers under way, by id; a second request with an id under way is ignored."""

    def __init__(self, params: SimulatedParams, desks: dict[Venue, Desk]) -> None:
        self._params = params
        self._desks = desks
        self.under_way: dict[str, Transfer] = {}

    def start(self, at_ns: Nanos, transfer: Transfer) -> Nanos | None:
        """Take the cash; returns when it lands, or None if nothing left (the receiving venue says why)."""
        if transfer.transfer_id in self.under_way:
            return None
        why = self._refusal(transfer)
        if why:
            self._end(at_ns, transfer, ok=False, fee_usd=ZERO, why=why)
            return None
        self._desks[transfer.venue_from].account.holdings.pay(transfer.wallet_from, transfer.amount_usd.copy_negate())
        self.under_way[transfer.transfer_id] = transfer
        inside = transfer.venue_from == transfer.venue_to
        takes_s = self._params.transfer_internal_s if inside else self._params.transfer_venues_s
        return Nanos(at_ns + round(takes_s * NS_PER_S))

    def land(self, at_ns: Nanos, transfer_id: str, *, back: bool = False) -> None:
        """The cash arrives, less the fee; or it comes back whole."""
        transfer = self.under_way.pop(transfer_id)
        if back:
            self._desks[transfer.venue_from].account.holdings.pay(transfer.wallet_from, transfer.amount_usd)
            self._end(at_ns, transfer, ok=False, fee_usd=ZERO, why="returned by the network")
            return
        fee = self._fee_usd(transfer)
        holdings = self._desks[transfer.venue_to].account.holdings
        holdings.pay(transfer.wallet_to, MONEY.subtract(transfer.amount_usd, fee))
        self._end(at_ns, transfer, ok=True, fee_usd=fee, why="")

    def in_transit_usd(self, venue: Venue | None) -> Decimal:
        """Cash on its way to a venue, or to all; the fee is still in it."""
        total = ZERO
        for transfer in self.under_way.values():
            if venue is None or transfer.venue_to == venue:
                total = MONEY.add(total, transfer.amount_usd)
        return total

    def _fee_usd(self, transfer: Transfer) -> Decimal:
        return ZERO if transfer.venue_from == transfer.venue_to else self._params.transfer_venues_fee_usd

    def _refusal(self, transfer: Transfer) -> str:
        amount = transfer.amount_usd
        if (transfer.venue_from, transfer.wallet_from) == (transfer.venue_to, transfer.wallet_to):
            return "both wallets are the same"
        if not amount.is_finite() or amount <= 0 or round_cash(amount) != amount:
            return f"amount {amount} is not a positive sum of at most 8 decimals"
        if amount <= self._fee_usd(transfer):
            return f"amount {amount} does not cover the fee"
        free = free_cash_usd(self._desks[transfer.venue_from], transfer.wallet_from)
        return f"only {free:.2f} USD are free" if amount > free else ""

    def _end(self, at_ns: Nanos, transfer: Transfer, *, ok: bool, fee_usd: Decimal, why: str) -> None:
        desk = self._desks[transfer.venue_to]
        desk.log(TransferEnded(at_ns, desk.venue, transfer.transfer_id, ok, fee_usd, why))


def free_cash_usd(desk: Desk, wallet: Wallet) -> Decimal:
    """Cash that may leave a wallet: neither locked by orders nor needed as initial margin; may be negative."""
    holdings = desk.account.holdings
    if wallet is Wallet.SPOT:
        return MONEY.subtract(holdings.spot_usd, desk.cash_locked_usd())
    return min(holdings.futures_usd, free_collateral_usd(desk))
