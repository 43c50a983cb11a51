"""The short of a risk report in the terminal; the page has the rest."""

from __future__ import annotations

from typing import Any

from bot.research.number_text import words
from bot.research.risk_html import day, figure
from bot.research.risk_report import RiskReport
from bot.research.sheet import Column, Sheet


def risk_text(report: RiskReport) -> Any:
    """A table each for VaR, volatility, barriers and stress, and what was left out."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [Text(f"RISK  {report.source}, {day(report.from_ns)} to {day(report.to_ns)}", style="bold")]

    def add(title: str, columns: tuple[Column, ...], rows: list[tuple[str, ...]]) -> None:
        if rows:
            parts.extend((Text(), Text(title, style="bold"), Sheet(columns, rows)))

    add("99 % VAR AGAINST OUTCOMES", (
        Column("coin", left=True), Column("method", left=True), Column("days", 3), Column("breaches"),
        Column("expected"), Column("Kupiec p", 1), Column("both p", 2), Column("at 5 %", left=True)), [
        (study.symbol, words(row.method), str(row.days), str(row.breaches), figure(row.expected, 1),
         figure(row.kupiec_p), figure(row.conditional_p), "pass" if row.passes else "rejected")
        for study in report.var for row in study.methods])
    add("VOLATILITY MODELS, BEST FIRST", (
        Column("coin", left=True), Column("model", left=True), Column("days", 2), Column("QLIKE"),
        Column("realised / forecast", 1)), [
        (scores.symbol, words(row.model), str(row.days), figure(row.qlike), figure(row.ratio, 2))
        for scores in report.volatility for row in scores.scores])
    add("LIQUIDATION BARRIERS ON MARKS, SCALE IN USE", (
        Column("coin", left=True), Column("p"), Column("trials", 2), Column("hits"), Column("hits / target", 1),
        Column("p-value"), Column("target", left=True)), [
        (caps.symbol, f"{row.both.probability:g}", f"{row.both.windows:,}", str(row.both.hits),
         figure(row.both.rate_over_target, 2), figure(row.both.p_value), "rejected" if row.rejected else "holds")
        for caps in report.leverage for row in caps.rows if row.scale == "used"])
    add("WORST STRESS OF A HEDGED PAIR AT 3x", (
        Column("pair", left=True), Column("scenario", left=True), Column("% of equity"),
        Column("breaches", left=True)), [
        (str(each.inputs["short_leg"]), str(each.result["worst"]), figure(each.result["worst_pct"], 2),
         str(each.result["breaches"]) or "-") for each in report.stress])
    parts.extend(Text(f"left out: {each}", style="dim") for each in report.left_out)
    return Group(*parts)
