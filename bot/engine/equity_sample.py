"""Equity as two sources see it, and what of it stands on old or odd prices (F80).

A stop that closes pairs must not act on one leg's price alone. The first source is V, which the books use; the second
takes for a perpetual the middle of its own book instead of its mark, for a coin the index of its perpetual. A leg whose
price is old, or about which two prices disagree that have not been decided between, makes the sample doubtful.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.values import MONEY, NS_PER_S, ZERO, InstrumentId
from bot.engine.exposure import data_age_s_max
from bot.engine.turn import Turn
from bot.market.state import MarketState

SMALL: Final = Decimal("0.002")
"""What is worth less than this share of equity may have any price: dust, coins without a market."""


class EquitySample(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the account's equity."""

    equity_usd: Decimal
    second_usd: Decimal
    """As the second source has it; a leg that has none counts at V."""
    doubtful: tuple[InstrumentId, ...]
    """What stands on a price that is old, missing or disputed."""


def equity_sample(turn: Turn) -> EquitySample:
    """Look at every net position and coin."""
    equity = turn.equity_usd()
    market, age_ns_max = turn.state.market, int(data_age_s_max(turn) * NS_PER_S)
    second, doubtful = equity, []
    for book in turn.ledger.state.books.values():
        net = turn.ledger.net(book.instrument)
        value = turn.state.ledger.prices.get(book.instrument)
        if not net or value is None or abs(MONEY.multiply(net, value)) < SMALL * abs(equity):
            continue
        seen_ns = value_ns(market, book.instrument)
        if seen_ns is None or turn.now_ns - seen_ns > age_ns_max or market.disputed(book.instrument, seen_ns):
            doubtful.append(book.instrument)
            continue
        other = _second(market, book.instrument, seen_ns)
        if other is not None:
            second = MONEY.add(second, MONEY.multiply(net, MONEY.subtract(other, value)))
    return EquitySample(equity_usd=equity, second_usd=second, doubtful=tuple(doubtful))


def value_ns(market: MarketState, instrument: InstrumentId) -> int | None:
    """When the price that values an instrument was seen; None: it has none now."""
    if market.instruments[instrument].is_perp:
        return market.mark_ns.get(instrument)
    if instrument in market.halted:
        return None
    entry = market.quotes.get(instrument) if market.mids_value.get(instrument) else market.closes.get(instrument)
    return entry[0] if entry is not None else None


def _second(market: MarketState, instrument: InstrumentId, seen_ns: int) -> Decimal | None:
    """Another price of the same instant or later: two of different times say nothing about each other."""
    rules = market.instruments[instrument]
    if rules.is_perp:
        entry = market.quotes.get(instrument)
        return market.mid(instrument) if entry is not None and entry[0] >= seen_ns else None
    for name, mark in market.marks.items():
        near = market.instruments[name].coin == rules.coin and market.mark_ns.get(name, 0) >= seen_ns
        if near and mark.index is not None and mark.index > ZERO:
            return mark.index
    return None
