"""Invariant I3, on one leg: by our books at once, by the venues' truth within the time it takes to be told."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import Alert
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, NS_PER_S, ZERO, InstrumentId, OrderId, Owner
from bot.engine.engine import Engine
from bot.portfolio.pairs import Pair, PairState
from bot.runtime.breaches import Breaches
from bot.runtime.sim_truth import SentOrder, Truth

UNWIND_NS: Final = 10 * NS_PER_S
PAGE_NS: Final = 65 * NS_PER_S
"""60 s, and 5 s for the alert."""
NOTICE_NS: Final = 120 * NS_PER_S
"""A trade that no stream told us is found by the 60 s reconciliation, whose reads may fail and be late."""
LEG_STUCK_NS: Final = 600 * NS_PER_S
"""Without faults a pair is whole again long before this."""
_DRIFT: Final = Decimal("1.1")
"""A rest just below a venue's minimum may be worth more a moment later: no fill has broken anything, and its next
look at the pair sells it."""


class PairInvariants:
    """Clocks of every pair that is off."""

    def __init__(self, truth: Truth, breaches: Breaches) -> None:
        self._truth = truth
        self._breaches = breaches
        self._off_ns: dict[Owner, int] = {}
        """Off by our own books since."""
        self._unnoticed_ns: dict[Owner, int] = {}
        """Off by the venues' truth while our books say whole, since."""
        self._told_ns: dict[str, int] = {}

    @property
    def off(self) -> bool:
        """Whether any pair has a clock running."""
        return bool(self._off_ns or self._unnoticed_ns)

    @property
    def one_legged(self) -> bool:
        """Whether a pair is off by our own books."""
        return bool(self._off_ns)

    def told(self, at_ns: int, alert: Alert) -> None:
        """The operator was paged about a pair."""
        if alert.name == "one_legged" and alert.page:
            self._told_ns[alert.text.partition(":")[0]] = at_ns

    def unreachable(self, at_ns: int) -> None:
        """Nobody could be told anything until now: the clock of what is unnoticed begins anew."""
        for owner in self._unnoticed_ns:
            self._unnoticed_ns[owner] = at_ns

    def check(self, at_ns: int, engine: Engine, sent: dict[OrderId, SentOrder], *, quiet: bool) -> None:
        """Look at every pair; `quiet`: faults have been off for long enough."""
        for pair in engine.state.pairs.values():
            if pair.state is PairState.FLAT and not self._truth.unseen:
                continue  # what it left behind is dust's
            known = self._delta(pair, engine, {})
            tolerance = self._tolerance(pair, engine)
            if abs(known) > tolerance:
                self._known(at_ns, pair, known, quiet=quiet)
            else:
                self._off_ns.pop(pair.pair_id, None)
            if self._truth.unseen and abs(known) <= tolerance < abs(self._delta(pair, engine, sent)):
                self._unnoticed(at_ns, pair)
            else:
                self._unnoticed_ns.pop(pair.pair_id, None)

    def _known(self, at_ns: int, pair: Pair, delta: Decimal, *, quiet: bool) -> None:
        since_ns = self._off_ns.setdefault(pair.pair_id, at_ns)
        age_ns = at_ns - since_ns
        text = f"{pair.pair_id} is off by {delta:f} for {age_ns / NS_PER_S:.1f} s, {pair.state.value}"
        leaves = pair.state in (PairState.UNWINDING, PairState.CLOSING) or (
            pair.parent is not None and not pair.parent.opening)
        if age_ns > UNWIND_NS and not leaves:
            self._breaches.add("I3", f"{pair.pair_id} {since_ns}", at_ns, f"{text}, and not unwinding")
        if age_ns > PAGE_NS and at_ns - self._told_ns.get(pair.coin, 0) > PAGE_NS:
            self._breaches.add("I3", f"{pair.pair_id} {since_ns} page", at_ns, f"{text}, and the operator not told")
        if quiet and age_ns > LEG_STUCK_NS:
            self._breaches.add("I20", f"{pair.pair_id} {since_ns}", at_ns, f"{text}, without any fault")

    def _unnoticed(self, at_ns: int, pair: Pair) -> None:
        since_ns = self._unnoticed_ns.setdefault(pair.pair_id, at_ns)
        if at_ns - since_ns > NOTICE_NS:
            self._breaches.add("I3", f"{pair.pair_id} {since_ns} unnoticed", at_ns,
                               f"{pair.pair_id} is off at the venues since {(at_ns - since_ns) / NS_PER_S:.0f} s, "
                               "our books say whole")

    def _delta(self, pair: Pair, engine: Engine, sent: dict[OrderId, SentOrder]) -> Decimal:
        """Both legs together; with `sent`, trades that our books do not have count too."""
        total = ZERO
        for leg in pair.legs:
            total = MONEY.add(total, engine.ledger.quantity(leg, pair.pair_id))
            if sent:
                total = MONEY.add(total, self._truth.unseen_base(sent, pair.pair_id, leg))
        return total

    def _tolerance(self, pair: Pair, engine: Engine) -> Decimal:
        """One joint step, or what a spot venue would not let us sell."""
        tolerance = pair.step_base
        for leg in pair.legs:
            rules = self._truth.instruments[leg]
            if not rules.is_perp:
                tolerance = max(tolerance, self._unsellable(rules, leg, engine))
        return tolerance

    def _unsellable(self, rules: Instrument, leg: InstrumentId, engine: Engine) -> Decimal:
        quote = engine.state.market.quote(leg)
        if quote is None:
            return ZERO
        least_usd = rules.notional_min_usd * _DRIFT
        lots = least_usd / rules.price(quote.bid_ticks) // rules.lot_size + 1
        return lots * rules.lot_size
