"""One decision's look at the market: what every candidate is worth at this instant, each leg priced once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from bot.domain.events import Quote
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, Coin, InstrumentId, Side
from bot.engine import caps_desk
from bot.engine.exposure import data_age_s_max
from bot.engine.makers import BARS_FROM_S
from bot.engine.turn import Turn
from bot.execution.rounding import smallest_joint_notional
from bot.market.basis import BasisTracker
from bot.market.costs import LegCosts, LegPrices, PairCosts, pair_costs
from bot.portfolio.pairs import Pair
from bot.risk.concentration import capital_scale
from bot.strategy.allocation import Book, notional_for_capital
from bot.strategy.carry import judge
from bot.strategy.verdict import Action, Candidate, Held, PairInputs, PairKind, PairMargin, Verdict

EDGE_SLACK_S = 60.0


class LegNow:
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


class Judging:
    """One decision's look at the market: legs are priced once, however many candidates share them."""

    def __init__(self, turn: Turn, equity_usd: float) -> None:
        self.turn = turn
        self.equity_usd = equity_usd
        self.held = {f"{p.long_leg}|{p.short_leg}": p for p in turn.state.pairs.values() if p.live}
        self.bars = turn.state.session.cadence_s >= BARS_FROM_S
        age_max_s = turn.params.rebalance_offset_s + EDGE_SLACK_S if self.bars else data_age_s_max(turn)
        self.oldest_ns = turn.now_ns - int(age_max_s * NS_PER_S)
        self.quoted_ns: list[int] = []
        self.off_edge: set[str] = set()
        self._bases: dict[Coin, float] = {}
        self._legs: dict[InstrumentId, LegNow | None] = {}
        self.depth_usd: dict[str, float] = {}
        """Notional that the visible depth allows, by candidate key."""
        self.margins: dict[str, PairMargin] = {}
        """What the leverage caps ask of the candidates judged."""

    def verdict(self, candidate: Candidate) -> Verdict:
        """What a candidate is worth now."""
        if candidate.blocked:
            return Verdict(candidate=candidate, action=Action.IDLE, reason=candidate.blocked)
        pair = self.held.get(candidate.key)
        if pair is not None and (pair.parent is not None or pair.opened_ns is None):
            return Verdict(candidate=candidate, action=Action.HOLD, reason="in_motion")
        margin = caps_desk.margin_of(self.turn, candidate)
        if margin is None and pair is None:
            return Verdict(candidate=candidate, action=Action.IDLE, reason="volatility_unknown")
        # what is held has its collateral: a cap that fell makes it smaller, not dearer to keep
        verdict = judge(self._inputs(candidate, pair, margin if pair is None else None), self.turn.params.carry)
        if margin is None:
            return msgspec.structs.replace(verdict, may_grow=False)
        self.margins[candidate.key] = margin
        return verdict

    def _inputs(self, candidate: Candidate, pair: Pair | None, margin: PairMargin | None) -> PairInputs:
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
            hurdle_annual=market.hurdle_annual, tradable=tradable, margin=margin, held=held,
            closed_ns=turn.state.left_ns.get(candidate.key),
        )

    def _leg(self, leg: InstrumentId) -> LegNow | None:
        if leg not in self._legs:
            entry = self.turn.state.market.quotes.get(leg)
            self._legs[leg] = None if entry is None else LegNow(self.turn.instrument(leg), *entry)
        return self._legs[leg]

    def _tradable(self, candidate: Candidate, long: LegNow | None, short: LegNow | None) -> bool:
        """Both legs have a fresh quote of one instant (bars: of one edge)."""
        if long is None or short is None:
            return False
        quoted_ns = min(long.quoted_ns, short.quoted_ns)
        if quoted_ns < self.oldest_ns or (self.bars and long.quoted_ns != short.quoted_ns):
            self.off_edge.add(candidate.key)
            return False
        self.quoted_ns.append(quoted_ns)
        return True

    def _costs(self, candidate: Candidate, long: LegNow, short: LegNow) -> PairCosts | None:
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
        held = held_base(self.turn, pair)
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
                        smallest_joint_notional(mid, *rules_of(turn, verdict.candidate)))
        held = {key: self.held_usd(pair) for key, pair in self.held.items()}
        return Book(equity_usd=self.equity_usd, venue_equity_usd=venues, held_usd=held, smallest_usd=smallest,
                    largest_usd=self.depth_usd, margins=self.margins, **self._ladder())


    def _ladder(self) -> dict[str, Any]:
        """What the governor leaves of the capital: the drawdown ladder, and buckets of coins that move together."""
        turn, params = self.turn, self.turn.params.governor
        if not params.enabled:
            return {}
        peak = turn.state.stops.peak_usd
        drawdown = 100.0 * (1.0 - self.equity_usd / float(peak)) if peak is not None and peak > 0 else 0.0
        turn.state.governor.scale = capital_scale(drawdown, params)
        return {"capital_scale": turn.state.governor.scale, "buckets": turn.memory.buckets(turn.state, params),
                "bucket_share_max": params.bucket_share_max}


def basis_tracker(turn: Turn, candidate: Candidate) -> BasisTracker:
    """The candidate's tracker, made at first use."""
    tracker = turn.state.market.basis.get(candidate.key)
    if tracker is None:
        carry = turn.params.carry
        tracker = BasisTracker(long_leg=candidate.long_leg, short_leg=candidate.short_leg,
                               window_h=carry.basis_window_h, half_life_h=carry.basis_half_life_h)
        turn.state.market.basis[candidate.key] = tracker
    return tracker


def rules_of(turn: Turn, candidate: Candidate) -> tuple[Instrument, Instrument]:
    """Both legs' rules now."""
    return turn.instrument(candidate.long_leg), turn.instrument(candidate.short_leg)


def held_base(turn: Turn, pair: Pair) -> Decimal:
    """What both legs of a pair hold against each other, base units."""
    long = turn.ledger.quantity(pair.long_leg, pair.pair_id)
    short = turn.ledger.quantity(pair.short_leg, pair.pair_id)
    return max(min(long, -short), Decimal(0))
