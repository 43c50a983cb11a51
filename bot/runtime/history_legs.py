"""One symbol of a history, made ready for replay: its bars on the coin's grid, quotes, marks, funding, halts, rules."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_HOUR, Coin, InstrumentId
from bot.market.liquidity_model import depth_usd, half_spread_bps, trailing_turnover_usd_h
from bot.runtime.bar_grid import CoarseBars, FineBars, Floats, Grid, Ints, Mask
from bot.runtime.history_premium import running_estimates
from bot.storage.history import Funding, Marks, Rates


class QuoteColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Quotes at the opening of bars, in whole ticks and lots."""

    at_ns: Ints
    bid_ticks: Ints
    ask_ticks: Ints
    touch_lots: Ints
    depth_lots: Ints


class MarkColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Marks by the instant they are known; NaN where there is no index or estimate."""

    at_ns: Ints
    mark: Floats
    index: Floats
    estimate: Floats
    values: Mask
    """On an edge of the coin's grid: prices equity. Else serves margin alone."""
    from_close: int
    """How many of them are own closes that stand in."""
    from_spot: int
    """How many indices are the spot's close."""


class FundingColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Settlements, on the hour."""

    at_ns: Ints
    rate: Floats
    interval_h: Ints


class Rules(msgspec.Struct, frozen=True):
    """A symbol's instrument over time: `instruments[i]` holds from `at_ns[i]` on."""

    at_ns: Ints
    instruments: tuple[Instrument, ...]

    def at(self, instant_ns: int) -> Instrument:
        """The instrument as it was known at an instant."""
        return self.instruments[max(int(np.searchsorted(self.at_ns, instant_ns, side="right")) - 1, 0)]


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol of a history, ready for replay."""

    id: InstrumentId
    venue: str
    symbol: str
    coin: Coin
    bars: CoarseBars
    quotes: QuoteColumns
    halts_ns: Ints
    marks: MarkColumns
    funding: FundingColumns
    rules: Rules


def rules_over_time(table_rows: Sequence[tuple[int, Instrument]], funding: FundingColumns) -> Rules:
    """Join dated rules and the intervals that settlements show: a settlement's interval is known at its instant.

    Args:
        table_rows: (valid from, instrument), ascending; the first holds at the beginning of the replay.
        funding: settlements, earlier ones too; empty for spot.
    """
    changed = funding.at_ns[np.flatnonzero(np.diff(funding.interval_h, prepend=0))]
    instants = sorted({at for at, _ in table_rows} | set(changed[changed > table_rows[0][0]].tolist()))
    kept: list[tuple[int, Instrument]] = []
    for at_ns in instants:
        base = [row for row in table_rows if row[0] <= at_ns][-1][1]
        settled = int(np.searchsorted(funding.at_ns, at_ns, side="right"))
        if settled and base.funding is not None:
            hours = int(funding.interval_h[settled - 1])
            base = msgspec.structs.replace(base, funding=msgspec.structs.replace(base.funding, interval_h=hours))
        if not kept or kept[-1][1] != base:
            kept.append((at_ns, base))
    return Rules(np.array([at for at, _ in kept], dtype=np.int64), tuple(one for _, one in kept))


def quotes_of(bars: CoarseBars, rules: Rules, from_ns: int, to_ns: int) -> QuoteColumns:
    """What the liquidity model shows at each opening: open -+ half the spread, rounded away from the middle.

    The turnover before an opening is that of bars closed by then; high, low, close and volume of the bar that opens
    price nothing.
    """
    wanted = bars.fills & (bars.start_ns >= from_ns) & (bars.start_ns < to_ns)
    at_ns, opens = bars.start_ns[wanted], bars.open[wanted]
    turnover = trailing_turnover_usd_h(bars.end_ns, bars.volume * bars.close, at_ns)
    some = rules.instruments[0]
    half = half_spread_bps(some.venue, some.kind, some.coin, turnover) / 1e4
    place = np.maximum(np.searchsorted(rules.at_ns, at_ns, side="right") - 1, 0)
    tick = np.array([float(one.tick_size) for one in rules.instruments])[place]
    lot = np.array([float(one.lot_size) for one in rules.instruments])[place]
    touch, within = depth_usd(turnover)
    bid = np.floor(opens * (1 - half) / tick).astype(np.int64)
    ask = np.ceil(opens * (1 + half) / tick).astype(np.int64)
    good = bid > 0
    return QuoteColumns(
        at_ns=at_ns[good], bid_ticks=bid[good], ask_ticks=np.maximum(ask, bid + 1)[good],
        touch_lots=np.floor(touch / (opens * lot)).astype(np.int64)[good],
        depth_lots=np.floor(within / (opens * lot)).astype(np.int64)[good],
    )


def halts_of(quotes: QuoteColumns, grid: Grid, to_ns: int) -> Ints:
    """The openings at which a quoted symbol has no bar, once per stretch."""
    edges = grid.start_ns[grid.start_ns < to_ns]
    quoted = np.isin(edges, quotes.at_ns)
    return edges[1:][quoted[:-1] & ~quoted[1:]]


def marks_of(recorded: Marks | None, mark_bar_ns: int, fine: FineBars, grid: Grid, spot: FineBars | None,
             from_ns: int, to_ns: int) -> MarkColumns:
    """Marks at the instants they are known: the recorded ones, else own closes; index: recorded, else the spot's close.

    A recorded mark of the bar that opens at t is known at t plus its length.
    """
    empty = np.empty(0, dtype=np.int64)
    known = recorded.ts_ns + mark_bar_ns if recorded is not None else empty
    # closes between the coin's edges serve margin, hourly at most
    useful = grid.is_edge(fine.end_ns) | (fine.end_ns % NS_PER_HOUR == 0)
    spare = useful & ~np.isin(fine.end_ns, known)
    at_ns = np.concatenate((known, fine.end_ns[spare]))
    order = np.argsort(at_ns, kind="stable")
    nothing = np.full(int(spare.sum()), np.nan)
    mark = np.concatenate((recorded.mark, fine.close[spare]) if recorded is not None else (fine.close[spare],))[order]
    index = np.concatenate((recorded.index, nothing) if recorded is not None else (nothing,))[order]
    stands_in = np.concatenate((np.zeros(len(known), dtype=np.bool_), np.ones(len(nothing), dtype=np.bool_)))[order]
    at_ns = at_ns[order]
    inside = (at_ns >= from_ns) & (at_ns <= to_ns)
    at_ns, index = at_ns[inside], index[inside]
    fits = np.zeros(len(at_ns), dtype=np.bool_)
    if spot is not None and len(spot.end_ns):
        place = np.minimum(np.searchsorted(spot.end_ns, at_ns), len(spot.end_ns) - 1)
        fits = np.isnan(index) & (spot.end_ns[place] == at_ns)
        index = np.where(fits, spot.close[place], index)
    return MarkColumns(at_ns=at_ns, mark=mark[inside], index=index, estimate=np.full(len(at_ns), np.nan),
                       values=grid.is_edge(at_ns), from_close=int(stands_in[inside].sum()), from_spot=int(fits.sum()))


def with_estimates(marks: MarkColumns, premium: Rates | None, premium_bar_ns: int, funding: FundingColumns,
                   rules: Rules) -> MarkColumns:
    """The marks with the running funding estimate where a premium series gives one."""
    if premium is None:
        return marks
    estimate = np.full(len(marks.at_ns), np.nan)
    bounds = np.append(rules.at_ns[1:], np.iinfo(np.int64).max)
    begin = np.int64(np.iinfo(np.int64).min)
    for end, instrument in zip(bounds.tolist(), rules.instruments, strict=True):
        held: NDArray[np.bool_] = (marks.at_ns >= begin) & (marks.at_ns < end)
        if instrument.funding is not None and held.any():
            estimate[held] = running_estimates(marks.at_ns[held], premium.ts_ns + premium_bar_ns, premium.value,
                                               funding.at_ns, funding.interval_h, instrument.funding)
        begin = end
    return msgspec.structs.replace(marks, estimate=estimate)


def no_marks() -> MarkColumns:
    """A spot market has none."""
    times, numbers = np.empty(0, dtype=np.int64), np.empty(0)
    return MarkColumns(at_ns=times, mark=numbers, index=numbers, estimate=numbers, values=np.empty(0, dtype=np.bool_),
                       from_close=0, from_spot=0)


def funding_columns(funding: Funding | None) -> FundingColumns:
    """The settlements of a perpetual; none for spot."""
    if funding is None:
        times = np.empty(0, dtype=np.int64)
        return FundingColumns(at_ns=times, rate=np.empty(0), interval_h=times)
    return FundingColumns(at_ns=funding.ts_ns, rate=funding.rate, interval_h=funding.interval_h)
