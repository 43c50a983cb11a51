"""Recorded history as events: what is known when, what stands in, what is missing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from bot.domain.errors import ConfigRefused, DataRefused
from bot.domain.events import (
    EVENT_RANK,
    BarsClosed,
    ClosesKnown,
    Event,
    FundingSettled,
    InstrumentsChanged,
    MarketEvent,
    Marks,
    Quotes,
    ReferenceRate,
    TradingHalted,
)
from bot.domain.instrument import instrument_id
from bot.domain.values import NS_PER_HOUR, Nanos
from tests.history_folders import bars, drained, funding, hours, marks, ns, opened, perp_folder, write

BTC = instrument_id("binance", "BTC/USDT:USDT")
SPOT = instrument_id("binance", "BTC/USDT")
Kind = TypeVar("Kind", bound=Event)


def _of(events: list[MarketEvent], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def test_a_bar_is_an_event_at_its_close_and_a_quote_at_its_opening(tmp_path: Path) -> None:
    """The bar that opens at T is quoted at T from its open alone; what it did comes an hour later."""
    events = drained(opened(perp_folder(tmp_path), "2024-01-01T10:00", "2024-01-01T12:00"))
    closed = {event.at_ns: event.bars[0] for event in _of(events, BarsClosed)}
    quoted = {event.at_ns: event for event in _of(events, Quotes)}
    at = ns("2024-01-01T11:00")
    assert closed[Nanos(at)].open == Decimal("40010.0")
    quote = quoted[Nanos(at)].quotes[0]
    assert quote.bid_ticks * Decimal("0.1") < 40_011 < quote.ask_ticks * Decimal("0.1")
    assert not quoted[Nanos(at)].values
    assert Nanos(ns("2024-01-01T12:00")) in closed
    assert Nanos(ns("2024-01-01T12:00")) not in quoted, "no bar opens inside the period any more"


def test_quotes_are_rounded_away_from_the_middle_and_have_depth(tmp_path: Path) -> None:
    """40 M USD an hour: half a spread above 0.1 bp, depth of 3 % of it, a twentieth of that at the touch."""
    events = drained(opened(perp_folder(tmp_path, count=240), "2024-01-09", "2024-01-09T02:00"))
    quote = _of(events, Quotes)[0].quotes[0]
    price = 40_192
    assert quote.bid_ticks < price * 10 < quote.ask_ticks
    assert quote.depth_lots * 0.001 * price == pytest.approx(0.03 * 1000 * price, rel=0.01)
    assert quote.bid_lots == quote.ask_lots == pytest.approx(quote.depth_lots / 20, abs=1)


def test_nothing_traded_yet_means_no_depth(tmp_path: Path) -> None:
    """The first quote of a listing knows no turnover: the widest spread and nothing to take."""
    quote = _of(drained(opened(perp_folder(tmp_path), "2024-01-01", "2024-01-01T05:00")), Quotes)[0].quotes[0]
    assert quote.depth_lots == 0
    assert quote.ask_ticks - quote.bid_ticks >= 2 * 0.0025 * 400_000


def test_events_come_by_time_rank_and_venue(tmp_path: Path) -> None:
    """The order of the engine, at every instant, with two venues."""
    perp_folder(tmp_path)
    bars(tmp_path / "ohlcv_1h_bybit_perp.parquet", "bybit", "BTC/USDT:USDT", hours("2024-01-01", 48), [40_000.0] * 48)
    settled = hours("2024-01-01", 7, 8)
    funding(tmp_path / "funding_bybit.parquet", "bybit", "BTC/USDT:USDT", settled, [0.0001] * 7, [8.0] * 7)
    feed = opened(tmp_path, "2024-01-01", "2024-01-03", venues=("bybit", "binance"))
    keys = []
    while (due := feed.next_due()) is not None:
        event = feed.pop()
        assert due == (event.at_ns, EVENT_RANK[type(event)])
        assert not isinstance(event, InstrumentsChanged)
        assert not isinstance(event, ReferenceRate)
        keys.append((*due, str(event.venue), isinstance(event, Quotes)))
    assert keys == sorted(keys)
    assert {key[2] for key in keys} == {"binance", "bybit"}
    with pytest.raises(IndexError):
        feed.pop()


def test_a_missing_bar_halts_until_the_next_quote(tmp_path: Path) -> None:
    """Two hours are missing: one halt, no quote, no close; then quotes again."""
    events = drained(opened(perp_folder(tmp_path, count=480, missing=(100, 101)), "2024-01-05", "2024-01-06"))
    halts = _of(events, TradingHalted)
    assert [(halt.at_ns, halt.instruments, halt.reason) for halt in halts] == [
        (ns("2024-01-05T04:00"), (BTC,), "missing_bar")]
    quoted = {event.at_ns for event in _of(events, Quotes)}
    gap = {ns("2024-01-05T04:00"), ns("2024-01-05T05:00")}
    assert not quoted & gap
    assert ns("2024-01-05T06:00") in quoted
    closes = {event.at_ns for event in _of(events, BarsClosed)}
    assert not closes & {at + NS_PER_HOUR for at in gap}


def test_a_mark_row_is_known_an_hour_after_its_stamp(tmp_path: Path) -> None:
    """And comes also where the bar is missing."""
    perp_folder(tmp_path, count=480, missing=(100,))
    times = hours("2024-01-01", 480)
    marks(tmp_path / "mark_1h_binance.parquet", "binance", "BTC/USDT:USDT", times, [50_000.0 + p for p in range(480)])
    events = drained(opened(tmp_path, "2024-01-05", "2024-01-06"))
    by_time = {event.at_ns: event.marks[0].mark for event in _of(events, Marks)}
    assert by_time[Nanos(ns("2024-01-05T05:00"))] == Decimal("50100.0")
    assert len(by_time) == 25


def test_without_marks_the_own_close_stands_in_and_is_named(tmp_path: Path) -> None:
    """Coverage says how often."""
    feed = opened(perp_folder(tmp_path), "2024-01-01T10:00", "2024-01-01T12:00")
    marked = _of(drained(feed), Marks)
    assert [event.marks[0].mark for event in marked] == [Decimal("40009.0"), Decimal("40010.0"), Decimal("40011.0")]
    assert marked[0].marks[0].index is None
    notes = feed.coverage()[0].stand_ins
    assert "mark: own close for 3 of 3 marks" in notes
    assert "index: none, the mark serves, for 3 of 3 marks" in notes


def test_the_spot_close_stands_in_for_the_index(tmp_path: Path) -> None:
    """A recorded index goes before it."""
    perp_folder(tmp_path)
    times = hours("2024-01-01", 48)
    bars(tmp_path / "ohlcv_1h_binance_spot.parquet", "binance", "BTC/USDT", times, [39_000.0] * 48)
    index: list[float | None] = [None] * 48
    index[10] = 38_000.0
    marks(tmp_path / "mark_1h_binance.parquet", "binance", "BTC/USDT:USDT", times, [40_000.0] * 48, index)
    feed = opened(tmp_path, "2024-01-01T10:00", "2024-01-01T12:00")
    assert [event.marks[0].index for event in _of(drained(feed), Marks)] == [
        Decimal("39000.0"), Decimal("38000.0"), Decimal("39000.0")]
    assert any("close of the venue's spot for 2 of 3" in note for one in feed.coverage() for note in one.stand_ins)


def test_close_only_series_value_and_never_quote(tmp_path: Path) -> None:
    """Bybit's spot has closes alone: they come as bars without volume, nothing can be filled against them."""
    perp_folder(tmp_path)
    nothing: list[float | None] = [None] * 48
    bars(tmp_path / "ohlcv_1h_binance_spot.parquet", "binance", "BTC/USDT", hours("2024-01-01", 48), nothing,
         close=[39_000.0] * 48, volume=nothing)
    feed = opened(tmp_path, "2024-01-01T10:00", "2024-01-01T12:00")
    events = drained(feed)
    spot = [bar for event in _of(events, BarsClosed) for bar in event.bars if bar.instrument == SPOT]
    assert [(bar.close, bar.volume_base) for bar in spot] == [(Decimal("39000.0"), 0.0)] * 3
    assert not [quote for event in _of(events, Quotes) for quote in event.quotes if quote.instrument == SPOT]
    assert not _of(events, TradingHalted)
    assert any("close only: values, does not fill" in one.stand_ins for one in feed.coverage())


