"""How large the hedge may be in an instrument: by collateral, by the account's limits, by what the book shows."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.values import HEDGE, ZERO, Coin, InstrumentId, Venue
from bot.engine import caps_desk
from bot.engine.exposure import futures_equity_usd, gross_worst_usd
from bot.engine.purse import SPOT_ROOM
from bot.engine.turn import Turn
from bot.portfolio.pairs import Pair

SAFE: Final = 0.98
"""Prices move between a decision and its orders."""


class Room(msgspec.Struct, frozen=True):
    """What an instrument's venue could carry more of, USD of notional on one side."""

    notional_usd: float
    futures_usd: float
    """Of it, what the collateral lying in the futures wallet carries already."""
    rate: float
    """Collateral per unit of notional."""
    limit: str
    """What keeps it from being larger: `collateral`, `gross_leverage_max`, `venue_share_max`, `perp_leverage_max`, or
    `volatility_unknown`."""


def margin_rate(turn: Turn, coin: Coin, side: float) -> float:
    """Collateral per unit of a hedge's notional: by the coin's cap or the hedge's own leverage, and the reserve.

    Infinite where no cap is known.
    """
    cap = min(caps_desk.cap_of(turn, coin, "long" if side > 0.0 else "short"), turn.params.hedge.leverage)
    return 1.0 / cap + turn.params.carry.reserve_rho if cap > 0.0 else math.inf


def room_of(turn: Turn, instrument: InstrumentId, side: float) -> Room:
    """How much more hedge of a side fits there, beside all that is held and all that pairs are about to open."""
    rules, risk = turn.instrument(instrument), turn.params.risk
    rate = margin_rate(turn, rules.coin, side)
    if not math.isfinite(rate):
        return Room(0.0, 0.0, rate, "volatility_unknown")
    equity, wallets = futures_equity_usd(turn, rules.venue), turn.ledger.wallets(rules.venue)
    spot_need, futures_need, gross_need = _opening_needs(turn, rules.venue)
    bound = caps_desk.pool_needs_usd(turn, rules.venue) + futures_need
    in_futures = min(equity - bound, float(wallets.futures_usd)) / rate
    in_spot = max(float(wallets.spot_usd) - spot_need, 0.0) / rate
    account = float(turn.equity_usd())
    gross, venue_gross, venue_perp = gross_worst_usd(turn, rules.venue)
    limits = (
        (in_futures + in_spot, "collateral"),
        (risk.gross_leverage_max * account - gross - gross_need, "gross_leverage_max"),
        (risk.venue_share_max * risk.gross_leverage_max * account - venue_gross - gross_need, "venue_share_max"),
        (risk.perp_leverage_max * (equity + in_spot * rate) - venue_perp - gross_need, "perp_leverage_max"),
    )
    unknown = next((name for usd, name in limits if not math.isfinite(usd)), "")
    if unknown:
        return Room(0.0, 0.0, rate, unknown)
    most, name = min(limits)
    return Room(max(SAFE * most, 0.0), max(SAFE * in_futures, 0.0), rate, name)


def _opening_needs(turn: Turn, venue: Venue) -> tuple[float, float, float]:
    """What pairs that are being built will still take there: spot cash, collateral, gross notional."""
    spot = futures = gross = 0.0
    for pair in turn.state.pairs.values():
        parent = pair.parent
        if not pair.live or parent is None or not parent.opening:
            continue
        for leg in pair.legs:
            rules = turn.instrument(leg)
            added = _added_usd(turn, pair, leg, parent.target_base)
            gross += added
            if rules.venue != venue:
                continue
            if rules.is_perp:
                cap = caps_desk.cap_of(turn, rules.coin, "long" if leg == pair.long_leg else "short")
                futures += added * ((1.0 / cap if cap > 0.0 else math.inf) + turn.params.carry.reserve_rho)
            else:
                spot += added * SPOT_ROOM
    return spot, futures, gross


def _added_usd(turn: Turn, pair: Pair, leg: InstrumentId, target_base: Decimal) -> float:
    missing = max(target_base - abs(turn.ledger.quantity(leg, pair.pair_id)), ZERO)
    mid = turn.state.market.mid(leg)
    return float(missing * mid) if mid is not None else math.nan


def held_usd(turn: Turn, instrument: InstrumentId) -> float:
    """Signed notional of the hedge in an instrument at V; NaN without one."""
    held = turn.ledger.quantity(instrument, HEDGE)
    mid = turn.state.market.value_marks.get(instrument) or turn.state.market.mid(instrument)
    return float(held * mid) if mid is not None else math.nan
