"""The governor at a decision: targets reviewed as one book, cut where limits bind, and the record of why.

Cheap gates come first: a decision that would change nothing, of a book that has not moved since its last review, is not
reviewed again. A new daily close, an addition, or a book or equity that moved asks for the full review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.values import NS_PER_DAY
from bot.engine.governor_state import GovernorRecord
from bot.engine.stress_desk import StressDesk, limits_of, rows_of
from bot.engine.turn import Turn
from bot.risk.book_tail import BookTail, PairLegs
from bot.risk.governor import BookReview, Bounds, Cut, TailFigures, review
from bot.risk.hedge_fit import fit_hedge as risk_fit
from bot.risk.stress import StressSheet
from bot.strategy.allocation import CRUMB_SHARE, Allocation, Passed, Target
from bot.strategy.verdict import Action, Candidate

_MOVED: Final = 0.10
"""A book whose sizes or equity have moved by less is the one that was reviewed."""
_STRESS_EVERY_NS: Final = 7 * NS_PER_DAY


def govern(turn: Turn, allocation: Allocation, held: Mapping[str, float], equity_usd: float,
           smallest: Mapping[str, float]) -> tuple[Allocation, GovernorRecord]:
    """Targets that the whole book's limits let pass.

    Args:
        held: notional of each held pair by candidate key.
        smallest: smallest tradable notional by candidate key, as in the allocation's book.
    """
    state, params = turn.state.governor, turn.params.governor
    wanted = {target.candidate.key: target.notional_usd for target in allocation.targets}
    adds = any(size > held.get(key, 0.0) * (1 + 1e-9) for key, size in wanted.items())
    if not params.enabled or not (any(wanted.values()) or held):
        _forget(turn)
        return allocation, _record(turn, (), reviewed=False)
    newest = turn.state.panel.days_closed
    if not adds and state.day == newest and _near(state.sizes, state.equity_usd, wanted, equity_usd):
        return allocation, _record(turn, (), reviewed=False)
    found = _review(turn, allocation.targets, held, wanted, equity_usd, adds=adds)
    _keep(turn, found, wanted, equity_usd)
    if not found.cuts:
        return allocation, _record(turn, (), reviewed=True)
    _tell(turn, found.cuts)
    return _applied(turn, allocation, found, held, equity_usd, smallest), _record(turn, found.cuts, reviewed=True)


def on_session(turn: Turn) -> None:
    """A process that takes over may have other limits: the next decision reviews the book, moved or not."""
    turn.state.governor.day = 0


def _tell(turn: Turn, cuts: Sequence[Cut]) -> None:
    for cut in cuts:
        turn.note("governor_cut", limit=cut.limit, pair=cut.pair, value=f"{cut.value:.4f}",
                  allowed=f"{cut.allowed:.4f}", before_usd=f"{cut.before_usd:.2f}", after_usd=f"{cut.after_usd:.2f}")


def pair_legs(candidates: Sequence[Candidate]) -> tuple[PairLegs, ...]:
    """The legs of pairs, in the order of their keys."""
    return tuple(PairLegs(each.key, each.coin, each.long_leg, each.short_leg)
                 for each in sorted(candidates, key=lambda each: each.key))


def _review(turn: Turn, targets: Sequence[Target], held: Mapping[str, float], wanted: Mapping[str, float],
            equity_usd: float, *, adds: bool) -> BookReview:
    state, params = turn.state.governor, turn.params.governor
    candidates = {target.candidate.key: target.candidate for target in targets}
    tail = turn.memory.tail(turn.state, pair_legs(tuple(candidates.values())), params)
    desk = StressDesk(turn, candidates)
    bounds = _bounds(turn, equity_usd)
    aged = state.stress_ns is None or turn.now_ns - state.stress_ns >= _STRESS_EVERY_NS
    fresh = adds or aged or not _near(state.stress_sizes, state.stress_equity_usd, wanted, equity_usd)

    def stress_of(sizes: Mapping[str, float]) -> StressSheet | None:
        return desk.sheet(sizes) if fresh else None

    return review(held, wanted, bounds, tail.figures, stress_of)


def _bounds(turn: Turn, equity_usd: float) -> Bounds:
    params = turn.params.governor
    es_limit_usd = params.es_limit_share * turn.state.governor.tightened * max(equity_usd, 0.0)
    return Bounds(equity_usd=equity_usd, es_limit_usd=es_limit_usd, soft_share=params.soft_share,
                  stress=limits_of(turn))


def _near(before: Mapping[str, float], before_usd: float, now: Mapping[str, float], now_usd: float) -> bool:
    """Whether a book and its equity are still those of before, to a tenth of the equity."""
    if before_usd <= 0 or abs(now_usd / before_usd - 1.0) > _MOVED:
        return False
    keys = dict.fromkeys((*before, *now))
    return all(abs(now.get(key, 0.0) - before.get(key, 0.0)) <= _MOVED * max(before.get(key, 0.0), 1e-9)
               for key in keys)


def _keep(turn: Turn, found: BookReview, wanted: Mapping[str, float], equity_usd: float) -> None:
    """The review goes into the state, rounded: last bits must not tell two machines apart."""
    state, tail = turn.state.governor, found.tail
    state.reviewed_ns, state.day, state.equity_usd = turn.now_ns, turn.state.panel.days_closed, equity_usd
    state.sizes = {key: size for key, size in found.sizes.items() if size > 0.0}
    state.hedge_usd = 0.0
    _keep_figures(turn, tail, found.stress, equity_usd)
    state.remember(turn.now_ns, tuple(_rounded(cut) for cut in found.cuts))


def _keep_figures(turn: Turn, tail: TailFigures, stress: StressSheet | None, equity_usd: float) -> None:
    state = turn.state.governor
    state.es_limit_usd = round(turn.params.governor.es_limit_share * state.tightened * max(equity_usd, 0.0), 2)
    known = tail.es_usd == tail.es_usd
    state.es_usd, state.var_usd = (round(tail.es_usd, 4), round(tail.var_usd, 4)) if known else (None, None)
    state.method, state.reason = tail.method, tail.reason
    state.parts = {key: round(part, 4) for key, part in tail.by_pair.items() if part}
    if stress is not None:
        state.stress, state.stress_ns = rows_of(stress, limits_of(turn)), turn.now_ns
        state.stress_sizes, state.stress_equity_usd = dict(state.sizes), equity_usd


# ------------------------------------------------------------------------------------------------------ the hedge


def fit_hedge(turn: Turn, targets: Sequence[Target], equity_usd: float, held_usd: float, wanted: PairLegs,
              wanted_usd: float) -> tuple[float, tuple[Cut, ...]]:
    """The whole book once more, with the hedge: how much of it the limits let stand, and the cuts.

    A hedge that does not change, beside a book that was not reviewed now, is the one that was looked at.

    Args:
        held_usd: what is held of it on its side already, unsigned.
        wanted: its leg. wanted_usd: what is wanted of it, unsigned.
    """
    if not turn.params.governor.enabled or (wanted_usd <= held_usd and _seen(turn, wanted, wanted_usd)):
        return wanted_usd, ()
    sizes, tail, desk = _whole_book(turn, targets, wanted)
    fit = risk_fit(wanted.key, min(held_usd, wanted_usd), wanted_usd, sizes, _bounds(turn, equity_usd), tail.figures,
                   desk.sheet)
    cuts = tuple(_rounded(cut) for cut in fit.cuts)
    if not _seen(turn, wanted, fit.size_usd):  # an hour later the same limit leaves the same: said once
        turn.state.governor.remember(turn.now_ns, cuts)
        _tell(turn, fit.cuts)
    _keep_hedge(turn, wanted, fit.size_usd, equity_usd, fit.tail, fit.stress)
    return fit.size_usd, cuts


def measure_hedge(turn: Turn, targets: Sequence[Target], equity_usd: float, held: PairLegs | None,
                  held_usd: float) -> None:
    """The figures of the whole book where nothing may be done about its hedge now."""
    if not turn.params.governor.enabled or held is None or _seen(turn, held, held_usd):
        return
    sizes, tail, desk = _whole_book(turn, targets, held)
    book = {**sizes, held.key: held_usd}
    _keep_hedge(turn, held, held_usd, equity_usd, tail.figures(book), desk.sheet(book))


def _seen(turn: Turn, hedge: PairLegs, size_usd: float) -> bool:
    """Whether the last figures are of a book with this hedge."""
    side = 1.0 if hedge.long_leg is not None else -1.0
    return abs(side * size_usd - turn.state.governor.hedge_usd) <= _MOVED * size_usd


def _whole_book(turn: Turn, targets: Sequence[Target], hedge: PairLegs
                ) -> tuple[dict[str, float], BookTail, StressDesk]:
    """Sizes of the pairs, and tail and stress that know the hedge's leg beside theirs."""
    candidates = {target.candidate.key: target.candidate for target in targets if target.notional_usd > 0.0}
    sizes = {target.candidate.key: target.notional_usd for target in targets if target.notional_usd > 0.0}
    legs = (*pair_legs(tuple(candidates.values())), hedge)
    return sizes, turn.memory.tail(turn.state, legs, turn.params.governor), StressDesk(turn, candidates, hedge)


