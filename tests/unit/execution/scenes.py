"""Orders, instruments, quotes and pairs that the tests of execution share."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import Fill, OrderReport, OrderStatus, Quote
from bot.domain.instrument import Instrument, instrument_id, kind_of_symbol
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import NS_PER_S, Coin, Nanos, OrderId, Owner, Side, Venue
from bot.execution.order_states import Order
from bot.execution.pair_moves import LegSituation, Permissions
from bot.portfolio.pairs import Pair, PairState, Parent, Slice

T0 = Nanos(1_704_067_200 * NS_PER_S)
OPEN = Permissions(opens=True, opens_after_reconciliation=True, settlement_quiet_until_ns=None)
SHUT = Permissions(opens=False, opens_after_reconciliation=False, settlement_quiet_until_ns=None)
RECONCILING = Permissions(opens=False, opens_after_reconciliation=True, settlement_quiet_until_ns=None)
PAIR_ID = Owner("pair-BTC-000001")


def instrument(symbol: str, venue: str = "alpha", *, lot: str = "0.001", notional_min: str = "5",
               lots_min: int = 1) -> Instrument:
    """A BTC-like market: tick 0.1, taker fee 10 bp; a spot market takes it in the coin."""
    perp = ":" in symbol
    return Instrument(
        id=instrument_id(venue, symbol), venue=Venue(venue), symbol=symbol, coin=Coin("BTC"), quote="USDT",
        kind=kind_of_symbol(symbol), tick_size=Decimal("0.1"), lot_size=Decimal(lot), lots_min=lots_min,
        notional_min_usd=Decimal(notional_min), maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.001"),
        fee_in_base=not perp,
    )


SPOT = instrument("BTC/USDT")
PERP = instrument("BTC/USDT:USDT")
PERP_B = instrument("BTC/USDT:USDT", "beta")


def quote(of: Instrument, bid: int = 10_000, ask: int = 10_001, lots: int = 10_000) -> Quote:
    """A touch around 1,000 USD."""
    return Quote(of.id, bid, ask, lots, lots, 10 * lots)


def leg(of: Instrument, quantity: str = "0", *, quoted: bool = True, at: Quote | None = None, working: int = 0,
        doubtful: int = 0, reducing: int = 0, resting: tuple[OrderId, ...] = ()) -> LegSituation:
    """One leg at an instant."""
    return LegSituation(
        instrument=of, quantity=Decimal(quantity), quote=(at or quote(of)) if quoted else None, quote_ns=T0,
        working_lots=working, doubtful_lots=doubtful, doubtful_reducing_lots=reducing, resting=resting)


def pair(state: PairState = PairState.OPENING, parent: Parent | None = None, *, long: Instrument = SPOT,
         short: Instrument = PERP, step: str = "0.001", target: str = "0") -> Pair:
    """A BTC pair."""
    return Pair(
        pair_id=PAIR_ID, coin=Coin("BTC"), long_leg=long.id, short_leg=short.id, step_base=Decimal(step), state=state,
        target_base=Decimal(target), created_ns=T0, forecast_usd=1.0, notional_usd=Decimal(1000), parent=parent)


def parent(start: str = "0", target: str = "1", *, urgent: bool = False, deadline_s: float = 1200,
           slices: tuple[Slice, ...] | None = None) -> Parent:
    """An execution in one slice that is due, unless slices are given."""
    cut = slices if slices is not None else (Slice(T0, Decimal(target)),)
    kind = "open" if Decimal(target) > Decimal(start) else "close"
    return Parent(
        parent_id="p/1", kind=kind, start_base=Decimal(start), target_base=Decimal(target), slices=cut, next_slice=0,
        deadline_ns=after(deadline_s), urgent=urgent, reason="test")


def after(seconds: float) -> Nanos:
    """An instant so long after the beginning."""
    return Nanos(T0 + round(seconds * NS_PER_S))


def intent(lots: int = 10, side: Side = Side.BUY, *, of: Instrument = SPOT, reduces: bool = False,
           name: str = "o1", ticks: int = 10_001) -> OrderIntent:
    """What a planner wants."""
    return OrderIntent(
        order_id=OrderId(name), owner=PAIR_ID, venue=of.venue, instrument=of.id, side=side, quantity_lots=lots,
        limit_price_ticks=ticks, time_in_force=TimeInForce.IOC, reduces_owner=reduces, reduce_only=False,
        parent_id="p/1", purpose="open", data_age_ns=0)


def order(lots: int = 10) -> Order:
    """An order just sent."""
    return Order(intent=intent(lots), sent_ns=T0)


def report(seconds: float, status: OrderStatus | None, filled: int = 0, *, found: bool = True, sources: int = 2,
           fills: tuple[Fill, ...] = ()) -> OrderReport:
    """The answer to a query."""
    return OrderReport(after(seconds), SPOT.venue, OrderId("o1"), found, sources, status, filled, fills)
