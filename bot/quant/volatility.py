"""The volatility of one symbol: a small state that each closed hour and day moves on, and the forecasts made from it.

Sizing uses the model with the lowest recent QLIKE; caps use the largest of all, floored by the quiet days of its own
year, because an over-forecast is safe there (quant-reference 5.1, 6). Parameters come from `symbol_models`; between
fits they are filtered forward here, one step a day. Variances are fractions squared; only GARCH inside is in per cent.
Everything is plain values, so a state is its own snapshot.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from bot.quant.ewma import FAST_HALF_LIFE_H, SEED_POINTS, SLOW_HALF_LIFE_H, decay_of
from bot.quant.garch import GarchParams, log_density, next_variance, variance_sum
from bot.quant.garch_guards import FitGuards, VolatilityReason, band_reason
from bot.quant.har import MONTH, HarFit, har_next
from bot.quant.seasonality import variance_share

Source = Literal["har", "ewma_realised", "ewma_daily", "garch", "ewma_fast", "ewma_slow", "implied", "venue_realised"]
SIZING: Final[tuple[Source, ...]] = ("har", "ewma_realised", "ewma_daily", "garch")
"""Candidates for sizing, in the order of trust before their losses are known."""
_SPAN_30D: Final = 1.0 - 2.0 / 31.0
_GUARDS: Final = FitGuards()
_YEAR: Final = 365
_DAY_H: Final = 24
_SHOCK_DAYS: Final = 30
_NS_PER_DAY: Final = 86_400_000_000_000


class VolatilityParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How volatility is estimated. Times in hours or days; decays follow from half-lives."""

    window_days: int = 730
    """Daily returns a fit sees."""
    refit_days: float = 7.0
    """Days between fits; a model older than twice that gives way to its fallback."""
    shock_deviations: float = 3.0
    """A mean log-likelihood of the days since the fit (30 at most) so many standard errors below that of the fit's own
    sample asks for a new fit at once."""
    fast_half_life_h: float = FAST_HALF_LIFE_H
    slow_half_life_h: float = SLOW_HALF_LIFE_H
    daily_half_life_d: float = 11.2
    """RiskMetrics' 0.94."""
    realised_half_life_d: float = 4.265
    """0.85 a day."""
    qlike_half_life_d: float = 90.0
    """Age at which a day's loss counts half in the choice of the sizing model."""
    qlike_days_min: int = 30
    """Days of losses before the choice follows them."""
    floor_quantile: float = 0.20
    """Caps use no less than this quantile of the symbol's own daily volatilities of the last year."""

    def __post_init__(self) -> None:
        """Bounds of what makes sense."""
        if not 250 <= self.window_days <= 1_500:
            raise ValueError("window_days must be within 250..1500 daily returns")
        if not 1 <= self.refit_days <= 90:
            raise ValueError("refit_days must be within 1..90 days")
        if not 1 <= self.shock_deviations <= 10:
            raise ValueError("shock_deviations must be within 1..10")
        if not 1 <= self.fast_half_life_h < self.slow_half_life_h <= 2_000:
            raise ValueError("1 <= fast_half_life_h < slow_half_life_h <= 2000 must hold")
        if not (1 <= self.daily_half_life_d <= 365 and 1 <= self.realised_half_life_d <= 365):
            raise ValueError("daily_half_life_d and realised_half_life_d must be within 1..365 days")
        if not (5 <= self.qlike_half_life_d <= 1_000 and 5 <= self.qlike_days_min <= 1_000):
            raise ValueError("qlike_half_life_d and qlike_days_min must be within 5..1000 days")
        if not 0 <= self.floor_quantile < 1:
            raise ValueError("floor_quantile must be within 0..1, 1 excluded")


class Average(msgspec.Struct, frozen=True, array_like=True):
    """An exponential mean whose first `SEED_POINTS` values weigh alike; equals `ewma.smoothed` row by row."""

    value: float = 0.0
    seen: int = 0

    @property
    def known(self) -> float | None:
        """The mean, once it has its seed."""
        return self.value if self.seen >= SEED_POINTS else None

    def with_value(self, value: float, decay: float) -> Average:
        """Moved on by one value."""
        if self.seen < SEED_POINTS:
            return Average((self.value * self.seen + value) / (self.seen + 1), self.seen + 1)
        return Average(decay * self.value + (1.0 - decay) * value, self.seen + 1)


