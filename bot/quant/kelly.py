"""Kelly sizes: the growth-optimal bet, a fraction of it, and what a chance of total failure leaves of it.

Returns and variances are per year unless said, as fractions; a size is notional over equity. Sources: Kelly (1956);
MacLean, Thorp and Ziemba (2011); quant reference section 9.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.covariance import positive_definite
from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

FRACTION: Final = 0.5
"""Half Kelly: three quarters of the growth at half the volatility."""
FRACTION_DOUBTED: Final = 0.25
"""Where the edge is not proven ..."""
T_STATISTIC_PROVEN: Final = 3.0
"""... which takes a t-statistic of 3."""


class KellySize(msgspec.Struct, frozen=True):
    """A size and what full Kelly would have been."""

    size: float
    """Notional over equity to hold, after shrinking and the fraction."""
    full: float
    """Growth-optimal size at the shrunk edge."""
    edge: float
    """The expected excess return after shrinking."""
    fraction: float
    reason: str
    """`growth`: sized by growth; `no_edge`: nothing expected; `edge_below_jump`: failures cost more than that."""


def kelly_fraction(mu: float, sigma: float) -> float | NoAnswer:
    """mu / sigma^2: the size that maximises expected log growth of a diffusion.

    Args:
        mu: expected return over cash (a perp's is excess already).
        sigma: volatility in the root of the same period.
    """
    unfit = _unfit(mu=mu, sigma=sigma)
    return unfit if unfit is not None else mu / sigma**2


def kelly_coin(win_probability: float, odds: float) -> float | NoAnswer:
    """p - q / b: the share of wealth to bet at odds b to 1; negative means bet the other side if one could."""
    if not 0.0 < win_probability < 1.0:
        return NoAnswer("probability_out_of_range", f"win probability {win_probability}: must lie inside (0, 1)")
    if not 0.0 < odds < math.inf:
        return NoAnswer("odds_not_positive", f"odds {odds}: must be positive")
    return win_probability - (1.0 - win_probability) / odds


def kelly_weights(mu: Vector, covariance: Matrix) -> Vector | NoAnswer:
    """S^-1 mu, shape (n,): growth-optimal sizes of several assets, without limits.

    Returns:
        `NoAnswer`: `not_finite`, `singular_covariance`.
    Raises:
        ValueError: if the shapes do not belong together.
    """
    if covariance.shape != (len(mu), len(mu)):
        raise ValueError(f"mu has {len(mu)} assets, the covariance shape {covariance.shape}")
    if not np.isfinite(mu).all():
        return NoAnswer("not_finite", "an expected return is unknown")
    sound = positive_definite(covariance)
    if isinstance(sound, NoAnswer):
        return sound
    if sound[1]:
        return NoAnswer("singular_covariance", "assets that are copies of each other have no single best size")
    return np.asarray(np.linalg.solve(sound[0], mu), dtype=np.float64)


def kelly_with_jumps(mu: float, sigma: float, jumps_per_year: float, jump_loss: float) -> float | NoAnswer:
    """The size that maximises mu f - sigma^2 f^2 / 2 + lambda ln(1 - J f): carry that now and then loses J of notional.

    The smaller root of sigma^2 J f^2 - (sigma^2 + mu J) f + mu - lambda J = 0; the larger lies beyond ruin (f > 1 / J).
    0 where mu <= lambda J: what is expected does not pay for the failures.

    Args:
        mu: expected return of the trade while it does not fail.
        sigma: volatility without the jumps, 0 or more.
        jumps_per_year: lambda, failures a year, 0 or more.
        jump_loss: J, the share of notional lost in one, in (0, 1].
    """
    if not (math.isfinite(mu) and math.isfinite(sigma) and math.isfinite(jumps_per_year)):
        return NoAnswer("not_finite", f"mu {mu}, sigma {sigma}, jumps {jumps_per_year}")
    if sigma < 0.0 or jumps_per_year < 0.0 or not 0.0 < jump_loss <= 1.0:
        return NoAnswer("out_of_range", f"sigma {sigma} and jumps {jumps_per_year} from 0, loss {jump_loss} in (0, 1]")
    if mu <= jumps_per_year * jump_loss:
        return 0.0
    if sigma == 0.0:
        # mu = lambda J / (1 - J f)
        return (1.0 - jumps_per_year * jump_loss / mu) / jump_loss
    square, linear, constant = sigma**2 * jump_loss, sigma**2 + mu * jump_loss, mu - jumps_per_year * jump_loss
    # 2c / (b + root): the smaller root without the cancellation of b - root
    return 2.0 * constant / (linear + math.sqrt(max(linear**2 - 4.0 * square * constant, 0.0)))


def shrunk_edge(mu: float, t_statistic: float) -> float | NoAnswer:
    """mu t^2 / (1 + t^2): an edge that is one standard error from nothing counts half."""
    if not (math.isfinite(mu) and math.isfinite(t_statistic)):
        return NoAnswer("not_finite", f"mu {mu}, t {t_statistic}")
    return mu * t_statistic**2 / (1.0 + t_statistic**2)


def carry_size(
    mu: float, sigma: float, jumps_per_year: float, jump_loss: float, t_statistic: float | None = None,
    fraction: float = FRACTION, fraction_doubted: float = FRACTION_DOUBTED,
) -> KellySize | NoAnswer:
    """Fractional Kelly of a carry trade: shrink the edge by its t-statistic, solve with jumps, take the fraction.

    Args:
        mu: expected net carry per year over what idle cash earns.
        t_statistic: of mu; None is an unproven edge: it is not shrunk, and `fraction_doubted` is taken.
    """
    if not (0.0 < fraction <= 1.0 and 0.0 < fraction_doubted <= 1.0):
        return NoAnswer("out_of_range", f"fractions {fraction} and {fraction_doubted} must lie in (0, 1]")
    edge = mu if t_statistic is None else shrunk_edge(mu, t_statistic)
    if isinstance(edge, NoAnswer):
        return edge
    full = kelly_with_jumps(edge, sigma, jumps_per_year, jump_loss)
    if isinstance(full, NoAnswer):
        return full
    proven = t_statistic is not None and t_statistic >= T_STATISTIC_PROVEN
    taken = fraction if proven else min(fraction, fraction_doubted)
    reason = "growth" if full > 0.0 else ("no_edge" if edge <= 0.0 else "edge_below_jump")
    return KellySize(taken * full, full, edge, taken, reason)


def growth_rate(size: float, mu: float, sigma: float) -> float:
    """Expected log growth per year over cash: mu f - sigma^2 f^2 / 2; negative beyond twice the optimal size."""
    return mu * size - sigma**2 * size**2 / 2.0


def growth_kept(fraction: float) -> float:
    """The share of the best growth that a fraction c of Kelly keeps: 1 - (1 - c)^2."""
    return 1.0 - (1.0 - fraction) ** 2


def probability_of_falling_to(level: float, fraction: float) -> float | NoAnswer:
    """P(wealth ever falls to x of where it stands) = x^(2/c - 1) for a fraction c of Kelly in continuous time.

    1 at twice Kelly and beyond: there every level is reached.
    """
    if not 0.0 < level < 1.0:
        return NoAnswer("out_of_range", f"level {level}: must lie inside (0, 1)")
    if not 0.0 < fraction < math.inf:
        return NoAnswer("out_of_range", f"fraction {fraction}: must be positive")
    return float(math.pow(level, max(2.0 / fraction - 1.0, 0.0)))


def _unfit(mu: float, sigma: float) -> NoAnswer | None:
    if not (math.isfinite(mu) and math.isfinite(sigma)):
        return NoAnswer("not_finite", f"mu {mu}, sigma {sigma}")
    return NoAnswer("no_variance", f"sigma {sigma}: must be positive") if sigma <= 0.0 else None
