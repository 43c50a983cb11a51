"""When a position is liquidated: the venues' formulas (quant reference 2.4). Prices and distances are floats.

Isolated and Hyperliquid forms serve one position; `liquidation_price_cross` one position of a pool with tiers. A whole
pool is `margin_pool.MarginPool`.
"""

from __future__ import annotations

from typing import Final, Literal

from bot.domain.instrument import MarginTier
from bot.domain.values import Side

_SLACK: Final = 1e-12


def liquidation_price_isolated(
    side: Side, entry: float, leverage: float, maintenance_rate: float, *, fee_rate: float = 0.0,
    extra_margin: float = 0.0, tier_constant: float = 0.0, mm_at: Literal["mark", "entry"] = "mark",
) -> float | None:
    """Price at which an isolated linear position is liquidated; None for a long that no positive price can hurt.

    Args:
        side: BUY for a long.
        leverage: entry notional over initial margin.
        maintenance_rate: of notional, with the tier's constant: `MM = rate * notional - tier_constant`.
        fee_rate: closing fee that the venue adds to the requirement, of notional.
        extra_margin: added beyond the initial margin, USD per base unit.
        tier_constant: USD per base unit.
        mm_at: "mark" takes maintenance at the mark (Binance, OKX, Bybit 2026), "entry" at entry value (older Bybit).
    """
    cushion = entry / leverage + extra_margin
    if mm_at == "entry":
        price = entry - side * (cushion - maintenance_rate * entry)
    else:
        price = (entry - side * (cushion + tier_constant)) / (1 - side * (maintenance_rate + fee_rate))
    return price if price > 0 else None


def liquidation_price_inverse(side: Side, entry: float, leverage: float, maintenance_rate: float) -> float | None:
    """The same for a coin-margined contract under the "mark" rule; None for a short whose coins outlast any rise.

    Such contracts are not traded here; people who hold them ask.
    """
    room = 1 + side / leverage
    return None if room <= 0 else entry * (1 + side * maintenance_rate) / room


def liquidation_price_hyperliquid(
    side: Side, price: float, margin_usd: float, maintenance_usd: float, quantity: float, leverage_max: int,
) -> float | None:
    """Liquidation price from the state at `price` (Hyperliquid): the same as the "mark" rule with m = l.

    Args:
        margin_usd: the position's equity at `price` (cross: account value, less other positions' maintenance).
        maintenance_usd: this position's maintenance margin at `price`.
        quantity: base units, positive.
        leverage_max: the asset's own maximum; l is half the initial margin rate there.
    """
    rate = 0.5 / leverage_max
    liquidation = price - side * (margin_usd - maintenance_usd) / quantity / (1 - rate * side)
    return liquidation if liquidation > 0 else None


def liquidation_price_cross(
    wallet_usd: float, quantity: float, entry: float, tiers: tuple[MarginTier, ...], *,
    maintenance_other_usd: float = 0.0, unrealised_other_usd: float = 0.0,
) -> float | None:
    """Price at which a pool is liquidated if only this position's mark moves; None if no positive price does it.

    Solved with each tier's rate and constant; the root whose notional lies in its tier is the answer.

    Args:
        wallet_usd: the pool's cash, without unrealised P&L.
        quantity: signed base quantity, not zero.
        entry: average entry price.
        maintenance_other_usd, unrealised_other_usd: of the pool's other positions, held fixed.
    """
    size, side = abs(quantity), 1.0 if quantity > 0 else -1.0
    free = wallet_usd - maintenance_other_usd + unrealised_other_usd
    for floor, top, rate, constant in _tier_table(tiers):
        root = (free + constant - side * size * entry) / (size * rate - side * size)
        # rates are below one, so there is one root at most; the slack keeps one that lies on the edge of two tiers
        if root > 0 and floor * (1 - _SLACK) <= size * root <= top * (1 + _SLACK):
            return root
    return None


def distance_to_liquidation(side: Side, mark: float, liquidation: float | None) -> float | None:
    """How far the mark may move against the position, as a fraction of the mark; None: no such price.

    Negative if the mark is beyond the liquidation price already.
    """
    return None if liquidation is None else side * (mark - liquidation) / mark


def effective_leverage(notional_usd: float, equity_usd: float) -> float | None:
    """Leverage as it is now, not as it was set; None if no equity is left."""
    return notional_usd / equity_usd if equity_usd > 0 else None


def top_up_usd(notional_usd: float, equity_usd: float, leverage: float) -> float:
    """Cash that brings a pool back to `leverage`; negative if that much could leave."""
    return notional_usd / leverage - equity_usd


def _tier_table(tiers: tuple[MarginTier, ...]) -> list[tuple[float, float, float, float]]:
    """(floor, top, rate, constant) per tier, where `MM = rate * notional - constant`; no tiers: no maintenance."""
    if not tiers:
        return [(0.0, float("inf"), 0.0, 0.0)]
    rows: list[tuple[float, float, float, float]] = []
    constant = previous_rate = 0.0
    for index, tier in enumerate(tiers):
        floor, rate = float(tier.floor_usd), float(tier.maintenance_rate)
        top = float(tiers[index + 1].floor_usd) if index + 1 < len(tiers) else float("inf")
        constant += floor * (rate - previous_rate)
        previous_rate = rate
        rows.append((floor, top, rate, constant))
    return rows
