"""Gets an account flat without a ledger: cancels what is ours, closes what the venue says we hold, and nothing else.

It stands where the engine stands, behind the same journal-first driver, and sends reducing orders only. Perpetuals are
closed as the venue's own nets have them. Of coins it sells what a verified snapshot calls ours and the venue still has;
what is beyond that stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.commands import Alert, AnyCommand, CancelOrder, ReadAccount, ShowTicks, SubmitOrder
from bot.domain.events import (
    AccountReport,
    AnyEvent,
    Fill,
    InstrumentsChanged,
    OrderClosed,
    OrderRejected,
    Quotes,
    ReadFailed,
    SessionStarted,
)
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import MONEY, NS_PER_S, ZERO, Coin, InstrumentId, Nanos, OrderId, Owner, Side, Venue
from bot.engine.step import Note, Step
from bot.engine.view import AttributionView, EngineView, OrderView
from bot.execution.order_ids import client_order_id, is_ours
from bot.risk.limits import approve_reducing

OWNER: Final = Owner("rescue")
_COLLAR_BPS: Final = 50
_COLLAR_BPS_MAX: Final = 500
_PAUSE_NS: Final = 2 * NS_PER_S
_PAUSE_NS_MAX: Final = 60 * NS_PER_S
_READ_NS_MAX: Final = 10 * NS_PER_S
_PROVEN_NS: Final = 60 * NS_PER_S
"""An order without an answer is not replaced before: a venue may book it late."""
_TICKS_NS: Final = 120 * NS_PER_S


class Sent(msgspec.Struct):
    """An order on its way."""

    instrument: InstrumentId
    at_ns: Nanos
    order: OrderIntent


class Desk(msgspec.Struct):
    """One venue as it has told us."""

    venue: Venue
    cursor: int = 1 << 40  # nothing of the past; the first answer says where the log ends
    reads: int = 0
    read_id: str = ""
    read_ns: Nanos = Nanos(0)
    next_ns: Nanos = Nanos(0)
    tries: int = 0
    flat: bool = False
    left: list[str] = []
    """What stays there, and why."""


class RescueState(msgspec.Struct):
    """Everything, as plain values."""

    now_ns: Nanos = Nanos(0)
    epoch: int = 0
    account: str = ""
    kind: str = ""
    instruments: dict[InstrumentId, Instrument] = {}
    quotes: dict[InstrumentId, tuple[Nanos, int, int]] = {}
    """When, bid and ask in ticks."""
    desks: dict[Venue, Desk] = {}
    ours: dict[str, Decimal] = {}
    """`venue coin` -> what may still be sold."""
    sent: dict[OrderId, Sent] = {}
    orders: int = 0
    cancels: int = 0
    fills: dict[str, None] = {}


class RescueEngine:
    """Drive it with `step` until `finished`."""

    def __init__(self, ours: Mapping[tuple[Venue, Coin], Decimal], *, hold: bool = False) -> None:
        """`ours`: coins that may be sold; `hold`: only cancel."""
        self.state = RescueState(ours={f"{venue} {coin}": size for (venue, coin), size in ours.items()})
        self._hold = hold
        self._commands: list[AnyCommand] = []
        self._notes: list[Note] = []

    @property
    def finished(self) -> bool:
        """Whether every venue has shown that nothing of ours is open and nothing of ours is held."""
        return bool(self.state.desks) and all(desk.flat for desk in self.state.desks.values())

    def step(self, event: AnyEvent) -> Step:
        """Take one event, and ask or send what is due."""
        state = self.state
        state.now_ns = event.at_ns
        self._commands, self._notes = [], []
        match event:
            case SessionStarted():
                self._begin(event)
            case InstrumentsChanged():
                state.instruments.update((each.id, each) for each in event.instruments)
            case Quotes():
                for quote in event.quotes:
                    state.quotes[quote.instrument] = (event.at_ns, quote.bid_ticks, quote.ask_ticks)
            case AccountReport():
                self._report(event)
            case ReadFailed() if event.venue in state.desks:
                desk = state.desks[event.venue]
                desk.read_id, desk.tries = "", desk.tries + 1
                desk.next_ns = Nanos(event.at_ns + self._pause_ns(desk))
            case Fill():
                self._fill(event)
            case OrderClosed() | OrderRejected():
                state.sent.pop(event.order_id, None)
        self._read_due()
        return Step(commands=tuple(self._commands), notes=tuple(self._notes), wake_ns=self._wake_ns())

    def snapshot(self) -> bytes:
        """The state's encoding."""
        return msgspec.msgpack.encode(self.state)

    def view(self) -> EngineView:
        """What is under way."""
        state = self.state
        nothing = AttributionView(price="0", basis="0", funding="0", fees="0", slippage="0", borrow="0", total="0")
        orders = tuple(
            OrderView(order_id=name, at_ns=sent.at_ns, instrument=sent.instrument, owner=OWNER,
                      side=sent.order.side.name.lower(), quantity_base="", filled_base="", limit_price="",
                      state="sent", purpose="flatten") for name, sent in state.sent.items())
        return EngineView(
            at_ns=state.now_ns, kind=state.kind, account=state.account, epoch=state.epoch, mode="HALTED",
            mode_reasons=("rescue: the record cannot be trusted",), equity_usd="0", start_equity_usd="0", net_pct=0.0,
            day_usd="0", drawdown_pct=0.0, attribution=nothing, unhedged_usd="0", unhedged_s=0.0, gross_usd="0",
            pairs=(), closed_pairs=0, venues=(), positions=(), orders_open=orders, orders_unknown=0, limits=(),
            alerts=(), next_funding_ns=None, idle_reasons=(), last_decision_ns=None, last_notes=())

    # ------------------------------------------------------------------------------------------------- events

    def _begin(self, event: SessionStarted) -> None:
        state = self.state
        state.epoch, state.account, state.kind = event.epoch, event.account, event.kind
        for instrument in event.instruments:
            state.instruments[instrument.id] = instrument
            state.desks.setdefault(instrument.venue, Desk(venue=instrument.venue))
        self._commands.append(Alert(name="rescue", text=f"{event.account}: orders are cancelled"
                                    f"{'' if self._hold else ' and positions closed'} without a record to go by",
                                    page=True))
        self._commands.append(ShowTicks(event.at_ns + _TICKS_NS))

    def _fill(self, event: Fill) -> None:
        """Count what was sold, once, against what may be."""
        key, sent = f"{event.venue} {event.trade_id}", self.state.sent.get(event.order_id)
        if key in self.state.fills:
            return
        self.state.fills[key] = None
        instrument = self.state.instruments.get(event.instrument)
        if instrument is None or instrument.is_perp or event.side is not Side.SELL:
            return
        if sent is not None or is_ours(event.order_id):
            name = f"{event.venue} {instrument.coin}"
            sold = instrument.quantity(event.quantity_lots)
            self.state.ours[name] = max(ZERO, MONEY.subtract(self.state.ours.get(name, ZERO), sold))

    def _report(self, event: AccountReport) -> None:
        """The venue's own truth: cancel what is open, then close what is held, or be done."""
        desk = self.state.desks.get(event.venue)
        if desk is None or event.request_id != desk.read_id:
            return
        desk.read_id, desk.cursor = "", event.cursor
        for fill in event.fills:
            if isinstance(fill, Fill):
                self._fill(fill)
        self._forget_unanswered()
        desk.left = []
        acted = self._cancel(desk, event)
        if not acted and not self._hold:
            acted = self._close(desk, event)
        desk.flat = not acted
        if acted:
            desk.tries += 1
            desk.next_ns = Nanos(event.at_ns + self._pause_ns(desk))
            self._commands.append(ShowTicks(event.at_ns + _TICKS_NS))
        else:
            self._notes.append(Note(name="rescue_flat", keys=(("venue", desk.venue), ("left", "; ".join(desk.left)))))

    # ------------------------------------------------------------------------------------------------- actions

    def _cancel(self, desk: Desk, event: AccountReport) -> bool:
        """Cancel every open order that carries our prefix; others are not ours to touch."""
        ours = [name for name in event.open_orders if is_ours(name)]
        foreign = len(event.open_orders) - len(ours)
        if foreign:
            desk.left.append(f"{foreign} open orders of others")
        for name in ours:  # a venue finds an order by its client id
            self._commands.append(CancelOrder(desk.venue, InstrumentId(""), name))
            self.state.cancels += 1
        return bool(ours)

    def _close(self, desk: Desk, event: AccountReport) -> bool:
        """Send a reducing order for each thing held; whether there was any, sent or still under way."""
        acted = False
        for row in event.positions:
            instrument = self.state.instruments.get(row.instrument)
            if row.quantity == ZERO:
                continue
            if instrument is None:
                desk.left.append(f"{row.quantity} of {row.instrument}, of which no rules are known")
                continue
            acted |= self._reduce(desk, instrument, row.quantity)
        for coin, held in event.coins:
            instrument = self._spot(desk.venue, coin)
            may = min(held, self.state.ours.get(f"{desk.venue} {coin}", ZERO))
            if held > may:
                desk.left.append(f"{held - may} {coin} that no snapshot calls ours")
            if may > ZERO and instrument is None:
                desk.left.append(f"{may} {coin}, which is not traded there")
            elif instrument is not None and may > ZERO:
                acted |= self._reduce(desk, instrument, may)
        return acted

    def _reduce(self, desk: Desk, instrument: Instrument, quantity: Decimal) -> bool:
        """One IOC order towards zero within a collar that widens; False if it is too small to be traded."""
        quote = self.state.quotes.get(instrument.id)
        if any(sent.instrument == instrument.id for sent in self.state.sent.values()) or quote is None:
            return True  # one at a time; and without a price it is tried again
        at_ns, bid_ticks, ask_ticks = quote
        side = Side.SELL if quantity > ZERO else Side.BUY
        collar = min(_COLLAR_BPS << desk.tries, _COLLAR_BPS_MAX) if desk.tries < 16 else _COLLAR_BPS_MAX
        limit = max(1, bid_ticks * (10_000 - collar) // 10_000 if side is Side.SELL
                    else -(-ask_ticks * (10_000 + collar) // 10_000))
        lots = int(abs(quantity) // instrument.lot_size)
        # a position is closed at any size
        if lots < 1 or (not instrument.is_perp and _too_small(instrument, lots, limit)):
            desk.left.append(f"{quantity} {instrument.coin} of {instrument.id}, too little to be traded")
            return False
        self._send(instrument, side, lots, limit, at_ns)
        return True

    def _send(self, instrument: Instrument, side: Side, lots: int, limit: int, quoted_ns: int) -> None:
        state = self.state
        state.orders += 1
        name = client_order_id(f"{state.account}/rescue", state.epoch, state.orders)
        intent = OrderIntent(
            order_id=name, owner=OWNER, venue=instrument.venue, instrument=instrument.id, side=side, quantity_lots=lots,
            limit_price_ticks=limit, time_in_force=TimeInForce.IOC, reduces_owner=True, reduce_only=instrument.is_perp,
            parent_id="rescue", purpose="flatten", data_age_ns=state.now_ns - quoted_ns)
        state.sent[name] = Sent(instrument=instrument.id, at_ns=state.now_ns, order=intent)
        self._commands.append(SubmitOrder(order=approve_reducing(intent, state.now_ns, state.epoch)))

    # --------------------------------------------------------------------------------------------------- reads

    def _read_due(self) -> None:
        state = self.state
        for desk in state.desks.values():
            if desk.read_id and state.now_ns - desk.read_ns >= _READ_NS_MAX:
                desk.read_id = ""
            if not desk.flat and not desk.read_id and state.now_ns >= desk.next_ns:
                desk.reads += 1
                desk.read_id, desk.read_ns = f"rescue-{state.epoch}-{desk.venue}-{desk.reads}", state.now_ns
                self._commands.append(ReadAccount(desk.venue, desk.read_id, desk.cursor))

    def _forget_unanswered(self) -> None:
        for name in [name for name, sent in self.state.sent.items()
                     if self.state.now_ns - sent.at_ns >= _PROVEN_NS]:
            del self.state.sent[name]

    def _pause_ns(self, desk: Desk) -> int:
        return min(_PAUSE_NS << min(max(desk.tries - 3, 0), 8), _PAUSE_NS_MAX)

    def _wake_ns(self) -> Nanos | None:
        dues = [desk.read_ns + _READ_NS_MAX if desk.read_id else desk.next_ns
                for desk in self.state.desks.values() if not desk.flat]
        return Nanos(max(min(dues), self.state.now_ns + 1)) if dues else None

    def _spot(self, venue: Venue, coin: Coin) -> Instrument | None:
        return next((each for each in self.state.instruments.values()
                     if each.venue == venue and each.coin == coin and not each.is_perp), None)


def _too_small(instrument: Instrument, lots: int, limit_ticks: int) -> bool:
    """Whether the venue would not take so small an order."""
    worth = MONEY.multiply(instrument.quantity(lots), instrument.price(limit_ticks))
    return lots < instrument.lots_min or worth < instrument.notional_min_usd
