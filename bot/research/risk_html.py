"""The risk report as one HTML file: VaR against outcomes, volatility models, caps, frontier, stress, funding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from bot.research.calculation import Calculation, Value
from bot.research.funding_effect import FundingEffect
from bot.research.html_page import page, section, table
from bot.research.leverage_study import LeverageTable
from bot.research.number_text import words
from bot.research.risk_charts import bars_chart, curve_chart, lines_chart
from bot.research.risk_report import RiskReport, VolatilitySeries
from bot.research.var_study import DEFAULT_METHOD, InstrumentStudy
from bot.research.volatility_study import CHOSEN, VolatilityTable


def risk_html(report: RiskReport) -> str:
    """The whole file as text; write it as UTF-8."""
    title = f"Evenkeel risk report: {', '.join(report.coins)} at {report.venue}"
    subtitle = (f"{report.source}, {day(report.from_ns)} to {day(report.to_ns)}; the models learn from the first year,"
                " everything is judged on the days after it, on what was known then")
    sections = [section("In short", _cards(report))]
    sections += [section(f"VaR against outcomes: {each.symbol}", _var(each)) for each in report.var]
    for series in report.volatility_series:
        scores = next((each for each in report.volatility if each.symbol == series.symbol), None)
        sections.append(section(f"Volatility, forecast and realised: {series.symbol}", _volatility(series, scores)))
    sections += [section(f"Leverage caps against marks: {each.symbol}", _leverage(each)) for each in report.leverage]
    if report.frontier is not None:
        sections.append(section("Efficient frontier: perpetuals and carry", _frontier(report.frontier)))
    sections += [section(f"Stress of a hedged pair: {each.inputs['short_leg']}", _stress(each))
                 for each in report.stress]
    sections += [section(f"What funding does to returns: {each.symbol}", _funding(each)) for each in report.funding]
    if report.left_out:
        sections.append(section("Left out, and why", table(("section",), [(each,) for each in report.left_out])))
    sections.append(section("Run", table(("what", "value"), [("data", report.data_hash), ("source", report.source)])))
    return page(title, subtitle, sections)


def day(at_ns: int) -> str:
    """The date of an instant, UTC."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%d")


