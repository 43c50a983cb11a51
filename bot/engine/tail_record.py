"""Forecast against outcome, day by day: the book held at 00 UTC, its VaR and ES, and what it made until the next.

The book stands still in it: the record tests the forecast, not the trading. Where the tests reject, limits tighten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from bot.domain.values import NS_PER_DAY, Nanos
from bot.engine.governor_state import RECORD_DAYS_MAX, PendingDay
from bot.engine.turn import Turn
from bot.quant.tail_risk import TAIL_ROWS_MIN
from bot.risk.book_tail import BookTail, PairLegs
from bot.risk.sheet import ForecastTest, TailDay
from bot.risk.var_record import RecordLimits, RiskForecast, judge_record

_JUDGED_EVERY_DAYS: Final = 7


def close_day(turn: Turn, legs: tuple[PairLegs, ...], held: Mapping[str, float], equity_usd: float) -> None:
    """Once per daily close: book the outcome of the forecast that is out, and forecast the day that begins.

    Args:
        legs: the pairs that are held.
        held: their notionals by key, USD.
    """
    state = turn.state.governor
    day = turn.now_ns // NS_PER_DAY
    pending = state.pending
    if state.record_day == day or not turn.params.governor.enabled:
        return
    state.record_day = day
    if pending is not None:
        _book_outcome(turn, pending)
    state.pending = None
    if not any(held.values()):
        return
    tail = turn.memory.tail(turn.state, legs, turn.params.governor)
    var95, var99 = tail.at_level(held, 0.95), tail.at_level(held, 0.99)
    figures = tail.figures(held)
    if var95 is None or var99 is None:
        return
    state.pending = PendingDay(
        day=day, legs=legs, sizes=dict(held), var95_usd=round(var95, 4), var99_usd=round(var99, 4),
        var975_usd=round(figures.var_usd, 4), es_usd=round(figures.es_usd, 4), equity_usd=round(equity_usd, 2),
        shape=tail_losses(tail, held), method=figures.method,
    )


def tail_losses(tail: BookTail, held: Mapping[str, float]) -> tuple[float, ...]:
    """Loss over ES of the forecast's own tail rows: what the critical value of the ES test is drawn from."""
    return tuple(round(each, 6) for each in tail.shape(held))


def _book_outcome(turn: Turn, pending: PendingDay) -> None:
    """What the book of the forecast made: kept only if every leg closed both ends of that very day."""
    state, total = turn.state.governor, 0.0
    for pair in pending.legs:
        rows = turn.state.panel.joint_rows(pair.legs, 3)
        match = np.flatnonzero(rows.days == pending.day + 1)
        if not len(match):
            return
        returns, funding = rows.returns[match[0]], rows.funding[match[0]]
        earned = sum(float(returns[at] - funding[at]) * (1.0 if leg == pair.long_leg else -1.0)
                     for at, leg in enumerate(pair.legs))
        total += pending.sizes.get(pair.key, 0.0) * earned
    state.record.append(TailDay(pending.day, pending.var95_usd, pending.var99_usd, pending.es_usd, round(total, 4),
                                pending.equity_usd, pending.var975_usd, pending.method))
    del state.record[:-RECORD_DAYS_MAX]
    if len(state.record) % _JUDGED_EVERY_DAYS == 0:
        _judge(turn, pending)


def _judge(turn: Turn, pending: PendingDay) -> None:
    """Test the record; a rejection tightens the limit and tells the operator."""
    state = turn.state.governor
    rows = [RiskForecast(day_ns=Nanos(each.day * NS_PER_DAY), method=each.method,
                         var_95_usd=each.var95_usd, var_99_usd=each.var99_usd, es_975_usd=each.es_usd,
                         var_975_usd=each.var975_usd, pnl_usd=each.pnl_usd) for each in state.record]
    if len(pending.shape) < TAIL_ROWS_MIN:
        return
    limits: RecordLimits = turn.params.governor.record
    verdict = judge_record(rows, limits, np.array(pending.shape), np.random.default_rng(pending.day))
    factor = round(verdict.limit_factor, 6)
    if factor < state.tightened:
        turn.alert("risk_forecast_rejected",
                   f"VaR record of {verdict.days} days: {', '.join(verdict.reasons)}; ES limit x {factor:g}")
    if factor != state.tightened:
        turn.note("risk_limit_scaled", factor=factor, reasons=",".join(verdict.reasons))
    state.tightened, state.tightened_why = factor, ",".join(verdict.reasons) if factor < 1.0 else ""
    state.tests = tuple(
        ForecastTest(name=name, statistic=None, p_value=None if p is None else round(p, 6),
                     rejected=p is not None and p < limits.var_test_significance, text=text)
        for name, p, text in (
            ("kupiec", verdict.kupiec_p, f"{verdict.breaches_99} breaches of the 99 % VaR in {verdict.days} days"),
            ("christoffersen_independence", verdict.independence_p, "whether breaches come together"),
            ("christoffersen_coverage", verdict.conditional_p, "both at once"),
        )
    ) + ((ForecastTest(name="acerbi_szekely_z2", statistic=None if verdict.z2 is None else round(verdict.z2, 6),
                       p_value=None, rejected="es_too_low" in verdict.reasons,
                       text=f"below {verdict.z2_critical:.3f} the ES is too small"),)
         if verdict.z2_critical is not None else ())