def _two_lengths(folder: Path) -> None:
    """Binance hourly; Hyperliquid every 4 h, and hourly from 2024-01-03 11:00."""
    perp_folder(folder, count=96)
    bars(folder / "ohlcv_4h_hyperliquid_perp.parquet", "hyperliquid", "BTC/USDC:USDC", hours("2024-01-01", 24, 4),
         [40_000.0 + 4 * p for p in range(24)])
    bars(folder / "ohlcv_1h_hyperliquid_perp.parquet", "hyperliquid", "BTC/USDC:USDC", hours("2024-01-03T11:00", 37),
         [40_059.0 + p for p in range(37)])
    settled = hours("2024-01-01", 97)
    funding(folder / "funding_hyperliquid.parquet", "hyperliquid", "BTC/USDC:USDC", settled, [0.00001] * 97, [1.0] * 97)


def test_legs_of_different_lengths_meet_only_at_common_edges(tmp_path: Path) -> None:
    """Hourly bars are put together to 4 h while the other leg has no finer ones; both are quoted at equal instants."""
    _two_lengths(tmp_path)
    feed = opened(tmp_path, "2024-01-02", "2024-01-04", venues=("binance", "hyperliquid"))
    events = drained(feed)
    quoted = {venue: [e.at_ns for e in _of(events, Quotes) if e.venue == venue] for venue in ("binance", "hyperliquid")}
    expected = [*hours("2024-01-02", 9, 4), *hours("2024-01-03T12:00", 12)]
    assert quoted["binance"] == quoted["hyperliquid"] == expected
    own = [event for event in _of(events, BarsClosed) if event.venue == "binance"]
    first = next(event for event in own if event.at_ns == ns("2024-01-02T04:00")).bars[0]
    assert (first.length_s, float(first.open), float(first.close), first.volume_base) == (14_400, 40_024, 40_027, 4000)
    assert first.high == Decimal(repr(40_027 * 1.01))
    assert first.low == Decimal(repr(40_024 * 0.99))
    assert any("serves from 2024-01-03T12:00:00Z, before it 4h" in one.stand_ins for one in feed.coverage())


