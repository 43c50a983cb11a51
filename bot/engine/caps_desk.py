"""Leverage caps in use: made anew when a close, a fit or a shock asks for it, and what they ask of pairs and pools."""

from __future__ import annotations

import math

from bot.domain.instrument import Instrument
from bot.domain.values import Coin, Venue
from bot.engine.turn import Turn
from bot.quant.leverage_cap import Side
from bot.risk.leverage import CoinCaps, PoolLeg, coin_caps, equity_needed_usd, is_stale, tier_extra_usd
from bot.strategy.allocation import notional_for_capital
from bot.strategy.verdict import Candidate, PairKind, PairMargin


def refresh(turn: Turn, equity_usd: float) -> None:
    """Bring every coin's caps up to date; `equity_usd` says how much of a coin there may be at most."""
    state, params = turn.state, turn.params
    carry = params.carry
    most_usd = notional_for_capital(max(equity_usd, 0.0) * carry.coin_share_max, carry.capital_per_notional(1))
    for coin, own in state.models.coins.items():
        before, said = state.caps.get(coin), state.models.implied.get(coin)
        implied = None if said is None else said.fresh_annual(turn.now_ns, params.governor.implied_age_h_max)
        if not is_stale(before, own, implied):
            continue
        perps = [rules for rules in state.market.instruments.values() if rules.coin == coin and rules.is_perp]
        caps = coin_caps(coin, own, state.panel.series[own.instrument], perps, params.carry.leverage, params.governor,
                         before, turn.now_ns, most_usd, implied)
        state.caps[coin] = caps
        _tell(turn, before, caps)


def _tell(turn: Turn, before: CoinCaps | None, caps: CoinCaps) -> None:
    """A note when a cap in use has moved or its reasons have changed."""
    if before is not None and (before.short.cap, before.long.cap, before.forecast.reasons) == (
        caps.short.cap, caps.long.cap, caps.forecast.reasons
    ):
        return
    sigma = caps.forecast.sigma_cap_day
    turn.note("leverage_cap", coin=caps.coin, short=f"{caps.short.cap:.3f}", long=f"{caps.long.cap:.3f}",
              binding=caps.short.binding, sigma_day_pct="" if sigma is None else f"{100 * sigma:.3f}",
              source=caps.forecast.source_cap or "", reasons=",".join(caps.forecast.reasons))


def margin_of(turn: Turn, candidate: Candidate) -> PairMargin | None:
    """Equity per notional that the caps ask of a pair's legs; None: it may not be opened, its price is not known."""
    usual, two = 1.0 / turn.params.carry.leverage, candidate.kind is PairKind.PERP_PERP
    if not turn.params.governor.enabled:
        return PairMargin(usual if two else 0.0, usual)
    caps = turn.state.caps.get(candidate.coin)
    if caps is None or not caps.tradable:
        return None
    return PairMargin(1.0 / caps.long.cap + caps.tiers_long if two else 0.0, 1.0 / caps.short.cap + caps.tiers_short)


def cap_of(turn: Turn, coin: Coin, side: Side) -> float:
    """The cap of a side of a coin: the configuration's with the governor off, 0 where nothing is known."""
    if not turn.params.governor.enabled:
        return turn.params.carry.leverage
    caps = turn.state.caps.get(coin)
    return caps.of(side) if caps is not None else 0.0


def pool_leg(turn: Turn, rules: Instrument, notional_usd: float, side: Side) -> PoolLeg:
    """A leg of this size as its pool sees it: its cap, and what the tiers it reaches ask beside."""
    caps = turn.state.caps.get(rules.coin) if turn.params.governor.enabled else None
    if caps is None:
        return PoolLeg(notional_usd, cap_of(turn, rules.coin, side))
    cap = caps.short if side == "short" else caps.long
    return PoolLeg(notional_usd, cap.cap, tier_extra_usd(rules.tiers, cap, notional_usd))


def pool_legs(turn: Turn, venue: Venue) -> list[PoolLeg]:
    """The perpetuals of a venue's futures wallet at their marks; NaN where a mark is missing."""
    legs = []
    for net in turn.ledger.venue_nets(venue):
        rules = turn.instrument(net.instrument)
        if not rules.is_perp or not net.quantity:
            continue
        mark = turn.state.market.marks.get(net.instrument)
        notional = math.nan if mark is None else float(abs(net.quantity) * mark.mark)
        legs.append(pool_leg(turn, rules, notional, "short" if net.quantity < 0 else "long"))
    return legs


def pool_needs_usd(turn: Turn, venue: Venue) -> float:
    """Equity that a venue's futures wallet needs for its caps, the reserve included."""
    legs = pool_legs(turn, venue)
    reserve = turn.params.carry.reserve_rho * sum(leg.notional_usd for leg in legs)
    return equity_needed_usd(legs) + reserve
