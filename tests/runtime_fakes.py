"""A small deterministic engine, market and exchange to drive the drivers with."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from bot.domain.commands import Alert, AnyCommand, CancelOrder, ReadAccount, SubmitOrder
from bot.domain.events import (
    EVENT_RANK,
    AccountEvent,
    AnyEvent,
    CalendarFired,
    Control,
    DeadlineReached,
    Fill,
    Mark,
    MarketEvent,
    Marks,
    OperatorAction,
    OrderAccepted,
    OrderClosed,
    OrderRejected,
    OrderStatus,
    OrderUnknown,
    ReadFailed,
    SessionStarted,
    StorageFailed,
    StorageRestored,
)
from bot.domain.instrument import Instrument, Kind
from bot.domain.orders import ApprovedOrder, OrderIntent, TimeInForce
from bot.domain.values import NS_PER_S, Coin, InstrumentId, Nanos, OrderId, Owner, Side, Venue
from bot.engine.step import Note, Step
from bot.engine.view import AttributionView, EngineView, OrderView
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule

VENUE = Venue("binance")
BTC = InstrumentId("binance:BTC/USDT:USDT")
START_NS = 1_700_000_000 * NS_PER_S

INSTRUMENT = Instrument(
    id=BTC, venue=VENUE, symbol="BTC/USDT:USDT", coin=Coin("BTC"), quote="USDT", kind=Kind.PERP,
    tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=1, notional_min_usd=Decimal(5),
    maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"))


def session_started(at_ns: int = START_NS, epoch: int = 1, build: str = "b", config_hash: str = "c") -> SessionStarted:
    """The first event of a run."""
    return SessionStarted(at_ns=Nanos(at_ns), epoch=epoch, build=build, config_hash=config_hash, account="test",
                          kind="demo", instruments=(INSTRUMENT,))


def marks(at_ns: int, price: int = 50_000) -> Marks:
    """One mark."""
    return Marks(at_ns=Nanos(at_ns), venue=VENUE, marks=(Mark(instrument=BTC, mark=Decimal(price)),))


def minute_marks(count: int, start_ns: int = START_NS) -> list[MarketEvent]:
    """A mark each minute, the first one minute after the start."""
    return [marks(start_ns + (index + 1) * 60 * NS_PER_S, 50_000 + index % 97) for index in range(count)]


class ListMarket:
    """A market source over a list."""

    def __init__(self, events: Iterable[MarketEvent]) -> None:
        self._events = list(events)[::-1]
        self.ticks_until: list[tuple[int | None, int]] = []

    def next_due(self) -> tuple[int, int] | None:
        return (self._events[-1].at_ns, EVENT_RANK[type(self._events[-1])]) if self._events else None

    def pop(self) -> MarketEvent:
        return self._events.pop()

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        self.ticks_until.append((from_ns, until_ns))


class FakeExchange:
    """Accepts each order after 20 ms and fills it after 50 ms; arrivals are internal (`pop` gives None)."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, int, AccountEvent | SubmitOrder]] = []
        self._count = 0
        self.observed: list[MarketEvent] = []
        self.handled: list[tuple[int, AnyCommand]] = []

    def observe(self, event: MarketEvent) -> None:
        self.observed.append(event)

    def handle(self, at_ns: Nanos, command: AnyCommand) -> None:
        self.handled.append((at_ns, command))
        if isinstance(command, SubmitOrder):
            self._push(at_ns + 10_000_000, command)
        elif isinstance(command, CancelOrder):
            self._push(at_ns + 20_000_000, OrderClosed(at_ns=Nanos(at_ns + 20_000_000), venue=command.venue,
                                                       order_id=command.order_id, status=OrderStatus.CANCELLED,
                                                       filled_lots=0))
        elif isinstance(command, ReadAccount):
            self._push(at_ns + 20_000_000, ReadFailed(at_ns=Nanos(at_ns + 20_000_000), venue=command.venue,
                                                      request_id=command.request_id, why="fake"))

    def next_due(self) -> tuple[int, int] | None:
        return self._queue[0][:2] if self._queue else None

    def pop(self) -> AccountEvent | None:
        at_ns, _, _, what = heapq.heappop(self._queue)
        if not isinstance(what, SubmitOrder):
            return what
        intent = what.order.intent
        if intent.time_in_force is TimeInForce.IOC:
            self._count += 1
            self._push(at_ns + 40_000_000, Fill(
                at_ns=Nanos(at_ns + 40_000_000), venue=VENUE, instrument=BTC, trade_id=f"t{self._count}",
                order_id=intent.order_id, side=intent.side, quantity_lots=intent.quantity_lots,
                price_ticks=intent.limit_price_ticks, fee=Decimal("0.01"), fee_in_base=False, maker=False))
        self._push(at_ns + 10_000_000, OrderAccepted(at_ns=Nanos(at_ns + 10_000_000), venue=VENUE,
                                                     order_id=intent.order_id))
        return None

    def _push(self, at_ns: int, what: AccountEvent | SubmitOrder) -> None:
        self._count += 1
        rank = 6 if isinstance(what, SubmitOrder) else EVENT_RANK[type(what)]
        heapq.heappush(self._queue, (at_ns, rank, self._count, what))


class EngineState(msgspec.Struct):
    """All that the fake engine knows."""

    events: int = 0
    orders: int = 0
    fills: int = 0
    digest: str = ""
    open_orders: list[str] = []
    mode: str = "RUN"
    epoch: int = 0
    deadline_ns: int | None = None


