"""The ladder behind a quote and what a taker gets from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import Quote
from bot.domain.values import InstrumentId, Side
from bot.market.book import LADDER_BPS, Walk, ladder, walk

BTC = InstrumentId("a:BTC/USDT")
QUOTES = st.builds(
    lambda bid, spread, bid_lots, ask_lots, depth: Quote(BTC, bid, bid + spread, bid_lots, ask_lots, depth),
    st.integers(1, 10**7), st.integers(0, 1_000), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7))
SIDES = st.sampled_from(Side)


@given(QUOTES, SIDES)
def test_a_ladder_goes_away_from_the_touch_and_holds_the_depth(quote: Quote, side: Side) -> None:
    """Prices strictly worse level by level, from the touch to no nearer than the model says; all lots are there."""
    levels = ladder(quote, side)
    touch, lots = (quote.ask_ticks, quote.ask_lots) if side is Side.BUY else (quote.bid_ticks, quote.bid_lots)
    prices = [price for price, _ in levels]
    assert all((b - a) * side > 0 for a, b in zip(prices, prices[1:], strict=False))
    assert all(price > 0 and size > 0 for price, size in levels)
    if lots:
        assert levels[0] == (touch, lots)
    if touch > 10_000:
        assert sum(size for _, size in levels) == max(quote.depth_lots, lots)
        assert all(abs(price - touch) <= touch * LADDER_BPS[-1] // 10_000 for price in prices)


@given(QUOTES, SIDES, st.integers(0, 10**7), st.none() | st.integers(1, 2 * 10**7))
def test_a_walk_takes_the_best_first_and_never_beyond_its_limit(quote: Quote, side: Side, wanted: int,
                                                                limit: int | None) -> None:
    """No more than wanted, no more than there is, no worse than the limit; the cost lies between best and worst."""
    levels = ladder(quote, side)
    got = walk(levels, side, wanted, limit)
    allowed = [row for row in levels if limit is None or (row[0] - limit) * side <= 0]
    assert got.filled_lots == min(wanted, sum(size for _, size in allowed))
    if got.filled_lots:
        assert got.worst_ticks in {price for price, _ in allowed}
        bounds = sorted((levels[0][0] * got.filled_lots, got.worst_ticks * got.filled_lots))
        assert bounds[0] <= got.cost_ticks <= bounds[1]
    else:
        assert got == Walk(0, 0, 0)


@given(QUOTES, SIDES, st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_next_lot_is_never_cheaper(quote: Quote, side: Side, first: int, more: int) -> None:
    """Average price grows worse with size."""
    levels = ladder(quote, side)
    small, large = walk(levels, side, first), walk(levels, side, first + more)
    if small.filled_lots:
        assert side * (large.cost_ticks * small.filled_lots - small.cost_ticks * large.filled_lots) >= 0
