"""What equity in stablecoins is worth in dollars, while one of them is off its peg (F44)."""

from __future__ import annotations

from bot.domain.values import Venue
from bot.engine.turn import Turn
from bot.market import pegs


def kept_share(turn: Turn) -> float:
    """The account's equity in dollars, as a share of what its currencies count at par; at most 1."""
    off = {currency: guard for currency, guard in turn.state.pegs.items() if guard.blocked}
    if not off:
        return 1.0
    at_par = worth = 0.0
    for venue in turn.state.venues:
        equity, currency = float(turn.ledger.equity_usd(venue)), currency_of(turn, venue)
        price = pegs.nearest(turn.state.market.pegs, currency, turn.now_ns, None) if currency in off else None
        at_par += equity
        worth += equity * (min(float(price), 1.0) if price is not None else 1.0)
    return max(worth / at_par, 0.0) if at_par > 0 else 1.0


def currency_of(turn: Turn, venue: Venue) -> str:
    """What a venue quotes in (one currency each; the first listed counts)."""
    return next((each.quote for each in turn.state.market.instruments.values() if each.venue == venue), "")
