"""The rebalance, line by line: what is known, what each candidate is worth, what is opened, kept, left, and why."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec

from bot.domain.events import Quote
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, Coin, InstrumentId, Nanos, Owner, Side
from bot.engine import margin_desk, pairs_desk
from bot.engine.exposure import data_age_s_max
from bot.engine.purse import Purse
from bot.engine.step import CandidateRecord, DecisionRecord
from bot.engine.turn import Turn
from bot.execution.rounding import floor_joint, joint_step, smallest_joint_notional
from bot.market.basis import BasisTracker
from bot.market.costs import LegCosts, LegPrices, PairCosts, pair_costs
from bot.portfolio.pairs import Pair, PairState
from bot.risk.modes import Mode
from bot.strategy.allocation import Allocation, Book, Target, allocate, notional_for_capital
from bot.strategy.carry import judge
from bot.strategy.verdict import Action, Candidate, Held, PairInputs, PairKind, Verdict

EDGE_SLACK_S = 60.0
_CENT = Decimal("0.01")


def rebalance(turn: Turn, candidates: tuple[Candidate, ...]) -> None:
    """Judge every candidate, allocate, and set pairs in motion; record what was known and what bound it."""
    turn.state.decisions_made += 1
    equity = margin_desk.check_stops(turn)
    work = _Judging(turn, float(equity))
    verdicts = [work.verdict(candidate) for candidate in candidates]
    turn.forecasts = {v.candidate.key: v.terms_bps[0][1] / 1e4 for v in verdicts if v.terms_bps}
    allocation = allocate(verdicts, work.book(verdicts), turn.params.carry)
    actions = _act(turn, allocation)
    for passed in allocation.passed:
        actions.append(f"pass {passed.candidate.key}: {passed.reason}")
    turn.record = _record(turn, work, verdicts, allocation, actions, equity)
    turn.state.decision = turn.record
    _note_idle(turn, verdicts)


# ------------------------------------------------------------------------------------------------- judgement


class _LegNow:
    """One leg at this instant: what every candidate on it asks for."""

    __slots__ = ("_costs", "_prices", "_rules", "depth_base", "lot_base", "mid", "quote", "quoted_ns")

    def __init__(self, instrument: Instrument, quoted_ns: int, quote: Quote) -> None:
        self.quote = quote
        self.quoted_ns = quoted_ns
        self.mid = (quote.bid_ticks + quote.ask_ticks) * float(instrument.tick_size) / 2
        self.lot_base = float(instrument.lot_size)
        self.depth_base = max(min(quote.bid_lots, quote.ask_lots), quote.depth_lots) * self.lot_base
        """Base quantity visible within 50 bp on the thinner side."""
        self._rules = instrument
        self._prices = LegPrices(instrument, quote)
        self._costs: dict[tuple[int, bool, bool], LegCosts | None] = {}

    def touch_usd(self) -> float:
        """What stands at the touch, the thinner side."""
        quote, rules = self.quote, self._rules
        return min(quote.bid_lots, quote.ask_lots) * float(rules.lot_size * rules.price(quote.bid_ticks))

    def costs(self, side: Side, base: float, maker: bool) -> LegCosts | None:
        """In and out at this size, rounded down to whole lots."""
        lots = int(base / self.lot_base)
        key = (lots, side is Side.BUY, maker)
        if key not in self._costs:
            self._costs[key] = self._prices.costs(side, lots, maker)
        return self._costs[key]


class _Judging:
    """One decision's look at the market: legs are priced once, however many candidates share them."""

    def __init__(self, turn: Turn, equity_usd: float) -> None:
        self.turn = turn
        self.equity_usd = equity_usd
        self.held = {f"{p.long_leg}|{p.short_leg}": p for p in turn.state.pairs.values() if p.live}
        self.bars = turn.state.session.cadence_s >= pairs_desk.BARS_FROM_S  # decisions stand only at a common edge
        age_max_s = turn.params.rebalance_offset_s + EDGE_SLACK_S if self.bars else data_age_s_max(turn)
        self.oldest_ns = turn.now_ns - int(age_max_s * NS_PER_S)
        self.quoted_ns: list[int] = []
        self.off_edge: set[str] = set()
        self._bases: dict[Coin, float] = {}
        self._legs: dict[InstrumentId, _LegNow | None] = {}
        self.depth_usd: dict[str, float] = {}
        """Notional that the visible depth allows, by candidate key."""

    def verdict(self, candidate: Candidate) -> Verdict:
        """What a candidate is worth now."""
        if candidate.blocked:
            return Verdict(candidate=candidate, action=Action.IDLE, reason=candidate.blocked)
        pair = self.held.get(candidate.key)
        if pair is not None and (pair.parent is not None or pair.opened_ns is None):
            return Verdict(candidate=candidate, action=Action.HOLD, reason="in_motion")
        return judge(self._inputs(candidate, pair), self.turn.params.carry)

    def _inputs(self, candidate: Candidate, pair: Pair | None) -> PairInputs:
        turn, market = self.turn, self.turn.state.market
        long, short = self._leg(candidate.long_leg), self._leg(candidate.short_leg)
        basis_now = costs = None
        tradable = self._tradable(candidate, long, short)
        if tradable and long is not None and short is not None:
            basis_now = (short.mid / long.mid - 1) * 1e4
            basis_tracker(turn, candidate).observe(turn.now_ns, long.mid, short.mid)
            costs = self._costs(candidate, long, short)
        held = None
        if pair is not None and pair.opened_ns is not None:
            held = Held(opened_ns=pair.opened_ns, notional_usd=self.held_usd(pair))
        perp_long = candidate.kind is not PairKind.SPOT_PERP
        return PairInputs(
            now_ns=turn.now_ns, candidate=candidate,
            long_funding=market.funding.get(candidate.long_leg) if perp_long else None,
            short_funding=market.funding.get(candidate.short_leg),
            basis=market.basis.get(candidate.key), basis_now_bps=basis_now, costs=costs,
            hurdle_annual=market.hurdle_annual, tradable=tradable, held=held,
            closed_ns=turn.state.left_ns.get(candidate.key),
        )

    def _leg(self, leg: InstrumentId) -> _LegNow | None:
        if leg not in self._legs:
            entry = self.turn.state.market.quotes.get(leg)
            self._legs[leg] = None if entry is None else _LegNow(self.turn.instrument(leg), *entry)
        return self._legs[leg]

    def _tradable(self, candidate: Candidate, long: _LegNow | None, short: _LegNow | None) -> bool:
        """Both legs have a fresh quote of one instant (bars: of one edge)."""
        if long is None or short is None:
            return False
        quoted_ns = min(long.quoted_ns, short.quoted_ns)
        if quoted_ns < self.oldest_ns or (self.bars and long.quoted_ns != short.quoted_ns):
            self.off_edge.add(candidate.key)
            return False
        self.quoted_ns.append(quoted_ns)
        return True

    def _costs(self, candidate: Candidate, long: _LegNow, short: _LegNow) -> PairCosts | None:
        """The four fills at the size a coin's cap would allow."""
        carry, price = self.turn.params.carry, long.mid
        base = self._bases.get(candidate.coin)
        if base is None:
            wanted = notional_for_capital(self.equity_usd * carry.coin_share_max, carry.capital_per_notional(1))
            base = self._bases[candidate.coin] = max(wanted, 0.0) / price
        visible = min(long.depth_base, short.depth_base) / carry.depth_multiple_min
        self.depth_usd[candidate.key] = visible * price
        base = max(min(base, visible), carry.pair_share_min * self.equity_usd / price)
        makes = carry.maker_harder_leg and not self.bars
        # execution works the harder leg as maker: that with less at the touch, at equality the long one
        short_makes = makes and short.touch_usd() < long.touch_usd()
        long_costs = long.costs(Side.BUY, base, makes and not short_makes)
        short_costs = short.costs(Side.SELL, base, short_makes)
        return None if long_costs is None or short_costs is None else pair_costs(long_costs, short_costs)

    def held_usd(self, pair: Pair) -> float:
        """Notional of one leg of a pair now; what it plans where nothing is held yet."""
        held = _held(self.turn, pair)
        size = max(held, pair.target_base)
        mid = self.turn.state.market.mid(pair.long_leg) or self.turn.state.market.value_marks.get(pair.short_leg)
        return float(size * mid) if mid is not None else float(pair.notional_usd)

    def book(self, verdicts: list[Verdict]) -> Book:
        """The account as the allocation sees it."""
        turn = self.turn
        venues = {name: float(turn.ledger.equity_usd(name)) for name in turn.state.venues}
        smallest: dict[str, float] = {}
        for verdict in verdicts:
            if verdict.action is Action.OPEN or verdict.may_grow:
                mid = turn.state.market.mid(verdict.candidate.long_leg)
                if mid is not None:
                    smallest[verdict.candidate.key] = float(
                        smallest_joint_notional(mid, *_rules(turn, verdict.candidate)))
        held = {key: self.held_usd(pair) for key, pair in self.held.items()}
        return Book(equity_usd=self.equity_usd, venue_equity_usd=venues, held_usd=held, smallest_usd=smallest,
                    largest_usd=self.depth_usd)


