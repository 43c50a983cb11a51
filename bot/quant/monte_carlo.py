"""Paths of joint rows: the stationary bootstrap, filtered simulation of a horizon, and what many paths say together.

Rows are kept whole: spot, perp, funding and the day's extremes of one date stay together. Volatility is never scaled
by the square root of time: under GARCH that is wrong in both directions. Source: quant-reference sections 7 and 14;
Politis and Romano (1994); Barone-Adesi, Giannopoulos and Vosper (1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from bot.quant.path_book import Ints, PathOutcome, PathStep
from bot.quant.tail_risk import Matrix, Vector

SHOCK_CAP_SD: Final = 15.0
"""A t with three degrees of freedom has no fourth moment; one draw must not decide a year."""
QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
DRAWDOWNS: Final = (0.05, 0.10, 0.20, 0.30, 0.50)


class JointRows(msgspec.Struct, frozen=True, kw_only=True):
    """Days of all legs; shape (n_rows, n_legs) each. Spot legs have no funding; extremes are of marks."""

    returns: Matrix
    funding: Matrix
    """Sum of the day's settlements that longs pay, fraction of notional."""
    low: Matrix | None = None
    high: Matrix | None = None
    """Lowest and highest mark of the day over the one at its start, as returns."""


class VarianceModel(msgspec.Struct, frozen=True, kw_only=True):
    """h = omega + alpha r^2 + beta h per coin, shape (n_coins,); EWMA: omega 0, alpha 1 - decay, beta decay."""

    omega: Vector
    alpha: Vector
    beta: Vector
    variance_next: Vector


class PathSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the paths of a book say; probabilities are shares of paths."""

    paths: int
    wealth_start_usd: float
    wealth_quantiles_usd: dict[float, float]
    drawdown_above: dict[float, float]
    """P(deepest drawdown > x) by x."""
    liquidated: tuple[float, ...]
    """P(liquidation) per leg, in the book's order."""
    any_liquidated: float
    ruin: float
    """P(wealth falls to the ruin level at the end of any step)."""
    ruin_level: float
    """As a fraction of the start."""
    funding_quantiles_usd: dict[float, float]
    under_water_steps: dict[float, float]
    """Quantiles of the longest stretch below a former peak."""
    costs_mean_usd: float

    def standard_error(self, probability: float) -> float:
        """Of an estimated probability: sqrt(p (1 - p) / paths)."""
        return float(np.sqrt(probability * (1.0 - probability) / self.paths))


def stationary_indices(rows: int, steps: int, paths: int, mean_block: float, generator: np.random.Generator) -> Ints:
    """Row numbers of the stationary bootstrap, shape (paths, steps): blocks of geometric length, wrapping at the end.

    Args:
        rows: to draw from.
        steps: length of a path.
        paths: how many.
        mean_block: average block length in rows, at least 1 (1: independent draws, which halve the error of the mean of
            an AR(1) with 0.6); 5 to 20 days for daily rows.
        generator: with the caller's seed.
    """
    if rows < 1 or not mean_block >= 1.0:
        raise ValueError(f"{rows} rows, mean block {mean_block}: at least one row and a block of one")
    begins = generator.random((paths, steps)) < 1.0 / mean_block
    begins[:, 0] = True
    starts = generator.integers(rows, size=(paths, steps))
    place = np.arange(steps)
    last = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    out: Ints = (np.take_along_axis(starts, last, axis=1) + place - last) % rows
    return out


def bootstrap_steps(rows: JointRows, indices: Ints) -> Iterator[PathStep]:
    """Steps for the path engine, whole rows at a time."""
    _check(rows)
    for place in indices.T:
        yield PathStep(returns=rows.returns[place], funding=rows.funding[place],
                       low=None if rows.low is None else rows.low[place],
                       high=None if rows.high is None else rows.high[place])


