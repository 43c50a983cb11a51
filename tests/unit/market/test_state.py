"""What is known of a market: newest wins, halts keep a value, and what was never seen is not made up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.errors import Unavailable
from bot.domain.events import (
    Bar,
    BarsClosed,
    FundingRate,
    FundingSettled,
    InstrumentsChanged,
    Mark,
    Marks,
    Quote,
    Quotes,
    TradingHalted,
)
from bot.domain.instrument import FundingRule, Instrument, Kind, instrument_id
from bot.domain.values import NS_PER_HOUR, NS_PER_S, Coin, InstrumentId, Nanos, Venue
from bot.market.state import MarketState

A = Venue("a")


def instrument(symbol: str, funding: FundingRule | None = None) -> Instrument:
    return Instrument(
        id=instrument_id("a", symbol), venue=A, symbol=symbol, coin=Coin("BTC"), quote="USDT",
        kind=Kind.PERP if ":" in symbol else Kind.SPOT, tick_size=Decimal("0.1"), lot_size=Decimal("0.001"),
        lots_min=1, notional_min_usd=Decimal(5), maker_fee=Decimal(0), taker_fee=Decimal(0), funding=funding)


RULE = FundingRule(interval_h=8, interest_8h=Decimal("0.0003"), clamp_8h=Decimal("0.0005"), cap=Decimal("0.003"))
SPOT, PERP = instrument("BTC/USDT"), instrument("BTC/USDT:USDT", RULE)


def state() -> MarketState:
    market = MarketState()
    market.fold_instruments(InstrumentsChanged(Nanos(0), A, (SPOT, PERP)))
    return market


def quotes(at_ns: int, *ids: InstrumentId, bid: int = 1_000, values: bool = True) -> Quotes:
    return Quotes(Nanos(at_ns), A, tuple(Quote(i, bid, bid + 1, 5, 5, 50) for i in ids), values)


def close(at_ns: int, of: InstrumentId, price: str) -> BarsClosed:
    at = Decimal(price)
    return BarsClosed(Nanos(at_ns), A, (Bar(of, 60, at, at, at, at, 1.0),))


def test_the_newest_quote_wins_and_has_an_age() -> None:
    """The mid is exact, half ticks and all."""
    market = state()
    market.fold_quotes(quotes(1, SPOT.id))
    market.fold_quotes(quotes(2 * NS_PER_S, SPOT.id, bid=1_050))
    assert market.mid(SPOT.id) == Decimal("105.05")
    assert market.quote_age_s(SPOT.id, Nanos(5 * NS_PER_S)) == 3.0
    assert market.quote(SPOT.id) == Quote(SPOT.id, 1_050, 1_051, 5, 5, 50)


def test_what_was_never_quoted_has_no_mid_and_an_infinite_age() -> None:
    """R7."""
    assert (state().mid(SPOT.id), state().quote(SPOT.id)) == (None, None)
    assert state().quote_age_s(SPOT.id, Nanos(1)) == float("inf")


@pytest.mark.parametrize("of", [SPOT, PERP])
def test_what_was_never_valued_raises(of: Instrument) -> None:
    """No neutral price is made up."""
    with pytest.raises(Unavailable, match="never valued"):
        state().value(of.id)


def test_a_perp_is_valued_at_its_mark_and_only_at_one_of_a_common_edge() -> None:
    """A mark off the edge serves margin alone."""
    market = state()
    market.fold_marks(Marks(Nanos(1), A, (Mark(PERP.id, Decimal(100)),)))
    market.fold_marks(Marks(Nanos(2), A, (Mark(PERP.id, Decimal(110)),), values=False))
    assert market.value(PERP.id) == 100
    assert market.marks[PERP.id].mark == 110
    assert market.marks_ns[A] == 2


def test_a_spot_on_ticks_is_valued_at_its_mid_one_on_bars_at_its_close() -> None:
    """And it may change from one to the other."""
    market = state()
    market.fold_quotes(quotes(1, SPOT.id))
    assert market.value(SPOT.id) == Decimal("100.05")
    market.fold_bars(close(2, SPOT.id, "101"))
    market.fold_quotes(quotes(3, SPOT.id, values=False))
    assert market.value(SPOT.id) == 101


def test_on_bars_an_open_values_nothing_before_the_first_close() -> None:
    """The quote of an unfinished bar is for trading."""
    market = state()
    market.fold_quotes(quotes(1, SPOT.id, values=False))
    with pytest.raises(Unavailable):
        market.value(SPOT.id)


def test_a_halt_takes_the_quote_and_keeps_the_value_until_the_next_quote() -> None:
    """Held pairs stay, valued as they were; trading goes on with the next quote."""
    market = state()
    market.fold_quotes(quotes(1, SPOT.id, PERP.id))
    market.fold_halt(TradingHalted(Nanos(2), A, (SPOT.id, PERP.id), "missing bar"))
    assert market.quote(SPOT.id) is None
    assert market.halted == {SPOT.id: "missing bar", PERP.id: "missing bar"}
    assert market.value(SPOT.id) == Decimal("100.05")
    market.fold_halt(TradingHalted(Nanos(3), A, (SPOT.id,), "still missing"))
    assert market.value(SPOT.id) == Decimal("100.05")
    market.fold_quotes(quotes(4, SPOT.id, bid=1_100))
    assert market.halted == {PERP.id: "missing bar"}
    assert market.value(SPOT.id) == Decimal("110.05")


def test_a_halt_before_anything_was_seen_is_a_halt() -> None:
    """Nothing is known, and nothing falls over."""
    market = state()
    market.fold_halt(TradingHalted(Nanos(2), A, (SPOT.id,), "maintenance"))
    assert SPOT.id in market.halted


def test_a_batch_without_quotes_is_a_sign_of_life() -> None:
    """The venue has spoken."""
    market = state()
    market.fold_quotes(quotes(7))
    assert market.venue_ns[A] == 7


def test_settled_rates_make_a_history_with_the_venues_own_interest() -> None:
    """An instrument without rules takes the usual 1 bp."""
    market = state()
    for hour in (0, 8):
        rates = tuple(FundingRate(i, Nanos(hour * NS_PER_HOUR), Decimal("0.0002"), 8)
                      for i in (PERP.id, InstrumentId("a:new")))
        market.fold_funding(FundingSettled(Nanos(hour * NS_PER_HOUR), A, rates), half_life_h=20, slow_half_life_h=400)
    history = market.funding[PERP.id]
    assert (history.count, history.interest_8h, history.fast_half_life_h) == (2, 0.0003, 20)
    assert market.funding[InstrumentId("a:new")].interest_8h == 0.0001
