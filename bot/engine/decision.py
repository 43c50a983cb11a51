"""The rebalance, line by line: what is known, what each candidate is worth, what is opened, kept, left, and why."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec

from bot.domain.values import NS_PER_S, Nanos, Owner
from bot.engine import caps_desk, governing, hedging, margin_desk, pairs_desk, peg_worth, sizing_desk, tail_record
from bot.engine.governor_state import GovernorRecord
from bot.engine.judging import Judging, held_base, rules_of
from bot.engine.purse import Purse
from bot.engine.step import CandidateRecord, DecisionRecord
from bot.engine.turn import Turn
from bot.execution.rounding import floor_joint, joint_step
from bot.portfolio.hedge_legs import HedgeRecord
from bot.portfolio.pairs import Pair, PairState
from bot.risk import throttle
from bot.risk.modes import Mode
from bot.strategy.allocation import Allocation, Target
from bot.strategy.verdict import Action, Candidate, Verdict

_CENT = Decimal("0.01")


def rebalance(turn: Turn, candidates: tuple[Candidate, ...]) -> None:
    """Judge every candidate, allocate, and set pairs in motion; record what was known and what bound it."""
    turn.state.decisions_made += 1
    equity = margin_desk.check_stops(turn)
    worth_usd = float(equity) * peg_worth.kept_share(turn)
    caps_desk.refresh(turn, worth_usd)
    work = Judging(turn, worth_usd)
    verdicts = [work.verdict(candidate) for candidate in candidates]
    turn.forecasts = {v.candidate.key: v.terms_bps[0][1] / 1e4 for v in verdicts if v.terms_bps}
    book = work.book(verdicts)
    allocation = sizing_desk.allocated(turn, verdicts, book)
    for cut in allocation.cuts:
        turn.note("size_capped", limit=cut.limit, pair=cut.pair, value=f"{cut.value_usd:.2f}",
                  allowed=f"{cut.allowed_usd:.2f}", before_usd=f"{cut.value_usd:.2f}", after_usd=f"{cut.after_usd:.2f}")
    legs = governing.pair_legs([c for c in candidates if c.key in book.held_usd])
    tail_record.close_day(turn, *hedging.with_hedge(turn, legs, book.held_usd), float(equity))
    allocation, governed = governing.govern(turn, allocation, book.held_usd, work.equity_usd, book.smallest_usd)
    actions = _act(turn, allocation)
    hedge, cuts = hedging.hedge(turn, allocation.targets, work.equity_usd)
    governed = governing.with_hedge(turn, governed, cuts)
    if hedge.wanted_usd != hedge.held_usd:
        actions.append(f"hedge {hedge.instrument} to {hedge.wanted_usd:.2f} USD: {hedge.reason}")
    for passed in allocation.passed:
        actions.append(f"pass {passed.candidate.key}: {passed.reason}")
    turn.record = _record(turn, work, verdicts, allocation, actions, equity, governed, hedge)
    turn.state.decision = turn.record
    _note_idle(turn, verdicts)


# --------------------------------------------------------------------------------------------------- action


def _act(turn: Turn, allocation: Allocation) -> list[str]:
    """Set pairs in motion: exits first, then resizes, then openings behind the transfers they need."""
    actions: list[str] = []
    live = {f"{p.long_leg}|{p.short_leg}": p for p in turn.state.pairs.values() if p.live}
    opens = turn.state.modes.mode() is Mode.RUN
    growing: list[tuple[Target, Pair | None, Decimal]] = []
    for target in allocation.targets:
        pair = live.get(target.candidate.key)
        if pair is not None and target.action is Action.CLOSE:
            pairs_desk.close(turn, pair.pair_id, target.reason)
            actions.append(f"close {target.candidate.key}: {target.reason}")
        elif pair is not None and target.resized and pair.parent is None:
            size = _size(turn, target, actions)
            held = held_base(turn, pair)
            unreachable = _unreachable(turn, target.candidate)
            if size is not None and size < held and unreachable:
                actions.append(f"keep {target.candidate.key}: {unreachable}")
            elif size is not None and size < held:
                pairs_desk.begin(turn, pair, size, "resize", target.reason)
                actions.append(f"shrink {target.candidate.key} to {size:f}: {target.reason}")
            elif size is not None and size > held and opens:
                blocked = blocked_by(turn, target.candidate)
                if blocked:
                    actions.append(f"pass {target.candidate.key}: {blocked}")
                else:
                    growing.append((target, pair, size))
        elif pair is None and target.action is Action.OPEN and opens:
            blocked = blocked_by(turn, target.candidate)
            if blocked:
                actions.append(f"pass {target.candidate.key}: {blocked}")
                continue
            size = _size(turn, target, actions)
            if size is not None:
                growing.append((target, None, size))
    _grow(turn, growing, actions)
    return actions


def blocked_by(turn: Turn, candidate: Candidate) -> str:
    """The reason why nothing of a candidate may be opened now; empty if there is none."""
    for venue, leg in ((candidate.long_venue, candidate.long_leg), (candidate.short_venue, candidate.short_leg)):
        reason = turn.state.modes.blocks_open(venue, leg)
        if reason:
            return reason
    if throttle.trips(turn.state.throttle, turn.now_ns, candidate.key) >= turn.params.risk.round_trips_per_day_max:
        return "round_trips_per_day_max"
    return ""


def _unreachable(turn: Turn, candidate: Candidate) -> str:
    """Why a leg's venue may not answer: a pair cut at one end only would be broken, so it is left whole until then."""
    for venue in (candidate.long_venue, candidate.short_venue):
        reasons = turn.state.modes.venue_reasons(venue)
        if reasons or not turn.state.venues[venue].connected:
            return reasons[0] if reasons else "disconnected"
    return ""


