"""From float wishes to whole ticks and lots: the only bridge between research numbers and orders (architecture, Names).

All arithmetic here is exact: `Decimal` in, integers out. A refusal is a reason, never a zero that looks like a size.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.instrument import Instrument
from bot.domain.values import ZERO, Side

_FLOOR = Context(prec=60, rounding=ROUND_FLOOR)
_CEILING = Context(prec=60, rounding=ROUND_CEILING)
_EVEN = Context(prec=60, rounding=ROUND_HALF_EVEN)
_BPS = Decimal(10_000)


class JointSize(msgspec.Struct, frozen=True, kw_only=True):
    """One base quantity that both legs can hold exactly."""

    quantity: Decimal
    """Base units; 0 if refused."""
    long_lots: int
    short_lots: int
    reason: str = ""
    """Why nothing can be traded: `below_lot`, `quantity_min` or `notional_min`, with the leg's id; empty if it can."""
    wasteful: bool = False
    """Below so many joint steps that rounding wastes over 5 % of the wish (quant reference 3.4)."""


def joint_step(long_leg: Instrument, short_leg: Instrument) -> Decimal:
    """The smallest base quantity that is whole lots of both legs: the least common multiple of the two lot sizes.

    Raises:
        ConfigRefused: the lots have no common multiple within a thousand of the coarser one.
    """
    first, second = long_leg.lot_size.as_integer_ratio(), short_leg.lot_size.as_integer_ratio()
    numerator = math.lcm(first[0] * second[1], second[0] * first[1])
    step = _EVEN.divide(Decimal(numerator), Decimal(first[1] * second[1]))
    if step > 1000 * max(long_leg.lot_size, short_leg.lot_size):
        raise ConfigRefused(f"{long_leg.id} and {short_leg.id}: lots {long_leg.lot_size} and {short_leg.lot_size} "
                            "have no usable common multiple; do not pair them")
    return step.normalize(_EVEN)


def floor_joint(
    notional_usd: float | Decimal, price: Decimal, long_leg: Instrument, short_leg: Instrument, waste_steps: int = 20,
) -> JointSize:
    """The largest joint quantity worth at most `notional_usd` at `price`, if both legs' minimums allow it.

    `q = floor(N / P / s) * s` with the joint step s; then minimum lots and minimum notional of both legs.

    Raises:
        ValueError: the notional is negative or not finite, or the price not positive.
    """
    wish = Decimal(notional_usd)
    if not wish.is_finite() or wish < 0 or price <= 0:
        raise ValueError(f"notional {notional_usd}, price {price}: must be finite, >= 0 and > 0")
    step = joint_step(long_leg, short_leg)
    steps = int(_FLOOR.divide(wish, _EVEN.multiply(price, step)).to_integral_value(rounding=ROUND_FLOOR))
    quantity = step * steps
    if steps == 0:
        coarser = long_leg if long_leg.lot_size > short_leg.lot_size else short_leg
        return JointSize(quantity=ZERO, long_lots=0, short_lots=0, reason=f"below_lot:{coarser.id}")
    lots = whole_lots(quantity, long_leg), whole_lots(quantity, short_leg)
    for leg, count in zip((long_leg, short_leg), lots, strict=True):
        reason = below_minimum(leg, count, price)
        if reason is not None:
            return JointSize(quantity=ZERO, long_lots=0, short_lots=0, reason=f"{reason}:{leg.id}")
    return JointSize(quantity=quantity, long_lots=lots[0], short_lots=lots[1], wasteful=steps < waste_steps)


def smallest_joint_notional(price: Decimal, long_leg: Instrument, short_leg: Instrument) -> Decimal:
    """The notional of the smallest joint quantity that both legs' minimums allow at `price`."""
    step = joint_step(long_leg, short_leg)
    needed = step
    for leg in (long_leg, short_leg):
        needed = max(needed, leg.lot_size * leg.lots_min, _CEILING.divide(leg.notional_min_usd, price))
    steps = _CEILING.divide(needed, step).to_integral_value(rounding=ROUND_CEILING)
    return step * steps * price


def below_minimum(instrument: Instrument, lots: int, price: Decimal) -> str | None:
    """`quantity_min` or `notional_min` if an order of `lots` at `price` is too small for the venue, else None."""
    if lots < instrument.lots_min:
        return "quantity_min"
    if instrument.quantity(lots) * price < instrument.notional_min_usd:
        return "notional_min"
    return None


def whole_lots(quantity: Decimal, instrument: Instrument) -> int:
    """The lots of a quantity that lies on the instrument's grid.

    Raises:
        ValueError: it does not.
    """
    lots = _EVEN.divide(quantity, instrument.lot_size)
    if lots != lots.to_integral_value():
        raise ValueError(f"{instrument.id}: {quantity} is not whole lots of {instrument.lot_size}")
    return int(lots)


def floor_lots(quantity: Decimal, instrument: Instrument) -> int:
    """The most whole lots within a quantity >= 0."""
    return int(_FLOOR.divide(quantity, instrument.lot_size).to_integral_value(rounding=ROUND_FLOOR))


def gross_up_lots(net_quantity: Decimal, instrument: Instrument, maker: bool = False) -> int:
    """The lots to buy so that what is left after a fee taken in the coin comes nearest to `net_quantity`.

    Without a coin fee: the nearest lots. A tie goes to the smaller order. The rest, at most half a lot, is dust.
    """
    fee = (instrument.maker_fee if maker else instrument.taker_fee) if instrument.fee_in_base else ZERO
    kept_per_lot = instrument.lot_size * (1 - max(fee, ZERO))
    below = int(_FLOOR.divide(net_quantity, kept_per_lot).to_integral_value(rounding=ROUND_FLOOR))
    short_by, over_by = net_quantity - kept_per_lot * below, kept_per_lot * (below + 1) - net_quantity
    return below if short_by <= over_by else below + 1


def price_ticks_with_collar(reference: Decimal, side: Side, collar_bps: float | Decimal, instrument: Instrument) -> int:
    """The limit price in ticks: `collar_bps` beyond the reference, rounded outward (a buy up, a sell down), at least 1.

    Raises:
        ValueError: the reference is not positive or the collar negative or not finite.
    """
    collar = Decimal(collar_bps)
    if reference <= 0 or not collar.is_finite() or collar < 0:
        raise ValueError(f"{instrument.id}: reference {reference}, collar {collar_bps} bp")
    price = reference * (1 + side * _EVEN.divide(collar, _BPS))
    context, rounding = (_CEILING, ROUND_CEILING) if side is Side.BUY else (_FLOOR, ROUND_FLOOR)
    return max(int(context.divide(price, instrument.tick_size).to_integral_value(rounding=rounding)), 1)
