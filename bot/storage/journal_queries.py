"""History as a person asks for it (fills, funding, orders, decisions), read from a journal on a read-only connection.

Only rows that are marked as holding the kind asked for are decoded, newest first: a long journal costs nothing extra.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.commands import SubmitOrder
from bot.domain.errors import Fatal
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    Fill,
    ForcedFill,
    FundingPaid,
    InstrumentsChanged,
    OrderClosed,
    OrderRejected,
    OrderReport,
    SessionStarted,
)
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, InstrumentId, OrderId
from bot.engine.step import DecisionRecord, Step
from bot.storage.journal import Journal
from bot.storage.journal_codec import (
    KIND_DECISION,
    KIND_FILL,
    KIND_FUNDING,
    KIND_ORDER,
    KIND_SESSION,
    decode_event,
    decode_step,
)

_ROWS_OF_KIND: Final = """SELECT row_number FROM batches
    WHERE kinds != 0 AND (kinds & ?) != 0 AND row_number < ? ORDER BY row_number DESC LIMIT 256"""
_PLAIN_MARKET: Final = (b"Marks", b"Quotes", b"BarsClosed", b"Prints")


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of ours."""

    seq: int
    at_ns: int
    venue: str
    instrument: str
    side: str
    quantity_base: str
    price: str
    notional_usd: str
    fee: str
    fee_in_base: bool
    maker: bool
    order_id: str
    trade_id: str
    cause: str
    """order, liquidation or adl."""


class FundingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One funding payment."""

    seq: int
    at_ns: int
    settled_ns: int
    venue: str
    instrument: str
    quantity_base: str
    price: str
    rate: str
    amount_usd: str


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order that was sent or held back, and how it ended as far as the journal knows."""

    seq: int
    at_ns: int
    order_id: str
    venue: str
    instrument: str
    owner: str
    side: str
    quantity_base: str
    limit_price: str
    time_in_force: str
    purpose: str
    parent_id: str
    state: str
    filled_base: str
    reason: str


def fills(journal: Journal, limit: int = 100) -> list[FillRow]:
    """The newest trades, newest first, each once however often venues reported it."""
    instruments = _instruments(journal)
    found: list[FillRow] = []
    seen: set[tuple[str, str, str]] = set()
    for seq, event, _ in _newest(journal, KIND_FILL):
        trades: tuple[Fill | ForcedFill, ...] = ()
        if isinstance(event, Fill | ForcedFill):
            trades = (event,)
        elif isinstance(event, OrderReport | AccountReport):
            trades = event.fills
        for trade in reversed(trades):
            key = (trade.venue, trade.instrument, trade.trade_id)
            if key not in seen:
                seen.add(key)
                found.append(_fill_row(seq, trade, instruments))
        if len(found) >= limit:
            break
    return found[:limit]


def funding(journal: Journal, limit: int = 100) -> list[FundingRow]:
    """The newest funding payments, newest first, each settlement once."""
    found: list[FundingRow] = []
    seen: set[tuple[str, str, int]] = set()
    for seq, event, _ in _newest(journal, KIND_FUNDING):
        paid = (event,) if isinstance(event, FundingPaid) else event.funding if isinstance(event, AccountReport) else ()
        for payment in reversed(paid):
            key = (payment.venue, payment.instrument, payment.settled_ns)
            if key not in seen:
                seen.add(key)
                found.append(FundingRow(
                    seq=seq, at_ns=payment.at_ns, settled_ns=payment.settled_ns, venue=payment.venue,
                    instrument=payment.instrument, quantity_base=_text(payment.quantity), price=_text(payment.price),
                    rate=_text(payment.rate), amount_usd=_text(payment.amount_usd)))
        if len(found) >= limit:
            break
    return found[:limit]


def orders(journal: Journal, limit: int = 100) -> list[OrderRow]:
    """The newest orders that were decided, newest first, with their last known state."""
    instruments = _instruments(journal)
    found: list[OrderRow] = []
    ends: dict[OrderId, OrderClosed | OrderRejected] = {}
    for seq, event, step in _newest(journal, KIND_ORDER):
        if isinstance(event, OrderClosed | OrderRejected):
            ends.setdefault(event.order_id, event)
        found.extend(_order_row(seq, event.at_ns, command, ends, instruments)
                     for command in reversed(step.commands) if isinstance(command, SubmitOrder))
        if len(found) >= limit:
            break
    return found[:limit]


