"""Stops on marked equity: two agreeing samples, deposits are no profit, a day begins at 00 UTC."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.risk.params import RiskLimits
from bot.risk.stops import StopState, StopVerdict, cash_flow, observe, would_stop

LIMITS = RiskLimits(drawdown_stop_pct=10.0, daily_loss_stop_pct=2.0)
DAY = 19_000 * NS_PER_DAY


def sample(state: StopState, equity: str, seconds: float) -> StopVerdict:
    return observe(state, Decimal(equity), Nanos(DAY + int(seconds * NS_PER_S)), LIMITS)


def test_a_stop_needs_two_agreeing_samples_a_minute_apart() -> None:
    """F06: one odd tick closes nothing."""
    state = StopState()
    sample(state, "100", 0)
    assert not sample(state, "90", 1).drawdown_stop
    assert not sample(state, "90", 60.9).drawdown_stop
    assert sample(state, "90", 61).drawdown_stop


def test_a_sample_above_the_bound_begins_anew() -> None:
    """A tick that came back is forgotten."""
    state = StopState()
    sample(state, "100", 0)
    sample(state, "90", 1)
    sample(state, "90.01", 30)
    assert not sample(state, "90", 62).drawdown_stop
    assert sample(state, "90", 122).drawdown_stop


def test_the_drawdown_is_measured_from_the_peak_and_the_day_from_its_start() -> None:
    """110 is the peak, 100 the start of the day."""
    state = StopState()
    sample(state, "100", 0)
    sample(state, "110", 10)
    verdict = sample(state, "99", 20)
    assert verdict.drawdown_pct == pytest.approx(10.0)
    assert verdict.day_pct == pytest.approx(-1.0)


def test_the_daily_stop_ends_with_the_day() -> None:
    """A loss of yesterday is not one of today; the peak stays."""
    state = StopState()
    sample(state, "100", 0)
    sample(state, "97", 100)
    assert sample(state, "97", 200).daily_stop
    verdict = sample(state, "97", 86_400)
    assert (verdict.new_day, verdict.daily_stop, verdict.day_pct) == (True, False, 0.0)
    assert verdict.drawdown_pct == pytest.approx(3.0)
    assert not sample(state, "97", 86_500).new_day


def test_a_withdrawal_is_no_loss_and_a_deposit_no_gain() -> None:
    """Peak and day start move with the cash; before the first sample there is nothing to move."""
    state = StopState()
    cash_flow(state, Decimal(100))
    assert (state.peak_usd, state.day_start_usd) == (None, None)
    sample(state, "100", 0)
    cash_flow(state, Decimal(-50))
    verdict = sample(state, "50", 1)
    assert (verdict.drawdown_pct, verdict.day_pct) == (0.0, 0.0)


def test_an_account_that_began_empty_has_no_percentage() -> None:
    """Nothing is divided by nothing, and nothing stops."""
    state = StopState()
    verdict = sample(state, "0", 0)
    assert (verdict.drawdown_pct, verdict.drawdown_stop) == (0.0, False)


def both(state: StopState, equity: str, second: str, seconds: float) -> StopVerdict:
    return observe(state, Decimal(equity), Nanos(DAY + int(seconds * NS_PER_S)), LIMITS, Decimal(second))


@pytest.mark.parametrize(("equity", "second"), [("80", "99"), ("99", "80")])
def test_F80_what_one_source_alone_shows_stops_nothing(equity: str, second: str) -> None:
    """However long it lasts; it is said that they differ. Both together stop."""
    state = StopState()
    both(state, "100", "100", 0)
    verdicts = [both(state, equity, second, seconds) for seconds in (10, 100, 1_000)]
    assert [verdict.drawdown_stop for verdict in verdicts] == [False] * 3
    assert all(verdict.unsure for verdict in verdicts)
    both(state, "88", "90", 1_100)
    verdict = both(state, "88", "90", 1_160)
    assert (verdict.drawdown_stop, verdict.unsure, verdict.drawdown_pct) == (True, False, 10.0)


@pytest.mark.parametrize(("equity", "second"), [("150", "101"), ("101", "150")])
def test_F80_one_odd_price_makes_no_peak(equity: str, second: str) -> None:
    """A peak that never was would close everything at the next honest sample."""
    state = StopState()
    both(state, "100", "100", 0)
    both(state, equity, second, 10)
    assert state.peak_usd == Decimal(101)
    assert both(state, "100", "100", 20).drawdown_pct == pytest.approx(0.990099)


def test_F80_a_sample_that_is_not_trusted_leaves_no_trace() -> None:
    """It is only asked what it would have done."""
    state = StopState()
    assert not would_stop(state, Decimal(50), LIMITS)
    sample(state, "100", 0)
    assert would_stop(state, Decimal(90), LIMITS)
    assert not would_stop(state, Decimal("90.1"), LIMITS)
    assert (state.peak_usd, state.drawdown_seen_ns) == (Decimal(100), None)
