"""Parquet files of several coins on one venue, in any length: spot beside a perpetual, funding now rich, now poor."""

from __future__ import annotations

import math
from pathlib import Path

from tests.history_folders import HOUR_S, hours, write

COINS = ("BTC", "ETH", "SOL", "XRP")
BEGIN = "2024-01-01"
_PRICES = {"BTC": 42_000.0, "ETH": 2_300.0, "SOL": 100.0, "XRP": 0.6}
_DIGITS = {"BTC": 1, "ETH": 2, "SOL": 2, "XRP": 4}


def generated_history(folder: Path, *, days: int) -> Path:
    """Hourly bars of Binance spot and perpetuals and their settlements every 8 h, from 2024-01-01."""
    folder.mkdir(parents=True)
    for market in ("spot", "perp"):
        _bars(folder / f"ohlcv_1h_binance_{market}.parquet", market, days)
    times = hours(BEGIN, 3 * days, 8)
    _write(folder / "funding_binance.parquet", [f"{coin}/USDT:USDT" for coin in COINS], times, {
        "funding_rate": [round(0.0002 + 0.0005 * math.sin(place / 40 + number), 8)
                         for number in range(len(COINS)) for place in range(len(times))],
        "interval_hours": [8.0] * len(times) * len(COINS)})
    return folder


def _bars(path: Path, market: str, days: int) -> None:
    times, suffix = hours(BEGIN, 24 * days), ":USDT" if market == "perp" else ""
    columns: dict[str, list[float]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
    for number, coin in enumerate(COINS):
        prices = [_price(coin, number, place, market) for place in range(len(times) + 1)]
        columns["open"] += prices[:-1]
        columns["close"] += prices[1:]
        columns["high"] += [max(pair) for pair in zip(prices, prices[1:], strict=False)]
        columns["low"] += [min(pair) for pair in zip(prices, prices[1:], strict=False)]
        columns["volume"] += [4e7 / _PRICES[coin]] * len(times)
    _write(path, [f"{coin}/USDT{suffix}" for coin in COINS], times, columns)


def _price(coin: str, number: int, hour: int, market: str) -> float:
    swing = 0.05 * math.sin(hour / 150 + number) + 0.004 * math.sin(hour / 4.1)
    premium = 0.0004 + 0.0003 * math.sin(hour / 9) if market == "perp" else 0.0
    return round(_PRICES[coin] * (1 + swing) * (1 + premium), _DIGITS[coin])


def _write(path: Path, symbols: list[str], times: list[int], columns: dict[str, list[float]]) -> None:
    assert all(at % (HOUR_S * 1_000_000_000) == 0 for at in times)
    write(path, {"ts": ("TIMESTAMPTZ", times * len(symbols)),
                 "venue": ("VARCHAR", ["binance"] * len(times) * len(symbols)),
                 "symbol": ("VARCHAR", [symbol for symbol in symbols for _ in times]),
                 **{name: ("DOUBLE", values) for name, values in columns.items()}})
