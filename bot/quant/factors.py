"""Factor returns of a universe of perps: market, funding volatility, illiquidity, skewness; and their prices of risk.

Each characteristic is ranked once a week from what was known before that week began; the factor is the mean return of
the top third less that of the bottom third, and it is freed of the market it carries. Sources: Amihud (2002) for
illiquidity; Fama and MacBeth (1973); quant reference section 10.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.market_beta import newey_west_lags
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

WINDOW_DAYS: Final = 30
DAYS_PER_WEEK: Final = 7
ASSETS_MIN: Final = 6
"""Two a third: below that a tercile is a coin."""
NAMES: Final = ("FVOL", "LIQ", "SKEW")


class FactorReturns(msgspec.Struct, frozen=True):
    """Weekly returns of the market and of the long-short factors."""

    names: tuple[str, ...]
    """`MKT` first."""
    returns: Matrix
    """Shape (n_weeks, k), per week; NaN in a week in which too few assets could be ranked."""
    first_days: npt.NDArray[np.int64]
    """The row of the daily data on which each week begins."""
    assets: Matrix
    """Shape (n_weeks, n_assets), each asset's return of the week; NaN where a day is missing."""


class RiskPrice(msgspec.Struct, frozen=True):
    """The premium per unit of loading, per row, with its HAC error."""

    factor: str
    value: float
    se: float
    rows: int

    @property
    def t(self) -> float:
        """Premium over its error."""
        return self.value / self.se if self.se > 0.0 else math.copysign(math.inf, self.value)


def funding_volatility(daily_funding: Matrix, day: int, days: int = WINDOW_DAYS) -> Vector:
    """Standard deviation of daily funding over the `days` before `day`, shape (n_assets,); NaN if one is missing."""
    window = daily_funding[max(day - days, 0) : day]
    if len(window) < days:
        return np.full(daily_funding.shape[1], np.nan)
    return np.asarray(window.std(axis=0, ddof=1), dtype=np.float64)


def amihud_illiquidity(daily_returns: Matrix, dollar_volume: Matrix, day: int, days: int = WINDOW_DAYS) -> Vector:
    """Mean of |r| / dollar volume over the `days` before `day`: price moved per dollar; NaN where a day is missing."""
    window, volume = daily_returns[max(day - days, 0) : day], dollar_volume[max(day - days, 0) : day]
    if len(window) < days:
        return np.full(daily_returns.shape[1], np.nan)
    moved = np.where(volume > 0.0, np.abs(window) / np.where(volume > 0.0, volume, 1.0), np.nan)
    return np.asarray(moved.mean(axis=0), dtype=np.float64)


