"""What a backtest costs, and that it grows with bars and instruments as a line does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from bot.app.backtests import run_backtest
from bot.app.worlds import history_world
from bot.options import BacktestOptions, Scope
from bot.settings import Settings
from tests.benchmarks.figures import table, timed
from tests.benchmarks.generated_history import COINS, generated_history
from tests.daemon_process import bot, document
from tests.history_folders import DATA, ns

pytestmark = pytest.mark.benchmark

SIZES = ((60, 1), (120, 1), (240, 1), (120, 2), (120, 4))
"""(days, coins): spot and perpetual of each coin at one venue."""


def test_cost_grows_linearly_with_bars_and_instruments(tmp_path: Path, show: Callable[[str], None]) -> None:
    """The cost of one hourly bar of one instrument stays what it is while days and coins double."""
    rows = [("days x instruments", "bars", "load s", "run s", "us per bar")]
    folder = generated_history(tmp_path / "data", days=max(days for days, _ in SIZES))
    for days, coins in SIZES:
        end = ns("2024-01-01") + days * 86_400_000_000_000
        scope = Scope(data=folder, venues=("binance",), symbols=COINS[:coins], from_ns=ns("2024-01-01"), to_ns=end)
        load_s, run_s, decisions = _run(scope, tmp_path)
        bars = days * 24 * coins * 2
        rows.append((f"{days} x {2 * coins}", f"{bars:,}", f"{load_s:.2f}", f"{run_s:.2f}",
                     f"{run_s / bars * 1e6:.0f}"))
        assert decisions >= days * 24 - 1
    show(table("backtest: generated history, hourly bars, one venue", rows,
               "loading is paid once; several venues add candidates: every two of a coin's perpetuals make a pair"))


@pytest.mark.storm
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (DATA / "manifest.csv").exists(), reason="the development data are not beside the checkout")
@pytest.mark.parametrize(("venues", "begin"), [("binance", "2024-01-01"), ("binance,bybit", "2024-01-01"),
                                               ("binance,bybit", "2021-01-01")])
def test_years_of_five_coins(venues: str, begin: str, tmp_path: Path, show: Callable[[str], None]) -> None:
    """Five coins, hourly bars and all settlements, to 2025-06-30; the goal for 2021 on, both venues, is 20 s."""
    done = bot("backtest", "--data", DATA, "--venues", venues, "--symbols", "BTC,ETH,SOL,XRP,DOGE", "--from", begin,
               "--to", "2025-06-30", "--home", tmp_path, "--json", timeout_s=800)
    report = document(done)
    hours, cpu_s, wall_s = report["rebalances"], report["cpu_s"], report["wall_s"]
    show(table(f"backtest: {venues}, 5 coins, {begin} to 2025-06-30", [
        ("CPU s", "wall s", "hours", "ms per hour", "orders"),
        (f"{cpu_s:.1f}", f"{wall_s:.1f}", f"{hours:,}", f"{cpu_s / hours * 1e3:.2f}", f"{report['orders']:,}"),
    ]))
    assert Decimal(report["attribution_usd"]["residual"]) == 0


def _run(scope: Scope, home: Path) -> tuple[float, float, int]:
    """(CPU seconds to open the data, CPU seconds of the rest, rebalances)."""
    settings = Settings()
    load_s, _ = timed(lambda: history_world(settings, scope, books=None))
    whole_s, report = timed(lambda: run_backtest(settings, BacktestOptions(home=home, scope=scope)))
    return load_s, max(whole_s - load_s, 1e-9), report.rebalances
