"""The governor of the book: what the targets would lose in the tail and under stress, and how far they must give way.

Limits apply to the book as it would be after the trade. From the soft share of a limit on nothing is added; at the
limit the book is cut. A tail breach is cut pro rata by each pair's share of expected shortfall, a stress breach pair by
pair alike. Cuts only shrink, both legs of a pair alike, and each names its limit, the value and what was allowed. What
is not known counts as a breach for whatever would be added, and leaves what is held to the margin keeper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bot.risk.stress import StressLimits, StressSheet

Sizes = Mapping[str, float]
"""Notional of one leg by pair key, USD."""

_STEPS: Final = 20
BACK_TO: Final = 0.95
"""A book over a hard limit is cut to this share of it, so that the next hour does not cut again."""
_EPS: Final = 1e-9


class TailFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the tail of one book looks like, USD; losses positive."""

    es_usd: float
    """NaN: not known."""
    var_usd: float
    by_pair: dict[str, float]
    """Each pair's part of the expected shortfall; they sum to it."""
    method: str
    """`fhs`, `fhs_coin` or `worst_on_record` (`BookTail.method`)."""
    reason: str = ""
    """Why it is not the default method; empty if it is."""


class Cut(msgspec.Struct, frozen=True, array_like=True):
    """One pair made smaller, or not made larger, and the limit that did it."""

    limit: str
    pair: str
    value: float
    """In the unit of the limit, for the book before the cut."""
    allowed: float
    before_usd: float
    after_usd: float


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one review, in USD of the account's equity now."""

    equity_usd: float
    es_limit_usd: float
    soft_share: float
    stress: StressLimits


class BookReview(msgspec.Struct, frozen=True, kw_only=True):
    """What the governor leaves of the targets, and the figures of the book that is left."""

    sizes: dict[str, float]
    cuts: tuple[Cut, ...]
    tail: TailFigures
    stress: StressSheet | None
    """None: not looked at."""


TailOf = Callable[[Sizes], TailFigures]
StressOf = Callable[[Sizes], StressSheet | None]
"""None: not looked at."""


def review(held: Sizes, wanted: Sizes, bounds: Bounds, tail_of: TailOf, stress_of: StressOf) -> BookReview:
    """Shrink the wanted sizes until tail and stress are within their limits.

    Args:
        held: what is held now; a pair that is not in it is new.
        wanted: the target of every pair, those to be closed at 0.
        bounds: the limits.
        tail_of: the tail of a book of such sizes.
        stress_of: the stress sheet of one.
    """
    work = _Work(held, wanted)
    tail = _within_tail(work, bounds, tail_of)
    sheet = _within_stress(work, bounds, stress_of)
    if sheet is not None and work.changed_by("stress"):
        tail = tail_of(work.sizes)  # the whole book once more, as it is left
    return BookReview(sizes=work.sizes, cuts=tuple(work.cuts), tail=tail, stress=sheet)


class _Work:
    """The sizes while they are cut; lives for one review."""

    def __init__(self, held: Sizes, wanted: Sizes) -> None:
        self.sizes = dict(wanted)
        self.kept = {key: min(size, held.get(key, 0.0)) for key, size in wanted.items()}
        """The part of each target that is held already."""
        self.cuts: list[Cut] = []

    @property
    def adds(self) -> bool:
        return any(size > self.kept[key] * (1.0 + _EPS) + _EPS for key, size in self.sizes.items())

    @property
    def empty(self) -> bool:
        return not any(size > 0.0 for size in self.sizes.values())

    def with_additions(self, share: float) -> dict[str, float]:
        """The book with so much of every addition."""
        return {key: self.kept[key] + share * max(size - self.kept[key], 0.0) for key, size in self.sizes.items()}

    def take(self, sizes: Sizes, limit: str, value: float, allowed: float) -> None:
        """Adopt smaller sizes under one limit."""
        for key, size in sizes.items():
            before = self.sizes[key]
            if size < before * (1.0 - 1e-6):
                self.cuts.append(Cut(limit, key, value, allowed, before, size))
                self.sizes[key] = size
                self.kept[key] = min(self.kept[key], size)

    def changed_by(self, prefix: str) -> bool:
        return any(cut.limit.startswith(prefix) for cut in self.cuts)


