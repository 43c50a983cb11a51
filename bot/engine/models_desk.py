"""Models: the panel closed hour by hour, forecasts moved on with it, fits asked for when due, their answers taken."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from bot.domain.commands import FitModels, FitSeries
from bot.domain.events import ClosesKnown, ModelsFitted
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, Coin, InstrumentId
from bot.engine.state import EngineState
from bot.engine.turn import Turn
from bot.market.panel import Panel, Series
from bot.quant.symbol_models import FitRequest
from bot.quant.volatility import SymbolModels
from bot.risk.governor_params import GovernorParams
from bot.risk.models import CoinModels, ModelsState

ASK_AGAIN_NS: Final = 10 * NS_PER_MINUTE
"""A request without an answer for so long is asked again."""
RETRY_NS: Final = NS_PER_DAY
"""A series that could not be fitted, or that a shock has hit, is fitted again after so long at the earliest."""


def close_hours(state: EngineState, params: GovernorParams, now_ns: int) -> None:
    """Close the hours that have passed; every coin's forecast moves on with them."""
    panel = state.panel
    closed = panel.close_hours(now_ns, state.market)
    if not closed:
        return
    days = closed // 24 > (closed - 1) // 24
    for coin, instrument in _newcomers(state):
        state.models.coins[coin] = rebuilt(panel, instrument, params)
    for models in state.models.coins.values():
        series = panel.series[models.instrument]
        models.close_hour(_last_return(series.hours), params.volatility)
        if days:
            _close_days(models, series, params)
        _close_window(models, series, closed, params)


def on_closes_known(turn: Turn, event: ClosesKnown) -> None:
    """Public history replaces what was folded of it, and forecasts are made anew from it."""
    state, params = turn.state, turn.params.governor
    state.panel.fold_known(event)
    for coin in {turn.instrument(known.instrument).coin: None for known in event.closes}:
        instrument = reference_perp(state, coin)
        if instrument is not None:
            before, fresh = state.models.coins.get(coin), rebuilt(state.panel, instrument, params)
            if before is not None and before.instrument == instrument and (
                before.barrier.windows > fresh.barrier.windows
            ):
                fresh.barrier = before.barrier  # public history reaches back five weeks of hours, our own count further
            state.models.coins[coin] = fresh


def on_fitted(turn: Turn, event: ModelsFitted) -> None:
    """A worker's answer; one that was not asked for, or asked by a process that is gone, is dropped."""
    state = turn.state
    if event.request_id != state.models.request_id:
        turn.note("fit_dropped", request_id=event.request_id, why="not the request that is out")
        return
    state.models.request_id, state.models.failed = "", event.why
    if event.why:
        turn.alert("models_not_fitted", f"the worker failed: {event.why}; the fallbacks serve")
        return
    told = []
    for fit in event.fits:
        own = state.models.coins.get(fit.coin)
        if own is None:
            continue
        models = msgspec.msgpack.decode(fit.models, type=SymbolModels)
        series = state.panel.series[own.instrument]
        first = models.data_ns // NS_PER_DAY + 1
        own.take(models, [_day_return(series, day) for day in range(first, own.day + 1)])
        told.append(f"{fit.coin}:{'/'.join(own.refused) or 'ok'}")
    turn.note("models_fitted", request_id=event.request_id, coins=",".join(told))


def on_session(turn: Turn) -> None:
    """Whoever was asked is gone with its process: what is due is asked for again."""
    models = turn.state.models
    if models.request_id:
        for own in models.coins.values():
            own.asked_ns = 0
    models.request_id, models.look_ns = "", 0


def ask(turn: Turn) -> None:
    """Ask for the fits that are due, all in one request; at most one is out at a time."""
    models, params = turn.state.models, turn.params.governor
    if turn.now_ns < models.look_ns or not params.models:
        return
    models.look_ns = turn.now_ns // NS_PER_HOUR * NS_PER_HOUR + NS_PER_HOUR
    if models.request_id:
        if turn.now_ns - models.requested_ns < ASK_AGAIN_NS:
            models.look_ns = models.requested_ns + ASK_AGAIN_NS
            return
        turn.note("fit_overdue", request_id=models.request_id)
        _give_up(models)
    due = [coin for coin, own in models.coins.items() if _due(turn, own)]
    if due:
        _request(turn, due)


def _give_up(models: ModelsState) -> None:
    """Nobody answers this request any more: what it asked for is due again, a late answer is dropped."""
    for own in models.coins.values():
        if own.asked_ns == models.requested_ns:
            own.asked_ns = 0
    models.request_id = ""


def _due(turn: Turn, own: CoinModels) -> bool:
    params = turn.params.governor
    since_ns = turn.now_ns - own.asked_ns
    period_ns = int(params.volatility.refit_days * NS_PER_DAY)
    if own.asked_ns and since_ns < period_ns:
        again = own.refused or own.shocked(params.volatility)
        if not again or since_ns < RETRY_NS:
            return False
    return turn.state.panel.series[own.instrument].days_known > params.fit_points_min


