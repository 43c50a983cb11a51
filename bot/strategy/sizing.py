"""Sizes by growth and variance: fractional Kelly, the mean-variance program, a volatility target; all are options.

Each only bounds what `allocate` may give a pair: rank, caps, the band against churn, and the smallest order stay its
work. A program that is not solved to optimality leaves the book as it is. Weights are notional of one leg over equity.
Source: quant-reference sections 8 and 9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import ConfigRefused
from bot.quant.allocation_problem import Allocation as Weights
from bot.quant.allocation_problem import AllocationProblem
from bot.quant.book_limits import BookLimits, Group
from bot.quant.expected_returns import JUMP_LOSS, JUMPS_PER_YEAR, jump_equivalent_variance
from bot.quant.kelly import carry_size
from bot.quant.mean_variance import allocate as mean_variance
from bot.quant.no_answer import NoAnswer
from bot.quant.sizing import volatility_scale
from bot.strategy.allocation import UNTOUCHED, Allocation, Book, SizeBound, allocate, capital_of, wallet_shares
from bot.strategy.params import CarryParams
from bot.strategy.verdict import Action, Verdict

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_YEAR_H: Final = 8760.0
_FILLS: Final = ("fees", "spread", "slippage")
_CARRY: Final = ("funding", "basis", "hurdle")
_AT_THE_EDGE: Final = 1e-6


class SizingParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How pairs are sized beyond rank and caps. Raises `ConfigRefused` for impossible values."""

    rule: Literal["ranked", "mean_variance"] = "ranked"
    """`ranked`: the best pair takes what its caps leave, then the next. `mean_variance`: all are weighed at once, what
    is expected against variance, failures included, and the cost of trading; not solved: nothing changes."""
    kelly_fraction: float = 0.0
    """No pair exceeds this share of its growth-optimal size, failures counted (at most a quarter: no carry's edge is
    proven); 0: no such bound."""
    volatility_target_annual: float = 0.0
    """The book's forecast volatility, failures included, as a fraction of equity per year: a wilder book is scaled down
    to it, none is scaled up; 0: no target."""
    risk_aversion: float = 2.0
    """Of `mean_variance`: 1 is full Kelly, 2 half."""
    jumps_per_year: float = JUMPS_PER_YEAR
    """Failures of a pair a year (venue, ADL, liquidation of one leg) ..."""
    jump_loss: float = JUMP_LOSS
    """... and what one costs, of notional."""
    turnover_max: float = 4.0
    """Of `mean_variance`: most notional that one decision moves, over equity."""

    def __post_init__(self) -> None:
        """Refuse impossible values in one line naming the key."""
        for key, (low, high) in _RANGES.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigRefused(f"sizing.{key} = {value}: must lie between {low} and {high}")

    @property
    def plain(self) -> bool:
        """Whether nothing but rank and caps decides."""
        return self.rule == "ranked" and not self.kelly_fraction and not self.volatility_target_annual


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "kelly_fraction": (0.0, 1.0),
    "volatility_target_annual": (0.0, 1.0),
    "risk_aversion": (0.1, 1_000.0),
    "jumps_per_year": (0.0, 1.0),
    "jump_loss": (0.01, 1.0),
    "turnover_max": (0.01, 100.0),
}


class PairRisk(msgspec.Struct, frozen=True, kw_only=True):
    """How pairs move: basis and funding, not yet their failures."""

    keys: tuple[str, ...]
    """Every pair that is held or would open."""
    covariance: Matrix
    """Shape (n, n), per year and unit of notional."""


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """Targets, and what the options made of them."""

    allocation: Allocation
    not_solved: str = ""
    """Why the program has no optimum (the book is left as it is); empty if it has, or was not asked."""
    conflict: tuple[str, ...] = ()
    """Limits that cannot be kept together, if that is why."""
    volatility_annual: float | None = None
    """Forecast of the book before scaling, failures included; None without a target."""
    scale: float | None = None
    """What the volatility target leaves of it."""


