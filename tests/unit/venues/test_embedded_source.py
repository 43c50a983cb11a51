"""The embedded market as a source: order, resumption, ticks, history, and freedom from its surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.events import (
    EVENT_RANK,
    FundingSettled,
    InstrumentsChanged,
    MarketEvent,
    Marks,
    Prints,
    Quotes,
    ReferenceRate,
)
from bot.domain.ports import MarketSource
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Nanos, Side
from bot.venues.simulated.market.columns import columns_of, layout_of
from bot.venues.simulated.market.listings import COINS, VENUES
from bot.venues.simulated.market.params import DEFAULT_SEED, EmbeddedParams, Scenario
from bot.venues.simulated.market.path import PathModel, simulate_days
from bot.venues.simulated.market.source import EmbeddedMarket
from bot.venues.simulated.market.ticks import minute_ticks

START = 20_089 * NS_PER_DAY
ROOT = Path(__file__).resolve().parents[3]


def market(
    start_ns: int = START, end_ns: int | None = None, resume_ns: int | None = None,
    params: EmbeddedParams | None = None, seed: int = DEFAULT_SEED,
) -> EmbeddedMarket:
    return EmbeddedMarket(params or EmbeddedParams(), seed, start_ns, end_ns, resume_ns)


def until(source: MarketSource, at_ns: int) -> list[MarketEvent]:
    """All events up to and including an instant."""
    events = []
    while (due := source.next_due()) is not None and due[0] <= at_ns:
        events.append(source.pop())
    return events


def on_grid(events: Iterable[MarketEvent]) -> list[MarketEvent]:
    return [event for event in events if event.at_ns % NS_PER_MINUTE == 0]


def order(event: MarketEvent) -> tuple[int, int, str]:
    assert not isinstance(event, ReferenceRate)
    return event.at_ns, EVENT_RANK[type(event)], event.venue


def test_default_market_has_twenty_instruments() -> None:
    """Four coins on alpha and beta (spot and perpetual) and on gamma (perpetual); one 4 h perpetual, gamma hourly."""
    instruments = market().instruments()
    assert len({instrument.id for instrument in instruments}) == 20
    rules = {i.id: i.funding for i in instruments if i.funding is not None}
    assert len(rules) == 12
    hours = {name: rule.interval_h for name, rule in rules.items()}
    assert hours.pop("beta:XRP/USDT:USDT") == 4  # type: ignore[call-overload]
    assert all(h == (1 if name.startswith("gamma") else 8) for name, h in hours.items())
    gamma = rules["gamma:BTC/USDC:USDC"]  # type: ignore[index]
    assert gamma.paid_on_index
    assert not gamma.time_weighted
    assert gamma.cap == Decimal("0.04")


def test_events_come_in_the_order_of_time_rank_and_venue() -> None:
    """Nine hours hold no step back, with settlements and ticks among them."""
    source = market()
    source.show_ticks(Nanos(START + 8 * NS_PER_HOUR + 90 * NS_PER_S), START + 8 * NS_PER_HOUR - 90 * NS_PER_S)
    events = until(source, START + 9 * NS_PER_HOUR)
    keys = [order(event) for event in events]
    assert keys == sorted(keys)
    assert {type(event) for event in events} >= {Marks, Quotes, FundingSettled, Prints}


def test_next_due_announces_the_very_event_that_pop_gives() -> None:
    """Due and popped agree in time and rank."""
    source = market()
    for _ in range(2_000):
        due = source.next_due()
        event = source.pop()
        assert due == (event.at_ns, EVENT_RANK[type(event)])


def test_every_minute_shows_every_instrument() -> None:
    """Each whole minute after the start brings marks of all perpetuals and quotes of all instruments, and only that."""
    events = until(market(), START + NS_PER_HOUR - 1)
    assert sorted({event.at_ns for event in events}) == [START + k * NS_PER_MINUTE for k in range(1, 60)]
    first = [event for event in events if event.at_ns == START + NS_PER_MINUTE]
    marks = [mark for event in first if isinstance(event, Marks) for mark in event.marks]
    quotes = [quote for event in first if isinstance(event, Quotes) for quote in event.quotes]
    assert len(marks) == 12
    assert len(quotes) == 20
    assert all(mark.index is not None and mark.funding_estimate is not None for mark in marks)
    assert all(event.values for event in first if isinstance(event, Quotes | Marks))


def test_quotes_are_sound_and_near_the_mark() -> None:
    """Bid below ask, sizes positive, depth at least the touch, and a perpetual's mid within 1 % of its mark."""
    events = until(market(), START + 6 * NS_PER_HOUR)
    instruments = {i.id: i for i in market().instruments()}
    marks = {m.instrument: m.mark for event in events if isinstance(event, Marks) for m in event.marks}
    for event in events:
        if isinstance(event, Quotes):
            for quote in event.quotes:
                assert 0 < quote.bid_ticks < quote.ask_ticks
                assert min(quote.bid_lots, quote.ask_lots) > 0
                assert quote.depth_lots >= max(quote.bid_lots, quote.ask_lots)
    for quote in [q for event in events[-10:] if isinstance(event, Quotes) for q in event.quotes]:
        if quote.instrument in marks:
            middle = instruments[quote.instrument].price(quote.bid_ticks + quote.ask_ticks) / 2
            assert abs(middle / marks[quote.instrument] - 1) < Decimal("0.01")


