"""Stress losses of an actual book: every scenario through margin, liquidation and what the bot does about it.

The worst is a limit. P&L is the lowest marked wealth along the path (in a depeg: the end's, at the stablecoin's value),
so a loss that recovers counts. Source: quant-reference section 14.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from bot.domain.values import InstrumentId
from bot.quant.book_paths import run_paths
from bot.quant.path_book import BookLegs, KeeperRule, PathOutcome
from bot.risk.scenarios import SCENARIOS, Scenario
from bot.risk.stress_book import StressBook, Told, arrays_of, steps_of, tell


class StressLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stress may cost, and how the keeper acts meanwhile."""

    stress_loss_max_pct: float = 10.0
    """Largest loss of equity in any scenario that is not accepted."""
    stress_accepted: tuple[str, ...] = ("venue_lost", "stablecoin")
    """Scenarios that bind nothing, by name: the operator knows. These two take idle cash as well as positions, so that
    no smaller book would pass them; what bounds them is the share of equity per venue and per stablecoin."""
    margin_top_up_share: float = 0.60
    margin_reduce_share: float = 0.40
    """Shares of the reference distance at which the margin keeper tops up and shrinks."""

    def __post_init__(self) -> None:
        """Bounds, and names that exist."""
        if not 0.0 < self.stress_loss_max_pct <= 50.0:
            raise ValueError("stress_loss_max_pct must be above 0 and at most 50")
        if not 0.0 < self.margin_reduce_share < self.margin_top_up_share < 1.0:
            raise ValueError("0 < margin_reduce_share < margin_top_up_share < 1 must hold")
        known = {scenario.name for scenario in SCENARIOS}
        for name in self.stress_accepted:
            if name.partition(":")[0] not in known:
                raise ValueError(f"stress_accepted: {name!r} is no scenario; known: {', '.join(sorted(known))}")

    def accepts(self, name: str) -> bool:
        """Whether the scenario, or its telling of one venue or stablecoin, is accepted."""
        return name in self.stress_accepted or name.partition(":")[0] in self.stress_accepted


class StressResult(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario's outcome."""

    name: str
    text: str
    history: bool
    pnl_usd: float
    pnl_pct: float
    """Of equity; NaN without equity."""
    margin_left_usd: float | None
    """Least equity over maintenance of any pool along the path; None without perps."""
    liquidated: tuple[InstrumentId, ...]
    naked_usd: float
    """Largest net notional beyond the book's own, right after an event and before its repair."""
    delta_end_usd: float
    """Net notional at the end, signs of coins cancelled within each coin only."""
    topped_up_usd: float
    shrunk_pct: float
    """Share of the gross quantity that is gone at the end: liquidated, closed by ADL, trimmed."""
    costs_usd: float


class StressBreach(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario over its limit."""

    name: str
    limit: str
    value: float
    allowed: float


class StressSheet(msgspec.Struct, frozen=True, kw_only=True):
    """All scenarios, worst first."""

    equity_usd: float
    results: tuple[StressResult, ...]
    not_computed: tuple[str, ...] = ()
    """Scenarios told in standard deviations while a coin's volatility is not known."""

    def worst(self, limits: StressLimits) -> StressResult | None:
        """The largest loss among scenarios that are not accepted."""
        return next((result for result in self.results if not limits.accepts(result.name)), None)

    def breaches(self, limits: StressLimits) -> tuple[StressBreach, ...]:
        """Losses above the limit, and legs liquidated in a history; those accepted by name left out."""
        found: list[StressBreach] = []
        for result in self.results:
            if limits.accepts(result.name):
                continue
            if not -result.pnl_pct <= limits.stress_loss_max_pct:  # NaN breaches
                found.append(StressBreach(name=result.name, limit="stress_loss_max_pct", value=-result.pnl_pct,
                                          allowed=limits.stress_loss_max_pct))
            if result.history and result.liquidated:
                found.append(StressBreach(name=result.name, limit="stress_liquidated_legs",
                                          value=float(len(result.liquidated)), allowed=0.0))
        return tuple(found)


def stress(book: StressBook, limits: StressLimits, scenarios: Sequence[Scenario] = SCENARIOS) -> StressSheet:
    """Apply every scenario to the book; about 3 ms for 40 legs.

    Raises:
        ValueError: if a notional or a wallet is not finite, or a leg's venue has no pool.
    """
    told, unknown = tell(scenarios, book)
    equity = book.equity_usd
    if not told or not book.legs:
        return StressSheet(equity_usd=equity, results=(), not_computed=unknown)
    book = msgspec.structs.replace(book, legs=tuple(sorted(book.legs, key=lambda leg: not leg.is_perp)))
    legs, pools = arrays_of(book)  # perps first: the path engine then works on slices
    reference = [math.nan if pool.reference_distance is None else pool.reference_distance for pool in book.pools]
    given = not all(math.isnan(each) for each in reference)
    rule = KeeperRule(top_up_share=limits.margin_top_up_share, reduce_share=limits.margin_reduce_share,
                      reference_distance=np.array(reference) if given else None)
    outcome = run_paths(legs, pools, rule, steps_of(told, book, legs), len(told))
    results = [_result(row, each, book, legs, outcome) for row, each in enumerate(told)]
    return StressSheet(equity_usd=equity, results=tuple(sorted(results, key=lambda each: each.pnl_usd)),
                       not_computed=unknown)


def _result(row: int, told: Told, book: StressBook, legs: BookLegs, outcome: PathOutcome) -> StressResult:
    """One path in words and USD."""
    scenario = told.scenario
    start, costs = outcome.wealth_start_usd, float(outcome.costs_usd[row])
    wealth = float(outcome.wealth_min_usd[row])
    if told.quote:
        worth = np.array([scenario.quote_value if pool.quote == told.quote else 1.0 for pool in book.pools])
        wealth = float(outcome.wealth_venue_usd[row] @ worth)
    if scenario.unwind:
        closing = float(np.abs(outcome.legs_end_usd[row]) @ (legs.fee_rate + legs.half_spread * scenario.spread_x))
        costs += closing
        wealth -= closing
    nets = np.bincount(legs.coin, weights=outcome.legs_end_usd[row])
    margin = float(outcome.margin_left_usd[row])
    return StressResult(
        name=told.name, text=scenario.text, history=scenario.history, pnl_usd=wealth - start,
        pnl_pct=100.0 * (wealth - start) / start if start > 0.0 else math.nan,
        margin_left_usd=margin if math.isfinite(margin) else None,
        liquidated=tuple(book.legs[place].instrument for place in np.flatnonzero(outcome.liquidated[row])),
        naked_usd=float(outcome.naked_max_usd[row]),
        delta_end_usd=0.0 if scenario.unwind else float(np.abs(nets).sum()),
        topped_up_usd=float(outcome.topped_up_usd[row]),
        shrunk_pct=100.0 if scenario.unwind else 100.0 * (1.0 - float(outcome.gross_kept[row])), costs_usd=costs,
    )
