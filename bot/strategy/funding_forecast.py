"""What funding a pair will receive on average over the horizon, per hour, or why that cannot be said."""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

from bot.domain.values import Nanos
from bot.market.funding import FundingHistory
from bot.strategy.params import CarryParams
from bot.strategy.verdict import Candidate, PairKind


class PairForecast(msgspec.Struct, frozen=True):
    """A pair's funding as received per unit of notional: short leg's rate minus long leg's, per hour."""

    fast_h: float
    """The state: what the pair earns now, smoothed."""
    slow_h: float
    last_h: float
    """The last prints alone: for hard exits, never for entries."""
    sd_8h: float
    """Sd of the state's surprise per 8 h."""
    worst_h: float
    """The most the pair paid of late (negative), or 0 if it never paid."""
    hours: float
    """Length of the history it stands on (the shorter leg's)."""


def why_unavailable(history: FundingHistory | None, now_ns: Nanos, params: CarryParams) -> str | None:
    """The reason why a leg's funding cannot be forecast now; None if it can."""
    if history is None or not history.count:
        return "funding_unknown"
    if history.age_h(now_ns) > params.forecast_age_h_max:
        return "funding_stale"
    if history.count < params.observations_min or history.hours < params.history_h_min:
        return "funding_warming_up"
    return None


def pair_forecast(
    candidate: Candidate, long_leg: FundingHistory | None, short_leg: FundingHistory | None, now_ns: Nanos,
    params: CarryParams,
) -> PairForecast | str:
    """The pair's forecast, or the reason why there is none.

    Each leg's rate is put on the hour first, so a 1 h and an 8 h contract are compared on one clock. Surprises of
    one coin's funding at two venues are correlated, so that of their difference is smaller than both together.
    """
    why = why_unavailable(short_leg, now_ns, params)
    if why is not None or short_leg is None:
        return why or "funding_unknown"
    if candidate.kind is not PairKind.PERP_PERP:
        return PairForecast(
            fast_h=short_leg.fast_h, slow_h=short_leg.slow_h, last_h=short_leg.last_h, sd_8h=short_leg.sd_8h,
            worst_h=min(short_leg.low_h, 0.0), hours=short_leg.hours,
        )
    why = why_unavailable(long_leg, now_ns, params)
    if why is not None or long_leg is None:
        return why or "funding_unknown"
    return PairForecast(
        fast_h=short_leg.fast_h - long_leg.fast_h,
        slow_h=short_leg.slow_h - long_leg.slow_h,
        last_h=short_leg.last_h - long_leg.last_h,
        sd_8h=math.sqrt(short_leg.sd_8h**2 + long_leg.sd_8h**2
                        - 2.0 * params.funding_correlation * short_leg.sd_8h * long_leg.sd_8h),
        worst_h=min(short_leg.low_h - long_leg.fast_h, short_leg.fast_h - long_leg.high_h, 0.0),
        hours=min(short_leg.hours, long_leg.hours),
    )


def mean_over(state_h: float, mean_h: float, phi_8h: float, horizon_h: int) -> float:
    """Mean of an AR(1) over the next `horizon_h` hours: `mu + (x - mu) * phi (1 - phi^n) / (1 - phi) / n`, n of 8 h."""
    return mean_h + (state_h - mean_h) * _weight(phi_8h, horizon_h)


@lru_cache(maxsize=64)
def _weight(phi_8h: float, horizon_h: int) -> float:
    """Share of today's distance from the mean that is left on average over the horizon."""
    steps = horizon_h / 8.0
    return phi_8h * -math.expm1(steps * math.log(phi_8h)) / (1.0 - phi_8h) / steps


def cap_binding(candidate: Candidate, long_leg: FundingHistory | None, short_leg: FundingHistory | None,
                share: float) -> bool:
    """Whether a leg's last rate stands at its cap or floor: its income is truncated, its market in distress."""
    for cap, history in ((candidate.long_cap, long_leg), (candidate.short_cap, short_leg)):
        if cap is not None and history is not None and history.count and (
            cap.reached(history.last_rate, history.interval_h, share)
        ):
            return True
    return False


def pinned_against(candidate: Candidate, long_leg: FundingHistory | None, short_leg: FundingHistory | None,
                   share: float) -> bool:
    """Whether a leg pays at its limit: the short leg at its floor, or the long leg at its cap."""
    if candidate.short_cap is not None and short_leg is not None and short_leg.last_rate < 0.0 and (
        candidate.short_cap.reached(short_leg.last_rate, short_leg.interval_h, share)
    ):
        return True
    return candidate.long_cap is not None and long_leg is not None and long_leg.last_rate > 0.0 and (
        candidate.long_cap.reached(long_leg.last_rate, long_leg.interval_h, share)
    )
