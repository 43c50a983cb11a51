"""Walk-forward test of the volatility models: whose forecast of tomorrow's variance loses least, and whom we chose.

One row per model and symbol, on the days that all models forecast; fits monthly on the past alone, filtered between.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import DataRefused
from bot.quant.ewma import DAILY_DECAY, ewma_variance
from bot.quant.forecast_tests import diebold_mariano, mincer_zarnowitz, qlike, qlike_losses
from bot.quant.garch import GarchParams, Model, next_variance
from bot.quant.garch_fit import fit_garch
from bot.quant.volatility import SIZING, VolatilityParams
from bot.research.volatility_walk import HourlyCloses, Walk, hourly_grid, walk
from bot.storage.history import HistoryFolder

Vector = npt.NDArray[np.float64]

OTHERS: Final[tuple[Model, ...]] = ("garch_normal", "gjr_t", "egarch_t")
"""Shown beside the candidates that the product runs."""
CHOSEN: Final = "own choice"
_NS_PER_HOUR: Final = 3_600_000_000_000
_EVER: Final = (0, 1 << 62)
_DAYS_MIN: Final = 60
_FIRST_FIT: Final = 250


class ModelScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one model forecast one symbol's daily variance."""

    model: str
    qlike: float
    ratio: float
    """Mean of realised over forecast: below 1 the model over-forecasts."""
    days: int
    fallback_days: int
    """Days on which EWMA stood in because a fit was refused."""
    bias_intercept: float | None
    bias_slope: float | None
    """Mincer-Zarnowitz: 0 and 1 are unbiased."""
    bias_p: float | None
    against_garch_p: float | None
    """Diebold-Mariano of the difference in QLIKE to GARCH-t, two-sided; None for GARCH-t itself."""


class VolatilityTable(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's models, best first."""

    symbol: str
    first_day_ns: int
    last_day_ns: int
    scores: tuple[ModelScore, ...]
    chosen_days: tuple[tuple[str, int], ...]
    """How often each candidate was the product's choice for sizing, most often first."""
    fits: int
    refusals: tuple[str, ...]

    @property
    def har_beats_garch(self) -> bool:
        """Whether HAR loses less than GARCH-t."""
        losses = {score.model: score.qlike for score in self.scores}
        return losses["har"] < losses["garch_t"]

    @property
    def choice_found_it(self) -> bool:
        """Whether the product's choice was, on most days, the candidate with the least loss over all of them."""
        best = next(score.model for score in self.scores if score.model in (*SIZING, "garch_t"))
        return bool(self.chosen_days) and _shown(self.chosen_days[0][0]) == best


def load_hourly_marks(folder: Path, venue: str, symbol: str) -> HourlyCloses:
    """Every hourly mark of a perpetual, on an unbroken grid.

    Raises:
        DataRefused: if the folder lacks the series, or it is malformed.
    """
    with HistoryFolder(folder) as history:
        marks = history.marks(venue, symbol, 3_600, *_EVER)
    return hourly_grid(marks.ts_ns + _NS_PER_HOUR, marks.mark)


def volatility_table(
    symbol: str, closes: HourlyCloses, from_ns: int, to_ns: int, params: VolatilityParams | None = None, *,
    walked: Walk | None = None,
) -> VolatilityTable:
    """Score all models on the days that end in (from_ns, to_ns].

    Args:
        closes: from long before `from_ns`: fits and averages need their past.
        walked: of the same closes, if it is at hand.
    Raises:
        DataRefused: with under 60 days that every model forecast.
    """
    params = params or VolatilityParams()
    walked = walked or walk(symbol, closes, params)
    fallback = ewma_variance(walked.daily_return, DAILY_DECAY)
    forecasts = {_shown(source): walked.variance[source] for source in SIZING}
    for model in OTHERS:
        forecasts[model] = _model_path(walked.daily_return, model, params.window_days)
    stood_in = {name: np.isnan(path) for name, path in forecasts.items()}
    for name in ("garch_t", *OTHERS):
        forecasts[name] = np.where(stood_in[name], fallback, forecasts[name])
    forecasts[CHOSEN] = walked.chosen
    realised = walked.realised[1:]
    wanted = (walked.day_ns[1:] > from_ns) & (walked.day_ns[1:] <= to_ns) & (realised > 0)
    for path in forecasts.values():
        wanted &= np.isfinite(path[:-1])
    if int(wanted.sum()) < _DAYS_MIN:
        raise DataRefused(f"{symbol}: only {int(wanted.sum())} days with every forecast; {_DAYS_MIN} are needed: "
                          "give a longer period, or data that begin two years before it")
    target = realised[wanted]
    losses = {name: qlike_losses(target, path[:-1][wanted]) for name, path in forecasts.items()}
    scores = [
        _score(name, target, path[:-1][wanted], losses,
               int(stood_in[name][:-1][wanted].sum()) if name in stood_in else 0)
        for name, path in forecasts.items()
    ]
    days = walked.day_ns[1:][wanted]
    chosen = [source for source, counts in zip(walked.chosen_source[:-1], wanted, strict=True) if counts and source]
    counted = sorted(((source, chosen.count(source)) for source in dict.fromkeys(chosen)), key=lambda each: -each[1])
    return VolatilityTable(
        symbol=symbol, first_day_ns=int(days[0]), last_day_ns=int(days[-1]),
        scores=tuple(sorted(scores, key=lambda score: score.qlike)), chosen_days=tuple(counted), fits=walked.fits,
        refusals=walked.refusals,
    )


def volatility_tables(folder: Path, venue: str, symbols: Sequence[str], from_ns: int, to_ns: int
                      ) -> tuple[VolatilityTable, ...]:
    """`volatility_table` of every symbol, from a folder of history."""
    return tuple(
        volatility_table(symbol, load_hourly_marks(folder, venue, symbol), from_ns, to_ns) for symbol in symbols
    )


def _shown(source: str) -> str:
    """The model's name in tables: the product's GARCH is GARCH-t."""
    return "garch_t" if source == "garch" else source


def _score(name: str, target: Vector, path: Vector, losses: dict[str, Vector], stood_in: int) -> ModelScore:
    """All figures of one model on the common days."""
    bias = mincer_zarnowitz(target, path)
    against = None if name == "garch_t" else diebold_mariano(losses[name], losses["garch_t"])
    loss = qlike(target, path)
    assert loss is not None
    return ModelScore(
        model=name, qlike=loss, ratio=float(np.mean(target / path)), days=len(target), fallback_days=stood_in,
        bias_intercept=bias.intercept if bias else None, bias_slope=bias.slope if bias else None,
        bias_p=bias.p_unbiased if bias else None, against_garch_p=against.p_value if against else None,
    )


def _model_path(daily: Vector, model: Model, window_days: int, refit_days: int = 30) -> Vector:
    """Variance forecasts of one model, fitted monthly and filtered between; NaN while fits are refused."""
    returns_pct = 100.0 * daily
    out = np.full(len(daily), np.nan)
    params: GarchParams | None = None
    value = np.nan
    for row in range(len(daily)):
        if row % refit_days == 0 and row + 1 >= _FIRST_FIT:
            window = returns_pct[max(0, row + 1 - window_days): row + 1]
            fit = fit_garch(window, model, params)
            params, value = fit.params, np.nan if fit.variance_next is None else fit.variance_next
        elif params is not None:
            value = next_variance(params, value, float(returns_pct[row]))
        if params is not None:
            out[row] = value * 1e-4
    return out

