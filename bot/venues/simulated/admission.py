"""What a venue refuses at the door, and why: the checks of real venues in their usual order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.events import RejectReason
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import MONEY, ZERO, Side
from bot.venues.simulated.desk import Desk, spot_cost_usd
from bot.venues.simulated.margin import free_collateral_usd, raises_exposure

Reject = tuple[RejectReason, str]
_PERCENT: Final = Decimal(100)


def reject_of(desk: Desk, intent: OrderIntent) -> Reject | None:
    """The reason why the venue does not take an order; None: it takes it."""
    instrument = desk.instruments.get(intent.instrument)
    if instrument is None or intent.venue != desk.venue:
        return RejectReason.UNKNOWN_INSTRUMENT, f"{intent.instrument} is not traded at {desk.venue}"
    if instrument.id in desk.board.ended:
        return RejectReason.HALTED, "its trading has ended"
    if instrument.id not in desk.board.quotes:
        return RejectReason.HALTED, "no quote: trading is halted"
    return (_size(desk, instrument, intent) or _price(desk, instrument, intent) or _reduce_only(desk, intent)
            or _crossing(desk, intent) or _means(desk, instrument, intent))


def _size(desk: Desk, instrument: Instrument, intent: OrderIntent) -> Reject | None:
    if intent.quantity_lots <= 0 or intent.limit_price_ticks <= 0:
        return RejectReason.PRECISION, "quantity and price must be whole positive lots and ticks"
    closes = intent.reduce_only and instrument.is_perp  # venues let a position be closed below their minimums
    if closes:
        return None
    if intent.quantity_lots < instrument.lots_min:
        return RejectReason.QUANTITY_MIN, f"{intent.quantity_lots} lots, the least is {instrument.lots_min}"
    notional = MONEY.multiply(instrument.quantity(intent.quantity_lots), instrument.price(intent.limit_price_ticks))
    if notional < instrument.notional_min_usd:
        return RejectReason.NOTIONAL_MIN, f"notional {notional} USD, the least is {instrument.notional_min_usd}"
    return None


def _price(desk: Desk, instrument: Instrument, intent: OrderIntent) -> Reject | None:
    fair = desk.board.band_price(instrument)
    band = MONEY.multiply(fair, Decimal(str(desk.params.price_band_pct)) / _PERCENT)
    price = instrument.price(intent.limit_price_ticks)
    if abs(MONEY.subtract(price, fair)) > band:
        return RejectReason.PRICE_BAND, f"limit {price} is beyond {desk.params.price_band_pct} % of {fair}"
    return None


def _reduce_only(desk: Desk, intent: OrderIntent) -> Reject | None:
    if not intent.reduce_only:
        return None
    if not desk.instruments[intent.instrument].is_perp:
        return RejectReason.REDUCE_ONLY, "reduce-only is for perpetuals"
    position = desk.account.holdings.positions.get(intent.instrument)
    if position is None or position.quantity * intent.side >= 0:
        return RejectReason.REDUCE_ONLY, "no position that this order would reduce"
    return None


def _crossing(desk: Desk, intent: OrderIntent) -> Reject | None:
    if intent.time_in_force is not TimeInForce.POST_ONLY:
        return None
    levels = desk.board.levels(intent.instrument, intent.side)
    if levels and (intent.limit_price_ticks - levels[0][0]) * intent.side >= 0:
        return RejectReason.WOULD_CROSS, "a post-only order would take"
    return None


def _means(desk: Desk, instrument: Instrument, intent: OrderIntent) -> Reject | None:
    """Free cash, coins or collateral; what open orders need is not free."""
    lots, ticks = intent.quantity_lots, intent.limit_price_ticks
    holdings = desk.account.holdings
    if instrument.is_perp:
        if intent.reduce_only or not raises_exposure(desk, instrument, intent.side, lots):
            return None
        free = free_collateral_usd(desk, (instrument, intent.side, lots, ticks))
        return (RejectReason.MARGIN, f"initial margin is short by {-free:.2f} USD") if free < 0 else None
    if intent.side is Side.BUY:
        missing = spot_cost_usd(instrument, lots, ticks) - (holdings.spot_usd - desk.cash_locked_usd())
        return (RejectReason.FUNDS, f"spot cash is short by {missing:.2f} USD") if missing > 0 else None
    free_coins = holdings.coins.get(instrument.coin, ZERO) - desk.coins_locked(instrument.coin)
    if instrument.quantity(lots) > free_coins:
        return RejectReason.FUNDS, f"only {free_coins} {instrument.coin} are free"
    return None
