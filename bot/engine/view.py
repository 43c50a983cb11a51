"""What a person or a script sees of the engine: one frozen picture, taken between two steps."""

from __future__ import annotations

import msgspec

from bot.domain.values import Nanos


class AttributionView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the P&L came from, USD as decimal strings (quant reference 15.1)."""

    price: str
    basis: str
    funding: str
    fees: str
    slippage: str
    borrow: str
    total: str


class LegView(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a pair."""

    instrument: str
    quantity_base: str
    value_usd: str
    price: str
    liquidation_distance_pct: float | None


class PairView(msgspec.Struct, frozen=True, kw_only=True):
    """One pair, both legs."""

    pair_id: str
    coin: str
    state: str
    long_leg: LegView
    short_leg: LegView
    notional_usd: str
    target_notional_usd: str
    delta_usd: str
    unhedged_s: float
    opened_ns: Nanos | None
    funding_usd: str
    fees_usd: str
    net_usd: str
    forecast_annual_pct: float | None
    next_funding_ns: Nanos | None
    basis_bps: float | None
    reason: str


class ReasonView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a mode holds, since when, and what lifts it."""

    name: str
    since_ns: Nanos
    text: str
    lifted_by: str


class InstrumentModeView(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument that has reasons of its own."""

    instrument: str
    venue: str
    mode: str
    """The strictest of account, venue and instrument."""
    reasons: tuple[ReasonView, ...]


class VenueView(msgspec.Struct, frozen=True, kw_only=True):
    """One venue as we know it."""

    venue: str
    data_age_s: float | None
    connected: bool
    reconciled_ns: Nanos | None
    blocked: tuple[str, ...]
    spot_usd: str
    futures_usd: str
    equity_usd: str
    margin_used_pct: float | None
    open_orders: int
    positions: int
    mode: str = ""
    """RUN, REDUCE_ONLY or HALTED there, the account's own mode included; empty: not told."""
    reasons: tuple[ReasonView, ...] = ()
    """All that hold at this venue, what halts it first; the account's own stand beside its mode."""


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one owner."""

    instrument: str
    owner: str
    quantity_base: str
    average_price: str
    price: str
    value_usd: str
    unrealised_usd: str
    realised_usd: str
    funding_usd: str
    fees_usd: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order in any state."""

    order_id: str
    at_ns: Nanos
    instrument: str
    owner: str
    side: str
    quantity_base: str
    filled_base: str
    limit_price: str
    state: str
    purpose: str


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """One limit with its headroom."""

    limit: str
    value: float
    allowed: float
    unit: str


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that nobody has acknowledged."""

    at_ns: Nanos
    name: str
    text: str
    page: bool


class HedgeView(msgspec.Struct, frozen=True, kw_only=True):
    """The book's beta as the last decision found it, and the hedge as it is now."""

    at_ns: Nanos | None
    """When the beta was last measured; None: no decision yet."""
    beta: float | None
    """Of the whole book per unit of equity, the hedge as that decision wanted it; None: not known."""
    target_beta: float
    band: float
    reason: str
    """`in_band`, `to_edge`, `capped`, ...: why the hedge is what it is."""
    state: str
    """`none`, `held` or `trading`."""
    instrument: str
    """Of the largest leg; empty if there is none."""
    notional_usd: str
    """Signed, all legs."""
    net_usd: str
    """All that the hedge has made since the beginning: price, funding, fees and slippage."""


class StorageView(msgspec.Struct, frozen=True, kw_only=True):
    """How the records are kept; the shell adds it, the engine knows nothing of disks."""

    disk: str
    """good, low, full or unknown."""
    free_mib: float | None
    ballast: bool
    failure: str
    """Why the last commit failed; empty while storage works."""
    journal_mib: float | None
    last_backup: str
    """The newest backup's file name; empty if there is none."""
    last_backup_ns: int | None
    """Wall time."""
    chain_verified_ns: int | None
    """Wall time of the last whole check of this session that found nothing."""
    chain_findings: int


class EngineView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole picture."""

    at_ns: Nanos
    kind: str
    account: str
    epoch: int
    mode: str
    mode_reasons: tuple[str, ...]
    equity_usd: str
    start_equity_usd: str
    net_pct: float
    day_usd: str
    drawdown_pct: float
    attribution: AttributionView
    unhedged_usd: str
    unhedged_s: float
    gross_usd: str
    pairs: tuple[PairView, ...]
    closed_pairs: int
    venues: tuple[VenueView, ...]
    positions: tuple[PositionView, ...]
    orders_open: tuple[OrderView, ...]
    orders_unknown: int
    limits: tuple[LimitView, ...]
    alerts: tuple[AlertView, ...]
    next_funding_ns: Nanos | None
    idle_reasons: tuple[tuple[str, int], ...]
    last_decision_ns: Nanos | None
    last_notes: tuple[str, ...]
    hedge: HedgeView | None = None
    """None where no book stands behind the picture (a rescue)."""
    reasons: tuple[ReasonView, ...] = ()
    """Of the account's mode, HALTED's first."""
    instrument_modes: tuple[InstrumentModeView, ...] = ()
    storage: StorageView | None = None
    """None where nothing is kept (a backtest)."""