def test_settlements_fall_on_their_grid_and_equal_the_last_estimate() -> None:
    """Each perpetual settles at whole intervals of UTC, at the running rate its mark showed at that instant."""
    events = until(market(), START + NS_PER_DAY)
    estimates: dict[str, float] = {}
    counts: dict[str, int] = {}
    for event in events:
        if isinstance(event, Marks):
            estimates.update({m.instrument: m.funding_estimate for m in event.marks if m.funding_estimate is not None})
        elif isinstance(event, FundingSettled):
            for rate in event.rates:
                assert rate.settled_ns == event.at_ns
                assert event.at_ns % (rate.interval_h * NS_PER_HOUR) == 0
                assert float(rate.rate) == pytest.approx(estimates[rate.instrument], abs=1e-8)
                counts[rate.instrument] = counts.get(rate.instrument, 0) + 1
    assert counts["alpha:BTC/USDT:USDT"] == 3
    assert counts["beta:XRP/USDT:USDT"] == 6
    assert counts["gamma:SOL/USDC:USDC"] == 24


def test_the_end_is_the_end() -> None:
    """The last event is at `end_ns` itself; after it nothing is due and a pop is an error."""
    source = market(end_ns=START + 10 * NS_PER_MINUTE)
    events = until(source, START + NS_PER_DAY)
    assert events[-1].at_ns == START + 10 * NS_PER_MINUTE
    assert source.next_due() is None
    with pytest.raises(IndexError):
        source.pop()


@pytest.mark.parametrize("gone_ns", [
    0, 30 * NS_PER_S, 5 * NS_PER_HOUR, 11 * NS_PER_HOUR + 61 * NS_PER_S, 24 * NS_PER_HOUR - 1, 24 * NS_PER_HOUR,
    3 * NS_PER_DAY + 7,
])
def test_a_resumed_market_goes_on_exactly(gone_ns: int) -> None:
    """Whatever instant it resumes at, what follows is equal to what a source without a break shows."""
    resume_ns, end_ns = START + gone_ns, START + gone_ns + 2 * NS_PER_HOUR
    whole = [event for event in until(market(), end_ns) if event.at_ns > resume_ns]
    assert until(market(resume_ns=resume_ns), end_ns) == whole


def test_a_negative_seed_is_refused() -> None:
    """A seed keys the streams and cannot be negative."""
    with pytest.raises(ConfigRefused, match="seed"):
        market(seed=-1)


def test_resuming_before_the_start_is_refused() -> None:
    """There are no prices before the start."""
    with pytest.raises(ValueError, match="before start_ns"):
        market(resume_ns=START - 1)


def test_ticks_leave_the_60_s_path_as_it_is() -> None:
    """The points and settlements are the same with ticks all the time and without."""
    quiet = until(market(), START + 2 * NS_PER_HOUR)
    source = market()
    source.show_ticks(Nanos(START + NS_PER_DAY), START)
    busy = until(source, START + 2 * NS_PER_HOUR)
    assert len(busy) > 10 * len(quiet)
    assert on_grid(busy) == quiet


