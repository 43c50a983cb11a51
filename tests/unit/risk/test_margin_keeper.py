"""The margin keeper: distances of quant reference 2.4, when money moves, when both legs shrink, what is not known."""

from __future__ import annotations

import math

import pytest

from bot.domain.values import Venue
from bot.risk.margin_keeper import Pool, Source, keep
from bot.risk.params import RiskLimits

ALPHA, BETA = Venue("alpha"), Venue("beta")
LIMITS = RiskLimits()
RATE = 0.004


def short(leverage: float, move: float = 0.0) -> Pool:
    """A short of notional 1,000 at entry after a relative move of its mark; maintenance 0.4 % at mark."""
    notional = 1_000 * (1 + move)
    return Pool(venue=ALPHA, equity_usd=1_000 / leverage - 1_000 * move, notional_usd=notional,
                maintenance_usd=RATE * notional)


@pytest.mark.parametrize(("leverage", "distance_pct"), [(1, 99.2), (2, 49.4), (3, 32.8), (5, 19.5), (10, 9.6)])
def test_the_distance_of_a_short_at_entry(leverage: float, distance_pct: float) -> None:
    """99 / 49 / 33 / 20 / 9.6 % for L = 1 / 2 / 3 / 5 / 10 (quant reference 2.4)."""
    distance = short(leverage).distance
    assert distance is not None
    assert 100 * distance == pytest.approx(distance_pct, abs=0.05)


def test_the_distance_after_a_log_move_of_ten_percent() -> None:
    """L = 3, z = +10 %: 20.2 % left (quant reference 2.4)."""
    distance = short(3, math.expm1(0.10)).distance
    assert distance is not None
    assert 100 * distance == pytest.approx(20.2, abs=0.05)


def test_equity_for_is_the_inverse_of_the_distance() -> None:
    """The equity that gives a distance gives it."""
    pool = short(3, 0.1)
    there = Pool(venue=ALPHA, equity_usd=pool.equity_for(0.33), notional_usd=pool.notional_usd,
                 maintenance_usd=pool.maintenance_usd)
    assert there.distance == pytest.approx(0.33)


def own(free: float) -> Source:
    return Source(venue=ALPHA, spot=True, free_usd=free, fee_usd=0.0)


def at_share(share: float) -> tuple[Pool, float]:
    """A pool at that share of its reference distance of 0.3."""
    pool = short(3)
    return Pool(venue=ALPHA, equity_usd=pool.equity_for(0.3 * share), notional_usd=1_000.0, maintenance_usd=4.0), 0.3


def test_nothing_moves_at_sixty_percent_and_money_moves_below() -> None:
    """The bound itself is good order; below it the pool is brought back to its distance at entry."""
    pool, reference = at_share(0.6001)
    assert keep(pool, reference, (own(1e4),), LIMITS, in_flight_usd=0.0).top_ups == ()
    pool, reference = at_share(0.5999)
    verdict = keep(pool, reference, (own(1e4),), LIMITS, in_flight_usd=0.0)
    assert verdict.shrink_to == 1.0
    assert pool.equity_usd + verdict.top_ups[0].amount_usd == pytest.approx(pool.equity_for(reference))


def test_below_forty_percent_both_legs_shrink_to_what_the_equity_carries() -> None:
    """At the new size today's equity stands at the reference distance again."""
    pool, reference = at_share(0.39)
    verdict = keep(pool, reference, (), LIMITS, in_flight_usd=0.0)
    notional = pool.notional_usd * verdict.shrink_to
    shrunk = Pool(venue=ALPHA, equity_usd=pool.equity_usd, notional_usd=notional, maintenance_usd=RATE * notional)
    assert 0 < verdict.shrink_to < 1
    assert shrunk.distance == pytest.approx(reference)


def test_a_pool_without_equity_closes() -> None:
    """Nothing carries nothing."""
    pool = Pool(venue=ALPHA, equity_usd=-5.0, notional_usd=1_000.0, maintenance_usd=4.0)
    assert keep(pool, 0.3, (), LIMITS, in_flight_usd=0.0).shrink_to == 0.0


def test_sources_are_used_in_their_order_until_enough() -> None:
    """The own spot wallet first, the rest from the next; a source smaller than ten times its fee is left."""
    pool, reference = at_share(0.5)
    missing = pool.equity_for(reference) - pool.equity_usd
    poor = Source(venue=BETA, spot=True, free_usd=9.0, fee_usd=1.0)
    rich = Source(venue=BETA, spot=False, free_usd=1e6, fee_usd=1.0)
    verdict = keep(pool, reference, (own(50.0), poor, rich), LIMITS, in_flight_usd=0.0)
    assert [top_up.source for top_up in verdict.top_ups] == [own(50.0), rich]
    assert sum(top_up.amount_usd for top_up in verdict.top_ups) == pytest.approx(missing)


def test_money_on_its_way_is_not_sent_twice_and_does_not_count_as_there() -> None:
    """It stops the next top-up, not the shrinking."""
    pool, reference = at_share(0.3)
    verdict = keep(pool, reference, (own(1e4),), LIMITS, in_flight_usd=1e4)
    assert verdict.top_ups == ()
    assert verdict.shrink_to < 1.0


@pytest.mark.parametrize("reference", [None, 0.0, -0.1])
def test_without_a_reference_there_is_no_verdict(reference: float | None) -> None:
    """Nothing was built here yet."""
    assert keep(short(3), reference, (own(1e4),), LIMITS, in_flight_usd=0.0).share is None


def test_without_positions_there_is_no_distance() -> None:
    """An empty pool cannot be liquidated."""
    empty = Pool(venue=ALPHA, equity_usd=100.0, notional_usd=0.0, maintenance_usd=0.0)
    assert empty.distance is None
    assert keep(empty, 0.3, (own(1e4),), LIMITS, in_flight_usd=0.0).share is None


def test_what_is_not_known_moves_nothing_and_is_no_reference() -> None:
    """R7: a pool with a missing mark has no distance at all, rather than NaN that would be kept."""
    blind = Pool(venue=ALPHA, equity_usd=math.nan, notional_usd=math.nan, maintenance_usd=math.nan)
    assert blind.distance is None
    verdict = keep(blind, 0.3, (own(1e4),), LIMITS, in_flight_usd=0.0)
    assert (verdict.share, verdict.top_ups, verdict.shrink_to) == (None, (), 1.0)
