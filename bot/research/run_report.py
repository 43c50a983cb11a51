"""From what a run left behind to its report document: `build_report`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

import bot
from bot.domain.values import MONEY, NS_PER_DAY, NS_PER_HOUR, ZERO
from bot.engine.view import PairView
from bot.quant.market_beta import market_beta
from bot.quant.performance import (
    annual_volatility,
    cagr,
    calmar,
    drawdown,
    hit_rate,
    sharpe,
    sharpe_autocorrelated,
    sharpe_standard_error,
    sortino,
)
from bot.research.equity_curve import Curve, RunOutcome, btc_returns, days_under_water, equity_curve, minus, total_of
from bot.research.number_text import iso, month_of, year_of
from bot.research.run_document import (
    AttributionUsd,
    BetaBtc,
    DayRow,
    EquityUsd,
    MonthRow,
    PairRow,
    Period,
    RiskEvent,
    RunIdentity,
    RunReport,
    Unhedged,
    YearRow,
)
from bot.research.run_recorder import PARTS, ClosedPair, DayPoint, RunRecorder

FUNDING: Final = PARTS.index("funding")


def code_hash(package: Path | None = None) -> str:
    """SHA-256 over the names and bytes of the package's Python files, in order of their paths."""
    root = Path(bot.__file__).parent if package is None else package
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda file: file.relative_to(root).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def build_report(recorder: RunRecorder, run: RunIdentity, outcome: RunOutcome, coverage: Sequence[Any]) -> RunReport:
    """Join what was recorded, what the driver knows and what the data covered.

    Args:
        recorder: has seen every event of the run.
        run: its identity.
        outcome: its ends and the venue's books.
        coverage: one struct or dict per series, copied as it is.

    Returns:
        The document; a statistic that this run is too short for is None.
    """
    curve = equity_curve(recorder.days, outcome)
    total = curve.points[-1].parts_usd
    pnl = total_of(total)
    days = (outcome.end_ns - outcome.start_ns) / NS_PER_DAY
    index = curve.index
    daily = curve.returns[curve.whole_days]
    growth = cagr(float(index[-1]), days)
    fall = drawdown(index)
    under_water = None if fall is None else days_under_water(curve, index)
    beta = market_beta(daily, btc_returns(curve)[curve.whole_days])
    return RunReport(
        run=run, period=Period(start=iso(outcome.start_ns), end=iso(outcome.end_ns), days=round(days, 6)),
        coverage=tuple(msgspec.to_builtins(row, enc_hook=str) for row in coverage),
        equity_usd=EquityUsd(start=outcome.start_equity_usd, end=outcome.end_equity_usd),
        net_pct=_pct(float(index[-1]) - 1.0), cagr_pct=_pct(growth),
        attribution_usd=AttributionUsd(
            **{name: _text(part) for name, part in zip(PARTS, total, strict=True)}, total=_text(pnl),
            residual=_residual(outcome, pnl)),
        sharpe=sharpe(daily), sharpe_se=sharpe_standard_error(daily), sharpe_autocorr=sharpe_autocorrelated(daily),
        vol_annual_pct=_pct(annual_volatility(daily)), max_drawdown_pct=_pct(None if fall is None else fall.depth),
        days_under_water=under_water, sortino=sortino(daily),
        calmar=calmar(growth, None if fall is None else fall.depth), hit_rate=hit_rate(daily),
        beta_btc=BetaBtc(value=None if beta is None else beta.value, se=None if beta is None else beta.se),
        unhedged=_unhedged(recorder), liquidations=recorder.liquidations, orders=recorder.orders,
        fills=recorder.fills, turnover=_turnover(recorder, curve), pairs=_pairs(recorder, outcome),
        by_year=_years(recorder, curve), by_month=_months(curve), decisions=_counts(recorder.decisions),
        rebalances=recorder.rebalances, refusals=_counts(recorder.refusals), rejects=_counts(recorder.rejects),
        funding_payments=recorder.funding_payments,
        risk_events=tuple(RiskEvent(at=iso(e.at_ns), name=e.name, text=e.text) for e in recorder.risk_events),
        risk_event_counts=_counts(recorder.risk_counts), daily=tuple(_day(point) for point in curve.points),
        wall_s=outcome.wall_s, cpu_s=outcome.cpu_s,
    )


def _residual(outcome: RunOutcome, pnl: Decimal) -> str | None:
    """The venues' own change less ours; unknown where only one set of books is at hand."""
    if outcome.venue_equity_change_usd is None:
        return None
    return _text(MONEY.subtract(Decimal(outcome.venue_equity_change_usd), pnl))


def _unhedged(recorder: RunRecorder) -> Unhedged:
    seconds = [seconds for seconds, _ in recorder.imbalances]
    sizes = [pct for _, pct in recorder.imbalances]
    p99 = float(np.quantile(np.array(sizes), 0.99, method="inverted_cdf")) if sizes else 0.0
    return Unhedged(seconds_max=max(seconds, default=0.0), notional_p99_pct=p99, imbalances=len(sizes))


