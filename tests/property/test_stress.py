"""Laws of stress: any known book gets known figures, and twice the account loses twice as much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.risk.stress import StressLimits, stress
from bot.risk.stress_book import StressBook, StressLeg
from tests.unit.risk.made_stress import leg, pool

LIMITS = StressLimits()


def book(seed: int, size: float, *, healthy: bool) -> StressBook:
    """Up to eleven legs of five coins at up to three venues; unhealthy: debts, empty wallets, no volatility."""
    rng = np.random.default_rng(seed)
    venues = ("a", "b", "c")[: int(rng.integers(1, 4))]
    legs: dict[str, StressLeg] = {}
    for _ in range(int(rng.integers(1, 12))):
        sigma = 0.03 if healthy else float(rng.choice([0.03, 0.3, math.nan, 0.0]))
        made = leg(str(rng.choice(["BTC", "ETH", "SOL", "DOGE", "PEPE"])), size * float(rng.uniform(-1, 1)),
                   perp=bool(rng.random() < 0.6), venue=str(rng.choice(venues)), sigma=sigma, fee=5e-4,
                   half_spread=1e-3)
        legs[made.instrument] = made
    wallets = rng.uniform(0.5, 2.0, (2, 3)) * size if healthy else rng.choice([0.0, -50.0, 1e3, 1e5], (2, 3))
    pools = tuple(pool(float(spot), float(futures), venue=venue, quote=str(rng.choice(["USDT", "USDC"])))
                  for spot, futures, venue in zip(*wallets, venues, strict=False))
    return StressBook(legs=tuple(legs.values()), pools=pools)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([1.0, 1e4, 1e6]))
def test_every_book_gets_known_figures(seed: int, size: float) -> None:
    """No warning, no NaN but the share of an equity that is none; no scenario ever shows a gain."""
    for result in stress(book(seed, size, healthy=False), LIMITS).results:
        assert math.isfinite(result.pnl_usd)
        assert math.isfinite(result.delta_end_usd)
        assert result.naked_usd >= 0.0
        assert result.name.partition(":")[0] == "stablecoin" or result.pnl_usd <= 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_twice_the_account_loses_twice_as_much(seed: int) -> None:
    """Below the first tier's ceiling nothing depends on the unit of money."""
    one, two = (stress(book(seed, size, healthy=True), LIMITS) for size in (1000.0, 2000.0))
    doubled = {result.name: result for result in two.results}
    for result in one.results:
        assert doubled[result.name].pnl_usd == pytest.approx(2 * result.pnl_usd, rel=1e-9, abs=1e-6)
        assert doubled[result.name].liquidated == result.liquidated
