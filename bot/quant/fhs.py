"""Filtered historical simulation: past days of all legs together, each over its volatility then, times that of now.

The default VaR of the governor. Legs, not coins, are the columns: spot, perp (price) and funding, per venue and symbol.
**Legs of one coin share one volatility**: with one each, the two sides of a hedge would be scaled by different factors,
and 2 % between two estimates would turn a 40 % fall into a basis loss that never was. Funding is not scaled.
Source: quant-reference section 7; Barone-Adesi, Giannopoulos and Vosper (1999); Hull and White (1998).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.tail_risk import (
    Matrix,
    TailRisk,
    Vector,
    component_es_of,
    historical_var_es,
    rows_needed,
)

Ints = npt.NDArray[np.intp]


class TailReason(StrEnum):
    """Why a tail estimate is not the default one, or is unknown."""

    TOO_FEW_ROWS = "tail_rows_min"
    NOT_FINITE = "tail_not_finite"
    NO_VOLATILITY = "tail_no_volatility"


class Scenarios(msgspec.Struct, frozen=True, kw_only=True):
    """Joint days of all legs as they would be at the volatility of tomorrow: made once a day, asked for every book."""

    returns: Matrix
    """Shape (n_rows, n_legs): return per unit of signed notional. C order."""
    filtered: bool
    """False: plain history, because no volatility was known."""

    def pnl(self, book: Vector) -> Vector:
        """The book's P&L in every row: one product; shape (n_rows,).

        Args:
            book: shape (n_legs,), signed notionals.
        """
        out: Vector = self.returns @ book
        return out

    def tail(self, book: Vector, level: float) -> TailRisk:
        """VaR and ES of a book.

        Raises:
            ValueError: if there is no row, or a notional is not finite.
        """
        return historical_var_es(self.pnl(book), level)

    def component_es(self, book: Vector, level: float) -> Vector:
        """Euler's split of the book's ES; shape (n_legs,), sums to `tail(book, level).es`."""
        return component_es_of_book(self.returns, book, level)


def joint_scenarios(returns: Matrix, sigma_path: Matrix, sigma_next: Vector, level: float) -> Scenarios | TailReason:
    """The scenarios of a panel for levels up to `level`; the reason if there can be none.

    Args:
        returns: shape (n_rows, n_legs), oldest first; rows with a NaN in any leg are left out, for a leg's missing day
            must not become a calm one.
        sigma_path: shape (n_rows, n_legs); row t is the forecast for row t made before it. Legs of one coin alike.
        sigma_next: shape (n_legs,), the forecast for the day to come.
        level: the highest confidence level that will be asked for.
    """
    known = np.isfinite(returns).all(axis=1) & np.isfinite(sigma_path).all(axis=1) & (sigma_path > 0.0).all(axis=1)
    if not (np.isfinite(sigma_next).all() and (sigma_next > 0.0).all()):
        return TailReason.NO_VOLATILITY
    if int(known.sum()) < rows_needed(level):
        return TailReason.TOO_FEW_ROWS
    return Scenarios(returns=fhs_returns(returns[known], sigma_path[known], sigma_next), filtered=True)


def plain_scenarios(returns: Matrix, level: float) -> Scenarios | TailReason:
    """History as it was: the fallback where no volatility is known."""
    known = returns[np.isfinite(returns).all(axis=1)]
    if len(known) < rows_needed(level):
        return TailReason.TOO_FEW_ROWS
    return Scenarios(returns=np.ascontiguousarray(known), filtered=False)


def standardised(returns: Matrix, sigma_path: Matrix) -> Matrix:
    """Each return over the volatility forecast for its day; shape (n_rows, n_legs).

    Raises:
        ValueError: if shapes differ or a volatility is not positive.
    """
    if returns.shape != sigma_path.shape:
        raise ValueError(f"returns have shape {returns.shape}, volatilities {sigma_path.shape}")
    if not (sigma_path > 0.0).all():
        raise ValueError("every volatility must be known and above 0")
    out: Matrix = returns / sigma_path
    return out


def fhs_returns(returns: Matrix, sigma_path: Matrix, sigma_next: Vector) -> Matrix:
    """Past days at the volatility of the day to come; shape (n_rows, n_legs)."""
    return standardised(returns, sigma_path) * sigma_next


def fhs_pnl(book: Vector, standardised_rows: Matrix, sigma_next: Vector) -> Vector:
    """The book's P&L in every row, the book projected first: one matrix-vector product; shape (n_rows,)."""
    out: Vector = standardised_rows @ (book * sigma_next)
    return out


def fhs_var_es(book: Vector, standardised_rows: Matrix, sigma_next: Vector, level: float) -> TailRisk:
    """VaR and ES of a book by filtered historical simulation.

    Args:
        book: shape (n_legs,), signed notionals in USD.
        standardised_rows: shape (n_rows, n_legs), see `standardised`.
        sigma_next: shape (n_legs,), volatility forecast of the day to come.
        level: confidence.
    """
    return historical_var_es(fhs_pnl(book, standardised_rows, sigma_next), level)


def component_es_of_book(returns: Matrix, book: Vector, level: float) -> Vector:
    """Euler's split of the ES of `returns @ book` over legs; shape (n_legs,). Only the tail rows are multiplied out."""
    return component_es_of(returns, returns @ book, level) * book


def volatility_of_legs(sigma_coins: Matrix, coin_of_leg: Ints) -> Matrix:
    """Each leg's volatility out of its coin's; a leg of coin -1 (funding) gets 1, that is: it is not filtered.

    Args:
        sigma_coins: shape (n_rows, n_coins) or (n_coins,).
        coin_of_leg: shape (n_legs,), column of the leg's coin, or -1.
    Returns:
        Shape (n_rows, n_legs) or (n_legs,).
    """
    ones = np.ones((*sigma_coins.shape[:-1], 1))
    out: Matrix = np.concatenate((sigma_coins, ones), axis=-1)[..., coin_of_leg]  # -1 reads the last: 1
    return out
