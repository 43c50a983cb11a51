"""What the governor remembers between decisions: the last review, its cuts, forecasts against outcomes."""

from __future__ import annotations

import msgspec

from bot.domain.values import Nanos
from bot.risk.book_tail import PairLegs
from bot.risk.governor import Cut
from bot.risk.sheet import CutRow, ForecastTest, StressRow, TailDay

CUTS_KEPT = 50
RECORD_DAYS_MAX = 750


class PendingDay(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast for the day that is running: the book it is of, by pair key, and its figures in USD."""

    day: int
    legs: tuple[PairLegs, ...]
    sizes: dict[str, float]
    var95_usd: float
    var99_usd: float
    var975_usd: float
    es_usd: float
    equity_usd: float
    shape: tuple[float, ...]
    """Loss over ES of the forecast's own worst rows."""
    method: str = "fhs"


class GovernorState(msgspec.Struct):
    """The last review and the record."""

    reviewed_ns: Nanos | None = None
    day: int = 0
    """The daily close that the review knows."""
    sizes: dict[str, float] = {}
    """The book it was of."""
    equity_usd: float = 0.0
    hedge_usd: float = 0.0
    """Signed notional of the hedge in it."""
    es_usd: float | None = None
    var_usd: float | None = None
    es_limit_usd: float = 0.0
    method: str = ""
    reason: str = ""
    parts: dict[str, float] = {}
    stress: tuple[StressRow, ...] = ()
    stress_ns: Nanos | None = None
    stress_sizes: dict[str, float] = {}
    stress_equity_usd: float = 0.0
    cuts: list[CutRow] = []
    pending: PendingDay | None = None
    record_day: int = 0
    """The day whose forecast has been made."""
    record: list[TailDay] = []
    tests: tuple[ForecastTest, ...] = ()
    tightened: float = 1.0
    tightened_why: str = ""
    scale: float = 1.0
    """What the drawdown ladder leaves of the capital that pairs may bind."""
    volatility_scale: float | None = None
    """What the volatility target left of the book at the last decision; None: there is no target, or no book."""
    not_sized: str = ""
    """Why the sizing program had no optimum at the last decision that asked it; empty if it had."""

    def remember(self, at_ns: Nanos, cuts: tuple[Cut, ...]) -> None:
        """Keep the newest cuts."""
        self.cuts.extend(CutRow(at_ns=at_ns, cut=cut) for cut in cuts)
        del self.cuts[:-CUTS_KEPT]


class GovernorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the governor found at one decision, and what bound."""

    reviewed: bool
    """False: nothing would change, and nothing has moved enough since the last review."""
    es_usd: float | None
    es_limit_usd: float
    method: str
    reason: str
    worst_scenario: str
    worst_pct: float | None
    stress_limit_pct: float
    capital_scale: float
    cuts: tuple[Cut, ...]
