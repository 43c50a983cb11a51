"""A market whose venues change their instruments: everyone sees the same changed market (F39, F45-F47)."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import FundingSettled, InstrumentsChanged, MarketEvent, Quotes
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from bot.runtime.sim_listings import COARSER, ListingsMarket
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Strike
from tests.unit.engine.driving import ALPHA, ONE_VENUE, PERP, RICH, SPOT, T0, Script

SPOTS, PERPS = 0.0, 0.9
"""Draws that pick the spot market, the perpetual."""


def told(*strikes: Strike, minutes: int = 600) -> list[MarketEvent]:
    """All events of a market with these strikes."""
    script = Script(ONE_VENUE, minutes, lambda minute: 1_000.0, lambda minute: RICH)
    market = ListingsMarket(script, ONE_VENUE, strikes)
    events = []
    while (due := market.next_due()) is not None:
        event = market.pop()
        assert event.at_ns == due[0]
        events.append(event)
    assert [e.at_ns for e in events] == sorted(e.at_ns for e in events)
    return events


def strike(kind: FaultKind, minute: int, *, draw: float = PERPS, size: float = 0.0, minutes: int = 0) -> Strike:
    at_ns = T0 + minute * NS_PER_MINUTE
    return Strike(kind, at_ns, at_ns + minutes * NS_PER_MINUTE, ALPHA, size, draw)


def changes(events: list[MarketEvent]) -> list[InstrumentsChanged]:
    return [event for event in events if isinstance(event, InstrumentsChanged)]


def test_without_strikes_it_is_the_market_itself() -> None:
    """Event for event."""
    script = Script(ONE_VENUE, 60, lambda minute: 1_000.0, lambda minute: RICH)
    assert told(minutes=60) == script.events


def test_F47_a_coarser_grid_changes_quotes_from_that_instant_and_back() -> None:
    """The same prices in other ticks; a second strike restores the first grid."""
    events = told(strike(FaultKind.GRID_CHANGED, 10, draw=SPOTS), strike(FaultKind.GRID_CHANGED, 20, draw=SPOTS))
    rules = [event.instruments[0] for event in changes(events)]
    assert [each.tick_size for each in rules] == [SPOT.tick_size * COARSER, SPOT.tick_size]
    bids = {(e.at_ns - T0) // NS_PER_MINUTE: q.bid_ticks for e in events if isinstance(e, Quotes) for q in e.quotes
            if q.instrument == SPOT.id}
    assert (bids[9], bids[10], bids[19], bids[20]) == (10_000, 1_000, 1_000, 10_000)


def test_F45_after_its_end_an_instrument_is_not_quoted_any_more() -> None:
    """Announced at ten, over at twenty past; no funding either."""
    events = told(strike(FaultKind.DELISTING, 10, size=600.0))
    assert changes(events)[0].instruments[0].delist_ns == T0 + 20 * NS_PER_MINUTE
    last = max(e.at_ns for e in events if isinstance(e, Quotes) and any(q.instrument == PERP.id for q in e.quotes))
    assert last == T0 + 19 * NS_PER_MINUTE
    assert not [e for e in events if isinstance(e, FundingSettled) and e.at_ns > T0 + NS_PER_HOUR and e.rates]


def test_F39_a_halved_interval_settles_twice_as_often_at_half_the_rate() -> None:
    """From one o'clock: at four and at eight."""
    events = told(strike(FaultKind.INTERVAL_CHANGED, 60))
    rates = [(r.settled_ns - T0, r.rate, r.interval_h) for e in events if isinstance(e, FundingSettled) for r in e.rates
             if e.at_ns > T0 + NS_PER_HOUR]
    half = Decimal(RICH) / 2
    assert rates == [(4 * NS_PER_HOUR, half, 4), (8 * NS_PER_HOUR, half, 4)]


def test_F46_another_identity_lasts_for_its_window() -> None:
    """And the instrument is itself again."""
    events = told(strike(FaultKind.IDENTITY_CHANGED, 10, minutes=5))
    assert [e.instruments[0].multiplier for e in changes(events)] == [Decimal(1000), Decimal(1)]
    assert [(e.at_ns - T0) // NS_PER_S for e in changes(events)] == [600, 900]
