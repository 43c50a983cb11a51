"""Worst-case exposure (R5): what is held, open, unknown and about to be sent, as if all of it filled."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.errors import Unavailable
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent
from bot.domain.values import HEDGE, NS_PER_HOUR, NS_PER_MINUTE, InstrumentId, Side, Venue
from bot.engine import breaker_desk, caps_desk, peg_worth
from bot.engine.turn import Turn
from bot.portfolio.ledger_reading import VenueNet
from bot.quant.leverage_cap import Side as CapSide
from bot.risk import throttle
from bot.risk.leverage import equity_needed_usd
from bot.risk.limits import Exposure

HEDGE_ROOM = 1.15
"""A hedge may bring a pool so far beyond its caps: one leg alone is worse than two a little too large."""


def exposure_of(turn: Turn, intent: OrderIntent, lots_step: int = 1) -> Exposure:
    """All that `risk/limits` wants to know before this order; unknown values are NaN, which refuses an opening.

    Args:
        lots_step: what a shrunk size must be a multiple of.
    """
    if intent.reduces_owner:
        return _reducing()
    state = turn.state
    instrument = turn.instrument(intent.instrument)
    equity = float(turn.equity_usd()) * peg_worth.kept_share(turn)
    notional = float(instrument.quantity(intent.quantity_lots) * instrument.price(intent.limit_price_ticks))
    gross, venue_gross, venue_perp = gross_worst_usd(turn, intent.venue)
    needs = _pool_needs_usd(turn, intent, notional) if instrument.is_perp else (0.0, 0.0)
    recent = [row for row in state.recent_opens if turn.now_ns - row[0] <= NS_PER_HOUR]
    state.recent_opens[:] = recent
    blocked = state.modes.blocks_open(intent.venue, intent.instrument)
    if not blocked and intent.instrument in state.market.halted:
        blocked = "halted"
    if not blocked and intent.purpose == "open" and breaker_desk.probe_is_out(turn, intent.venue):
        blocked = "breaker_probing"
    return Exposure(
        blocked=blocked,
        equity_usd=equity,
        order_notional_usd=notional,
        distance_bps=_distance_bps(turn, intent),
        gross_usd=gross,
        venue_gross_usd=venue_gross,
        venue_perp_usd=venue_perp,
        venue_futures_equity_usd=futures_equity_usd(turn, intent.venue),
        is_perp=instrument.is_perp,
        data_age_s=data_age_s(turn, intent.instrument),
        data_age_s_max=data_age_s_max(turn),
        orders_last_minute=sum(1 for row in recent if turn.now_ns - row[0] <= NS_PER_MINUTE),
        notional_last_hour_usd=sum(row[1] for row in recent),
        notional_last_day_usd=throttle.day_usd(state.throttle, turn.now_ns),
        equal_orders=throttle.equal_orders(state.throttle, turn.now_ns, order_key(intent)),
        round_trips=_round_trips(turn, intent),
        pool_needs_usd=needs[0],
        pool_needs_without_usd=needs[1],
        hedge_usd=_hedge_worst_usd(turn, notional) if intent.owner == HEDGE else 0.0,
        hedge_allowed_usd=turn.params.hedge.notional_share_max * equity,
        volatility_unknown=caps_desk.cap_of(turn, instrument.coin, _side(intent)) <= 0.0,
        lots_least=_lots_least(instrument, intent.limit_price_ticks),
        lots_step=lots_step,
    )


def _lots_least(instrument: Instrument, price_ticks: int) -> int:
    """The smallest opening order that the venue takes at this price."""
    if price_ticks <= 0:
        return max(instrument.lots_min, 1)
    value = instrument.lot_size * instrument.price(price_ticks)
    # `//` of decimals cuts towards zero, below zero too: it is no way to round up
    return max(instrument.lots_min, 1, int((instrument.notional_min_usd / value).to_integral_value("ROUND_CEILING")))


def order_key(intent: OrderIntent) -> str:
    """What makes two orders equal: all but their names."""
    return (f"{intent.owner} {intent.instrument} {intent.side.name} {intent.quantity_lots} {intent.limit_price_ticks} "
            f"{intent.purpose}")


def _round_trips(turn: Turn, intent: OrderIntent) -> int:
    """Trips count against what opens a pair; its hedge must follow a leg that is there already."""
    pair = turn.state.pairs.get(intent.owner)
    if pair is None or intent.purpose != "open":
        return 0
    return throttle.trips(turn.state.throttle, turn.now_ns, f"{pair.long_leg}|{pair.short_leg}")


def _side(intent: OrderIntent) -> CapSide:
    return "short" if intent.side is Side.SELL else "long"


def _pool_needs_usd(turn: Turn, intent: OrderIntent, notional_usd: float) -> tuple[float, float]:
    """What the caps ask of the venue's futures wallet if all that is open there filled: with this order, without it."""
    if not turn.params.governor.enabled:
        return 0.0, 0.0
    legs = caps_desk.pool_legs(turn, intent.venue)
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        rules = turn.instrument(order.intent.instrument)
        if order.intent.reduces_owner or not rules.is_perp or rules.venue != intent.venue:
            continue
        size = float(rules.quantity(order.remaining_lots) * rules.price(order.intent.limit_price_ticks))
        legs.append(caps_desk.pool_leg(turn, rules, size, _side(order.intent)))
    own = caps_desk.pool_leg(turn, turn.instrument(intent.instrument), notional_usd, _side(intent))
    # a hedge makes a book safer than the leg alone: the reserve is there for it
    room = HEDGE_ROOM if intent.purpose == "hedge" else 1.0
    return equity_needed_usd([*legs, own]) / room, equity_needed_usd(legs) / room


