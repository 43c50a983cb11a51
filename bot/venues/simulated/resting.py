"""Orders that rest: their place in the queue, and how prints, quotes and bars fill them.

Where ticks are shown, the displayed size at arrival stands before us; prints at our price work it off, and of a size
that shrinks without prints a stated share stood before us. On bars a stated model applies (`params`).
"""

from __future__ import annotations

from bot.domain.events import Bar, OrderStatus, Print, Quote
from bot.domain.orders import TimeInForce
from bot.domain.values import Nanos, Side
from bot.market.book import LADDER_BPS, ladder
from bot.venues.simulated.account import VenueOrder
from bot.venues.simulated.desk import Desk


def join_queue(desk: Desk, order: VenueOrder) -> None:
    """Take a place behind what is displayed at the order's price."""
    quote = desk.board.quotes.get(order.instrument)
    if quote is None:
        return
    touch, displayed = _own_touch(quote, order.side)
    behind = (touch - order.limit_price_ticks) * order.side
    if behind < 0:
        order.ahead_lots, order.displayed_lots = 0, None
    elif behind == 0:
        order.ahead_lots, order.displayed_lots = displayed, displayed
    else:
        order.ahead_lots, order.displayed_lots = _depth_at(quote, order), None


def _own_touch(quote: Quote, side: Side) -> tuple[int, int]:
    return (quote.bid_ticks, quote.bid_lots) if side is Side.BUY else (quote.ask_ticks, quote.ask_lots)


def _depth_at(quote: Quote, order: VenueOrder) -> int:
    """The displayed part of the depth in whose range the price lies; beyond the last level, as much as there."""
    behind = ladder(quote, order.side.opposite)[-len(LADDER_BPS):]
    for price, lots in behind:
        if (order.limit_price_ticks - price) * order.side >= 0:
            return lots
    return behind[-1][1] if behind else 0


# ----------------------------------------------------------------------------------------------------- ticks


def on_quote(desk: Desk, at_ns: Nanos, quote: Quote, ticks: bool) -> None:
    """A new quote: orders it crosses fill at their own price, as far as it reaches; queues shrink with what is shown.

    On bars (`ticks` False) post-only orders are left to the bar's rule.
    """
    for order in desk.account.open_of(quote.instrument):
        if order.time_in_force is TimeInForce.POST_ONLY and not ticks:
            continue
        _shrink_queue(desk, order, quote)
        reached = 0
        for price, lots in desk.board.levels(quote.instrument, order.side):
            wanted = order.open_lots - reached
            if wanted <= 0 or (price - order.limit_price_ticks) * order.side > 0:
                break
            part = desk.lots_allowed(order, reached + min(lots, wanted)) - reached
            if part <= 0:
                break
            desk.board.take(quote.instrument, price, part)
            reached += part
        _fill(desk, at_ns, order, reached)


def _shrink_queue(desk: Desk, order: VenueOrder, quote: Quote) -> None:
    touch, displayed = _own_touch(quote, order.side)
    behind = (touch - order.limit_price_ticks) * order.side
    if behind < 0:  # the market's own touch lies behind our price: nobody is left before us
        order.ahead_lots, order.displayed_lots = 0, None
    elif behind > 0:
        order.displayed_lots = None
    else:
        if order.displayed_lots is not None and displayed < order.displayed_lots:
            gone = int((order.displayed_lots - displayed) * desk.params.cancels_ahead_share)
            order.ahead_lots = max(order.ahead_lots - gone, 0)
        order.ahead_lots = min(order.ahead_lots, displayed)
        order.displayed_lots = displayed


def on_print(desk: Desk, at_ns: Nanos, seen: Print) -> None:
    """A public trade: at our price it works off the queue and then us; beyond our price it must have filled us."""
    given = 0
    for order in desk.account.open_of(seen.instrument):
        if seen.side is order.side:
            continue
        beyond = (order.limit_price_ticks - seen.price_ticks) * order.side
        if beyond > 0:
            _fill(desk, at_ns, order, desk.lots_allowed(order, order.open_lots))
        elif beyond == 0:
            left = seen.quantity_lots - order.ahead_lots - given
            order.ahead_lots = max(order.ahead_lots - seen.quantity_lots, 0)
            if order.displayed_lots is not None:  # what traded is no cancel: do not count its absence again
                order.displayed_lots = max(order.displayed_lots - seen.quantity_lots, 0)
            lots = desk.lots_allowed(order, min(max(left, 0), order.open_lots))
            given += lots
            _fill(desk, at_ns, order, lots)


# ------------------------------------------------------------------------------------------------------ bars


def on_bar(desk: Desk, at_ns: Nanos, bar: Bar) -> None:
    """A finished bar of an instrument without ticks: short bars fill, reported at their close, long ones expire.

    Filled is what the bar traded through by a tick, up to a share of its volume in all.
    """
    orders = desk.account.open_of(bar.instrument)
    if not orders or bar.instrument in desk.board.valued_quotes:
        return
    if bar.length_s > desk.params.maker_bar_s_max:
        for order in orders:
            if order.time_in_force is TimeInForce.POST_ONLY:
                desk.close(at_ns, order, OrderStatus.EXPIRED)
        return
    instrument = desk.instruments[bar.instrument]
    budget = int(bar.volume_base * desk.params.maker_bar_volume_share / float(instrument.lot_size))
    for order in orders:
        price, tick = instrument.price(order.limit_price_ticks), instrument.tick_size
        through = bar.low <= price - tick if order.side is Side.BUY else bar.high >= price + tick
        if not through:
            continue
        lots = desk.lots_allowed(order, min(order.open_lots, budget))
        budget -= lots
        _fill(desk, at_ns, order, lots)


def _fill(desk: Desk, at_ns: Nanos, order: VenueOrder, lots: int) -> None:
    """A maker's fill at its own price. An order that an earlier fill of this round has closed stays closed."""
    if lots <= 0 or order.status is not OrderStatus.OPEN:
        return
    desk.fill(at_ns, order, lots, order.limit_price_ticks, maker=True)
    if order.open_lots == 0:
        desk.close(at_ns, order, OrderStatus.FILLED)
    desk.drop_idle_reduce_only(at_ns, order.instrument)
