"""The pair machine against a venue that half fills, refuses, loses answers and goes dark: it always ends whole."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S
from bot.portfolio.pairs import PairState
from tests.property.pair_venue import PARAMS, Outcome, PairVenue
from tests.unit.execution.scenes import OPEN, PERP, PERP_B, RECONCILING, SHUT, SPOT, T0, instrument

COARSE = instrument("BTC/USDT:USDT", "gamma", lot="0.01", notional_min="100")
LEGS = st.sampled_from([(SPOT, PERP), (PERP, PERP_B), (SPOT, COARSE), (PERP_B, COARSE)])
OUTCOMES = st.lists(st.builds(
    Outcome, share=st.sampled_from([0.0, 0.0, 0.01, 0.3, 0.5, 0.97, 1.0]),
    lost_for_s=st.sampled_from([0.0, 0.0, 0.0, 6.0, 11.0, 40.0]),
), max_size=30)
ACTIONS = st.lists(st.tuples(st.floats(0.05, 90.0), st.sampled_from([
    "long_dark", "short_dark", "lit", "shut", "reconciling", "open", "close", "urgent_close", "halve", "hold",
])), max_size=8)
Plan = list[tuple[float, str]]


def act(venue: PairVenue, action: str) -> None:
    """One thing that befalls the pair."""
    pair = venue.pair
    match action:
        case "long_dark":
            venue.quoted[pair.long_leg] = False
        case "short_dark":
            venue.quoted[pair.short_leg] = False
        case "lit":
            venue.quoted = dict.fromkeys(venue.quoted, True)
        case "shut":
            venue.allowed = SHUT
        case "reconciling":
            venue.allowed = RECONCILING
        case "open":
            venue.allowed = OPEN
        case "close" | "urgent_close":
            if pair.state is not PairState.FLAT:
                venue.begin(Decimal(0), urgent=action == "urgent_close")
        case "halve":
            held = min(abs(quantity) for quantity in venue.held.values())
            if pair.state is PairState.HEDGED and held >= 10 * pair.step_base:
                venue.begin(held // 2 // pair.step_base * pair.step_base, urgent=True)
        case "hold":
            if pair.state is not PairState.FLAT:
                pair.parent, pair.target_base = None, min(abs(quantity) for quantity in venue.held.values())
    venue.look()


def after_faults(legs: tuple[Instrument, Instrument], outcomes: list[Outcome], plan: Plan) -> PairVenue:
    """Live through the plan, then an hour in which nothing goes wrong any more."""
    venue = PairVenue(*legs, iter(outcomes), Decimal(2))
    for pause_s, action in plan:
        venue.run(venue.now + int(pause_s * NS_PER_S))
        act(venue, action)
    venue.outcomes = iter(())
    act(venue, "lit")
    act(venue, "open")
    venue.run(venue.now + 3_600 * NS_PER_S)
    return venue


@settings(max_examples=150, deadline=None)
@given(LEGS, OUTCOMES, ACTIONS)
def test_a_pair_always_ends_whole_and_at_rest(legs: tuple[Instrument, Instrument], outcomes: list[Outcome],
                                              plan: Plan) -> None:
    """An hour after the last fault: HEDGED or FLAT, nothing out, nothing planned, no leftover on a flat pair.

    On the way `PairVenue` checks every order: it never crosses zero, exceeds its parent, stands beside one of unknown
    outcome, is below a minimum, or differs from what a machine restored from bytes would send.
    """
    venue = after_faults(legs, outcomes, plan)
    assert venue.at_rest, (venue.pair, venue.held, venue.wake_ns)
    assert venue.whole
    if venue.pair.state is PairState.FLAT:
        assert not any(venue.held.values())


@settings(max_examples=100, deadline=None)
@given(LEGS, OUTCOMES, ACTIONS)
def test_nine_seconds_hedging_then_unwinding_and_a_page_each_minute(legs: tuple[Instrument, Instrument],
                                                                    outcomes: list[Outcome], plan: Plan) -> None:
    """R9: off balance for 10 s an opening is UNWINDING; every full minute off balance has its page."""
    venue = PairVenue(*legs, iter(outcomes), Decimal(2))
    since: int | None = None
    pages = 0
    for pause_s, action in [*plan, (200.0, "lit"), (200.0, "open")]:
        until = venue.now + int(pause_s * NS_PER_S)
        while venue.now < until:
            venue.run(min(until, venue.now + NS_PER_S // 4))
            begun = venue.pair.unhedged_since_ns
            if begun is None or begun != since:
                since, pages = begun, len(venue.pages)
                continue
            age_s = (venue.now - begun) / NS_PER_S
            opening = venue.pair.parent is None or venue.pair.parent.opening
            if age_s >= PARAMS.unwind_after_s and opening:
                assert venue.pair.state in (PairState.UNWINDING, PairState.CLOSING)
            assert len(venue.pages) - pages >= int(age_s // PARAMS.page_after_s) - (age_s % 60 < 0.5)
        act(venue, action)


@settings(max_examples=60, deadline=None)
@given(LEGS, OUTCOMES)
def test_at_most_four_hedges_before_the_trim(legs: tuple[Instrument, Instrument], outcomes: list[Outcome]) -> None:
    """R9: one hedge at the touch and at most three that cross, then the longer leg is trimmed."""
    venue = after_faults(legs, outcomes, [])
    hedges = Counter(since for _, order, since in venue.log if order.purpose == "hedge")
    assert None not in hedges
    assert max(hedges.values(), default=0) <= 1 + PARAMS.cross_tries_max


@settings(max_examples=60, deadline=None)
@given(LEGS, OUTCOMES, ACTIONS)
def test_looking_twice_changes_nothing(legs: tuple[Instrument, Instrument], outcomes: list[Outcome],
                                       plan: Plan) -> None:
    """Whatever state: a second look at the same instant, with the first one's order out, sends nothing."""
    venue = PairVenue(*legs, iter(outcomes), Decimal(2))
    for pause_s, action in plan:
        venue.run(venue.now + int(pause_s * NS_PER_S))
        act(venue, action)
        sent = len(venue.log)
        venue.look()
        venue.look()
        assert len(venue.log) == sent


def test_the_machine_of_a_quiet_world_opens_what_was_planned() -> None:
    """Without faults the pair stands HEDGED at its target within the parent's deadline, in slices, net of coin fees."""
    venue = after_faults((SPOT, PERP), [], [])
    assert venue.pair.state is PairState.HEDGED
    assert venue.pair.unhedged_since_ns is None
    assert abs(venue.held[PERP.id]) == Decimal(2)
    assert abs(venue.held[SPOT.id] - 2) <= Decimal("0.0025")
    assert len({at_ns for at_ns, order, _ in venue.log if order.purpose == "open"}) > 1
    assert venue.log[0][0] == T0
