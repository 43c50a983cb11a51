"""Calculators of margin and size: where a position is liquidated, what an account carries, what a stop allows."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from bot.domain.instrument import Instrument, MarginTier
from bot.domain.values import Side
from bot.execution.rounding import floor_joint, joint_step, smallest_joint_notional
from bot.portfolio.margin import (
    distance_to_liquidation,
    liquidation_price_cross,
    liquidation_price_inverse,
    liquidation_price_isolated,
)
from bot.quant.carry_economics import capital_per_notional
from bot.research.calculation import Calculation, Row

Contract = Literal["linear", "inverse"]
MaintenanceAt = Literal["mark", "entry"]


def tier_of(tiers: tuple[MarginTier, ...], notional_usd: float) -> tuple[float, float, int]:
    """(maintenance rate, tier constant in USD, largest leverage) of the tier that holds this notional.

    Raises:
        ValueError: there are no tiers.
    """
    if not tiers:
        raise ValueError("the instrument has no margin tiers")
    constant = previous = 0.0
    rate, leverage_max = float(tiers[0].maintenance_rate), tiers[0].leverage_max
    for tier in tiers:
        if notional_usd < float(tier.floor_usd):
            break
        rate, leverage_max = float(tier.maintenance_rate), tier.leverage_max
        constant += float(tier.floor_usd) * (rate - previous)
        previous = rate
    return rate, constant, leverage_max


def liquidation(
    *, side: Side, entry: float, leverage: float, maintenance_rate: float, tier_constant_usd: float = 0.0,
    quantity: float = 1.0, fee_rate: float = 0.0, extra_margin_usd: float = 0.0, mm_at: MaintenanceAt = "mark",
    contract: Contract = "linear",
) -> Calculation:
    """The mark at which one isolated position is liquidated, and how far away that is."""
    margin_usd = quantity * entry / leverage + extra_margin_usd
    m, per_unit = maintenance_rate + fee_rate, tier_constant_usd / quantity
    if contract == "inverse":
        price = liquidation_price_inverse(side, entry, leverage, m)
        formula = f"{entry:,.8g} x (1 {int(side):+d} x {m:g}) / (1 {int(side):+d} / {leverage:g})"
    else:
        price = liquidation_price_isolated(
            side, entry, leverage, maintenance_rate, fee_rate=fee_rate, extra_margin=extra_margin_usd / quantity,
            tier_constant=per_unit, mm_at=mm_at)
        cushion = entry / leverage + extra_margin_usd / quantity
        formula = (f"{entry:,.8g} - ({int(side):+d}) x ({cushion:,.8g} - {maintenance_rate:g} x {entry:,.8g})"
                   if mm_at == "entry" else
                   f"({entry:,.8g} - ({int(side):+d}) x ({cushion:,.8g} + {per_unit:,.8g})) / (1 - ({int(side):+d}) x "
                   f"{m:g})")
    distance = distance_to_liquidation(side, entry, price)
    return Calculation(
        name="liquidation",
        inputs={"side": side.name.lower(), "entry": entry, "quantity": quantity, "leverage": leverage,
                "maintenance_rate": maintenance_rate, "tier_constant_usd": tier_constant_usd, "fee_rate": fee_rate,
                "extra_margin_usd": extra_margin_usd, "mm_at": mm_at, "contract": contract},
        result={"liquidation_price": price, "distance": distance, "notional_usd": quantity * entry,
                "margin_usd": margin_usd},
        arithmetic=(
            f"margin {margin_usd:,.2f} USD carries {quantity * entry:,.2f} USD of notional",
            "no positive price liquidates it" if price is None else f"{formula} = {price:,.8g}",
            "distance: none" if distance is None else f"distance from entry: {distance:.4%} of the mark",
        ),
        conventions=("judged on the mark, not on the last price",
                     "one-way, isolated; funding paid from the margin moves the price; in a hedged pair the spot leg's"
                     " gain does not protect this wallet"),
    )


def liquidation_cross(*, side: Side, entry: float, quantity: float, wallet_usd: float,
                      tiers: tuple[MarginTier, ...]) -> Calculation:
    """The mark at which a cross wallet with this one position is liquidated."""
    price = liquidation_price_cross(wallet_usd, int(side) * quantity, entry, tiers)
    distance = distance_to_liquidation(side, entry, price)
    return Calculation(
        name="liquidation",
        inputs={"side": side.name.lower(), "entry": entry, "quantity": quantity, "wallet_usd": wallet_usd,
                "mode": "cross"},
        result={"liquidation_price": price, "distance": distance, "notional_usd": quantity * entry,
                "leverage": quantity * entry / wallet_usd},
        arithmetic=(
            f"(W + c - s q E) / (q m - s q), W = {wallet_usd:,.2f}, q = {quantity:g}, E = {entry:,.8g}, tier by tier",
            "no positive price liquidates it" if price is None else f"the root inside its tier: {price:,.8g}",
            "distance: none" if distance is None else f"distance from entry: {distance:.4%} of the mark",
        ),
        conventions=("judged on the mark", "the whole futures wallet stands behind the position"),
        tables={"tiers": tuple(_tier_row(tier) for tier in tiers)},
    )


def _tier_row(tier: MarginTier) -> Row:
    return {"floor_usd": float(tier.floor_usd), "maintenance_rate": float(tier.maintenance_rate),
            "leverage_max": tier.leverage_max}


def pair_size(
    *, capital_usd: float, price: Decimal, long_leg: Instrument, short_leg: Instrument, leverage: float, reserve: float,
) -> Calculation:
    """What a capital carries as one hedged pair, on both legs' grids and above both legs' minimums."""
    perps = int(long_leg.is_perp) + int(short_leg.is_perp)
    capital = capital_per_notional(perps, leverage, reserve)
    wish = capital_usd / capital
    step = joint_step(long_leg, short_leg)
    joint = floor_joint(wish, price, long_leg, short_leg)
    notional = joint.quantity * price
    smallest = smallest_joint_notional(price, long_leg, short_leg)
    fees = sum(float(leg.taker_fee) for leg in (long_leg, short_leg)) * 2.0
    lines = [
        f"capital per notional: {'2' if perps == 2 else '1 + 1'}/{leverage:g} + {reserve:g} = {capital:.4f}",
        f"{capital_usd:,.2f} / {capital:.4f} = {wish:,.2f} USD of notional",
        f"common step {step:f} = {float(step * price):,.2f} USD; smallest pair {float(smallest):,.2f} USD",
        f"refused: {joint.reason}" if joint.reason else
        f"floor({wish:,.2f} / {price:f} / {step:f}) x {step:f} = {joint.quantity:f} = {float(notional):,.2f} USD",
        f"four taker fills: {fees * 1e4:g} bp = {fees * float(notional):,.2f} USD",
    ]
    return Calculation(
        name="size",
        inputs={"capital_usd": capital_usd, "price": float(price), "long_leg": long_leg.id, "short_leg": short_leg.id,
                "leverage": leverage, "reserve": reserve},
        result={"notional_usd": float(notional), "quantity_base": float(joint.quantity), "wish_usd": wish,
                "rounding_waste": 1.0 - float(notional) / wish if notional else None, "reason": joint.reason,
                "smallest_usd": float(smallest), "round_trip_fees_usd": fees * float(notional),
                "capital_per_notional": capital, "wasteful": joint.wasteful},
        arithmetic=tuple(lines),
        conventions=("both legs hold the same base quantity; rounding them apart would leave up to a step of delta",
                     "below 20 steps rounding wastes over 5 %: another coin fits a small account better"),
    )


def risk_size(*, equity_usd: float, risk_share: float, stop_distance: float) -> Calculation:
    """The notional that loses a fixed share of equity when its stop is hit."""
    notional = equity_usd * risk_share / stop_distance
    return Calculation(
        name="size",
        inputs={"equity_usd": equity_usd, "risk_share": risk_share, "stop_distance": stop_distance},
        result={"notional_usd": notional, "loss_at_stop_usd": equity_usd * risk_share,
                "leverage": notional / equity_usd},
        arithmetic=(f"{equity_usd:,.2f} x {risk_share:.2%} / {stop_distance:.2%} = {notional:,.2f} USD",),
        conventions=("a stop is an order, not a promise: a gap fills beyond it",),
    )
