"""Builds what people see from the engine's state. Works on a copy of the books: looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from bot.domain.errors import Unavailable
from bot.domain.values import HEDGE, NS_PER_S, ZERO, InstrumentId, Nanos
from bot.engine import margin_desk
from bot.engine.exposure import data_age_s_max, gross_worst_usd
from bot.engine.params import EngineParams
from bot.engine.state import EngineState
from bot.engine.turn import Turn
from bot.engine.view import (
    AttributionView,
    EngineView,
    HedgeView,
    InstrumentModeView,
    LegView,
    LimitView,
    OrderView,
    PairView,
    PositionView,
    ReasonView,
    VenueView,
)
from bot.execution.order_states import OrderState
from bot.market import pegs
from bot.portfolio.ledger import Ledger
from bot.portfolio.ledger_state import LedgerState
from bot.portfolio.pairs import Pair
from bot.risk.modes import Reason

_CENT = Decimal("0.01")


def build_view(state: EngineState, params: EngineParams) -> EngineView:
    """The whole picture at the engine's time."""
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(state.ledger), type=LedgerState)
    turn = Turn(state, Ledger(copy), params, state.now_ns)
    equity = turn.equity_usd()
    parts = turn.ledger.attribution()
    pairs = tuple(_pair(turn, pair) for pair in state.pairs.values() if pair.live)
    start = state.start_equity_usd
    net_pct = float(100 * (equity - start) / start) if start > 0 else 0.0
    peak = state.stops.peak_usd
    day = state.stops.day_start_usd
    drawdown = float(100 * (peak - equity) / peak) if peak is not None and peak > 0 else 0.0
    unhedged = [(Decimal(p.delta_usd), p.unhedged_s) for p in pairs]
    nexts = [p.next_funding_ns for p in pairs if p.next_funding_ns is not None]
    modes = state.modes
    return EngineView(
        at_ns=state.now_ns, kind=state.session.kind, account=state.session.account, epoch=state.session.epoch,
        mode=modes.mode().value, mode_reasons=tuple(f"{r.name}: {r.text}" for r in modes.reasons()),
        equity_usd=_usd(equity), start_equity_usd=_usd(start), net_pct=net_pct,
        day_usd=_usd(equity - day if day is not None else ZERO), drawdown_pct=max(drawdown, 0.0),
        attribution=AttributionView(
            price=_usd(parts.price), basis=_usd(parts.basis), funding=_usd(parts.funding), fees=_usd(parts.fees),
            slippage=_usd(parts.slippage), borrow=_usd(parts.borrow), total=_usd(parts.total),
        ),
        unhedged_usd=_usd(sum((abs(d) for d, _ in unhedged), ZERO)),
        unhedged_s=max((s for _, s in unhedged), default=0.0),
        gross_usd=_usd(sum((abs(row.value_usd) for row in turn.ledger.holdings()), ZERO)),
        pairs=pairs, closed_pairs=state.pairs_closed,
        venues=tuple(_venue(turn, name) for name in state.venues), positions=_positions(turn),
        orders_open=_orders(turn),
        orders_unknown=sum(1 for o in state.live_orders if state.orders[o].state is OrderState.UNKNOWN),
        limits=_limits(turn, float(equity)), alerts=tuple(state.alerts),
        next_funding_ns=Nanos(min(nexts)) if nexts else None,
        idle_reasons=tuple(_last_reasons(state)),
        last_decision_ns=state.decision.at_ns if state.decision is not None else None,
        last_notes=tuple(state.notes[-12:]), hedge=_hedge(turn), reasons=_reasons(modes.reasons()),
        instrument_modes=_instrument_modes(turn),
    )


def _usd(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):f}"


