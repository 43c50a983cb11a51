"""A walk through history that asks of each VaR method: was it breached as often as it said, and without clusters?

One day ahead, refitted monthly on the days before and filtered in between: 99 % VaR with its Kupiec and Christoffersen
tests and its quantile loss, and Acerbi and Szekely's Z2 of the 97.5 % ES. Nothing looks ahead: a month's parameters
come from the days before its first, every forecast from the days before its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bot.quant.cornish_fisher import cornish_fisher_var_es
from bot.quant.ewma import DAILY_DECAY, ewma_variance
from bot.quant.garch import GarchParams, filter_variance
from bot.quant.garch_fit import fit_garch
from bot.quant.har import fit_har, har_variance, realised_variance
from bot.quant.tail_risk import TailRisk, Vector, historical_var_es, student_var_es
from bot.quant.var_backtests import (
    acerbi_szekely_2,
    breaches,
    conditional_coverage,
    independence,
    kupiec,
    quantile_loss,
    transitions,
)
from bot.research.volatility_walk import HOURS, HourlyCloses, hourly_grid
from bot.storage.history import HistoryFolder

LEVEL: Final = 0.99
ES_LEVEL: Final = 0.975
DEFAULT_METHOD: Final = "fhs_har"
WINDOW: Final = 730
"""Days that a fit and a tail look back on, where there are so many."""
ROWS_MIN: Final = 500
"""Days before the first forecast: five in the 1 % tail."""
REFIT_DAYS: Final = 30
SIGNIFICANCE: Final = 0.05
_STUDENT_NU: Final = 4.0
_HOUR_S: Final = 3_600
_EVER: Final = (-(1 << 62), 1 << 62)

Tails = tuple[TailRisk, TailRisk]
"""At 99 % and at 97.5 %."""
Forecaster = Callable[[int], Tails | None]
"""Tails of day t from the days before it; None where the method refuses."""


class DailyReturns(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's days that ended at 00 UTC; days with an unknown close are left out."""

    symbol: str
    day_ns: tuple[int, ...]
    """End of each day."""
    returns: Vector
    """Log returns, shape (n,)."""
    realised: Vector
    """Sum of squared hourly log returns of the same days."""


