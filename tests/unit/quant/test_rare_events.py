"""Venue losses and ADL: as often as stated, only where they can strike, and what they do to a hedged book."""

from __future__ import annotations

import numpy as np
import pytest

from bot.quant.book_paths import run_paths
from bot.quant.monte_carlo import JointRows, bootstrap_steps, stationary_indices, summary
from bot.quant.path_book import KeeperRule
from bot.quant.rare_events import RareEvents, with_rare_events
from tests.unit.quant.made_books import carry, legs_of, move, pools_of

NONE = RareEvents(venue_lost_annual=0.0, adl_probability=0.0)


def test_a_venue_is_lost_as_often_as_stated() -> None:
    """10 % a year over a year of days: 1 - exp(-0.1) of the paths, and all that lay there is gone."""
    rows = JointRows(returns=np.zeros((1, 2)), funding=np.zeros((1, 2)))
    indices = np.zeros((4000, 365), dtype=np.intp)
    events = RareEvents(venue_lost_annual=0.10, adl_probability=0.0)
    steps = with_rare_events(bootstrap_steps(rows, indices), carry(), 1, events, 1.0, np.random.default_rng(2))
    made = summary(run_paths(carry(), pools_of((0.0, 1000.0)), KeeperRule(), steps, 4000))
    assert made.ruin == pytest.approx(1 - np.exp(-0.1), abs=4 * made.standard_error(0.1))
    assert made.wealth_quantiles_usd[0.01] == 0.0


def test_adl_strikes_only_perps_that_gained_enough() -> None:
    """A short in a fall of 20 % and of 10 %, a short in a rise, a long, a coin: only the first can be closed."""
    legs = legs_of((-100, -100, -100, 100, 100), (True, True, True, True, False), coins=(0, 1, 2, 3, 4))
    step = move(0.0, legs=5)
    falls = np.array([[-0.20, -0.10, 0.20, -0.20, 0.20]])
    always = RareEvents(venue_lost_annual=0.0, adl_probability=1.0, adl_share=0.4)
    made = next(with_rare_events([type(step)(returns=falls)], legs, 1, always, 1.0, np.random.default_rng(1)))
    assert made.closed is not None
    assert made.closed.tolist() == [[0.4, 0.0, 0.0, 0.0, 0.0]]
    assert made.lost is None


def test_a_low_inside_the_step_counts_and_given_events_stay() -> None:
    """A spike down that has recovered by the end still closes shorts; closures and losses of the step are kept."""
    legs = legs_of((-100, 100), (True, False))
    step = move(0.0, low=np.array([[-0.3, -0.3]]), high=np.zeros((1, 2)), closed=np.array([[0.0, 1.0]]),
                lost=np.array([[True]]))
    always = RareEvents(venue_lost_annual=0.0, adl_probability=1.0)
    made = next(with_rare_events([step], legs, 1, always, 1.0, np.random.default_rng(1)))
    assert made.closed is not None
    assert made.closed.tolist() == [[0.5, 1.0]]
    assert made.lost is not None
    assert made.lost.all()
    assert next(with_rare_events([move(0.0)], legs, 1, NONE, 1.0, np.random.default_rng(1))).closed is None


def test_adl_of_a_hedged_year_costs_little_when_somebody_acts_and_much_when_nobody_does() -> None:
    """Wild days of 8 %: with the keeper the coin is trimmed at once; without it stands naked to the end."""
    spot = np.random.default_rng(3).standard_normal(400) * 0.08
    rows = JointRows(returns=np.expm1(np.column_stack((spot, spot))), funding=np.zeros((400, 2)))
    indices = stationary_indices(400, 60, 400, 5.0, np.random.default_rng(4))
    often = RareEvents(venue_lost_annual=0.0, adl_probability=0.3)

    def spread(rule: KeeperRule) -> float:
        steps = with_rare_events(bootstrap_steps(rows, indices), carry(), 1, often, 1.0, np.random.default_rng(5))
        made = summary(run_paths(carry(), pools_of((3000.0, 6000.0)), rule, steps, 400))
        return made.wealth_quantiles_usd[0.95] - made.wealth_quantiles_usd[0.05]

    assert spread(KeeperRule()) < 0.1 * spread(KeeperRule(acts=False))


@pytest.mark.parametrize("change", [
    {"venue_lost_annual": -0.1}, {"venue_lost_annual": 2.0}, {"adl_probability": 1.5}, {"adl_share": -0.1},
    {"adl_move": 0.0},
])
def test_rates_out_of_bounds_are_refused(change: dict[str, float]) -> None:
    """Bounds in code."""
    with pytest.raises(ValueError, match="within 0"):
        RareEvents(**change)
