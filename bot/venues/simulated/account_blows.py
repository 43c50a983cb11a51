"""What other people and the venue itself do to our account: orders and trades by hand, ADL, liquidation, modes, keys.

Each works on one desk; a kind that lasts is called again at the end of its window and takes back what it did. False:
there was nothing to do, or it was the end.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.events import AccountMode, CashMoved
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import FOREIGN, MONEY, Nanos, OrderId, Side, Wallet, round_cash
from bot.venues.simulated import margin, matching
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.faults import Strike

MODES: Final = (AccountMode(margin="isolated"), AccountMode(positions="hedge"), AccountMode(leverage=1),
                AccountMode(multi_asset=True))
_FAR: Final = Decimal("0.97")
_NEAR: Final = Decimal("0.02")
_LEAST_USD: Final = Decimal(50)


def _at_end(at_ns: Nanos, strike: Strike) -> bool:
    return strike.end_ns > strike.at_ns and at_ns >= strike.end_ns


def _pick(desk: Desk, strike: Strike) -> Instrument | None:
    """A quoted instrument of the venue."""
    quoted = [each for each in desk.instruments.values() if each.id in desk.board.quotes]
    return quoted[int(strike.draw * len(quoted))] if quoted else None


def _by_hand(desk: Desk, rules: Instrument, name: str, side: Side, lots: int, price: Decimal,
             force: TimeInForce) -> OrderIntent:
    ticks = max(int(price / rules.tick_size), 1)
    return OrderIntent(
        order_id=OrderId(name), owner=FOREIGN, venue=desk.venue, instrument=rules.id, side=side, quantity_lots=lots,
        limit_price_ticks=ticks, time_in_force=force, reduces_owner=False, reduce_only=False, parent_id="",
        purpose="by_hand", data_age_ns=0)


def _lots(rules: Instrument, usd: Decimal, price: Decimal) -> int:
    """Lots of about so much money, at least what the venue takes."""
    least = max(rules.lots_min, int(Decimal("1.1") * rules.notional_min_usd / price / rules.lot_size) + 1)
    return max(int(usd / price / rules.lot_size), least)


def foreign_order(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """A bid far below the market rests until its owner takes it away."""
    name = f"by-hand-{strike.at_ns}"
    if _at_end(at_ns, strike):
        order = desk.account.find(OrderId(name))
        if order is not None:
            desk.cancel_order(at_ns, order)
        return False
    rules = _pick(desk, strike)
    if rules is None:
        return False
    price = desk.board.band_price(rules) * _FAR
    lots = _lots(rules, _LEAST_USD, price)
    matching.arrive(desk, at_ns, _by_hand(desk, rules, name, Side.BUY, lots, price, TimeInForce.GTC))
    return OrderId(name) in desk.account.open


def manual_trade(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """Somebody buys, or sells a perpetual short, by hand; at the end as much of it as can be goes back."""
    name = f"by-hand-{strike.at_ns}"
    if _at_end(at_ns, strike):
        _take_back(desk, at_ns, name)
        return False
    rules = _pick(desk, strike)
    if rules is None:
        return False
    side = Side.SELL if rules.is_perp and strike.draw * 97 % 1 < 0.5 else Side.BUY
    price = desk.board.band_price(rules)
    lots = _lots(rules, _LEAST_USD + Decimal(str(round(strike.size, 2))), price)
    limit = price * (1 + int(side) * _NEAR)
    matching.arrive(desk, at_ns, _by_hand(desk, rules, name, side, lots, limit, TimeInForce.IOC))
    order = desk.account.find(OrderId(name))
    return order is not None and order.filled_lots > 0


def _take_back(desk: Desk, at_ns: Nanos, name: str) -> None:
    """Sell what is left of a trade by hand, in the lots of now."""
    order = desk.account.find(OrderId(name))
    if order is None or not order.filled_lots or order.instrument not in desk.board.quotes:
        return
    rules = desk.instruments[order.instrument]
    left = desk.board.foreign.get(rules.id, Decimal(0))
    lots = int(abs(left) // rules.lot_size)
    if lots:
        side = Side.SELL if left > 0 else Side.BUY
        limit = desk.board.band_price(rules) * (1 + int(side) * _NEAR)
        matching.arrive(desk, at_ns, _by_hand(desk, rules, f"{name}-back", side, lots, limit, TimeInForce.IOC))


def cash_moved(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """A deposit into a wallet, or a withdrawal of what is free in the spot wallet."""
    wallet = Wallet.SPOT if strike.draw < 0.75 else Wallet.FUTURES
    amount = round_cash(Decimal(str(round(strike.size, 2))))
    if strike.draw < 0.5:
        free = MONEY.subtract(desk.account.holdings.spot_usd, desk.cash_locked_usd())
        amount = -min(amount, round_cash(max(free, Decimal(0))))
    if not amount:
        return False
    desk.account.holdings.pay(wallet, amount)
    desk.log(CashMoved(at_ns, desk.venue, wallet, amount, f"by-hand-{strike.at_ns}"))
    return True


def deleverage(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """Auto-deleveraging closes a share of one position."""
    held = list(desk.account.holdings.positions)
    if not held:
        return False
    fraction = Decimal(str(round(max(strike.size, 0.05), 4)))
    return margin.auto_deleverage(desk, at_ns, held[int(strike.draw * len(held))], fraction)


def liquidation(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """One position is liquidated as if the venue's mark had spiked where nobody else saw it."""
    held = [name for name in desk.account.holdings.positions if desk.lots_held(name)]
    return bool(held) and margin.liquidate_one(desk, at_ns, held[int(strike.draw * len(held))])


def account_mode(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """The account is set otherwise than we assume, and back."""
    if _at_end(at_ns, strike):
        desk.board.account_mode = AccountMode()
        return False
    desk.board.account_mode = MODES[int(strike.draw * len(MODES))]
    return True


def key_revoked(desk: Desk, at_ns: Nanos, strike: Strike) -> bool:
    """Our key is refused until it is renewed."""
    desk.board.key_refused = not _at_end(at_ns, strike)
    return desk.board.key_refused