def _pair(turn: Turn, pair: Pair) -> PairView:
    long, short = _leg(turn, pair, pair.long_leg), _leg(turn, pair, pair.short_leg)
    a = turn.ledger.quantity(pair.long_leg, pair.pair_id)
    b = turn.ledger.quantity(pair.short_leg, pair.pair_id)
    price = _price(turn, pair.long_leg) or ZERO
    held = max(min(a, -b), ZERO)
    parts = turn.ledger.attribution(pair.pair_id)
    market = turn.state.market
    funding = market.funding.get(pair.short_leg)
    nexts = [history.next_settlement_ns(turn.now_ns) for leg in pair.legs
             if (history := market.funding.get(leg)) is not None and turn.instrument(leg).is_perp]
    known = [at_ns for at_ns in nexts if at_ns is not None]
    long_mid, short_mid = market.mid(pair.long_leg), market.mid(pair.short_leg)
    basis = None if long_mid is None or short_mid is None else float((short_mid / long_mid - 1) * 10_000)
    since = pair.unhedged_since_ns
    forecast = None if funding is None or not funding.count else _annual_pct(turn, pair)
    return PairView(
        pair_id=pair.pair_id, coin=pair.coin, state=pair.state.value, long_leg=long, short_leg=short,
        notional_usd=_usd(held * price), target_notional_usd=_usd(pair.target_base * price),
        delta_usd=_usd((a + b) * price), unhedged_s=(turn.now_ns - since) / NS_PER_S if since is not None else 0.0,
        opened_ns=pair.opened_ns, funding_usd=_usd(parts.funding), fees_usd=_usd(parts.fees),
        net_usd=_usd(parts.total), forecast_annual_pct=forecast,
        next_funding_ns=Nanos(min(known)) if known else None, basis_bps=basis,
        reason=pair.parent.reason if pair.parent is not None else pair.exit_reason,
    )


def _annual_pct(turn: Turn, pair: Pair) -> float:
    """Funding now expected a year, percent of notional: the fast means of both legs."""
    total = 0.0
    for leg, sign in ((pair.long_leg, -1), (pair.short_leg, 1)):
        history = turn.state.market.funding.get(leg)
        if history is not None and turn.instrument(leg).is_perp:
            total += sign * history.fast_h
    return total * 8760 * 100


def _leg(turn: Turn, pair: Pair, leg: InstrumentId) -> LegView:
    quantity = turn.ledger.quantity(leg, pair.pair_id)
    price = _price(turn, leg)
    distance = None
    if turn.instrument(leg).is_perp and quantity:
        pool = margin_desk.pool_of(turn, turn.venue_of(leg)).distance
        distance = 100 * pool if pool is not None else None
    return LegView(
        instrument=leg, quantity_base=f"{quantity:f}", value_usd=_usd(quantity * price) if price is not None else "",
        price=f"{price:f}" if price is not None else "", liquidation_distance_pct=distance,
    )


def _price(turn: Turn, leg: InstrumentId) -> Decimal | None:
    try:
        return turn.state.market.value(leg)
    except Unavailable:
        return None


def _hedge(turn: Turn) -> HedgeView:
    hedge = turn.state.hedge
    rows = list(turn.ledger.holdings(HEDGE))
    largest = max(rows, key=lambda row: abs(row.value_usd), default=None)
    last, params = hedge.last, turn.params.hedge
    trading = any(leg.parent is not None for leg in hedge.legs.values())
    return HedgeView(
        at_ns=last.at_ns if last is not None else None, beta=last.beta_after if last is not None else None,
        target_beta=params.target_beta, band=last.band if last is not None else params.band,
        reason=last.reason if last is not None else "", state="trading" if trading else "held" if rows else "none",
        instrument=largest.instrument if largest is not None else "",
        notional_usd=_usd(sum((row.value_usd for row in rows), ZERO)),
        net_usd=_usd(turn.ledger.attribution(HEDGE).total),
    )


def _venue(turn: Turn, name: str) -> VenueView:
    venue = turn.state.venues[name]  # type: ignore[index]
    wallets = turn.ledger.wallets(venue.venue)
    pool = margin_desk.pool_of(turn, venue.venue)
    age_ns = turn.state.market.venue_ns.get(venue.venue)
    used = 100 * pool.maintenance_usd / pool.equity_usd if pool.notional_usd > 0 and pool.equity_usd > 0 else None
    return VenueView(
        venue=name, data_age_s=(turn.now_ns - age_ns) / NS_PER_S if age_ns is not None else None,
        connected=venue.connected, reconciled_ns=venue.reconciled_ns,
        blocked=turn.state.modes.venue_reasons(venue.venue), spot_usd=_usd(wallets.spot_usd),
        futures_usd=_usd(wallets.futures_usd), equity_usd=_usd(turn.ledger.equity_usd(venue.venue)),
        margin_used_pct=used,
        open_orders=sum(1 for o in turn.state.live_orders if turn.state.orders[o].intent.venue == venue.venue),
        positions=len(turn.ledger.venue_nets(venue.venue)), mode=turn.state.modes.venue_mode(venue.venue).value,
        reasons=_reasons(turn.state.modes.reasons_at(venue.venue)),
    )


