"""Builds the risk sheet from the engine's state: what `risk`, the control socket and reports show."""

from __future__ import annotations

import math

from bot.domain.values import Coin, Venue
from bot.engine import caps_desk, hedge_room, margin_desk
from bot.engine.turn import Turn
from bot.quant.leverage_cap import LeverageCap
from bot.risk.leverage import CoinCaps, equity_needed_usd, fit_age_days
from bot.risk.sheet import BetaRow, CoinRow, LimitRow, MarginRow, RiskSheet, TailRow

_RECENT_DAYS = 30


def build_sheet(turn: Turn) -> RiskSheet:
    """The sheet at the engine's time. Reads only; money to the cent."""
    state, params = turn.state.governor, turn.params.governor
    equity = float(turn.equity_usd())
    margin = tuple(_margin(turn, venue) for venue in turn.state.venues)
    limits = tuple(_limits(turn, equity, margin))
    worst = "ok"
    for row in limits:
        if row.state == "hard" or (row.state in ("soft", "unknown") and worst == "ok"):
            worst = "hard" if row.state == "hard" else "soft"
    return RiskSheet(
        at_ns=turn.now_ns, enabled=params.enabled, equity_usd=round(equity, 2),
        verdict=worst if params.enabled else "off", reviewed_ns=state.reviewed_ns, limits=limits,
        coins=tuple(_coin(turn, caps) for caps in turn.state.caps.values()), tail=_tail(turn), stress=state.stress,
        margin=margin, record_days=len(state.record), breaches99=sum(day.breach99 for day in state.record),
        recent=tuple(state.record[-_RECENT_DAYS:]), tests=state.tests, cuts=tuple(state.cuts), beta=_beta(turn),
    )


def _beta(turn: Turn) -> BetaRow | None:
    last = turn.state.hedge.last
    if last is None:
        return None
    found = ((coin, turn.memory.beta_of(turn.state, turn.params.hedge, coin)) for coin in turn.state.models.coins)
    return BetaRow(
        at_ns=last.at_ns, beta_before=last.beta_before, beta=last.beta_after, target_beta=last.target_beta,
        band=last.band, inside=last.inside, exposure_usd=last.exposure_usd, instrument=last.instrument or "",
        hedge_usd=last.wanted_usd, reason=last.reason, cap=last.cap,
        cap_usd=last.cap_usd,
        coins=tuple((coin, beta.value, beta.se) for coin, beta in found if beta is not None),
    )


def _tail(turn: Turn) -> TailRow | None:
    state = turn.state.governor
    if not (state.sizes or state.hedge_usd):
        return None
    pending = state.pending
    return TailRow(
        method=state.method, reason=state.reason, level_es=turn.params.governor.es_level, es_usd=state.es_usd,
        var_es_level_usd=state.var_usd, var95_usd=pending.var95_usd if pending is not None else None,
        var99_usd=pending.var99_usd if pending is not None else None, parts=tuple(state.parts.items()),
        tightened=state.tightened, tightened_why=state.tightened_why,
    )


def _coin(turn: Turn, caps: CoinCaps) -> CoinRow:
    own = turn.state.models.coins.get(caps.coin)
    models = own.models if own is not None else None
    garch = models.garch if models is not None else None
    forecast = caps.forecast
    return CoinRow(
        coin=caps.coin, instrument=own.instrument if own is not None else "",
        sigma_day_pct=_pct(forecast.sigma_cap_day), source=forecast.source_cap or "",
        sigma_size_day_pct=_pct(forecast.sigma_size_day), source_size=forecast.source_size or "",
        models=tuple((each.source, round(100.0 * each.sigma_day, 4)) for each in forecast.models),
        reasons=tuple(reason.value for reason in forecast.reasons), cap_short=round(caps.short.cap, 4),
        cap_long=round(caps.long.cap, 4), binding_short=caps.short.binding, binding_long=caps.long.binding,
        distance_short_pct=_move(caps.short), jump_short_pct=_pct(None if caps.short.jump is None
                                                                  else math.expm1(caps.short.jump)),
        fitted_model=garch.model if garch is not None else "", fit_age_days=fit_age_days(caps, turn.now_ns),
        fit_points=models.points if models is not None else 0,
        persistence=garch.persistence if garch is not None else None, nu=garch.nu if garch is not None else None,
        loglik_point=models.loglik_per_point if models is not None else None,
        bic=models.bic if models is not None else None, barrier_scale=round(caps.scale, 4),
        barrier_windows=caps.windows, tiers_short_pct=_pct(caps.tiers_short),
    )


def _move(cap: LeverageCap) -> float | None:
    return None if cap.distance is None else round(100.0 * math.expm1(cap.distance), 3)


def _pct(fraction: float | None) -> float | None:
    return None if fraction is None else round(100.0 * fraction, 4)


