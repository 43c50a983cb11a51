"""CAPM for unfunded positions: what a perp should earn for its beta, with funding and leverage where they belong.

A perp binds no cash: its return on notional is an excess return already, funding included, and no cash rate is taken
off. Leverage multiplies premium and funding; it does not multiply what the collateral earns. Sources: quant reference
section 10; Newey and West (1987) for the errors.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.market_beta import newey_west_lags
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

Z_95: Final = 1.959963984540054
DAYS_PER_YEAR: Final = 365
SETTLEMENTS_PER_YEAR: Final = 1095.0
"""Of 8 h."""
ROWS_PER_FACTOR_MIN: Final = 20


class Loading(msgspec.Struct, frozen=True):
    """One coefficient with its HAC error."""

    factor: str
    value: float
    se: float

    @property
    def t(self) -> float:
        """Coefficient over its error."""
        return self.value / self.se if self.se > 0.0 else math.copysign(math.inf, self.value)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval under normality."""
        return self.value - Z_95 * self.se, self.value + Z_95 * self.se


class FactorModel(msgspec.Struct, frozen=True):
    """A regression of excess returns on factors: r = a + sum of b f + e."""

    alpha: Loading
    """Per row (day or week)."""
    loadings: tuple[Loading, ...]
    r_squared: float
    residual_sd: float
    rows: int
    lags: int

    def loading(self, factor: str) -> Loading:
        """The coefficient on one factor."""
        return next(each for each in self.loadings if each.factor == factor)


class EquityReturn(msgspec.Struct, frozen=True):
    """Expected return on equity of a position, and its parts; all per year."""

    total: float
    premium: float
    """leverage x beta x market premium, signed by side."""
    alpha: float
    funding: float
    """Negative is paid."""
    collateral: float
    leverage: float
    """Signed notional over equity."""


def factor_model(
    returns: Vector, factors: Matrix, names: tuple[str, ...], lags: int | None = None,
) -> FactorModel | NoAnswer:
    """Ordinary least squares with HAC (Bartlett) errors, by statsmodels.

    Args:
        returns: shape (n,), excess returns, a perp's with funding. factors: shape (n, k). Rows with a NaN are left out.
        lags: autocovariances that count; default floor(4 (n / 100)^(2/9)); take the overlap less one for horizons.
    Returns:
        `NoAnswer`: `too_little_history` (fewer than 20 rows per coefficient), `factors_do_not_move` (collinear).
    """
    if factors.shape != (len(returns), len(names)):
        raise ValueError(f"{len(returns)} returns and {len(names)} names for factors of shape {factors.shape}")
    known = np.isfinite(returns) & np.isfinite(factors).all(axis=1)
    rows, needed = int(known.sum()), ROWS_PER_FACTOR_MIN * (len(names) + 1)
    if rows < needed:
        return NoAnswer("too_little_history", f"{rows} known rows, {needed} needed for {len(names)} factors")
    y, x = returns[known], factors[known]
    scale = x.std(axis=0)
    if (scale <= 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)).any():
        return NoAnswer("factors_do_not_move", "a factor is constant")
    if np.linalg.matrix_rank(np.column_stack((np.ones(rows), x / scale)), tol=1e-6 * math.sqrt(rows)) < len(names) + 1:
        return NoAnswer("factors_do_not_move", "a factor is made of the others")
    count = min(newey_west_lags(rows) if lags is None else lags, rows - 1)
    fit = _fitted(y, x, count)
    rows_of = [Loading(name, float(fit.params[i]), float(fit.bse[i])) for i, name in enumerate(("alpha", *names))]
    residual_sd = float(np.std(fit.resid, ddof=len(names) + 1))
    return FactorModel(rows_of[0], tuple(rows_of[1:]), float(fit.rsquared), residual_sd, rows, count)


def _fitted(y: Vector, x: Matrix, lags: int) -> Any:
    """The regression by statsmodels; imported here, because the daemon never fits one."""
    import statsmodels.api

    model = statsmodels.api.OLS(y, statsmodels.api.add_constant(x, has_constant="add"))
    return model.fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})


def equity_return(
    leverage: float, beta: float, market_premium: float, funding: float, alpha: float = 0.0,
    collateral_rate: float = 0.0,
) -> EquityReturn:
    """N/E (alpha + beta lambda - f) + r_coll: the expected return on equity of a perp position, per year.

    At 10 times, beta 1, a premium of 11 %, funding of 10.95 % (0.01 % per 8 h) and collateral that earns nothing:
    0.5 %. With a cash rate of 4.5 % inside the leverage it would read 45.5 %.

    Args:
        leverage: signed notional over equity; negative for a short, which receives positive funding.
        beta: to the market. market_premium: lambda, the market's expected excess return per year.
        funding: simple per year, positive when longs pay. alpha: per year, of notional.
        collateral_rate: what the venue pays on the equity; 0 where it pays nothing. Never multiplied by leverage.
    """
    premium, extra, paid = leverage * beta * market_premium, leverage * alpha, -leverage * funding
    return EquityReturn(premium + extra + paid + collateral_rate, premium, extra, paid, collateral_rate, leverage)


def break_even_funding_8h(beta: float, market_premium: float) -> float:
    """Funding per 8 h at which a long of this beta earns nothing: beta lambda / 1095, a fraction."""
    return beta * market_premium / SETTLEMENTS_PER_YEAR


def implied_risk_free(expected_return: float, beta: float, market_premium: float) -> float:
    """The cash rate that an expected return and a premium imply: r = E - beta lambda; negative is impossible."""
    return expected_return - beta * market_premium


def cost_of_equity(beta: float, market_premium: float, risk_free: float) -> float:
    """The textbook CAPM of a *funded* position: r_f + beta lambda."""
    return risk_free + beta * market_premium


def expected_from_factors(
    model: FactorModel, premia: dict[str, float], rows_per_year: float, with_alpha: bool = False,
) -> float | NoAnswer:
    """Expected excess return per year: sum of loading times premium, plus the alpha if it is believed.

    Args:
        premia: price of risk of each factor per row (`fama_macbeth`, or a factor's mean).
        rows_per_year: 365 for daily, 52.14 for weekly rows.
    """
    missing = [each.factor for each in model.loadings if each.factor not in premia]
    if missing:
        return NoAnswer("premium_unknown", f"no price of risk for {', '.join(missing)}")
    earned = math.fsum(each.value * premia[each.factor] for each in model.loadings)
    return (earned + (model.alpha.value if with_alpha else 0.0)) * rows_per_year


def shrunk_to_capm(multi: float, single: float, t_statistic: float) -> float:
    """A multi-factor expectation pulled towards CAPM's by t^2 / (1 + t^2): two hundred weeks prove little."""
    weight = t_statistic**2 / (1.0 + t_statistic**2)
    return weight * multi + (1.0 - weight) * single
