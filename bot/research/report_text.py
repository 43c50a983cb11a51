"""The report for the terminal: what was earned, from what, at which risk, how much of the time idle and why.

Meant to be read in ten seconds from top to bottom; each block is one screenful at most and fits 100 columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.research.number_text import duration, number, pct, share, usd, words
from bot.research.run_document import PairRow, RunReport, YearRow
from bot.research.sheet import Column, Sheet

PARTS_SHOWN: Final = ("funding", "basis", "price", "fees", "slippage", "borrow")
BAR_WIDTH: Final = 24
PAIRS_SHOWN: Final = 3
COVERAGE_SHOWN: Final = 4
REASONS_SHOWN: Final = 2
EVENTS_SHOWN: Final = 4


def report_text(report: RunReport) -> RenderableType:
    """The whole summary as one renderable."""
    blocks = (
        ("RUN", _run(report)), ("COVERAGE", _coverage(report.coverage)), ("SUMMARY", _summary(report)),
        ("ATTRIBUTION", _attribution(report)), ("NEUTRALITY", _neutrality(report)), ("BY YEAR", _years(report)),
        ("PAIRS", _pairs(report.pairs)), ("RISK EVENTS", _risk(report)),
    )
    grid = Table.grid(padding=(0, 2, 1, 0))
    grid.add_column(style="bold cyan", no_wrap=True, width=11)
    grid.add_column(ratio=1)
    for title, body in blocks:
        grid.add_row(title, body)
    return grid


def _run(report: RunReport) -> RenderableType:
    run, period = report.run, report.period
    hashes = "  ".join(f"{name} {value[:12] or '-'}" for name, value in (
        ("config", run.config_hash), ("data", run.data_hash), ("code", run.code_hash)))
    seed = "" if run.seed is None else f"  seed {run.seed}"
    return Group(
        Text(f"{run.kind}  evenkeel {run.version}  {period.start[:10]} to {period.end[:10]} "
             f"({number(period.days, places=1)} days)"),
        Text(f"{hashes}{seed}", style="dim"),
        Text(f"fills: {run.fill_model}; took {number(report.wall_s, places=1)} s ({number(report.cpu_s, places=1)} s "
             "of CPU)", style="dim"),
    )


def _coverage(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """The thinnest series first; all of them stand in the document and in the HTML report."""
    if not rows:
        return Text("no recorded series: prices came from the embedded market", style="dim")
    ranked = sorted(rows, key=_covered)
    table = _table(*(words(key) for key in coverage_columns(rows)))
    for row in ranked[:COVERAGE_SHOWN]:
        table.add_row(*(coverage_cell(row.get(key)) for key in coverage_columns(rows)))
    left = len(rows) - COVERAGE_SHOWN
    note = [Text(f"and {left} series with no less coverage", style="dim")] if left > 0 else []
    return Group(table, *note)


def coverage_columns(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The keys that hold one value each, in the order of their first appearance; at most six."""
    keys: dict[str, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(key for key, value in row.items() if not isinstance(value, list | dict)))
    return tuple(keys)[:6]


def coverage_cell(value: object) -> str:
    """One value of a coverage row as text."""
    if isinstance(value, float):
        return number(value, places=4).rstrip("0").rstrip(".")
    return "-" if value is None else str(value)


def _covered(row: dict[str, Any]) -> float:
    """How much of a series is there, by whichever key says so; unknown sorts last."""
    for key, value in row.items():
        if isinstance(value, float) and any(word in key for word in ("cover", "share", "pct")):
            return value
    return float("inf")


def _summary(report: RunReport) -> RenderableType:
    net = Text.assemble(
        ("net ", ""), (pct(report.net_pct, signed=True), f"bold {_sign_style(report.net_pct)}"),
        f"   {usd(report.equity_usd.start)} to {usd(report.equity_usd.end)} USD",
    )
    error = "" if report.sharpe_se is None else f" +- {number(1.96 * report.sharpe_se)}"
    fall = None if report.max_drawdown_pct is None else -report.max_drawdown_pct
    return Group(
        net,
        Text(f"CAGR {pct(report.cagr_pct, signed=True)}   volatility {pct(report.vol_annual_pct)} a year   "
             f"max drawdown {pct(fall)}, {number(report.days_under_water, places=0)} d under water"),
        Text(f"Sharpe {number(report.sharpe)}{error}, corrected for autocorrelation {number(report.sharpe_autocorr)}"
             f"   Sortino {number(report.sortino)}   Calmar {number(report.calmar)}"),
        Text(f"days up {share(report.hit_rate)}   turnover {number(report.turnover, places=1)}x equity   "
             f"{report.orders:,} orders   {report.fills:,} fills   {report.funding_payments:,} funding payments"),
    )


