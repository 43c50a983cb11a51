"""What funding does to a perpetual's return: price alone, funding paid, and the hedged pair that receives it."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_DAY
from bot.research.risk_history import CoinHistory, Vector

Mask = npt.NDArray[np.bool_]

_DAYS_MIN: Final = 60
_YEAR: Final = 365.0


class FundingYear(msgspec.Struct, frozen=True, kw_only=True):
    """One calendar year, fractions of notional."""

    year: int
    days: int
    price: float
    """Sum of daily returns of a long perpetual, without funding."""
    funding: float
    """What longs paid (positive) over the year."""
    carry: float | None
    """Long spot, short perpetual, before costs: funding and the change of basis."""
    carry_vol: float | None
    """Standard deviation of its daily returns times sqrt(365)."""


class FundingEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One coin over its history. Series are cumulative sums of daily returns per unit of notional."""

    symbol: str
    day_ns: tuple[int, ...]
    long_price: tuple[float, ...]
    long_with_funding: tuple[float, ...]
    carry: tuple[float, ...]
    """NaN without a spot market."""
    years: tuple[FundingYear, ...]
    correlation: float
    """Of a day's funding with the perpetual's return over the 30 days before it."""
    negative_share: float
    """Share of days on which longs received."""


def funding_effect(coin: CoinHistory) -> FundingEffect:
    """Daily returns of a long perpetual with and without funding, and of the hedged pair.

    Raises:
        DataRefused: no funding, or fewer than 60 days of it.
    """
    funding, day_ns = coin.daily_funding(), coin.day_ns[1:]
    perp = coin.daily(coin.perp)
    price = perp[1:] / perp[:-1] - 1.0
    known = np.isfinite(funding) & np.isfinite(price)
    if int(known.sum()) < _DAYS_MIN:
        raise DataRefused(f"{int(known.sum())} days with price and funding; {_DAYS_MIN} are needed")
    spot = coin.daily(coin.spot)
    carry = spot[1:] / spot[:-1] - 1.0 - price + funding
    price, funding, carry, day_ns = price[known], funding[known], carry[known], day_ns[known]
    years = np.array([_year(int(each)) for each in day_ns])
    return FundingEffect(
        symbol=coin.coin, day_ns=tuple(day_ns.tolist()), long_price=tuple(np.cumsum(price).tolist()),
        long_with_funding=tuple(np.cumsum(price - funding).tolist()),
        carry=tuple(np.where(np.isfinite(carry), np.nancumsum(carry), np.nan).tolist()),
        years=tuple(_of_year(int(year), years == year, price, funding, carry) for year in np.unique(years)),
        correlation=_with_the_past(price, funding), negative_share=float(np.mean(funding < 0.0)),
    )


def _of_year(year: int, rows: Mask, price: Vector, funding: Vector, carry: Vector) -> FundingYear:
    hedged = carry[rows][np.isfinite(carry[rows])]
    return FundingYear(
        year=year, days=int(rows.sum()), price=float(price[rows].sum()), funding=float(funding[rows].sum()),
        carry=float(hedged.sum()) if len(hedged) else None,
        carry_vol=float(hedged.std(ddof=1)) * _YEAR**0.5 if len(hedged) > 1 else None)


def _with_the_past(price: Vector, funding: Vector) -> float:
    past = np.convolve(price, np.ones(30), mode="valid")[:-1]
    return float(np.corrcoef(past, funding[30:])[0, 1])


def _year(at_ns: int) -> int:
    """The calendar year in which the day that ends at this midnight lies."""
    return int(np.datetime64(at_ns - NS_PER_DAY, "ns").astype("datetime64[Y]").astype(int)) + 1970
