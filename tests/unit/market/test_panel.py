"""The panel: closes at their edges, nothing over gaps, joint rows, bounded memory."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from bot.domain.events import Bar, BarsClosed, ClosesKnown, FundingRate, FundingSettled, KnownCloses, Mark, Marks
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, Nanos
from bot.market.panel import DAYS_MAX, HOURS_MAX, Panel, Series
from bot.market.state import MarketState
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0

DAY0 = T0 // NS_PER_DAY


def market() -> MarketState:
    return MarketState(instruments={each.id: each for each in (SPOT, PERP)})


def mark(state: MarketState, at_ns: int, price: str) -> None:
    state.fold_marks(Marks(Nanos(at_ns), ALPHA, (Mark(PERP.id, Decimal(price)),)))


def bar(state: MarketState, at_ns: int, price: str) -> None:
    close = Decimal(price)
    state.fold_bars(BarsClosed(Nanos(at_ns), ALPHA, (Bar(SPOT.id, 3600, close, close, close, close, 1.0),)))


def test_an_hour_is_closed_by_the_first_event_after_its_edge_with_what_was_known_at_it() -> None:
    """A perp's mark and a spot's bar at the edge are its closes; what comes later belongs to the next hour."""
    state, panel = market(), Panel()
    assert panel.close_hours(T0 + 1, state) == 0
    mark(state, T0 + NS_PER_HOUR, "101")
    bar(state, T0 + NS_PER_HOUR, "100")
    assert panel.close_hours(T0 + NS_PER_HOUR, state) == 0
    assert panel.close_hours(T0 + NS_PER_HOUR + 1, state) == T0 // NS_PER_HOUR + 1
    mark(state, T0 + NS_PER_HOUR + 1, "150")
    assert panel.series[PERP.id].hours == [101.0]
    assert panel.series[SPOT.id].hours == [100.0]
    assert panel.series[PERP.id].first_hour == T0 // NS_PER_HOUR + 1


def test_a_value_older_than_its_hour_is_not_carried_over() -> None:
    """A mark of two hours ago closes nothing, and hours that passed unseen are unknown."""
    state, panel = market(), Panel()
    panel.close_hours(T0 + 1, state)
    mark(state, T0 + NS_PER_HOUR, "100")
    panel.close_hours(T0 + 4 * NS_PER_HOUR + 1, state)
    mark(state, T0 + 5 * NS_PER_HOUR, "104")
    panel.close_hours(T0 + 5 * NS_PER_HOUR + 1, state)
    assert panel.series[PERP.id].hours == [100.0, None, None, None, 104.0]
    assert np.isnan(panel.hourly_returns(PERP.id, 10)).all()


def test_a_day_keeps_its_close_its_funding_its_extremes_and_its_realised_variance() -> None:
    """Funding settled within the 24 h sums; the largest moves within 8 h and the squared hours are the day's own."""
    state, panel = market(), Panel()
    panel.close_hours(T0 + 1, state)
    price = 100.0
    squares = 0.0
    for hour in range(1, 25):
        before, price = price, price * (1.03 if hour == 10 else 0.97 if hour == 20 else 1.001)
        squares += math.log(price / before) ** 2 if hour > 1 else 0.0
        mark(state, T0 + hour * NS_PER_HOUR, f"{price:.10f}")
        if hour in (8, 16, 24):
            at = Nanos(T0 + hour * NS_PER_HOUR)
            panel.fold_funding(FundingSettled(at, ALPHA, (FundingRate(PERP.id, at, Decimal("0.0001"), 8),)))
        panel.close_hours(T0 + hour * NS_PER_HOUR + 1, state)
    series = panel.series[PERP.id]
    assert series.first_day == DAY0 + 1
    assert series.closes == [pytest.approx(price)]
    assert series.funding == [pytest.approx(0.0003)]
    assert series.rises[0] == pytest.approx(math.log(1.03 * 1.001**7))
    assert series.falls[0] == pytest.approx(-math.log(0.97))
    assert series.realised[0] == pytest.approx(squares * 24 / 23)
    assert panel.days_closed == 1
    assert panel.worst_moves(PERP.id) == (series.rises[0], series.falls[0])


def known(closes: tuple[float | None, ...], funding: tuple[float | None, ...], instrument: str = PERP.id,
          first_day: int = DAY0 - 4) -> KnownCloses:
    nothing = (None,) * len(closes)
    return KnownCloses(PERP.id if instrument == PERP.id else SPOT.id, first_day, closes, funding, nothing, nothing,
                       nothing, (first_day + len(closes) - 1) * 24, (closes[-1],))


