"""A tiny model of two venues around one pair: it fills, half fills, refuses, forgets to answer, and goes quiet."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, Side
from bot.execution.pair_execution import advance, hedged_base, imbalance_base, tolerance_base
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.params import ExecutionParams
from bot.execution.twap import plan_slices
from bot.portfolio.pairs import Pair, PairState, Parent
from tests.unit.execution.scenes import OPEN, T0, pair, quote

PARAMS = ExecutionParams()
LATENCY_NS = NS_PER_S // 10


class Sent(msgspec.Struct):
    """One order on its way or in doubt."""

    order: WantedOrder
    filled_lots: int
    answers_ns: int
    doubtful_from_ns: int | None = None
    """The answer was lost; proof comes at `answers_ns`."""


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of an order: a share of it fills, and the answer comes at once or is lost for a while."""

    share: float = 1.0
    lost_for_s: float = 0.0


class PairVenue:
    """The pair, what it holds, what is out, and a clock. Checks each answer of the machine as it comes."""

    def __init__(self, long: Instrument, short: Instrument, outcomes: Iterator[Outcome], target: Decimal) -> None:
        self.now = int(T0)
        self.rules = {long.id: long, short.id: short}
        self.held = {long.id: Decimal(0), short.id: Decimal(0)}
        self.quoted = {long.id: True, short.id: True}
        self.sent: list[Sent] = []
        self.outcomes = outcomes
        self.allowed: Permissions = OPEN
        self.pair = pair(long=long, short=short, step=str(max(long.lot_size, short.lot_size)))
        self.target = target
        self.wake_ns: int | None = None
        self.log: list[tuple[int, WantedOrder, int | None]] = []
        """(sent, order, since when the pair was off balance then)"""
        self.pages: list[int] = []
        self.notes: list[tuple[int, str]] = []
        self.begin(target, urgent=False)

    # ------------------------------------------------------------------------------------------------ acting

    def begin(self, target: Decimal, *, urgent: bool) -> None:
        """A new parent towards `target`, as the engine would give it."""
        long, short = self.situations()
        held = hedged_base(long, short)
        slices = plan_slices(
            seed=1, parent_id=f"p{self.now}", start_base=held, target_base=target, step_base=self.pair.step_base,
            clip_base=Decimal("0.4"), min_base=Decimal("0.02"), now_ns=Nanos(self.now), params=PARAMS, urgent=urgent)
        self.pair.parent = Parent(
            parent_id=f"p{self.now}", kind="x", start_base=held, target_base=target, slices=slices, next_slice=0,
            deadline_ns=Nanos(self.now + int(PARAMS.parent_deadline_s * NS_PER_S)), urgent=urgent, reason="x")
        self.pair.target_base = target
        self.pair.next_try_ns = Nanos(0)
        self.pair.state = (PairState.CLOSING if target == 0 else PairState.OPENING if held == 0
                           else PairState.REBALANCING)
        self.look()

    def run(self, until_ns: int) -> None:
        """Answers and deadlines in their order, up to an instant."""
        while True:
            due = [s.answers_ns for s in self.sent]
            due += [s.doubtful_from_ns for s in self.sent if s.doubtful_from_ns and s.doubtful_from_ns > self.now]
            if self.wake_ns is not None:
                due.append(max(self.wake_ns, self.now + 1))
            if not due or min(due) > until_ns:
                self.now = max(self.now, until_ns)
                return
            self.now = min(due)
            for each in [s for s in self.sent if s.answers_ns <= self.now]:
                self.sent.remove(each)
                self._book(each)
            self.look()

    def _book(self, sent: Sent) -> None:
        order, rules = sent.order, self.rules[sent.order.instrument]
        size = rules.quantity(sent.filled_lots)
        if order.side is Side.BUY and rules.fee_in_base:
            size *= 1 - rules.taker_fee
        if sent.filled_lots:
            self.pair.fruitless = 0  # as the engine does with every trade of the pair
        before = self.held[order.instrument]
        self.held[order.instrument] += size * int(order.side)
        if order.reduces_owner:
            assert self.held[order.instrument] * before >= 0, f"a reducing order crossed zero: {order}"

    # ------------------------------------------------------------------------------------------------ looking

    def situation(self, leg: InstrumentId) -> LegSituation:
        """One leg as the engine would show it."""
        working = doubtful = reducing = 0
        for each in self.sent:
            if each.order.instrument != leg:
                continue
            signed = each.order.lots * int(each.order.side)
            if each.doubtful_from_ns is not None and self.now >= each.doubtful_from_ns:
                doubtful += signed
                reducing += each.order.lots if each.order.reduces_owner else 0
            else:
                working += signed
        rules = self.rules[leg]
        return LegSituation(
            instrument=rules, quantity=self.held[leg], quote=quote(rules) if self.quoted[leg] else None,
            quote_ns=Nanos(self.now), working_lots=working, doubtful_lots=doubtful, doubtful_reducing_lots=reducing)

    def situations(self) -> tuple[LegSituation, LegSituation]:
        """Long leg, short leg."""
        return self.situation(self.pair.long_leg), self.situation(self.pair.short_leg)

    def look(self) -> None:
        """One look by the machine; a twin restored from bytes must do exactly the same."""
        twin = msgspec.msgpack.decode(msgspec.msgpack.encode(self.pair), type=Pair)
        long, short = self.situations()
        moves = advance(self.pair, long, short, Nanos(self.now), self.allowed, PARAMS)
        assert advance(twin, long, short, Nanos(self.now), self.allowed, PARAMS) == moves
        assert twin == self.pair
        self._check(moves, long, short)
        self.wake_ns = moves.wake_ns
        if moves.page:
            self.pages.append(self.now)
        self.notes += [(self.now, name) for name, _ in moves.notes]
        for instrument, quantity in moves.dust:
            assert quantity == self.held[instrument]
            self.held[instrument] = Decimal(0)
        for order in moves.orders:
            self.log.append((self.now, order, self.pair.unhedged_since_ns))
            outcome = next(self.outcomes, Outcome())
            lost = self.now + 5 * NS_PER_S if outcome.lost_for_s else None
            self.sent.append(Sent(order, int(order.lots * outcome.share), doubtful_from_ns=lost,
                                  answers_ns=self.now + int(outcome.lost_for_s * NS_PER_S) + LATENCY_NS))

    def _check(self, moves: Moves, long: LegSituation, short: LegSituation) -> None:
        assert len(moves.orders) <= 1
        for order in moves.orders:
            leg = long if order.instrument == long.instrument.id else short
            assert leg.quote is not None
            assert (long.working_lots, short.working_lots) == (0, 0), "an order beside one that works"
            self._check_size(order, leg)
            if order.reduces_owner:
                room = int(abs(leg.quantity) // leg.instrument.lot_size) - leg.doubtful_reducing_lots
                assert order.lots <= room, "would cross zero if all in doubt filled"
                assert order.side * leg.quantity < 0
            else:
                assert self.pair.state is not PairState.UNWINDING, "an opening order while unwinding"
                assert self.allowed.opens
                assert not leg.doubtful_lots, "a second try beside one in doubt (R2)"
                net = leg.instrument.quantity(order.lots) * (1 - leg.instrument.taker_fee * leg.instrument.fee_in_base)
                assert abs(leg.quantity) + net <= self.target + leg.instrument.lot_size, "children above the parent"

    def _check_size(self, order: WantedOrder, leg: LegSituation) -> None:
        """What the venue would refuse is never wanted (I11)."""
        rules = leg.instrument
        if order.reduces_owner and rules.is_perp:
            assert order.lots > 0
            return
        assert order.lots >= rules.lots_min
        assert rules.quantity(order.lots) * rules.price(order.limit_ticks) >= rules.notional_min_usd

    # ------------------------------------------------------------------------------------------------ knowing

    @property
    def gap(self) -> Decimal:
        """What one leg holds beyond the other."""
        return imbalance_base(*self.situations())

    @property
    def whole(self) -> bool:
        """Whether the legs agree."""
        return abs(self.gap) <= tolerance_base(self.pair, *self.situations())

    @property
    def at_rest(self) -> bool:
        """Nothing out, nothing planned, and a final state."""
        return not self.sent and self.wake_ns is None and self.pair.state in (PairState.HEDGED, PairState.FLAT)
