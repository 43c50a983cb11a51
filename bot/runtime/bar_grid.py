"""Bars of different lengths on one grid: which series serves when, and where the legs of a coin share a bar edge.

Rules, all decided from what is known at the instant, so that cutting the future off changes nothing before the cut:

- Of a symbol's series the longest that is not longer than the wanted bar serves; if there is none, the shortest longer
  one; series that fill go before close-only ones. When a better one begins, it takes over at the next edge of the old.
- A coin's grid is the longest bar in use among its symbols, at least the wanted bar. All lengths in use must divide it.
- A bar of the grid exists if its first fine bar does: that one prices its open. It holds the fine bars that are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Candidate(msgspec.Struct, frozen=True):
    """A bar series that could serve a symbol."""

    bar_ns: int
    first_ns: int
    end_ns: int
    """Close of its last bar."""
    fills: bool


class Segment(msgspec.Struct, frozen=True):
    """A stretch [from, to) that one series serves."""

    bar_ns: int
    from_ns: int
    to_ns: int
    fills: bool


class Grid(msgspec.Struct, frozen=True):
    """A coin's common bars: bar i opens at `start_ns[i]` and closes at `end_ns[i]`."""

    start_ns: Ints
    end_ns: Ints

    def is_edge(self, at_ns: Ints) -> Mask:
        """Which instants are the opening or the close of a bar of the grid."""
        return np.isin(at_ns, self.start_ns) | np.isin(at_ns, self.end_ns)


class CoarseBars(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's bars on its coin's grid; `at` is the bar's place in the grid."""

    at: Ints
    start_ns: Ints
    end_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    fills: Mask


class FineBars(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's bars as recorded, of whatever lengths its segments have."""

    ts_ns: Ints
    end_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    fills: Mask


def plan_segments(candidates: Sequence[Candidate], wanted_ns: int, from_ns: int, to_ns: int) -> tuple[Segment, ...]:
    """Which series serves a symbol when, within [from, to); the last one stays to the end: what it lacks is missing."""
    taken: list[Segment] = []
    for one in sorted(candidates, key=lambda c: _preference(c, wanted_ns)):
        start = _handover(one.first_ns, [c for c in candidates if c.first_ns < one.first_ns < c.end_ns])
        later = [c for c in candidates if c.end_ns > -(-one.end_ns // c.bar_ns) * c.bar_ns and c.first_ns <= one.end_ns]
        end = _handover(one.end_ns, later) if later else to_ns
        taken += [Segment(one.bar_ns, a, b, one.fills) for a, b in _free(start, end, taken)]
    inside = [Segment(s.bar_ns, max(s.from_ns, from_ns), min(s.to_ns, to_ns), s.fills)
              for s in sorted(taken, key=lambda s: s.from_ns)]
    return tuple(s for s in inside if s.from_ns < s.to_ns)


def _preference(one: Candidate, wanted_ns: int) -> tuple[bool, bool, int]:
    longer = one.bar_ns > wanted_ns
    return not one.fills, longer, one.bar_ns if longer else -one.bar_ns


def _handover(at_ns: int, others: Sequence[Candidate]) -> int:
    """The first instant from `at_ns` on at which the others too have an edge."""
    coarsest = max((c.bar_ns for c in others), default=1)
    return -(-at_ns // coarsest) * coarsest


def _free(start: int, end: int, taken: Sequence[Segment]) -> list[tuple[int, int]]:
    """The parts of [start, end) that no segment covers yet."""
    parts = [(start, end)]
    for segment in taken:
        parts = [piece for a, b in parts
                 for piece in ((a, min(b, segment.from_ns)), (max(a, segment.to_ns), b)) if piece[0] < piece[1]]
    return parts


def coin_grid(coin: str, legs: Sequence[Sequence[Segment]], wanted_ns: int) -> Grid:
    """The bars on which all symbols of a coin decide, trade and are valued.

    Raises:
        DataRefused: bar lengths that do not nest.
    """
    segments = [segment for leg in legs for segment in leg]
    marks = sorted({s.from_ns for s in segments} | {s.to_ns for s in segments})
    starts: list[Ints] = []
    lengths: list[Ints] = []
    for a, b in pairwise(marks):
        active = [s.bar_ns for s in segments if s.from_ns <= a and b <= s.to_ns]
        if not active:
            continue
        length = max(*active, wanted_ns)
        if any(length % bar for bar in (*active, wanted_ns)):
            bars = ", ".join(f"{bar // NS_PER_S} s" for bar in sorted({*active, wanted_ns}))
            raise DataRefused(f"{coin}: bars of {bars} have no common edges; use lengths that divide each other")
        edges = np.arange(-(-a // length) * length, b, length, dtype=np.int64)
        starts.append(edges)
        lengths.append(np.full(len(edges), length, dtype=np.int64))
    if not starts:
        empty = np.empty(0, dtype=np.int64)
        return Grid(empty, empty)
    start_ns = np.concatenate(starts)
    return Grid(start_ns, start_ns + np.concatenate(lengths))


def on_grid(fine: FineBars, grid: Grid) -> CoarseBars:
    """Aggregate recorded bars to the grid: open first, high highest, low lowest, close last, volume summed."""
    first = np.searchsorted(fine.ts_ns, grid.start_ns)
    after = np.searchsorted(fine.ts_ns, grid.end_ns)
    there = first < len(fine.ts_ns)
    there[there] = fine.ts_ns[first[there]] == grid.start_ns[there]
    at = np.flatnonzero(there)
    j, k = first[at], after[at]
    return CoarseBars(
        at=at, start_ns=grid.start_ns[at], end_ns=grid.end_ns[at], open=fine.open[j],
        high=_reduce(np.maximum, fine.high, j, k), low=_reduce(np.minimum, fine.low, j, k), close=fine.close[k - 1],
        volume=_reduce(np.add, fine.volume, j, k), fills=fine.fills[j],
    )


def _reduce(operation: np.ufunc, values: Floats, first: Ints, after: Ints) -> Floats:
    """The operation over values[first:after], for each pair; no pair is empty."""
    if not len(first):
        return np.empty(0)
    if (after - first == 1).all():
        return values[first]
    # reduceat reads from each index to the next: every second result is the stretch between two pairs
    padded = np.append(values, values[-1])
    return np.asarray(operation.reduceat(padded, np.column_stack((first, after)).ravel())[::2])
