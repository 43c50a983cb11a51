"""Initial margin, liquidation and auto-deleveraging, per margin pool, judged on mark (quant reference 2.4)."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Final

from bot.domain.events import OrderStatus
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, ZERO, InstrumentId, Nanos, Side, round_cash
from bot.venues.simulated.desk import Desk, leverage_allowed
from bot.venues.simulated.params import MarginMode
from bot.venues.simulated.positions import QUOTIENT, Position

Extra = tuple[Instrument, Side, int, int]
"""An order not yet taken: instrument, side, lots, limit in ticks."""
_BPS: Final = Decimal(10_000)


def _reach(desk: Desk, instrument: Instrument, side: Side | None = None, lots: int = 0) -> Decimal:
    """The largest |quantity| that position, open orders and one more order could lead to."""
    position = desk.account.holdings.positions.get(instrument.id)
    highest = lowest = ZERO if position is None else position.quantity
    for order in desk.account.open_of(instrument.id):
        if order.reduce_only:
            continue
        quantity = instrument.quantity(order.open_lots)
        highest, lowest = (highest + quantity, lowest) if order.side is Side.BUY else (highest, lowest - quantity)
    if side is Side.BUY:
        highest += instrument.quantity(lots)
    elif side is Side.SELL:
        lowest -= instrument.quantity(lots)
    return max(abs(highest), abs(lowest))


def raises_exposure(desk: Desk, instrument: Instrument, side: Side, lots: int) -> bool:
    """Whether an order could make |position| larger than it may already become."""
    return _reach(desk, instrument, side, lots) > _reach(desk, instrument)


def free_collateral_usd(desk: Desk, extra: Extra | None = None) -> Decimal:
    """Futures equity that no position, open order or the order in question needs; negative: not enough.

    Cross: wallet + unrealised - initial margin. Isolated: wallet - initial margin of open orders. The order in question
    also pays its taker fee and what it would lose at once against mark.
    """
    holdings = desk.account.holdings
    cross = desk.params.margin_mode is MarginMode.CROSS
    free = holdings.futures_usd
    concerned = dict.fromkeys(holdings.positions)
    concerned.update(dict.fromkeys(o.instrument for o in desk.account.open.values()))
    if extra is not None:
        concerned[extra[0].id] = None
    for instrument_id in concerned:
        instrument = desk.instruments[instrument_id]
        if not instrument.is_perp:
            continue
        position = holdings.positions.get(instrument_id, Position())
        price = desk.board.margin_price(instrument)
        side, lots = (extra[1], extra[2]) if extra is not None and extra[0].id == instrument_id else (None, 0)
        reach = _reach(desk, instrument, side, lots)
        notional = QUOTIENT.multiply(reach, price)
        needs = notional if cross else QUOTIENT.multiply(max(reach - abs(position.quantity), ZERO), price)
        free = QUOTIENT.subtract(free, QUOTIENT.divide(needs, leverage_allowed(desk.params, instrument, notional)))
        if cross:
            free = QUOTIENT.add(free, position.gain_usd(price))
    if extra is not None:
        instrument, side, lots, ticks = extra
        quantity, limit = instrument.quantity(lots), instrument.price(ticks)
        loss = QUOTIENT.multiply(quantity * side, QUOTIENT.subtract(limit, desk.board.margin_price(instrument)))
        fee = QUOTIENT.multiply(QUOTIENT.multiply(quantity, limit), max(instrument.taker_fee, ZERO))
        free = QUOTIENT.subtract(free, QUOTIENT.add(max(loss, ZERO), fee))
    return free


# ------------------------------------------------------------------------------------------------- liquidation


def liquidate(desk: Desk, at_ns: Nanos) -> None:
    """Close what the venue would close at these marks. Equity of a pool <= its maintenance margin: liquidation."""
    if desk.params.margin_mode is MarginMode.CROSS:
        _liquidate_cross(desk, at_ns)
        return
    for instrument_id in list(desk.account.holdings.positions):
        instrument = desk.instruments[instrument_id]
        position = desk.account.holdings.positions[instrument_id]
        price = desk.board.margin_price(instrument)
        equity = MONEY.add(position.margin_usd, position.gain_usd(price))
        if equity <= _maintenance_usd(instrument, position, price):
            desk.cancel_all(at_ns, [instrument_id], OrderStatus.CANCELLED)
            _close_at_loss(desk, at_ns, instrument, position, price, equity)


def pool_usd(desk: Desk) -> tuple[Decimal, Decimal]:
    """(equity, maintenance margin) of the cross pool, at mark."""
    equity, maintenance = desk.account.holdings.futures_usd, ZERO
    for instrument_id, position in desk.account.holdings.positions.items():
        instrument = desk.instruments[instrument_id]
        price = desk.board.margin_price(instrument)
        equity = MONEY.add(equity, position.gain_usd(price))
        maintenance = MONEY.add(maintenance, _maintenance_usd(instrument, position, price))
    return equity, maintenance


def _maintenance_usd(instrument: Instrument, position: Position, price: Decimal) -> Decimal:
    return instrument.maintenance_margin_usd(MONEY.multiply(position.quantity.copy_abs(), price))


def _liquidate_cross(desk: Desk, at_ns: Nanos) -> None:
    """Open orders go first, then the position with the largest maintenance margin, until the pool is safe."""
    positions = desk.account.holdings.positions
    equity, maintenance = pool_usd(desk)
    if equity > maintenance:
        return
    desk.cancel_all(at_ns, [i.id for i in desk.instruments.values() if i.is_perp], OrderStatus.CANCELLED)
    while positions and equity <= maintenance:
        sizes = {held: _maintenance_usd(desk.instruments[held], position,
                                        desk.board.margin_price(desk.instruments[held]))
                 for held, position in positions.items() if _whole_lots(desk, held) > 0}
        if not sizes:
            return
        worst = max(sorted(sizes), key=sizes.__getitem__)
        instrument = desk.instruments[worst]
        _close_at_loss(desk, at_ns, instrument, positions[worst], desk.board.margin_price(instrument), equity)
        equity, maintenance = pool_usd(desk)


def _whole_lots(desk: Desk, instrument_id: InstrumentId) -> int:
    position = desk.account.holdings.positions[instrument_id]
    return int(abs(position.quantity) // desk.instruments[instrument_id].lot_size)


def _close_at_loss(desk: Desk, at_ns: Nanos, instrument: Instrument, position: Position, mark: Decimal,
                   equity_usd: Decimal) -> None:
    """Close a whole position beyond mark by the penalty, at worst at the price where its pool has nothing left.

    That bound is what real venues do: the insurance fund, not the wallet, takes the loss beyond bankruptcy.
    """
    lots = _whole_lots(desk, instrument.id)
    if lots == 0:
        return
    side = Side.SELL if position.quantity > 0 else Side.BUY
    penalty = Decimal(str(desk.params.liquidation_penalty_bps)) / _BPS
    beyond = QUOTIENT.multiply(mark, 1 - side.opposite * penalty)
    bankrupt = QUOTIENT.subtract(mark, QUOTIENT.divide(equity_usd, position.quantity))
    tick = instrument.tick_size
    if side is Side.SELL:
        ticks = max(_ticks(beyond, tick, decimal.ROUND_FLOOR), _ticks(bankrupt, tick, decimal.ROUND_CEILING))
    else:
        ticks = min(_ticks(beyond, tick, decimal.ROUND_CEILING), _ticks(bankrupt, tick, decimal.ROUND_FLOOR))
    ticks = max(ticks, 1)
    price, quantity = instrument.price(ticks), instrument.quantity(lots)
    left = QUOTIENT.add(equity_usd, QUOTIENT.multiply(-side * quantity, QUOTIENT.subtract(price, mark)))
    fee = min(round_cash(MONEY.multiply(MONEY.multiply(quantity, price), instrument.taker_fee)),
              max(left, ZERO).quantize(Decimal("1e-8"), rounding=decimal.ROUND_FLOOR))
    desk.force(at_ns, instrument, side, lots, ticks, fee, "liquidation")


def liquidate_one(desk: Desk, at_ns: Nanos, instrument_id: InstrumentId) -> bool:
    """A fault driver lets the venue liquidate one position, whatever its pool can bear; False: nothing was closed."""
    instrument, position = desk.instruments[instrument_id], desk.account.holdings.positions[instrument_id]
    equity, price = pool_usd(desk)[0], desk.board.margin_price(instrument)
    if equity <= 0 or not _whole_lots(desk, instrument_id):
        return False
    desk.cancel_all(at_ns, [instrument_id], OrderStatus.CANCELLED)
    _close_at_loss(desk, at_ns, instrument, position, price, equity)
    return True


def _ticks(price: Decimal, tick: Decimal, rounding: str) -> int:
    return int(QUOTIENT.divide(price, tick).to_integral_value(rounding=rounding))


def end_trading(desk: Desk, at_ns: Nanos) -> None:
    """Instruments that end now: a perpetual position is settled at mark without a fee; coins stay, unsellable there."""
    for instrument in desk.ending(at_ns):
        position = desk.account.holdings.positions.get(instrument.id)
        if position is None or not _whole_lots(desk, instrument.id):
            continue
        side = Side.SELL if position.quantity > 0 else Side.BUY
        ticks = max(_ticks(desk.board.margin_price(instrument), instrument.tick_size, decimal.ROUND_HALF_EVEN), 1)
        desk.force(at_ns, instrument, side, _whole_lots(desk, instrument.id), ticks, ZERO, "settlement")


def auto_deleverage(desk: Desk, at_ns: Nanos, instrument_id: InstrumentId, fraction: Decimal) -> bool:
    """Close a fraction of a position at mark, without a fee, as when insurance is empty. False: nothing to close."""
    position = desk.account.holdings.positions.get(instrument_id)
    if position is None:
        return False
    instrument = desk.instruments[instrument_id]
    whole = _whole_lots(desk, instrument_id)
    lots = min(whole, int((whole * fraction).to_integral_value(rounding=decimal.ROUND_CEILING)))
    if lots <= 0:
        return False
    side = Side.SELL if position.quantity > 0 else Side.BUY
    ticks = max(_ticks(desk.board.margin_price(instrument), instrument.tick_size, decimal.ROUND_HALF_EVEN), 1)
    desk.force(at_ns, instrument, side, lots, ticks, ZERO, "adl")
    desk.drop_idle_reduce_only(at_ns, instrument_id)
    return True
