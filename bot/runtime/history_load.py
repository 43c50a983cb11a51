"""From a folder to legs: which symbols stand for the coins asked for, which series serve them, what stands in."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bot.domain.errors import ConfigRefused, DataRefused
from bot.domain.instrument import Kind, instrument_id, kind_of_symbol
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, Coin
from bot.runtime.bar_grid import (
    Candidate,
    CoarseBars,
    FineBars,
    Grid,
    Ints,
    Segment,
    coin_grid,
    on_grid,
    plan_segments,
)
from bot.runtime.history_legs import (
    FundingColumns,
    Leg,
    MarkColumns,
    Rules,
    funding_columns,
    halts_of,
    marks_of,
    no_marks,
    quotes_of,
    rules_over_time,
    with_estimates,
)
from bot.storage.history import Coverage, HistoryFolder, SeriesInfo
from bot.storage.history_checks import PCT_MIN, bar_coverage, iso
from bot.storage.history_files import bar_name
from bot.venues.instrument_table import ASSUMED, InstrumentTable

WARMUP_NS: Final = 90 * NS_PER_DAY
_MARK_BARS_S: Final = 3_600


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a run asks of a folder."""

    venues: tuple[str, ...]
    coins: tuple[str, ...]
    from_ns: int
    to_ns: int
    wanted_bar_s: int


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol that the folder has bars of."""

    venue: str
    symbol: str
    kind: Kind
    coin: Coin
    series: tuple[SeriesInfo, ...]


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol's recorded bars over the stretches its series serve."""

    symbol: Symbol
    segments: tuple[Segment, ...]
    fine: FineBars
    coverage: tuple[Coverage, ...]


def find_symbols(folder: HistoryFolder, table: InstrumentTable,
                 request: Request) -> tuple[tuple[Symbol, ...], tuple[str, ...]]:
    """The symbols of the folder that stand for the coins at the venues, and what of the request is not there.

    Raises:
        DataRefused: a venue or a coin of which the folder has no bars in the period.
    """
    groups: dict[tuple[str, str], list[SeriesInfo]] = {}
    for one in folder.series("ohlcv"):
        groups.setdefault((one.venue, one.symbol), []).append(one)
    everything: list[Symbol] = []
    for (venue, symbol), series in groups.items():
        try:
            kind, coin = kind_of_symbol(symbol), table.coin(venue, symbol)
        except ConfigRefused:
            continue  # an inverse, quanto or dated contract may lie in the folder; it is not traded
        everything.append(Symbol(venue=venue, symbol=symbol, kind=kind, coin=coin, series=tuple(series)))
    found = [one for one in everything if one.venue in request.venues and one.coin in request.coins
             and min(s.first_ns for s in one.series) < request.to_ns
             and max(s.last_ns + s.bar_s * NS_PER_S for s in one.series) > request.from_ns]
    venues = {one.venue for one in everything}
    coins = {str(one.coin) for one in everything if one.venue in request.venues}
    for what, asked, served, have in (
        ("venue", request.venues, venues, venues),
        ("coin", request.coins, {str(one.coin) for one in found}, coins),
        ("venue", request.venues, {one.venue for one in found}, venues),
    ):
        for name in asked:
            if name not in served:
                raise DataRefused(f"{folder.folder}: no bars for {what} {name} between {iso(request.from_ns)} and"
                                  f" {iso(request.to_ns)}; there are {', '.join(sorted(have)) or 'none'}")
    pairs = {(one.venue, str(one.coin)) for one in found}
    wanted = [(venue, coin) for venue in request.venues for coin in request.coins]
    absent = tuple(f"{venue}:{coin}" for venue, coin in wanted if (venue, coin) not in pairs)
    return tuple(sorted(found, key=lambda one: (one.venue, one.symbol))), absent


def load_legs(folder: HistoryFolder, table: InstrumentTable,
              request: Request) -> tuple[tuple[Leg, ...], tuple[Coverage, ...]]:
    """Every leg of the request by venue and symbol, with the coverage of every series used.

    Raises:
        DataRefused: see `find_symbols`, `HistoryFolder`, and a perpetual without funding where it has bars.
    """
    symbols, absent = find_symbols(folder, table, request)
    legs: list[Leg] = []
    coverage: list[Coverage] = []
    for coin in sorted({one.coin for one in symbols}):
        raws = [_raw(folder, one, request) for one in symbols if one.coin == coin]
        grid = coin_grid(coin, [raw.segments for raw in raws], request.wanted_bar_s * NS_PER_S)
        coarse = {(raw.symbol.venue, raw.symbol.symbol): on_grid(raw.fine, grid) for raw in raws}
        spots = {raw.symbol.venue: raw.fine for raw in raws if raw.symbol.kind is Kind.SPOT}
        for raw in raws:
            bars = coarse[raw.symbol.venue, raw.symbol.symbol]
            leg, notes = _leg(folder, table, request, raw, bars, grid, spots.get(raw.symbol.venue))
            legs.append(leg)
            coverage += notes
    why = ("the folder has no bars of this coin at this venue in the period",)
    coverage += [Coverage(series=name, rows=0, expected=0, pct=0.0, first="", last="", gaps=0, stand_ins=why)
                 for name in absent]
    return tuple(sorted(legs, key=lambda leg: (leg.venue, leg.symbol))), tuple(coverage)


