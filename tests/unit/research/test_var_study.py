"""The walk-forward study of VaR methods: no look-ahead, simulated laws whose truth is known, and real history."""

from __future__ import annotations

import numpy as np
import pytest

from bot.research.var_study import ROWS_MIN, DailyReturns, load_daily, study, study_instrument
from bot.storage.history import HistoryFolder
from tests.history_folders import DATA, bars, hours

DAY_NS = 86_400_000_000_000


def garch_days(days: int, seed: int = 3) -> DailyReturns:
    """Daily returns of GARCH(1,1) with t(5) shocks; realised variance is the true variance with some noise."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(5, size=days) * np.sqrt(3 / 5)
    variance, returns, true = 9e-4, np.empty(days), np.empty(days)
    for day in range(days):
        true[day] = variance
        returns[day] = np.sqrt(variance) * shocks[day]
        variance = 0.04 * 9e-4 + 0.10 * returns[day] ** 2 + 0.86 * variance
    noise = rng.chisquare(20, days) / 20
    return DailyReturns(symbol="X", day_ns=tuple(range(0, days * DAY_NS, DAY_NS)), returns=returns,
                        realised=true * noise)


def test_a_cut_future_changes_no_past_forecast() -> None:
    """The forecasts of the first 45 days are those of a study that ends there, whatever came later."""
    whole = garch_days(600)
    cut = DailyReturns(symbol="X", day_ns=whole.day_ns[:545], returns=whole.returns[:545],
                       realised=whole.realised[:545])
    long, short = study_instrument(whole), study_instrument(cut)
    assert len(short.var_99) == 45
    assert long.var_99[:45] == short.var_99
    assert long.es_975[:45] == short.es_975


def test_a_study_begins_where_it_is_told() -> None:
    """Not before there are 500 days, though."""
    whole = garch_days(530)
    assert study_instrument(whole, from_ns=520 * DAY_NS, methods=("historical",)).first_ns == 520 * DAY_NS
    assert study_instrument(whole, from_ns=DAY_NS, methods=("historical",)).first_ns == ROWS_MIN * DAY_NS


def test_filtered_methods_pass_where_volatility_moves_and_the_normal_does_not() -> None:
    """2000 days of GARCH with t shocks: filtered near 1 %, the normal far above, plain history with more loss."""
    made = study_instrument(garch_days(2500), methods=("fhs_har", "fhs_ewma", "normal_ewma", "historical"))
    assert made.method("fhs_ewma").passes
    assert not made.method("normal_ewma").passes
    assert made.method("normal_ewma").breaches > 1.5 * made.method("normal_ewma").expected
    losses = {each.method: each.quantile_loss_bps or 0.0 for each in made.methods}
    assert losses["fhs_ewma"] < losses["historical"]
    assert len(made.var_99) == len(made.returns) == len(made.day_ns) == 2000


def test_a_method_that_refuses_is_counted_and_not_judged() -> None:
    """Cornish-Fisher on heavy tails: days refused, no figures, no pass; without the default there is no series."""
    rng = np.random.default_rng(1)
    heavy = DailyReturns(symbol="X", day_ns=tuple(range(560)), returns=rng.standard_t(2.5, size=560) * 0.02,
                         realised=np.full(560, 4e-4))
    made = study_instrument(heavy, methods=("cornish_fisher",))
    line = made.method("cornish_fisher")
    assert (line.refused_days, line.days, line.kupiec_p, line.passes) == (60, 0, None, False)
    assert made.var_99 == ()


def test_too_short_a_history_and_an_unknown_method_are_refused() -> None:
    """One line each, saying what there is."""
    with pytest.raises(ValueError, match=f"more than {ROWS_MIN}"):
        study_instrument(garch_days(ROWS_MIN))
    with pytest.raises(ValueError, match="known are fhs_har"):
        study_instrument(garch_days(ROWS_MIN + 1), methods=("lstm",))


def test_daily_returns_come_from_hourly_closes_known_at_midnight(tmp_path: object) -> None:
    """A bar's close belongs to its end: the day's return runs from 00 UTC to 00 UTC."""
    from pathlib import Path

    folder = Path(str(tmp_path))
    times = hours("2024-01-01", 24 * 4)
    closes = [100.0 * 1.001**place for place in range(len(times))]
    bars(folder / "ohlcv_1h_binance_perp.parquet", "binance", "BTC/USDT:USDT", times, closes)
    with HistoryFolder(folder) as history:
        daily = load_daily(history, "binance", "BTC/USDT:USDT")
    assert [each // DAY_NS * DAY_NS == each for each in daily.day_ns] == [True] * 3
    assert daily.returns == pytest.approx(np.full(3, 24 * np.log(1.001)))
    assert daily.realised == pytest.approx(np.full(3, 24 * np.log(1.001) ** 2))


@pytest.mark.skipif(not (DATA / "ohlcv_1h_binance_perp.parquet").exists(), reason="no shared data here")
def test_the_default_method_passes_on_btc_and_eth_from_2021_to_2025() -> None:
    """Filtered history with HAR: no test rejects, the least quantile loss; a normal is breached twice too often."""
    for made in study(DATA, methods=("fhs_har", "fhs_ewma", "student_ewma", "normal_ewma", "historical")):
        default = made.method("fhs_har")
        assert made.last_ns == 1_751_328_000_000_000_000
        assert default.days > 1460
        assert default.passes
        assert default.breaches == pytest.approx(default.expected, rel=0.25)
        others = [each.quantile_loss_bps for each in made.methods if each.quantile_loss_bps is not None]
        assert default.quantile_loss_bps == min(others)
        normal = made.method("normal_ewma")
        assert normal.kupiec_p is not None
        assert normal.kupiec_p < 0.001
