"""The tail of a book of pairs: joint days of all its legs at tomorrow's volatility, and what stands in without them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.values import Coin, InstrumentId
from bot.market.panel import JointRows, Panel
from bot.quant.ewma import DAILY_DECAY, ewma_variance
from bot.quant.fhs import Scenarios, TailReason, joint_scenarios
from bot.quant.leg_scenarios import leg_scenarios
from bot.quant.tail_risk import component_es_of, historical_var_es
from bot.risk.governor import TailFigures
from bot.risk.governor_params import GovernorParams

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

UNKNOWN_LOSS_SHARE: Final = 0.02
"""One day's loss assumed of a pair without joint history: of its notional, the size of a basis blow-out and a day at
the funding cap."""

UNKNOWN_LOSS_ONE_LEG: Final = 0.15
"""The same of a leg alone: what a coin loses in one of its forty worst days of a bad year."""

DAYS_PER_YEAR: Final = 365.0


class PairLegs(msgspec.Struct, frozen=True):
    """The two legs of a pair; per unit of notional it is long one and short the other. A hedge has only one of them."""

    key: str
    coin: Coin
    long_leg: InstrumentId | None
    short_leg: InstrumentId | None

    @property
    def legs(self) -> tuple[InstrumentId, ...]:
        """Those there are, the long one first."""
        return tuple(leg for leg in (self.long_leg, self.short_leg) if leg is not None)


class CoinPath(msgspec.Struct, frozen=True):
    """One coin's daily volatility forecasts: `sigma[t]` for the day after `first_day + t`."""

    first_day: int
    sigma: Vector


class BookTail:
    """Scenarios of a set of pairs, made once a day and asked for every size of them."""

    def __init__(self, pairs: Sequence[PairLegs], scenarios: Vector | None, reason: str, level: float) -> None:
        """`scenarios`: shape (n_rows, n_pairs), P&L per unit of notional of each pair; None: too few joint days.

        `reason`: why they are not the default ones, or not there; empty if they are.
        """
        self.keys = [pair.key for pair in pairs]
        self._unknown = [UNKNOWN_LOSS_SHARE if len(pair.legs) > 1 else UNKNOWN_LOSS_ONE_LEG for pair in pairs]
        self._rows = scenarios
        self._reason = reason
        self._level = level

    @property
    def method(self) -> str:
        """`fhs`: legs by what moves them; `fhs_coin`: by the coin alone; `worst_on_record`: a share of notional."""
        if self._rows is None:
            return "worst_on_record"
        return "fhs_coin" if self._reason else "fhs"

    def figures(self, sizes: Mapping[str, float]) -> TailFigures:
        """The tail of the book with these sizes; an empty one loses nothing."""
        book = np.array([sizes.get(key, 0.0) for key in self.keys])
        if not book.any():
            return TailFigures(es_usd=0.0, var_usd=0.0, by_pair={}, method="fhs")
        if self._rows is None:
            parts = {key: share * abs(size)
                     for key, share, size in zip(self.keys, self._unknown, book.tolist(), strict=True)}
            total = sum(parts.values())
            return TailFigures(es_usd=total, var_usd=total, by_pair=parts, method=self.method, reason=self._reason)
        pnl = (self._rows * book).sum(axis=1)  # a matrix product would add in an order that depends on the machine
        tail = historical_var_es(pnl, self._level)
        parts_of = component_es_of(self._rows, pnl, self._level) * book
        return TailFigures(es_usd=max(tail.es, 0.0), var_usd=max(tail.var, 0.0),
                           by_pair=dict(zip(self.keys, parts_of.tolist(), strict=True)), method=self.method,
                           reason=self._reason)

    def at_level(self, sizes: Mapping[str, float], level: float) -> float | None:
        """VaR at another level; None without joint days enough."""
        book = np.array([sizes.get(key, 0.0) for key in self.keys])
        if self._rows is None or not book.any():
            return None if self._rows is None else 0.0
        return max(historical_var_es((self._rows * book).sum(axis=1), level).var, 0.0)

    def covariance_annual(self) -> Matrix:
        """Covariance of the pairs' daily P&L per unit of notional, times 365; shape (n_pairs, n_pairs).

        Without joint days all pairs are taken to lose `UNKNOWN_LOSS_SHARE` together: what is not known is neither calm
        nor diversified.
        """
        if self._rows is None:
            return np.full((len(self.keys), len(self.keys)), DAYS_PER_YEAR * UNKNOWN_LOSS_SHARE**2)
        moved = self._rows - self._rows.mean(axis=0)
        return np.asarray(moved.T @ moved * (DAYS_PER_YEAR / len(moved)))

    def shape(self, sizes: Mapping[str, float]) -> list[float]:
        """Loss over ES of the worst rows at this tail's level; empty without joint days or without a losing tail."""
        book = np.array([sizes.get(key, 0.0) for key in self.keys])
        if self._rows is None or not book.any():
            return []
        pnl = np.sort((self._rows * book).sum(axis=1))
        worst = pnl[:int(len(pnl) * (1.0 - self._level))]
        mean = float(worst.mean()) if len(worst) else 0.0
        return (worst / mean).tolist() if mean < 0.0 else []


