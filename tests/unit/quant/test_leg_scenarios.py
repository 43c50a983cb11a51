"""Legs' scenarios: the hedge survives, basis and funding follow their own volatility, unknowns are reasons."""

from __future__ import annotations

import numpy as np
import pytest

from bot.quant.fhs import Scenarios, TailReason
from bot.quant.leg_scenarios import BASIS_DECAY, FUNDING_MEAN_DECAY, SEED_ROWS, leg_scenarios
from bot.quant.tail_risk import Matrix, rows_needed

ROWS = 600
REFERENCE = np.array([0, 0], dtype=np.intp)
CARRY = np.array([1000.0, -1000.0])


def made(basis_sd: np.ndarray | float, funding: np.ndarray, *, sigma_next: float = 0.03,
         level: float = 0.975) -> Scenarios:
    """Spot and perp of one coin at 3 % a day, with this volatility of basis changes and this funding."""
    rng = np.random.default_rng(4)
    coin = rng.standard_t(4, size=ROWS) / np.sqrt(2.0) * 0.03
    returns = np.column_stack((coin, coin + basis_sd * rng.standard_normal(ROWS)))
    answer = leg_scenarios(returns, np.column_stack((np.zeros(ROWS), funding)), REFERENCE, np.full((ROWS, 2), 0.03),
                           np.full(2, sigma_next), level)
    assert isinstance(answer, Scenarios)
    return answer


def test_a_carry_book_does_not_feel_the_price_however_wild_it_is() -> None:
    """Three times the coin's volatility leaves its tail where it was; a naked coin's triples."""
    calm, wild = made(3e-4, np.zeros(ROWS)), made(3e-4, np.zeros(ROWS), sigma_next=0.09)
    assert wild.tail(CARRY, 0.975).es == pytest.approx(calm.tail(CARRY, 0.975).es, rel=1e-9)
    spot = np.array([1000.0, 0.0])
    assert wild.tail(spot, 0.975).es == pytest.approx(3 * calm.tail(spot, 0.975).es, rel=1e-9)


def test_basis_risk_is_that_of_now_not_of_two_years_ago() -> None:
    """A wild basis that has calmed down to a tenth: ES of a normal at the present size, 2.34 deviations."""
    sd = np.where(np.arange(ROWS) < 400, 3e-3, 3e-4)
    assert made(sd, np.zeros(ROWS)).tail(CARRY, 0.975).es == pytest.approx(1000 * 3e-4 * 2.34, rel=0.25)
    woken = np.where(np.arange(ROWS) < 400, 3e-4, 3e-3)  # the days of waking are shocks of their own, on the safe side
    assert 1.0 < made(woken, np.zeros(ROWS)).tail(CARRY, 0.975).es / (1000 * 3e-3 * 2.34) < 1.7


def test_funding_is_expected_at_its_recent_mean_and_signed_by_side() -> None:
    """Ten basis points a day for a week after none: a short can count on most of it, a long on paying it."""
    funding = np.where(np.arange(ROWS) < ROWS - 7, 0.0, 1e-3)
    scenarios = made(0.0, funding)
    expected = 1e-3 * (1 - FUNDING_MEAN_DECAY**7)
    assert np.median(scenarios.pnl(CARRY)) == pytest.approx(1000 * expected, rel=1e-6)
    assert np.median(scenarios.pnl(-CARRY)) == pytest.approx(-1000 * expected, rel=1e-6)


def test_a_constant_history_gives_itself() -> None:
    """No basis, equal funding, equal volatility: the coin's own returns, less funding."""
    scenarios = made(0.0, np.full(ROWS, 2e-4))
    assert len(scenarios.returns) == ROWS - SEED_ROWS
    coin = scenarios.returns[:, 0]
    assert scenarios.returns[:, 1] == pytest.approx(coin - 2e-4, abs=1e-15)


def test_forecasts_use_the_past_alone() -> None:
    """Changing the last day changes no earlier scenario's own scale, only the scale of now: rows stay proportional."""
    rng = np.random.default_rng(6)
    coin, noise = rng.standard_normal(ROWS) * 0.03, rng.standard_normal(ROWS) * 3e-4
    rows: list[Matrix] = []
    for last in (1.0, 10.0):
        basis = noise.copy()
        basis[-1] *= last
        answer = leg_scenarios(np.column_stack((coin, coin + basis)), np.zeros((ROWS, 2)), REFERENCE,
                               np.full((ROWS, 2), 0.03), np.full(2, 0.03), 0.975)
        assert isinstance(answer, Scenarios)
        rows.append(answer.returns[:-1, 1] - answer.returns[:-1, 0])
    ratio = rows[1] / rows[0]
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0]))
    assert ratio[0] > 1.0


def test_the_blocked_sums_are_the_recursion() -> None:
    """Scenarios from a plain loop over rows, through more than two blocks of them."""
    rng = np.random.default_rng(7)
    coin, basis = rng.standard_normal(ROWS) * 0.03, rng.standard_normal(ROWS) * 3e-4
    funding = rng.standard_normal(ROWS) * 1e-4
    mean, variance = float(funding[:SEED_ROWS].mean()), float(np.square(basis)[:SEED_ROWS].mean())
    rows, surprises = [], []
    for row in range(ROWS):
        rows.append(variance if row >= SEED_ROWS else float(np.square(basis)[:SEED_ROWS].mean()))
        surprises.append(funding[row] - mean)
        if row >= SEED_ROWS:
            variance = BASIS_DECAY * variance + (1 - BASIS_DECAY) * basis[row] ** 2
            mean = FUNDING_MEAN_DECAY * mean + (1 - FUNDING_MEAN_DECAY) * funding[row]
    answer = leg_scenarios(np.column_stack((coin, coin + basis)), np.zeros((ROWS, 2)), REFERENCE,
                           np.full((ROWS, 2), 0.03), np.full(2, 0.03), 0.975)
    assert isinstance(answer, Scenarios)
    moved = answer.returns[:, 1] - answer.returns[:, 0]
    assert moved == pytest.approx((basis * np.sqrt(variance / np.array(rows)))[SEED_ROWS:], rel=1e-9)
    paid = leg_scenarios(np.column_stack((coin, coin)), np.column_stack((np.zeros(ROWS), funding)), REFERENCE,
                         np.full((ROWS, 2), 0.03), np.full(2, 0.03), 0.975)
    assert isinstance(paid, Scenarios)
    spread = paid.returns[:, 0] - paid.returns[:, 1]  # what a long paid beyond what was expected, at its size of now
    kept = np.array(surprises)[SEED_ROWS:]
    assert np.sign(spread - mean) == pytest.approx(np.sign(kept))


@pytest.mark.parametrize(("place", "reason"), [
    ("sigma", TailReason.NO_VOLATILITY), ("rows", TailReason.TOO_FEW_ROWS), ("holes", TailReason.TOO_FEW_ROWS),
])
def test_what_is_not_known_is_a_reason(place: str, reason: TailReason) -> None:
    """No volatility of tomorrow; a row less than the tail and its start need; holes that leave too little."""
    count = rows_needed(0.975) + SEED_ROWS - (place == "rows")
    returns, sigma = np.zeros((count, 2)), np.full((count, 2), 0.03)
    if place == "holes":
        returns[3, 1] = np.nan
    following = np.array([0.03, np.nan if place == "sigma" else 0.03])
    assert leg_scenarios(returns, np.zeros((count, 2)), REFERENCE, sigma, following, 0.975) is reason
