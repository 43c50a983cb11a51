"""Calculators of tail risk: VaR and ES by several methods, whether a VaR record is believable, stress of one pair."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.domain.errors import Unavailable
from bot.domain.instrument import Instrument
from bot.domain.values import Venue
from bot.quant.cornish_fisher import cornish_fisher_var_es
from bot.quant.ewma import ewma_variance
from bot.quant.fhs import fhs_var_es
from bot.quant.tail_risk import TailRisk, historical_var_es, normal_var_es, rows_needed, student_var_es
from bot.quant.var_backtests import (
    acceptance_interval,
    basel_zone,
    breaches,
    conditional_coverage,
    independence,
    kupiec,
    quantile_loss,
    transitions,
)
from bot.research.calculation import Calculation, Row
from bot.risk.scenarios import Scenario
from bot.risk.stress import StressLimits, stress
from bot.risk.stress_book import StressBook, StressLeg, StressPool

Vector = npt.NDArray[np.float64]

_DECAY: Final = 0.94
_WARM_ROWS: Final = 60
_NOT_A_MAXIMUM: Final = ("VaR is a quantile, not a maximum loss: it is exceeded on the stated share of days, and ES"
                         " says by how much on average")


def var_parametric(*, sigma: float, level: float, notional_usd: float, nu: float, mean: float = 0.0) -> Calculation:
    """VaR and ES of one period from a volatility, with t and with normal tails."""
    student = student_var_es(mean * notional_usd, sigma * notional_usd, nu, level)
    normal = normal_var_es(mean * notional_usd, sigma * notional_usd, level)
    return Calculation(
        name="var",
        inputs={"sigma": sigma, "mean": mean, "level": level, "nu": nu, "notional_usd": notional_usd},
        result={"var_usd": student.var, "es_usd": student.es, "normal_var_usd": normal.var, "normal_es_usd": normal.es},
        arithmetic=(
            f"sd {sigma:.4%} x {notional_usd:,.2f} = {sigma * notional_usd:,.2f} USD",
            f"t with nu {nu:g}: VaR {student.var:,.2f}, ES {student.es:,.2f}; normal: {normal.var:,.2f},"
            f" {normal.es:,.2f}",
        ),
        conventions=("losses are positive", _NOT_A_MAXIMUM,
                     "do not scale by the square root of time where volatility moves: simulate the horizon"),
    )


def var_of_series(values: Vector, *, level: float, notional_usd: float, nu: float, source: str) -> Calculation:
    """VaR and ES of the next period from a series of returns or P&L, by every method that its length allows.

    Raises:
        Unavailable: too few rows for the level.
    """
    if len(values) < rows_needed(level):
        raise Unavailable(f"{source}: {len(values)} rows; a level of {level:g} needs {rows_needed(level)}")
    pnl = values * notional_usd
    rows: list[Row] = [_row("historical", historical_var_es(pnl, level), "")]
    variance = ewma_variance(values, _DECAY)
    known = np.isfinite(variance[:-1]) & (variance[:-1] > 0.0)
    if int(known.sum()) >= max(rows_needed(level), _WARM_ROWS) and variance[-1] > 0.0:
        rows_z = (values[1:][known] / np.sqrt(variance[:-1][known]))[:, None]
        found = fhs_var_es(np.array([notional_usd]), rows_z, np.array([math.sqrt(variance[-1])]), level)
        rows.append(_row("filtered historical (EWMA 0.94)", found, "default"))
    else:
        rows.append({"method": "filtered historical (EWMA 0.94)", "note": "too few rows, or none that moves"})
    mean, sd = float(pnl.mean()), float(pnl.std(ddof=1))
    rows.append(_row(f"t, nu {nu:g}", student_var_es(mean, sd, nu, level), ""))
    rows.append(_row("normal", normal_var_es(mean, sd, level), "thin tails: breached too often"))
    expansion = cornish_fisher_var_es(pnl, level)
    rows.append(_row("Cornish-Fisher", expansion, "for show") if isinstance(expansion, TailRisk) else
                {"method": "Cornish-Fisher", "note": str(expansion).replace("_", " ")})
    best = next((row for row in rows if row.get("note") == "default"), rows[0])
    return Calculation(
        name="var",
        inputs={"source": source, "rows": len(values), "level": level, "notional_usd": notional_usd, "nu": nu},
        result={"method": best["method"], "var_usd": best["var_usd"], "es_usd": best["es_usd"]},
        arithmetic=(f"{len(values)} rows, {len(values) * (1 - level):.1f} of them expected beyond VaR",),
        conventions=("losses are positive", _NOT_A_MAXIMUM, "one row of the file is one period"),
        tables={"methods": tuple(rows)},
    )


def _row(method: str, risk: TailRisk, note: str) -> Row:
    return {"method": method, "var_usd": risk.var, "es_usd": risk.es, "note": note}


def coverage(*, days: int, level: float, breached: int | None = None) -> Calculation:
    """How many breaches a right VaR has, and what a count says about one."""
    rate = 1.0 - level
    low, high = acceptance_interval(days, rate)
    result: Row = {"expected": days * rate, "accept_from": low, "accept_to": high}
    lines = [f"{days} days x {rate:.2%} = {days * rate:.1f} breaches expected",
             f"Kupiec's test at 5 % accepts {low} to {high}"]
    if breached is not None:
        test = kupiec(days, breached, rate)
        zone = basel_zone(days, breached, rate)
        result |= {"breaches": breached, "kupiec_lr": test.statistic, "kupiec_p": test.p_value,
                   "rejected": test.p_value < 0.05, "basel_zone": zone}
        lines.append(f"{breached} breaches: LR {test.statistic:.3f}, p {test.p_value:.4f}, zone {zone}")
    return Calculation(
        name="coverage", inputs={"days": days, "level": level, "breaches": breached}, result=result,
        arithmetic=tuple(lines), conventions=(_NOT_A_MAXIMUM, "a count says nothing about clusters: give --data"),
    )


def coverage_of_record(pnl: Vector, var: Vector, *, level: float, source: str) -> Calculation:
    """Whether a record of forecasts and outcomes has the right number of breaches, and no clusters of them."""
    rate, hit = 1.0 - level, breaches(pnl, var)
    counts, count = transitions(hit), int(hit.sum())
    unconditional, joint, alone = kupiec(len(hit), count, rate), conditional_coverage(hit, rate), independence(counts)
    low, high = acceptance_interval(len(hit), rate)
    return Calculation(
        name="coverage", inputs={"source": source, "days": len(hit), "level": level},
        result={"breaches": count, "expected": len(hit) * rate, "accept_from": low, "accept_to": high,
                "kupiec_p": unconditional.p_value, "independence_p": alone.p_value, "conditional_p": joint.p_value,
                "basel_zone": basel_zone(len(hit), count, rate), "quantile_loss": quantile_loss(pnl, var, rate),
                "rejected": min(unconditional.p_value, joint.p_value) < 0.05},
        arithmetic=(
            f"{count} of {len(hit)} days lost more than was forecast; {len(hit) * rate:.1f} expected",
            f"Kupiec: LR {unconditional.statistic:.3f}, p {unconditional.p_value:.4f}",
            f"Christoffersen: {counts.n01} breaches after a quiet day, {counts.n11} after another; independence p"
            f" {alone.p_value:.4f}, both together p {joint.p_value:.4f}",
        ),
        conventions=("P&L is gains positive, VaR a positive loss", _NOT_A_MAXIMUM),
    )


def pair_stress(
    *, long_leg: Instrument, short_leg: Instrument, notional_usd: float, collateral_usd: float, idle_usd: float,
    sigma_daily: float, half_spread: float, limits: StressLimits, scenarios: tuple[Scenario, ...],
) -> Calculation:
    """What every standard scenario does to one hedged pair and its wallets."""
    legs = tuple(
        StressLeg(instrument=leg.id, venue=leg.venue, coin=leg.coin, is_perp=leg.is_perp, tiers=leg.tiers,
                  notional_usd=side * notional_usd, taker_fee=float(leg.taker_fee), half_spread=half_spread,
                  sigma_daily=sigma_daily)
        for leg, side in ((long_leg, 1.0), (short_leg, -1.0)))
    venues = dict.fromkeys(leg.venue for leg in legs)
    perps = {venue: sum(leg.is_perp for leg in legs if leg.venue == venue) for venue in venues}
    pools = tuple(StressPool(
        venue=Venue(venue), quote=short_leg.quote, spot_cash_usd=idle_usd / len(venues),
        futures_equity_usd=collateral_usd * perps[venue] / sum(perps.values())) for venue in venues)
    sheet = stress(StressBook(legs=legs, pools=pools), limits, scenarios)
    rows: list[Row] = [
        {"scenario": each.name, "pnl_usd": each.pnl_usd, "pnl_pct": each.pnl_pct, "margin_left_usd":
         each.margin_left_usd, "liquidated": ", ".join(each.liquidated), "naked_usd": each.naked_usd,
         "topped_up_usd": each.topped_up_usd, "shrunk_pct": each.shrunk_pct, "costs_usd": each.costs_usd}
        for each in sheet.results]
    worst, broken = sheet.worst(limits), sheet.breaches(limits)
    return Calculation(
        name="stress",
        inputs={"long_leg": long_leg.id, "short_leg": short_leg.id, "notional_usd": notional_usd,
                "collateral_usd": collateral_usd, "idle_usd": idle_usd, "sigma_daily": sigma_daily},
        result={"equity_usd": sheet.equity_usd, "worst": None if worst is None else worst.name,
                "worst_pct": None if worst is None else worst.pnl_pct, "limit_pct": -limits.stress_loss_max_pct,
                "breaches": ", ".join(f"{each.name} ({each.limit})" for each in broken)},
        arithmetic=tuple(f"{each.name}: {each.text}" for each in sheet.results[:5]),
        conventions=("each scenario runs through margin, top-ups with their delay, liquidation, ADL and forced exits",
                     f"accepted by name, not binding: {', '.join(limits.stress_accepted) or 'none'}"),
        tables={"scenarios": tuple(rows)},
    )