def _hedge_worst_usd(turn: Turn, notional_usd: float) -> float:
    """All that the hedge holds, whatever its sides, all that is out for it, and this order; NaN without a price."""
    total = notional_usd
    for leg, held in turn.ledger.legs(HEDGE):
        try:
            total += float(abs(held) * turn.state.market.value(leg))
        except Unavailable:
            return float("nan")
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        if order.intent.owner == HEDGE and not order.intent.reduces_owner:
            rules = turn.rules_of(order)
            total += float(rules.quantity(order.remaining_lots) * rules.price(order.intent.limit_price_ticks))
    return total


def _reducing() -> Exposure:
    return Exposure(
        blocked="", equity_usd=0.0, order_notional_usd=0.0, distance_bps=0.0, gross_usd=0.0, venue_gross_usd=0.0,
        venue_perp_usd=0.0, venue_futures_equity_usd=0.0, is_perp=False, data_age_s=0.0, data_age_s_max=0.0,
        orders_last_minute=0, notional_last_hour_usd=0.0,
    )


def gross_worst_usd(turn: Turn, venue: Venue) -> tuple[float, float, float]:
    """Gross notional at worst: of the account, of the venue, of the venue's perps."""
    sizes: dict[InstrumentId, Decimal] = {}
    for book in turn.ledger.state.books.values():
        for holding in book.held.values():
            sizes[book.instrument] = sizes.get(book.instrument, Decimal(0)) + abs(holding.quantity)
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        if not order.intent.reduces_owner:
            each = turn.rules_of(order).quantity(order.remaining_lots)
            sizes[order.intent.instrument] = sizes.get(order.intent.instrument, Decimal(0)) + each
    gross = venue_gross = venue_perp = 0.0
    for instrument_id, size in sizes.items():
        if not size:
            continue
        try:
            usd = float(size * turn.state.market.value(instrument_id))
        except Unavailable:
            usd = float("nan")
        instrument = turn.instrument(instrument_id)
        gross += usd
        if instrument.venue == venue:
            venue_gross += usd
            venue_perp += usd if instrument.is_perp else 0.0
    return gross, venue_gross, venue_perp


def futures_equity_usd(turn: Turn, venue: Venue, nets: tuple[VenueNet, ...] | None = None) -> float:
    """Equity of a venue's futures wallet: cash and unrealised P&L of the net positions, at the newest marks.

    Args:
        turn: the step's turn.
        venue: whose wallet.
        nets: the venue's nets, if the caller has them at hand.
    """
    equity = float(turn.ledger.wallets(venue).futures_usd)
    for net in turn.ledger.venue_nets(venue) if nets is None else nets:
        if turn.instrument(net.instrument).is_perp:
            mark = turn.state.market.marks.get(net.instrument)
            if mark is None:
                return float("nan")
            equity += float(net.quantity * mark.mark - net.cost_usd)
    return equity


def data_age_s(turn: Turn, instrument: InstrumentId) -> float:
    """Age of what an order on this instrument stands on: its quote, and for a perp its venue's marks."""
    market = turn.state.market
    age = market.quote_age_s(instrument, turn.now_ns)
    rules = turn.instrument(instrument)
    if rules.is_perp:
        marks_ns = market.marks_ns.get(rules.venue)
        age = max(age, (turn.now_ns - marks_ns) / 1e9 if marks_ns is not None else float("inf"))
    return age


def data_age_s_max(turn: Turn) -> float:
    """The freshness bound: the table's, or twice the feed's declared cadence where that is longer."""
    cadence = turn.state.session.cadence_s
    return max(turn.params.risk.data_age_s_max, 2 * cadence if cadence > 1 else 0.0)


def _distance_bps(turn: Turn, intent: OrderIntent) -> float:
    instrument = turn.instrument(intent.instrument)
    mid = turn.state.market.mid(intent.instrument)
    mark = turn.state.market.marks.get(intent.instrument)
    if mid is None or (instrument.is_perp and mark is None):
        return float("nan")
    price = float(instrument.price(intent.limit_price_ticks))
    references = [float(mid)] + ([float(mark.mark)] if mark is not None else [])
    return max(int(intent.side) * (price / reference - 1) * 1e4 for reference in references)
