"""A small world for tests of the simulated exchange: two venues, spot and perpetuals, and short ways to act in it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from bot.domain.commands import AnyCommand, CancelOrder, QueryOrder, ReadAccount, SubmitOrder, Transfer
from bot.domain.events import AccountEvent, FundingRate, FundingSettled, Mark, Marks, Quote, Quotes
from bot.domain.instrument import FundingRule, Instrument, MarginTier, instrument_id, kind_of_symbol
from bot.domain.orders import ApprovedOrder, OrderIntent, TimeInForce
from bot.domain.values import NS_PER_S, OWN_PREFIX, Coin, InstrumentId, Nanos, OrderId, Owner, Side, Venue, Wallet
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.faults import FaultPlan
from bot.venues.simulated.params import SimulatedParams

ALPHA, BETA = Venue("alpha"), Venue("beta")
TIERS = (MarginTier(Decimal(0), Decimal("0.01"), 50), MarginTier(Decimal(100_000), Decimal("0.02"), 20))
RULE = FundingRule(interval_h=8, interest_8h=Decimal("0.0001"), clamp_8h=Decimal("0.0005"), cap=Decimal("0.003"))
HOUR = 3_600 * NS_PER_S
T0 = Nanos(1_700_000_000 * NS_PER_S)


def instrument(venue: Venue, symbol: str, *, fee_in_base: bool = True, funding: FundingRule | None = RULE,
               tick: str = "0.1", lot: str = "0.001") -> Instrument:
    """A BTC-like instrument: tick 0.1, lot 0.001, at least 5 USD."""
    kind = kind_of_symbol(symbol)
    perp = ":" in symbol
    return Instrument(
        id=instrument_id(venue, symbol), venue=venue, symbol=symbol, coin=Coin(symbol.partition("/")[0]), quote="USDT",
        kind=kind, tick_size=Decimal(tick), lot_size=Decimal(lot), lots_min=2, notional_min_usd=Decimal(5),
        maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), fee_in_base=fee_in_base and not perp,
        tiers=TIERS if perp else (), funding=funding if perp else None)


SPOT = instrument(ALPHA, "BTC/USDT")
PERP = instrument(ALPHA, "BTC/USDT:USDT")
PERP_ETH = instrument(ALPHA, "ETH/USDT:USDT")
PERP_B = instrument(BETA, "BTC/USDT:USDT")
ALL = (SPOT, PERP, PERP_ETH, PERP_B)


class World:
    """An exchange with its clock at hand. Prices are given in ticks: 1000 ticks = 100 USD."""

    def __init__(self, params: SimulatedParams | None = None, faults: FaultPlan | None = None,
                 instruments: Sequence[Instrument] = ALL, seed: int = 7, books: Path | None = None) -> None:
        self.params = SimulatedParams() if params is None else params
        self.seed = seed
        self.faults = faults
        self.instruments = instruments
        self.file = None if books is None else BooksFile(books)
        self.exchange = SimulatedExchange(instruments, self.params, seed, self.file, faults)
        self.now = T0
        self.orders = 0

    def reopen(self) -> None:
        """Forget the exchange in memory and open its books again, as after a kill."""
        assert self.file is not None
        self.file.close()
        self.file = BooksFile(self.file.path)
        self.exchange = SimulatedExchange.reopen(self.file, self.instruments, self.params, self.seed, self.faults)

    def rich(self, usd: int = 10_000) -> World:
        """Cash in every wallet, and its answers out of the way."""
        for venue in (ALPHA, BETA):
            for wallet in Wallet:
                self.exchange.deposit(self.now, venue, wallet, Decimal(usd))
        self.run(0)
        return self

    def quote(self, of: Instrument, bid: int, ask: int, lots: int = 1_000, depth: int = 6_000,
              values: bool = True) -> None:
        """Show a quote now."""
        self.exchange.observe(Quotes(self.now, of.venue, (Quote(of.id, bid, ask, lots, lots, depth),), values))

    def mark(self, of: Instrument, mark: str, index: str | None = None, values: bool = True) -> None:
        """Show a mark now."""
        seen = Mark(of.id, Decimal(mark), None if index is None else Decimal(index))
        self.exchange.observe(Marks(self.now, of.venue, (seen,), values))

    def settle(self, of: Instrument, rate: str, interval_h: int = 8) -> None:
        """Settle funding now."""
        rates = (FundingRate(of.id, self.now, Decimal(rate), interval_h),)
        self.exchange.observe(FundingSettled(self.now, of.venue, rates))

    def market(self, price: int = 1_000) -> World:
        """All instruments quoted one tick wide around a price, marked at it."""
        for of in self.instruments:
            self.quote(of, price, price + 1)
            if of.is_perp:
                self.mark(of, str(of.price(price)))
        return self

    def order(self, of: Instrument, side: Side, lots: int, ticks: int, tif: TimeInForce = TimeInForce.IOC, *,
              reduce_only: bool = False, order_id: str | None = None) -> OrderId:
        """Send an order now."""
        self.orders += 1
        name = OrderId(f"{OWN_PREFIX}{self.orders}" if order_id is None else order_id)
        intent = OrderIntent(
            order_id=name, owner=Owner("pair-1"), venue=of.venue, instrument=of.id, side=side, quantity_lots=lots,
            limit_price_ticks=ticks, time_in_force=tif, reduces_owner=reduce_only, reduce_only=reduce_only,
            parent_id="p", purpose="open", data_age_ns=0)
        self.send(SubmitOrder(ApprovedOrder(intent, self.now, 1)))
        return name

    def send(self, command: AnyCommand) -> None:
        """Any command, now."""
        self.exchange.handle(self.now, command)

    def cancel(self, of: Instrument, order_id: OrderId) -> None:
        self.send(CancelOrder(of.venue, of.id, order_id))

    def query(self, of: Instrument, order_id: OrderId) -> None:
        self.send(QueryOrder(of.venue, of.id, order_id))

    def read(self, venue: Venue, cursor: int = 0) -> None:
        self.send(ReadAccount(venue, "r", cursor))

    def transfer(self, amount: str, from_: tuple[Venue, Wallet], to: tuple[Venue, Wallet], name: str = "t1") -> None:
        self.send(Transfer(name, *from_, *to, Decimal(amount)))

    def run(self, seconds: float = 1.0) -> list[AccountEvent]:
        """Let everything happen that is due within so many seconds; the clock stands there afterwards."""
        until = self.now + round(seconds * NS_PER_S)
        answers: list[AccountEvent] = []
        while (due := self.exchange.next_due()) is not None and due[0] <= until:
            answer = self.exchange.pop()
            if answer is not None:
                answers.append(answer)
        self.now = Nanos(until)
        return answers

    def trade(self, of: Instrument, side: Side, lots: int, ticks: int) -> list[AccountEvent]:
        """Send an IOC order and take its answers."""
        self.order(of, side, lots, ticks)
        return self.run()

    def position(self, of: Instrument) -> Decimal:
        """Signed quantity held."""
        position = self.exchange.account(of.venue).holdings.positions.get(InstrumentId(of.id))
        return Decimal(0) if position is None else position.quantity