class SymbolModels(msgspec.Struct, frozen=True, kw_only=True):
    """What a fit brings back for one symbol; plain values that enter the engine as part of an event."""

    symbol: str
    garch: GarchParams | None = None
    loglik_per_point: float | None = None
    loglik_sd: float | None = None
    bic: float | None = None
    points: int = 0
    variance_next_pct2: float | None = None
    """GARCH's forecast for the day after `data_ns`, per cent squared."""
    har: HarFit | None = None
    hour_factors: tuple[float, ...] = ()
    """168 seasonal factors of volatility (`seasonality`), or none."""
    reasons: tuple[VolatilityReason, ...] = ()
    data_ns: int = 0
    """Close of the newest day that was read."""


class VolatilityState(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one symbol between closes."""

    fast: Average = Average()
    """Mean squared hourly return."""
    slow: Average = Average()
    daily: Average = Average()
    """Mean squared daily return."""
    span_30d: Average = Average()
    realised: Average = Average()
    """Mean realised variance of a day."""
    garch_pct2: float | None = None
    """Filtered forecast for the next day."""
    logliks: tuple[float, ...] = ()
    """Log-likelihoods of the days since the fit, 30 at most, each under the forecast that stood before it."""
    month: tuple[float | None, ...] = ()
    """Realised variances of the last 30 days, oldest first."""
    losses: tuple[Average, ...] = (Average(),) * len(SIZING)
    """Mean QLIKE by candidate, in the order of `SIZING`."""
    year: tuple[float, ...] = ()
    """Daily volatilities that caps were made from, at most 365, oldest first."""
    floor_day: float | None = None
    """The quiet end of `year`: `floor_quantile` of it."""


class ModelSigma(msgspec.Struct, frozen=True, array_like=True):
    """One model's daily volatility, a fraction."""

    source: Source
    sigma_day: float


class VolatilityForecast(msgspec.Struct, frozen=True, kw_only=True):
    """Two volatilities, where each is from, and why not from elsewhere."""

    sigma_size_day: float | None
    """For sizing and targets: daily, a fraction; None = not tradable."""
    source_size: Source | None
    sigma_cap_day: float | None
    """For caps and floors: the largest of all models."""
    source_cap: Source | None
    models: tuple[ModelSigma, ...] = ()
    reasons: tuple[VolatilityReason, ...] = ()

    @property
    def tradable(self) -> bool:
        """Whether there is any volatility to go by."""
        return self.sigma_cap_day is not None


def hour_closed(state: VolatilityState, hourly_return: float | None, params: VolatilityParams) -> VolatilityState:
    """Move the hourly averages on by one log return (a fraction); None or NaN leaves them as they were."""
    if hourly_return is None or not math.isfinite(hourly_return):
        return state
    square = hourly_return * hourly_return
    return msgspec.structs.replace(
        state, fast=state.fast.with_value(square, decay_of(params.fast_half_life_h)),
        slow=state.slow.with_value(square, decay_of(params.slow_half_life_h)),
    )


def day_closed(
    state: VolatilityState, daily_return: float | None, realised: float | None, models: SymbolModels | None,
    params: VolatilityParams,
) -> VolatilityState:
    """Score yesterday's forecasts against this day, then move every daily average and the GARCH filter on.

    Args:
        daily_return: log return of the day, a fraction; None or NaN = unknown.
        realised: realised variance of the day (`har.realised_variance`), a fraction squared.
        models: those in use.
    """
    daily_return = daily_return if daily_return is not None and math.isfinite(daily_return) else None
    realised = realised if realised is not None and math.isfinite(realised) and realised > 0 else None
    losses = state.losses
    if realised is not None:
        losses = _scored(state, realised, models, params)
    daily, span = state.daily, state.span_30d
    if daily_return is not None:
        square = daily_return * daily_return
        daily = daily.with_value(square, decay_of(params.daily_half_life_d))
        span = span.with_value(square, _SPAN_30D)
    filtered, logliks = state.garch_pct2, state.logliks
    if filtered is not None and models is not None and models.garch is not None:
        if daily_return is not None:
            logliks = (*logliks[-_SHOCK_DAYS + 1:], log_density(100.0 * daily_return, filtered, models.garch))
        filtered = next_variance(models.garch, filtered, math.nan if daily_return is None else 100.0 * daily_return)
    moved = msgspec.structs.replace(
        state, daily=daily, span_30d=span, garch_pct2=filtered, logliks=logliks,
        month=(*state.month[-MONTH + 1:], realised),
        realised=state.realised if realised is None
        else state.realised.with_value(realised, decay_of(params.realised_half_life_d)), losses=losses,
    )
    sigma = forecast(moved, models, params).sigma_cap_day
    if sigma is None:
        return moved
    year = (*moved.year[-_YEAR + 1:], sigma)
    floor = sorted(year)[int(params.floor_quantile * (len(year) - 1))]
    return msgspec.structs.replace(moved, year=year, floor_day=floor if params.floor_quantile > 0 else None)


def with_models(state: VolatilityState, models: SymbolModels) -> VolatilityState:
    """Start filtering from a new fit. Days closed since `models.data_ns` are the caller's to replay."""
    return msgspec.structs.replace(
        state, garch_pct2=models.variance_next_pct2 if models.garch is not None else None, logliks=())


def refit_reason(
    state: VolatilityState, models: SymbolModels | None, now_ns: int, params: VolatilityParams
) -> VolatilityReason | None:
    """Why the symbol should be fitted now; None if its models are young and its days likely."""
    if models is None:
        return VolatilityReason.NO_MODEL
    if now_ns - models.data_ns >= params.refit_days * _NS_PER_DAY:
        return VolatilityReason.REFIT_DUE
    count = len(state.logliks)
    if models.loglik_per_point is None or models.loglik_sd is None or not count:
        return None
    edge = models.loglik_per_point - params.shock_deviations * models.loglik_sd / math.sqrt(count)
    return VolatilityReason.SHOCK if math.fsum(state.logliks) / count < edge else None


def is_stale(models: SymbolModels, now_ns: int, params: VolatilityParams) -> bool:
    """Whether the models are older than two refit periods: `forecast(stale=True)` then goes on without them."""
    return now_ns - models.data_ns > 2.0 * params.refit_days * _NS_PER_DAY


def _scored(
    state: VolatilityState, realised: float, models: SymbolModels | None, params: VolatilityParams
) -> tuple[Average, ...]:
    """QLIKE of each candidate's forecast for the day that has closed; a candidate without one keeps its mean."""
    decay = decay_of(params.qlike_half_life_d)
    variances = _sizing_variances(state, models)
    out = []
    for mean, source in zip(state.losses, SIZING, strict=True):
        variance = variances.get(source)
        if variance is None or not variance > 0:
            out.append(mean)
            continue
        ratio = realised / variance
        out.append(mean.with_value(ratio - math.log(ratio) - 1.0, decay))
    return tuple(out)


def _sizing_variances(state: VolatilityState, models: SymbolModels | None) -> dict[Source, float]:
    """Daily variance by candidate, those that are known."""
    found: dict[Source, float | None] = {
        "har": _har(state, models), "ewma_realised": state.realised.known, "ewma_daily": state.daily.known,
        "garch": None if state.garch_pct2 is None else state.garch_pct2 * 1e-4,
    }
    return {source: variance for source, variance in found.items() if variance is not None and variance > 0}


def _har(state: VolatilityState, models: SymbolModels | None) -> float | None:
    """HAR's forecast for the next day."""
    if models is None or models.har is None:
        return None
    return har_next(models.har, state.month)


def forecast(
    state: VolatilityState, models: SymbolModels | None, params: VolatilityParams, *, stale: bool = False,
    implied_annual: float | None = None, implied_wanted: bool = False, venue_realised_day: float | None = None,
    guards: FitGuards = _GUARDS,
) -> VolatilityForecast:
    """Volatility for sizing (QLIKE winner) and for caps (maximum), with the fallback chain of quant-reference 5.2.

    Args:
        models: of the last fit; None before the first.
        stale: the models are older than two refit periods: their GARCH and HAR are not used.
        implied_annual: implied volatility, a fraction a year (an index such as DVOL over 100); joins the maximum.
        implied_wanted: an implied series is configured, so its absence is a reason.
        venue_realised_day: the venue's own 30-day realised volatility per day: the last resort.
    """
    reasons: list[VolatilityReason] = list(models.reasons) if models is not None else [VolatilityReason.NO_MODEL]
    used = None if stale else models
    if stale:
        reasons.append(VolatilityReason.STALE)
    variances = _sizing_variances(state if used is not None else _unmodelled(state), used)
    if "garch" in variances:
        refused = band_reason(variances["garch"], state.span_30d.known or math.nan, guards)
        if refused is not None:
            reasons.append(refused)
            del variances["garch"]
    size_source = _winner(state, variances, params)
    caps: dict[Source, float] = dict(variances)
    for source, mean in (("ewma_fast", state.fast), ("ewma_slow", state.slow)):
        if mean.known is not None and mean.known > 0:
            caps[source] = _DAY_H * mean.known  # type: ignore[index] # the two literals above
    if implied_annual is not None and math.isfinite(implied_annual) and implied_annual > 0:
        caps["implied"] = implied_annual**2 / _YEAR
    elif implied_wanted:
        reasons.append(VolatilityReason.NO_IMPLIED)
    if "garch" not in variances and "ewma_daily" in variances:
        reasons.append(VolatilityReason.FALLBACK_EWMA)
    if "garch" not in variances and "ewma_daily" not in variances:
        # a month of hours alone has seen no day's tail: without a daily estimate the venue's figure has to stand in
        if venue_realised_day is None or not venue_realised_day > 0:
            return VolatilityForecast(
                sigma_size_day=None, source_size=None, sigma_cap_day=None, source_cap=None, models=_sigmas(caps),
                reasons=(*reasons, VolatilityReason.UNTRADABLE))
        reasons.append(VolatilityReason.FALLBACK_VENUE)
        caps["venue_realised"] = venue_realised_day**2
        size_source = size_source or "venue_realised"
    assert size_source is not None
    cap_source = max(caps, key=lambda source: caps[source])
    return VolatilityForecast(
        sigma_size_day=math.sqrt(caps[size_source]), source_size=size_source,
        sigma_cap_day=math.sqrt(caps[cap_source]), source_cap=cap_source, models=_sigmas(caps),
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _unmodelled(state: VolatilityState) -> VolatilityState:
    return msgspec.structs.replace(state, garch_pct2=None)


def _sigmas(variances: dict[Source, float]) -> tuple[ModelSigma, ...]:
    return tuple(ModelSigma(source, math.sqrt(variance)) for source, variance in variances.items())


def _winner(state: VolatilityState, variances: dict[Source, float], params: VolatilityParams) -> Source | None:
    """The known candidate with the lowest mean QLIKE; before enough days are scored, the first in `SIZING`."""
    known = [source for source in SIZING if source in variances]
    scored = {
        source: mean.value for source, mean in zip(SIZING, state.losses, strict=True)
        if source in variances and mean.seen >= params.qlike_days_min
    }
    if scored:
        return min(scored, key=lambda source: (scored[source], SIZING.index(source)))
    return known[0] if known else None


def cap_sigma(
    volatility: VolatilityForecast, state: VolatilityState, models: SymbolModels | None, hours: float,
    *, now_ns: int | None = None,
) -> float | None:
    """Volatility of the log price over the next `hours`, for caps: the largest model, floored, a fraction.

    GARCH over more than a day follows its mean reversion; all others are constant. The hour of the week may raise the
    answer, never lower it (a quiet Sunday night is where a cap is needed least and missed most).

    Args:
        now_ns: now, where models have seasonal factors; None leaves them out.
    """
    if not volatility.tradable or volatility.sigma_cap_day is None:
        return None
    days = hours / _DAY_H
    variance = 0.0
    for model in volatility.models:
        each = model.sigma_day**2 * days
        if model.source == "garch" and days > 1 and models is not None and models.garch is not None:
            h1 = model.sigma_day**2 * 1e4
            whole = variance_sum(models.garch, h1, math.ceil(days))
            each = max(each, whole * 1e-4 * days / math.ceil(days))
        variance = max(variance, each)
    if state.floor_day is not None:
        variance = max(variance, state.floor_day**2 * days)
    if now_ns is not None and models is not None and models.hour_factors:
        variance *= max(1.0, variance_share(models.hour_factors, now_ns, max(1, math.ceil(hours))))
    return math.sqrt(variance)
