"""Calculators of portfolios: CAPM for unfunded positions, what a cut in size implies, the efficient frontier."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.domain.errors import Unavailable
from bot.quant.allocation_problem import AllocationProblem
from bot.quant.book_limits import BookLimits
from bot.quant.capm import break_even_funding_8h, cost_of_equity, equity_return, factor_model, implied_risk_free
from bot.quant.covariance import correlation, estimate
from bot.quant.frontier import efficient_frontier
from bot.quant.leverage_cap import Side
from bot.quant.no_answer import NoAnswer
from bot.quant.size_cut import beta_limit, size_cut
from bot.research.calculation import Calculation, Row

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_DAYS: Final = 365.0
_SETTLEMENTS: Final = 1_095.0


def capm(*, beta: float, premium: float, leverage: float, funding_8h: float, alpha: float = 0.0,
         collateral: float = 0.0, risk_free: float = 0.0) -> Calculation:
    """Expected return on equity of a perpetual position: leverage multiplies premium and funding, not the cash rate."""
    funding = funding_8h * _SETTLEMENTS
    found = equity_return(leverage, beta, premium, funding, alpha, collateral)
    even = break_even_funding_8h(beta, premium)
    return Calculation(
        name="capm",
        inputs={"beta": beta, "premium": premium, "leverage": leverage, "funding_8h": funding_8h, "alpha": alpha,
                "collateral": collateral, "risk_free": risk_free},
        result={"expected_annual": found.total, "from_premium": found.premium, "from_alpha": found.alpha,
                "from_funding": found.funding, "from_collateral": found.collateral, "break_even_funding_8h": even,
                "funded_capm_annual": cost_of_equity(beta, premium, risk_free)},
        arithmetic=(
            f"funding per year: {funding_8h:.4%} x 1095 = {funding:.3%}",
            f"{leverage:g} x ({alpha:.3%} + {beta:g} x {premium:.2%} - {funding:.3%}) + {collateral:.2%}"
            f" = {found.total:.3%} a year on equity",
            f"a long breaks even at {beta:g} x {premium:.2%} / 1095 = {even:.5%} per 8 h",
            f"the textbook form for a funded asset: {risk_free:.2%} + {beta:g} x {premium:.2%}"
            f" = {cost_of_equity(beta, premium, risk_free):.2%}",
        ),
        conventions=("leverage is signed: negative is short and receives positive funding",
                     "a perpetual needs no funding of its own: no risk-free rate inside the leverage",
                     "collateral counts only if the venue pays on it"),
    )


def capm_of_series(returns: Vector, factors: Matrix, names: tuple[str, ...], *, periods_per_year: float,
                   source: str) -> Calculation:
    """Loadings on one or several factors with HAC errors.

    Raises:
        Unavailable: too little history, or factors that do not move apart.
    """
    model = factor_model(returns, factors, names)
    if isinstance(model, NoAnswer):
        raise Unavailable(f"{source}: {model.reason.replace('_', ' ')}: {model.detail}")
    rows: list[Row] = [
        {"factor": each.factor, "loading": each.value, "se": each.se, "t": each.t, "low_95": each.interval[0],
         "high_95": each.interval[1]} for each in (model.alpha, *model.loadings)]
    first = model.loadings[0]
    return Calculation(
        name="capm", inputs={"source": source, "rows": model.rows, "lags": model.lags},
        result={"beta": first.value, "beta_se": first.se, "alpha_annual": model.alpha.value * periods_per_year,
                "r_squared": model.r_squared, "residual_sd": model.residual_sd},
        arithmetic=(f"r = a + {' + '.join(f'b {name}' for name in names)} + e over {model.rows} rows",
                    f"errors: HAC (Bartlett), {model.lags} lags"),
        conventions=("a perpetual's return includes its funding; nothing is subtracted for cash",
                     "beta is an average over the sample: look at R2 and at windows before relying on it"),
        tables={"loadings": tuple(rows)},
    )


def cut_in_size(*, cut: float, leverage: float, maintenance_rate: float, side: Side, expected: float | None,
                premium: float | None, beta: float) -> Calculation:
    """What a cut in size says of volatility and buys in distance to liquidation."""
    found = size_cut(cut, leverage, maintenance_rate, side)
    before, after = (None if math.isnan(move) else move for move in (found.move_before, found.move_after))
    told = ["none" if move is None else f"{move:+.1%}" for move in (before, after)]
    result: Row = {"volatility_over_target": found.volatility_over_target, "leverage_after": found.leverage_after,
                   "liquidating_move_before": before, "liquidating_move_after": after}
    lines = [f"under a volatility target a cut of {cut:.0%} means volatility 1 / (1 - {cut:g}) - 1"
             f" = {found.volatility_over_target:.0%} above it",
             f"{leverage:g}x becomes {found.leverage_after:g}x; a {side} is then liquidated by a move of {told[1]}"
             f" instead of {told[0]}"]
    if expected is not None and premium is not None:
        rate, most = implied_risk_free(expected, beta, premium), beta_limit(expected, premium)
        result |= {"implied_risk_free": rate, "beta_max": most}
        lines.append(f"{expected:.0%} expected at a premium of {premium:.0%} and beta {beta:g} implies a cash rate of"
                     f" {rate:.1%}; above beta {most:.2f} it would be negative")
    return Calculation(
        name="size-cut", inputs={"cut": cut, "leverage": leverage, "maintenance_rate": maintenance_rate, "side": side,
                                 "expected": expected, "premium": premium, "beta": beta},
        result=result, arithmetic=tuple(lines), conventions=("the margin stays; only the position is cut",),
    )


def frontier(returns: Matrix, names: tuple[str, ...], mu_annual: Vector, *, points: int, long_only: bool,
             gross_max: float, weight_max: float, beta: Vector | None, beta_band: float, source: str) -> Calculation:
    """Books of least variance from the calmest to the richest, under one set of limits.

    Raises:
        Unavailable: a covariance that cannot be estimated, or limits that leave no book.
    """
    found = estimate(returns)
    if isinstance(found, NoAnswer):
        raise Unavailable(f"{source}: {found.reason.replace('_', ' ')}: {found.detail}")
    if len(found.kept) < len(names):
        left = ", ".join(f"{names[place]} ({reason.replace('_', ' ')})" for place, reason in found.left_out)
        raise Unavailable(f"{source}: {left}: cannot be judged; leave it out")
    limits = BookLimits(
        lower=np.full(len(names), 0.0 if long_only else -weight_max), upper=np.full(len(names), weight_max),
        gross_max=gross_max, net=1.0 if long_only else None, beta=beta, beta_band=beta_band, names=names)
    problem = AllocationProblem(mu=mu_annual, covariance=found.matrix * _DAYS, held=np.zeros(len(names)), limits=limits)
    answer = efficient_frontier(problem, points, returns)
    if isinstance(answer, NoAnswer):
        raise Unavailable(f"{source}: {answer.reason.replace('_', ' ')}: {answer.detail}")
    rows: list[Row] = []
    for point in answer.points:
        row: Row = {"expected_annual": point.expected_return, "volatility_annual": point.volatility}
        row |= dict(zip((f"w_{name}" for name in names), point.weights.tolist(), strict=True))
        rows.append(row | {"leverage": point.gross, "beta": point.beta, "es_daily": point.es_daily,
                           "binding": ", ".join(point.binding)})
    best = answer.best_sharpe
    matrix = correlation(found.matrix)
    sd = np.sqrt(np.diag(found.matrix) * _DAYS)
    assets: list[Row] = [
        {"asset": name, "mu_annual": float(mu_annual[place]), "volatility_annual": float(sd[place]),
         f"correlation_with_{names[0]}": float(matrix[0, place])} for place, name in enumerate(names)]
    return Calculation(
        name="frontier",
        inputs={"source": source, "rows": len(returns), "points": len(rows), "long_only": long_only,
                "gross_max": gross_max, "weight_max": weight_max},
        result={"least_volatility_annual": rows[0]["volatility_annual"],
                "highest_expected_annual": rows[-1]["expected_annual"],
                "best_sharpe": None if best is None else best.sharpe,
                "failed_points": len(answer.failed)},
        arithmetic=(f"covariance: EWMA 0.97 shrunk by Ledoit-Wolf, {len(returns)} daily rows, times 365",
                    "at each return the book of least variance under the limits, by Clarabel"),
        conventions=("expected returns are the weakest input: the curve is as good as they are",
                     "weights are signed fractions of equity; es_daily is a 97.5 % loss of one day"),
        tables={"assets": tuple(assets), "frontier": tuple(rows)},
    )
