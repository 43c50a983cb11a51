"""A leg's part of an order: side, whole lots, limit, and whether the venue would take it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, ZERO, Side
from bot.execution.pair_moves import LegSituation
from bot.execution.params import ExecutionParams
from bot.execution.rounding import gross_up_lots, price_ticks_with_collar
from bot.portfolio.pairs import Pair

STALE_PAUSE_S_MAX: Final = 900.0
"""On bars nothing new is to be had before the next one; a try is made at least this often all the same."""


def opening_side(pair: Pair, leg: LegSituation) -> Side:
    """The side that makes a leg larger: the long leg buys, the short leg sells."""
    return Side.BUY if leg.instrument.id == pair.long_leg else Side.SELL


def opening_lots(instrument: Instrument, side: Side, wanted: Decimal) -> int:
    """Whole lots nearest to the wanted net quantity; a spot buy is grossed up for the fee taken in the coin."""
    if wanted <= 0:
        return 0
    if side is Side.BUY and instrument.fee_in_base:
        return gross_up_lots(wanted, instrument)
    return int((wanted / instrument.lot_size).to_integral_value("ROUND_HALF_UP"))


def limit_ticks(leg: LegSituation, side: Side, collar_bps: float) -> int:
    """The limit of a taking order: the touch, and at most so much beyond it."""
    quote = leg.quote
    if quote is None:
        raise ValueError(f"{leg.instrument.id}: no quote to price an order on")
    touch = quote.ask_ticks if side is Side.BUY else quote.bid_ticks
    if collar_bps == 0.0:
        return touch
    return price_ticks_with_collar(leg.instrument.price(touch), side, collar_bps, leg.instrument)


def reducing_ticks(leg: LegSituation, side: Side, lots: int, collar_bps: float) -> int:
    """The limit of a reducing order: a small spot sale is not priced below the venue's minimum notional.

    Else a holding worth just above the minimum at the touch could never be sold, and never be parked either.
    """
    ticks = limit_ticks(leg, side, collar_bps)
    rules = leg.instrument
    if side is Side.SELL and not rules.is_perp and lots > 0:
        least = int((rules.notional_min_usd / rules.price(1) / rules.quantity(lots)).to_integral_value("ROUND_CEILING"))
        ticks = max(ticks, min(least, limit_ticks(leg, side, 0.0)))
    return ticks


def tradable(instrument: Instrument, lots: int, ticks: int, *, reducing: bool = False) -> bool:
    """Whether the venue would take it: lot minimum, and notional minimum (a perp's reduce-only order is exempt)."""
    if lots < max(instrument.lots_min, 1) and not (reducing and instrument.is_perp and lots > 0):
        return False
    if reducing and instrument.is_perp:
        return True
    return instrument.quantity(lots) * instrument.price(ticks) >= instrument.notional_min_usd


def closable(leg: LegSituation) -> bool:
    """Whether an order could still reduce what the leg holds."""
    lots = int(abs(leg.quantity) // leg.instrument.lot_size)
    if lots <= 0:
        return False
    if leg.quote is None:
        return True  # cannot be priced now: absence of a quote never turns a holding into dust
    ticks = leg.quote.bid_ticks if leg.quantity > 0 else leg.quote.ask_ticks
    return tradable(leg.instrument, lots, ticks, reducing=leg.shrinks_net(lots))


def harder(long: LegSituation, short: LegSituation) -> LegSituation:
    """The leg with less displayed at the touch goes first; at equality the long leg."""
    return short if _touch_usd(short) < _touch_usd(long) else long


def _touch_usd(leg: LegSituation) -> Decimal:
    if leg.quote is None:
        return ZERO
    lots = min(leg.quote.bid_lots, leg.quote.ask_lots)
    return leg.instrument.quantity(lots) * leg.instrument.price(leg.quote.bid_ticks)


def pause_ns(fruitless: int, pause_s: float, params: ExecutionParams, quote_age_ns: int) -> int:
    """How long to wait before the next try: twice as long after each that filled nothing (`fruitless` of them).

    The longest pause grows with the age of the quote: a book that has stood for so long will not refill in a minute.
    """
    longest_s = max(pause_s, params.retry_max_s, min(quote_age_ns / NS_PER_S, STALE_PAUSE_S_MAX))
    return int(min(pause_s * 2 ** min(fruitless, 16), longest_s) * NS_PER_S)
