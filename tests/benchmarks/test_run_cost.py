"""What a simulated day of the daemon costs, beside making the same days of the market and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app.worlds import DEMO_START_NS
from bot.domain.values import NS_PER_DAY
from bot.settings import Settings
from bot.venues.simulated.market.source import EmbeddedMarket
from tests.benchmarks.figures import table, timed
from tests.daemon_process import bot, document

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SHORT_DAYS, LONG_DAYS = 2, 8


def test_a_simulated_day_of_the_daemon_beside_the_bare_market(tmp_path: Path, show: Callable[[str], None]) -> None:
    """`run --for` with journal, exchange books and log; the start is taken out by running two lengths."""
    market = {days: timed(lambda days=days: _bare(days))[0] for days in (SHORT_DAYS, LONG_DAYS)}  # type: ignore[misc]
    daemon = {days: document(bot("run", "--for", f"{days}d", "--json", "--home", tmp_path, timeout_s=500))
              for days in (SHORT_DAYS, LONG_DAYS)}
    more = LONG_DAYS - SHORT_DAYS
    bare_s = (market[LONG_DAYS] - market[SHORT_DAYS]) / more
    day_s = (daemon[LONG_DAYS]["cpu_s"] - daemon[SHORT_DAYS]["cpu_s"]) / more
    start_s = max(daemon[SHORT_DAYS]["cpu_s"] - SHORT_DAYS * day_s, 0.0)
    show(table("run --for: CPU per simulated day, 20 instruments on 3 venues", [
        ("", "s per day", "ratio"),
        ("the market alone", f"{bare_s:.3f}", "1.0"),
        ("the daemon", f"{day_s:.3f}", f"{day_s / bare_s:.1f}")],
        f"30 days: {start_s + 30 * day_s:.1f} s of CPU (goal 30 s), of which the start is {start_s:.1f} s; "
        f"measured wall over CPU: {daemon[LONG_DAYS]['wall_s'] / daemon[LONG_DAYS]['cpu_s']:.2f}"))
    assert all(float(report["attribution_usd"]["residual"]) == 0.0 for report in daemon.values())


def _bare(days: int) -> int:
    settings = Settings().embedded
    market = EmbeddedMarket(settings, settings.seed, DEMO_START_NS, DEMO_START_NS + days * NS_PER_DAY)
    count = 0
    while market.next_due() is not None:
        market.pop()
        count += 1
    return count
