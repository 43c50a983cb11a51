"""Laws of the path engine: nothing is made or lost without a cause, and paths do not know of each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quant.book_paths import run_paths
from bot.quant.path_book import BookLegs, BookPools, KeeperRule, PathStep

COINS, VENUES = 3, 2


def book(rng: np.random.Generator, *, hedged: bool, costs: float = 0.0) -> tuple[BookLegs, BookPools]:
    """Six to ten legs; hedged: spot and perp of each coin at one venue, in equal and opposite size."""
    if hedged:
        size = rng.uniform(100, 5000, COINS)
        notional = np.column_stack((size, -size)).ravel()
        coin, perp = np.repeat(np.arange(COINS), 2), np.tile([False, True], COINS)
        venue = np.repeat(rng.integers(VENUES, size=COINS), 2)
    else:
        count = int(rng.integers(6, 11))
        notional, perp = rng.uniform(-3000, 3000, count), rng.random(count) < 0.6
        coin, venue = rng.integers(COINS, size=count), rng.integers(VENUES, size=count)
    count = len(notional)
    legs = BookLegs(
        notional_usd=notional, is_perp=perp, venue=venue, coin=coin, fee_rate=np.full(count, costs),
        half_spread=np.full(count, costs), tier_floor_usd=np.tile([0.0, 2000.0], (count, 1)),
        tier_rate=np.tile([0.005, 0.02], (count, 1)))
    wallets = rng.uniform(0, 3000, (2, VENUES))
    return legs, BookPools(spot_cash_usd=wallets[0], futures_equity_usd=wallets[1] + 500)


def wild(rng: np.random.Generator, legs: BookLegs, paths: int, steps: int, *, alike: bool) -> list[PathStep]:
    """Moves of 20 % a step; alike: all legs of a coin move together."""
    made = []
    for _ in range(steps):
        of_coin = np.expm1(rng.standard_normal((paths, COINS)) * 0.2)
        returns = of_coin[:, legs.coin]
        if not alike:
            returns = returns + rng.standard_normal(returns.shape) * 0.01
        down = rng.random((paths, VENUES)) < 0.2
        made.append(PathStep(returns=np.maximum(returns, -0.9), down=down, reaction=0.3))
    return made


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_hedged_book_without_costs_neither_gains_nor_loses_until_a_pool_is_liquidated(seed: int) -> None:
    """Top-ups, transfers and paired cuts move money and change no wealth; only liquidation costs."""
    rng = np.random.default_rng(seed)
    legs, pools = book(rng, hedged=True)
    out = run_paths(legs, pools, KeeperRule(), wild(rng, legs, 20, 8, alike=True), 20)
    alive = ~out.liquidated.any(axis=1)
    start = out.wealth_start_usd
    assert np.allclose(out.wealth_usd[alive], start, rtol=1e-9)
    assert (out.drawdown_max[alive] < 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_each_path_is_what_it_would_be_alone(seed: int) -> None:
    """Vectorising over paths changes nothing."""
    rng = np.random.default_rng(seed)
    legs, pools = book(rng, hedged=False, costs=0.0005)
    steps = wild(rng, legs, 6, 5, alike=False)
    together = run_paths(legs, pools, KeeperRule(transfer_delay_steps=1), steps, 6)
    for path in range(6):
        alone = [PathStep(returns=step.returns[[path]], reaction=step.reaction,
                          down=None if step.down is None else step.down[[path]]) for step in steps]
        single = run_paths(legs, pools, KeeperRule(transfer_delay_steps=1), alone, 1)
        assert np.allclose(single.wealth_usd, together.wealth_usd[path], rtol=1e-9)
        assert np.allclose(single.costs_usd, together.costs_usd[path], rtol=1e-9, atol=1e-9)
        assert (single.liquidated == together.liquidated[path]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_wealth_changes_by_prices_funding_and_costs_alone(seed: int) -> None:
    """One step without liquidation: the change is sum of notional x return, less funding; the venues add up."""
    rng = np.random.default_rng(seed)
    legs, pools = book(rng, hedged=False)
    returns = rng.standard_normal((4, len(legs.coin))) * 0.02
    funding = np.where(legs.is_perp, rng.standard_normal((4, len(legs.coin))) * 1e-3, 0.0)
    rich = BookPools(spot_cash_usd=pools.spot_cash_usd, futures_equity_usd=pools.futures_equity_usd + 50_000.0)
    out = run_paths(legs, rich, KeeperRule(), [PathStep(returns=returns, funding=funding)], 4)
    expected = returns @ legs.notional_usd - (legs.notional_usd * (1 + returns) * funding).sum(axis=1)
    assert np.allclose(out.wealth_usd - out.wealth_start_usd, expected, rtol=1e-9, atol=1e-6)
    assert np.allclose(out.wealth_venue_usd.sum(axis=1), out.wealth_usd)
    assert np.allclose(out.legs_end_usd, legs.notional_usd * (1 + returns))
