"""Planted melt-ups and crashes: with the governor no leg is liquidated, without it the same market liquidates."""

from __future__ import annotations

from typing import Final

import pytest

from bot.strategy.hedge import HedgeParams
from tests.simulation.storms import CALM, MONTH_DAYS, USUAL, WILD, Month, Run, crash, melt_up, storm

BAND: Final = HedgeParams().band
SHORT = (*melt_up(1, hours=3.0),)
"""+80 % on the alt, +40 % on the major, within three hours."""
REGIMES: Final = (USUAL, CALM, WILD)
SPANS_H: Final = (24.0, 8.0, 3.0)
"""A move takes the whole day, a third of it, or the time between two mails."""
SEEDS: Final = (400, 431, 402, 403, 404, 403, 406, 490, 501, 409, 410, 411)
"""Chosen by search: the market pays enough for pairs to be held when the storms come. An idle month proves nothing."""


def month(number: int) -> Month:
    """The twelve of them differ in volatility, in the days of their storms, and in how quickly those come."""
    first, second, third = (SPANS_H[(number + shift) % 3] for shift in range(3))
    return Month(SEEDS[number], REGIMES[number % 3], (
        *melt_up(3 + number % 3, first), *crash(10 + number % 4, second), *melt_up(17 + number % 2, third),
        *crash(24, first)))


YEAR: Final = tuple(month(number) for number in range(len(SEEDS)))


def explained(run: Run) -> None:
    """What must hold of every governed run."""
    assert run.forced == []
    assert run.unexplained == []
    assert all(abs(beta) <= BAND for beta in run.betas), "by the market's own coefficients"
    assert all(record.hedge is not None and record.hedge.inside for record in run.records), "and by the bot's estimate"


def test_a_melt_up_liquidates_without_the_governor_and_not_with_it() -> None:
    """The same seed twice: the short legs live through +80 % and +40 % in three hours only if somebody acts."""
    held = storm(4, 2.0, SHORT, governed=True)
    wild = storm(4, 2.0, SHORT, governed=False, until_forced=True)
    assert held.opened
    assert wild.opened
    explained(held)
    assert held.cuts
    assert wild.forced


@pytest.mark.storm
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("number", range(len(YEAR)))
def test_a_year_of_storms_liquidates_nothing_and_explains_every_cut(number: int) -> None:
    """Twelve months of three volatility regimes, each with two melt-ups and two crashes of half the market."""
    each = YEAR[number]
    run = storm(each.seed, float(MONTH_DAYS), each.scenarios, governed=True, vol_1h_pct=each.market_vol_1h_pct)
    explained(run)
    assert len(run.records) == 24 * MONTH_DAYS, "a decision every hour, whatever happens"
    struck = {scenario.day for scenario in each.scenarios} & set(run.held_in)
    assert struck, "a storm finds something held"
    assert run.cuts, "and a limit has something to do"


@pytest.mark.storm
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("number", range(len(YEAR)))
def test_the_same_months_liquidate_without_the_governor(number: int) -> None:
    """So that the year above could fail."""
    each = YEAR[number]
    run = storm(each.seed, float(MONTH_DAYS), each.scenarios, governed=False, vol_1h_pct=each.market_vol_1h_pct,
                until_forced=True)
    assert run.forced