def _keep_hedge(turn: Turn, hedge: PairLegs, size_usd: float, equity_usd: float, tail: TailFigures,
                stress: StressSheet | None) -> None:
    state = turn.state.governor
    state.hedge_usd = round(size_usd if hedge.long_leg is not None else -size_usd, 2)
    state.reviewed_ns = turn.now_ns
    _keep_figures(turn, tail, stress, equity_usd)


def with_hedge(turn: Turn, record: GovernorRecord, cuts: tuple[Cut, ...]) -> GovernorRecord:
    """The record of a decision after its hedge: figures of the whole book, and what was taken from the hedge."""
    return _record(turn, (*record.cuts, *cuts), reviewed=record.reviewed or bool(cuts))


def _forget(turn: Turn) -> None:
    """Nothing is held and nothing would be."""
    state = turn.state.governor
    if turn.state.hedge.legs:  # the hedge alone is left: what it is reviews itself
        state.hedge_usd = 0.0 if state.sizes else state.hedge_usd
        state.sizes = {}
        return
    state.hedge_usd = 0.0
    if state.sizes or state.stress:
        state.sizes, state.stress_sizes, state.parts, state.stress = {}, {}, {}, ()
        state.es_usd = state.var_usd = 0.0
        state.method = state.reason = ""
        state.stress_ns = None


