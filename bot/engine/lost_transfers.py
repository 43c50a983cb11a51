"""Transfers whose command died on its way: cash that two reads show where it was has never left."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Final

from bot.domain.commands import Transfer
from bot.domain.events import AccountReport
from bot.domain.values import MONEY, NS_PER_S, ZERO, Wallet
from bot.engine.state import VenueState
from bot.engine.turn import Turn

AFTER_NS: Final = 60 * NS_PER_S
"""A transfer younger than this may still be on its way to the venue."""
TOGETHER_MAX: Final = 8
"""So many lost at once are told apart by their amounts."""


def never_left(turn: Turn, venue: VenueState, report: AccountReport) -> tuple[Transfer, ...]:
    """Transfers from here that this report, taken later than one that said the same, proves never to have left."""
    missing = tuple(transfer for wallet in Wallet for transfer in _in_wallet(turn, report, wallet))
    names = ",".join(transfer.transfer_id for transfer in missing)
    if not names or names != venue.lost_transfer:
        venue.lost_transfer, venue.lost_seen_ns = names, report.taken_ns
        return ()
    if report.taken_ns <= venue.lost_seen_ns:
        return ()  # the same look told again
    venue.lost_transfer = ""
    return missing


def _in_wallet(turn: Turn, report: AccountReport, wallet: Wallet) -> tuple[Transfer, ...]:
    """The transfers whose amounts together are what the venue has more than our books."""
    wallets = turn.ledger.wallets(report.venue)
    theirs, ours = ((report.spot_usd, wallets.spot_usd) if wallet is Wallet.SPOT
                    else (report.futures_usd, wallets.futures_usd))
    more = MONEY.subtract(theirs, ours)
    if more <= 0:
        return ()
    old = [transfer for transfer_id, transfer in turn.ledger.state.transfers.items()
           if transfer.venue_from == report.venue and transfer.wallet_from is wallet
           and report.taken_ns - turn.state.transfers[transfer_id] >= AFTER_NS][:TOGETHER_MAX]
    for count in range(1, len(old) + 1):
        for some in combinations(old, count):
            if _sum(some) == more:
                return some
    return ()


def _sum(transfers: tuple[Transfer, ...]) -> Decimal:
    total = ZERO
    for transfer in transfers:
        total = MONEY.add(total, transfer.amount_usd)
    return total
