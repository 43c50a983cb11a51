"""Booked settlements in little space."""

from __future__ import annotations

from bot.portfolio.settlements import SettlementRuns

HOUR = 3_600_000_000_000


def test_year_of_hourly_settlements_is_one_row() -> None:
    """Memory stays flat while nothing is forgotten."""
    runs = SettlementRuns()
    for hour in range(8_760):
        runs.add(hour * HOUR)
    assert len(runs.runs) == 1
    assert all(runs.contains(hour * HOUR) for hour in range(8_760))
    assert not runs.contains(HOUR // 2)


def test_gaps_and_late_arrivals_are_told_apart() -> None:
    """Only what was added is contained, whatever the order of arrival."""
    runs = SettlementRuns()
    added = [8, 16, 24, 40, 48, 32, 4, 100]
    for instant in added:
        assert not runs.contains(instant)
        runs.add(instant)
    assert [instant for instant in range(120) if runs.contains(instant)] == sorted(added)
