"""Beta to the market five ways, and the one the book is hedged with: an age-weighted ratio shrunk to its peers.

Returns are fractions per day, oldest first, a perp's including funding (it is unfunded: no cash rate is taken off); the
market is an argument (the BTC perp, an index). Standard errors hold under uneven variance. Sources: Vasicek (1973);
Dimson (1979); quant reference section 10.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.kalman_beta import kalman_beta
from bot.quant.market_beta import market_beta
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

OLS_DAYS: Final = 90
HALF_LIFE_DAYS: Final = 30.0
EFFECTIVE_ROWS_MIN: Final = 20.0
"""A ratio of two moments from fewer days' worth of rows would be read as knowledge."""
PRIOR_MEAN: Final = 1.15
PRIOR_SD: Final = 0.25
"""Betas of large coins to BTC: mean 1.1 to 1.3, sd 0.25 (quant reference section 10); used where no peers are known."""
PEERS_MIN: Final = 5
ALARM_ERRORS: Final = 2.0
FLAT_SHARE: Final = 1e-12


class Beta(msgspec.Struct, frozen=True):
    """A slope on the market and its standard error."""

    value: float
    se: float
    rows: int
    """Known days it stands on."""
    method: str
    """`ols`, `ewma`, `kalman`, `dimson`, `ewma_vasicek`, `prior`, `book`."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval under normality."""
        return self.value - 1.96 * self.se, self.value + 1.96 * self.se


class Prior(msgspec.Struct, frozen=True):
    """What is believed of a beta before its own history is read."""

    mean: float = PRIOR_MEAN
    sd: float = PRIOR_SD
    peers: int = 0
    """How many betas it was formed from; 0: a constant of the reference."""


class BetaReading(msgspec.Struct, frozen=True):
    """The beta to hedge with, what it was made of, and whether the estimators disagree."""

    beta: Beta
    raw: Beta | None
    """Before shrinking; None where history is too short and the prior stands alone."""
    ols: Beta | None
    kalman: Beta | None
    reason: str
    """`estimated`, or `too_little_history`: the prior."""
    alarm: bool
    """OLS and Kalman differ by more than two standard errors: the beta is moving."""


def ols_beta(returns: Vector, market: Vector, days: int = OLS_DAYS) -> Beta | NoAnswer:
    """Slope with an intercept over the last `days` rows, with the Newey-West error of `market_beta`."""
    found = market_beta(returns[-days:], market[-days:])
    if found is None:
        return _why(returns[-days:], market[-days:])
    return Beta(found.value, found.se, found.rows, "ols")


def ewma_beta(returns: Vector, market: Vector, half_life_days: float = HALF_LIFE_DAYS) -> Beta | NoAnswer:
    """Ratio of age-weighted moments about weighted means; a day's weight halves every `half_life_days`.

    Rows with a NaN are left out but keep their age: a gap makes what lies before it no younger.
    """
    if half_life_days <= 0.0:
        return NoAnswer("out_of_range", f"half-life {half_life_days} days: must be positive")
    known = _known(returns, market)
    age = np.arange(len(returns) - 1, -1, -1, dtype=np.float64)[known]
    y, x = returns[known], market[known]
    weights = np.power(0.5, age / half_life_days)
    if not len(y) or float(weights.sum()) ** 2 / float(weights @ weights) < EFFECTIVE_ROWS_MIN:
        return NoAnswer("too_little_history", f"{len(y)} known days, {EFFECTIVE_ROWS_MIN:.0f} effective ones needed")
    weights = weights / weights.sum()
    x, y = x - float(weights @ x), y - float(weights @ y)
    moment = float(weights @ x**2)
    if math.sqrt(moment) <= FLAT_SHARE * max(float(np.abs(market[known]).max()), 1e-300):
        return NoAnswer("market_does_not_move", "the market's returns are constant")
    slope = float(weights @ (x * y)) / moment
    error = math.sqrt(float(weights**2 @ (x * (y - slope * x)) ** 2)) / moment
    return Beta(slope, error, len(y), "ewma")


