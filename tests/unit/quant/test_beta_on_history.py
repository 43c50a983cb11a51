"""Betas on real history: they move by regime as measured, and the default foresees the next month best."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import duckdb
import numpy as np
import pytest

from bot.quant.beta import Beta, Prior, ewma_beta, ols_beta, shrunk

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = ("funding_binance", "ohlcv_1h_binance_perp")
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE")
pytestmark = pytest.mark.skipif(
    not all((DATA / f"{name}.parquet").exists() for name in FILES), reason="development data not at ../shared/data",
)


@lru_cache(maxsize=1)
def daily() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Years, and what a long perp earned a day, funding paid; NaN before a listing."""
    rows: dict[str, dict[int, float]] = {}
    for coin in COINS:
        closes = dict(duckdb.execute(
            f"select epoch(ts)::bigint // 86400, close from '{DATA}/ohlcv_1h_binance_perp.parquet' "
            f"where symbol = '{coin}/USDT:USDT' and extract(hour from ts) = 23").fetchall())
        paid = dict(duckdb.execute(
            f"select (epoch(ts)::bigint - 60) // 86400, sum(funding_rate) from '{DATA}/funding_binance.parquet' "
            f"where symbol = '{coin}/USDT:USDT' group by 1").fetchall())
        rows[coin] = {day: closes[day] / closes[day - 1] - 1.0 - paid.get(day, 0.0)
                      for day in closes if day - 1 in closes}
    days = sorted(rows["BTC"])
    years = np.array([int(np.datetime64(day, "D").astype("datetime64[Y]").astype(int)) + 1970 for day in days])
    return years, {coin: np.array([found.get(day, np.nan) for day in days]) for coin, found in rows.items()}


@pytest.mark.parametrize(("coin", "low", "high"), [
    ("ETH", (2023, 0.89), (2025, 1.43)), ("DOGE", (2023, 0.86), (2025, 1.78)),
])
def test_betas_move_by_regime_as_measured(coin: str, low: tuple[int, float], high: tuple[int, float]) -> None:
    """ETH 0.89 in 2023 and 1.43 in 2025; DOGE doubled."""
    years, returns = daily()
    for year, value in (low, high):
        found = ols_beta(returns[coin][years == year], returns["BTC"][years == year], 400)
        assert isinstance(found, Beta)
        assert found.value == pytest.approx(value, abs=0.03)


def test_ewma_shrunk_to_the_prior_foresees_the_next_month_better_than_least_squares() -> None:
    """Mean square error against the beta of the 30 days that follow, four coins, every 30 days from 2021."""
    _, returns = daily()
    market = returns["BTC"]
    errors: dict[str, list[float]] = {"ols": [], "ewma": [], "shrunk": []}
    for coin in COINS[1:]:
        for day in range(400, len(market) - 30, 30):
            before, after = slice(day - 250, day), slice(day, day + 30)
            truth = ols_beta(returns[coin][after], market[after], 30)
            ols = ols_beta(returns[coin][before], market[before])
            ewma = ewma_beta(returns[coin][before], market[before])
            if isinstance(truth, Beta) and isinstance(ols, Beta) and isinstance(ewma, Beta):
                for name, found in (("ols", ols), ("ewma", ewma), ("shrunk", shrunk(ewma, Prior()))):
                    errors[name].append((found.value - truth.value) ** 2)
    mean = {name: float(np.mean(each)) for name, each in errors.items()}
    assert len(errors["ols"]) > 150
    assert mean["shrunk"] < 0.9 * mean["ols"]
    assert mean["shrunk"] < mean["ewma"]