def largest_share(fits: Callable[[float], bool]) -> float:
    """The largest share in [0, 1] for which a monotone test holds, to 2^-20; 0 if it never does."""
    if fits(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _within_tail(work: _Work, bounds: Bounds, tail_of: TailOf) -> TailFigures:
    tail = tail_of(work.sizes)
    if work.empty:
        return tail
    soft, hard = bounds.soft_share * bounds.es_limit_usd, bounds.es_limit_usd
    if work.adds and not tail.es_usd <= soft:
        value = tail.es_usd
        share = largest_share(lambda s: tail_of(work.with_additions(s)).es_usd <= soft)
        work.take(work.with_additions(share), "es_soft", value, soft)
        tail = tail_of(work.sizes)
    if tail.es_usd > hard:
        value = tail.es_usd
        work.take(cut_pro_rata(work.sizes, tail_of, BACK_TO * hard), "es", value, hard)
        tail = tail_of(work.sizes)
    return tail


def cut_pro_rata(sizes: Sizes, tail_of: TailOf, to_usd: float) -> dict[str, float]:
    """Sizes whose expected shortfall is at most `to_usd`: each pair gives up its own share of what is too much.

    A pair that lowers the shortfall is left alone until cutting the others no longer helps.
    """
    work = dict(sizes)
    for _ in range(_STEPS):
        tail = tail_of(work)
        excess = tail.es_usd - to_usd
        if not excess > 1e-6 * max(to_usd, 1.0):
            return work
        raising = {key: part for key, part in tail.by_pair.items() if part > 0.0 and work.get(key, 0.0) > 0.0}
        total = sum(raising.values())
        if total <= 0.0:
            break
        factor = max(1.0 - excess / total, 0.0)
        for key in raising:
            work[key] *= factor
    scale = largest_share(lambda s: tail_of({key: s * size for key, size in work.items()}).es_usd <= to_usd)
    return {key: scale * size for key, size in work.items()}


def _within_stress(work: _Work, bounds: Bounds, stress_of: StressOf) -> StressSheet | None:
    if work.empty:
        return None
    limits = bounds.stress
    soft = msgspec.structs.replace(limits, stress_loss_max_pct=bounds.soft_share * limits.stress_loss_max_pct)
    sheet = stress_of(work.sizes)
    if sheet is None:
        return None
    if work.adds and _breaks(sheet, soft):
        name, value, allowed = worst_breach(sheet, soft)
        share = largest_share_coarse(lambda s: not _breaks(stress_of(work.with_additions(s)), soft))
        work.take(work.with_additions(share), f"stress_soft:{name}", value, allowed)
        sheet = stress_of(work.sizes)
    if sheet is not None and _breaks(sheet, limits):
        name, value, allowed = worst_breach(sheet, limits)
        back = msgspec.structs.replace(limits, stress_loss_max_pct=BACK_TO * limits.stress_loss_max_pct)
        base = dict(work.sizes)
        share = largest_share_coarse(
            lambda s: not _breaks(stress_of({key: s * size for key, size in base.items()}), back))
        work.take({key: share * size for key, size in base.items()}, f"stress:{name}", value, allowed)
        sheet = stress_of(work.sizes)
    return sheet


def largest_share_coarse(fits: Callable[[float], bool]) -> float:
    """As `largest_share`, to 1/32: a stress sheet costs milliseconds, and its scenarios are no finer."""
    low, high = 0.0, 1.0
    for _ in range(5):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _breaks(sheet: StressSheet | None, limits: StressLimits) -> bool:
    return bool(sheet.breaches(limits)) if sheet is not None else False


def worst_breach(sheet: StressSheet, limits: StressLimits) -> tuple[str, float, float]:
    """Name, value and allowance of the breach that lies farthest beyond its limit; there must be one."""
    breaches = sheet.breaches(limits)
    worst = max(breaches, key=lambda each: (each.value - each.allowed, each.name))
    return worst.name, worst.value, worst.allowed


def nothing_known(reason: str) -> TailFigures:
    """A tail that cannot be computed."""
    return TailFigures(es_usd=math.nan, var_usd=math.nan, by_pair={}, method="", reason=reason)