def sized(verdicts: Sequence[Verdict], book: Book, carry: CarryParams, params: SizingParams, risk: PairRisk,
          scale_in_use: float | None = None) -> Sized:
    """Targets under the options: Kelly's bound, then the program inside it, then the volatility target.

    Args:
        risk: of every verdict that would open or is held.
        scale_in_use: of the last decision; a scale changes only by more than its band.
    """
    if not book.equity_usd > 0.0:
        return Sized(allocation=allocate(verdicts, book, carry))
    jumps = jump_equivalent_variance(0.0, params.jumps_per_year, params.jump_loss)
    assert not isinstance(jumps, NoAnswer)
    covariance = risk.covariance + jumps * np.eye(len(risk.keys))
    place = {key: index for index, key in enumerate(risk.keys)}
    asked = [each for each in verdicts if each.candidate.key in place]
    bounds = _kelly_bounds(asked, book, carry, params, risk, place) if params.kelly_fraction else {}
    answer: Weights | None = None
    if params.rule == "mean_variance" and asked:
        answer = _weights(asked, book, carry, params, covariance, place, bounds)
        bounds = _bounds_of(asked, answer, book, place, bounds)
    found = allocate(verdicts, msgspec.structs.replace(book, bounds=bounds), carry)
    not_solved = ""
    conflict: tuple[str, ...] = ()
    if answer is not None:
        if answer.optimal:
            found = msgspec.structs.replace(
                found, binding=found.binding + tuple(f"mean_variance:{name}" for name in answer.binding))
        else:
            not_solved, conflict = answer.reason, answer.conflict
    if not params.volatility_target_annual:
        return Sized(allocation=found, not_solved=not_solved, conflict=conflict)
    return _at_target(found, verdicts, book, carry, params, covariance, place, bounds, scale_in_use, not_solved,
                      conflict)


def expected_annual(verdict: Verdict, carry: CarryParams) -> float:
    """Carry over what idle capital earns, per year and unit of notional, before fills: funding, basis, hurdle."""
    terms = dict(verdict.terms_bps)
    return sum(terms[name] for name in _CARRY) / 1e4 * _YEAR_H / carry.horizon_h


def cost_annual(verdict: Verdict, carry: CarryParams) -> float:
    """One way of the four fills, as if a pair were held for the horizon, per year and unit of notional."""
    terms = dict(verdict.terms_bps)
    return -0.5 * sum(terms[name] for name in _FILLS) / 1e4 * _YEAR_H / carry.horizon_h


def _movable(verdict: Verdict, book: Book) -> bool:
    """Whether a decision may change the pair's size: not one that leaves anyway, is blind or in motion."""
    if not verdict.terms_bps or verdict.reason in UNTOUCHED:
        return False
    return verdict.action is (Action.HOLD if verdict.candidate.key in book.held_usd else Action.OPEN)


def _kelly_bounds(asked: Sequence[Verdict], book: Book, carry: CarryParams, params: SizingParams, risk: PairRisk,
                  place: Mapping[str, int]) -> dict[str, SizeBound]:
    """A share of the growth-optimal notional of each pair by itself."""
    found: dict[str, SizeBound] = {}
    for verdict in asked:
        key = verdict.candidate.key
        if not _movable(verdict, book):
            continue
        sd = math.sqrt(max(float(risk.covariance[place[key], place[key]]), 0.0))
        size = carry_size(expected_annual(verdict, carry), sd, params.jumps_per_year, params.jump_loss,
                          fraction=params.kelly_fraction)
        # what cannot be sized is not added to
        usd = book.held_usd.get(key, 0.0) if isinstance(size, NoAnswer) else size.size * book.equity_usd
        found[key] = SizeBound(usd, "kelly")
    return found


def _weights(asked: Sequence[Verdict], book: Book, carry: CarryParams, params: SizingParams, covariance: Matrix,
             place: Mapping[str, int], bounds: Mapping[str, SizeBound]) -> Weights:
    """The mean-variance program over all pairs at once, under the caps that `allocate` keeps too."""
    keys = [each.candidate.key for each in asked]
    order = [place[key] for key in keys]
    equity = book.equity_usd
    held = np.array([book.held_usd.get(key, 0.0) for key in keys]) / equity
    movable = np.array([_movable(each, book) for each in asked])
    # depth says how much may be added, not that what is held has to leave
    most = np.array([min(max(book.largest_usd.get(key, 0.0), book.held_usd.get(key, 0.0)),
                         bounds[key].usd if key in bounds else math.inf) for key in keys]) / equity
    upper = np.where(movable, np.maximum(most, 0.0), held)
    capital = np.array([capital_of(each.candidate, carry, book.margins.get(each.candidate.key)) for each in asked])
    stuck = np.where(movable, 0.0, held)
    limits = BookLimits(
        lower=np.where(movable, 0.0, held), upper=upper, groups=_groups(asked, book, carry, capital, stuck),
        turnover_max=params.turnover_max, margin_rates=capital,
        margin_max=max(carry.equity_share_max * book.capital_scale, float(capital @ stuck)),
        tradable=movable, names=tuple(keys))
    return mean_variance(AllocationProblem(
        mu=np.array([expected_annual(each, carry) if move else 0.0 for each, move in zip(asked, movable, strict=True)]),
        covariance=covariance[np.ix_(order, order)], held=held, limits=limits, risk_aversion=params.risk_aversion,
        cost=np.array([cost_annual(each, carry) if move else 0.0 for each, move in zip(asked, movable, strict=True)])))


