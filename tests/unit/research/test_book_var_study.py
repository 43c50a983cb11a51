"""The study of books: funding joined to its day, made-up legs whose truth is known, and real history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.research.book_var_study import LegDays, load_legs, study, study_books
from bot.research.var_study import ROWS_MIN, DailyReturns, EwmaPath, HarPath
from bot.storage.history import HistoryFolder
from tests.history_folders import DATA, bars, funding, hours


def legs(days: int) -> LegDays:
    """One coin at 3 %, basis changes of 5 bp, funding around 3 bp a day."""
    rng = np.random.default_rng(8)
    coin = rng.standard_normal(days) * 0.03
    realised = 9e-4 * rng.chisquare(24, days) / 24
    series = DailyReturns(symbol="X", day_ns=tuple(range(days)), returns=coin, realised=realised)
    returns = np.column_stack((coin, coin + rng.standard_normal(days) * 5e-4))
    paid = np.column_stack((np.zeros(days), rng.normal(3e-4, 1e-4, days)))
    return LegDays(day_ns=tuple(range(days)), legs=("X spot", "X perp"), returns=returns, funding=paid, coins=(series,))


def test_books_of_known_risk_are_breached_as_often_as_they_should() -> None:
    """A carry book and a naked coin, 200 days: at most 5 breaches each of 2 expected."""
    books = {"carry": {"X spot": 1.0, "X perp": -1.0}, "naked": {"X spot": 1.0}}
    carry, naked = study_books(legs(ROWS_MIN + 200), books)
    assert (carry.method, naked.method, carry.days) == ("carry", "naked", 200)
    for line in (carry, naked):
        assert line.breaches <= 5
        assert line.passes
    assert carry.quantile_loss_bps is not None
    assert naked.quantile_loss_bps is not None
    assert carry.quantile_loss_bps < naked.quantile_loss_bps / 20


def test_an_unknown_leg_and_too_few_days_are_refused() -> None:
    """One line each."""
    with pytest.raises(ValueError, match="there are X spot, X perp"):
        study_books(legs(ROWS_MIN + 1), {"b": {"Y spot": 1.0}})
    with pytest.raises(ValueError, match="joint days"):
        study_books(legs(ROWS_MIN), {"b": {"X spot": 1.0}})


def test_funding_belongs_to_the_day_it_settles_in(tmp_path: Path) -> None:
    """A settlement at 00 UTC closes the day before it; three a day sum up; spot has none."""
    times = hours("2024-01-01", 24 * 6)
    for name, symbol in (("spot", "BTC/USDT"), ("perp", "BTC/USDT:USDT")):
        bars(tmp_path / f"ohlcv_1h_binance_{name}.parquet", "binance", symbol, times,
             [100.0 + place % 7 for place in range(len(times))])
    settled = hours("2024-01-01T08:00", 18, 8)
    funding(tmp_path / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled,
            [1e-4 * (place + 1) for place in range(18)], [8.0] * 18)
    with HistoryFolder(tmp_path) as history:
        days = load_legs(history, "binance", ("BTC",))
    assert days.legs == ("BTC spot", "BTC perp")
    assert (days.funding[:, 0] == 0.0).all()
    sums = [1e-4 * (3 * day + 1 + 3 * day + 2 + 3 * day + 3) for day in range(1, 6)]
    assert days.day_ns == tuple(hours("2024-01-03", 5, 24))
    assert days.funding[:, 1] == pytest.approx(sums)


@pytest.mark.storm
@pytest.mark.skipif(not (DATA / "ohlcv_1h_binance_perp.parquet").exists(), reason="no shared data here")
@pytest.mark.parametrize("volatility", [EwmaPath, HarPath])
def test_carry_books_pass_on_real_history(volatility: type[EwmaPath]) -> None:
    """BTC and ETH, 2021 to mid-2025: every book of the study passes all three tests at 99 %."""
    for line in study(DATA, volatility=volatility):
        assert line.days > 1460
        assert line.passes, line
