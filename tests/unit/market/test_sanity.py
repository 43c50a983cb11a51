"""F04 and F06: a crossed, empty or odd price is not believed until another source or another sample agrees."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.events import Mark, Marks, Quote, Quotes
from bot.domain.values import NS_PER_HOUR, NS_PER_S, Nanos
from bot.market.state import MarketState
from tests.unit.market.test_state import PERP, SPOT, A, quotes, state

GOOD = Quote(SPOT.id, 1_000, 1_001, 5, 5, 50)


def quoted(market: MarketState, at_s: float, quote: Quote) -> Decimal | None:
    market.fold_quotes(Quotes(Nanos(int(at_s * NS_PER_S)), A, (quote,)))
    return market.mid(quote.instrument)


def marked(market: MarketState, at_s: float, price: str, index: str | None = None) -> Decimal:
    mark = Mark(PERP.id, Decimal(price), None if index is None else Decimal(index))
    market.fold_marks(Marks(Nanos(int(at_s * NS_PER_S)), A, (mark,)))
    return market.marks[PERP.id].mark


@pytest.mark.parametrize("change", [
    {"bid_ticks": 1_001}, {"bid_ticks": 1_002}, {"bid_ticks": 0}, {"bid_ticks": -5}, {"ask_ticks": 0}, {"bid_lots": 0},
    {"ask_lots": 0},
])
def test_F04_a_crossed_or_empty_touch_never_reaches_a_consumer(change: dict[str, int]) -> None:
    """The last good quote stands under its own stamp, and so grows old."""
    market = state()
    quoted(market, 1, GOOD)
    assert quoted(market, 2, msgspec.structs.replace(GOOD, **change)) == Decimal("100.05")
    assert market.quote_age_s(SPOT.id, Nanos(4 * NS_PER_S)) == 3.0
    assert market.odd_prices == 1


def test_F06_one_odd_quote_changes_nothing_and_a_second_that_agrees_is_believed() -> None:
    """A move beyond a tenth waits for its second sample; another odd one is no second."""
    market = state()
    quoted(market, 1, GOOD)
    low = msgspec.structs.replace(GOOD, bid_ticks=800, ask_ticks=801)
    assert quoted(market, 2, low) == Decimal("100.05")
    assert quoted(market, 3, msgspec.structs.replace(GOOD, bid_ticks=500, ask_ticks=501)) == Decimal("100.05")
    assert quoted(market, 4, low) == Decimal("100.05")
    assert quoted(market, 5, msgspec.structs.replace(low, bid_ticks=802, ask_ticks=803)) == Decimal("80.25")


def test_F06_an_odd_price_of_long_ago_seconds_nothing() -> None:
    """Good prices came between: two spikes an hour apart are two spikes, of a quote and of a mark alike."""
    market = state()
    high = msgspec.structs.replace(GOOD, bid_ticks=1_800, ask_ticks=1_801)
    for at_s in (1, 3, 5, 7):
        assert quoted(market, at_s, GOOD) == Decimal("100.05")
        assert quoted(market, at_s + 1, high) == Decimal("100.05")
        assert marked(market, at_s, "100") == Decimal(100)
        assert marked(market, at_s + 1, "180") == Decimal(100)


def test_F06_a_quote_that_the_coins_mark_seconds_is_believed_at_once() -> None:
    """Two sources: a market that really fell is not kept waiting."""
    market = state()
    quoted(market, 1, GOOD)
    market.marks[PERP.id] = Mark(PERP.id, Decimal("80.3"))
    assert quoted(market, 2, msgspec.structs.replace(GOOD, bid_ticks=800, ask_ticks=801)) == Decimal("80.05")


def test_an_old_quote_is_no_measure_of_a_new_one() -> None:
    """After an hour of silence whatever comes is the market."""
    market = state()
    quoted(market, 1, GOOD)
    after_s = 2 + NS_PER_HOUR / NS_PER_S
    assert quoted(market, after_s, msgspec.structs.replace(GOOD, bid_ticks=500, ask_ticks=501)) == Decimal("50.05")


@pytest.mark.parametrize("price", ["NaN", "0", "-1", "Infinity"])
def test_F06_a_mark_that_is_no_price_is_dropped(price: str) -> None:
    """Neither margin nor equity ever sees it."""
    market = state()
    marked(market, 1, "100")
    assert marked(market, 2, price) == Decimal(100)
    assert market.value_marks[PERP.id] == Decimal(100)


def test_F06_one_odd_mark_moves_no_margin_until_index_market_or_a_second_sample_agrees() -> None:
    """Alone it is an odd tick; beside its index, or its own market, it is the price."""
    market = state()
    marked(market, 1, "100", "100")
    assert marked(market, 2, "60", "100") == Decimal(100)
    assert marked(market, 3, "60.5", "100") == Decimal("60.5")
    assert marked(market, 4, "80", "79") == Decimal(80)
    market.fold_quotes(quotes(5 * NS_PER_S, PERP.id, bid=1_000))
    assert marked(market, 6, "101") == Decimal(101)