def _raw(folder: HistoryFolder, symbol: Symbol, request: Request) -> Raw:
    begin = request.from_ns - WARMUP_NS
    candidates = [Candidate(one.bar_s * NS_PER_S, one.first_ns, one.last_ns + one.bar_s * NS_PER_S, not one.close_only)
                  for one in symbol.series]
    segments = plan_segments(candidates, request.wanted_bar_s * NS_PER_S, begin, request.to_ns)
    pieces = []
    coverage: list[Coverage] = []
    for place, segment in enumerate(segments):
        bars = folder.bars(symbol.venue, symbol.symbol, segment.bar_ns // NS_PER_S, segment.from_ns, segment.to_ns)
        pieces.append((bars, segment))
        notes = list(bars.coverage.stand_ins)
        if place and segment.from_ns >= request.from_ns:
            before = bar_name(segments[place - 1].bar_ns // NS_PER_S)
            notes.append(f"serves from {iso(segment.from_ns)}, before it {before}")
        if segment.to_ns > request.from_ns:
            coverage.append(_in_period(bars.coverage.series, bars.ts_ns, segment.bar_ns, request, tuple(notes)))
    fine = FineBars(
        ts_ns=np.concatenate([bars.ts_ns for bars, _ in pieces]),
        end_ns=np.concatenate([bars.ts_ns + segment.bar_ns for bars, segment in pieces]),
        open=np.concatenate([bars.open for bars, _ in pieces]), high=np.concatenate([bars.high for bars, _ in pieces]),
        low=np.concatenate([bars.low for bars, _ in pieces]), close=np.concatenate([bars.close for bars, _ in pieces]),
        volume=np.concatenate([bars.volume for bars, _ in pieces]),
        fills=np.concatenate([np.full(len(bars.ts_ns), not bars.close_only) for bars, _ in pieces]),
    )
    return Raw(symbol=symbol, segments=segments, fine=fine, coverage=tuple(coverage))


def _in_period(series: str, ts_ns: Ints, bar_ns: int, request: Request, notes: tuple[str, ...] = ()) -> Coverage:
    """Coverage without the rows that only warm the forecasts."""
    return bar_coverage(series, ts_ns[ts_ns >= request.from_ns], bar_ns, notes)


def _leg(folder: HistoryFolder, table: InstrumentTable, request: Request, raw: Raw, bars: CoarseBars, grid: Grid,
         spot: FineBars | None) -> tuple[Leg, list[Coverage]]:
    symbol = raw.symbol
    notes: list[str] = []
    coverage = list(raw.coverage)
    funding, quoted_from = funding_columns(None), request.from_ns
    if symbol.kind is Kind.PERP:
        funding, quoted_from, found = _funding(folder, request, raw)
        coverage.append(found)
        if len(bars.start_ns) and quoted_from > max(request.from_ns, int(bars.start_ns[0])):
            notes.append(f"quoted from {iso(quoted_from)}, when its funding begins")
    rules = _rules(table, request, raw, funding)
    if rules.instruments[0].source.startswith(ASSUMED):
        notes.append(f"instrument rules: {rules.instruments[0].source}")
    quotes = quotes_of(bars, rules, max(request.from_ns, quoted_from), request.to_ns)
    if len(quotes.at_ns):
        notes.append("spread and depth: the model of bot/market/liquidity_model.py")
    marks = no_marks()
    if symbol.kind is Kind.PERP:
        marks, more, stand_ins = _marks(folder, request, raw, grid, spot, funding, rules)
        coverage += more
        notes += stand_ins
    coverage[0] = msgspec.structs.replace(coverage[0], stand_ins=(*coverage[0].stand_ins, *notes))
    leg = Leg(id=instrument_id(symbol.venue, symbol.symbol), venue=symbol.venue, symbol=symbol.symbol, coin=symbol.coin,
              bars=bars, quotes=quotes, halts_ns=halts_of(quotes, grid, request.to_ns), marks=marks, funding=funding,
              rules=rules)
    return leg, coverage


def _funding(folder: HistoryFolder, request: Request, raw: Raw) -> tuple[FundingColumns, int, Coverage]:
    """The settlements with their warm-up, the first known one, and the period's coverage."""
    venue, symbol = raw.symbol.venue, raw.symbol.symbol
    have = [one.symbol for one in folder.series("funding") if one.venue == venue]
    if symbol not in have:
        raise DataRefused(f"{folder.folder}: {venue}:{symbol} has bars but no funding series; add it to"
                          f" funding_{venue}.parquet or leave it out (there is {', '.join(have) or 'nothing'})")
    whole = folder.funding(venue, symbol, 0, request.to_ns)
    if not len(whole.ts_ns):
        raise DataRefused(f"{folder.folder}: {venue}:{symbol} has no funding before {iso(request.to_ns)};"
                          " choose a later period or leave it out")
    period = folder.funding(venue, symbol, request.from_ns, request.to_ns)
    traded_to = min(request.to_ns, int(raw.fine.end_ns[-1])) if len(raw.fine.end_ns) else request.from_ns
    last_ns, hours = int(whole.ts_ns[-1]), int(whole.interval_h[-1])
    untold_ns = max(traded_to - max(last_ns, request.from_ns) - 1, 0)
    due = len(period.ts_ns) + untold_ns // (hours * NS_PER_HOUR)
    # a last long bar may reach past the last settlement of the same download
    if untold_ns > NS_PER_DAY and 100.0 * len(period.ts_ns) / due < PCT_MIN:
        raise DataRefused(f"{folder.folder}: {venue}:{symbol} trades to {iso(traded_to)} but its funding ends"
                          f" {iso(last_ns)}; end the period there or leave the venue out")
    first = int(np.searchsorted(whole.ts_ns, request.from_ns - WARMUP_NS))
    columns = FundingColumns(at_ns=whole.ts_ns[first:], rate=whole.rate[first:], interval_h=whole.interval_h[first:])
    return columns, int(whole.ts_ns[0]), period.coverage


def _rules(table: InstrumentTable, request: Request, raw: Raw, funding: FundingColumns) -> Rules:
    name = (raw.symbol.venue, raw.symbol.symbol)
    price = None if table.lists(*name) or not len(raw.fine.open) else float(raw.fine.open[0])
    instants = (request.from_ns, *table.dates(request.from_ns, request.to_ns))
    rows = [(int(at_ns), table.instrument(*name, at_ns, price)) for at_ns in instants]
    return rules_over_time(rows, funding)


def _marks(folder: HistoryFolder, request: Request, raw: Raw, grid: Grid, spot: FineBars | None,
           funding: FundingColumns, rules: Rules) -> tuple[MarkColumns, list[Coverage], list[str]]:
    venue, symbol = raw.symbol.venue, raw.symbol.symbol
    coverage: list[Coverage] = []
    bar_s = _shortest(folder, "mark", venue, symbol)
    recorded = folder.marks(venue, symbol, bar_s, request.from_ns - NS_PER_DAY, request.to_ns) if bar_s else None
    if recorded is not None:
        coverage.append(_in_period(recorded.coverage.series, recorded.ts_ns, bar_s * NS_PER_S, request))
    marks = marks_of(recorded, bar_s * NS_PER_S, raw.fine, grid, spot, request.from_ns, request.to_ns)
    premium_s = _shortest(folder, "premium", venue, symbol)
    if premium_s:
        premium = folder.premium(venue, symbol, premium_s, request.from_ns - NS_PER_DAY, request.to_ns)
        coverage.append(_in_period(premium.coverage.series, premium.ts_ns, premium_s * NS_PER_S, request))
        marks = with_estimates(marks, premium, premium_s * NS_PER_S, funding, rules)
    notes: list[str] = []
    if marks.from_close:
        notes.append(f"mark: own close for {marks.from_close} of {len(marks.at_ns)} marks")
    if marks.from_spot:
        notes.append(f"index: the close of the venue's spot for {marks.from_spot} of {len(marks.at_ns)} marks")
    if without := int(np.isnan(marks.index).sum()):
        notes.append(f"index: none, the mark serves, for {without} of {len(marks.at_ns)} marks")
    return marks, coverage, notes


def _shortest(folder: HistoryFolder, kind: str, venue: str, symbol: str) -> int:
    """Bar length in seconds of the series, hourly if there is one; 0: the folder has none."""
    lengths = [one.bar_s for one in folder.series(kind) if (one.venue, one.symbol) == (venue, symbol)]
    return min(lengths, key=lambda bar_s: (abs(bar_s - _MARK_BARS_S), bar_s), default=0)