def _groups(asked: Sequence[Verdict], book: Book, carry: CarryParams, capital: Vector, stuck: Vector
            ) -> tuple[Group, ...]:
    """Caps on the capital of coins, buckets and venues; what cannot be moved is let stand where it exceeds one."""
    members: dict[str, list[tuple[int, float]]] = {}
    caps: dict[str, float] = {}
    several = len(book.venue_equity_usd) > 1
    for index, verdict in enumerate(asked):
        candidate = verdict.candidate
        members.setdefault(f"coin_share:{candidate.coin}", []).append((index, float(capital[index])))
        caps[f"coin_share:{candidate.coin}"] = carry.coin_share_max
        if (bucket := book.buckets.get(candidate.coin)) is not None:
            members.setdefault(f"bucket_share:{bucket}", []).append((index, float(capital[index])))
            caps[f"bucket_share:{bucket}"] = book.bucket_share_max
        for venue, spot, futures in wallet_shares(candidate, carry, book.margins.get(candidate.key)):
            members.setdefault(f"venue_share:{venue}", []).append((index, spot + futures))
            funds = max(book.venue_equity_usd.get(venue, 0.0), 0.0) * carry.equity_share_max / book.equity_usd
            caps[f"venue_share:{venue}"] = min(carry.venue_share_max if several else 1.0, funds)
    return tuple(
        Group(name, tuple(index for index, _ in rows),
              max(caps[name], sum(rate * float(stuck[index]) for index, rate in rows)), tuple(rate for _, rate in rows))
        for name, rows in members.items())


def _bounds_of(asked: Sequence[Verdict], answer: Weights, book: Book, place: Mapping[str, int],
               kelly: Mapping[str, SizeBound]) -> dict[str, SizeBound]:
    """What the program gives each pair; without an optimum what is held, and nothing new."""
    found: dict[str, SizeBound] = {}
    for verdict, weight in zip(asked, answer.weights.tolist(), strict=True):
        key = verdict.candidate.key
        if not _movable(verdict, book):
            continue
        usd = weight * book.equity_usd
        limit = "mean_variance" if answer.optimal else f"mean_variance_{answer.reason}"
        if answer.optimal and key in kelly and usd >= kelly[key].usd - _AT_THE_EDGE * book.equity_usd:
            limit = "kelly"
        found[key] = SizeBound(usd, limit)
    return found


def _at_target(found: Allocation, verdicts: Sequence[Verdict], book: Book, carry: CarryParams, params: SizingParams,
               covariance: Matrix, place: Mapping[str, int], bounds: Mapping[str, SizeBound],
               scale_in_use: float | None, not_solved: str, conflict: tuple[str, ...]) -> Sized:
    """The book scaled down to its volatility target; every pair alike."""
    wanted = np.zeros(len(place))
    for target in found.targets:
        if target.candidate.key in place:
            wanted[place[target.candidate.key]] = target.notional_usd / book.equity_usd
    forecast = math.sqrt(max(float(wanted @ covariance @ wanted), 0.0))
    answer = volatility_scale(params.volatility_target_annual, forecast, 1.0, scale_in_use)
    if isinstance(answer, NoAnswer):  # nothing is held and nothing would be
        return Sized(allocation=found, not_solved=not_solved, conflict=conflict, volatility_annual=forecast)
    if answer.scale < 1.0:
        capped = dict(bounds)
        for target in found.targets:
            key, usd = target.candidate.key, target.notional_usd * answer.scale
            if key in place and (key not in capped or usd < capped[key].usd):
                capped[key] = SizeBound(usd, "volatility_target")
        again = allocate(verdicts, msgspec.structs.replace(book, bounds=capped), carry)
        found = msgspec.structs.replace(
            again, binding=again.binding + tuple(each for each in found.binding if each.startswith("mean_variance:")
                                                 and each not in again.binding))
    return Sized(allocation=found, not_solved=not_solved, conflict=conflict, volatility_annual=forecast,
                 scale=answer.scale)
