"""The efficient frontier of perpetuals held for their price and of hedged pairs held for their funding."""

from __future__ import annotations

from typing import Final

import numpy as np

from bot.domain.errors import Unavailable
from bot.quant.allocation_problem import AllocationProblem
from bot.quant.book_limits import BookLimits
from bot.quant.covariance import estimate
from bot.quant.expected_returns import JUMP_LOSS, JUMPS_PER_YEAR, joined, jump_equivalent_variance
from bot.quant.frontier import efficient_frontier
from bot.quant.no_answer import NoAnswer
from bot.research.calculation import Calculation, Row
from bot.research.risk_history import CoinHistory, Vector

_DAYS: Final = 365.0
_RECENT_DAYS: Final = 180
_COST_ANNUAL: Final = 0.012
"""Four round trips of 30 bp a year: what a pair of two thresholds turns over."""
_GROSS_MAX: Final = 2.0
_WEIGHT_MAX: Final = 1.0


def carry_frontier(histories: tuple[CoinHistory, ...]) -> Calculation:
    """Books of least variance over the last 500 days' covariance; funding of the last 180 days is what is expected.

    A perpetual's drift is taken as nothing: a long of it pays funding. A pair earns funding less four round trips of
    costs, and its variance holds rare failures beside the basis: without them every optimiser takes nothing else.

    Raises:
        Unavailable: too little common history.
    """
    funding = np.column_stack([coin.daily_funding()[-_common(histories):] for coin in histories])
    perp = np.column_stack([_returns(coin, coin.perp)[-_common(histories):] for coin in histories])
    spot = np.column_stack([_returns(coin, coin.spot)[-_common(histories):] for coin in histories])
    rows = perp[-500:] - funding[-500:]
    found = estimate(rows[np.isfinite(rows).all(axis=1)])
    if isinstance(found, NoAnswer) or len(found.kept) < len(histories):
        raise Unavailable(found.detail if isinstance(found, NoAnswer) else "a coin's returns cannot be judged")
    paired = [place for place in range(len(histories)) if np.isfinite(spot[-_RECENT_DAYS:, place]).mean() > 0.9]
    expected = np.nanmean(funding[-_RECENT_DAYS:], axis=0) * _DAYS
    basis = [float(np.nanstd(spot[-500:, place] - perp[-500:, place])) * _DAYS**0.5 for place in paired]
    variances = [jump_equivalent_variance(each) for each in basis]
    if any(isinstance(each, NoAnswer) for each in variances):
        raise Unavailable("a pair's basis cannot be judged")
    names = (*(f"{coin.coin} perp" for coin in histories), *(f"{histories[place].coin} carry" for place in paired))
    mu = np.concatenate((-expected, expected[paired] - _COST_ANNUAL))
    lower = np.concatenate((np.full(len(histories), -_WEIGHT_MAX), np.zeros(len(paired))))
    limits = BookLimits(lower=lower, upper=np.full(len(names), _WEIGHT_MAX), gross_max=_GROSS_MAX, names=names)
    covariance = joined(found.matrix * _DAYS, np.array([each for each in variances if isinstance(each, float)]))
    answer = efficient_frontier(
        AllocationProblem(mu=mu, covariance=covariance, held=np.zeros(len(names)), limits=limits), 20)
    if isinstance(answer, NoAnswer):
        raise Unavailable(answer.detail)
    points: list[Row] = []
    for point in answer.points:
        row: Row = {"volatility_annual": point.volatility, "expected_annual": point.expected_return,
                    "leverage": point.gross}
        points.append(row | dict(zip(names, point.weights.tolist(), strict=True)) | {
            "binding": ", ".join(point.binding)})
    alone: list[Row] = [{"asset": name, "volatility_annual": float(covariance[place, place]) ** 0.5,
                         "expected_annual": float(mu[place])} for place, name in enumerate(names)]
    best = answer.best_sharpe
    return Calculation(
        name="frontier", inputs={"rows": len(rows), "recent_days": _RECENT_DAYS, "gross_max": _GROSS_MAX},
        result={"best_sharpe": None if best is None else best.sharpe, "failed_points": len(answer.failed)},
        arithmetic=(f"expected: funding of the last {_RECENT_DAYS} days; pairs less {_COST_ANNUAL:.1%} a year of costs",
                    f"a pair's variance: basis, and {JUMPS_PER_YEAR:g} failures a year of {JUMP_LOSS:.0%} of notional"),
        conventions=("past funding is no promise; the curve shows the shape of the choice, not a forecast",),
        tables={"frontier": tuple(points), "assets": tuple(alone)},
    )


def _returns(coin: CoinHistory, prices: Vector) -> Vector:
    daily = coin.daily(prices)
    return np.asarray(daily[1:] / daily[:-1] - 1.0)


def _common(histories: tuple[CoinHistory, ...]) -> int:
    """Days that all coins have, counted from the end."""
    if len({int(coin.closed_ns[-1]) for coin in histories}) > 1:
        raise Unavailable("the coins' histories end at different hours; give --to a date all of them reach")
    return min(len(coin.day_ns) for coin in histories) - 1