def _reasons(reasons: Iterable[Reason]) -> tuple[ReasonView, ...]:
    return tuple(ReasonView(name=r.name, since_ns=r.since_ns, text=r.text, lifted_by=r.lifted_by) for r in reasons)


def _instrument_modes(turn: Turn) -> tuple[InstrumentModeView, ...]:
    """Instruments with reasons of their own; what has left the market is not shown."""
    modes, listed = turn.state.modes, turn.state.market.instruments
    return tuple(
        InstrumentModeView(instrument=name, venue=listed[name].venue, reasons=_reasons(reasons.values()),
                           mode=modes.instrument_mode(listed[name].venue, name).value)
        for name, reasons in modes.instruments.items() if reasons and name in listed)


def _positions(turn: Turn) -> tuple[PositionView, ...]:
    rows = []
    for row in turn.ledger.holdings():
        average = abs(row.cost_usd / row.quantity) if row.quantity else ZERO
        rows.append(PositionView(
            instrument=row.instrument, owner=row.owner, quantity_base=f"{row.quantity:f}",
            average_price=f"{average:.8f}", price=f"{row.price:f}", value_usd=_usd(row.value_usd),
            unrealised_usd=_usd(row.unrealised_usd), realised_usd=_usd(row.realised_usd),
            funding_usd=_usd(row.funding_usd), fees_usd=_usd(row.fees_usd),
        ))
    return tuple(rows)


def _orders(turn: Turn) -> tuple[OrderView, ...]:
    rows = []
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        rules = turn.rules_of(order)
        rows.append(OrderView(
            order_id=order_id, at_ns=order.sent_ns, instrument=order.intent.instrument, owner=order.intent.owner,
            side=order.intent.side.name.lower(), quantity_base=f"{rules.quantity(order.intent.quantity_lots):f}",
            filled_base=f"{rules.quantity(order.filled_lots):f}",
            limit_price=f"{rules.price(order.intent.limit_price_ticks):f}", state=order.state.value,
            purpose=order.intent.purpose,
        ))
    return tuple(rows)


def _limits(turn: Turn, equity: float) -> tuple[LimitView, ...]:
    limits = turn.params.risk
    rows = []
    if turn.state.venues and equity > 0:
        gross = gross_worst_usd(turn, next(iter(turn.state.venues)))[0]
        rows.append(LimitView(limit="gross_leverage_max", value=gross / equity, allowed=limits.gross_leverage_max,
                              unit="x"))
    peak, day = turn.state.stops.peak_usd, turn.state.stops.day_start_usd
    if peak is not None and peak > 0:
        rows.append(LimitView(limit="drawdown_stop_pct", value=max(100 * (float(peak) - equity) / float(peak), 0.0),
                              allowed=limits.drawdown_stop_pct, unit="%"))
    if day is not None and day > 0:
        rows.append(LimitView(limit="daily_loss_stop_pct", value=max(100 * (float(day) - equity) / float(day), 0.0),
                              allowed=limits.daily_loss_stop_pct, unit="%"))
    for venue in turn.state.venues.values():
        distance = margin_desk.pool_of(turn, venue.venue).distance
        if distance is not None and venue.reference_distance:
            rows.append(LimitView(limit=f"margin_distance_{venue.venue}", value=distance / venue.reference_distance,
                                  allowed=limits.margin_top_up_share, unit="of entry"))
    for currency, guard in turn.state.pegs.items():
        price = pegs.nearest(turn.state.market.pegs, currency, turn.now_ns, None)
        if price is not None and not guard.unknown:
            rows.append(LimitView(limit=f"peg_{currency}", value=abs(100 * float(price - 1)),
                                  allowed=limits.peg.block_pct, unit="%"))
    ages = [(turn.now_ns - at_ns) / NS_PER_S for at_ns in turn.state.market.venue_ns.values()]
    if ages:
        rows.append(LimitView(limit="data_age_s_max", value=max(ages), allowed=data_age_s_max(turn), unit="s"))
    return tuple(rows)


def _last_reasons(state: EngineState) -> list[tuple[str, int]]:
    """Reasons of the last decision, most frequent first."""
    counts: dict[str, int] = {}
    if state.decision is not None:
        for row in state.decision.candidates:
            if row.verdict == "idle":
                counts[row.reason] = counts.get(row.reason, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
