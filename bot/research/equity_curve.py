"""A run as points in time and the returns between them: what every statistic of the report is made of.

The curve is made of P&L, not of equity levels: return = change of the attribution's total over the equity before it,
so a deposit is never a gain. Daily statistics use only steps of about 24 hours; a broken first or last day and a gap
stay in the curve (net, drawdown, years) but are no daily return.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.values import MONEY, NS_PER_DAY, NS_PER_HOUR, ZERO
from bot.engine.view import AttributionView, PairView
from bot.quant.performance import Vector
from bot.research.run_recorder import PARTS, DayPoint

DAY_MIN_NS: Final = 23 * NS_PER_HOUR
DAY_MAX_NS: Final = 25 * NS_PER_HOUR


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What only the driver knows of a run: its ends, and the venue's own books."""

    start_ns: int
    end_ns: int
    start_equity_usd: str
    end_equity_usd: str
    attribution: AttributionView
    """Cumulative at the end, as the engine shows it."""
    venue_equity_change_usd: str | None
    """Change of the venues' own equity over the run, net of flows; None: their books are not at hand."""
    attribution_start: AttributionView | None = None
    """Cumulative at the start, where the account is older than this run."""
    open_pairs: tuple[PairView, ...] = ()
    """Pairs still held at the end."""
    wall_s: float
    cpu_s: float


class Curve(msgspec.Struct, frozen=True):
    """The run as points in time and the steps between them."""

    points: tuple[DayPoint, ...]
    """Parts cumulative since the start; at least the start and the end."""
    returns: Vector
    """Of each step; NaN from the first step on whose equity before it was not positive."""

    @property
    def index(self) -> Vector:
        """Growth of one dollar; one more point than steps."""
        return np.concatenate(([1.0], np.cumprod(1.0 + self.returns)))

    @property
    def whole_days(self) -> npt.NDArray[np.bool_]:
        """Which steps are a day long."""
        length = np.diff(np.array([point.at_ns for point in self.points], dtype=np.int64))
        return (length >= DAY_MIN_NS) & (length <= DAY_MAX_NS)


def equity_curve(days: Sequence[DayPoint], outcome: RunOutcome) -> Curve:
    """Start, samples strictly between, end; parts counted from the start."""
    zeros = tuple(ZERO for _ in PARTS)
    base = zeros if outcome.attribution_start is None else _parts(outcome.attribution_start)
    inside = [day for day in days if outcome.start_ns < day.at_ns < outcome.end_ns]
    at_ends = {day.at_ns: day.btc_price for day in days}
    points = [DayPoint(at_ns=outcome.start_ns, equity_usd=Decimal(outcome.start_equity_usd), parts_usd=base,
                       btc_price=at_ends.get(outcome.start_ns)), *inside,
              DayPoint(at_ns=outcome.end_ns, equity_usd=Decimal(outcome.end_equity_usd),
                       parts_usd=_parts(outcome.attribution), btc_price=at_ends.get(outcome.end_ns))]
    since = tuple(msgspec.structs.replace(point, parts_usd=minus(point.parts_usd, base)) for point in points)
    gains = np.array([float(total_of(minus(b.parts_usd, a.parts_usd))) for a, b in itertools.pairwise(since)])
    before = np.array([float(point.equity_usd) for point in since[:-1]])
    returns = np.divide(gains, before, out=np.full(len(gains), np.nan), where=before > 0.0)
    return Curve(since, returns)


def btc_returns(curve: Curve) -> Vector:
    """BTC's return over each step; NaN where a price is missing."""
    prices = np.array([np.nan if p.btc_price is None else float(p.btc_price) for p in curve.points])
    returns: Vector = prices[1:] / prices[:-1] - 1.0
    return returns


def days_under_water(curve: Curve, index: Vector) -> float:
    """Days from a peak to the last sample still below it, the longest stretch."""
    longest = peak_ns = 0
    peak = -np.inf
    for point, level in zip(curve.points, index, strict=True):
        if level >= peak:
            peak, peak_ns = level, point.at_ns
        longest = max(longest, point.at_ns - peak_ns)
    return round(longest / NS_PER_DAY, 6)


def _parts(view: AttributionView) -> tuple[Decimal, ...]:
    return tuple(Decimal(getattr(view, name)) for name in PARTS)


def minus(left: Sequence[Decimal], right: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Part by part, exactly."""
    return tuple(MONEY.subtract(a, b) for a, b in zip(left, right, strict=True))


def total_of(parts: Sequence[Decimal]) -> Decimal:
    """The sum of the parts, exactly."""
    total = ZERO
    for part in parts:
        total = MONEY.add(total, part)
    return total
