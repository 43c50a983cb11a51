"""What `risk` prints: limits with headroom, coins with their caps and why, the tail and its record, stress, margin.

Takes the sheet, or its JSON from a running daemon. What is not known is a dash, never a zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from bot.cli.told import told_as
from bot.research.number_text import instant, number, pct, words
from bot.research.sheet import Cell, Column, Sheet
from bot.risk.sheet import BetaRow, CoinRow, LimitRow, RiskSheet

STATE_STYLES: Final = {"ok": "green", "soft": "yellow", "hard": "bold red", "unknown": "bold yellow", "off": "bold red"}
STATE_WORDS: Final = {
    "ok": "every limit has room", "soft": "nothing is added until a limit has room again",
    "hard": "the book is being cut", "off": "THE GOVERNOR IS OFF",
}
_BAR: Final = 10
_STRESS_SHOWN: Final = 8
_CUTS_SHOWN: Final = 8


def as_sheet(sheet: Mapping[str, Any] | RiskSheet) -> RiskSheet:
    """The sheet, typed.

    Raises:
        Unavailable: the JSON is of another version of the program.
    """
    return sheet if isinstance(sheet, RiskSheet) else told_as(RiskSheet, sheet, "risk sheet")


def render_risk(sheet: Mapping[str, Any] | RiskSheet) -> RenderableType:
    """The whole sheet at the width of the terminal."""
    return Group(*_parts(as_sheet(sheet)))


def _parts(sheet: RiskSheet) -> Iterator[RenderableType]:
    style = STATE_STYLES.get(sheet.verdict, "bold red")
    reviewed = "never" if sheet.reviewed_ns is None else instant(sheet.reviewed_ns)
    yield Text.assemble("RISK  ", (f" {sheet.verdict.upper()} ", f"reverse {style}"), f"  {instant(sheet.at_ns)}",
                        (f"  {STATE_WORDS.get(sheet.verdict, '')}", style))
    yield Text.assemble(f"equity {number(sheet.equity_usd)} USD   ", (f"book last reviewed {reviewed}", "dim"))
    yield from _titled("LIMITS", _limits(sheet.limits))
    if sheet.coins:
        yield from _titled("COINS: volatility of a day, and the leverage it allows", _coins(sheet.coins))
    if sheet.beta is not None:
        yield from _titled("BETA to the market", _beta(sheet.beta))
    yield from _tail(sheet)
    if sheet.stress:
        yield from _titled("STRESS, worst first", _stress(sheet))
    if sheet.margin:
        yield from _titled("MARGIN: adverse move of all marks that liquidates", _margin(sheet))
    if sheet.cuts:
        yield from _titled("CUTS, newest first", _cuts(sheet))


def _titled(title: str, body: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    yield body


def _limits(rows: tuple[LimitRow, ...]) -> Sheet:
    return Sheet(
        (Column("limit", left=True), Column("of", 2, left=True), Column("now"), Column("allowed"),
         Column("used", 1, left=True), Column("state", left=True)),
        [(words(row.limit), row.scope, _amount(row.value, row.unit), _amount(row.allowed, row.unit),
          _bar(row.value, row.allowed), Text(row.state, style=STATE_STYLES.get(row.state, ""))) for row in rows])


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return {"usd": f"{number(value, places=0)} USD", "x": f"{number(value)}x", "%": pct(value),
            "share": pct(100.0 * value)}.get(unit, number(value))


def _bar(value: float | None, allowed: float) -> Cell:
    """How much of a limit is used."""
    if value is None or allowed <= 0.0:
        return "?" * _BAR
    filled = min(max(round(_BAR * value / allowed), 0), _BAR)
    style = "red" if value >= allowed else "yellow" if value >= 0.8 * allowed else "green"
    return Text("#" * filled + "-" * (_BAR - filled), style=style)


def _coins(rows: tuple[CoinRow, ...]) -> Sheet:
    return Sheet(
        (Column("coin", left=True), Column("vol"), Column("by", 4, left=True), Column("sizing", 6),
         Column("short cap"), Column("why", 2, left=True), Column("long cap"), Column("why ", 3, left=True),
         Column("fit", 5, left=True), Column("notes", 1, left=True)),
        [(row.coin, pct(row.sigma_day_pct), words(row.source), pct(row.sigma_size_day_pct), f"{number(row.cap_short)}x",
          words(row.binding_short), f"{number(row.cap_long)}x", words(row.binding_long), _fit(row),
          ", ".join(words(reason) for reason in row.reasons) or "-") for row in rows],
        caption="cap 0x: not traded; why = the rule that binds")


def _fit(row: CoinRow) -> str:
    if row.fit_age_days is None:
        return "none yet"
    return f"{words(row.fitted_model)}, {row.fit_points} days, {row.fit_age_days:.1f} d old"


def _beta(row: BetaRow) -> RenderableType:
    """The book's beta in its band, what it is made of, and the hedge."""
    style = "green" if row.inside else "bold yellow"
    head = Text.assemble((_signed(row.beta), style), f" of {row.target_beta:+.2f} +- {row.band:.3f}"
                         f"   exposure {number(row.exposure_usd, places=0)} USD   {_why(row)}   ",
                         f"hedge {number(row.hedge_usd, signed=True, places=0)} USD of {row.instrument}"
                         if row.hedge_usd else "no hedge")
    coins = "   ".join(f"{coin} {beta:.2f} +- {1.96 * se:.2f}" for coin, beta, se in row.coins)
    return Group(head, Text(f"betas  {coins}", style="dim"))