def test_marks_between_the_common_edges_serve_margin_alone(tmp_path: Path) -> None:
    """They come hourly, and price equity every 4 h."""
    _two_lengths(tmp_path)
    events = drained(opened(tmp_path, "2024-01-02", "2024-01-02T08:00", venues=("binance", "hyperliquid")))
    seen = [(event.at_ns, event.values) for event in _of(events, Marks) if event.venue == "binance"]
    assert seen == [(at, (at - ns("2024-01-02")) % (4 * NS_PER_HOUR) == 0) for at in hours("2024-01-02", 9)]


def test_a_coarse_bar_is_missing_if_its_first_fine_bar_is(tmp_path: Path) -> None:
    """That bar prices the opening; a later one may be missing."""
    perp_folder(tmp_path, count=480, missing=(100, 109))
    events = drained(opened(tmp_path, "2024-01-05", "2024-01-05T16:00", bar="4h"))
    assert [event.at_ns for event in _of(events, TradingHalted)] == [ns("2024-01-05T04:00")]
    assert [event.at_ns for event in _of(events, Quotes)] == [
        ns("2024-01-05"), ns("2024-01-05T08:00"), ns("2024-01-05T12:00")]
    assert [event.bars[0].volume_base for event in _of(events, BarsClosed)] == [4000.0, 4000.0, 4000.0, 3000.0]


def test_lengths_that_do_not_nest_are_refused(tmp_path: Path) -> None:
    """3 h and 4 h meet every 12 h only: nobody decides on that by accident."""
    perp_folder(tmp_path)
    bars(tmp_path / "ohlcv_3h_bybit.parquet", "bybit", "BTC/USDT", hours("2024-01-01", 16, 3), [40_000.0] * 16)
    with pytest.raises(DataRefused, match="no common edges"):
        opened(tmp_path, "2024-01-01", "2024-01-02", venues=("binance", "bybit"), bar="4h")


