"""Whether VaR and ES forecasts agree with what happened: coverage, independence, Basel's zones, Acerbi and Szekely.

P&L is positive for gains; VaR and ES are positive losses of the same day, forecast before it. A breach is a loss beyond
VaR. Source: quant-reference section 7; Kupiec (1995), Christoffersen (1998), Acerbi and Szekely (2014), Basel (1996).
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, chdtrc

from bot.quant.tail_risk import Vector, check_level

Mask = npt.NDArray[np.bool_]
Zone = Literal["green", "yellow", "red"]

_GREEN_MAX: Final = 0.95
_YELLOW_MAX: Final = 0.9999


class CoverageTest(msgspec.Struct, frozen=True):
    """A likelihood ratio and the probability of a larger one if the forecasts are right."""

    statistic: float
    p_value: float


class Transitions(msgspec.Struct, frozen=True):
    """Days by (breach yesterday, breach today); n01: a breach after none."""

    n00: int
    n01: int
    n10: int
    n11: int


def breaches(pnl: Vector, var: Vector) -> Mask:
    """Days that lost more than was forecast.

    Raises:
        ValueError: if shapes differ, or a number is not finite: an unknown day is left out by the caller, not passed.
    """
    if pnl.shape != var.shape or not (np.isfinite(pnl).all() and np.isfinite(var).all()):
        raise ValueError(f"pnl {pnl.shape} and var {var.shape} must have one shape and only finite numbers")
    out: Mask = pnl < -var
    return out


def kupiec(days: int, breached: int, probability: float) -> CoverageTest:
    """Proportion of failures: does the share of breaches differ from `probability`? chi2 with one degree of freedom.

    Args:
        days: forecasts with an outcome, at least 1.
        breached: how many of them were breached.
        probability: of a breach on a day, 0.01 for a 99 % VaR.
    Raises:
        ValueError: if the counts make no sense or the probability is not within (0, 1).
    """
    check_level(probability)
    if not 0 <= breached <= days or days < 1:
        raise ValueError(f"{breached} breaches in {days} days")
    quiet = days - breached
    assumed = quiet * math.log1p(-probability) + breached * math.log(probability)
    seen = _times_log(quiet, quiet / days) + _times_log(breached, breached / days)
    return _chi2(-2.0 * (assumed - seen), 1)


def acceptance_interval(days: int, probability: float, significance: float = 0.05) -> tuple[int, int]:
    """Fewest and most breaches that Kupiec's test does not reject: 11 to 26 of 365 for a 95 % VaR.

    Zero is included where even no breach is no evidence.
    """
    accepted = [count for count in range(days + 1) if kupiec(days, count, probability).p_value >= significance]
    return accepted[0], accepted[-1]


def transitions(breached: Mask) -> Transitions:
    """Counts over consecutive days."""
    before, after = breached[:-1], breached[1:]
    both, second, first = int((before & after).sum()), int(after.sum()), int(before.sum())
    return Transitions(n00=len(before) - first - second + both, n01=second - both, n10=first - both, n11=both)


def independence(counts: Transitions) -> CoverageTest:
    """Christoffersen: does a breach make one on the next day more (or less) likely? chi2 with one degree of freedom.

    With no breach, or nothing but breaches, there is nothing to test: statistic 0.
    """
    after_none, after_one = counts.n00 + counts.n01, counts.n10 + counts.n11
    days, ones = after_none + after_one, counts.n01 + counts.n11
    if not after_none or not after_one:
        return CoverageTest(0.0, 1.0)
    alike = _times_log(counts.n00 + counts.n10, (days - ones) / days) + _times_log(ones, ones / days)
    apart = (_times_log(counts.n00, counts.n00 / after_none) + _times_log(counts.n01, counts.n01 / after_none)
             + _times_log(counts.n10, counts.n10 / after_one) + _times_log(counts.n11, counts.n11 / after_one))
    return _chi2(-2.0 * (alike - apart), 1)


def conditional_coverage(breached: Mask, probability: float) -> CoverageTest:
    """Christoffersen's joint test: right share and no clusters; the sum of both ratios, chi2 with two degrees."""
    unconditional = kupiec(len(breached), int(breached.sum()), probability)
    return _chi2(unconditional.statistic + independence(transitions(breached)).statistic, 2)


def basel_zone(days: int, breached: int, probability: float = 0.01) -> Zone:
    """Green below the 95 % quantile of the binomial, red from its 99.99 % on: 0-4, 5-9, 10+ of 250 days at 99 %."""
    cumulative = float(bdtr(breached, days, probability))
    return "green" if cumulative < _GREEN_MAX else "yellow" if cumulative < _YELLOW_MAX else "red"


def acerbi_szekely_1(pnl: Vector, var: Vector, es: Vector) -> float | None:
    """Z1, the mean size of breaches over ES: 0 expected, negative if ES is too small; None without a breach."""
    hit = breaches(pnl, var)
    return float(np.mean(pnl[hit] / es[hit])) + 1.0 if hit.any() else None


def acerbi_szekely_2(pnl: Vector, var: Vector, es: Vector, probability: float) -> float:
    """Z2, number and size of breaches together: 0 expected, negative if ES is too small or breached too often."""
    hit = breaches(pnl, var)
    return float(np.sum(pnl[hit] / es[hit])) / (len(pnl) * check_level(probability)) + 1.0


def acerbi_szekely_critical(
    tail_losses_over_es: Vector, days: int, probability: float, significance: float, generator: np.random.Generator,
    trials: int = 20_000,
) -> float:
    """The value that Z2 falls below with probability `significance` if the forecasts are right, by simulation.

    Only breaches matter: their number is binomial, their size over ES is drawn from the forecast's own tail.

    Args:
        tail_losses_over_es: shape (n,), a sample of loss / ES given a breach under the forecast (its mean is 1).
        days: T.
        probability: of a breach on a day.
        significance: of the test, 0.05.
        generator: with the caller's seed.
        trials: simulated records.
    """
    counts = generator.binomial(days, check_level(probability), size=trials)
    sizes = generator.choice(tail_losses_over_es, size=int(counts.sum()))
    ends = np.cumsum(counts)
    sums = np.diff(np.concatenate(([0.0], np.cumsum(sizes)))[np.concatenate(([0], ends))])
    return float(np.quantile(1.0 - sums / (days * probability), check_level(significance)))


def quantile_loss(pnl: Vector, var: Vector, probability: float) -> float:
    """Mean pinball loss of the forecast quantile -VaR; less is better; ranks methods that all pass."""
    hit = breaches(pnl, var)
    return float(np.mean((probability - hit) * (pnl + var)))


def _times_log(count: float, share: float) -> float:
    """count x ln(share), with 0 ln 0 = 0."""
    return count * math.log(share) if count else 0.0


def _chi2(statistic: float, degrees: int) -> CoverageTest:
    """A ratio, floored at 0 against rounding, with its p-value."""
    floored = max(statistic, 0.0)
    return CoverageTest(floored, float(chdtrc(degrees, floored)))
