"""Hourly history for risk studies: each figure on the hour it became known, gaps as NaN, sources named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR
from bot.research.risk_history import from_demo, from_folder
from bot.storage.history import HistoryFolder
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.path import simulate_days
from tests.history_folders import bars, funding, hours

START_NS = 1_735_689_600_000_000_000
HOURS = 130 * 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A perpetual without marks, its spot with a missing hour, and funding every 8 h."""
    times = hours("2024-01-01", HOURS)
    opens = [100.0 + place for place in range(HOURS)]
    bars(tmp_path / "ohlcv_1h_binance_perp.parquet", "binance", "BTC/USDT:USDT", times, opens)
    bars(tmp_path / "ohlcv_1h_binance_spot.parquet", "binance", "BTC/USDT", [*times[:50], *times[51:]],
         [*opens[:50], *opens[51:]])
    settled = hours("2024-01-01", HOURS // 8 + 1, 8)
    funding(tmp_path / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, [1e-4] * len(settled),
            [8.0] * len(settled))
    return tmp_path


def test_a_close_stands_at_the_end_of_its_hour(folder: Path) -> None:
    """A bar that opens at midnight is known at 01:00; a missing hour is NaN, not the last one."""
    (coin,) = from_folder(HistoryFolder(folder), "binance", ("BTC",))
    assert int(coin.closed_ns[0]) % NS_PER_DAY == NS_PER_HOUR
    assert len(coin.perp) == HOURS
    assert np.isnan(coin.spot[50])
    assert int(np.isnan(coin.spot).sum()) == 1
    assert coin.source.startswith("close for mark")


def test_funding_stands_at_its_settlement_and_sums_by_day(folder: Path) -> None:
    """Three settlements of 1 bp a day."""
    (coin,) = from_folder(HistoryFolder(folder), "binance", ("BTC",))
    assert np.allclose(coin.daily_funding(), 3e-4)
    assert np.flatnonzero(coin.funding)[0] == 7  # 08:00 is the eighth hour's end
    assert len(coin.daily(coin.perp)) == len(coin.day_ns) == len(coin.daily_funding()) + 1


def test_what_is_not_there_is_refused_by_name(folder: Path) -> None:
    """A coin without a series, and a period too short to say anything."""
    with pytest.raises(DataRefused, match="ETH"):
        from_folder(HistoryFolder(folder), "binance", ("ETH",))
    with pytest.raises(DataRefused, match="2880 are needed"):
        from_folder(HistoryFolder(folder), "binance", ("BTC",), to_ns=1_704_067_200_000_000_000 + 40 * NS_PER_DAY)


def test_the_demo_gives_the_same_figures_as_its_path() -> None:
    """Marks, spot and settlements of the embedded market at each hour's end."""
    params = EmbeddedParams()
    (coin,) = from_demo(params, 7, ("ETH",), 2, START_NS)
    block = next(iter(simulate_days(params, 7, 1)))
    assert len(coin.closed_ns) == 48
    assert (coin.perp > 0).all()
    assert coin.funding[:24].sum() != 0
    settled = {(row.minute // 60 - 1): row.rate_e8 * 1e-8 for row in block.funding.settlements}
    assert set(np.flatnonzero(coin.funding[:24]).tolist()) <= set(settled)
    with pytest.raises(DataRefused, match="NOPE"):
        from_demo(params, 7, ("NOPE",), 1, START_NS)
