"""The report's numbers against runs small enough to do by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from bot.domain.values import NS_PER_DAY, NS_PER_HOUR
from bot.engine.view import AttributionView
from bot.research.equity_curve import RunOutcome
from bot.research.report_text import report_text
from bot.research.run_document import RunReport, decode_report, encode_report
from bot.research.run_recorder import RunRecorder
from bot.research.run_report import build_report, code_hash
from tests.unit.cli.sample_view import busy
from tests.unit.research.sample_run import IDENTITY, START_NS, attribution, day_closed, long_run, note, tell


def outcome(days: float, parts: AttributionView, *, start: str = "1000", end: str | None = None,
            venue: str | None = None, **more: Any) -> RunOutcome:
    """The driver's word on a run of so many days."""
    return RunOutcome(
        start_ns=START_NS, end_ns=START_NS + int(days * NS_PER_DAY), start_equity_usd=start,
        end_equity_usd=end or "1000", attribution=parts, wall_s=1.0, cpu_s=1.0,
        venue_equity_change_usd=parts.total if venue is None else venue, **more)


def report_of(recorder: RunRecorder, result: RunOutcome) -> RunReport:
    """The document of a run without recorded series."""
    return build_report(recorder, IDENTITY, result, ())


def test_without_the_venues_books_the_residual_is_not_checked() -> None:
    """One set of books proves nothing: null in the document, words for people, never a zero."""
    recorder = RunRecorder()
    result = msgspec.structs.replace(outcome(2, attribution(price="1")), venue_equity_change_usd=None)
    report = report_of(recorder, result)
    assert report.attribution_usd.residual is None
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report_text(report))
    assert "not checked" in console.export_text()


def test_the_document_has_every_promised_key() -> None:
    """The keys that scripts rely on, at the top and inside."""
    document = msgspec.json.decode(encode_report(long_run(days=40)))
    assert set(document) >= {
        "run", "period", "coverage", "equity_usd", "net_pct", "cagr_pct", "attribution_usd", "sharpe",
        "sharpe_autocorr", "vol_annual_pct", "max_drawdown_pct", "beta_btc", "unhedged", "liquidations", "orders",
        "fills", "turnover", "pairs", "by_year", "decisions", "wall_s", "cpu_s"}
    assert set(document["run"]) >= {"version", "config_hash", "data_hash", "code_hash", "seed"}
    assert set(document["attribution_usd"]) == {
        "price", "basis", "funding", "fees", "slippage", "borrow", "total", "residual"}
    assert set(document["beta_btc"]) == {"value", "se"}
    assert set(document["unhedged"]) >= {"seconds_max", "notional_p99_pct"}
    assert set(document["by_year"][0]) >= {"year", "net_pct", "funding_usd", "fees_usd", "idle_share", "idle_reasons"}


def test_pairs_have_every_promised_key() -> None:
    """One closed pair of a long run."""
    row = msgspec.json.decode(encode_report(long_run(days=60)))["pairs"][0]
    assert set(row) >= {"symbol", "venues", "notional_usd", "open", "close", "held_h", "funding_usd", "forecast_usd",
                        "fees_usd", "net_usd", "exit_reason"}
    assert (row["held_h"], row["venues"]) == (720.0, ["binance", "bybit"])


def test_the_document_survives_its_own_reading() -> None:
    """encode, decode, encode: the same bytes."""
    document = encode_report(long_run(days=40))
    assert encode_report(decode_report(document)) == document


def test_net_compounds_the_daily_returns() -> None:
    """+10 % on 1,000, then -5 % on 1,100: 1,045."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "1100", funding="100"))
    report = report_of(recorder, outcome(2, attribution(funding="45"), end="1045"))
    assert report.net_pct == pytest.approx(4.5)
    assert report.max_drawdown_pct == pytest.approx(5.0)
    assert report.days_under_water == pytest.approx(1.0)


def test_a_deposit_is_not_a_gain() -> None:
    """1,000 earns 10, then 1,000 are added, then 20.10 is earned on 2,010: 1 % twice."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "2010", funding="10"))
    report = report_of(recorder, outcome(2, attribution(funding="30.10"), end="2030.10"))
    assert report.net_pct == pytest.approx(100 * (1.01 * 1.01 - 1))


def test_residual_is_the_venues_change_minus_the_parts() -> None:
    """Equal books give 0.00; a cent that only the venue saw is shown."""
    parts = attribution(funding="10.123", fees="-0.02")
    assert report_of(RunRecorder(), outcome(1, parts)).attribution_usd.residual == "0.00"
    assert report_of(RunRecorder(), outcome(1, parts, venue="10.113")).attribution_usd.residual == "0.01"
    assert report_of(RunRecorder(), outcome(1, parts)).attribution_usd.total == "10.103"


def test_an_older_account_counts_from_the_start_of_this_run() -> None:
    """Parts earned before are taken off, from the samples and from the end alike."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "1010", funding="510"))
    report = report_of(recorder, outcome(2, attribution(funding="520"), end="1020", venue="20",
                                         attribution_start=attribution(funding="500")))
    assert (report.attribution_usd.funding, report.attribution_usd.residual) == ("20.00", "0.00")
    assert report.net_pct == pytest.approx(2.0)


def test_statistics_use_whole_days_alone() -> None:
    """The half day at the end moves net, but is no daily return."""
    recorder = RunRecorder()
    gains = [3.0, 1.0] * 6
    for day, total in enumerate(np.cumsum(gains), start=1):
        tell(recorder, START_NS, day_closed(day, "1000", funding=f"{total:.1f}"))
    report = report_of(recorder, outcome(12.5, attribution(funding="74"), end="1074"))
    returns = np.array(gains) / 1000.0
    assert report.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365))
    assert report.net_pct == pytest.approx(100 * (np.prod(1 + returns) * 1.05 - 1))


def test_a_short_run_has_no_statistics_and_says_null() -> None:
    """Two days: no Sharpe, no volatility, no CAGR, no beta; never 0."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "1001", funding="1"))
    report = report_of(recorder, outcome(2, attribution(funding="3"), end="1003"))
    document = msgspec.json.decode(encode_report(report))
    for key in ("sharpe", "sharpe_se", "sharpe_autocorr", "vol_annual_pct", "cagr_pct", "sortino", "hit_rate"):
        assert document[key] is None, key
    assert document["beta_btc"] == {"value": None, "se": None}