class MethodResult(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one instrument."""

    method: str
    days: int
    refused_days: int
    """Days on which the method gave no figure (Cornish-Fisher outside its domain); they are not judged."""
    breaches: int
    expected: float
    kupiec_p: float | None
    independence_p: float | None
    conditional_p: float | None
    quantile_loss_bps: float | None
    es_z2: float | None

    @property
    def passes(self) -> bool:
        """Whether neither Kupiec's nor Christoffersen's tests reject at 5 %; no figure, no pass."""
        values = (self.kupiec_p, self.independence_p, self.conditional_p)
        return all(value is not None and value >= SIGNIFICANCE for value in values)


class InstrumentStudy(msgspec.Struct, frozen=True, kw_only=True):
    """All methods on one instrument, with the default's series to plot."""

    symbol: str
    first_ns: int
    last_ns: int
    methods: tuple[MethodResult, ...]
    day_ns: tuple[int, ...]
    returns: tuple[float, ...]
    var_99: tuple[float, ...]
    es_975: tuple[float, ...]

    def method(self, name: str) -> MethodResult:
        """One method's line."""
        return next(result for result in self.methods if result.method == name)


def load_daily(folder: HistoryFolder, venue: str, symbol: str, *, to_ns: int = _EVER[1]) -> DailyReturns:
    """Daily returns and realised variances out of hourly bars.

    Raises:
        DataRefused: if the folder has no such bars, or too few.
    """
    bars = folder.bars(venue, symbol, _HOUR_S, _EVER[0], to_ns)
    return daily_of(symbol, hourly_grid(bars.ts_ns + _HOUR_S * 1_000_000_000, bars.close))


def daily_of(symbol: str, closes: HourlyCloses) -> DailyReturns:
    """Daily returns and realised variances of an hourly grid."""
    logs = np.log(closes.close)
    hourly = np.concatenate(([np.nan], np.diff(logs)))
    ends = np.flatnonzero((closes.closed_ns // (_HOUR_S * 1_000_000_000)) % HOURS == 0)
    ends = ends[ends >= HOURS]
    returns = logs[ends] - logs[ends - HOURS]
    realised = realised_variance(hourly[ends[:, None] + np.arange(1 - HOURS, 1)])
    known = np.isfinite(returns) & np.isfinite(realised) & (realised > 0.0)
    return DailyReturns(symbol=symbol, day_ns=tuple(closes.closed_ns[ends[known]].tolist()), returns=returns[known],
                        realised=realised[known])


def study_instrument(data: DailyReturns, *, from_ns: int = 0, methods: Sequence[str] | None = None) -> InstrumentStudy:
    """Judge every method from `from_ns` on, or from the first day with `ROWS_MIN` days before it.

    Raises:
        ValueError: if there are not `ROWS_MIN` days and one, or a method is not known.
    """
    makers = _forecasters(data)
    chosen = tuple(makers) if methods is None else tuple(methods)
    unknown = [name for name in chosen if name not in makers]
    if unknown:
        raise ValueError(f"method {unknown[0]!r}: known are {', '.join(makers)}")
    begin = max(int(np.searchsorted(np.array(data.day_ns), from_ns)), ROWS_MIN)
    if begin >= len(data.returns):
        raise ValueError(f"{data.symbol}: {len(data.returns)} days; a study needs more than {ROWS_MIN}")
    days = range(begin, len(data.returns))
    tails = {name: [makers[name](day) for day in days] for name in chosen}
    shown = [tail for tail in tails.get(DEFAULT_METHOD, []) if tail is not None]
    whole = len(shown) == len(days)
    return InstrumentStudy(
        symbol=data.symbol, first_ns=data.day_ns[begin], last_ns=data.day_ns[-1],
        methods=tuple(judged(name, tails[name], data.returns[begin:]) for name in chosen),
        day_ns=data.day_ns[begin:], returns=tuple(data.returns[begin:].tolist()),
        var_99=tuple(tail[0].var for tail in shown) if whole else (),
        es_975=tuple(tail[1].es for tail in shown) if whole else (),
    )


def study(folder: Path, venue: str = "binance", symbols: Sequence[str] = ("BTC/USDT:USDT", "ETH/USDT:USDT"),
          from_ns: int = 0, methods: Sequence[str] | None = None) -> tuple[InstrumentStudy, ...]:
    """The study of several instruments of a data folder."""
    with HistoryFolder(folder) as history:
        return tuple(study_instrument(load_daily(history, venue, symbol), from_ns=from_ns, methods=methods)
                     for symbol in symbols)


def judged(method: str, tails: Sequence[Tails | None], returns: Vector) -> MethodResult:
    """Tests over the days on which the method had a figure."""
    given = np.array([tail is not None for tail in tails])
    known = [tail for tail in tails if tail is not None]
    days, probability = len(known), 1.0 - LEVEL
    if not known:
        return MethodResult(method=method, days=0, refused_days=len(tails), breaches=0, expected=0.0, kupiec_p=None,
                            independence_p=None, conditional_p=None, quantile_loss_bps=None, es_z2=None)
    pnl, var = returns[given], np.array([tail[0].var for tail in known])
    hit = breaches(pnl, var)
    return MethodResult(
        method=method, days=days, refused_days=len(tails) - days, breaches=int(hit.sum()), expected=days * probability,
        kupiec_p=kupiec(days, int(hit.sum()), probability).p_value,
        independence_p=independence(transitions(hit)).p_value,
        conditional_p=conditional_coverage(hit, probability).p_value,
        quantile_loss_bps=1e4 * quantile_loss(pnl, var, probability),
        es_z2=_z2(pnl, known),
    )


def _z2(pnl: Vector, tails: Sequence[Tails]) -> float | None:
    """Acerbi and Szekely's Z2 at 97.5 %; None where some ES is no loss, for a ratio to it says nothing."""
    var, es = np.array([(tail[1].var, tail[1].es) for tail in tails]).T
    return acerbi_szekely_2(pnl, var, es, 1.0 - ES_LEVEL) if (es > 0.0).all() else None


def _forecasters(data: DailyReturns) -> dict[str, Forecaster]:
    """Every method by name."""
    ewma = EwmaPath(data)
    har, garch = HarPath(data), _GarchPath(data)

    def parametric(path: EwmaPath, nu: float) -> Forecaster:
        return lambda day: _both(lambda level: student_var_es(0.0, path.at(day), nu, level))

    def garch_t(day: int) -> Tails | None:
        sigma, params = garch.at(day), garch.params
        nu = params.nu if params is not None and params.nu is not None else _STUDENT_NU
        return _both(lambda level: student_var_es(0.0, sigma, max(nu, 2.1), level))

    def historical(day: int) -> Tails | None:
        rows = data.returns[max(0, day - WINDOW):day]
        return _both(lambda level: historical_var_es(rows, level))

    def cornish_fisher(day: int) -> Tails | None:
        made = [cornish_fisher_var_es(data.returns[max(0, day - WINDOW):day], level) for level in (LEVEL, ES_LEVEL)]
        first, second = made
        return (first, second) if isinstance(first, TailRisk) and isinstance(second, TailRisk) else None

    def filtered(path: EwmaPath) -> Forecaster:
        return lambda day: _both(lambda level: historical_var_es(path.scenarios(day), level))

    return {
        "fhs_har": filtered(har), "fhs_ewma": filtered(ewma), "fhs_garch_t": filtered(garch), "garch_t": garch_t,
        "student_ewma": parametric(ewma, _STUDENT_NU), "normal_ewma": parametric(ewma, np.inf),
        "historical": historical, "cornish_fisher": cornish_fisher,
    }


def _both(at: Callable[[float], TailRisk]) -> Tails:
    """At both levels."""
    return at(LEVEL), at(ES_LEVEL)


class EwmaPath:
    """Volatility of every day as forecast before it, by RiskMetrics' decay; base of the paths that are refitted."""

    def __init__(self, data: DailyReturns) -> None:
        self.data = data
        self.fitted = -REFIT_DAYS
        self.path = np.concatenate(([np.nan], np.sqrt(ewma_variance(data.returns, DAILY_DECAY))[:-1]))

    def fit(self, day: int) -> None:
        """Refit on the days before `day`; nothing to fit here."""

    def at(self, day: int) -> float:
        """Forecast for `day`, with parameters at most `REFIT_DAYS` old."""
        if day - self.fitted >= REFIT_DAYS:
            self.fit(day)
            self.fitted = day
        return float(self.path[day])

    def scenarios(self, day: int) -> Vector:
        """The last `WINDOW` days at the volatility of `day`; the whole path under the parameters of now."""
        sigma = self.at(day)
        first = max(0, day - WINDOW)
        shocks = self.data.returns[first:day] / self.path[first:day]
        out: Vector = shocks[np.isfinite(shocks)] * sigma
        return out


class HarPath(EwmaPath):
    """HAR on realised variance; a refused fit leaves the EWMA."""

    def fit(self, day: int) -> None:
        """On the last `WINDOW` days."""
        fit = fit_har(self.data.realised[max(0, day - WINDOW):day])
        if fit is not None:
            self.path[1:] = np.sqrt(har_variance(fit, self.data.realised))[:-1]


class _GarchPath(EwmaPath):
    """GARCH(1,1)-t behind its guards; a refused fit leaves the last good one, before that the EWMA."""

    def __init__(self, data: DailyReturns) -> None:
        super().__init__(data)
        self.params: GarchParams | None = None

    def fit(self, day: int) -> None:
        """On the last `WINDOW` days, started from the last good parameters."""
        fit = fit_garch(100.0 * self.data.returns[max(0, day - WINDOW):day], start=self.params)
        if fit.params is not None:
            self.params = fit.params
            self.path[1:] = np.sqrt(filter_variance(100.0 * self.data.returns, fit.params))[:-1] / 100.0
