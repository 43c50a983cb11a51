"""Funding as the venue pays it: each position held at the settlement, once per (instrument, settlement)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.events import FundingPaid, FundingRate
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, ZERO, InstrumentId, Nanos, Wallet, round_cash
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.funding_fates import FundingFates


def settle_funding(
    desk: Desk, at_ns: Nanos, rates: tuple[FundingRate, ...], fates: FundingFates | None = None,
) -> None:
    """Pay -quantity x price x rate for what was held at each settlement; longs pay a positive rate.

    A settled rate is paid as it is: its venue's cap of that day has been applied already, by the embedded market's rule
    or in the record, and a cap known today must not rewrite what was paid then.
    """
    for rate in rates:
        settled = desk.account.settled_ns.get(rate.instrument)
        if settled is not None and rate.settled_ns <= settled:
            continue
        desk.account.settled_ns[rate.instrument] = rate.settled_ns
        instrument = desk.instruments.get(rate.instrument)
        quantity = held_at(desk, rate.instrument, rate.settled_ns)
        if instrument is None or not quantity:
            continue
        price = _price(desk, instrument)
        paid_rate = rate.rate if fates is None else fates.rate(desk.venue, at_ns, rate)
        if paid_rate is None:
            continue
        amount = round_cash(MONEY.multiply(MONEY.multiply(quantity.copy_negate(), price), paid_rate))
        paid = FundingPaid(at_ns, desk.venue, instrument.id, rate.settled_ns, amount, quantity, price, paid_rate)
        if fates is None or not fates.later(desk.venue, at_ns, paid):
            book_funding(desk, at_ns, paid)


def book_funding(desk: Desk, at_ns: Nanos, paid: FundingPaid) -> None:
    """The payment moves cash and is told."""
    _pay(desk, paid.instrument, paid.amount_usd)
    desk.log(msgspec.structs.replace(paid, at_ns=at_ns))


def held_at(desk: Desk, instrument_id: InstrumentId, at_ns: Nanos) -> Decimal:
    """The net quantity just before `at_ns`: a trade at the very instant of settlement does not count yet."""
    position = desk.account.holdings.positions.get(instrument_id)
    quantity = ZERO if position is None else position.quantity
    if desk.account.last_trade_ns < at_ns:
        return quantity
    for trade in desk.account.trades_since(at_ns):
        if trade.instrument == instrument_id:
            lots = desk.instruments[instrument_id].quantity(trade.quantity_lots)
            quantity = MONEY.subtract(quantity, lots * trade.side)
    return quantity


def _price(desk: Desk, instrument: Instrument) -> Decimal:
    """Index where the venue pays on it and shows it, else mark, else the stand-ins of a missing mark."""
    mark = desk.board.marks.get(instrument.id)
    if mark is not None and mark.index is not None and instrument.funding is not None \
            and instrument.funding.paid_on_index:
        return mark.index
    return desk.board.margin_price(instrument)


def _pay(desk: Desk, instrument_id: InstrumentId, amount_usd: Decimal) -> None:
    """Book into the futures wallet; what its cash cannot pay comes out of the position's isolated margin."""
    holdings = desk.account.holdings
    position = holdings.positions.get(instrument_id)
    if position is not None and position.margin_usd and amount_usd < 0:
        cash = min(-amount_usd, max(holdings.futures_usd, ZERO))
        position.margin_usd = MONEY.add(position.margin_usd, MONEY.add(amount_usd, cash))
        amount_usd = -cash
    holdings.pay(Wallet.FUTURES, amount_usd)