def test_funding_comes_at_its_settlement_and_a_new_interval_changes_the_instrument(tmp_path: Path) -> None:
    """8 h, then 2 h: the change is known with the first settlement that shows it."""
    perp_folder(tmp_path)
    settled = [*hours("2024-01-01", 3, 8), *hours("2024-01-01T18:00", 16, 2)]
    funding(tmp_path / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, [0.0001] * 3 + [-0.02] * 16,
            [8.0] * 3 + [2.0] * 16)
    feed = opened(tmp_path, "2024-01-01T01:00", "2024-01-02")
    events = drained(feed)
    rates = [rate for event in _of(events, FundingSettled) for rate in event.rates]
    assert [(r.settled_ns, r.rate, r.interval_h) for r in rates[1:3]] == [
        (ns("2024-01-01T16:00"), Decimal("0.0001"), 8), (ns("2024-01-01T18:00"), Decimal("-0.02"), 2)]
    changes = _of(events, InstrumentsChanged)
    assert [event.at_ns for event in changes] == [ns("2024-01-01T18:00")]
    rule = changes[0].instruments[0].funding
    assert rule is not None
    assert rule.interval_h == 2
    before, after = (feed.instruments(ns(text))[0].funding for text in ("2024-01-01T17:00", "2024-01-01T18:00"))
    assert before is not None
    assert (before.interval_h, after) == (8, rule)


def test_dated_rules_change_on_their_day(tmp_path: Path) -> None:
    """Hyperliquid's ETH leverage went from 50 to 25 in March 2025."""
    times = hours("2025-03-10", 240)
    bars(tmp_path / "ohlcv_1h_hl.parquet", "hyperliquid", "ETH/USDC:USDC", times, [2_000.0] * 240)
    funding(tmp_path / "funding_hl.parquet", "hyperliquid", "ETH/USDC:USDC", times, [0.00001] * 240, [1.0] * 240)
    feed = opened(tmp_path, "2025-03-10", "2025-03-19", venues=("hyperliquid",), coins=("ETH",))
    assert [(e.at_ns, e.instruments[0].tiers[0].leverage_max) for e in _of(drained(feed), InstrumentsChanged)] == [
        (ns("2025-03-15"), 25)]


def test_warmup_has_closes_and_settlements_of_before_and_no_quotes(tmp_path: Path) -> None:
    """All stamped before the first instant; at it comes what was known of the past, and the feed itself begins."""
    feed = opened(perp_folder(tmp_path, count=480), "2024-01-10", "2024-01-11")
    *warm, known = feed.warmup()
    assert isinstance(known, ClosesKnown)
    assert known.at_ns == ns("2024-01-10")
    assert known.closes[0].closes[-1] is not None
    assert {type(event) for event in warm} == {BarsClosed, FundingSettled}
    assert max(event.at_ns for event in warm) < ns("2024-01-10")
    assert sum(isinstance(event, FundingSettled) for event in warm) == 27
    assert min(event.at_ns for event in drained(feed)) == ns("2024-01-10")


def test_the_hurdle_is_yesterdays_rate(tmp_path: Path) -> None:
    """A day's rate is known when the day has ended; a rate of two weeks ago is none."""
    perp_folder(tmp_path)
    write(tmp_path / "rates_1d.parquet", {
        "ts": ("TIMESTAMPTZ", [ns("2024-01-01"), ns("2024-01-02")]), "name": ("VARCHAR", ["tbill_3m_usd"] * 2),
        "rate": ("DOUBLE", [0.05, 0.06])})
    feed = opened(tmp_path, "2024-01-01", "2024-01-03")
    assert feed.hurdle_annual(ns("2024-01-01T23:00")) is None
    assert feed.hurdle_annual(ns("2024-01-02T23:00")) == 0.05
    assert feed.hurdle_annual(ns("2024-01-05")) == 0.06
    assert feed.hurdle_annual(ns("2024-01-20")) is None
    assert opened(perp_folder(tmp_path), "2024-01-01", "2024-01-03").hurdle_annual(ns("2024-01-05")) == 0.06


