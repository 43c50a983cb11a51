"""An order on its way: what the planner wants, and what risk has approved."""

from __future__ import annotations

from enum import Enum

import msgspec

from bot.domain.values import InstrumentId, Nanos, OrderId, Owner, Side, Venue


class TimeInForce(Enum):
    """How long an order may rest."""

    IOC = "ioc"
    GTC = "gtc"
    POST_ONLY = "post_only"


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What the planner wants; nobody may send it."""

    order_id: OrderId
    owner: Owner
    venue: Venue
    instrument: InstrumentId
    side: Side
    quantity_lots: int
    limit_price_ticks: int
    time_in_force: TimeInForce
    reduces_owner: bool
    """Brings its owner's quantity nearer zero without crossing it."""
    reduce_only: bool
    """The venue's own flag: set only where the venue's net shrinks too."""
    parent_id: str
    """The execution (pair opening, closing, hedge, flatten) this order is a child of."""
    purpose: str
    """open, close, hedge, trim, unwind or flatten."""
    data_age_ns: int
    """Age of the quote it was priced on."""


class ApprovedOrder(msgspec.Struct, frozen=True, array_like=True):
    """The only thing a venue accepts. Constructed in `bot/risk` and nowhere else (a test looks)."""

    intent: OrderIntent
    approved_at_ns: Nanos
    fence: int
    """The session's epoch: an order of an older session is recognised by it."""


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """An intent that risk did not approve as it stood: by which limit, its value, and what was allowed."""

    intent: OrderIntent
    limit: str
    value: float
    allowed: float
    shrunk_to_lots: int = 0
    """Approved at so many lots instead; 0: refused."""
