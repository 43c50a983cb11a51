"""Legs: what an owner holds and has out on one, what may be done with it now, and how large a slice of it may be."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import ShowTicks
from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_S, ZERO, InstrumentId, Nanos, OrderId, Owner
from bot.engine import makers
from bot.engine.turn import Turn
from bot.execution.order_states import OrderState
from bot.execution.pair_moves import LegSituation, Permissions
from bot.execution.params import ExecutionParams
from bot.risk.modes import Mode

TICKS_AHEAD_S: Final = 60


def leg_situation(turn: Turn, owner: Owner, leg: InstrumentId) -> LegSituation:
    """What the ledger holds for an owner, what is out, and the quote if there is one."""
    working = gross = doubtful = reducing = 0
    resting: list[OrderId] = []
    resting_ticks: int | None = None
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        intent = order.intent
        if intent.owner != owner or intent.instrument != leg:
            continue
        remaining = turn.lots_now(order)
        if order.state in (OrderState.UNKNOWN, OrderState.SETTLING) or order.doubt_since_ns is not None:
            doubtful += remaining or 1  # an order in doubt is never nothing
            reducing += remaining if intent.reduces_owner else 0
        else:
            working, gross = working + remaining * int(intent.side), gross + remaining
            if intent.time_in_force is not TimeInForce.IOC:
                resting.append(order_id)
                resting_ticks = resting_ticks or intent.limit_price_ticks
    entry = turn.state.market.quotes.get(leg)
    return LegSituation(
        instrument=turn.instrument(leg), quantity=turn.ledger.quantity(leg, owner),
        quote=entry[1] if entry is not None else None, quote_ns=Nanos(entry[0] if entry is not None else 0),
        working_lots=working or gross, doubtful_lots=doubtful, doubtful_reducing_lots=reducing, resting=tuple(resting),
        resting_ticks=resting_ticks, net=turn.ledger.net(leg),
        reachable=venue_reachable(turn, leg),
    )


def permissions_of(turn: Turn, legs: tuple[InstrumentId, ...]) -> Permissions:
    """What they allow an owner of these legs."""
    modes = turn.state.modes
    blocked: list[str] = []
    quiet: int | None = None
    for leg in legs:
        venue = turn.venue_of(leg)
        blocked.extend(modes.venue_reasons(venue))
        blocked.extend(modes.instruments.get(leg, ()))
        if leg in turn.state.market.halted:
            blocked.append("halted")
        quiet = _quiet_until(turn, leg, quiet)
    runs = modes.mode() is Mode.RUN and turn.state.session.trading
    return Permissions(
        exits=all(venue_reachable(turn, leg) for leg in legs),
        ends_flat=turn.state.killed_flatten,
        opens=runs and not blocked,
        opens_after_reconciliation=runs and all(reason == "not_reconciled" for reason in blocked),
        settlement_quiet_until_ns=Nanos(quiet) if quiet is not None else None,
        makers=turn.params.execution.makers and makers.possible(turn),
    )


def venue_reachable(turn: Turn, leg: InstrumentId) -> bool:
    """Whether a leg's venue can be reached and takes our key, as far as we know."""
    venue = turn.venue_of(leg)
    return turn.state.venues[venue].connected and not turn.state.modes.venues_halted.get(venue)


def _quiet_until(turn: Turn, leg: InstrumentId, quiet: int | None) -> int | None:
    """The end of the minute around a leg's settlement, if now lies within it."""
    history = turn.state.market.funding.get(leg)
    if history is None or not turn.instrument(leg).is_perp:
        return quiet
    around = int(turn.params.execution.settlement_quiet_s * NS_PER_S)
    following = history.next_settlement_ns(turn.now_ns)
    for settled in (history.settled_ns, following):
        if settled is not None and settled - around <= turn.now_ns < settled + around:
            quiet = max(quiet or 0, settled + around)
    return quiet


def clip_base(legs: tuple[LegSituation, ...], params: ExecutionParams) -> Decimal:
    """The most a slice takes: a share of the thinner touch, and a bound in USD."""
    sizes = []
    for leg in legs:
        if leg.quote is not None:
            touch = leg.instrument.quantity(min(leg.quote.bid_lots, leg.quote.ask_lots))
            sizes.append(touch * Decimal(repr(params.slice_touch_share)))
            sizes.append(Decimal(repr(params.slice_usd_max)) / leg.instrument.price(leg.quote.ask_ticks))
    return min(sizes) if sizes else ZERO


def min_base(legs: tuple[LegSituation, ...]) -> Decimal:
    """The least base quantity that every leg's venue takes as one order (with 2 % room for the price)."""
    least = ZERO
    for leg in legs:
        rules = leg.instrument
        size = rules.quantity(rules.lots_min)
        if leg.quote is not None:
            size = max(size, Decimal("1.02") * rules.notional_min_usd / rules.price(leg.quote.bid_ticks))
        least = max(least, size)
    return least


def show_ticks(turn: Turn) -> None:
    """The feed shows its finest ticks while something of ours moves."""
    until = Nanos(turn.now_ns + TICKS_AHEAD_S * NS_PER_S)
    if until - turn.state.ticks_until_ns >= TICKS_AHEAD_S * NS_PER_S // 2:
        turn.state.ticks_until_ns = until
        turn.commands.append(ShowTicks(until))
