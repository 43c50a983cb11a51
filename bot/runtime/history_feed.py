"""Recorded history as a market source: the same events a venue would have sent, each when it was known.

A bar is an event at its close; until then its quote is its open -+ the stated half-spread. What stands in for what is
in `coverage()`. USDT = USDC = 1 USD. There is no borrow series, so reverse carry finds no borrow and stays off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bot.domain.errors import ConfigRefused, DataRefused
from bot.domain.events import EVENT_RANK, ClosesKnown, MarketEvent
from bot.domain.instrument import Instrument, kind_of_symbol
from bot.domain.ports import Due
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.runtime.history_closes import closes_known
from bot.runtime.history_events import events_between, warmup_between
from bot.runtime.history_legs import Leg
from bot.runtime.history_load import WARMUP_NS, Request, load_legs
from bot.storage.history import Coverage, HistoryFolder, Rates
from bot.storage.history_checks import bar_coverage
from bot.storage.history_files import bar_seconds
from bot.venues.instrument_table import InstrumentTable

CHUNK_NS: Final = 30 * NS_PER_DAY
"""Events are made a month at a time, so that memory stays flat."""
BAR_DEFAULT: Final = "1h"
HURDLE: Final = "tbill_3m_usd"
HURDLE_AGE_MAX_NS: Final = 10 * NS_PER_DAY
IMPLIED: Final = "implied_volatility_"
"""Begins the name of a coin's implied volatility among the rates of a folder."""
IMPLIED_AGE_MAX_NS: Final = NS_PER_DAY


class HistoryFeed:
    """A `MarketSource` over recorded series, from `from_ns` to `to_ns`; both ends are instants of events.

    At `to_ns` what is then known still comes (closes, marks, settlements), but no quote that opens a bar beyond it.
    """

    def __init__(self, legs: tuple[Leg, ...], coverage: tuple[Coverage, ...], hurdle: Rates | None, data_hash: str,
                 from_ns: int, to_ns: int, known: tuple[ClosesKnown, ...] = (),
                 implied: Mapping[str, Rates] | None = None) -> None:
        self.data_hash = data_hash
        self.from_ns, self.to_ns = Nanos(from_ns), Nanos(to_ns)
        self._legs, self._coverage, self._hurdle, self._known = legs, coverage, hurdle, known
        self._implied = dict(implied or {})
        self._next_chunk_ns = from_ns
        self._events: list[MarketEvent] = []
        self._place = 0

    def next_due(self) -> Due | None:
        """When the next event is due; None: the history has ended."""
        if self._place >= len(self._events) and not self._refill():
            return None
        event = self._events[self._place]
        return event.at_ns, EVENT_RANK[type(event)]

    def pop(self) -> MarketEvent:
        """The next event.

        Raises:
            IndexError: the history has ended.
        """
        if self._place >= len(self._events) and not self._refill():
            raise IndexError("the history has ended")
        event = self._events[self._place]
        self._place += 1
        return event

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        """Bars have no finer ticks to show."""

    def warmup(self) -> tuple[MarketEvent, ...]:
        """Settlements and closes of the 90 days before `from_ns`, to warm forecasts and medians; no quotes or marks.

        At `from_ns` itself the closes of up to 750 days before it, for the models.
        """
        return (*warmup_between(self._legs, self.from_ns - WARMUP_NS, self.from_ns), *self._known)

    def coverage(self) -> tuple[Coverage, ...]:
        """Every series used in the period, with its gaps and stand-ins."""
        return self._coverage

    def instruments(self, at_ns: int) -> tuple[Instrument, ...]:
        """The instruments of the run by venue and symbol, with the rules known at `at_ns`."""
        return tuple(leg.rules.at(at_ns) for leg in self._legs)

    @property
    def cadence_s(self) -> float:
        """The feed's declared cadence: the longest bar of the run that is quoted, in seconds.

        A run of 4 h bars that become hourly has 4 h throughout: a shorter bound would call its first years stale.
        """
        lengths = [int((leg.bars.end_ns - leg.bars.start_ns)[np.isin(leg.bars.start_ns, leg.quotes.at_ns)].max())
                   for leg in self._legs if len(leg.quotes.at_ns)]
        if not lengths:
            raise DataRefused("no market of this choice has bars that can be traded; closes alone do not fill")
        return max(lengths) / NS_PER_S

    def hurdle_annual(self, at_ns: int) -> float | None:
        """What idle cash earns, annual fraction: the last published T-bill rate of a day that has ended.

        None: the folder has no such series, or its last row is older than ten days.
        """
        return None if self._hurdle is None else _last_known(self._hurdle, at_ns, HURDLE_AGE_MAX_NS)

    @property
    def implied_coins(self) -> tuple[str, ...]:
        """Coins of the run whose implied volatility the folder has."""
        return tuple(self._implied)

    def implied_annual(self, coin: str, at_ns: int) -> float | None:
        """A coin's implied volatility, annual fraction, of the last day that has ended; None: none of the last two."""
        return _last_known(self._implied[coin], at_ns, IMPLIED_AGE_MAX_NS)

    def _refill(self) -> bool:
        while self._next_chunk_ns <= self.to_ns:
            begin, end = self._next_chunk_ns, min(self._next_chunk_ns + CHUNK_NS, self.to_ns + 1)
            self._next_chunk_ns = end
            self._events, self._place = events_between(self._legs, begin, end), 0
            if self._events:
                return True
        self._events, self._place = [], 0
        return False


