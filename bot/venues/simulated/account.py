"""Our account at one venue, as the venue books it: wallets, coins, positions, orders, and the running log."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from bot.domain.events import CashMoved, Fill, ForcedFill, FundingPaid, OrderStatus, TransferEnded
from bot.domain.orders import TimeInForce
from bot.domain.values import MONEY, ZERO, Coin, InstrumentId, Nanos, OrderId, Side, Venue, Wallet
from bot.venues.simulated.positions import Position

LogEntry = Fill | ForcedFill | FundingPaid | CashMoved | TransferEnded
"""What `ReadAccount` lists after its cursor; the cursor is the length of the log."""


class VenueOrder(msgspec.Struct, array_like=True):
    """One order as the venue knows it."""

    order_id: OrderId
    instrument: InstrumentId
    side: Side
    quantity_lots: int
    limit_price_ticks: int
    time_in_force: TimeInForce
    reduce_only: bool
    arrived_ns: Nanos
    number: int
    """Place in the order of arrival at this venue."""
    status: OrderStatus = OrderStatus.OPEN
    filled_lots: int = 0
    ahead_lots: int = 0
    """Displayed lots that stand before us in the queue at our price."""
    displayed_lots: int | None = None
    """Displayed size at our price when last seen at the touch."""
    trades: list[int] = msgspec.field(default_factory=list)
    """Places of its fills in the account's log."""

    @property
    def open_lots(self) -> int:
        """What has not been filled."""
        return self.quantity_lots - self.filled_lots


class Holdings(msgspec.Struct):
    """What we own at one venue: cash by wallet (USDT = USDC = 1 USD), coins, perpetual positions."""

    spot_usd: Decimal = ZERO
    futures_usd: Decimal = ZERO
    coins: dict[Coin, Decimal] = msgspec.field(default_factory=dict)
    positions: dict[InstrumentId, Position] = msgspec.field(default_factory=dict)

    def pay(self, wallet: Wallet, amount_usd: Decimal) -> None:
        """Add cash (negative: take it)."""
        if wallet is Wallet.SPOT:
            self.spot_usd = MONEY.add(self.spot_usd, amount_usd)
        else:
            self.futures_usd = MONEY.add(self.futures_usd, amount_usd)

    def move_coins(self, coin: Coin, quantity: Decimal) -> None:
        """Add coins (negative: take them); a coin of which nothing is left is forgotten."""
        held = MONEY.add(self.coins.get(coin, ZERO), quantity)
        if held:
            self.coins[coin] = held
        else:
            self.coins.pop(coin, None)

    def isolated_usd(self) -> Decimal:
        """Cash that stands as isolated margin of positions."""
        total = ZERO
        for position in self.positions.values():
            total = MONEY.add(total, position.margin_usd)
        return total


class VenueAccount:
    """The venue's truth about us. Tests and invariants read it; only the venue writes it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.holdings = Holdings()
        self.open: dict[OrderId, VenueOrder] = {}
        self.closed: list[VenueOrder] = []
        self.log: list[LogEntry] = []
        self.settled_ns: dict[InstrumentId, int] = {}
        """Newest settlement paid, by instrument."""
        self.repeats: dict[OrderId, int] = {}
        """Creates beyond the first, by client id."""
        self.last_trade_ns = -1
        self._orders: dict[OrderId, VenueOrder] = {}

    def find(self, order_id: OrderId) -> VenueOrder | None:
        """Any order that ever arrived."""
        return self._orders.get(order_id)

    def file(self, order: VenueOrder) -> None:
        """Keep an order that arrived, as open or closed by its status."""
        self._orders[order.order_id] = order
        if order.status is OrderStatus.OPEN:
            self.open[order.order_id] = order
        else:
            self.open.pop(order.order_id, None)
            self.closed.append(order)

    def put_back(self, open_orders: list[VenueOrder], closed: list[VenueOrder]) -> None:
        """Restore all orders; `orders` keeps the order of arrival, `open` and `closed` the given one."""
        self.open = {order.order_id: order for order in open_orders}
        self.closed = closed
        self._orders = {o.order_id: o for o in sorted((*closed, *open_orders), key=lambda order: order.number)}

    def open_of(self, instrument: InstrumentId) -> list[VenueOrder]:
        """Open orders of one instrument, oldest first."""
        return [order for order in self.open.values() if order.instrument == instrument]

    def fills_of(self, order: VenueOrder) -> tuple[Fill, ...]:
        """An order's fills, oldest first."""
        entries = (self.log[place] for place in order.trades)
        return tuple(entry for entry in entries if isinstance(entry, Fill))

    def trades_since(self, at_ns: int) -> Iterator[Fill | ForcedFill]:
        """Trades booked at `at_ns` or later, newest first."""
        for entry in reversed(self.log):
            if entry.at_ns < at_ns:
                return
            if isinstance(entry, Fill | ForcedFill):
                yield entry

    @property
    def arrivals(self) -> int:
        """How many orders have arrived."""
        return len(self._orders)

    @property
    def orders(self) -> tuple[VenueOrder, ...]:
        """All orders that ever arrived, in the order of arrival."""
        return tuple(self._orders.values())

    @property
    def fills(self) -> tuple[Fill | ForcedFill, ...]:
        """All trades, forced ones too, oldest first."""
        return tuple(entry for entry in self.log if isinstance(entry, Fill | ForcedFill))

    @property
    def creates(self) -> dict[OrderId, int]:
        """How often a create of each client id arrived; more than one is somebody's error."""
        return {order_id: 1 + self.repeats.get(order_id, 0) for order_id in self._orders}
