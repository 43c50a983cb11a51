"""The record of forecasts: one a day, booked against what the standing book made, judged weekly, and it bites."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bot.domain.values import NS_PER_DAY, Coin, InstrumentId, Nanos
from bot.engine.governor_state import GovernorState, PendingDay
from bot.engine.tail_record import close_day
from bot.engine.turn import Turn
from bot.market.panel import JointRows
from bot.risk.book_tail import BookTail, PairLegs
from bot.risk.governor_params import GovernorParams
from bot.risk.sheet import TailDay

LEGS = (PairLegs("a|b", Coin("BTC"), InstrumentId("a"), InstrumentId("b")),)
ROWS = np.random.default_rng(3).standard_normal((500, 1)) * 0.01
DAY = 1_000


class FakePanel:
    """One day's joint return of both legs, or none."""

    def __init__(self, day: int | None, pair_return: float = 0.0) -> None:
        self.day, self.pair_return = day, pair_return

    def joint_rows(self, legs: Any, days: int) -> JointRows:
        if self.day is None:
            return JointRows.empty(len(legs))
        return JointRows(np.array([[self.pair_return, 0.0]]), np.zeros((1, 2)), np.array([self.day]))


class FakeTurn:
    """What the record needs of a turn."""

    def __init__(self, panel: FakePanel, scenarios: Any = ROWS, enabled: bool = True) -> None:
        self.state = SimpleNamespace(governor=GovernorState(), panel=panel)
        self.params = SimpleNamespace(governor=GovernorParams(enabled=enabled))
        self.memory = SimpleNamespace(tail=lambda state, legs, params: BookTail(legs, scenarios, "few", 0.975))
        self.alerts: list[str] = []
        self.notes: list[str] = []
        self.now_ns = Nanos(DAY * NS_PER_DAY)

    def alert(self, name: str, text: str) -> None:
        self.alerts.append(f"{name} {text}")

    def note(self, name: str, **keys: object) -> None:
        self.notes.append(name)

    def close(self, held: dict[str, float], day: int = DAY) -> GovernorState:
        """Close a day."""
        self.now_ns = Nanos(day * NS_PER_DAY)
        close_day(cast(Turn, self), LEGS, held, 100_000.0)
        found: GovernorState = self.state.governor
        return found


def test_a_forecast_is_made_once_a_day_for_what_is_held() -> None:
    """VaR below ES, the book it is of, and nothing twice."""
    turn = FakeTurn(FakePanel(None))
    pending = turn.close({"a|b": 50_000.0}).pending
    assert pending is not None
    assert 0 < pending.var95_usd < pending.var99_usd
    assert pending.var975_usd < pending.es_usd
    assert pending.sizes == {"a|b": 50_000.0}
    turn.state.governor.pending = None
    assert turn.close({"a|b": 50_000.0}).pending is None


@pytest.mark.parametrize(("held", "scenarios", "enabled"), [
    ({"a|b": 0.0}, ROWS, True), ({"a|b": 50_000.0}, None, True), ({"a|b": 50_000.0}, ROWS, False),
])
def test_nothing_is_forecast_for_an_empty_book_without_history_or_with_the_governor_off(
    held: dict[str, float], scenarios: Any, enabled: bool,
) -> None:
    """No figure is made up."""
    assert FakeTurn(FakePanel(None), scenarios, enabled).close(held).pending is None


def test_an_outcome_is_booked_only_for_the_very_day() -> None:
    """The standing book's P&L; a day that a leg did not close is left out."""
    turn = FakeTurn(FakePanel(DAY + 1, -0.02))
    turn.close({"a|b": 50_000.0})
    record = turn.close({}, DAY + 1).record
    assert [row.pnl_usd for row in record] == [pytest.approx(-1_000.0)]
    assert record[0].day == DAY
    missed = FakeTurn(FakePanel(DAY + 5))
    missed.close({"a|b": 50_000.0})
    assert missed.close({}, DAY + 1).record == []


def judged(pnl_usd: float) -> FakeTurn:
    """A record of 349 alike days, the next of which completes a week."""
    turn = FakeTurn(FakePanel(DAY + 1, pnl_usd / 50_000.0))
    rows = [TailDay(DAY - 349 + place, 800.0, 1_200.0, 1_100.0, 10.0 if place % 10 else pnl_usd, 100_000.0, 1_000.0)
            for place in range(349)]
    turn.state.governor.record = rows
    turn.close({"a|b": 50_000.0})
    turn.close({}, DAY + 1)
    return turn


def test_a_record_that_is_breached_too_often_tightens_the_limit_and_tells() -> None:
    """Every tenth day beyond the 99 % VaR: rejected, the limit shrinks, a person hears of it once."""
    turn = judged(-3_000.0)
    state = turn.state.governor
    assert state.tightened < 1.0
    assert state.tightened_why
    assert any(test.rejected for test in state.tests)
    assert turn.alerts[0].startswith("risk_forecast_rejected")
    assert "risk_limit_scaled" in turn.notes


def test_a_record_that_holds_changes_nothing() -> None:
    """Small losses only: no limit moves and nobody is called."""
    turn = judged(-100.0)
    assert turn.state.governor.tightened == 1.0
    assert turn.alerts == []
    assert {test.name for test in turn.state.governor.tests} >= {"kupiec", "christoffersen_coverage"}


def test_a_forecast_without_a_tail_is_not_judged() -> None:
    """Too few rows to draw a critical value from."""
    turn = FakeTurn(FakePanel(DAY + 1))
    state = turn.state.governor
    state.record = [TailDay(place, 1.0, 1.0, 1.0, -9.0, 1.0, 1.0) for place in range(6)]
    state.pending = PendingDay(day=DAY, legs=LEGS, sizes={"a|b": 1.0}, var95_usd=1.0, var99_usd=1.0, var975_usd=1.0,
                               es_usd=1.0, equity_usd=1.0, shape=())
    assert turn.close({}, DAY + 1).tests == ()