def _request(turn: Turn, due: list[Coin]) -> None:
    models, params, panel = turn.state.models, turn.params.governor, turn.state.panel
    models.requests += 1
    models.request_id = f"m{turn.state.session.epoch}-{models.requests}"
    models.requested_ns = turn.now_ns
    models.look_ns = min(models.look_ns, turn.now_ns + ASK_AGAIN_NS)
    series = []
    for coin in due:
        own = models.coins[coin]
        own.asked_ns = turn.now_ns
        days = params.volatility.window_days
        rows = panel.series[own.instrument]
        garch = own.models.garch if own.models is not None else None
        request = FitRequest(
            symbol=coin, daily_returns=_known(panel.daily_returns(own.instrument, days).tolist()),
            realised=tuple(rows.realised[-days:]), data_ns=own.day * NS_PER_DAY,
            start=garch if garch is not None and garch.model == params.models[0] else None, models=params.models,
        )
        series.append(FitSeries(coin, msgspec.msgpack.encode(request)))
    stamp_ns = max(models.coins[coin].day for coin in due) * NS_PER_DAY
    turn.commands.append(FitModels(models.request_id, stamp_ns, tuple(series)))


def _known(values: list[float]) -> tuple[float | None, ...]:
    return tuple(None if value != value else value for value in values)


# ----------------------------------------------------------------------------------------------- moving forecasts on


def rebuilt(panel: Panel, instrument: InstrumentId, params: GovernorParams) -> CoinModels:
    """The forecasts of a perpetual as if every close on record had been seen one by one."""
    series, own = panel.series[instrument], CoinModels(instrument=instrument)
    hours = iter(_hourly(series))
    pending = next(hours, None)
    for place in range(1, len(series.closes)):
        day, closed = series.first_day + place, 0
        while pending is not None and pending[0] <= day * 24:
            closed = pending[0]
            own.close_hour(pending[1], params.volatility)
            if closed < day * 24:
                _close_window(own, series, closed, params)
            pending = next(hours, None)
        own.close_day(day, _day_return(series, day), series.realised[place], params.volatility)
        if closed == day * 24:
            _close_window(own, series, closed, params)
    while pending is not None:
        own.close_hour(pending[1], params.volatility)
        _close_window(own, series, pending[0], params)
        pending = next(hours, None)
    return own


def _close_window(own: CoinModels, series: Series, hour: int, params: GovernorParams) -> None:
    """Between two rebalances lies a window of hourly closes; its end is a multiple of its length, UTC."""
    hours = max(1, round(params.caps.rebalance_h))
    end = hour - series.first_hour
    if hour % hours == 0 and end >= hours:
        own.close_window(hour, series.hours[end - hours:end + 1], params.volatility)


def _hourly(series: Series) -> list[tuple[int, float | None]]:
    return [(series.first_hour + place, _log_return(series.hours[place - 1], series.hours[place]))
            for place in range(1, len(series.hours))]


def _newcomers(state: EngineState) -> list[tuple[Coin, InstrumentId]]:
    """Coins whose perpetuals have begun to have closes."""
    found = []
    if len(state.models.coins) < len(state.panel.series):
        for coin in dict.fromkeys(rules.coin for rules in state.market.instruments.values() if rules.is_perp):
            instrument = reference_perp(state, coin) if coin not in state.models.coins else None
            if instrument is not None:
                found.append((coin, instrument))
    return found


def reference_perp(state: EngineState, coin: Coin) -> InstrumentId | None:
    """The perpetual that stands for a coin's price: the one with the longest history; ties by name."""
    found: tuple[int, InstrumentId] | None = None
    for instrument, rules in state.market.instruments.items():
        series = state.panel.series.get(instrument)
        if rules.coin != coin or not rules.is_perp or series is None or not series.hours:
            continue
        rank = (-series.days_known, instrument)
        if found is None or rank < found:
            found = rank
    return found[1] if found is not None else None


def _close_days(own: CoinModels, series: Series, params: GovernorParams) -> None:
    last = series.first_day + len(series.closes) - 1
    for day in range(max(own.day + 1, series.first_day + 1), last + 1):
        own.close_day(day, _day_return(series, day), series.realised[day - series.first_day], params.volatility)


def _day_return(series: Series, day: int) -> float | None:
    place = day - series.first_day
    if not 1 <= place < len(series.closes):
        return None
    return _log_return(series.closes[place - 1], series.closes[place])


def _last_return(closes: list[float | None]) -> float | None:
    return _log_return(closes[-2], closes[-1]) if len(closes) > 1 else None


def _log_return(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else math.log(after / before)