def filtered_steps(
    rows: JointRows, sigma_path: Matrix, coin_of_leg: Ints, model: VarianceModel, indices: Ints,
) -> Iterator[PathStep]:
    """The same rows at the volatility of each path: shocks are history's own, their size follows the path's variance.

    A leg moves by its row's return times (volatility on the path / volatility then); extremes alike. The variance of a
    coin follows the mean return of its legs; a shock enters it with at most `SHOCK_CAP_SD`.

    Args:
        rows: history, with `sigma_path` its volatility, shape (n_rows, n_coins).
        coin_of_leg: shape (n_legs,).
        model: variance recursion and where it stands today.
        indices: shape (paths, steps), rows to draw: independent ones, as standardised shocks have no memory left.
    """
    _check(rows)
    of_coin = np.eye(sigma_path.shape[1])[coin_of_leg]
    of_coin = of_coin / np.maximum(of_coin.sum(axis=0), 1.0)
    shocks = np.clip(rows.returns @ of_coin / sigma_path, -SHOCK_CAP_SD, SHOCK_CAP_SD)
    calm = 1.0 / sigma_path
    variance = np.tile(model.variance_next, (len(indices), 1))
    for place in indices.T:
        sigma = np.sqrt(variance)
        ratio = (sigma * calm[place])[:, coin_of_leg]
        yield PathStep(
            returns=_scaled(rows.returns[place], ratio), funding=rows.funding[place],
            low=None if rows.low is None else _scaled(rows.low[place], ratio),
            high=None if rows.high is None else _scaled(rows.high[place], ratio))
        variance = model.omega + (model.alpha * shocks[place] ** 2 + model.beta) * variance


def copula_steps(
    draw: Callable[[], Matrix], model: VarianceModel, coin_of_leg: Ints, funding: Matrix, indices: Ints,
) -> Iterator[PathStep]:
    """GARCH paths whose shocks come from a copula: volatility on the path times a standardised joint draw.

    Args:
        draw: a new matrix of shape (paths, n_legs) at every call: returns over volatility (`copula_scenarios` with
            margins of unit variance; a leg's basis enters in units of its coin's volatility).
        model: variance recursion; a coin's shock is the mean of its legs'.
        coin_of_leg: shape (n_legs,).
        funding: history, shape (n_rows, n_legs), drawn by `indices`, shape (paths, steps): blocks keep its memory.
    """
    of_coin = np.eye(len(model.variance_next))[coin_of_leg]
    of_coin = of_coin / np.maximum(of_coin.sum(axis=0), 1.0)
    variance = np.tile(model.variance_next, (len(indices), 1))
    for place in indices.T:
        shocks = np.clip(draw(), -SHOCK_CAP_SD, SHOCK_CAP_SD)
        yield PathStep(returns=np.expm1(shocks * np.sqrt(variance)[:, coin_of_leg]), funding=funding[place])
        variance = model.omega + (model.alpha * (shocks @ of_coin) ** 2 + model.beta) * variance


def horizon_returns(steps: Iterator[PathStep]) -> Matrix:
    """Compounded return of each leg over all steps, shape (n_paths, n_legs): the scenarios of a longer horizon."""
    growth: Matrix | None = None
    for step in steps:
        growth = 1.0 + step.returns if growth is None else growth * (1.0 + step.returns)
    if growth is None:
        raise ValueError("a horizon needs at least one step")
    return growth - 1.0


def summary(outcome: PathOutcome, ruin_level: float = 0.5, quantiles: Sequence[float] = QUANTILES,
            drawdowns: Sequence[float] = DRAWDOWNS) -> PathSummary:
    """Quantiles and probabilities over paths.

    Args:
        outcome: of the path engine.
        ruin_level: fraction of the starting wealth at which an operator would stop.
        quantiles: to report.
        drawdowns: depths to report.
    """
    def at(values: Vector) -> dict[float, float]:
        return dict(zip(quantiles, np.quantile(values, quantiles).tolist(), strict=True))

    ruined = outcome.wealth_min_usd <= ruin_level * outcome.wealth_start_usd
    return PathSummary(
        paths=len(outcome.wealth_usd), wealth_start_usd=outcome.wealth_start_usd,
        wealth_quantiles_usd=at(outcome.wealth_usd),
        drawdown_above={depth: float(np.mean(outcome.drawdown_max > depth)) for depth in drawdowns},
        liquidated=tuple(outcome.liquidated.mean(axis=0).tolist()),
        any_liquidated=float(np.mean(outcome.liquidated.any(axis=1))), ruin=float(np.mean(ruined)),
        ruin_level=ruin_level, funding_quantiles_usd=at(outcome.funding_usd),
        under_water_steps=at(outcome.under_water_steps), costs_mean_usd=float(outcome.costs_usd.mean()),
    )


def _scaled(returns: Matrix, ratio: Matrix) -> Matrix:
    """Returns at another volatility, as log returns so that none falls below -100 %."""
    out: Matrix = np.expm1(np.log1p(returns) * ratio)
    return out


def _check(rows: JointRows) -> None:
    """Every number known: a hole would be drawn again and again.

    Raises:
        ValueError: naming the array.
    """
    for name, array in (("returns", rows.returns), ("funding", rows.funding), ("low", rows.low), ("high", rows.high)):
        if array is not None and (array.shape != rows.returns.shape or not np.isfinite(array).all()):
            raise ValueError(f"{name}: shape {array.shape} must be that of the returns, every number known")
