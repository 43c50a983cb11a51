"""Cutting or changing the future of a recorded history changes no event before the cut, byte for byte."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from unittest import mock

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.events import MarketEvent
from bot.domain.values import NS_PER_HOUR
from bot.runtime.history_feed import open_history
from bot.storage import history_checks
from bot.venues.instrument_table import load_table
from tests.examples import examples
from tests.history_folders import bars, funding, hours, marks, ns, write

START = "2024-01-01"
HOURS = 96
BTC = "BTC/USDT:USDT"
ENCODER = msgspec.msgpack.Encoder(enc_hook=str)


def _prices(seed: int, count: int, bend: int | None) -> list[float]:
    """A walk; from row `bend` on another one."""
    steps, other = random.Random(seed), random.Random(seed + 1)
    price, walk = 40_000.0, []
    for place in range(count):
        price *= 1 + (other if bend is not None and place >= bend else steps).gauss(0, 0.01)
        walk.append(round(price, 2))
    return walk


def _folder(folder: Path, seed: int, missing: frozenset[int], cut_h: int | None, *, bend: bool) -> Path:
    """Binance (1 h, spot, marks, premium) and Hyperliquid (4 h, 1 h from hour 51), up to `cut_h` or changed from there.

    A row that opens at the cut keeps its open: that is known. All else of it, and every later row, is future.
    """
    last = HOURS if cut_h is None else cut_h + 1

    def series(path: str, venue: str, symbol: str, step_h: int, first_h: int, salt: int) -> None:
        places = [h for h in range(first_h, HOURS, step_h) if h not in missing]
        kept = places if bend or cut_h is None else [h for h in places if h < last]
        turn = len([h for h in places if h < (cut_h if cut_h is not None else HOURS)])
        opens = _prices(seed + salt, len(places), None)
        closes = _prices(seed + salt + 7, len(places), turn if cut_h is not None else None)
        if bend and cut_h is not None:
            opens = [o if h <= cut_h else o * 1.5 for o, h in zip(opens, places, strict=True)]
        opens, closes = opens[: len(kept)], closes[: len(kept)]
        volume = [1000.0 + (500.0 if cut_h is not None and h >= cut_h else h) for h in kept]
        times = [ns(START) + h * NS_PER_HOUR for h in kept]
        bars(folder / path, venue, symbol, times, opens, close=closes, volume=volume,
             high=[max(a, b) * 1.02 for a, b in zip(opens, closes, strict=True)],
             low=[min(a, b) * 0.98 for a, b in zip(opens, closes, strict=True)])

    series("ohlcv_1h_binance_perp.parquet", "binance", BTC, 1, 0, 0)
    series("ohlcv_1h_binance_spot.parquet", "binance", "BTC/USDT", 1, 0, 20)
    series("ohlcv_4h_hyperliquid_perp.parquet", "hyperliquid", "BTC/USDC:USDC", 4, 0, 40)
    if cut_h is None or bend or cut_h >= 51:
        series("ohlcv_1h_hyperliquid_perp.parquet", "hyperliquid", "BTC/USDC:USDC", 1, 51, 60)
    known = HOURS if cut_h is None or bend else cut_h  # a mark that opens at the cut is known an hour later
    values = _prices(seed + 80, HOURS, cut_h if bend else None)[:known]
    marks(folder / "mark_1h_binance.parquet", "binance", BTC, hours(START, known), values)
    write(folder / "premium_1h_binance.parquet", {
        "ts": ("TIMESTAMPTZ", hours(START, known)), "venue": ("VARCHAR", ["binance"] * known),
        "symbol": ("VARCHAR", [BTC] * known), "close": ("DOUBLE", [value / 4e7 - 0.0005 for value in values])})
    for venue, symbol, step in (("binance", BTC, 8), ("hyperliquid", "BTC/USDC:USDC", 1)):
        settled = [h for h in range(0, HOURS, step) if bend or cut_h is None or h <= cut_h]
        rates = [0.0001 if cut_h is None or h <= cut_h else -0.003 for h in settled]
        times = [ns(START) + h * NS_PER_HOUR for h in settled]
        funding(folder / f"funding_{venue}.parquet", venue, symbol, times, rates, [float(step)] * len(settled))
    return folder


def _until(folder: Path, cut_h: int, bar: str | None) -> list[bytes]:
    feed = open_history(folder, ("binance", "hyperliquid"), ("BTC",), ns(START), ns(START) + HOURS * NS_PER_HOUR,
                        load_table(), bar)
    found: list[bytes] = []
    while (due := feed.next_due()) is not None and due[0] <= ns(START) + cut_h * NS_PER_HOUR:
        event: MarketEvent = feed.pop()
        found.append(ENCODER.encode(event))
    return found


@settings(max_examples=examples(5), deadline=None)
@given(seed=st.integers(0, 1_000), cut_h=st.integers(9, HOURS - 2), missing=st.sampled_from([30, 31, 52, 70, 71, None]),
       bar=st.sampled_from([None, "4h"]))
def test_the_future_changes_no_event_before_it(seed: int, cut_h: int, missing: int | None, bar: str | None) -> None:
    """Whole history, history cut at T, and history with another future: the same bytes up to and including T."""
    gone = frozenset() if missing is None or missing >= cut_h else frozenset({missing})
    # a cut series with a hole falls under 99 % sooner than a whole one
    with tempfile.TemporaryDirectory() as home, mock.patch.object(history_checks, "PCT_MIN", 50.0):
        folders = [Path(home) / name for name in ("whole", "cut", "other")]
        for folder in folders:
            folder.mkdir()
        whole = _until(_folder(folders[0], seed, gone, None, bend=False), cut_h, bar)
        cut = _until(_folder(folders[1], seed, gone, cut_h, bend=False), cut_h, bar)
        other = _until(_folder(folders[2], seed, gone, cut_h, bend=True), cut_h, bar)
    assert whole
    assert whole == cut
    assert whole == other
