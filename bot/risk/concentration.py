"""Buckets of coins that move together, and the drawdown ladder: how much capital pairs may bind at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from bot.domain.values import Coin, InstrumentId
from bot.market.panel import Panel
from bot.risk.governor_params import GovernorParams

DAYS: Final = 180
ROWS_MIN: Final = 60


def buckets_of(panel: Panel, perps: Mapping[Coin, InstrumentId], correlation_min: float) -> dict[Coin, int]:
    """Coins joined wherever two daily returns correlate at least so much, numbered by the first coin's name.

    Coins that stand alone are left out: each has a limit of its own. So are those of fewer than `ROWS_MIN` joint days:
    what is not known is not joined.
    """
    coins = sorted(perps)
    bucket = {coin: number for number, coin in enumerate(coins)}
    for place, one in enumerate(coins):
        for other in coins[:place]:
            if bucket[one] != bucket[other] and _correlation(panel, perps[one], perps[other]) >= correlation_min:
                joined, kept = max(bucket[one], bucket[other]), min(bucket[one], bucket[other])
                bucket = {coin: kept if number == joined else number for coin, number in bucket.items()}
    numbers = list(bucket.values())
    return {coin: number for coin, number in bucket.items() if numbers.count(number) > 1}


def _correlation(panel: Panel, one: InstrumentId, other: InstrumentId) -> float:
    rows = panel.joint_rows((one, other), DAYS)
    if len(rows.days) < ROWS_MIN:
        return 0.0
    first, second = rows.returns[:, 0] - rows.returns[:, 0].mean(), rows.returns[:, 1] - rows.returns[:, 1].mean()
    scale = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def capital_scale(drawdown_pct: float, params: GovernorParams) -> float:
    """Share of the usual capital that pairs may bind: 1 down to the first rung, then linearly to 0 at the last."""
    first, last = params.drawdown_scale_from_pct, params.drawdown_scale_to_pct
    return min(max((last - drawdown_pct) / (last - first), 0.0), 1.0)