def test_public_history_replaces_what_was_folded_and_its_last_day_is_not_closed_twice() -> None:
    """What settles at the very instant of the history is in it already: it does not count for the next day too."""
    state, panel = market(), Panel()
    panel.close_hours(T0 - NS_PER_HOUR + 1, state)
    mark(state, T0, "100")
    panel.fold_known(ClosesKnown(T0, ALPHA, (known((97.0, 98.0, 99.0, 101.0, 100.0), (0.0001,) * 5),)))
    panel.fold_funding(FundingSettled(T0, ALPHA, (FundingRate(PERP.id, T0, Decimal("0.0001"), 8),)))
    panel.close_hours(T0 + 1, state)
    series = panel.series[PERP.id]
    assert series.closes == [97.0, 98.0, 99.0, 101.0, 100.0]
    assert series.funding_today is None
    assert series.days_known == 5


def test_joint_rows_leave_out_days_that_any_leg_does_not_know() -> None:
    """A gap in one leg, or unknown funding, takes the day out for all; nothing is filled."""
    panel = Panel()
    spot = known((100.0, 101.0, None, 103.0, 104.0), (None,) * 5, SPOT.id)
    perp = known((100.0, 102.0, 102.0, 103.0, 105.0), (0.0, 0.001, 0.0, 0.0, 0.002))
    panel.fold_known(ClosesKnown(T0, ALPHA, (spot, perp)))
    rows = panel.joint_rows((SPOT.id, PERP.id), 100)
    assert rows.days.tolist() == [DAY0 - 3, DAY0]
    assert rows.returns[0].tolist() == pytest.approx([0.01, 0.02])
    assert rows.funding.tolist() == [[0.0, 0.001], [0.0, 0.002]]
    unknown = msgspec.structs.replace(perp, funding=(0.0, None, 0.0, 0.0, 0.002))
    panel.fold_known(ClosesKnown(T0, ALPHA, (unknown,)))
    assert panel.joint_rows((SPOT.id, PERP.id), 100).days.tolist() == [DAY0]
    assert panel.joint_rows((SPOT.id, PERP.id), 1).days.tolist() == [DAY0]


def test_unknown_legs_have_no_rows_and_no_returns() -> None:
    """No series, or none long enough: empty, never an error or a zero."""
    panel = Panel()
    assert panel.joint_rows((PERP.id,), 10).returns.shape == (0, 1)
    assert panel.joint_rows((), 10).returns.shape == (0, 0)
    assert not len(panel.daily_returns(PERP.id, 10))
    assert not len(panel.hourly_returns(PERP.id, 10))
    assert panel.worst_moves(PERP.id) is None
    panel.fold_known(ClosesKnown(T0, ALPHA, (known((1.0,), (None,), SPOT.id), known((1.0, 2.0), (0.0, 0.0)))))
    assert panel.worst_moves(PERP.id) is None
    assert panel.joint_rows((SPOT.id, PERP.id), 10).returns.shape == (0, 2)


def test_days_and_hours_are_bounded() -> None:
    """The oldest fall out; a long silence leaves unknowns, not memory."""
    series = Series()
    for hour in range(3 * HOURS_MAX):
        series.close_hour(hour, 100.0)
    for day in range(2 * DAYS_MAX):
        series.close_day(day, 100.0)
    assert HOURS_MAX <= len(series.hours) <= HOURS_MAX + 48
    assert DAYS_MAX <= len(series.closes) <= DAYS_MAX + 48
    assert series.first_day + len(series.closes) == 2 * DAYS_MAX
    series.close_hour(100 * HOURS_MAX, 100.0)
    series.close_day(100 * DAYS_MAX, 100.0)
    assert len(series.hours) <= HOURS_MAX + 49
    assert len(series.closes) <= DAYS_MAX + 49
    assert series.first_hour + len(series.hours) == 100 * HOURS_MAX + 1
    assert series.first_day + len(series.closes) == 100 * DAYS_MAX + 1
    series.close_hour(5, 1.0)
    assert series.hours[-1] == 100.0


def test_a_panel_survives_its_encoding() -> None:
    """It is part of the snapshot: plain values."""
    panel = Panel()
    panel.fold_known(ClosesKnown(T0, ALPHA, (known((1.0, 2.0), (None, 0.1)),)))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(panel), type=Panel) == panel