def _margin(turn: Turn, venue: Venue) -> MarginRow:
    pool = margin_desk.pool_of(turn, venue)
    legs = caps_desk.pool_legs(turn, venue)
    needed = equity_needed_usd(legs)
    known = math.isfinite(pool.equity_usd)
    reference = margin_desk.reference_of(turn, turn.state.venues[venue], pool) if legs else None
    risk = turn.params.risk
    holds = known and pool.notional_usd > 0
    allowed = pool.notional_usd / needed if holds and math.isfinite(needed) and needed > 0 else None
    return MarginRow(
        venue=venue, equity_usd=round(pool.equity_usd, 2) if known else None,
        notional_usd=round(pool.notional_usd, 2) if known else None,
        maintenance_usd=round(pool.maintenance_usd, 2) if known else None,
        needed_usd=round(needed, 2) if math.isfinite(needed) else None,
        leverage=round(pool.notional_usd / pool.equity_usd, 4) if holds and pool.equity_usd > 0 else None,
        leverage_allowed=None if allowed is None else round(allowed, 4), distance_pct=_pct(pool.distance),
        reference_pct=_pct(reference),
        top_up_below_pct=None if reference is None else _pct(reference * risk.margin_top_up_share),
        reduce_below_pct=None if reference is None else _pct(reference * risk.margin_reduce_share),
    )


def _limits(turn: Turn, equity: float, margin: tuple[MarginRow, ...]) -> list[LimitRow]:
    state, params = turn.state.governor, turn.params.governor
    soft = params.soft_share
    rows = []
    if state.sizes or state.hedge_usd:
        rows.append(_row("es", "book", state.es_usd, state.es_limit_usd, "usd", soft))
        worst = next((row for row in state.stress if not row.accepted), None)
        if worst is not None:
            rows.append(_row(f"stress:{worst.name}", "book", max(-worst.pnl_pct, 0.0), params.stress_loss_max_pct, "%",
                             soft))
    rows += [_row("leverage", each.venue, each.leverage, each.leverage_allowed or 0.0, "x", 1.0)
             for each in margin if each.notional_usd]
    if turn.state.hedge.legs:
        gross = sum(abs(hedge_room.held_usd(turn, leg)) for leg in turn.state.hedge.legs)
        rows.append(_row("hedge_notional", "hedge", gross, turn.params.hedge.notional_share_max * equity, "usd", 1.0))
    rows += _concentration(turn, equity)
    peak = turn.state.stops.peak_usd
    if peak is not None and peak > 0:
        fall = max(100.0 * (1.0 - equity / float(peak)), 0.0)
        rows.append(_row("drawdown", "book", fall, params.drawdown_scale_to_pct, "%",
                         params.drawdown_scale_from_pct / params.drawdown_scale_to_pct))
    day = turn.state.stops.day_start_usd
    if day is not None and day > 0:
        loss = max(100.0 * (1.0 - equity / float(day)), 0.0)
        rows.append(_row("daily_loss", "book", loss, turn.params.risk.daily_loss_stop_pct, "%", soft))
    return rows


def _concentration(turn: Turn, equity: float) -> list[LimitRow]:
    """Capital bound per coin, bucket and venue, as shares of equity; at a cap is where the allocation leaves them."""
    if equity <= 0:
        return []
    carry, params = turn.params.carry, turn.params.governor
    coins: dict[str, float] = {}
    venues: dict[str, float] = {}
    for pair in turn.state.pairs.values():
        if not pair.live:
            continue
        for leg in pair.legs:
            rules, price = turn.instrument(leg), turn.state.market.mid(leg)
            if price is None:
                continue
            notional = float(abs(turn.ledger.quantity(leg, pair.pair_id)) * price)
            cap = caps_desk.cap_of(turn, rules.coin, "long" if leg == pair.long_leg else "short")
            bound = notional * ((1.0 / cap if cap > 0 else 1.0) + carry.reserve_rho / 2) if rules.is_perp else notional
            coins[rules.coin] = coins.get(rules.coin, 0.0) + bound
            venues[rules.venue] = venues.get(rules.venue, 0.0) + bound
    slack = 1.0 / (1.0 + carry.resize_share_min)
    rows = [_row("coin_share", coin, bound / equity, carry.coin_share_max / slack, "share", slack)
            for coin, bound in coins.items()]
    if len(turn.state.venues) > 1:
        rows += [_row("venue_share", venue, bound / equity, carry.venue_share_max / slack, "share", slack)
                 for venue, bound in venues.items()]
    if params.enabled and coins:
        buckets: dict[int, float] = {}
        number = turn.memory.buckets(turn.state, params)
        for coin, bound in coins.items():
            place = number.get(Coin(coin))
            if place is not None:
                buckets[place] = buckets.get(place, 0.0) + bound
        rows += [_row("bucket_share", "+".join(coin for coin, at in number.items() if at == place), most / equity,
                      params.bucket_share_max / slack, "share", slack) for place, most in buckets.items()]
    return rows


def _row(limit: str, scope: str, value: float | None, allowed: float, unit: str, soft: float) -> LimitRow:
    if value is None or not math.isfinite(value):
        return LimitRow(limit=limit, scope=scope, value=None, allowed=round(allowed, 4), unit=unit, state="unknown")
    state = "hard" if value > allowed else "soft" if value > soft * allowed else "ok"
    return LimitRow(limit=limit, scope=scope, value=round(value, 4), allowed=round(allowed, 4), unit=unit, state=state)
