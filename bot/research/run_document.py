"""The report of a run as one JSON document: what `backtest --json`, `run --for --json` and `report` write and read.

Money is a decimal string in USD, instants are ISO 8601 in UTC, every other value is a number or null: null means that
it cannot be known from this run, never zero. Returns are sampled daily at 00 UTC, net of deposits and withdrawals.
"""

from __future__ import annotations

from typing import Any

import msgspec


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What ran, so that the same numbers can be made again."""

    version: str
    config_hash: str
    data_hash: str
    code_hash: str
    seed: int | None
    fill_model: str
    kind: str


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From the run's first instant to its last."""

    start: str
    end: str
    days: float


class EquityUsd(msgspec.Struct, frozen=True, kw_only=True):
    """Marked equity at both ends."""

    start: str
    end: str


class AttributionUsd(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run's P&L came from (quant reference 15.1)."""

    price: str
    basis: str
    funding: str
    fees: str
    slippage: str
    borrow: str
    total: str
    residual: str | None
    """Change of the venues' own equity, net of flows, minus `total`: 0 or the books disagree. Null: not checked."""


class BetaBtc(msgspec.Struct, frozen=True, kw_only=True):
    """Slope of daily returns on BTC's, with its HAC standard error."""

    value: float | None
    se: float | None


class Unhedged(msgspec.Struct, frozen=True, kw_only=True):
    """Imbalances between legs: the longest, and the 99th percentile of their size against equity."""

    seconds_max: float
    notional_p99_pct: float
    imbalances: int
    """Without any, both numbers above are a measured 0."""


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pair; `close` is null and `exit_reason` is `open` while it is held."""

    pair_id: str
    symbol: str
    venues: tuple[str, str]
    """Of the long and of the short leg."""
    long_leg: str
    short_leg: str
    notional_usd: str
    open: str | None
    close: str | None
    held_h: float | None
    funding_usd: str
    forecast_usd: str | None
    fees_usd: str
    net_usd: str
    exit_reason: str


class YearRow(msgspec.Struct, frozen=True, kw_only=True):
    """One calendar year (UTC), or the part of it that was run."""

    year: int
    net_pct: float | None
    pnl_usd: str
    price_usd: str
    basis_usd: str
    funding_usd: str
    fees_usd: str
    slippage_usd: str
    borrow_usd: str
    idle_share: float | None
    """Share of the hourly decisions that held no pair."""
    idle_reasons: dict[str, float]
    """Share of all hours per reason; they sum to `idle_share`."""


class MonthRow(msgspec.Struct, frozen=True, kw_only=True):
    """One calendar month."""

    month: str
    net_pct: float | None
    funding_usd: str


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of the curve: the start, every 00 UTC, the end. Amounts are cumulative since the start."""

    at: str
    equity_usd: str
    pnl_usd: str
    funding_usd: str
    btc_price: str | None


class RiskEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A liquidation, a deleveraging, or an alert of the engine."""

    at: str
    name: str
    text: str


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    run: RunIdentity
    period: Period
    coverage: tuple[dict[str, Any], ...]
    equity_usd: EquityUsd
    net_pct: float | None
    cagr_pct: float | None
    attribution_usd: AttributionUsd
    sharpe: float | None
    sharpe_se: float | None
    sharpe_autocorr: float | None
    vol_annual_pct: float | None
    max_drawdown_pct: float | None
    """Depth as a positive number."""
    days_under_water: float | None
    """The longest stretch below a former peak, in days."""
    sortino: float | None
    calmar: float | None
    hit_rate: float | None
    beta_btc: BetaBtc
    unhedged: Unhedged
    liquidations: int
    orders: int
    fills: int
    turnover: float | None
    """Traded notional over mean equity, for the whole run."""
    pairs: tuple[PairRow, ...]
    by_year: tuple[YearRow, ...]
    by_month: tuple[MonthRow, ...]
    decisions: dict[str, int]
    """Candidates judged, by the one reason that decided."""
    rebalances: int
    refusals: dict[str, int]
    """Orders that our own limits refused, by limit."""
    rejects: dict[str, int]
    """Orders that a venue refused, by reason."""
    funding_payments: int
    risk_events: tuple[RiskEvent, ...]
    risk_event_counts: dict[str, int]
    daily: tuple[DayRow, ...]
    wall_s: float
    cpu_s: float


def encode_report(report: RunReport) -> bytes:
    """One JSON document, stable key order, ending in a newline."""
    return msgspec.json.encode(report) + b"\n"


def decode_report(document: bytes) -> RunReport:
    """Read a document back.

    Raises:
        msgspec.ValidationError: if it is not a run report; the message names the place.
    """
    return msgspec.json.decode(document, type=RunReport)