def basis_tracker(turn: Turn, candidate: Candidate) -> BasisTracker:
    """The candidate's tracker, made at first use."""
    tracker = turn.state.market.basis.get(candidate.key)
    if tracker is None:
        carry = turn.params.carry
        tracker = BasisTracker(long_leg=candidate.long_leg, short_leg=candidate.short_leg,
                               window_h=carry.basis_window_h, half_life_h=carry.basis_half_life_h)
        turn.state.market.basis[candidate.key] = tracker
    return tracker


def _rules(turn: Turn, candidate: Candidate) -> tuple[Instrument, Instrument]:
    return turn.instrument(candidate.long_leg), turn.instrument(candidate.short_leg)


def _held(turn: Turn, pair: Pair) -> Decimal:
    long = turn.ledger.quantity(pair.long_leg, pair.pair_id)
    short = turn.ledger.quantity(pair.short_leg, pair.pair_id)
    return max(min(long, -short), Decimal(0))


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
            held = _held(turn, pair)
            if size is not None and size < held:
                pairs_desk.begin(turn, pair, size, "resize", target.reason)
                actions.append(f"shrink {target.candidate.key} to {size:f}: {target.reason}")
            elif size is not None and size > held and opens:
                growing.append((target, pair, size))
        elif pair is None and target.action is Action.OPEN and opens:
            blocked = _blocked(turn, target.candidate)
            if blocked:
                actions.append(f"pass {target.candidate.key}: {blocked}")
                continue
            size = _size(turn, target, actions)
            if size is not None:
                growing.append((target, None, size))
    _grow(turn, growing, actions)
    return actions


