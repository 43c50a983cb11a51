"""One venue's books at work: its instruments, its board, our account, and the few ways in which it books things."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from bot.domain.errors import Unavailable
from bot.domain.events import AccountEvent, Fill, ForcedFill, OrderClosed, OrderStatus
from bot.domain.instrument import Instrument, Kind
from bot.domain.values import (
    MONEY,
    NS_PER_S,
    OWN_PREFIX,
    ZERO,
    Coin,
    InstrumentId,
    Nanos,
    Side,
    Venue,
    Wallet,
    round_cash,
)
from bot.venues.simulated.account import LogEntry, VenueAccount, VenueOrder
from bot.venues.simulated.board import Board
from bot.venues.simulated.params import MarginMode, SimulatedParams
from bot.venues.simulated.picture import Picture
from bot.venues.simulated.positions import QUOTIENT, Position

Tell = Callable[[AccountEvent, bool], None]
"""Send an event towards us; True: it answers the request in hand, False: the private stream carries it."""


class Desk:
    """Everything one simulated venue holds; matching, resting, margin and funding work on it."""

    def __init__(self, venue: Venue, params: SimulatedParams, tell: Tell) -> None:
        self.venue = venue
        self.params = params
        self._tell = tell
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.changed: dict[InstrumentId, Instrument] = {}
        """Instruments that came or changed after the start."""
        self.former: dict[InstrumentId, list[tuple[int, Instrument]]] = {}
        """Rules whose ticks and lots counted in other units, since this object began: (until, rules)."""
        self.board = Board()
        self.account = VenueAccount(venue)
        self.ends_ns: Nanos | None = None
        """The next announced end of an instrument's trading."""
        self.picture: Picture | None = None
        """What reads are answered from while they lag behind; None: from the account itself."""
        self._spot_of: dict[Coin, Instrument] = {}

    def tell(self, event: AccountEvent, answers: bool) -> None:
        """Send an event towards us; a stream with a refused key is silent."""
        if answers or not self.board.key_refused:
            self._tell(event, answers)

    # ------------------------------------------------------------------------------------------- instruments

    def list_instrument(self, instrument: Instrument) -> None:
        """Add or replace an instrument; coins are valued on the venue's spot market of the coin listed first."""
        self.instruments[instrument.id] = instrument
        known = self._spot_of.get(instrument.coin)
        if instrument.kind is Kind.SPOT and (known is None or known.id == instrument.id):
            self._spot_of[instrument.coin] = instrument
        self._next_end()

    def change(self, at_ns: Nanos, instrument: Instrument) -> None:
        """A rule took effect. Orders counted in old ticks or lots are cancelled: their numbers mean nothing now."""
        old = self.instruments.get(instrument.id)
        if old is not None and old.grid != instrument.grid:
            self.former.setdefault(instrument.id, []).append((at_ns, old))
        self.list_instrument(instrument)
        self.changed[instrument.id] = instrument
        if old is not None and old.grid != instrument.grid:
            self.cancel_all(at_ns, [instrument.id], OrderStatus.CANCELLED)
            self.board.regrid(old, at_ns)

    def ending(self, at_ns: Nanos) -> list[Instrument]:
        """Instruments whose announced end has come: nothing trades there any more, their orders expire."""
        over = [each for each in self.instruments.values()
                if each.delist_ns is not None and each.delist_ns <= at_ns and each.id not in self.board.ended]
        for instrument in over:
            self.cancel_all(at_ns, [instrument.id], OrderStatus.EXPIRED)
            self.board.quotes.pop(instrument.id, None)
            self.board.ended[instrument.id] = None
        self._next_end()
        return over

    def _next_end(self) -> None:
        ends = [each.delist_ns for each in self.instruments.values()
                if each.delist_ns is not None and each.id not in self.board.ended]
        self.ends_ns = min(ends, default=None)

    # ------------------------------------------------------------------------------------------------ orders

    def close(self, at_ns: Nanos, order: VenueOrder, status: OrderStatus, answers: bool = False) -> None:
        """The order is terminal."""
        order.status = status
        self.account.file(order)
        self.tell(OrderClosed(at_ns, self.venue, order.order_id, status, order.filled_lots), answers)

    def cancel_order(self, at_ns: Nanos, order: VenueOrder) -> None:
        """Close one order, if it is open."""
        if order.order_id in self.account.open:
            self.close(at_ns, order, OrderStatus.CANCELLED)

    def lots_held(self, instrument: InstrumentId) -> int:
        """Whole lots of a position."""
        position = self.account.holdings.positions.get(instrument)
        return 0 if position is None else int(abs(position.quantity) // self.instruments[instrument].lot_size)

    def cancel_all(self, at_ns: Nanos, instruments: Iterable[InstrumentId], status: OrderStatus) -> None:
        """Close every open order of these instruments."""
        for instrument in instruments:
            for order in self.account.open_of(instrument):
                self.close(at_ns, order, status)

    def arm(self, at_ns: Nanos, timeout_s: float) -> Nanos | None:
        """Set the dead-man switch; when it runs out. 0 disarms: None."""
        self.board.dead_man_ns = Nanos(at_ns + round(timeout_s * NS_PER_S)) if timeout_s > 0 else None
        return self.board.dead_man_ns

    def lapse(self, at_ns: Nanos) -> None:
        """Nobody has armed it again: every open order of the account is cancelled, as real venues do."""
        if self.board.dead_man_ns is None or at_ns < self.board.dead_man_ns:
            return
        self.board.dead_man_ns = None
        self.cancel_all(at_ns, list(self.instruments), OrderStatus.CANCELLED)

    def lots_allowed(self, order: VenueOrder, lots: int) -> int:
        """How much of `lots` may fill: a reduce-only order never crosses zero."""
        if not order.reduce_only:
            return lots
        position = self.account.holdings.positions.get(order.instrument)
        if position is None or position.quantity * order.side >= 0:
            return 0
        return min(lots, int(abs(position.quantity) // self.instruments[order.instrument].lot_size))

    def drop_idle_reduce_only(self, at_ns: Nanos, instrument: InstrumentId) -> None:
        """Resting reduce-only orders with nothing left to reduce expire, as at real venues."""
        for order in self.account.open_of(instrument):
            if order.reduce_only and self.lots_allowed(order, 1) == 0:
                self.close(at_ns, order, OrderStatus.EXPIRED)

    # ------------------------------------------------------------------------------------------------ trades

    def fill(self, at_ns: Nanos, order: VenueOrder, lots: int, price_ticks: int, maker: bool) -> None:
        """Book one trade of an order and tell it."""
        instrument = self.instruments[order.instrument]
        quantity, price = instrument.quantity(lots), instrument.price(price_ticks)
        rate = instrument.maker_fee if maker else instrument.taker_fee
        fee_in_base = instrument.fee_in_base and order.side is Side.BUY and not instrument.is_perp
        fee = round_cash(MONEY.multiply(quantity if fee_in_base else MONEY.multiply(quantity, price), rate))
        signed = quantity * order.side
        self.board.own_trades.setdefault(instrument.id, price)
        if instrument.is_perp:
            self.trade_perp(instrument, signed, price, fee)
        else:
            self._trade_spot(instrument.coin, signed, price, fee, fee_in_base)
        if not order.order_id.startswith(OWN_PREFIX):
            net = MONEY.subtract(signed, fee) if fee_in_base else signed
            self.board.foreign[instrument.id] = MONEY.add(self.board.foreign.get(instrument.id, ZERO), net)
        order.filled_lots += lots
        order.trades.append(len(self.account.log))
        trade = Fill(at_ns, self.venue, instrument.id, self._trade_id(), order.order_id, order.side, lots, price_ticks,
                     fee, fee_in_base, maker, at_ns)
        self._log_trade(trade)
        self.tell(trade, False)

    def force(self, at_ns: Nanos, instrument: Instrument, side: Side, lots: int, ticks: int, fee: Decimal,
              cause: str) -> None:
        """Book a trade that the venue made with our position, and tell it."""
        self._force_others(instrument, lots)
        self.trade_perp(instrument, instrument.quantity(lots) * side, instrument.price(ticks), fee)
        trade = ForcedFill(at_ns, self.venue, instrument.id, self._trade_id(), side, lots, ticks, fee, cause,
                           at_ns)
        self._log_trade(trade)
        self.tell(trade, False)

    def _force_others(self, instrument: Instrument, lots: int) -> None:
        """What others bought by hand shrinks with the position, in whole lots."""
        foreign, held = self.board.foreign.get(instrument.id, ZERO), self.account.holdings.positions.get(instrument.id)
        if not foreign or held is None or foreign * held.quantity <= 0:
            return
        share = min(QUOTIENT.divide(instrument.quantity(lots), held.quantity.copy_abs()), Decimal(1))
        gone = QUOTIENT.multiply(foreign, share)
        whole = instrument.lot_size * int(gone / instrument.lot_size)
        self.board.foreign[instrument.id] = ZERO if share == 1 else MONEY.subtract(foreign, whole)

    def trade_perp(self, instrument: Instrument, signed: Decimal, price: Decimal, fee: Decimal) -> None:
        """Move position and futures wallet by one trade."""
        holdings = self.account.holdings
        position = holdings.positions.setdefault(instrument.id, Position())
        part = position.closing_part(signed)
        holdings.pay(Wallet.FUTURES, MONEY.subtract(position.release(part), fee))
        holdings.pay(Wallet.FUTURES, position.trade(signed, price))
        opened = MONEY.subtract(signed, part)
        if opened and self.params.margin_mode is MarginMode.ISOLATED:
            notional = MONEY.multiply(opened.copy_abs(), price)
            margin = round_cash(QUOTIENT.divide(notional, leverage_allowed(self.params, instrument, notional)))
            holdings.pay(Wallet.FUTURES, margin.copy_negate())
            position.margin_usd = MONEY.add(position.margin_usd, margin)
        if not position.quantity:
            del holdings.positions[instrument.id]

    def _trade_spot(self, coin: Coin, signed: Decimal, price: Decimal, fee: Decimal, fee_in_base: bool) -> None:
        """Swap cash and coins; the principal is exact (lots x ticks), the fee was rounded once."""
        holdings = self.account.holdings
        holdings.pay(Wallet.SPOT, MONEY.multiply(signed, price).copy_negate())
        holdings.move_coins(coin, signed)
        if fee_in_base:
            holdings.move_coins(coin, fee.copy_negate())
        else:
            holdings.pay(Wallet.SPOT, fee.copy_negate())

    def _trade_id(self) -> str:
        """Unique within the venue: the trade's place in the log."""
        return f"{self.venue}-{len(self.account.log)}"

    def _log_trade(self, trade: Fill | ForcedFill) -> None:
        self.account.log.append(trade)
        self.account.last_trade_ns = trade.at_ns

    def log(self, entry: LogEntry) -> None:
        """Book a payment or a movement of cash, and tell it."""
        self.account.log.append(entry)
        self.tell(entry, False)

    # ------------------------------------------------------------------------------------------------- money

    def equity_usd(self) -> Decimal:
        """Wallets + coins at V + positions at V - cost, exact.

        Raises:
            Unavailable: something held has no price yet.
        """
        holdings = self.account.holdings
        total = MONEY.add(MONEY.add(holdings.spot_usd, holdings.futures_usd), holdings.isolated_usd())
        for coin, quantity in holdings.coins.items():
            total = MONEY.add(total, MONEY.multiply(quantity, self.coin_price(coin)))
        for instrument_id, position in holdings.positions.items():
            total = MONEY.add(total, position.gain_usd(self.board.value_price(self.instruments[instrument_id])))
        return total

    def coin_price(self, coin: Coin) -> Decimal:
        """V of a coin in the spot wallet."""
        spot = self._spot_of.get(coin)
        if spot is None:
            raise Unavailable(f"{self.venue}: no spot market values {coin}")
        return self.board.value_price(spot)

    @property
    def is_flat(self) -> bool:
        """No open order, no position, and of each coin less than could be sold; what others did by hand is left out."""
        holdings, foreign = self.account.holdings, self.board.foreign
        return (
            not any(order_id.startswith(OWN_PREFIX) for order_id in self.account.open)
            and all(position.quantity == foreign.get(name, ZERO) for name, position in holdings.positions.items())
            and all(self._is_dust(coin, quantity) for coin, quantity in holdings.coins.items()))

    def _is_dust(self, coin: Coin, quantity: Decimal) -> bool:
        spot = self._spot_of.get(coin)
        if spot is None or spot.id in self.board.ended:
            return spot is not None  # its market is gone for good: nothing can be sold there
        quantity = max(MONEY.subtract(quantity, self.board.foreign.get(spot.id, ZERO)), ZERO)
        lots = int(quantity // spot.lot_size)
        if lots < max(spot.lots_min, 1):
            return True
        return MONEY.multiply(spot.quantity(lots), self.board.band_price(spot)) < spot.notional_min_usd

    def coins_locked(self, coin: Coin) -> Decimal:
        """Coins that open sell orders need."""
        total = ZERO
        for order in self.account.open.values():
            instrument = self.instruments[order.instrument]
            if instrument.coin == coin and not instrument.is_perp and order.side is Side.SELL:
                total = MONEY.add(total, instrument.quantity(order.open_lots))
        return total

    def cash_locked_usd(self) -> Decimal:
        """Spot cash that open buy orders need, fees included."""
        total = ZERO
        for order in self.account.open.values():
            instrument = self.instruments[order.instrument]
            if not instrument.is_perp and order.side is Side.BUY:
                total = MONEY.add(total, spot_cost_usd(instrument, order.open_lots, order.limit_price_ticks))
        return total


def leverage_allowed(params: SimulatedParams, instrument: Instrument, notional_usd: Decimal) -> int:
    """The highest leverage for a position of this notional: ours, or its tier's where that is lower."""
    allowed = params.leverage_max
    for tier in instrument.tiers:
        if notional_usd < tier.floor_usd:
            break
        allowed = min(allowed, tier.leverage_max)
    return max(allowed, 1)


def spot_cost_usd(instrument: Instrument, lots: int, limit_ticks: int) -> Decimal:
    """The most that a spot buy can cost: at its limit, with the dearer fee where fees are paid in cash."""
    notional = MONEY.multiply(instrument.quantity(lots), instrument.price(limit_ticks))
    if instrument.fee_in_base:
        return notional
    fee = MONEY.multiply(notional, max(instrument.taker_fee, instrument.maker_fee, ZERO))
    return MONEY.add(notional, fee)