def decisions(journal: Journal, limit: int = 20) -> list[DecisionRecord]:
    """The newest decisions with every candidate's arithmetic, newest first."""
    found: list[DecisionRecord] = []
    for _, _, step in _newest(journal, KIND_DECISION):
        if step.record is not None:
            found.append(step.record)
            if len(found) >= limit:
                break
    return found


def _newest(journal: Journal, kind: int) -> Iterator[tuple[int, AnyEvent, Step]]:
    before = journal.head.row_number + 1
    while True:
        numbers = [row[0] for row in journal.select(_ROWS_OF_KIND, (kind, before))]
        if not numbers:
            return
        for number in numbers:
            yield from _newest_of_row(journal, number, kind)
        before = numbers[-1]


def _newest_of_row(journal: Journal, number: int, kind: int) -> Iterator[tuple[int, AnyEvent, Step]]:
    for seq, event, step in reversed(journal.row(number).kept()):
        # the tag stands within the first bytes: rows of schema 1 hold plain market data, of no kind asked for
        head = event[:16]
        if kind not in (KIND_DECISION, KIND_ORDER) and any(name in head for name in _PLAIN_MARKET):
            continue
        try:
            yield seq, decode_event(event), decode_step(step)
        except msgspec.DecodeError as error:
            raise Fatal(f"journal row {number}: event {seq} cannot be decoded ({error})") from None


def _instruments(journal: Journal) -> dict[InstrumentId, Instrument]:
    """The newest rules of each instrument the sessions knew."""
    found: dict[InstrumentId, Instrument] = {}
    for _, event, _ in _newest(journal, KIND_SESSION):
        if isinstance(event, SessionStarted | InstrumentsChanged):
            for instrument in event.instruments:
                found.setdefault(instrument.id, instrument)
        if isinstance(event, SessionStarted):
            break
    return found


def _instrument(instruments: dict[InstrumentId, Instrument], name: InstrumentId) -> Instrument:
    if name not in instruments:
        raise Fatal(f"instrument {name}: traded in the journal, but no session of it announced its rules")
    return instruments[name]


def _fill_row(seq: int, trade: Fill | ForcedFill, instruments: dict[InstrumentId, Instrument]) -> FillRow:
    instrument = _instrument(instruments, trade.instrument)
    quantity, price = instrument.quantity(trade.quantity_lots), instrument.price(trade.price_ticks)
    ours = isinstance(trade, Fill)
    return FillRow(
        seq=seq, at_ns=trade.at_ns, venue=trade.venue, instrument=trade.instrument, side=trade.side.name.lower(),
        quantity_base=_text(quantity), price=_text(price), notional_usd=_text(MONEY.multiply(quantity, price)),
        fee=_text(trade.fee), fee_in_base=isinstance(trade, Fill) and trade.fee_in_base,
        maker=isinstance(trade, Fill) and trade.maker, order_id=trade.order_id if isinstance(trade, Fill) else "",
        trade_id=trade.trade_id, cause="order" if ours else getattr(trade, "cause", ""))


def _order_row(seq: int, at_ns: int, command: SubmitOrder, ends: dict[OrderId, OrderClosed | OrderRejected],
               instruments: dict[InstrumentId, Instrument]) -> OrderRow:
    intent = command.order.intent
    instrument = _instrument(instruments, intent.instrument)
    end = ends.get(intent.order_id)
    state, filled, reason = "no end on record", 0, ""
    if isinstance(end, OrderClosed):
        state, filled = end.status.value, end.filled_lots
    elif end is not None:
        state, reason = "rejected", f"{end.reason.value} {end.text}".strip()
    return OrderRow(
        seq=seq, at_ns=at_ns, order_id=intent.order_id, venue=intent.venue, instrument=intent.instrument,
        owner=intent.owner, side=intent.side.name.lower(),
        quantity_base=_text(instrument.quantity(intent.quantity_lots)),
        limit_price=_text(instrument.price(intent.limit_price_ticks)), time_in_force=intent.time_in_force.value,
        purpose=intent.purpose, parent_id=intent.parent_id, state=state,
        filled_base=_text(instrument.quantity(filled)), reason=reason)


def _text(number: Decimal) -> str:
    return format(number, "f")
