"""A venue's account as it was a few seconds ago: what reads show while a replica lags behind the matching."""

from __future__ import annotations

import msgspec

from bot.domain.events import OrderStatus
from bot.domain.values import Nanos, OrderId
from bot.venues.simulated.account import Holdings, VenueAccount, VenueOrder

_ENCODE = msgspec.msgpack.Encoder()
_HOLDINGS = msgspec.msgpack.Decoder(Holdings)
_OPEN = msgspec.msgpack.Decoder(dict[OrderId, VenueOrder])


class Picture(msgspec.Struct):
    """Holdings, open orders, and how long the log and the list of closed orders were at `taken_ns`."""

    taken_ns: Nanos
    holdings: Holdings
    open: dict[OrderId, VenueOrder]
    log_length: int
    closed_length: int

    @classmethod
    def of(cls, account: VenueAccount, at_ns: Nanos) -> Picture:
        """The account as it is now."""
        return cls(at_ns, _HOLDINGS.decode(_ENCODE.encode(account.holdings)),
                   _OPEN.decode(_ENCODE.encode(account.open)), len(account.log), len(account.closed))

    def find(self, account: VenueAccount, order_id: OrderId) -> VenueOrder | None:
        """An order as the picture has it; None: it had not arrived yet."""
        known = self.open.get(order_id)
        if known is not None:
            return known
        order = account.find(order_id)
        if order is None or order.status is OrderStatus.OPEN or order.arrived_ns > self.taken_ns:
            return None
        since = account.closed[self.closed_length:]
        return None if any(closed is order for closed in since) else order