def test_ticks_of_a_minute_do_not_depend_on_who_asks_when() -> None:
    """Asked for at once, or piece by piece from the middle, a second's ticks are the same."""
    end_ns = START + 3 * NS_PER_MINUTE
    whole = market()
    whole.show_ticks(Nanos(end_ns), START)
    expected = until(whole, end_ns)
    source = market()
    seen = until(source, START + NS_PER_MINUTE)
    source.show_ticks(Nanos(START + 80 * NS_PER_S), START + 70 * NS_PER_S + 5)
    seen += until(source, START + 75 * NS_PER_S)
    source.show_ticks(Nanos(START + 100 * NS_PER_S), START + 75 * NS_PER_S)
    source.show_ticks(Nanos(START + 90 * NS_PER_S), START + 75 * NS_PER_S)
    seen += until(source, end_ns)
    inner = [e for e in expected if START + 71 * NS_PER_S <= e.at_ns <= START + 100 * NS_PER_S]
    assert [e for e in seen if e.at_ns % NS_PER_MINUTE] == inner


def test_ticks_start_after_the_callers_time_and_end_as_asked() -> None:
    """From 10.5 s to 20 s there are exactly the seconds 11 to 20, for every venue."""
    source = market()
    source.show_ticks(Nanos(START + 20 * NS_PER_S), START + 10 * NS_PER_S + NS_PER_S // 2)
    events = until(source, START + 59 * NS_PER_S)
    assert sorted({e.at_ns for e in events}) == [START + s * NS_PER_S for s in range(11, 21)]
    assert {e.venue for e in events if isinstance(e, Quotes)} == {"alpha", "beta", "gamma"}


def test_without_the_callers_time_ticks_wait_for_the_next_point() -> None:
    """A source that is not told the time never shows an event that may lie in the caller's past."""
    source = market()
    until(source, START + NS_PER_MINUTE)
    source.show_ticks(Nanos(START + 10 * NS_PER_MINUTE))
    due = source.next_due()
    assert due is not None
    assert due[0] == START + 2 * NS_PER_MINUTE
    events = until(source, START + 3 * NS_PER_MINUTE)
    assert START + 2 * NS_PER_MINUTE + NS_PER_S in {event.at_ns for event in events}


def test_prints_add_up_to_the_minutes_turnover_at_the_touch() -> None:
    """A minute's prints are its turnover but for whole lots, buys at the ask and sells at the bid of their second."""
    model = PathModel(EmbeddedParams(), DEFAULT_SEED)
    layout = layout_of(model)
    day = columns_of(model, layout, model.start(), START)
    touch: dict[tuple[int, str], tuple[int, int]] = {}
    traded: dict[str, float] = {}
    lots = {row.instrument.id: row.instrument for row in model.rows}
    for event in minute_ticks(model, layout, day, 700):
        if isinstance(event, Quotes):
            touch.update({(event.at_ns, q.instrument): (q.bid_ticks, q.ask_ticks) for q in event.quotes})
        elif isinstance(event, Prints):
            for trade in event.prints:
                bid, ask = touch[event.at_ns, trade.instrument]
                assert trade.price_ticks == (ask if trade.side is Side.BUY else bid)
                instrument = lots[trade.instrument]
                usd = float(instrument.price(trade.price_ticks) * instrument.quantity(trade.quantity_lots))
                traded[trade.instrument] = traded.get(trade.instrument, 0.0) + usd
    for number, row in enumerate(model.rows):
        turnover = float(day.book.turnover_usd[number, 699])
        waste = 118 * float(row.instrument.lot_size) * float(day.block.mid[number, 699])
        assert turnover * 0.995 - waste <= traded.get(row.instrument.id, 0.0) <= turnover * 1.005


def test_ticks_show_no_false_basis() -> None:
    """Inside a minute a perpetual stays within 5 bp of the straight line of its own basis to spot."""
    model = PathModel(EmbeddedParams(), DEFAULT_SEED)
    layout = layout_of(model)
    day = columns_of(model, layout, model.start(), START)
    names = [row.instrument.id for row in model.rows]
    spot, perp = (names.index(name) for name in ("alpha:BTC/USDT", "alpha:BTC/USDT:USDT"))  # type: ignore[arg-type]
    basis = day.block.mid[perp] / day.block.mid[spot] - 1.0
    for event in minute_ticks(model, layout, day, 800):
        if isinstance(event, Quotes) and event.venue == "alpha":
            seen = {q.instrument: (q.bid_ticks + q.ask_ticks) / 2 for q in event.quotes}
            ratio = seen[names[perp]] * 0.1 / (seen[names[spot]] * 0.01) - 1.0
            assert min(basis[798:800]) - 5e-4 < ratio < max(basis[798:800]) + 5e-4


def test_history_is_the_21_days_before_the_start() -> None:
    """Settled rates up to the start itself, in order, every perpetual on its own grid."""
    start_ns = START + 13 * NS_PER_HOUR
    history = market(start_ns=start_ns).funding_history()
    assert all(start_ns - 21 * NS_PER_DAY < event.at_ns <= start_ns for event in history)
    assert [event.at_ns for event in history] == sorted(event.at_ns for event in history)
    counts: dict[str, int] = {}
    for event in history:
        for rate in event.rates:
            counts[rate.instrument] = counts.get(rate.instrument, 0) + 1
    assert counts["alpha:BTC/USDT:USDT"] == 63
    assert counts["gamma:BTC/USDC:USDC"] == 504


def test_history_and_what_follows_are_one_process() -> None:
    """A session that starts 13 h later has, in its history, what the earlier session saw as events."""
    later_ns = START + 13 * NS_PER_HOUR
    seen = [event for event in until(market(), later_ns) if isinstance(event, FundingSettled)]
    history = market(start_ns=later_ns).funding_history()
    assert [event for event in history if event.at_ns > START] == seen
    assert [event for event in history if event.at_ns <= START] == [
        event for event in market().funding_history() if event.at_ns > later_ns - 21 * NS_PER_DAY]


def test_history_beyond_what_exists_is_refused() -> None:
    """More than 30 days do not exist before the start."""
    with pytest.raises(ValueError, match="hours must be in"):
        market().funding_history(721)


def test_other_seeds_give_other_markets() -> None:
    """The seed decides everything random."""
    assert until(market(seed=1), START + NS_PER_MINUTE) != until(market(seed=2), START + NS_PER_MINUTE)


def test_numpys_global_state_is_neither_read_nor_changed() -> None:
    """Seeding the global generator changes nothing here, and we leave it as it was."""
    first = until(market(), START + NS_PER_HOUR)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    assert until(market(), START + NS_PER_HOUR) == first
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


_DIGEST = f"""
import hashlib, msgspec
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.source import EmbeddedMarket
source, digest = EmbeddedMarket(EmbeddedParams(), 5, {START}), hashlib.sha256()
source.show_ticks({START + 3 * NS_PER_MINUTE}, {START})
for _ in range(5_000):
    digest.update(msgspec.json.encode(source.pop()))
print(digest.hexdigest())
"""


def test_the_hash_seed_has_no_part_in_it() -> None:
    """Two processes with different PYTHONHASHSEED show the same bytes."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST], env={**os.environ, "PYTHONHASHSEED": hash_seed}, cwd=ROOT, check=True,
            capture_output=True, text=True).stdout
        for hash_seed in ("1", "2")}
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_a_planted_crash_moves_its_coin_by_its_size() -> None:
    """A log move of -0.3 over two hours is what separates the planted path from the plain one, for that coin alone."""
    crash = Scenario(day=1, coin="ETH", log_jump=-0.3, duration_h=2.0, hour=6.0)
    plain = list(simulate_days(EmbeddedParams(), 3, 2))[1]
    hit = list(simulate_days(EmbeddedParams(scenarios=(crash,)), 3, 2))[1]
    gap = np.log(hit.index) - np.log(plain.index)
    assert gap[1, 359] == pytest.approx(0.0, abs=1e-12)
    assert gap[1, 419] == pytest.approx(-0.15, abs=1e-9)
    assert gap[1, 479] == pytest.approx(-0.3, abs=1e-9)
    assert gap[1, -1] == pytest.approx(-0.3, abs=1e-9)
    assert np.allclose(gap[[0, 2, 3]], 0.0, atol=1e-12)


def test_a_planted_melt_up_of_all_coins_crosses_midnight() -> None:
    """A move of `*` is scaled by beta and goes on over the end of its day; its premium shift lasts as long."""
    melt = Scenario(day=0, coin="*", log_jump=0.4, duration_h=4.0, hour=22.0, premium_bps=150.0)
    plain = list(simulate_days(EmbeddedParams(), 3, 2))
    hit = list(simulate_days(EmbeddedParams(scenarios=(melt,)), 3, 2))
    for day, share in ((0, 0.5), (1, 1.0)):
        gap = np.log(hit[day].index[:, -1]) - np.log(plain[day].index[:, -1])
        assert gap == pytest.approx([0.4 * share * coin.beta for coin in COINS], abs=1e-9)
    shift = hit[1].premium - plain[1].premium
    assert shift[:, :120] == pytest.approx(0.015, abs=1e-9)
    assert shift[:, 120:] == pytest.approx(0.0, abs=1e-9)


def test_an_interval_change_is_an_event_one_minute_after_its_settlement() -> None:
    """A rate at its cap halves the interval: told after the settlement, kept by a source that resumes later."""
    mania = Scenario(day=0, coin="BTC", log_jump=0.0, duration_h=8.0, hour=0.0, premium_bps=400.0)
    params = EmbeddedParams(scenarios=(mania,))
    events = until(market(params=params), START + 13 * NS_PER_HOUR)
    told = [event for event in events if isinstance(event, InstrumentsChanged)]
    alpha = next(event for event in told if event.instruments[0].id == "alpha:BTC/USDT:USDT")
    assert alpha.at_ns == START + 8 * NS_PER_HOUR + NS_PER_MINUTE
    assert alpha.instruments[0].funding is not None
    assert alpha.instruments[0].funding.interval_h == 4
    later = market(params=params, resume_ns=alpha.at_ns).instruments()
    assert alpha.instruments[0] in later
    earlier = market(params=params, resume_ns=alpha.at_ns - 1).instruments()
    assert alpha.instruments[0] not in earlier
    settled = [rate for event in events if isinstance(event, FundingSettled) for rate in event.rates
               if rate.instrument == "alpha:BTC/USDT:USDT"]
    assert [(rate.settled_ns - START) // NS_PER_HOUR for rate in settled] == [8, 12]
    assert settled[0].rate == Decimal("0.00300000")
    assert [rate.interval_h for rate in settled] == [8, 4]


def test_a_smaller_market_keeps_each_coins_own_draws() -> None:
    """Without beta and gamma, alpha's premium terms of its own are drawn the same: streams belong to names."""
    small = EmbeddedParams(coins=COINS[:1], venues=(msgspec.structs.replace(
        VENUES[0], listings=tuple(listing for listing in VENUES[0].listings if listing.coin == "BTC")),))
    one = next(iter(simulate_days(small, 9, 1)))
    whole = next(iter(simulate_days(EmbeddedParams(), 9, 1)))
    assert np.array_equal(one.premium[0], whole.premium[0])
    assert np.array_equal(one.vol_minute[0], whole.vol_minute[0])


@pytest.mark.parametrize(("params", "why"), [
    (EmbeddedParams(coins=COINS[:1]), "not in coins"),
    (EmbeddedParams(market_vol_1h_pct=float("nan")), "market_vol_1h_pct"),
    (EmbeddedParams(shock_nu=2.0), "shock_nu"),
    (EmbeddedParams(alt_correlation=1.0), "alt_correlation"),
    (EmbeddedParams(premium_shares=(0.5, 0.5, 0.5, 0.0, 0.0)), "premium_shares"),
    (EmbeddedParams(interval_ladder_h=(8, 5)), "interval_ladder_h"),
    (EmbeddedParams(coins=(msgspec.structs.replace(COINS[0], price_usd=0.0), *COINS[1:])), "price_usd of BTC"),
    (EmbeddedParams(venues=(VENUES[0], VENUES[0])), "named twice"),
    (EmbeddedParams(scenarios=(Scenario(day=0, coin="LUNA", log_jump=-1.0),)), "LUNA"),
    (EmbeddedParams(scenarios=(Scenario(day=0, coin="BTC", log_jump=-1.0, duration_h=0.0),)), "duration_h"),
    (EmbeddedParams(venues=(msgspec.structs.replace(VENUES[0], premium_bps=(1.0,)),)), "premium_quantiles"),
    (EmbeddedParams(venues=(msgspec.structs.replace(VENUES[0], listings=()),)), "no instrument"),
    (EmbeddedParams(venues=(msgspec.structs.replace(
        VENUES[0], listings=(msgspec.structs.replace(VENUES[0].listings[0], interval_h=7),)),)), "divide 24"),
])
def test_an_impossible_market_is_refused_in_one_line(params: EmbeddedParams, why: str) -> None:
    """Parameters that cannot make a market name what is wrong."""
    with pytest.raises(ConfigRefused, match=why) as refused:
        market(params=params)
    assert "\n" not in str(refused.value)