def _why(row: BetaRow) -> str:
    return f"{words(row.reason)} by {words(row.cap)}" if row.cap else words(row.reason)


def _signed(beta: float | None) -> str:
    return "unknown" if beta is None else f"{beta:+.4f}"


def _tail(sheet: RiskSheet) -> Iterator[RenderableType]:
    tail = sheet.tail
    if tail is None:
        yield from _titled("TAIL OF A DAY", Text("nothing is held", style="dim"))
        return
    line = (f"ES {100 * tail.level_es:g} % {number(tail.es_usd)}   VaR 99 % {number(tail.var99_usd)}   VaR 95 %"
            f" {number(tail.var95_usd)} USD   by {words(tail.method)}")
    yield from _titled("TAIL OF A DAY", Text(line + (f" ({words(tail.reason)})" if tail.reason else "")))
    if tail.parts:
        shares = "   ".join(f"{name} {number(part)}" for name, part in tail.parts)
        yield Text(f"ES by pair  {shares}", style="dim")
    yield Text(f"record: {sheet.record_days} days, {sheet.breaches99} beyond VaR 99 %"
               f" ({0.01 * sheet.record_days:.1f} expected)")
    for test in sheet.tests:
        verdict = ("rejected", "bold red") if test.rejected else ("holds", "green")
        figure = "-" if test.p_value is None else f"p {test.p_value:.3f}"
        yield Text.assemble(f"  {words(test.name)}  {figure}  ", verdict, (f"  {test.text}", "dim"))
    if tail.tightened < 1.0:
        yield Text(f"limits tightened to {tail.tightened:.0%}: {tail.tightened_why}", style="bold yellow")


def _stress(sheet: RiskSheet) -> Sheet:
    shown = sheet.stress[:_STRESS_SHOWN]
    hidden = len(sheet.stress) - len(shown)
    return Sheet(
        (Column("scenario", left=True), Column("USD"), Column("% of equity"), Column("margin left", 2),
         Column("liquidated", 1, left=True), Column("naked", 3), Column("binds", 4, left=True)),
        [(row.name, number(row.pnl_usd, signed=True), pct(row.pnl_pct, signed=True),
          number(row.margin_left_usd, places=0), ", ".join(row.liquidated) or "-", number(row.naked_usd, places=0),
          "accepted" if row.accepted else "yes")
         for row in shown], caption=f"{hidden} milder ones in --json" if hidden else "")


def _margin(sheet: RiskSheet) -> Sheet:
    return Sheet(
        (Column("venue", left=True), Column("equity", 2), Column("leverage"), Column("allowed"), Column("distance"),
         Column("steered to", 1), Column("top-up below", 3), Column("shrinks below", 3)),
        [(row.venue, number(row.equity_usd, places=0), f"{number(row.leverage)}x", f"{number(row.leverage_allowed)}x",
          pct(row.distance_pct), pct(row.reference_pct), pct(row.top_up_below_pct), pct(row.reduce_below_pct))
         for row in sheet.margin])


def _cuts(sheet: RiskSheet) -> Sheet:
    shown = sorted(sheet.cuts, key=lambda row: -row.at_ns)[:_CUTS_SHOWN]
    return Sheet(
        (Column("at", left=True), Column("limit", left=True), Column("pair", left=True), Column("from USD"),
         Column("to USD"), Column("value", 2), Column("allowed", 2)),
        [(instant(row.at_ns), words(row.cut.limit), row.cut.pair, number(row.cut.before_usd, places=0),
          number(row.cut.after_usd, places=0), number(row.cut.value), number(row.cut.allowed)) for row in shown])