def _size(turn: Turn, target: Target, actions: list[str]) -> Decimal | None:
    """The joint quantity of a target, or None with the reason why neither leg is sent."""
    mid = turn.state.market.mid(target.candidate.long_leg)
    if mid is None:
        return None
    joint = floor_joint(target.notional_usd, mid, *rules_of(turn, target.candidate),
                        waste_steps=turn.params.carry.lot_waste_steps)
    if joint.reason:
        actions.append(f"pass {target.candidate.key}: {joint.reason}")
        return None
    return joint.quantity


def _grow(turn: Turn, growing: list[tuple[Target, Pair | None, Decimal]], actions: list[str]) -> None:
    """Begin what can be paid for: a size that its venues' cash does not cover on both legs is cut, or left."""
    if not growing:
        return
    purse = Purse(turn)
    begun: list[tuple[Target, Pair | None, Decimal]] = []
    for target, pair, size in growing:
        held = held_base(turn, pair) if pair is not None else Decimal(0)
        mid = turn.state.market.mid(target.candidate.long_leg)
        if mid is None:
            continue
        share = purse.affordable_share(target.candidate, float((size - held) * mid))
        paid = size
        if share < 1.0:
            wanted_usd = float((held + (size - held) * Decimal(repr(share))) * mid)
            cut = _size(turn, msgspec.structs.replace(target, notional_usd=wanted_usd), actions)
            if cut is None or (cut - held) * mid < _least_usd(turn):
                actions.append(f"pass {target.candidate.key}: funds")
                continue
            paid = cut
        purse.take(target.candidate, float((paid - held) * mid))
        begun.append((msgspec.structs.replace(target, notional_usd=float(paid * mid)), pair, paid))
    transfers = purse.settle()
    for target, pair, size in begun:
        grown = pair if pair is not None else _new_pair(turn, target, size)
        venues = dict.fromkeys((target.candidate.long_venue, target.candidate.short_venue))
        grown.waiting_transfers = tuple(transfers[venue] for venue in venues if venue in transfers)
        pairs_desk.begin(turn, grown, size, "open" if pair is None else "resize", target.reason)
        actions.append(f"{'open' if pair is None else 'grow'} {target.candidate.key} to {size:f}: {target.reason}")


