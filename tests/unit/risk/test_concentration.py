"""Buckets of coins that move together, and the drawdown ladder."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.events import ClosesKnown, KnownCloses
from bot.domain.values import Coin, InstrumentId, Nanos, Venue
from bot.market.panel import Panel
from bot.risk.concentration import buckets_of, capital_scale
from bot.risk.governor_params import GovernorParams

PERPS = {Coin(name): InstrumentId(name) for name in ("BTC", "ETH", "XRP", "NEW")}


def panel() -> Panel:
    draws = np.random.default_rng(7).standard_normal((3, 120)) * 0.03
    moves = {"BTC": draws[0], "ETH": draws[0] + 0.3 * draws[1], "XRP": draws[2], "NEW": draws[0][:20]}
    held = Panel()
    for name, steps in moves.items():
        closes = tuple(float(each) for each in 100.0 * np.exp(np.cumsum(steps)))
        zero = (0.0,) * len(closes)
        held.fold_known(ClosesKnown(Nanos(0), Venue("v"), (KnownCloses(
            InstrumentId(name), 1_000 + 120 - len(closes), closes, zero, zero, zero, zero, 0, ()),)))
    return held


def test_coins_that_move_together_share_a_bucket_and_the_others_stand_alone() -> None:
    """BTC and ETH correlate at 0.96, XRP does not; a coin too young to say is joined to nothing."""
    found = buckets_of(panel(), PERPS, 0.7)
    assert found[Coin("BTC")] == found[Coin("ETH")]
    assert set(found) == {"BTC", "ETH"}


def test_at_correlation_zero_all_old_coins_may_join() -> None:
    """The threshold decides: nearly anything correlates more than minus one."""
    found = buckets_of(panel(), PERPS, -1.0)
    assert set(found) == set(PERPS)
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(("drawdown", "scale"), [(0.0, 1.0), (5.0, 1.0), (10.0, 0.5), (15.0, 0.0), (40.0, 0.0)])
def test_the_ladder_falls_linearly_from_five_to_fifteen_per_cent(drawdown: float, scale: float) -> None:
    """Capital that pairs may bind, by drawdown."""
    assert capital_scale(drawdown, GovernorParams()) == pytest.approx(scale)