def test_beta_is_found_where_returns_follow_btc() -> None:
    """Returns of a tenth of BTC's give 0.1 with hardly an error."""
    recorder = RunRecorder()
    rng = np.random.default_rng(1)
    price, equity, total = 30_000.0, 1_000.0, 0.0
    tell(recorder, START_NS, day_closed(0, "1000", btc="30000"))
    for day in range(1, 41):
        move = float(rng.normal(0, 0.03))
        price, gain = price * (1 + move), equity * 0.1 * move
        total, equity = total + gain, equity + gain
        tell(recorder, START_NS, day_closed(day, f"{equity:.10f}", btc=f"{price:.8f}", price=f"{total:.10f}"))
    report = report_of(recorder, outcome(40, attribution(price=f"{total:.10f}"), end=f"{equity:.10f}"))
    assert report.beta_btc.value == pytest.approx(0.1, abs=1e-6)
    assert report.beta_btc.se == pytest.approx(0.0, abs=1e-6)


def test_years_split_at_midnight_of_new_year() -> None:
    """What is booked by 00 UTC of 1 January belongs to the old year; idle shares add up to the idle share."""
    recorder = RunRecorder()
    year_end = START_NS + 365 * NS_PER_DAY
    tell(recorder, START_NS, day_closed(365, "1100", funding="120", fees="-20"))
    for place, reason in enumerate(("carry_below_costs", "carry_below_costs", "basis_unknown", "")):
        tell(recorder, START_NS, note("idle_hours", at_ns=START_NS + place * NS_PER_HOUR, idle="1" if reason else "0",
                                      reason=reason))
    report = report_of(recorder, outcome(366, attribution(funding="131", fees="-20"), end="1111"))
    assert year_end == 1_640_995_200 * 10**9
    first, second = report.by_year
    assert (first.year, first.funding_usd, first.fees_usd, first.pnl_usd) == (2021, "120.00", "-20.00", "100.00")
    assert first.net_pct == pytest.approx(10.0)
    assert first.idle_share == 0.75
    assert first.idle_reasons == {"carry_below_costs": 0.5, "basis_unknown": 0.25}
    assert (second.year, second.funding_usd, second.idle_share) == (2022, "11.00", None)
    assert second.net_pct == pytest.approx(1.0)


def test_months_add_up_to_the_years_funding() -> None:
    """Funding by month sums to the attribution's."""
    report = long_run(days=100)
    months = sum(float(row.funding_usd) for row in report.by_month)
    assert [row.month for row in report.by_month] == ["2021-01", "2021-02", "2021-03", "2021-04"]
    assert months == pytest.approx(float(report.attribution_usd.funding))


def test_unhedged_takes_the_longest_and_the_99th_percentile() -> None:
    """Of 200 imbalances of 0.01 to 2.00 %, the 198th; without any, a measured zero."""
    recorder = RunRecorder()
    for place in range(1, 201):
        tell(recorder, START_NS, note("unhedged", seconds=place, notional_pct=place / 100))
    unhedged = report_of(recorder, outcome(1, attribution())).unhedged
    assert (unhedged.seconds_max, unhedged.notional_p99_pct, unhedged.imbalances) == (200.0, 1.98, 200)
    assert report_of(RunRecorder(), outcome(1, attribution())).unhedged.seconds_max == 0.0


def test_pairs_still_held_are_listed_as_open() -> None:
    """With the forecast at entry and no close."""
    recorder = RunRecorder()
    tell(recorder, START_NS, note("pair_opened", pair_id="pair-btc-1", coin="BTC", long_leg="x", short_leg="y",
                                  notional_usd="1", forecast_usd="33.3"))
    row = report_of(recorder, outcome(1, attribution(), open_pairs=busy().pairs[:1])).pairs[0]
    assert (row.symbol, row.close, row.exit_reason, row.forecast_usd) == ("BTC", None, "open", "33.30")
    assert row.venues == ("binance", "bybit")


def test_lost_equity_makes_later_returns_unknown() -> None:
    """From equity 0 no return can be taken: net is null, not -100 % by chance."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "0", price="-1000"))
    report = report_of(recorder, outcome(2, attribution(price="-1000"), end="0"))
    assert report.net_pct is None
    assert report.max_drawdown_pct is None


def test_tiny_amounts_are_written_without_an_exponent() -> None:
    """1E-8 USD reads 0.00000001."""
    report = report_of(RunRecorder(), outcome(1, attribution(funding="1E-8")))
    assert report.attribution_usd.funding == "0.00000001"


def test_code_hash_sees_content_and_name(tmp_path: Path) -> None:
    """Another byte or another name is another hash; files that are not Python do not count."""
    (tmp_path / "a.py").write_text("x = 1\n")
    first = code_hash(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    assert code_hash(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    second = code_hash(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, code_hash(tmp_path)}) == 3