def test_the_running_estimate_is_the_average_of_closed_premium_hours(tmp_path: Path) -> None:
    """Premium 0.2 % throughout: the rule takes the clamp off; right after a settlement nothing of the next is known."""
    perp_folder(tmp_path)
    times = hours("2024-01-01", 20)
    write(tmp_path / "premium_1h_binance.parquet", {
        "ts": ("TIMESTAMPTZ", times), "venue": ("VARCHAR", ["binance"] * 20),
        "symbol": ("VARCHAR", ["BTC/USDT:USDT"] * 20), "close": ("DOUBLE", [0.002] * 20)})
    events = drained(opened(tmp_path, "2024-01-01T08:00", "2024-01-02"))
    estimates = {event.at_ns: event.marks[0].funding_estimate for event in _of(events, Marks)}
    assert estimates[Nanos(ns("2024-01-01T08:00"))] is None
    assert estimates[Nanos(ns("2024-01-01T09:00"))] == pytest.approx(0.0015)
    assert estimates[Nanos(ns("2024-01-01T20:00"))] == pytest.approx(0.0015)
    assert estimates[Nanos(ns("2024-01-01T22:00"))] is None, "the series has ended"


def test_a_perpetual_without_funding_is_refused(tmp_path: Path) -> None:
    """A missing rate is not zero."""
    bars(tmp_path / "ohlcv_1h_x.parquet", "binance", "BTC/USDT:USDT", hours("2024-01-01", 48), [40_000.0] * 48)
    with pytest.raises(DataRefused, match="has bars but no funding series"):
        opened(tmp_path, "2024-01-01", "2024-01-02")


def test_funding_that_ends_before_the_bars_is_refused(tmp_path: Path) -> None:
    """Positions would be held for nothing from there on."""
    perp_folder(tmp_path, count=480)
    funding(tmp_path / "funding_binance.parquet", "binance", "BTC/USDT:USDT", hours("2024-01-01", 10, 8), [0.1] * 10,
            [8.0] * 10)
    with pytest.raises(DataRefused, match=r"funding ends 2024-01-04T00:00:00Z; end the period there"):
        opened(tmp_path, "2024-01-01", "2024-01-20")


def test_a_perpetual_is_not_quoted_before_its_first_settlement(tmp_path: Path) -> None:
    """And coverage names the instant."""
    perp_folder(tmp_path)
    settled = hours("2024-01-01T16:00", 4, 8)
    funding(tmp_path / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, [0.1] * 4, [8.0] * 4)
    feed = opened(tmp_path, "2024-01-01", "2024-01-02")
    assert min(event.at_ns for event in _of(drained(feed), Quotes)) == ns("2024-01-01T16:00")
    assert any("quoted from 2024-01-01T16:00:00Z" in note for one in feed.coverage() for note in one.stand_ins)


@pytest.mark.parametrize(("venues", "coins", "what"), [
    (("binance", "okx"), ("BTC",), "no bars of venue okx; there are binance"),
    (("binance",), ("PEPE",), "no bars for coin PEPE .* there are BTC"),
    (("kraken",), ("BTC",), "no bars of venue kraken; there are binance"),
])
def test_what_the_folder_does_not_have_is_refused_with_what_it_has(tmp_path: Path, venues: tuple[str, ...],
                                                                   coins: tuple[str, ...], what: str) -> None:
    """The line lists what there is."""
    with pytest.raises(DataRefused, match=what):
        opened(perp_folder(tmp_path), "2024-01-01", "2024-01-02", venues, coins)


def test_a_period_without_data_is_refused(tmp_path: Path) -> None:
    """The coin is there, but not then."""
    with pytest.raises(DataRefused, match="no bars for coin BTC between 2025-01-01"):
        opened(perp_folder(tmp_path), "2025-01-01", "2025-01-02")


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    """A period that runs backwards, no coin, a bar that is no length."""
    perp_folder(tmp_path)
    for begin, end, coins, bar in (("2024-01-02", "2024-01-01", ("BTC",), None), ("2024-01-01", "2024-01-02", (), None),
                                   ("2024-01-01", "2024-01-02", ("BTC",), "hourly")):
        with pytest.raises(ConfigRefused):
            opened(tmp_path, begin, end, coins=coins, bar=bar)