def _attribution(report: RunReport) -> RenderableType:
    parts = report.attribution_usd
    amounts = {name: Decimal(getattr(parts, name)) for name in PARTS_SHOWN}
    largest = max((abs(amount) for amount in amounts.values()), default=Decimal(0))
    start = Decimal(report.equity_usd.start)
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for name, amount in (*amounts.items(), ("total", Decimal(parts.total))):
        bar = "" if name == "total" or not largest else "#" * int(BAR_WIDTH * abs(amount) / largest + Decimal("0.5"))
        of_start = pct(float(100 * amount / start), signed=True) if start > 0 else "-"
        style = "bold" if name == "total" else ""
        table.add_row(Text(name, style=style), Text(usd(amount, signed=True), style=style), Text(of_start, style=style),
                      Text(bar, style=_sign_style(float(amount))))
    if parts.residual is None:
        table.add_row("residual", "-", "", Text("not checked: journal only", style="yellow"))
    else:
        residual = Decimal(parts.residual)
        verdict = ("the venues' books agree", "green") if not residual else ("THE VENUES' BOOKS DISAGREE", "bold red")
        table.add_row("residual", usd(residual, signed=True), "", Text(verdict[0], style=verdict[1]))
    return Group(table, Text("USD and share of starting equity", style="dim"))


def _neutrality(report: RunReport) -> RenderableType:
    beta = report.beta_btc
    interval = ""
    if beta.value is not None and beta.se is not None:
        low, high = beta.value - 1.96 * beta.se, beta.value + 1.96 * beta.se
        interval = f" (95%: {number(low, signed=True, places=3)} to {number(high, signed=True, places=3)})"
    known = number(beta.value, signed=True, places=3) if beta.value is not None else "unknown: fewer than 20 days"
    return Group(
        Text(f"beta to BTC {known}{interval}"),
        Text(f"longest unhedged {duration(report.unhedged.seconds_max)}   unhedged notional p99 "
             f"{pct(report.unhedged.notional_p99_pct)} of equity   {report.unhedged.imbalances:,} imbalances"),
    )


def _years(report: RunReport) -> RenderableType:
    table = _table("year", "net", "funding", "fees", "idle", "why (share of all hours)")
    for row in report.by_year:
        table.add_row(str(row.year), pct(row.net_pct, signed=True), usd(row.funding_usd, signed=True, places=0),
                      usd(row.fees_usd, signed=True, places=0), share(row.idle_share), idle_reasons_text(row))
    return table


def idle_reasons_text(row: YearRow) -> str:
    """The largest reasons with their shares."""
    shown = list(row.idle_reasons.items())[:REASONS_SHOWN]
    rest = len(row.idle_reasons) - len(shown)
    return ", ".join(f"{words(reason)} {share(part)}" for reason, part in shown) + (f", +{rest} more" if rest else "")


def _pairs(pairs: Sequence[PairRow]) -> RenderableType:
    if not pairs:
        return Text("none opened: nothing cleared its costs", style="dim")
    ranked = sorted(pairs, key=lambda pair: (-Decimal(pair.net_usd), pair.pair_id))
    best, rest = ranked[:PAIRS_SHOWN], ranked[PAIRS_SHOWN:]
    worst = rest[-PAIRS_SHOWN:]
    columns = (Column("pair", left=True), Column("long / short", left=True), Column("held", 2),
               Column("notional", 3), Column("funding", 1), Column("forecast", 4), Column("net"),
               Column("exit", 5, left=True))
    table = Sheet(columns, (
        (pair.symbol, f"{_leg(pair.long_leg)} / {_leg(pair.short_leg)}",
         duration(None if pair.held_h is None else pair.held_h * 3_600),
         usd(pair.notional_usd, places=0), usd(pair.funding_usd, signed=True), usd(pair.forecast_usd, signed=True),
         Text(usd(pair.net_usd, signed=True), style=_sign_style(float(pair.net_usd))), words(pair.exit_reason))
        for pair in (*best, *worst)))
    held_now = sum(pair.close is None for pair in pairs)
    won = sum(Decimal(pair.net_usd) > 0 for pair in pairs)
    head = Text(f"{len(pairs)} pairs, {won} with a gain, {held_now} still held; best and worst by net USD:")
    return Group(head, table)


def _leg(instrument: str) -> str:
    """Venue, and spot or perp."""
    venue, _, symbol = instrument.partition(":")
    return f"{venue} {'perp' if ':' in symbol else 'spot'}"


def _risk(report: RunReport) -> RenderableType:
    style = "bold red" if report.liquidations else ""
    lines: list[RenderableType] = [Text(f"liquidations {report.liquidations}", style=style)]
    for title, counts in (("alerts", report.risk_event_counts), ("refused by our limits", report.refusals),
                          ("rejected by venues", report.rejects)):
        if counts:
            lines.append(Text(f"{title}: " + ", ".join(f"{words(name)} {count:,}" for name, count in counts.items())))
    lines.extend(Text(f"{event.at[:16].replace('T', ' ')}  {words(event.name)}  {event.text}", style="dim")
                 for event in report.risk_events[-EVENTS_SHOWN:])
    return Group(*lines)


def _table(*columns: str) -> Table:
    """A bare table: first column left, numbers right, the last one takes what is left."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for place, name in enumerate(columns):
        textual = place in (0, len(columns) - 1) or name in ("long / short", "series", "kind", "source")
        table.add_column(name, justify="left" if textual else "right", no_wrap=place < len(columns) - 1)
    return table


def _sign_style(value: float | None) -> str:
    if value is None or value == 0:
        return ""
    return "green" if value > 0 else "red"