def dimson_beta(returns: Vector, market: Vector, lags: int = 1, leads: int = 1) -> Beta | NoAnswer:
    """Sum of the slopes on leading, same-day and lagged market returns: beta of a series traded or stamped late.

    Rows without a complete neighbourhood of market returns are left out; the error is heteroskedasticity-robust.
    """
    if lags < 0 or leads < 0:
        return NoAnswer("out_of_range", f"lags {lags} and leads {leads}: 0 or more")
    if returns.shape != market.shape:
        raise ValueError(f"returns have shape {returns.shape}, the market {market.shape}")
    count = len(returns) - lags - leads
    columns = lags + leads + 1
    if count < EFFECTIVE_ROWS_MIN + columns:
        return NoAnswer("too_little_history", f"{len(returns)} days for {columns} slopes")
    around = np.column_stack([market[shift : shift + count] for shift in range(columns)])
    y = returns[lags : lags + count]
    known = np.isfinite(around).all(axis=1) & np.isfinite(y)
    design = np.column_stack((np.ones(int(known.sum())), around[known]))
    if len(design) < EFFECTIVE_ROWS_MIN + columns:
        return NoAnswer("too_little_history", f"{len(design)} known days for {columns} slopes")
    if np.linalg.matrix_rank(design) < columns + 1:
        return NoAnswer("market_does_not_move", "the market's returns are constant or repeat themselves")
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ y[known]
    scores = design * (y[known] - design @ slopes)[:, None]
    covariance = inverse @ scores.T @ scores @ inverse * len(design) / (len(design) - columns - 1)
    pick = np.append(0.0, np.ones(columns))
    return Beta(float(pick @ slopes), math.sqrt(float(pick @ covariance @ pick)), len(design), "dimson")


def shrunk(beta: Beta, prior: Prior) -> Beta:
    """Vasicek's beta: own estimate and prior weighted by their precisions; its error is that of the posterior.

    With se 0.3 and a prior of 1 +- 0.25 an estimate of 1.6 counts 41 % and gives 1.246.
    """
    if beta.se <= 0.0:
        return beta
    own, before = 1.0 / beta.se**2, 1.0 / prior.sd**2
    value = (own * beta.value + before * prior.mean) / (own + before)
    return Beta(value, math.sqrt(1.0 / (own + before)), beta.rows, f"{beta.method}_vasicek")


def cross_section_prior(betas: tuple[Beta, ...], fallback: Prior | None = None) -> Prior:
    """Mean and true spread of the peers' betas: their variance less what estimation error makes of it.

    Fewer than five peers say too little, and the fallback stands. The spread is never taken as less than a tenth: no
    cross-section proves that all betas are equal.
    """
    before = Prior() if fallback is None else fallback
    if len(betas) < PEERS_MIN:
        return before
    values = np.array([each.value for each in betas])
    noise = float(np.mean([each.se**2 for each in betas]))
    return Prior(float(values.mean()), max(math.sqrt(max(float(values.var(ddof=1)) - noise, 0.0)), 0.1), len(betas))


def beta_reading(
    returns: Vector, market: Vector, prior: Prior | None = None, half_life_days: float = HALF_LIFE_DAYS,
    ols_days: int = OLS_DAYS,
) -> BetaReading:
    """The default: EWMA shrunk to the prior; the prior itself (its spread as error) where history is too short.

    The market's own beta is 1 and known.
    """
    before = Prior() if prior is None else prior
    if np.array_equal(returns, market, equal_nan=True):
        one = Beta(1.0, 0.0, int(np.isfinite(market).sum()), "ewma")
        return BetaReading(one, one, one, one, "estimated", alarm=False)
    raw = ewma_beta(returns, market, half_life_days)
    if isinstance(raw, NoAnswer):
        return BetaReading(Beta(before.mean, before.sd, 0, "prior"), None, None, None, raw.reason, False)
    ols = ols_beta(returns, market, ols_days)
    filtered = kalman_beta(returns, market)
    plain = None if isinstance(ols, NoAnswer) else ols
    kalman = None if isinstance(filtered, NoAnswer) else Beta(filtered.value, filtered.se, filtered.rows, "kalman")
    alarm = estimators_disagree(plain, kalman)
    return BetaReading(shrunk(raw, before), raw, plain, kalman, "estimated", alarm)


def estimators_disagree(ols: Beta | None, kalman: Beta | None) -> bool:
    """Whether two estimates lie more than two of their joint standard errors apart."""
    if ols is None or kalman is None:
        return False
    return abs(ols.value - kalman.value) > ALARM_ERRORS * math.hypot(ols.se, kalman.se)


def book_beta(weights: Vector, betas: tuple[Beta, ...]) -> Beta:
    """A book's beta, sum of w_i b_i, with the error of independent estimates.

    Args:
        weights: shape (n,), signed notionals over equity. betas: one per weight.
    """
    values, errors = np.array([each.value for each in betas]), np.array([each.se for each in betas])
    rows = min((each.rows for each in betas), default=0)
    return Beta(float(weights @ values), math.sqrt(float(weights**2 @ errors**2)), rows, "book")


def _known(returns: Vector, market: Vector) -> npt.NDArray[np.bool_]:
    if returns.shape != market.shape:
        raise ValueError(f"returns have shape {returns.shape}, the market {market.shape}")
    return np.isfinite(returns) & np.isfinite(market)


def _why(returns: Vector, market: Vector) -> NoAnswer:
    rows = int(_known(returns, market).sum())
    if rows < EFFECTIVE_ROWS_MIN:
        return NoAnswer("too_little_history", f"{rows} known days, {EFFECTIVE_ROWS_MIN:.0f} needed")
    return NoAnswer("market_does_not_move", "the market's returns are constant")
