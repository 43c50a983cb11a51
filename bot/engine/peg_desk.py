"""Quote currencies and their pegs: no opens where one is off, exits where it falls far."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import PegPrices
from bot.domain.values import NS_PER_S, Nanos, Venue
from bot.engine import pairs_desk
from bot.engine.peg_worth import currency_of
from bot.engine.turn import Turn
from bot.market import pegs
from bot.portfolio.pairs import PairState
from bot.risk import peg
from bot.risk.peg import PegGuard


def on_prices(turn: Turn, event: PegPrices) -> bool:
    """Fold what a venue says; True: it is to be judged once every event of this instant is folded."""
    market, near_pct = turn.state.market, turn.params.risk.peg.block_pct / 2
    market.odd_prices += pegs.fold(market.pegs, event)
    for currency, price in event.prices:
        guard = turn.state.pegs.setdefault(currency, PegGuard())
        calm = guard == PegGuard() and price.is_finite() and 100 * abs(float(price) - 1.0) <= near_pct
        turn.state.pegs_due = turn.state.pegs_due or not calm
    return turn.state.pegs_due


def run_due(turn: Turn) -> None:
    """Judge every currency whose price has moved, and those whose price has grown old."""
    for currency, guard in turn.state.pegs.items():
        price = pegs.nearest(turn.state.market.pegs, currency, turn.now_ns, _age_ns(turn))
        if price is None:
            _grown_old(turn, currency, guard)
        elif turn.state.pegs_due:
            _judge(turn, currency, guard, price)
    turn.state.pegs_due = False


def next_ns(turn: Turn) -> Nanos | None:
    """When the next price has grown old."""
    due = [newest + _age_ns(turn) + 1 for currency, guard in turn.state.pegs.items() if not guard.unknown
           and (newest := pegs.newest_ns(turn.state.market.pegs, currency)) is not None]
    return Nanos(min(due)) if due else None


def _age_ns(turn: Turn) -> int:
    params = turn.params.risk.peg
    return int(max(params.age_s_max, 2 * turn.state.session.cadence_s) * NS_PER_S)


def _grown_old(turn: Turn, currency: str, guard: PegGuard) -> None:
    if guard.unknown:
        return
    guard.unknown, guard.off_since_ns, guard.far_since_ns, guard.calm_since_ns = True, None, None, None
    turn.note("peg_unknown", currency=currency)
    for venue in _venues(turn, currency):
        text = f"no price of {currency} for {_age_ns(turn) // NS_PER_S} s"
        turn.state.modes.block_venue(venue, turn.reason("peg_unknown", text, f"a price of {currency}"))


def _judge(turn: Turn, currency: str, guard: PegGuard, price: Decimal) -> None:
    before = (guard.blocked, guard.closing)
    if guard.unknown:
        guard.unknown = False
        _unblock(turn, currency, "peg_unknown")
    peg.observe(guard, price, turn.now_ns, turn.params.risk.peg)
    if (guard.blocked, guard.closing) == before:
        return
    turn.note("peg_judged", currency=currency, price_usd=price, blocked=guard.blocked, closing=guard.closing)
    if not guard.blocked:
        _unblock(turn, currency, "depeg")
        return
    params, text = turn.params.risk.peg, f"{currency} is at {price:f} USD"
    for venue in _venues(turn, currency):
        lifted_by = f"{currency} within {params.block_pct / 2:g} % of a dollar for {params.calm_s:g} s"
        turn.state.modes.block_venue(venue, turn.reason("depeg", text, lifted_by))
    if not before[0]:
        turn.alert("depeg", f"{currency} is more than {params.block_pct:g} % off a dollar: nothing is opened in it",
                   page=True)
    if guard.closing and not before[1]:
        turn.alert("depeg", f"{currency} is more than {params.close_pct:g} % below a dollar: its pairs are being "
                            "closed", page=True)
        _close(turn, currency)
    _look(turn)


def _close(turn: Turn, currency: str) -> None:
    for pair in tuple(turn.state.pairs.values()):
        if pair.state is not PairState.FLAT and any(turn.instrument(leg).quote == currency for leg in pair.legs):
            pairs_desk.close(turn, pair.pair_id, "depeg")


def _unblock(turn: Turn, currency: str, name: str) -> None:
    for venue in _venues(turn, currency):
        turn.state.modes.unblock_venue(venue, name)
    _look(turn)


def _look(turn: Turn) -> None:
    for pair in turn.state.pairs.values():
        if pair.live:
            turn.look(pair.pair_id)


def _venues(turn: Turn, currency: str) -> tuple[Venue, ...]:
    """The venues that keep our cash in it."""
    return tuple(venue for venue in turn.state.venues if currency_of(turn, venue) == currency)
