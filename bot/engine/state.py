"""The engine's whole memory, as plain values: its encoding is the snapshot."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.values import Coin, InstrumentId, Nanos, OrderId, Owner, Venue
from bot.engine.governor_state import GovernorState
from bot.engine.step import DecisionRecord
from bot.engine.view import AlertView
from bot.execution.order_states import Order
from bot.market.panel import Panel
from bot.market.rules import RuleChange
from bot.market.state import MarketState
from bot.portfolio.hedge_legs import HedgeState
from bot.portfolio.ledger_state import LedgerState
from bot.portfolio.pairs import Pair
from bot.risk.breaker import Breaker
from bot.risk.leverage import CoinCaps
from bot.risk.models import ModelsState
from bot.risk.modes import ModeState
from bot.risk.peg import PegGuard
from bot.risk.stops import StopState
from bot.risk.throttle import ThrottleState


class Session(msgspec.Struct):
    """Who we are and since when."""

    epoch: int = 0
    account: str = ""
    kind: str = ""
    build: str = ""
    config_hash: str = ""
    cadence_s: float = 1.0
    trade_from_ns: Nanos = Nanos(0)
    trading: bool = False
    """Past `trade_from_ns`: accounts are read and decisions taken."""
    orders_made: int = 0
    """Counter of intents of this epoch."""


class VenueState(msgspec.Struct):
    """What we know of our side of a venue."""

    venue: Venue
    connected: bool = True
    cursor: int = 0
    reads: int = 0
    read_id: str = ""
    """The account read that is out; empty if none."""
    read_ns: Nanos = Nanos(0)
    next_read_ns: Nanos | None = None
    reconciled_ns: Nanos | None = None
    differences: int = 0
    """Reads in a row that disagreed with our books."""
    difference: str = ""
    """What the last of them showed."""
    lost_transfer: str = ""
    """Transfers from here that one read has shown never to have left."""
    lost_seen_ns: Nanos = Nanos(0)
    """When the venue looked for that read."""
    reference_distance: float | None = None
    """Distance to liquidation when the pool's pairs were last built."""
    reference_stale: bool = False
    """A pair was just built or resized here: take the reference anew."""
    next_margin_ns: Nanos = Nanos(0)
    margin_due: bool = False
    """Marks moved: the pool is judged at the end of this instant."""
    waits: dict[str, Nanos] = {}
    """Until when the venue asked us to wait, by reason (`rate_desk`)."""
    reads_failed: int = 0
    """Account reads in a row that got no usable answer."""
    breakers: dict[str, Breaker] = {}
    """Circuit breakers by class of error (`risk/breaker`)."""
    moved_ns: Nanos = Nanos(0)
    """When something of ours was last booked here: reads may lag behind it."""
    armed_ns: Nanos | None = None
    """When its dead-man switch was last armed; None: it is not."""
    down_since_ns: Nanos | None = None
    down_paged_ns: Nanos | None = None
    reported_ns: Nanos = Nanos(0)
    """When its account was last read."""
    flat_proven_ns: Nanos | None = None
    """When the venue itself last showed no position and no open order."""

    @property
    def reads_from_ns(self) -> int:
        """When this venue may be read again; 0: at once. Maintenance does not stop reads."""
        return max((until for name, until in self.waits.items() if name != "maintenance"), default=0)


class EngineState(msgspec.Struct):
    """Everything. Two replays of one journal give the same bytes."""

    now_ns: Nanos = Nanos(0)
    session: Session = msgspec.field(default_factory=Session)
    market: MarketState = msgspec.field(default_factory=MarketState)
    panel: Panel = msgspec.field(default_factory=Panel)
    models: ModelsState = msgspec.field(default_factory=ModelsState)
    caps: dict[Coin, CoinCaps] = {}
    """Leverage caps in use."""
    governor: GovernorState = msgspec.field(default_factory=GovernorState)
    ledger: LedgerState = msgspec.field(default_factory=LedgerState)
    modes: ModeState = msgspec.field(default_factory=ModeState)
    stops: StopState = msgspec.field(default_factory=StopState)
    pegs: dict[str, PegGuard] = {}
    """Quote currencies of which a price has been told."""
    pegs_due: bool = False
    """A price moved: it is judged at the end of this instant."""
    venues: dict[Venue, VenueState] = {}
    orders: dict[OrderId, Order] = {}
    live_orders: dict[OrderId, None] = {}
    pairs: dict[Owner, Pair] = {}
    """Pairs that are not FLAT, and flat ones of the last days (late fills find them)."""
    pair_wakes: dict[Owner, Nanos] = {}
    hedge: HedgeState = msgspec.field(default_factory=HedgeState)
    left_ns: dict[str, Nanos] = {}
    """When each candidate (`long|short`) was last left."""
    pairs_made: int = 0
    pairs_closed: int = 0
    transfers: dict[str, Nanos] = {}
    """Our transfers under way, and since when."""
    transfers_overdue: dict[str, None] = {}
    """Those that have been alerted."""
    transfers_made: int = 0
    rule_changes: list[tuple[InstrumentId, RuleChange]] = []
    """Changed rules that are folded and not yet acted upon."""
    delistings: dict[InstrumentId, Nanos] = {}
    """Instruments whose end is announced, and when to look at them next."""
    rejects: dict[InstrumentId, list[tuple[Nanos, str]]] = {}
    recent_opens: list[tuple[Nanos, float]] = []
    """Opening orders of the last hour: (sent, notional USD)."""
    throttle: ThrottleState = msgspec.field(default_factory=ThrottleState)
    wake_ns: Nanos | None = None
    next_rebalance_ns: Nanos | None = None
    ticks_until_ns: Nanos = Nanos(0)
    start_equity_usd: Decimal = Decimal(0)
    alerts: list[AlertView] = []
    notes: list[str] = []
    decision: DecisionRecord | None = None
    decisions_made: int = 0
    idle_reasons: dict[str, int] = {}
    killed_flatten: bool = False
    """The kill switch was ordered to end flat (not `--hold`)."""
    kill_page_ns: Nanos | None = None
    """When a person is paged (again) about a kill that is not proven flat."""
    dust_look_ns: Nanos | None = None
    """When to see whether dust has grown to an order."""
    dust_tries: int = 0
