"""The risk sheet: every limit with its headroom, caps and why, the tail, stress, margin, forecasts against outcomes.

Plain values for `risk --json`, the journal and the screen. Money is USD as float, rounded to the cent where it is made.
"""

from __future__ import annotations

import msgspec

from bot.domain.values import Nanos
from bot.risk.governor import Cut


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One limit."""

    limit: str
    scope: str
    """What it is of: `book`, a venue, a coin, a bucket."""
    value: float | None
    """None: not known, which counts as a breach for whatever would be added."""
    allowed: float
    unit: str
    """`usd`, `x`, `%`, `share`."""
    state: str
    """`ok`, `soft` (nothing is added), `hard` (the book is cut), `unknown`."""


class CoinRow(msgspec.Struct, frozen=True, kw_only=True):
    """One coin: its volatility, where it is from, and its leverage caps."""

    coin: str
    instrument: str
    sigma_day_pct: float | None
    """The one behind the caps; None: unknown, the coin is not traded."""
    source: str
    sigma_size_day_pct: float | None
    source_size: str
    models: tuple[tuple[str, float], ...]
    """Every forecast, per cent a day, by name."""
    reasons: tuple[str, ...]
    cap_short: float
    cap_long: float
    binding_short: str
    binding_long: str
    distance_short_pct: float | None
    """Rise that the cap of a short keeps away from liquidation."""
    jump_short_pct: float | None
    """The worst rise within 8 h that it must outlast."""
    fitted_model: str
    fit_age_days: float | None
    fit_points: int
    persistence: float | None
    nu: float | None
    loglik_point: float | None
    bic: float | None
    barrier_scale: float = 1.0
    """Factor on volatility from the coin's own windows that are over ..."""
    barrier_windows: int = 0
    """... so many of them."""
    tiers_short_pct: float | None = None
    """What higher tiers ask of a short beside 1 / cap, per cent of notional, at the most a coin may bind."""


class TailRow(msgspec.Struct, frozen=True, kw_only=True):
    """The tail of the book over one day."""

    method: str
    reason: str
    level_es: float
    es_usd: float | None
    var_es_level_usd: float | None
    var95_usd: float | None
    var99_usd: float | None
    parts: tuple[tuple[str, float], ...]
    """Expected shortfall by pair; sums to the whole."""
    tightened: float
    """Factor on the limit after the tests of the record have rejected the forecasts; 1: none has."""
    tightened_why: str


class StressRow(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario's outcome."""

    name: str
    text: str
    history: bool
    accepted: bool
    pnl_usd: float
    pnl_pct: float
    margin_left_usd: float | None
    liquidated: tuple[str, ...]
    naked_usd: float
    delta_end_usd: float
    topped_up_usd: float
    shrunk_pct: float


class MarginRow(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's futures wallet."""

    venue: str
    equity_usd: float | None
    notional_usd: float | None
    maintenance_usd: float | None
    needed_usd: float | None
    """Equity that all its caps ask for."""
    leverage: float | None
    """Effective: gross notional over equity now."""
    leverage_allowed: float | None
    distance_pct: float | None
    """Adverse move of all its marks that liquidates."""
    reference_pct: float | None
    """The distance it is steered to ..."""
    top_up_below_pct: float | None
    """... money moves below this one ..."""
    reduce_below_pct: float | None
    """... and both legs shrink below this one."""


class TailDay(msgspec.Struct, frozen=True, array_like=True):
    """One day's forecast for the book held at its beginning, and what that book then made."""

    day: int
    """Days since 1970-01-01 of the 00 UTC at which it begins."""
    var95_usd: float
    var99_usd: float
    es_usd: float
    pnl_usd: float
    equity_usd: float
    var975_usd: float
    method: str = "fhs"
    """Of the forecast (`BookTail.method`)."""

    @property
    def breach99(self) -> bool:
        """Whether the day lost more than its 99 % VaR."""
        return self.pnl_usd < -self.var99_usd


class ForecastTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test of the record."""

    name: str
    statistic: float | None
    p_value: float | None
    rejected: bool
    text: str


class CutRow(msgspec.Struct, frozen=True, kw_only=True):
    """A cut, and when."""

    at_ns: Nanos
    cut: Cut


class BetaRow(msgspec.Struct, frozen=True, kw_only=True):
    """The book's beta to the market, and the hedge that keeps it in its band, as the last decision left them."""

    at_ns: Nanos
    beta_before: float | None
    """Per unit of equity, the hedge as held; None: a beta or a price is not known."""
    beta: float | None
    """With the hedge as wanted."""
    target_beta: float
    band: float
    inside: bool | None
    exposure_usd: float | None
    """Beta times notional of everything but the hedge."""
    instrument: str
    hedge_usd: float
    """Signed notional of the hedge as wanted."""
    reason: str
    cap: str
    cap_usd: float | None
    coins: tuple[tuple[str, float, float], ...]
    """Coin, its beta to the market, standard error."""


class RiskSheet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the governor knows and did."""

    at_ns: Nanos
    enabled: bool
    equity_usd: float
    verdict: str
    """`ok`, `soft` or `hard`: the worst state of any limit; `off` with the governor off."""
    reviewed_ns: Nanos | None
    """When the whole book was last reviewed."""
    limits: tuple[LimitRow, ...]
    coins: tuple[CoinRow, ...]
    tail: TailRow | None
    """None: nothing is held."""
    stress: tuple[StressRow, ...]
    """Worst first."""
    margin: tuple[MarginRow, ...]
    record_days: int
    breaches99: int
    recent: tuple[TailDay, ...]
    """The last 30 days of the record."""
    tests: tuple[ForecastTest, ...]
    cuts: tuple[CutRow, ...]
    """The last 50."""
    beta: BetaRow | None = None
    """None before the first decision."""
