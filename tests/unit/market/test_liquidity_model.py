"""The stated model of spread and depth."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.instrument import Kind
from bot.domain.values import NS_PER_HOUR as H
from bot.market.liquidity_model import HALF_SPREAD_MAX_BPS, depth_usd, half_spread_bps, trailing_turnover_usd_h


def _half(venue: str, kind: Kind, coin: str, musd_h: float) -> float:
    return float(half_spread_bps(venue, kind, coin, np.array([musd_h * 1e6]))[0])


def test_it_is_dearer_than_the_recorded_books_and_not_absurdly() -> None:
    """Hyperliquid 2024-25: mean half spreads 0.12 bp (BTC, 50 M an hour), 0.23 bp (ETH, 31 M); 1.5 and 2.1 M deep."""
    assert 0.12 < _half("hyperliquid", Kind.PERP, "BTC", 50.2) < 0.5
    assert 0.23 < _half("hyperliquid", Kind.PERP, "ETH", 31.1) < 0.5
    _, within = depth_usd(np.array([50.2e6, 31.1e6]))
    assert 1.2e6 < within[0] < 1.6e6
    assert within[1] < 2.1e6


def test_thin_markets_cost_more() -> None:
    """Less turnover, spot instead of perpetual, a small venue, a small coin: never cheaper."""
    base = _half("binance", Kind.PERP, "SOL", 100.0)
    assert base == 0.5
    assert _half("binance", Kind.PERP, "BTC", 500.0) == 0.1
    assert _half("binance", Kind.PERP, "SOL", 1.0) > base
    assert _half("binance", Kind.SPOT, "SOL", 1.0) > _half("binance", Kind.PERP, "SOL", 1.0)
    assert _half("hyperliquid", Kind.PERP, "SOL", 1.0) > _half("binance", Kind.PERP, "SOL", 1.0)
    assert _half("binance", Kind.PERP, "SOL", 0.0) == HALF_SPREAD_MAX_BPS


def test_the_touch_is_a_part_of_the_depth() -> None:
    """A twentieth."""
    touch, within = depth_usd(np.array([1e8]))
    assert (touch[0], within[0]) == (pytest.approx(1.5e5), pytest.approx(3e6))


def test_turnover_counts_closed_bars_alone_and_a_surge_does_not_pretend_depth() -> None:
    """The smaller of the day's and the week's mean; a bar that ends at T counts at T, one that ends later does not."""
    end_ns = np.arange(1, 337, dtype=np.int64) * H
    turnover = np.full(336, 1e6)
    turnover[312:] = 9e6
    at_ns = np.array([0, 168 * H, 312 * H, 336 * H], dtype=np.int64)
    found = trailing_turnover_usd_h(end_ns, turnover, at_ns)
    assert found.tolist() == pytest.approx([0.0, 1e6, 1e6, (144e6 + 216e6) / 168])
    changed = turnover.copy()
    changed[312:] = 0.0
    assert trailing_turnover_usd_h(end_ns, changed, at_ns[:3]).tolist() == found[:3].tolist()


def test_volume_that_is_not_known_counts_as_none() -> None:
    """Close-only bars have no volume."""
    end_ns = np.arange(1, 49, dtype=np.int64) * H
    assert trailing_turnover_usd_h(end_ns, np.full(48, np.nan), end_ns[-1:]).tolist() == [0.0]
