"""The default VaR on books of legs: spot and perp of several coins with funding, joined by day, as the governor asks.

A study of single perps says nothing of a carry book, whose risk is basis and funding. Each day, the days before it are
rescaled (`bot/quant/leg_scenarios`: the coin by its volatility, basis and funding by their own), projected on the book,
and held against what the book then made. Nothing looks ahead. The coin's volatility is the governor's own (daily EWMA);
HAR makes the same breaches on carry books and a lower loss on books with a net price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bot.quant.fhs import Scenarios
from bot.quant.leg_scenarios import leg_scenarios
from bot.quant.tail_risk import Matrix, Vector
from bot.research.var_study import (
    ES_LEVEL,
    LEVEL,
    ROWS_MIN,
    WINDOW,
    DailyReturns,
    EwmaPath,
    MethodResult,
    Tails,
    judged,
    load_daily,
)
from bot.storage.history import HistoryFolder

_EVER: Final = (-(1 << 62), 1 << 62)
_DAY_NS: Final = 86_400_000_000_000
KINDS: Final = ("spot", "perp")
BOOKS: Final[dict[str, dict[str, float]]] = {
    "carry BTC": {"BTC spot": 1.0, "BTC perp": -1.0},
    "carry BTC and ETH": {"BTC spot": 0.5, "BTC perp": -0.5, "ETH spot": 0.5, "ETH perp": -0.5},
    "long ETH, short BTC": {"BTC perp": -1.0, "ETH perp": 1.0},
    "carry with a net long": {"BTC spot": 0.7, "BTC perp": -0.4, "ETH perp": -0.1},
}
"""Signed notional per leg; a perp's funding comes with it."""


class LegDays(msgspec.Struct, frozen=True, kw_only=True):
    """Joint days of all legs, shape (n_days, n_legs): simple returns of price, and what a long pays in funding."""

    day_ns: tuple[int, ...]
    legs: tuple[str, ...]
    returns: Matrix
    funding: Matrix
    coins: tuple[DailyReturns, ...]
    """Each coin's perp on the same days: its realised variance makes the volatility."""


def load_legs(folder: HistoryFolder, venue: str, coins: Sequence[str]) -> LegDays:
    """Spot, perp and funding of coins quoted in USDT, on the days that all of them have.

    Raises:
        DataRefused: if a series is missing or too thin.
    """
    perps = {coin: load_daily(folder, venue, f"{coin}/USDT:USDT") for coin in coins}
    spots = {coin: load_daily(folder, venue, f"{coin}/USDT") for coin in coins}
    days = np.array(perps[coins[0]].day_ns)
    for series in (*perps.values(), *spots.values()):
        days = np.intersect1d(days, np.array(series.day_ns))
    columns, rates, aligned = [], [], []
    for coin in coins:
        perp = _on(perps[coin], days)
        paid = folder.funding(venue, f"{coin}/USDT:USDT", *_EVER)
        of_day = np.searchsorted(days, paid.ts_ns, side="left")  # a settlement at 00 UTC belongs to the day it ends
        inside = (paid.ts_ns > days[0] - _DAY_NS) & (paid.ts_ns <= days[-1])
        funding = np.bincount(of_day[inside], weights=paid.rate[inside], minlength=len(days))
        columns += [np.expm1(_on(spots[coin], days).returns), np.expm1(perp.returns)]
        rates += [np.zeros(len(days)), funding]
        aligned.append(perp)
    return LegDays(day_ns=tuple(days.tolist()), legs=tuple(f"{coin} {kind}" for coin in coins for kind in KINDS),
                   returns=np.column_stack(columns), funding=np.column_stack(rates), coins=tuple(aligned))


def study_books(days: LegDays, books: Mapping[str, Mapping[str, float]] = BOOKS,
                volatility: type[EwmaPath] = EwmaPath) -> tuple[MethodResult, ...]:
    """One line per book, named after it.

    Args:
        volatility: how a coin's own is forecast: `EwmaPath` as the governor does, or `HarPath`.
    Raises:
        ValueError: if there are not `ROWS_MIN` days and one, or a book names a leg that is not there.
    """
    count = len(days.day_ns)
    if count <= ROWS_MIN:
        raise ValueError(f"{count} joint days; a study needs more than {ROWS_MIN}")
    weights = {name: _weights(name, book, days.legs) for name, book in books.items()}
    paths = [volatility(coin) for coin in days.coins]
    coin = np.arange(len(days.legs)) // len(KINDS)
    tails: dict[str, list[Tails | None]] = {name: [] for name in books}
    for day in range(ROWS_MIN, count):
        following = np.array([path.at(day) for path in paths])[coin]
        past = slice(max(0, day - WINDOW), day)
        sigma = np.column_stack([path.path[past] for path in paths])[:, coin]
        made = leg_scenarios(days.returns[past], days.funding[past], coin * len(KINDS), sigma, following, ES_LEVEL)
        for name, book in weights.items():
            tails[name].append((made.tail(book, LEVEL), made.tail(book, ES_LEVEL))
                               if isinstance(made, Scenarios) else None)
    made_by = days.returns[ROWS_MIN:] - days.funding[ROWS_MIN:]
    return tuple(judged(name, tails[name], made_by @ weights[name]) for name in books)


def study(folder: Path, venue: str = "binance", coins: Sequence[str] = ("BTC", "ETH"),
          volatility: type[EwmaPath] = EwmaPath) -> tuple[MethodResult, ...]:
    """The books of a data folder."""
    with HistoryFolder(folder) as history:
        return study_books(load_legs(history, venue, coins), volatility=volatility)


def _on(series: DailyReturns, days: np.typing.NDArray[np.int64]) -> DailyReturns:
    """A series on these days alone."""
    place = np.searchsorted(np.array(series.day_ns), days)
    return DailyReturns(symbol=series.symbol, day_ns=tuple(days.tolist()), returns=series.returns[place],
                        realised=series.realised[place])


def _weights(name: str, book: Mapping[str, float], legs: Sequence[str]) -> Vector:
    """Signed notionals in the order of the legs."""
    missing = [leg for leg in book if leg not in legs]
    if missing:
        raise ValueError(f"book {name!r}: no leg {missing[0]!r}; there are {', '.join(legs)}")
    return np.array([book.get(leg, 0.0) for leg in legs])
