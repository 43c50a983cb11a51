"""A day of funding: running estimates, settlements, and intervals that shorten at the cap.

Every interval divides 24 h and is aligned to UTC midnight, so no interval crosses the end of a day.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.domain.instrument import FundingRule, Instrument
from bot.venues.simulated.market.funding_rule import running_rate
from bot.venues.simulated.market.instruments import with_interval
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array

RATE_STEP: Final = 1e-8
"""Venues publish rates to eight decimals."""


class FundingState(msgspec.Struct, frozen=True):
    """Per perpetual: the interval in force, and hours in a row with a calm rate."""

    interval_h: tuple[int, ...]
    calm_h: tuple[int, ...]
    changed: tuple[int, ...] = ()
    """Perpetuals whose interval changed with the settlement at this very midnight: announced a minute later."""


class Settlement(msgspec.Struct, frozen=True):
    """A settled rate: `row` counts perpetuals, `minute` from the day's midnight (1 .. 1440)."""

    row: int
    minute: int
    rate_e8: int
    interval_h: int


class IntervalChange(msgspec.Struct, frozen=True):
    """A new interval from the settlement at `minute` on."""

    row: int
    minute: int
    interval_h: int


class FundingDay(msgspec.Struct, frozen=True):
    """One day: `estimate` has shape (n_perps, 1440), the running rate of the interval that a minute belongs to."""

    estimate: Array
    settlements: tuple[Settlement, ...]
    changes: tuple[IntervalChange, ...]
    end: FundingState


def first_funding_state(perps: tuple[Instrument, ...]) -> FundingState:
    """Every perpetual on its listed interval."""
    intervals = tuple(rule_of(perp).interval_h for perp in perps)
    return FundingState(intervals, tuple(0 for _ in perps))


def rule_of(perp: Instrument) -> FundingRule:
    """The funding rule of a perpetual (spot has none and never comes here)."""
    assert perp.funding is not None
    return perp.funding


def funding_day(
    perps: tuple[Instrument, ...], premium: Array, state: FundingState, ladder_h: tuple[int, ...], calm_hours: int,
) -> FundingDay:
    """Funding of one day from its premium samples, shape (n_perps, 1440).

    At a settlement whose |rate| is at the cap the interval moves one step down `ladder_h`; after `calm_hours` with
    |rate| below half the cap it moves one step back, on that interval's own grid, never past the listed one.
    """
    estimate = np.empty_like(premium)
    settlements: list[Settlement] = []
    changes: list[IntervalChange] = []
    intervals, calm = list(state.interval_h), list(state.calm_h)
    for rows, rates in _by_rule(perps, premium, state):
        estimate[rows] = rates
    for row, perp in enumerate(perps):
        minute = 0
        while minute < MINUTES_PER_DAY:
            interval = intervals[row]
            end = minute + interval * 60
            rule = rule_of(with_interval(perp, interval))
            if interval != state.interval_h[row] or (changes and changes[-1].row == row):
                estimate[row, minute:end] = running_rate(premium[row, minute:end], rule)
            rate = float(estimate[row, end - 1])
            settlements.append(Settlement(row, end, round(rate / RATE_STEP), interval))
            limit = float(rule.cap) * (interval / 8.0 if rule.cap_before_division else 1.0)
            calm[row] = calm[row] + interval if abs(rate) < 0.5 * limit else 0
            intervals[row] = _next_interval(
                interval, rule_of(perp).interval_h, ladder_h, at_cap=abs(rate) >= limit * (1.0 - 1e-12),
                calm=calm[row] >= calm_hours, minute=end)
            if intervals[row] != interval:
                changes.append(IntervalChange(row, end, intervals[row]))
                calm[row] = 0
            minute = end
    settlements.sort(key=lambda settled: (settled.minute, settled.row))
    changes.sort(key=lambda change: (change.minute, change.row))
    late = tuple(change.row for change in changes if change.minute == MINUTES_PER_DAY)
    return FundingDay(
        estimate, tuple(settlements), tuple(changes), FundingState(tuple(intervals), tuple(calm), late))


def _by_rule(
    perps: tuple[Instrument, ...], premium: Array, state: FundingState,
) -> list[tuple[list[int], Array]]:
    """Running rates of perpetuals that share a rule, computed at once as if no interval changed within the day."""
    groups: dict[tuple[object, ...], list[int]] = {}
    rules: list[FundingRule] = []
    for row, perp in enumerate(perps):
        rule = rule_of(with_interval(perp, state.interval_h[row]))
        rules.append(rule)
        groups.setdefault(msgspec.structs.astuple(rule), []).append(row)
    out = []
    for rows in groups.values():
        rule = rules[rows[0]]
        samples = premium[rows].reshape(len(rows), 24 // rule.interval_h, rule.interval_h * 60)
        out.append((rows, running_rate(samples, rule).reshape(len(rows), MINUTES_PER_DAY)))
    return out


def _next_interval(
    interval: int, listed: int, ladder_h: tuple[int, ...], *, at_cap: bool, calm: bool, minute: int,
) -> int:
    if at_cap:
        return max((step for step in ladder_h if step < interval), default=interval)
    if calm and interval < listed:
        longer = min((step for step in (*ladder_h, listed) if interval < step <= listed), default=interval)
        return longer if minute % (longer * 60) == 0 else interval
    return interval