def test_a_coin_missing_at_one_venue_is_stated(tmp_path: Path) -> None:
    """It takes part where it is; coverage says where it is not."""
    perp_folder(tmp_path)
    bars(tmp_path / "ohlcv_1h_spot.parquet", "bybit", "ETH/USDT", hours("2024-01-01", 48), [2_000.0] * 48)
    feed = opened(tmp_path, "2024-01-01", "2024-01-02", venues=("binance", "bybit"), coins=("BTC", "ETH"))
    absent = [one.series for one in feed.coverage() if one.expected == 0]
    assert absent == ["binance:ETH", "bybit:BTC"]


def test_a_coin_without_rules_gets_assumed_ones_that_are_named(tmp_path: Path) -> None:
    """Tick and lot come from its first price; coverage says so."""
    bars(tmp_path / "ohlcv_1h_spot.parquet", "binance", "NEW/USDT", hours("2024-01-01", 48), [1.2345] * 48)
    feed = opened(tmp_path, "2024-01-01", "2024-01-02", coins=("NEW",))
    assert (feed.instruments(0)[0].tick_size, feed.instruments(0)[0].lot_size) == (Decimal("0.0001"), Decimal("0.1"))
    notes = [note for one in feed.coverage() for note in one.stand_ins]
    assert any(note.startswith("instrument rules: assumed from a price of 1.2345") for note in notes)


def test_wrapped_spot_belongs_to_its_coin(tmp_path: Path) -> None:
    """Hyperliquid's UBTC is BTC; UNI is not wrapped NI."""
    bars(tmp_path / "ohlcv_1h_spot.parquet", "hyperliquid", "UBTC/USDC", hours("2025-03-01", 48), [80_000.0] * 48)
    feed = opened(tmp_path, "2025-03-01", "2025-03-02", venues=("hyperliquid",))
    assert [(str(one.id), one.coin) for one in feed.instruments(ns("2025-03-01"))] == [("hyperliquid:UBTC/USDC", "BTC")]


def test_show_ticks_changes_nothing(tmp_path: Path) -> None:
    """The path never depends on it."""
    perp_folder(tmp_path)
    watched = opened(tmp_path, "2024-01-01", "2024-01-02")
    watched.show_ticks(Nanos(ns("2024-01-02")))
    assert drained(watched) == drained(opened(tmp_path, "2024-01-01", "2024-01-02"))


def test_a_run_that_begins_later_sees_the_same_events(tmp_path: Path) -> None:
    """A daemon that takes a replay up again in the middle gets what the whole replay would have given it."""
    perp_folder(tmp_path, count=960)
    begin = ns("2024-01-25")
    whole = [event for event in drained(opened(tmp_path, "2024-01-15", "2024-02-05")) if event.at_ns >= begin]
    assert drained(opened(tmp_path, "2024-01-25", "2024-02-05")) == whole


def test_the_cadence_is_the_longest_bar_of_the_run(tmp_path: Path) -> None:
    """4 h while one leg has no finer bars, 1 h in a run that begins after."""
    _two_lengths(tmp_path)
    venues = ("binance", "hyperliquid")
    assert opened(tmp_path, "2024-01-02", "2024-01-04", venues).cadence_s == 14_400
    assert opened(tmp_path, "2024-01-03T12:00", "2024-01-04", venues).cadence_s == 3_600


def test_an_implied_volatility_is_known_when_its_day_has_ended_and_not_for_long(tmp_path: Path) -> None:
    """Of the coins of the run alone; two days later it says nothing, and coverage names the series."""
    folder = perp_folder(tmp_path)
    write(folder / "rates_1d.parquet", {
        "ts": ("TIMESTAMPTZ", [ns("2024-01-01"), ns("2024-01-01")]),
        "name": ("VARCHAR", ["implied_volatility_BTC", "implied_volatility_SOL"]), "rate": ("DOUBLE", [0.55, 0.9]),
    })
    feed = opened(folder, "2024-01-01", "2024-01-03")
    assert feed.implied_coins == ("BTC",)
    assert feed.implied_annual("BTC", ns("2024-01-01T23:00")) is None
    assert feed.implied_annual("BTC", ns("2024-01-02")) == 0.55
    assert feed.implied_annual("BTC", ns("2024-01-03T01:00")) is None
    assert any("implied_volatility_BTC" in one.series for one in feed.coverage())
