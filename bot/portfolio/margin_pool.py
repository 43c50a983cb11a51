"""One pool of collateral and the perpetuals it carries: equity, maintenance, distance to liquidation, free cash."""

from __future__ import annotations

import decimal
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import msgspec

from bot.domain.instrument import Instrument
from bot.domain.values import CASH_STEP, MONEY, ZERO, Coin

MOVE_MAX: Final = 100.0
"""A rise of 10,000 % is as far as a distance is looked for; beyond it there is none."""
_ROUNDS: Final = 64
_Leg = tuple[tuple[tuple[float, float], ...], float, float, float]
"""(tiers as floor and rate, signed value at mark, signed cost, direction of the adverse move)"""
_UP: Final = decimal.Context(prec=60, rounding=decimal.ROUND_CEILING)


class PoolPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual position at its mark."""

    instrument: Instrument
    quantity: Decimal
    """Signed, base."""
    cost_usd: Decimal
    """Signed sum of quantity x price."""
    mark: Decimal


class MarginPool(msgspec.Struct, frozen=True, kw_only=True):
    """A futures wallet with its cross positions, or one isolated margin with its one position."""

    wallet_usd: Decimal
    positions: tuple[PoolPosition, ...]
    close_fee_rate: Decimal = ZERO
    """Added to the maintenance requirement by venues that keep the closing fee in it (OKX, Gate); of notional."""

    def equity_usd(self) -> Decimal:
        """Wallet and unrealised P&L at marks."""
        with decimal.localcontext(MONEY):
            return sum((each.quantity * each.mark - each.cost_usd for each in self.positions), self.wallet_usd)

    def notional_usd(self) -> Decimal:
        """Gross notional at marks."""
        with decimal.localcontext(MONEY):
            return sum((abs(each.quantity) * each.mark for each in self.positions), ZERO)

    def maintenance_usd(self) -> Decimal:
        """What the venue wants to see at least; equity at or below it is liquidated."""
        with decimal.localcontext(MONEY):
            total = self.notional_usd() * self.close_fee_rate
            for each in self.positions:
                total += each.instrument.maintenance_margin_usd(abs(each.quantity) * each.mark)
            return total

    def initial_usd(self, leverage: Decimal) -> Decimal:
        """Margin for all positions at `leverage` (or their tier's maximum, if lower), rounded up to the cash step."""
        total = ZERO
        with decimal.localcontext(MONEY):
            for each in self.positions:
                notional = abs(each.quantity) * each.mark
                allowed = min(leverage, _leverage_max(each.instrument, notional, leverage))
                total += _UP.divide(notional, allowed).quantize(CASH_STEP, context=_UP)
        return total

    def effective_leverage(self) -> float | None:
        """Gross notional over equity; None if no equity is left."""
        equity = self.equity_usd()
        return float(self.notional_usd()) / float(equity) if equity > 0 else None

    def top_up_usd(self, leverage: Decimal) -> Decimal:
        """Cash that brings the pool back to `leverage`; negative if that much is above it."""
        with decimal.localcontext(MONEY):
            return self.initial_usd(leverage) - self.equity_usd()

    def free_usd(self, leverage: Decimal) -> Decimal:
        """Cash that may leave with the pool still at `leverage`: never unrealised profit, never negative."""
        with decimal.localcontext(MONEY):
            free = min(self.wallet_usd, -self.top_up_usd(leverage))
        return max(ZERO, free.quantize(CASH_STEP, rounding=ROUND_FLOOR))

    def distance(self, coin: Coin | None = None) -> float | None:
        """The smallest adverse simultaneous move of the coins that liquidates the pool, as a fraction of their marks.

        Every coin moves by the same fraction z against the pool's own net direction in it: marks of a coin that the
        pool is net long fall to `1 - z` (not below zero), all others rise to `1 + z`; all marks of one coin move alike.
        A pool of one position has the distance of its liquidation price.

        Args:
            coin: move this coin alone.
        Returns:
            z; 0.0 if the pool is at or below maintenance now, None if no move up to `MOVE_MAX` liquidates it.
        """
        legs = self._legs(coin)
        wallet, fee = float(self.wallet_usd), float(self.close_fee_rate)
        if _excess(legs, wallet, fee, 0.0)[0] <= 0:
            # an empty pool owes nothing
            return 0.0 if self.positions else None
        # excess over maintenance is concave on [0, 1] and on [1, inf): where it is negative at the right end there is
        # one crossing, and Newton steps from there come down to it without passing it
        right = 1.0
        while _excess(legs, wallet, fee, right)[0] > 0:
            right *= 2.0
            if right > MOVE_MAX:
                return None
        move = right
        for _ in range(_ROUNDS):
            excess, slope = _excess(legs, wallet, fee, move)
            step = excess / slope
            move -= step
            if abs(step) <= 1e-12 * max(move, 1e-3):
                break
        return max(move, 0.0)

    def _legs(self, coin: Coin | None) -> list[_Leg]:
        """The positions as floats; direction 0 for a coin that stands still."""
        nets: dict[Coin, Decimal] = {}
        for each in self.positions:
            nets[each.instrument.coin] = nets.get(each.instrument.coin, ZERO) + each.quantity * each.mark
        return [
            (
                tuple((float(tier.floor_usd), float(tier.maintenance_rate)) for tier in each.instrument.tiers),
                float(each.quantity) * float(each.mark), float(each.cost_usd),
                0.0 if coin not in (None, each.instrument.coin) else -1.0 if nets[each.instrument.coin] > 0 else 1.0,
            )
            for each in self.positions
        ]


def _excess(legs: list[_Leg], wallet: float, fee_rate: float, move: float) -> tuple[float, float]:
    """Equity over maintenance after a move, and its slope from the left."""
    excess, slope = wallet, 0.0
    for tiers, value, cost, direction in legs:
        factor = max(1.0 + direction * move, 0.0)
        notional = abs(value) * factor
        maintenance, rate = _maintenance(tiers, notional)
        excess += value * factor - cost - maintenance - fee_rate * notional
        if not (direction < 0 and move > 1.0):
            slope += direction * (value - (rate + fee_rate) * abs(value))
    return excess, slope


def _maintenance(tiers: tuple[tuple[float, float], ...], notional: float) -> tuple[float, float]:
    """Maintenance margin and its marginal rate, in floats."""
    margin = rate = floor = 0.0
    for start, next_rate in tiers:
        if notional <= start:
            break
        margin += (start - floor) * rate
        floor, rate = start, next_rate
    return margin + (notional - floor) * rate, rate


def _leverage_max(instrument: Instrument, notional_usd: Decimal, otherwise: Decimal) -> Decimal:
    """The leverage that the tier of this notional allows."""
    allowed = otherwise
    for tier in instrument.tiers:
        if notional_usd < tier.floor_usd:
            break
        allowed = Decimal(tier.leverage_max)
    return allowed
