"""Market events folded into what we know, and into the ledger where a settlement must be remembered."""

from __future__ import annotations

from bot.domain.events import BarsClosed, FundingSettled, ReferenceRate
from bot.domain.market_events import IMPLIED_VOLATILITY
from bot.domain.values import Coin
from bot.engine.judging import basis_tracker
from bot.engine.turn import Turn
from bot.risk.models import Implied
from bot.strategy.verdict import Candidate


def on_funding_settled(turn: Turn, event: FundingSettled) -> None:
    """Rates enter the forecasts; who held what at the settlement is kept until the venue has paid."""
    carry = turn.params.carry
    turn.state.market.fold_funding(event, half_life_h=carry.forecast_half_life_h,
                                   slow_half_life_h=carry.slow_half_life_h)
    for rate in event.rates:
        if turn.ledger.net(rate.instrument) or turn.ledger.owners(rate.instrument):
            turn.revalue(rate.instrument)
            turn.ledger.note_settlement(rate.instrument, rate.settled_ns)


def on_bars(turn: Turn, event: BarsClosed, candidates: tuple[Candidate, ...]) -> None:
    """Closes; before trading begins they also warm the basis where both legs closed at one instant."""
    market = turn.state.market
    market.fold_bars(event)
    if turn.state.session.trading:
        return
    closed = {bar.instrument for bar in event.bars}
    for candidate in candidates:
        if candidate.blocked or not (candidate.long_leg in closed or candidate.short_leg in closed):
            continue
        long, short = market.closes.get(candidate.long_leg), market.closes.get(candidate.short_leg)
        if long is not None and short is not None and long[0] == short[0] == event.at_ns:
            basis_tracker(turn, candidate).observe(event.at_ns, float(long[1]), float(short[1]))


def on_reference_rate(turn: Turn, event: ReferenceRate) -> None:
    """What idle cash would earn from now on, or what options say of a coin's volatility."""
    if event.name.startswith(IMPLIED_VOLATILITY):
        coin = Coin(event.name.removeprefix(IMPLIED_VOLATILITY))
        turn.state.models.implied[coin] = Implied(event.at_ns, event.annual)
        return
    turn.state.market.hurdle_annual = event.annual
    turn.state.market.hurdle_ns = event.at_ns
