"""Paying for new pairs: each leg finds its cash in its own wallet before either order is sent (F31)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import Transfer
from bot.domain.values import Venue, Wallet
from bot.engine import caps_desk
from bot.engine.exposure import futures_equity_usd
from bot.engine.turn import Turn
from bot.strategy.allocation import wallet_shares
from bot.strategy.verdict import Candidate

SPOT_ROOM: Final = 1.006
"""Spot cash per unit of notional to be bought: the notional, price bounds and fees."""
FUTURES_ROOM: Final = 0.002
"""Collateral beside margin and reserve: fees."""
_CENT: Final = Decimal("0.01")


class Purse:
    """The free cash of every venue during one decision; lives for that decision."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._spot: dict[Venue, float] = {}
        self._futures: dict[Venue, float] = {}
        self._spot_need: dict[Venue, float] = {}
        self._futures_need: dict[Venue, float] = {}
        for venue in turn.state.venues:
            bound = caps_desk.pool_needs_usd(turn, venue)
            wallets = turn.ledger.wallets(venue)
            free = min(futures_equity_usd(turn, venue) - bound, float(wallets.futures_usd))
            self._spot[venue] = max(float(wallets.spot_usd), 0.0)
            self._futures[venue] = max(free, 0.0) if free == free else 0.0  # NaN: a mark is missing, nothing is free

    def affordable_share(self, candidate: Candidate, added_usd: float) -> float:
        """How much of an addition the venues can pay, 0..1, given what was taken before."""
        share = 1.0
        for venue, spot, futures in self._needs(candidate, added_usd):
            have = self._spot[venue] + self._futures[venue]
            have -= self._spot_need.get(venue, 0.0) + self._futures_need.get(venue, 0.0)
            if spot + futures > 0.0:
                share = min(share, max(have, 0.0) / (spot + futures))
        return share

    def take(self, candidate: Candidate, added_usd: float) -> None:
        """Set the cash of an addition aside."""
        for venue, spot, futures in self._needs(candidate, added_usd):
            self._spot_need[venue] = self._spot_need.get(venue, 0.0) + spot
            self._futures_need[venue] = self._futures_need.get(venue, 0.0) + futures

    def settle(self) -> dict[Venue, str]:
        """Move cash between a venue's two wallets where one is short; the ids of the transfers to wait for."""
        moved: dict[Venue, str] = {}
        for venue, spot_need in self._spot_need.items():
            futures_need = self._futures_need[venue]
            short_spot, short_futures = spot_need - self._spot[venue], futures_need - self._futures[venue]
            if short_spot > 0.0:
                moved.update(self._move(venue, Wallet.FUTURES, Wallet.SPOT, min(short_spot, -short_futures)))
            elif short_futures > 0.0:
                moved.update(self._move(venue, Wallet.SPOT, Wallet.FUTURES, min(short_futures, -short_spot)))
        return moved

    def _needs(self, candidate: Candidate, added_usd: float) -> list[tuple[Venue, float, float]]:
        return [
            (venue, added_usd * spot * SPOT_ROOM, added_usd * (futures + FUTURES_ROOM))
            for venue, spot, futures in wallet_shares(
                candidate, self._turn.params.carry, caps_desk.margin_of(self._turn, candidate))
        ]

    def _move(self, venue: Venue, source: Wallet, to: Wallet, amount_usd: float) -> dict[Venue, str]:
        amount = Decimal(repr(max(amount_usd, 0.0))).quantize(_CENT, rounding="ROUND_DOWN")
        if amount < 1:
            return {}
        transfer_id = self._turn.new_transfer_id()
        self._turn.transfer(Transfer(transfer_id, venue, source, venue, to, amount), "funding a pair")
        return {venue: transfer_id}
