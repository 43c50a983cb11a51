"""Laws of the embedded market: the path belongs to (params, seed) alone; the funding rule keeps its bounds."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.events import EVENT_RANK, MarketEvent, ReferenceRate
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Nanos
from bot.venues.simulated.market.funding_rule import funding_rate
from bot.venues.simulated.market.listings import COINS, VENUES
from bot.venues.simulated.market.mean_reversion import mean_reverting
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.source import EmbeddedMarket

START = 20_089 * NS_PER_DAY + 9 * NS_PER_HOUR
SMALL = EmbeddedParams(coins=COINS[:1], venues=tuple(
    msgspec.structs.replace(venue, listings=tuple(row for row in venue.listings if row.coin == "BTC"))
    for venue in (VENUES[0], VENUES[2])))


def until(source: EmbeddedMarket, at_ns: int) -> list[MarketEvent]:
    events = []
    while (due := source.next_due()) is not None and due[0] <= at_ns:
        events.append(source.pop())
    return events


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**40),
    asks=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 300), st.booleans()), max_size=6),
)
def test_no_sequence_of_tick_requests_moves_the_path_or_breaks_the_order(
    seed: int, asks: list[tuple[int, int, bool]],
) -> None:
    """Whenever, however often and for however long ticks are asked for, time never goes back and points stay."""
    plain = until(EmbeddedMarket(SMALL, seed, START), START + 20 * NS_PER_MINUTE)
    source, seen = EmbeddedMarket(SMALL, seed, START), []
    for at_s, length_s, tells_time in sorted(asks):
        now_ns = START + at_s * NS_PER_S + 123
        seen += until(source, now_ns)
        source.show_ticks(Nanos(now_ns + length_s * NS_PER_S), now_ns if tells_time else None)
        due = source.next_due()
        assert due is not None
        assert due[0] > now_ns
    seen += until(source, START + 20 * NS_PER_MINUTE)
    keys = []
    for event in seen:
        assert not isinstance(event, ReferenceRate)
        keys.append((event.at_ns, EVENT_RANK[type(event)], event.venue))
    assert keys == sorted(keys)
    assert [event for event in seen if event.at_ns % NS_PER_MINUTE == 0] == plain


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**40), gone_s=st.integers(0, 2 * 86_400))
def test_resuming_anywhere_goes_on_exactly(seed: int, gone_s: int) -> None:
    """A source that resumes shows, to the last digit, what one without a break shows after that instant."""
    resume_ns = START + gone_s * NS_PER_S
    end_ns = resume_ns + 90 * NS_PER_MINUTE
    whole = [event for event in until(EmbeddedMarket(SMALL, seed, START), end_ns) if event.at_ns > resume_ns]
    assert until(EmbeddedMarket(SMALL, seed, START, resume_ns=resume_ns), end_ns) == whole


@given(
    premium_bps=st.lists(st.floats(-800, 800), min_size=1, max_size=40), interval_h=st.sampled_from([1, 2, 4, 8]),
    cap=st.floats(1e-4, 0.05), before=st.booleans(), weighted=st.booleans(),
)
def test_funding_stays_within_its_bounds(
    premium_bps: list[float], interval_h: int, cap: float, before: bool, weighted: bool,
) -> None:
    """The rate never passes its cap, and differs from the scaled premium average by at most the clamp."""
    premium = np.array(premium_bps) * 1e-4
    rates = funding_rate(
        premium, interest_8h=1e-4, clamp_8h=5e-4, cap=cap, floor=-cap, interval_h=interval_h,
        cap_before_division=before, time_weighted=weighted)
    scale = interval_h / 8.0
    limit = cap * scale if before else cap
    assert float(np.abs(rates).max()) <= limit * (1.0 + 1e-12)
    if abs(float(rates[-1])) < 0.999 * limit:
        weights = np.arange(1, premium.size + 1) if weighted else np.ones(premium.size)
        mean = float(np.average(premium, weights=weights))
        assert abs(float(rates[-1]) / scale - mean) <= max(5e-4, 0.0) + 1e-12


@given(
    premium_bps=st.lists(st.floats(-50, 50), min_size=1, max_size=20), more_bps=st.floats(0, 50),
)
def test_funding_never_falls_when_premium_rises(premium_bps: list[float], more_bps: float) -> None:
    """Adding premium to every sample cannot lower the rate."""
    rules = {"interest_8h": 1e-4, "clamp_8h": 5e-4, "cap": 0.003, "floor": -0.003}
    low, high = (
        funding_rate(np.array(premium_bps) * 1e-4 + extra, **rules, interval_h=8, cap_before_division=False,
                     time_weighted=True)[-1]
        for extra in (0.0, more_bps * 1e-4))
    assert high >= low - 1e-15


@given(
    shocks=st.lists(st.floats(-4, 4), min_size=1, max_size=200), state=st.floats(-3, 3),
    decay=st.floats(0.01, 0.9999), sd=st.floats(0.1, 5),
)
def test_the_scan_equals_the_plain_recursion(shocks: list[float], state: float, decay: float, sd: float) -> None:
    """Recursive doubling gives what the loop over minutes gives."""
    fast = mean_reverting(np.array([state]), np.array([decay]), np.array([sd]), np.array([shocks]))[0]
    value, slow = state, []
    for shock in shocks:
        value = decay * value + sd * (1.0 - decay * decay) ** 0.5 * shock
        slow.append(value)
    assert np.allclose(fast, slow, rtol=1e-9, atol=1e-9)