def _last_known(rates: Rates, at_ns: int, age_max_ns: int) -> float | None:
    """The value of the last day that has ended; None if that is too long ago."""
    known_ns = rates.ts_ns + NS_PER_DAY
    place = int(np.searchsorted(known_ns, at_ns, side="right")) - 1
    if place < 0 or at_ns - int(known_ns[place]) > age_max_ns:
        return None
    return float(rates.value[place])


def open_history(data_dir: Path, venues: Sequence[str], coins: Sequence[str], from_ns: int, to_ns: int,
                 table: InstrumentTable, bar: str | None = None) -> HistoryFeed:
    """Read a folder and make it a feed.

    Args:
        data_dir: Parquet files as `bot/storage/DATA_FORMAT.md` has them.
        venues: lower-case names as in the files.
        coins: base coins; every spot and perpetual market of them at the venues takes part.
        from_ns: first instant; up to 90 days before it serve `warmup`.
        to_ns: last instant.
        table: the dated rules of the instruments.
        bar: the length wanted (`5m`, `1h`, `4h`; default 1h); see `bar_grid` for how series are chosen.
    Raises:
        ConfigRefused: an impossible period, bar, or an empty choice.
        DataRefused: a file, series or row that cannot be used; one line with file, row and cure.
    """
    if from_ns >= to_ns:
        raise ConfigRefused("--from must be before --to")
    if not venues or not coins:
        raise ConfigRefused("a history needs at least one venue and one coin")
    try:
        wanted_bar_s = bar_seconds(bar or BAR_DEFAULT)
    except ValueError as error:
        raise ConfigRefused(str(error)) from error
    request = Request(venues=tuple(sorted(set(venues))), coins=tuple(sorted(set(coins))), from_ns=from_ns, to_ns=to_ns,
                      wanted_bar_s=wanted_bar_s)
    with HistoryFolder(data_dir) as folder:
        have = sorted({one.venue for one in folder.series("ohlcv")})
        missing = [venue for venue in request.venues if venue not in have]
        if missing:
            raise DataRefused(f"{data_dir}: no bars of venue {missing[0]}; there are {', '.join(have) or 'none'}")
        legs, coverage = load_legs(folder, table, request)
        hurdle = folder.rates(HURDLE)
        if hurdle is not None:
            part = hurdle.ts_ns[(hurdle.ts_ns >= from_ns - NS_PER_DAY) & (hurdle.ts_ns < to_ns)]
            note = "business days: the last one serves until the next"
            coverage = (*coverage, bar_coverage(hurdle.coverage.series, part, NS_PER_DAY, (note,)))
        implied = {coin: rates for coin in request.coins if (rates := folder.rates(f"{IMPLIED}{coin}")) is not None}
        coverage = (*coverage, *(_covered(rates, from_ns, to_ns) for rates in implied.values()))
        known = closes_known(folder, [(leg.venue, leg.symbol, kind_of_symbol(leg.symbol)) for leg in legs], from_ns)
        return HistoryFeed(legs, coverage, hurdle, folder.data_hash(), from_ns, to_ns, known, implied)


def _covered(rates: Rates, from_ns: int, to_ns: int) -> Coverage:
    """The days of a daily series that a run sees."""
    part = rates.ts_ns[(rates.ts_ns >= from_ns - NS_PER_DAY) & (rates.ts_ns < to_ns)]
    return bar_coverage(rates.coverage.series, part, NS_PER_DAY)