class FakeEngine:
    """Sends an order on every n-th mark, asks for a deadline now and then, remembers everything in a digest."""

    def __init__(self, every: int = 5, salt: str = "", resting: bool = False, state: EngineState | None = None) -> None:
        self.every, self.salt, self.resting = every, salt, resting
        self.state = state or EngineState()
        self.seen: list[AnyEvent] = []

    def step(self, event: AnyEvent) -> Step:
        state = self.state
        self.seen.append(event)
        state.events += 1
        state.digest = hashlib.sha256(f"{state.digest}{event!r}{self.salt}".encode()).hexdigest()
        commands: tuple[AnyCommand, ...] = ()
        notes: tuple[Note, ...] = ()
        match event:
            case SessionStarted():
                state.epoch = event.epoch
                commands = (ReadAccount(venue=VENUE, request_id=f"r{event.epoch}", cursor=0),)
            case Marks() if state.mode == "RUN" and state.events % self.every == 0:
                commands = (self._order(event.at_ns, reduces=False),)
                state.deadline_ns = event.at_ns + 7 * NS_PER_S
            case Fill():
                state.fills += 1
                self._close(event.order_id)
                notes = (Note(name="fill_booked", keys=(("trade_id", event.trade_id),)),)
            case OrderClosed() | OrderRejected() | OrderUnknown():
                self._close(event.order_id)
            case DeadlineReached():
                state.deadline_ns = None
            case CalendarFired():
                commands = (Alert(name="day", text="a new day", page=False),)
            case Control():
                commands = self._obey(event)
            case StorageFailed():
                commands = (self._order(event.at_ns, reduces=True), self._order(event.at_ns, reduces=False))
            case StorageRestored():
                notes = (Note(name="storage_seen", keys=()),)
        return Step(commands=commands, notes=notes,
                    wake_ns=None if state.deadline_ns is None else Nanos(state.deadline_ns))

    def fold_only(self, event: AnyEvent, recorded_step: Step) -> None:
        self.state.events += 1
        self.state.orders += sum(isinstance(command, SubmitOrder) for command in recorded_step.commands)
        self.state.digest += "folded"

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.state)

    def view(self) -> EngineView:
        return engine_view(self.state)

    def _obey(self, event: Control) -> tuple[AnyCommand, ...]:
        if event.action in (OperatorAction.KILL, OperatorAction.KILL_HOLD):
            self.state.mode = "HALTED"
        elif event.action is OperatorAction.RESUME and event.reason:
            self.state.mode = "RUN"
        elif event.action is OperatorAction.STOP:
            self.state.mode = "REDUCE_ONLY"
        else:
            return ()
        return tuple(CancelOrder(venue=VENUE, instrument=BTC, order_id=OrderId(name))
                     for name in self.state.open_orders if self.state.mode != "RUN")

    def _close(self, order_id: str) -> None:
        if order_id in self.state.open_orders:
            self.state.open_orders.remove(order_id)

    def _order(self, at_ns: int, *, reduces: bool) -> SubmitOrder:
        self.state.orders += 1
        order_id = OrderId(f"e4e1{self.state.orders:028x}")
        self.state.open_orders.append(order_id)
        intent = OrderIntent(
            order_id=order_id, owner=Owner("pair-1"), venue=VENUE, instrument=BTC, side=Side.BUY, quantity_lots=3,
            limit_price_ticks=500_000, time_in_force=TimeInForce.GTC if self.resting else TimeInForce.IOC,
            reduces_owner=reduces, reduce_only=False, parent_id="p", purpose="hedge" if reduces else "open",
            data_age_ns=0)
        return SubmitOrder(order=ApprovedOrder(intent=intent, approved_at_ns=Nanos(at_ns), fence=self.state.epoch))


class FakeFactory:
    """Makes fake engines."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def create(self) -> FakeEngine:
        return FakeEngine(**self._settings)

    def restore(self, data: bytes) -> FakeEngine:
        return FakeEngine(**self._settings, state=msgspec.msgpack.decode(data, type=EngineState))


def make_schedule(events: Iterable[MarketEvent], exchange: FakeExchange | None = None, days: int = 400,
                  start_ns: int = START_NS) -> Schedule:
    """A schedule over fakes, the session's start handed in."""
    schedule = Schedule(ListMarket(events), exchange or FakeExchange(), Calendar(JOBS, start_ns),
                        end_ns=START_NS + days * 86_400 * NS_PER_S, start_ns=start_ns)
    schedule.inject(session_started(start_ns))
    return schedule


def engine_view(state: EngineState) -> EngineView:
    """What the fake shows."""
    nothing = AttributionView(price="0", basis="0", funding="0", fees="0", slippage="0", borrow="0", total="0")
    orders = tuple(OrderView(order_id=name, at_ns=Nanos(0), instrument=BTC, owner="pair-1", side="buy",
                             quantity_base="0.003", filled_base="0", limit_price="50000", state="open", purpose="open")
                   for name in state.open_orders)
    return EngineView(
        at_ns=Nanos(0), kind="demo", account="test", epoch=state.epoch, mode=state.mode, mode_reasons=(),
        equity_usd="100", start_equity_usd="100", net_pct=0.0, day_usd="0", drawdown_pct=0.0, attribution=nothing,
        unhedged_usd="0", unhedged_s=0.0, gross_usd="0", pairs=(), closed_pairs=0, venues=(), positions=(),
        orders_open=orders, orders_unknown=0, limits=(), alerts=(), next_funding_ns=None, idle_reasons=(),
        last_decision_ns=None, last_notes=())
