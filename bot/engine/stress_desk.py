"""The book as stress sees it: target sizes through each venue's two wallets, with caps, fees, volatilities of now."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from bot.domain.values import InstrumentId, Venue
from bot.engine import caps_desk, hedge_room
from bot.engine.exposure import futures_equity_usd
from bot.engine.turn import Turn
from bot.risk.book_tail import PairLegs
from bot.risk.sheet import StressRow
from bot.risk.stress import StressLimits, StressSheet, stress
from bot.risk.stress_book import StressBook, StressLeg, StressPool
from bot.strategy.allocation import wallet_shares
from bot.strategy.verdict import Candidate

_SPREAD_UNKNOWN = 5e-4


class StressDesk:
    """Stress sheets of one decision: what does not depend on sizes is looked up once."""

    def __init__(self, turn: Turn, candidates: Mapping[str, Candidate], hedge: PairLegs | None = None) -> None:
        """`hedge`: the leg whose size a book may hold under its key."""
        self._turn = turn
        self._hedge = hedge
        self._candidates = candidates
        self._legs: dict[InstrumentId, StressLeg] = {}
        self._equity = {venue: float(turn.ledger.equity_usd(venue)) for venue in turn.state.venues}
        self._futures = {venue: futures_equity_usd(turn, venue) for venue in turn.state.venues}
        self._quotes = {venue: self._quote_of(venue) for venue in turn.state.venues}

    def sheet(self, sizes: Mapping[str, float]) -> StressSheet:
        """Every scenario on a book of these sizes."""
        return stress(self.book(sizes), limits_of(self._turn))

    def book(self, sizes: Mapping[str, float]) -> StressBook:
        """Legs net of all pairs; wallets as the sizes need them: collateral at the caps first, what is left as cash."""
        carry = self._turn.params.carry
        nets: dict[InstrumentId, float] = {}
        spot: dict[Venue, float] = dict.fromkeys(self._equity, 0.0)
        needed: dict[Venue, float] = dict.fromkeys(self._equity, 0.0)
        for key, size in sizes.items():
            if self._hedge is not None and key == self._hedge.key:
                self._with_hedge(self._hedge, size, nets, needed)
                continue
            candidate = self._candidates[key]
            nets[candidate.long_leg] = nets.get(candidate.long_leg, 0.0) + size
            nets[candidate.short_leg] = nets.get(candidate.short_leg, 0.0) - size
            margin = caps_desk.margin_of(self._turn, candidate)
            for venue, coins, collateral in wallet_shares(candidate, carry, margin):
                spot[venue] += coins * size
                needed[venue] += collateral * size
        pools = []
        for venue, equity in self._equity.items():
            free = equity - spot[venue]
            futures = min(max(needed[venue], self._futures[venue]), max(free, 0.0))
            pools.append(StressPool(venue=venue, quote=self._quotes[venue], spot_cash_usd=max(free - futures, 0.0),
                                    futures_equity_usd=futures))
        legs = tuple(msgspec.structs.replace(self._leg(each), notional_usd=net) for each, net in nets.items() if net)
        return StressBook(legs=legs, pools=tuple(pools))

    def _with_hedge(self, hedge: PairLegs, size: float, nets: dict[InstrumentId, float],
                    needed: dict[Venue, float]) -> None:
        """One perpetual more: its notional, and the collateral that its caps ask for."""
        for leg in hedge.legs:
            rules, side = self._turn.instrument(leg), 1.0 if leg == hedge.long_leg else -1.0
            nets[leg] = nets.get(leg, 0.0) + side * size
            needed[rules.venue] += size * hedge_room.margin_rate(self._turn, rules.coin, side)

    def _leg(self, instrument: InstrumentId) -> StressLeg:
        if instrument not in self._legs:
            turn, rules = self._turn, self._turn.instrument(instrument)
            caps = turn.state.caps.get(rules.coin)
            sigma = caps.forecast.sigma_cap_day if caps is not None else None
            quote = turn.state.market.quote(instrument)
            half = _SPREAD_UNKNOWN
            if quote is not None:
                half = (quote.ask_ticks - quote.bid_ticks) / (quote.ask_ticks + quote.bid_ticks)
            self._legs[instrument] = StressLeg(
                instrument=instrument, venue=rules.venue, coin=rules.coin, is_perp=rules.is_perp, notional_usd=0.0,
                taker_fee=float(rules.taker_fee), half_spread=half, tiers=rules.tiers,
                sigma_daily=math.nan if sigma is None else sigma,
            )
        return self._legs[instrument]

    def _quote_of(self, venue: Venue) -> str:
        return next((rules.quote for rules in self._turn.state.market.instruments.values() if rules.venue == venue), "")


def limits_of(turn: Turn) -> StressLimits:
    """The stress limits of this configuration."""
    governor, risk = turn.params.governor, turn.params.risk
    return StressLimits(
        stress_loss_max_pct=governor.stress_loss_max_pct, stress_accepted=governor.stress_accepted,
        margin_top_up_share=risk.margin_top_up_share, margin_reduce_share=risk.margin_reduce_share,
    )


def rows_of(sheet: StressSheet, limits: StressLimits) -> tuple[StressRow, ...]:
    """The sheet as the state keeps it, rounded to the cent."""
    return tuple(
        StressRow(
            name=each.name, text=each.text, history=each.history, accepted=limits.accepts(each.name),
            pnl_usd=round(each.pnl_usd, 2), pnl_pct=round(each.pnl_pct, 4),
            margin_left_usd=None if each.margin_left_usd is None else round(each.margin_left_usd, 2),
            liquidated=tuple(each.liquidated), naked_usd=round(each.naked_usd, 2),
            delta_end_usd=round(each.delta_end_usd, 2), topped_up_usd=round(each.topped_up_usd, 2),
            shrunk_pct=round(each.shrunk_pct, 3),
        )
        for each in sheet.results
    )