def realised_skewness(hourly_returns: Matrix, day: int, days: int = WINDOW_DAYS) -> Vector:
    """sqrt(n) sum r^3 / (sum r^2)^(3/2) of hourly returns over the `days` before `day`; NaN if an hour is missing."""
    window = hourly_returns[max(day - days, 0) * 24 : day * 24]
    if len(window) < days * 24:
        return np.full(hourly_returns.shape[1], np.nan)
    squares = (window**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = math.sqrt(len(window)) * (window**3).sum(axis=0) / squares**1.5
    return np.asarray(np.where(squares > 0.0, skew, np.nan), dtype=np.float64)


def long_short_return(characteristic: Vector, week_returns: Vector) -> float:
    """Mean return of the top third by the characteristic less the bottom third's; NaN below six ranked assets.

    Ties are broken by the place in the universe. An asset without a return this week is not held.
    """
    ranked = np.flatnonzero(np.isfinite(characteristic) & np.isfinite(week_returns))
    if len(ranked) < ASSETS_MIN:
        return math.nan
    order = ranked[np.argsort(characteristic[ranked], kind="stable")]
    third = len(order) // 3
    return float(week_returns[order[-third:]].mean() - week_returns[order[:third]].mean())


def weekly_factors(
    daily_returns: Matrix, market: Vector, daily_funding: Matrix, dollar_volume: Matrix, hourly_returns: Matrix,
    window_days: int = WINDOW_DAYS,
) -> FactorReturns | NoAnswer:
    """MKT and the three long-short factors, week by week; each characteristic ends the day before its week begins.

    Args:
        daily_returns: shape (n_days, n_assets), excess returns with funding, simple.
        market: shape (n_days,). daily_funding: shape (n_days, n_assets), the day's rates added up.
        dollar_volume: shape (n_days, n_assets). hourly_returns: shape (24 n_days, n_assets), log returns.
    """
    days, assets = daily_returns.shape
    if not daily_funding.shape == dollar_volume.shape == (days, assets) or market.shape != (days,) \
            or hourly_returns.shape != (24 * days, assets):
        raise ValueError("daily arrays must share a shape, the hourly one have 24 rows for each of theirs")
    if assets < ASSETS_MIN:
        return NoAnswer("too_few_assets", f"{assets} assets, {ASSETS_MIN} needed for thirds")
    starts = np.arange(window_days, days - DAYS_PER_WEEK + 1, DAYS_PER_WEEK)
    if not len(starts):
        return NoAnswer("too_little_history", f"{days} days, {window_days + DAYS_PER_WEEK} needed for one week")
    weekly = np.array([np.prod(1.0 + daily_returns[day : day + DAYS_PER_WEEK], axis=0) - 1.0 for day in starts])
    market_weekly = np.array([np.prod(1.0 + market[day : day + DAYS_PER_WEEK]) - 1.0 for day in starts])
    rows = []
    for day, week in zip(starts.tolist(), weekly, strict=True):
        ranks = (funding_volatility(daily_funding, day, window_days),
                 amihud_illiquidity(daily_returns, dollar_volume, day, window_days),
                 realised_skewness(hourly_returns, day, window_days))
        rows.append([long_short_return(rank, week) for rank in ranks])
    returns = np.column_stack((market_weekly, np.array(rows)))
    return FactorReturns(("MKT", *NAMES), returns, starts.astype(np.int64), weekly)


def freed_of_market(factors: Matrix) -> Matrix:
    """Every column but the first less its slope on the first times it: what is left moves independently of the market.

    The mean is kept (only beta x market is taken off), so a premium stays a premium. Rows with a NaN keep it and are
    not used for the slope.
    """
    free = factors.copy()
    known = np.isfinite(factors).all(axis=1)
    market = factors[known, 0] - factors[known, 0].mean()
    square = float(market @ market)
    if square <= 0.0:
        raise ValueError("the market does not move: nothing can be freed of it")
    for column in range(1, factors.shape[1]):
        slope = float(market @ factors[known, column]) / square
        free[:, column] = factors[:, column] - slope * factors[:, 0]
    return free


def mean_premia(factors: Matrix, names: tuple[str, ...], lags: int | None = None) -> tuple[RiskPrice, ...]:
    """Prices of risk of traded factors: their own means, with HAC errors; unknown rows are left out per factor."""
    return tuple(_mean_with_error(name, factors[:, column], lags) for column, name in enumerate(names))


def fama_macbeth(
    assets: Matrix, factors: Matrix, names: tuple[str, ...], lags: int | None = None,
) -> tuple[RiskPrice, ...] | NoAnswer:
    """Prices of risk from two passes: loadings over time, then each week's returns on them; means with HAC errors.

    Args:
        assets: shape (n_rows, n_assets), returns; an asset needs 20 known rows per coefficient. factors: shape
            (n_rows, k). An intercept is estimated each week and comes first, as `zero`: a sound model has none.
    """
    used = np.isfinite(factors).all(axis=1)
    if int(used.sum()) < 20 * (len(names) + 1):
        return NoAnswer("too_little_history", f"{int(used.sum())} known rows, {20 * (len(names) + 1)} needed")
    loadings, columns = _loadings(assets[used], factors[used])
    if len(columns) < len(names) + 3:
        return NoAnswer("too_few_assets", f"{len(columns)} assets with history for {len(names)} factors")
    prices = []
    for row in assets[used][:, columns]:
        known = np.isfinite(row)
        design = np.column_stack((np.ones(int(known.sum())), loadings[known]))
        if len(design) > design.shape[1] and np.linalg.matrix_rank(design) == design.shape[1]:
            prices.append(np.linalg.lstsq(design, row[known], rcond=None)[0])
    if len(prices) < 20:
        return NoAnswer("too_little_history", f"{len(prices)} weeks with enough assets, 20 needed")
    series = np.array(prices)
    return tuple(_mean_with_error(name, series[:, place], lags) for place, name in enumerate(("zero", *names)))


def _loadings(assets: Matrix, factors: Matrix) -> tuple[Matrix, list[int]]:
    """First pass: shape (n_kept, k), and which assets were kept."""
    rows, kept = [], []
    for column in range(assets.shape[1]):
        known = np.isfinite(assets[:, column])
        if int(known.sum()) >= 20 * (factors.shape[1] + 1):
            design = np.column_stack((np.ones(int(known.sum())), factors[known]))
            rows.append(np.linalg.lstsq(design, assets[known, column], rcond=None)[0][1:])
            kept.append(column)
    return np.array(rows).reshape(len(rows), factors.shape[1]), kept


def _mean_with_error(name: str, series: Vector, lags: int | None) -> RiskPrice:
    """Mean and Newey-West error of the mean; both NaN without a known row."""
    known = series[np.isfinite(series)]
    count = len(known)
    if count < 2:
        return RiskPrice(name, math.nan, math.nan, count)
    centred = known - known.mean()
    reach = min(newey_west_lags(count) if lags is None else lags, count - 1)
    variance = float(centred @ centred)
    for lag in range(1, reach + 1):
        variance += 2.0 * (1.0 - lag / (reach + 1.0)) * float(centred[lag:] @ centred[:-lag])
    return RiskPrice(name, float(known.mean()), math.sqrt(max(variance, 0.0)) / count, count)