def _rounded(cut: Cut) -> Cut:
    return Cut(cut.limit, cut.pair, round(cut.value, 4), round(cut.allowed, 4), round(cut.before_usd, 2),
               round(cut.after_usd, 2))


def _applied(turn: Turn, allocation: Allocation, found: BookReview, held: Mapping[str, float], equity_usd: float,
             smallest: Mapping[str, float]) -> Allocation:
    """The targets with what is left of them: too little to open is passed, too little to keep is closed."""
    least = turn.params.carry.pair_share_min * equity_usd
    limit_of = {cut.pair: cut.limit for cut in found.cuts}
    targets: list[Target] = []
    passed = list(allocation.passed)
    for target in allocation.targets:
        key = target.candidate.key
        if key not in limit_of:
            targets.append(target)
            continue
        left, reason = found.sizes[key], limit_of[key]
        if target.action is Action.OPEN:
            if left < max(least, smallest.get(key, 0.0)):
                passed.append(Passed(candidate=target.candidate, reason=reason))
            else:
                targets.append(msgspec.structs.replace(target, notional_usd=left))
        elif left < CRUMB_SHARE * least:
            targets.append(msgspec.structs.replace(target, notional_usd=0.0, action=Action.CLOSE, reason=reason))
        else:
            resized = left < held.get(key, 0.0) * (1 - 1e-6) or (target.resized and left > held.get(key, 0.0))
            targets.append(msgspec.structs.replace(target, notional_usd=left, resized=resized, reason=reason))
    binding = (*allocation.binding, *(f"{cut.limit}:{cut.pair}" for cut in found.cuts))
    return Allocation(targets=tuple(targets), passed=tuple(passed), binding=binding, cuts=allocation.cuts)


def _record(turn: Turn, cuts: Sequence[Cut], *, reviewed: bool) -> GovernorRecord:
    state, params = turn.state.governor, turn.params.governor
    worst = next((row for row in state.stress if not row.accepted), None)
    return GovernorRecord(
        reviewed=reviewed, es_usd=state.es_usd, es_limit_usd=state.es_limit_usd, method=state.method,
        reason=state.reason, worst_scenario=worst.name if worst is not None else "",
        worst_pct=worst.pnl_pct if worst is not None else None, stress_limit_pct=params.stress_loss_max_pct,
        capital_scale=round(state.scale, 6), cuts=tuple(_rounded(cut) for cut in cuts),
    )
