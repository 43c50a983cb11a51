"""A folder of made-up history that a carry bot trades: spot beside a perpetual whose funding is rich, then poor."""

from __future__ import annotations

import math
from pathlib import Path

from tests.history_folders import bars, funding, hours

BEGIN = "2024-01-01"
DAYS = 60
_PRICE = 42_000.0
_RICH_DAYS = 45
_PREMIUM = 0.0004


def made_history(folder: Path, *, altered_from_day: int = DAYS, days: int = DAYS) -> Path:
    """Binance BTC, spot and perpetual, hourly, with settlements every 8 h.

    Args:
        folder: where; it is made.
        altered_from_day: from this day on prices, volumes and rates are others.
        days: how many days there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    times = hours(BEGIN, 24 * days)
    for market, symbol, premium in (("spot", "BTC/USDT", 0.0), ("perp", "BTC/USDT:USDT", _PREMIUM)):
        prices = [_price(place, 24 * altered_from_day) * (1 + premium) for place in range(len(times) + 1)]
        both = list(zip(prices, prices[1:], strict=False))
        bars(folder / f"ohlcv_1h_binance_{market}.parquet", "binance", symbol, times, prices[:-1], close=prices[1:],
             high=[max(pair) * 1.002 for pair in both], low=[min(pair) * 0.998 for pair in both],
             volume=[(40_000.0 if place < 24 * altered_from_day else 90_000.0) for place in range(len(times))])
    settled = hours(BEGIN, 3 * days, 8)
    rates = [_rate(place, 3 * altered_from_day) for place in range(len(settled))]
    funding(folder / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, rates, [8.0] * len(settled))
    return folder


def _price(hour: int, altered_from: int) -> float:
    """A slow swing with a daily one on it, mirrored from the altered hour on."""
    known = min(hour, altered_from)
    return round(_PRICE * (1 + _swing(known) - 3 * (_swing(hour) - _swing(known))), 2)


def _swing(hour: int) -> float:
    return 0.05 * math.sin(hour / 150) + 0.004 * math.sin(hour / 4.1)


def _rate(settlement: int, altered_from: int) -> float:
    if settlement >= altered_from:
        return -0.0005
    return 0.0006 if settlement < 3 * _RICH_DAYS else -0.0008
