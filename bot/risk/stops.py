"""Stops on marked equity: drawdown from the peak, loss of the day.

Two agreeing samples before anything closes, and in each of them two sources: what only one of them shows stops nothing
and makes no peak (F80).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.risk.params import RiskLimits


class StopState(msgspec.Struct):
    """Peak and day start of equity, net of deposits and withdrawals."""

    peak_usd: Decimal | None = None
    day_start_usd: Decimal | None = None
    day: int = -1
    drawdown_seen_ns: Nanos | None = None
    daily_seen_ns: Nanos | None = None


class StopVerdict(msgspec.Struct, frozen=True):
    """What the stops say now."""

    drawdown_pct: float
    day_pct: float
    drawdown_stop: bool
    daily_stop: bool
    new_day: bool
    unsure: bool = False
    """One of the sources alone shows so much drawdown."""


def cash_flow(state: StopState, amount_usd: Decimal) -> None:
    """A deposit or withdrawal is not P&L: peak and day start move with it."""
    if state.peak_usd is not None:
        state.peak_usd += amount_usd
    if state.day_start_usd is not None:
        state.day_start_usd += amount_usd


def observe(
    state: StopState, equity_usd: Decimal, at_ns: Nanos, limits: RiskLimits, second_usd: Decimal | None = None,
) -> StopVerdict:
    """One sample of marked equity; a stop is given once two samples `confirm_s` apart agree.

    Args:
        state: peak, day and what was seen; changed.
        equity_usd: as the books value it.
        at_ns: when.
        limits: how far each may fall.
        second_usd: as another source values it. A loss counts by the kinder of the two, a peak by the stricter.
    """
    second = equity_usd if second_usd is None else second_usd
    low_usd, equity_usd = min(equity_usd, second), max(equity_usd, second)
    day = at_ns // NS_PER_DAY
    new_day = day != state.day
    if new_day or state.day_start_usd is None:
        state.day, state.day_start_usd, state.daily_seen_ns = day, low_usd, None
    if state.peak_usd is None or low_usd > state.peak_usd:
        state.peak_usd = low_usd
    drawdown = _loss_pct(state.peak_usd, equity_usd)
    loss = _loss_pct(state.day_start_usd, equity_usd)
    state.drawdown_seen_ns, stop = _confirm(
        state.drawdown_seen_ns, drawdown >= limits.drawdown_stop_pct, at_ns, limits.confirm_s
    )
    state.daily_seen_ns, daily = _confirm(
        state.daily_seen_ns, loss >= limits.daily_loss_stop_pct, at_ns, limits.confirm_s
    )
    unsure = drawdown < limits.drawdown_stop_pct <= _loss_pct(state.peak_usd, low_usd)
    return StopVerdict(drawdown, -loss, stop, daily, new_day, unsure)


def would_stop(state: StopState, equity_usd: Decimal, limits: RiskLimits) -> bool:
    """Whether a sample that is not to be trusted shows so much drawdown; nothing is remembered of it."""
    return state.peak_usd is not None and _loss_pct(state.peak_usd, equity_usd) >= limits.drawdown_stop_pct


def _loss_pct(reference: Decimal, value: Decimal) -> float:
    return 100.0 * float((reference - value) / reference) if reference > 0 else 0.0


def _confirm(seen_ns: Nanos | None, breached: bool, at_ns: Nanos, confirm_s: float) -> tuple[Nanos | None, bool]:
    if not breached:
        return None, False
    if seen_ns is None:
        return at_ns, False
    return seen_ns, at_ns - seen_ns >= int(confirm_s * NS_PER_S)