def _least_usd(turn: Turn) -> Decimal:
    """The smallest change of a pair worth its orders."""
    return Decimal(repr(turn.params.carry.pair_share_min)) * turn.ledger.equity_usd()


def _new_pair(turn: Turn, target: Target, size: Decimal) -> Pair:
    turn.state.pairs_made += 1
    candidate = target.candidate
    forecast = _forecast_usd(turn, target)
    pair = Pair(
        pair_id=Owner(f"pair-{candidate.coin}-{turn.state.pairs_made:06d}"), coin=candidate.coin,
        long_leg=candidate.long_leg, short_leg=candidate.short_leg, step_base=joint_step(*rules_of(turn, candidate)),
        state=PairState.OPENING, target_base=size, created_ns=turn.now_ns, forecast_usd=forecast,
        notional_usd=(size * (turn.state.market.mid(candidate.long_leg) or Decimal(0))).quantize(_CENT),
    )
    turn.state.pairs[pair.pair_id] = pair
    return pair


def _forecast_usd(turn: Turn, target: Target) -> float:
    return turn.forecasts[target.candidate.key] * target.notional_usd


# --------------------------------------------------------------------------------------------------- record


def _record(turn: Turn, work: Judging, verdicts: list[Verdict], allocation: Allocation, actions: list[str],
            equity: Decimal, governed: GovernorRecord, hedge: HedgeRecord) -> DecisionRecord:
    modes = turn.state.modes
    return DecisionRecord(
        decision_id=f"d{turn.state.session.epoch}-{turn.state.decisions_made}", at_ns=turn.now_ns,
        mode=modes.mode().value, mode_reasons=tuple(reason.name for reason in modes.reasons()),
        equity_usd=f"{equity:f}",
        candidates=tuple(
            CandidateRecord(
                coin=v.candidate.coin, long_leg=v.candidate.long_leg, short_leg=v.candidate.short_leg,
                verdict=v.action.value, reason=reason_of(v, work.off_edge), terms_bps=v.terms_bps,
            )
            for v in verdicts
        ),
        actions=tuple(actions), binding=allocation.binding,
        data_age_ns_max=turn.now_ns - min(work.quoted_ns, default=turn.now_ns), governor=governed,
        caps=allocation.cuts, hedge=hedge,
    )


def reason_of(verdict: Verdict, off_edge: set[str]) -> str:
    """The verdict's reason; between two bar edges that is what it is, not a halt."""
    if verdict.reason == "leg_halted" and verdict.candidate.key in off_edge:
        return "between_bar_edges"
    return verdict.reason


def _note_idle(turn: Turn, verdicts: list[Verdict]) -> None:
    """One line an hour: whether capital stood idle, and the reason most candidates gave."""
    idle = not any(pair.live for pair in turn.state.pairs.values())
    reason = ""
    if idle:
        blocked = turn.state.modes.mode()
        counts = Counter(v.reason for v in verdicts if not v.candidate.blocked)
        best = max(counts.items(), key=lambda item: (item[1], item[0]), default=("no_candidates", 0))[0]
        reason = best if blocked is Mode.RUN else f"mode_{blocked.value.lower()}"
        turn.state.idle_reasons[reason] = turn.state.idle_reasons.get(reason, 0) + 1
    turn.note("idle_hours", at_ns=turn.now_ns, idle="1" if idle else "0", reason=reason)


def next_rebalance_ns(turn: Turn) -> Nanos:
    """The first instant of the grid after now."""
    every, offset = turn.params.rebalance_every_s * NS_PER_S, turn.params.rebalance_offset_s * NS_PER_S
    return Nanos(((turn.now_ns - offset) // every + 1) * every + offset)