def coin_path(panel: Panel, instrument: InstrumentId) -> CoinPath | None:
    """Daily EWMA forecasts of the perpetual that stands for a coin; None without closes."""
    series = panel.series.get(instrument)
    returns = panel.daily_returns(instrument, len(series.closes)) if series is not None else np.empty(0)
    if series is None or not len(returns):
        return None
    return CoinPath(series.first_day + 1, np.sqrt(ewma_variance(returns, DAILY_DECAY)))


def book_tail(panel: Panel, pairs: Sequence[PairLegs], paths: Mapping[Coin, CoinPath | None],
              params: GovernorParams) -> BookTail:
    """The scenarios of a set of pairs.

    A coin's move is one number for all its legs, at its own volatility, so a hedge stays a hedge; basis and funding
    move at theirs. With too few joint days for that, price returns are scaled by the coin's volatility alone and
    funding stays as it was; with too few for that too, there are no scenarios.
    """
    legs = list(dict.fromkeys(leg for pair in pairs for leg in pair.legs))
    coin_of = {leg: pair.coin for pair in pairs for leg in pair.legs}
    rows = panel.joint_rows(legs, params.tail_days)
    if not len(rows.days):
        return BookTail(pairs, None, TailReason.TOO_FEW_ROWS.value, params.es_level)
    sigma, following = np.ones((len(rows.days), len(legs))), np.ones(len(legs))
    for column, leg in enumerate(legs):
        path = paths.get(coin_of[leg])
        if path is None:
            return BookTail(pairs, None, TailReason.NO_VOLATILITY.value, params.es_level)
        place = rows.days - 1 - path.first_day
        inside = (place >= 0) & (place < len(path.sigma))
        sigma[:, column] = np.where(inside, path.sigma[np.clip(place, 0, len(path.sigma) - 1)], math.nan)
        following[column] = path.sigma[-1]
    standing = {coin: column for column, coin in reversed(list(enumerate(coin_of.values())))}
    reference = np.array([standing[coin] for coin in coin_of.values()], dtype=np.intp)
    made, reason = leg_scenarios(rows.returns, rows.funding, reference, sigma, following, params.es_level), ""
    if made is TailReason.TOO_FEW_ROWS:
        made, reason = _by_coin_alone(rows, sigma, following, params.es_level), TailReason.TOO_FEW_ROWS.value
    if not isinstance(made, Scenarios):
        return BookTail(pairs, None, made.value, params.es_level)
    at: dict[InstrumentId | None, int] = {leg: column for column, leg in enumerate(legs)}
    at[None] = len(legs)  # a column of nothing: the leg that a hedge does not have
    moves = np.column_stack((made.returns, np.zeros(len(made.returns))))
    per_pair = np.column_stack([moves[:, at[pair.long_leg]] - moves[:, at[pair.short_leg]] for pair in pairs])
    return BookTail(pairs, np.ascontiguousarray(per_pair), reason, params.es_level)


def _by_coin_alone(rows: JointRows, sigma: Matrix, following: Vector, level: float) -> Scenarios | TailReason:
    """Price returns at the coin's volatility of tomorrow, funding as it was."""
    width = len(following)
    made = joint_scenarios(np.hstack((rows.returns, -rows.funding)), np.hstack((sigma, np.ones_like(sigma))),
                           np.concatenate((following, np.ones(width))), level)
    if not isinstance(made, Scenarios):
        return made
    return Scenarios(returns=made.returns[:, :width] + made.returns[:, width:], filtered=True)
