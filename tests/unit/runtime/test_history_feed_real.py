"""The feed over years of real history, where the data stand beside the checkout."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from bot.domain.errors import DataRefused
from bot.domain.events import BarsClosed, FundingSettled, InstrumentsChanged, Marks, Quotes, TradingHalted
from bot.domain.values import NS_PER_HOUR, Nanos
from bot.storage.history import HistoryFolder
from tests.history_folders import DATA, drained, hours, ns, opened

pytestmark = pytest.mark.skipif(not (DATA / "ohlcv_1h_binance_perp.parquet").exists(), reason="no shared data here")


def test_a_month_of_bitcoin_is_complete_and_has_its_known_high() -> None:
    """March 2024: 744 hours, spot high 73,777 on the 14th, 93 settlements and the one at each end."""
    feed = opened(DATA, "2024-03-01", "2024-04-01")
    events = drained(feed)
    spot = [bar for event in events if isinstance(event, BarsClosed) for bar in event.bars
            if bar.instrument == "binance:BTC/USDT"]
    assert len(spot) == 745
    assert max(bar.high for bar in spot) == Decimal("73777.0")
    assert sum(isinstance(event, FundingSettled) for event in events) == 94
    assert sum(isinstance(event, Quotes) for event in events) == 744
    assert all(one.pct == 100.0 for one in feed.coverage() if one.series.startswith("ohlcv"))
    hurdle = feed.hurdle_annual(ns("2024-03-15"))
    assert hurdle is not None
    assert 0.05 < hurdle < 0.056


def test_the_running_estimate_foretells_the_settlement() -> None:
    """An hour before, seven of eight premium hours are known: correlation above 0.9 with what is then settled."""
    events = drained(opened(DATA, "2023-12-01", "2024-06-01"))
    estimate = {event.at_ns: mark.funding_estimate for event in events if isinstance(event, Marks) and event.values
                for mark in event.marks}
    settled = {event.at_ns: float(event.rates[0].rate) for event in events if isinstance(event, FundingSettled)}
    pairs = [(estimate.get(Nanos(at - NS_PER_HOUR)), rate) for at, rate in settled.items()]
    known = np.array([(one, rate) for one, rate in pairs if one is not None])
    assert len(known) > 500
    assert np.corrcoef(known.T)[0, 1] > 0.9


def test_solana_in_november_2022_changes_its_interval() -> None:
    """8 h to 4 h to 2 h and back, each known with the settlement that shows it."""
    events = drained(opened(DATA, "2022-11-08", "2022-11-20", coins=("SOL",)))
    intervals = [one.funding.interval_h for event in events if isinstance(event, InstrumentsChanged)
                 for one in event.instruments if one.funding is not None]
    assert set(intervals) == {2, 4, 8}
    assert intervals[-1] == 8


def test_hours_without_bars_are_halts_while_the_mark_goes_on() -> None:
    """Binance SOL perpetual, 2022-02-26 to 28: no quotes, one halt, marks every hour."""
    events = drained(opened(DATA, "2022-02-20", "2022-03-05", coins=("SOL",)))
    perp = "binance:SOL/USDT:USDT"
    halts = [event.at_ns for event in events if isinstance(event, TradingHalted) and perp in event.instruments]
    quoted = {event.at_ns for event in events if isinstance(event, Quotes)
              for one in event.quotes if one.instrument == perp}
    marked = {event.at_ns for event in events if isinstance(event, Marks)
              for one in event.marks if one.instrument == perp}
    gap = set(hours("2022-02-26T01:00", 48))
    assert len(halts) == 1
    assert not quoted & gap
    assert gap <= marked


def test_hyperliquid_decides_every_four_hours_until_september_2024() -> None:
    """Then hourly; Binance with it."""
    events = drained(opened(DATA, "2024-09-03", "2024-09-06", venues=("binance", "hyperliquid")))
    for venue in ("binance", "hyperliquid"):
        at_ns = [event.at_ns for event in events if isinstance(event, Quotes) and event.venue == venue]
        assert at_ns == [*hours("2024-09-03", 9, 4), *hours("2024-09-04T12:00", 36)]


def test_okx_cannot_be_held_after_its_funding_ends() -> None:
    """The line says when to end."""
    with pytest.raises(DataRefused, match="funding ends 2025-02-09T16:00:00Z; end the period there"):
        opened(DATA, "2024-01-01", "2025-06-01", venues=("okx",))


def test_every_series_of_the_folder_is_read_without_complaint() -> None:
    """All bars, marks and settlements of the shared data pass every check."""
    with HistoryFolder(DATA) as folder:
        for one in folder.series("ohlcv"):
            assert folder.bars(one.venue, one.symbol, one.bar_s, 0, ns("2030-01-01")).coverage.pct >= 99.0
        for one in folder.series("funding"):
            assert folder.funding(one.venue, one.symbol, 0, ns("2030-01-01")).coverage.pct >= 99.0
        for one in folder.series("mark"):
            if one.venue != "deribit_index":  # it has an index and no mark
                assert folder.marks(one.venue, one.symbol, one.bar_s, 0, ns("2030-01-01")).coverage.pct >= 99.0


def test_years_of_five_coins_at_two_venues_come_in_order() -> None:
    """2023 and on of the benchmark's set: ordered, only known ends, and the same again."""
    feed = opened(DATA, "2024-10-01", "2024-12-01", ("binance", "bybit"), ("BTC", "ETH", "SOL", "XRP", "DOGE"))
    events = drained(feed)
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    assert (events[0].at_ns, events[-1].at_ns) == (ns("2024-10-01"), ns("2024-12-01"))
    again = opened(DATA, "2024-10-01", "2024-12-01", ("binance", "bybit"), ("BTC", "ETH", "SOL", "XRP", "DOGE"))
    assert drained(again) == events
    assert again.data_hash == feed.data_hash


def test_a_real_run_that_begins_later_sees_the_same_events() -> None:
    """Two venues, changing bar lengths: nothing depends on where the run begins."""
    venues = ("binance", "hyperliquid")
    begin = ns("2024-09-02")
    whole = [event for event in drained(opened(DATA, "2024-08-20", "2024-09-10", venues)) if event.at_ns >= begin]
    assert drained(opened(DATA, "2024-09-02", "2024-09-10", venues)) == whole
