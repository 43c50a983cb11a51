"""The two faces of the report: ten seconds in the terminal, one self-contained HTML file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from bot.research.number_text import base_quantity, countdown, duration, instant, number, pct, usd
from bot.research.report_charts import heat_table, line_chart, stacked_bars
from bot.research.report_html import report_html
from bot.research.report_text import report_text
from bot.research.run_document import RiskEvent, RunReport
from tests.unit.research.sample_run import long_run

VOID = {"meta", "br", "link", "img"}


class Balance(HTMLParser):
    """Counts open elements and remembers every attribute value."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def printed(report: RunReport, width: int = 100) -> str:
    """The terminal summary as plain text."""
    console = Console(width=width, file=StringIO(), highlight=False)
    console.print(report_text(report))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def report() -> RunReport:
    """Four and a half made-up years."""
    return long_run()


def test_the_summary_has_every_block_in_order(report: RunReport) -> None:
    """From what ran to what went wrong."""
    text = printed(report)
    titles = ["RUN", "COVERAGE", "SUMMARY", "ATTRIBUTION", "NEUTRALITY", "BY YEAR", "PAIRS", "RISK EVENTS"]
    places = [re.search(rf"^{title}", text, re.MULTILINE) for title in titles]
    starts = [place.start() for place in places if place is not None]
    assert len(starts) == len(titles)
    assert starts == sorted(starts)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_summary_fits_its_terminal(report: RunReport, width: int) -> None:
    """No line is wider than the terminal, and the whole is short."""
    lines = printed(report, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 75


def test_the_summary_shows_what_was_earned_and_why_it_was_idle(report: RunReport) -> None:
    """Net, residual, and the idle share with its first reason."""
    text = printed(report)
    assert f"net {pct(report.net_pct, signed=True)}" in text
    assert "the venues' books agree" in text
    assert re.search(r"2022 .* 88%  carry below costs 43%", text)


def test_a_residual_is_shouted(report: RunReport) -> None:
    """Books that disagree are not a footnote."""
    broken = msgspec.structs.replace(
        report, attribution_usd=msgspec.structs.replace(report.attribution_usd, residual="0.01"))
    assert "BOOKS DISAGREE" in printed(broken)


def test_a_run_without_pairs_and_series_still_reads(report: RunReport) -> None:
    """Dashes and words instead of empty tables."""
    bare = msgspec.structs.replace(report, pairs=(), coverage=(), sharpe=None, sharpe_se=None, net_pct=None)
    text = printed(bare)
    assert "nothing cleared its costs" in text
    assert "Sharpe -," in text
    assert "nan" not in text.lower()


def test_html_is_well_formed_and_refers_to_nothing_outside(report: RunReport) -> None:
    """Balanced, no script, no link, no address."""
    page = report_html(report)
    balance = Balance()
    balance.feed(page)
    assert balance.stack == []
    assert balance.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert {"svg", "table"} <= balance.tags
    assert not re.search(r"https?:|//|url\(|@import", page)


def test_html_escapes_what_came_from_the_run(report: RunReport) -> None:
    """A hostile symbol or alert text stays text."""
    event = RiskEvent(at="2021-01-01T00:00:00Z", name="<b>x</b>", text="<script>alert(1)</script>")
    pair = msgspec.structs.replace(report.pairs[0], symbol='"><i>')
    page = report_html(msgspec.structs.replace(report, risk_events=(event,), pairs=(pair,)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert '"><i>' not in page


def test_html_of_an_empty_run_is_whole(report: RunReport) -> None:
    """No day, no pair, no year: still a page."""
    balance = Balance()
    balance.feed(report_html(msgspec.structs.replace(
        report, pairs=(), by_year=(), by_month=(), daily=report.daily[:1], coverage=(), decisions={}, sharpe=None)))
    assert balance.stack == []


def test_line_chart_keeps_its_extremes_when_thinned() -> None:
    """Of 10,000 points the one spike is still drawn."""
    values = [0.0] * 10_000
    values[7_321] = 1.0
    chart = line_chart(["d"] * 10_000, values, unit="")
    path = re.findall(r'class="line" d="([^"]+)"', chart)[0]
    heights = [float(point.split()[1]) for point in re.findall(r"[ML]([\d.]+ [\d.]+)", path)]
    assert len(heights) <= 902
    assert max(heights) - min(heights) > 100


def test_charts_survive_flat_and_empty_series() -> None:
    """No division by zero, no invalid number."""
    assert "nan" not in line_chart(["a", "b"], [5.0, 5.0], unit="%")
    assert "nan" not in line_chart(["a", "b"], [0.0, 0.0], unit="%", fill=True)
    assert line_chart(["a"], [5.0], unit="") == "<p>-</p>"
    assert "nan" not in stacked_bars([("2021", [("funding", 0.0)])], unit="")
    assert stacked_bars([], unit="") == "<p>-</p>"


def test_bars_stack_away_from_zero() -> None:
    """Two gains stand on each other, the loss hangs below."""
    chart = stacked_bars([("2021", [("a", 60.0), ("b", 40.0), ("c", -50.0)])], unit="")
    boxes = [(float(y), float(h)) for y, h in re.findall(r' y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', chart)]
    (a_top, a_height), (b_top, b_height), (c_top, _) = boxes
    assert b_top + b_height == pytest.approx(a_top, abs=0.2)
    assert a_top + a_height == pytest.approx(c_top, abs=0.2)
    assert a_height / b_height == pytest.approx(1.5, rel=0.01)


def test_heat_table_writes_its_numbers_and_leaves_unknown_months_empty() -> None:
    """Colour is never the only signal."""
    table = heat_table([("2021", [10.0, None, -5.0])], ("Jan", "Feb", "Mar"))
    assert ">10</td><td></td><td" in table
    assert "var(--loss) 30%" in table


@pytest.mark.parametrize(("shown", "expected"), [
    (usd("101842.105"), "101,842.10"), (usd("-0.001", signed=True), "0.00"), (usd("88.41", signed=True), "+88.41"),
    (usd(None), "-"), (usd(""), "-"), (number(float("nan")), "-"), (number(1234.5), "1,234.50"), (pct(None), "-"),
    (pct(-0.004, signed=True), "0.00%"), (base_quantity("0.4100"), "0.41"), (base_quantity("-0.00"), "0"),
    (base_quantity("12000"), "12,000"), (duration(None), "-"), (duration(41.9), "41s"), (duration(725), "12m 05s"),
    (duration(12_000), "3h 20m"), (duration(273_600), "3d 04h"), (countdown(0, None), "-"),
    (countdown(0, 845 * 10**9), "0:14:05"), (countdown(5, 5), "due"), (instant(None), "-"),
    (instant(1_709_294_405 * 10**9), "2024-03-01 12:00:05"),
])
def test_numbers_read_the_same_everywhere(shown: str, expected: str) -> None:
    """Separators, signs, dashes for what is missing, no negative zero."""
    assert shown == expected