def _turnover(recorder: RunRecorder, curve: Curve) -> float | None:
    mean = float(np.mean([float(point.equity_usd) for point in curve.points]))
    return float(recorder.traded_usd) / mean if recorder.traded_usd is not None and mean > 0.0 else None


def _pairs(recorder: RunRecorder, outcome: RunOutcome) -> tuple[PairRow, ...]:
    """Closed pairs in the order they closed, then those still held."""
    held = (_held_pair(pair, recorder.forecast_usd.get(pair.pair_id), outcome.end_ns) for pair in outcome.open_pairs)
    return (*(_closed_pair(pair) for pair in recorder.closed_pairs), *held)


def _closed_pair(pair: ClosedPair) -> PairRow:
    return PairRow(
        pair_id=pair.pair_id, symbol=pair.coin, venues=(_venue(pair.long_leg), _venue(pair.short_leg)),
        long_leg=pair.long_leg, short_leg=pair.short_leg, notional_usd=_text(pair.notional_usd),
        open=iso(pair.open_ns), close=iso(pair.close_ns),
        held_h=round((pair.close_ns - pair.open_ns) / NS_PER_HOUR, 4), funding_usd=_text(pair.funding_usd),
        forecast_usd=None if pair.forecast_usd is None else _text(pair.forecast_usd),
        fees_usd=_text(pair.fees_usd), net_usd=_text(pair.net_usd), exit_reason=pair.exit_reason,
    )


def _held_pair(pair: PairView, forecast_usd: Decimal | None, end_ns: int) -> PairRow:
    opened = pair.opened_ns
    return PairRow(
        pair_id=pair.pair_id, symbol=pair.coin, long_leg=pair.long_leg.instrument,
        short_leg=pair.short_leg.instrument,
        venues=(_venue(pair.long_leg.instrument), _venue(pair.short_leg.instrument)),
        notional_usd=pair.notional_usd, open=None if opened is None else iso(opened), close=None,
        held_h=None if opened is None else round((end_ns - opened) / NS_PER_HOUR, 4), funding_usd=pair.funding_usd,
        forecast_usd=None if forecast_usd is None else _text(forecast_usd), fees_usd=pair.fees_usd,
        net_usd=pair.net_usd, exit_reason="open",
    )


def _years(recorder: RunRecorder, curve: Curve) -> tuple[YearRow, ...]:
    """One row per year with a step that ended in it (an end at 00 UTC of 1 January belongs to the year before)."""
    rows = []
    of_step = [year_of(point.at_ns - 1) for point in curve.points[1:]]
    for year in sorted(set(of_step)):
        first, last = of_step.index(year), len(of_step) - of_step[::-1].index(year)
        parts = minus(curve.points[last].parts_usd, curve.points[first].parts_usd)
        hours: int = recorder.hours[year]
        idle: Mapping[str, int] = recorder.idle_hours.get(year, {})
        rows.append(YearRow(
            year=year, net_pct=_pct(float(np.prod(1.0 + curve.returns[first:last])) - 1.0),
            pnl_usd=_text(total_of(parts)),
            **{f"{name}_usd": _text(part) for name, part in zip(PARTS, parts, strict=True)},
            idle_share=sum(idle.values()) / hours if hours else None,
            idle_reasons={reason: idle[reason] / hours for reason in sorted(idle, key=lambda r: (-idle[r], r))},
        ))
    return tuple(rows)


def _months(curve: Curve) -> tuple[MonthRow, ...]:
    of_step = [month_of(point.at_ns - 1) for point in curve.points[1:]]
    rows = []
    for month in sorted(set(of_step)):
        first, last = of_step.index(month), len(of_step) - of_step[::-1].index(month)
        funding = MONEY.subtract(curve.points[last].parts_usd[FUNDING], curve.points[first].parts_usd[FUNDING])
        rows.append(MonthRow(month=month, net_pct=_pct(float(np.prod(1.0 + curve.returns[first:last])) - 1.0),
                             funding_usd=_text(funding)))
    return tuple(rows)


def _day(point: DayPoint) -> DayRow:
    return DayRow(at=iso(point.at_ns), equity_usd=_text(point.equity_usd), pnl_usd=_text(total_of(point.parts_usd)),
                  funding_usd=_text(point.parts_usd[FUNDING]),
                  btc_price=None if point.btc_price is None else _text(point.btc_price))


def _text(amount: Decimal) -> str:
    """Plain digits, never an exponent; at least cents."""
    whole = amount.normalize(MONEY) if amount else ZERO
    exponent = whole.as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{whole:.{max(2, -exponent)}f}"


def _pct(fraction: float | None) -> float | None:
    """A fraction in per cent; None where it is unknown or not finite."""
    return None if fraction is None or not np.isfinite(fraction) else 100.0 * fraction


def _counts(counter: Mapping[str, int]) -> dict[str, int]:
    """Largest first, then by name."""
    return {name: counter[name] for name in sorted(counter, key=lambda n: (-counter[n], n))}


def _venue(instrument: str) -> str:
    return instrument.partition(":")[0]
