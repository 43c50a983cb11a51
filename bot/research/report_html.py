"""The report as one HTML file that refers to nothing outside itself: numbers, charts, every pair, year and series.

Readable in light and in dark, no script. Whatever came from a run (symbols, reasons, alert texts) is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bot.research.html_page import page, section, table
from bot.research.number_text import duration, number, pct, share, usd, words
from bot.research.report_charts import heat_table, line_chart, stacked_bars
from bot.research.report_text import coverage_cell, coverage_columns
from bot.research.run_document import PairRow, RunReport

PARTS_SHOWN: Final = ("funding", "basis", "price", "fees", "slippage", "borrow")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
KEY_COLOURS: Final = ("#2f9e6e", "#4c8df5", "#9a6fd8", "#d9534f", "#e39a36", "#8b95a3")


def report_html(report: RunReport) -> str:
    """The whole file as text; write it as UTF-8."""
    title = f"Evenkeel {report.run.kind}, {report.period.start[:10]} to {report.period.end[:10]}"
    sections = (
        section("Summary", _cards(report)), section("Equity, USD", _equity(report)),
        section("Drawdown", _drawdown(report)), section("Attribution by year, USD", _attribution(report)),
        section("Funding by month, USD", _months(report)), section("By year", _years(report)),
        section("Pairs", _pairs(report.pairs)), section("Risk events", _risk(report)),
        section("Coverage", _coverage(report)), section("Decisions: candidates by reason", _decisions(report)),
        section("Run", _run(report)),
    )
    subtitle = f"fills: {report.run.fill_model}; returns sampled daily at 00 UTC; USDT = USDC = 1 USD"
    return page(title, subtitle, sections)


def _cards(report: RunReport) -> str:
    fall = None if report.max_drawdown_pct is None else -report.max_drawdown_pct
    beta = report.beta_btc
    error = "" if beta.se is None else f"se {number(beta.se, places=3)}"
    cards = (
        ("net", pct(report.net_pct, signed=True), f"{usd(report.attribution_usd.total, signed=True)} USD"),
        ("CAGR", pct(report.cagr_pct, signed=True), "365 days a year"),
        ("Sharpe", number(report.sharpe), f"corrected {number(report.sharpe_autocorr)}"),
        ("volatility", pct(report.vol_annual_pct), "a year"),
        ("max drawdown", pct(fall), f"{number(report.days_under_water, places=0)} days under water"),
        ("beta to BTC", number(beta.value, signed=True, places=3), error),
        ("unhedged", pct(report.unhedged.notional_p99_pct), f"p99; longest {duration(report.unhedged.seconds_max)}"),
        ("liquidations", f"{report.liquidations}", f"{report.orders:,} orders, {report.fills:,} fills"),
        ("turnover", f"{number(report.turnover, places=1)}x", "of mean equity"),
        ("Sortino", number(report.sortino), f"Calmar {number(report.calmar)}"),
        ("days up", share(report.hit_rate), "of days that moved"),
        ("residual", usd(report.attribution_usd.residual, signed=True), "USD; 0.00 or the books disagree"),
    )
    return '<div class="cards">' + "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'
        for name, value, more in cards) + "</div>"


def _equity(report: RunReport) -> str:
    return line_chart([row.at[:10] for row in report.daily], [float(row.equity_usd) for row in report.daily], unit="")


def _drawdown(report: RunReport) -> str:
    """Fall of start equity plus P&L below its peak, so that a deposit does not hide a loss."""
    start = float(report.equity_usd.start)
    peak, falls = float("-inf"), []
    for row in report.daily:
        level = start + float(row.pnl_usd)
        peak = max(peak, level)
        falls.append(100.0 * (level / peak - 1.0) if peak > 0.0 else 0.0)
    return line_chart([row.at[:10] for row in report.daily], falls, unit="%", height=150, fill=True)


def _attribution(report: RunReport) -> str:
    groups = [(str(row.year), [(name, float(getattr(row, f"{name}_usd"))) for name in PARTS_SHOWN])
              for row in report.by_year]
    key = "".join(f'<i style="background:{colour}"></i>{name}'
                  for name, colour in zip(PARTS_SHOWN, KEY_COLOURS, strict=True))
    parts = report.attribution_usd
    head = (*PARTS_SHOWN, "total", "residual")
    row = (usd(getattr(parts, name), signed=True) for name in head)
    return f'{stacked_bars(groups, unit="")}<p class="key dim">{key}</p>{table(head, [tuple(row)])}'


def _months(report: RunReport) -> str:
    funding = {row.month: float(row.funding_usd) for row in report.by_month}
    years = sorted({month[:4] for month in funding})
    rows = [(year, [funding.get(f"{year}-{month:02d}") for month in range(1, 13)]) for year in years]
    return f'<div class="scroll">{heat_table(rows, MONTHS)}</div>'


def _years(report: RunReport) -> str:
    rows = []
    for row in report.by_year:
        reasons = ", ".join(f"{words(reason)} {share(part)}" for reason, part in row.idle_reasons.items())
        rows.append((str(row.year), pct(row.net_pct, signed=True), usd(row.pnl_usd, signed=True),
                     usd(row.funding_usd, signed=True), usd(row.fees_usd, signed=True), share(row.idle_share), reasons))
    return table(("year", "net", "P&L USD", "funding USD", "fees USD", "idle", "why idle, share of all hours"), rows)


def _pairs(pairs: Sequence[PairRow]) -> str:
    rows = [(pair.symbol, pair.long_leg, pair.short_leg, _minute(pair.open),
             duration(None if pair.held_h is None else pair.held_h * 3_600), usd(pair.notional_usd, places=0),
             usd(pair.funding_usd, signed=True), usd(pair.forecast_usd, signed=True), usd(pair.fees_usd, signed=True),
             usd(pair.net_usd, signed=True), words(pair.exit_reason)) for pair in pairs]
    return table(("pair", "long", "short", "open", "held", "notional", "funding", "forecast", "fees", "net",
                   "exit"), rows)


def _risk(report: RunReport) -> str:
    counts = [(kind, words(name), f"{count:,}") for kind, found in (
        ("alert or forced fill", report.risk_event_counts), ("refused by our limits", report.refusals),
        ("rejected by a venue", report.rejects)) for name, count in found.items()]
    events = [(_minute(event.at), words(event.name), event.text) for event in report.risk_events]
    return table(("kind", "name", "count"), counts) + table(("at (UTC)", "event", "what"), events)


def _coverage(report: RunReport) -> str:
    keys = coverage_columns(report.coverage)
    return table(tuple(words(key) for key in keys),
                  [tuple(coverage_cell(row.get(key)) for key in keys) for row in report.coverage])


def _decisions(report: RunReport) -> str:
    return table(("reason", "candidates"), [(words(name), f"{count:,}") for name, count in report.decisions.items()])


def _run(report: RunReport) -> str:
    run = report.run
    rows = (("version", run.version), ("config", run.config_hash), ("data", run.data_hash), ("code", run.code_hash),
            ("seed", "-" if run.seed is None else str(run.seed)), ("wall, s", number(report.wall_s, places=1)),
            ("CPU, s", number(report.cpu_s, places=1)))
    return "<table>" + "".join(f'<tr><th>{escape(name)}</th><td class="wrap"><code>{escape(value)}</code></td></tr>'
                               for name, value in rows) + "</table>"


def _minute(at: str | None) -> str:
    return "-" if at is None else at[:16].replace("T", " ")