def figure(value: Value, places: int = 3) -> str:
    """A number of a table; unknown is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.{places}f}" if isinstance(value, float) else str(value)


def _percent(value: float | None, places: int = 2) -> str:
    return "-" if value is None or math.isnan(value) else f"{100.0 * value:.{places}f}%"


def _cards(report: RiskReport) -> str:
    cards: list[tuple[str, str, str]] = []
    for study in report.var:
        default = study.method(DEFAULT_METHOD)
        cards.append((f"{study.symbol} 99 % VaR", "passes" if default.passes else "rejected",
                      f"{default.breaches} breaches, {default.expected:.1f} expected"))
    for scores in report.volatility:
        best = scores.scores[0]
        cards.append((f"{scores.symbol} best volatility", words(best.model), f"QLIKE {best.qlike:.3f}"))
    cards += [(f"{caps.symbol} barriers", "hold" if caps.passes else "reached too often",
               f"{caps.windows:,} windows, one-sided test at 5 %") for caps in report.leverage]
    cards += [(f"{stress.inputs['short_leg']} worst stress", figure(stress.result["worst_pct"], 2) + "%",
               str(stress.result["worst"])) for stress in report.stress]
    return '<div class="cards">' + "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'
        for name, value, more in cards) + "</div>"


def _var(study: InstrumentStudy) -> str:
    days = [day(each) for each in study.day_ns]
    pnl = [100.0 * each for each in study.returns]
    limit = [-100.0 * each for each in study.var_99]
    marked = [place for place, (gain, floor) in enumerate(zip(pnl, limit, strict=True)) if gain < floor]
    rows = [(words(row.method) + (" (default)" if row.method == DEFAULT_METHOD else ""), str(row.days),
             str(row.breaches), figure(row.expected, 1), figure(row.kupiec_p), figure(row.independence_p),
             figure(row.conditional_p), figure(row.quantile_loss_bps, 2), figure(row.es_z2, 2),
             "pass" if row.passes else "rejected") for row in study.methods]
    head = ("method", "days", "breaches", "expected", "Kupiec p", "independence p", "both p", "quantile loss, bp",
            "ES Z2", "at 5 %")
    chart = lines_chart(days, [("return of a day, %", pnl), ("-VaR 99 %, forecast the day before", limit)], unit="%",
                        marked=marked, with_zero=True) if days else "<p>-</p>"
    return f'{chart}<p class="dim">Dots: days that lost more than was forecast.</p>{table(head, rows)}'


def _volatility(series: VolatilitySeries, scores: VolatilityTable | None) -> str:
    days = [day(each) for each in series.day_ns]
    chart = lines_chart(days, [
        ("realised", [100.0 * each for each in series.realised]),
        ("GARCH-t", [100.0 * each for each in series.garch]),
        ("own choice for sizing", [100.0 * each for each in series.chosen])], unit="%", with_zero=True)
    if scores is None:
        return chart
    rows = [(words(row.model), str(row.days), figure(row.qlike), figure(row.ratio, 2), figure(row.bias_slope, 2),
             figure(row.bias_p), figure(row.against_garch_p), str(row.fallback_days)) for row in scores.scores]
    head = ("model", "days", "QLIKE", "realised / forecast", "bias slope", "unbiased p", "p against GARCH-t",
            "fallback days")
    found = "it is what the bot chose for itself on most days" if scores.choice_found_it else \
        "the bot's own choice was another on most days"
    chosen = ", ".join(f"{words(name)} {count}" for name, count in scores.chosen_days)
    return (f'{chart}<p class="dim">Volatility per year. Best first, by QLIKE; {escape(found)} ({escape(chosen)} days;'
            f" {escape(words(CHOSEN))} is its score).</p>{table(head, rows)}")


def _leverage(caps: LeverageTable) -> str:
    kinds = {"used": "fitted on the past, bounded (in use)", "raw": "fitted on the past, unbounded", "none": "1"}
    rows = [(kinds[row.scale], f"{row.both.probability:g}", f"{row.both.windows:,}", str(row.both.hits),
             figure(row.both.rate_over_target, 2), figure(row.both.p_value), figure(row.scale_mean, 2),
             "rejected" if row.rejected else "holds") for row in caps.rows]
    head = ("scale on sigma", "p", "trials", "hits", "hits / target", "one-sided p", "mean scale", "target")
    sides = [(row.side, figure(row.low, 2), figure(row.median, 2), figure(row.high, 2),
              ", ".join(f"{words(name)} {count}" for name, count in row.binding)) for row in caps.caps]
    return (f"{table(head, rows)}<p></p>"
            f"{table(('side', 'cap, 5 % of days below', 'median', '95 %', 'what bound, times'), sides)}")


def _frontier(found: Calculation) -> str:
    points = [(_number(row["volatility_annual"]) * 100, _number(row["expected_annual"]) * 100, _weights(row))
              for row in found.tables["frontier"]]
    alone = [(_number(row["volatility_annual"]) * 100, _number(row["expected_annual"]) * 100, str(row["asset"]))
             for row in found.tables["assets"] if "carry" in str(row["asset"])]
    chart = curve_chart(points, x_name="volatility per year", y_name="expected per year", others=alone)
    names = [name for name in found.tables["frontier"][0] if name != "binding"]
    rows = [tuple(_percent(_number(row[name]), 1) if name != "leverage" else figure(row[name], 2) for name in names)
            for row in found.tables["frontier"]]
    notes = " ".join((*found.arithmetic, *found.conventions))
    return f'{chart}<p class="dim">{escape(notes)}</p>{table(tuple(words(name) for name in names), rows)}'


def _weights(row: dict[str, Value]) -> str:
    parts = [f"{name} {_number(value):+.2f}" for name, value in row.items()
             if name.endswith(("perp", "carry")) and abs(_number(value)) > 0.005]
    return ", ".join(parts)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _stress(found: Calculation) -> str:
    limit = _number(found.result["limit_pct"])
    broken = str(found.result["breaches"])
    rows = found.tables["scenarios"]
    shown = [(str(row["scenario"]), _number(row["pnl_pct"]), f"{row['scenario']} (" in broken) for row in rows]
    head = ("scenario", "P&L USD", "margin left USD", "liquidated", "largest naked USD", "topped up USD", "shrunk %",
            "costs USD")
    keys = ("pnl_usd", "margin_left_usd", "liquidated", "naked_usd", "topped_up_usd", "shrunk_pct", "costs_usd")
    body = [(str(row["scenario"]), *(figure(row[key], 0) or "-" for key in keys)) for row in rows]
    notes = " ".join(found.conventions)
    return (f'{bars_chart(shown, unit="%", limit=limit)}<p class="dim">Share of equity of a pair of'
            f" {_number(found.inputs['notional_usd']):,.0f} USD; dashed: the limit. {escape(notes)}</p>"
            f"{table(head, body)}")


def _funding(effect: FundingEffect) -> str:
    days = [day(each) for each in effect.day_ns]
    lines: list[tuple[str, Sequence[float]]] = [
        ("long perpetual, price alone", [100.0 * each for each in effect.long_price]),
        ("long perpetual after funding", [100.0 * each for each in effect.long_with_funding]),
        ("hedged pair before costs", [100.0 * each for each in effect.carry])]
    rows = [(str(row.year), str(row.days), _percent(row.price, 1), _percent(row.funding), _percent(row.carry),
             _percent(row.carry_vol)) for row in effect.years]
    note = (f"Sums of daily returns, of notional. A day's funding correlates {effect.correlation:+.2f} with the return"
            f" of the 30 days before it; longs received on {effect.negative_share:.0%} of days.")
    return (f'{lines_chart(days, lines, unit="%", with_zero=True)}<p class="dim">{escape(note)}</p>'
            f"{table(('year', 'days', 'price', 'funding paid by longs', 'hedged pair', 'its volatility'), rows)}")