def _blocked(turn: Turn, candidate: Candidate) -> str:
    for venue, leg in ((candidate.long_venue, candidate.long_leg), (candidate.short_venue, candidate.short_leg)):
        reason = turn.state.modes.blocks_open(venue, leg)
        if reason:
            return reason
    return ""


def _size(turn: Turn, target: Target, actions: list[str]) -> Decimal | None:
    """The joint quantity of a target, or None with the reason why neither leg is sent."""
    mid = turn.state.market.mid(target.candidate.long_leg)
    if mid is None:
        return None
    joint = floor_joint(target.notional_usd, mid, *_rules(turn, target.candidate),
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
        held = _held(turn, pair) if pair is not None else Decimal(0)
        mid = turn.state.market.mid(target.candidate.long_leg)
        if mid is None:
            continue
        share = purse.affordable_share(target.candidate, float((size - held) * mid))
        if share < 1.0:
            cut = msgspec.structs.replace(target, notional_usd=float((held + (size - held) * Decimal(repr(share))) * mid))
            smaller = _size(turn, cut, actions)
            if smaller is None or (smaller - held) * mid < _least_usd(turn):
                actions.append(f"pass {target.candidate.key}: funds")
                continue
            target, size = cut, smaller
        purse.take(target.candidate, float((size - held) * mid))
        begun.append((target, pair, size))
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
        long_leg=candidate.long_leg, short_leg=candidate.short_leg, step_base=joint_step(*_rules(turn, candidate)),
        state=PairState.OPENING, target_base=size, created_ns=turn.now_ns, forecast_usd=forecast,
        notional_usd=(size * (turn.state.market.mid(candidate.long_leg) or Decimal(0))).quantize(_CENT),
    )
    turn.state.pairs[pair.pair_id] = pair
    return pair


def _forecast_usd(turn: Turn, target: Target) -> float:
    return turn.forecasts[target.candidate.key] * target.notional_usd


# --------------------------------------------------------------------------------------------------- record


def _record(turn: Turn, work: _Judging, verdicts: list[Verdict], allocation: Allocation, actions: list[str],
            equity: Decimal) -> DecisionRecord:
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
        data_age_ns_max=turn.now_ns - min(work.quoted_ns, default=turn.now_ns),
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
