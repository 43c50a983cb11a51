"""The whole book once more, the hedge in it: how much of the hedge tail and stress let stand.

Pairs have been cut already as if there were no hedge, so what the book is then too much of is the hedge's. Where it
lowers the figures it passes whole; where it raises them it gets what the soft limits leave, and over a hard limit it
comes back under it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bot.risk.governor import (
    BACK_TO,
    Bounds,
    Cut,
    Sizes,
    StressOf,
    TailFigures,
    TailOf,
    largest_share,
    largest_share_coarse,
    worst_breach,
)
from bot.risk.stress import StressLimits, StressSheet

_EPS = 1e-9
_NOT_WORSE = 1e-6


class HedgeFit(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the hedge, what took the rest, and the figures of the book with it."""

    size_usd: float
    cuts: tuple[Cut, ...]
    tail: TailFigures
    stress: StressSheet | None


def fit_hedge(
    key: str, kept_usd: float, full_usd: float, pairs: Sizes, bounds: Bounds, tail_of: TailOf, stress_of: StressOf,
) -> HedgeFit:
    """Let as much of a hedge stand as the book's limits do.

    Args:
        key: the hedge's among the sizes.
        kept_usd: the part of it that is held already; at most `full_usd`.
        full_usd: what is wanted of it.
        pairs: the targets of all pairs.
        bounds: the limits.
        tail_of: the tail of a book of such sizes.
        stress_of: its stress sheet.
    """
    size = full_usd
    cuts: list[Cut] = []

    def book(usd: float) -> Sizes:
        return {**pairs, key: usd}

    def es(usd: float) -> float:
        return tail_of(book(usd)).es_usd

    def take(limit: str, value: float, allowed: float, left: float) -> None:
        nonlocal size
        if left < size * (1.0 - 1e-6):
            cuts.append(Cut(limit, key, value, allowed, size, left))
            size = left

    soft = bounds.soft_share * bounds.es_limit_usd
    allowed = max(soft, es(kept_usd))
    if size > kept_usd and not es(size) <= allowed * (1.0 + _EPS):
        take("es_soft", es(size), soft, _largest(kept_usd, size, lambda usd: es(usd) <= allowed))
    bare = es(0.0)
    if es(size) > bounds.es_limit_usd and es(size) > bare:
        back = max(BACK_TO * bounds.es_limit_usd, bare)
        take("es", es(size), bounds.es_limit_usd, _largest(0.0, size, lambda usd: es(usd) <= back))
    sheet = _within_stress(size, kept_usd, bounds, lambda usd: stress_of(book(usd)), take)
    if cuts and sheet is not None:
        sheet = stress_of(book(size))
    return HedgeFit(size_usd=size, cuts=tuple(cuts), tail=tail_of(book(size)), stress=sheet)


def _largest(low_usd: float, high_usd: float, fits: Callable[[float], bool]) -> float:
    return low_usd + (high_usd - low_usd) * largest_share(lambda share: fits(low_usd + share * (high_usd - low_usd)))


def _within_stress(
    size: float, kept: float, bounds: Bounds, sheet_of: Callable[[float], StressSheet | None],
    take: Callable[[str, float, float, float], None],
) -> StressSheet | None:
    """As for the tail: additions within the soft limit, what is held within the hard one."""
    hard = bounds.stress
    soft = msgspec.structs.replace(hard, stress_loss_max_pct=bounds.soft_share * hard.stress_loss_max_pct)
    sheet, before = sheet_of(size), sheet_of(kept)
    if sheet is None or before is None:
        return sheet
    if size > kept and not _passes(sheet, before, soft):
        share = largest_share_coarse(lambda s: _passes(sheet_of(kept + s * (size - kept)), before, soft))
        name, value, allowed = worst_breach(sheet, soft)
        left = kept + share * (size - kept)
        take(f"stress_soft:{name}", value, allowed, left)
        size, sheet = left, sheet_of(left)
    bare = sheet_of(0.0)
    if sheet is not None and bare is not None and not _passes(sheet, bare, hard):
        back = msgspec.structs.replace(hard, stress_loss_max_pct=BACK_TO * hard.stress_loss_max_pct)
        share = largest_share_coarse(lambda s: _passes(sheet_of(s * size), bare, back))
        name, value, allowed = worst_breach(sheet, hard)
        take(f"stress:{name}", value, allowed, share * size)
    return sheet


def _passes(sheet: StressSheet | None, before: StressSheet, limits: StressLimits) -> bool:
    """Within the limits, or no worse than the book that was there without it."""
    if sheet is None:
        return False
    if not sheet.breaches(limits):
        return True
    return _loss(sheet, limits) <= _loss(before, limits) + _NOT_WORSE and (
        _liquidated(sheet, limits) <= _liquidated(before, limits))


def _loss(sheet: StressSheet, limits: StressLimits) -> float:
    worst = sheet.worst(limits)
    return 0.0 if worst is None else -worst.pnl_pct


def _liquidated(sheet: StressSheet, limits: StressLimits) -> int:
    return sum(len(each.liquidated) for each in sheet.results if each.history and not limits.accepts(each.name))
