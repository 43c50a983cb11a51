"""Prices of stablecoins beside a market: every five minutes, near a dollar, and off it as planned."""

from __future__ import annotations

from bot.domain.events import MarketEvent, PegPrices
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, Venue
from bot.venues.simulated.market.pegs import EVERY_NS, Depeg, WithPegs
from tests.unit.engine.driving import ALPHA, BETA, T0, TWO_VENUES, Script


def all_of(source: WithPegs) -> list[MarketEvent]:
    events = []
    while source.next_due() is not None:
        events.append(source.pop())
    return events


def market(*depegs: Depeg, minutes: int = 180, from_ns: int = T0) -> list[MarketEvent]:
    script = Script(TWO_VENUES, minutes, lambda minute: 1_000.0, lambda minute: "0.0001")
    return all_of(WithPegs(script, TWO_VENUES, 7, from_ns, depegs))


def prices(events: list[MarketEvent], venue: Venue) -> dict[int, float]:
    """Minutes since T0 -> USD."""
    return {(event.at_ns - T0) // NS_PER_MINUTE: float(event.prices[0][1]) for event in events
            if isinstance(event, PegPrices) and event.venue == venue}


def test_every_venue_names_its_price_every_five_minutes_in_the_order_of_time() -> None:
    """Within five basis points of a dollar; the market itself stays as it was."""
    events = market()
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    for venue in (ALPHA, BETA):
        assert list(prices(events, venue)) == list(range(5, 180, 5))
        assert all(abs(price - 1.0) < 0.0005 for price in prices(events, venue).values())
    plain = Script(TWO_VENUES, 180, lambda minute: 1_000.0, lambda minute: "0.0001").events
    assert [event for event in events if not isinstance(event, PegPrices)] == plain


def test_a_source_that_begins_later_names_the_same_prices() -> None:
    """Nothing depends on where it was taken up, not even between two prices."""
    whole, later = prices(market(), ALPHA), prices(market(from_ns=T0 + EVERY_NS * 12 + 1), ALPHA)
    assert later == {minute: price for minute, price in whole.items() if minute >= 65}


def test_F44_a_depeg_falls_stays_low_and_comes_back() -> None:
    """Ten per cent for two hours: a quarter of the time down, a quarter back; and one that only BETA tells of."""
    two_hours = {"currency": "USDT", "at_ns": T0 + NS_PER_HOUR // 2, "end_ns": T0 + NS_PER_HOUR * 5 // 2, "depth": 0.1}
    seen = market(Depeg(**two_hours))  # type: ignore[arg-type]
    for venue in (ALPHA, BETA):
        told = prices(seen, venue)
        assert round(told[25], 2) == round(told[150], 2) == 1.0
        assert round(told[45], 2) == round(told[135], 2) == 0.95
        assert {round(told[minute], 2) for minute in range(60, 121, 5)} == {0.90}
    seen = market(Depeg(said_by=BETA, **two_hours))  # type: ignore[arg-type]
    assert (round(prices(seen, ALPHA)[90], 2), round(prices(seen, BETA)[90], 2)) == (1.0, 0.9)


def test_of_another_currency_nothing_changes() -> None:
    """USDC falls, and these venues quote in USDT."""
    assert market(Depeg(currency="USDC", at_ns=T0, end_ns=T0 + NS_PER_HOUR, depth=0.5)) == market()
