"""VaR and ES by Cornish and Fisher's expansion, refused where it is no distribution.

A normal quantile bent by skewness and excess kurtosis. Outside Maillard's domain it is not monotone: more confidence
would mean less loss. Daily crypto returns (excess kurtosis above 20) lie outside. To be shown, not relied on.
Source: quant-reference section 7; Cornish and Fisher (1937), Maillard (2012).
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from scipy.special import ndtri

from bot.quant.tail_risk import TailRisk, Vector, check_level


class CornishFisherReason(StrEnum):
    """Why there is no figure."""

    OUTSIDE_DOMAIN = "cornish_fisher_outside_domain"
    NO_VARIANCE = "cornish_fisher_no_variance"


def cornish_fisher_quantile(z: float, skewness: float, excess_kurtosis: float) -> float:
    """The normal quantile z bent by the third and fourth moment, in standard deviations."""
    return (z + (z**2 - 1.0) * skewness / 6.0 + (z**3 - 3.0 * z) * excess_kurtosis / 24.0
            - (2.0 * z**3 - 5.0 * z) * skewness**2 / 36.0)


def in_domain(skewness: float, excess_kurtosis: float) -> bool:
    """Whether the bent quantile rises everywhere: its slope A + B z + C z^2 has no root.

    A = 1 - K/8 + 5 S^2/36, B = S/3, C = K/8 - S^2/6. Reaches from K = 0 to 8 at S = 0, up to |S| = 6 (sqrt(2) - 1).
    """
    constant = 1.0 - excess_kurtosis / 8.0 + 5.0 * skewness**2 / 36.0
    linear = skewness / 3.0
    square = excess_kurtosis / 8.0 - skewness**2 / 6.0
    if square == 0.0:
        return linear == 0.0 and constant > 0.0
    return square > 0.0 and linear**2 <= 4.0 * square * constant


def cornish_fisher_var_es(pnl: Vector, level: float) -> TailRisk | CornishFisherReason:
    """VaR and ES from the first four sample moments (divided by n).

    Args:
        pnl: shape (n,), finite.
        level: confidence.
    Returns:
        The reason if the moments lie outside the domain, or there is no variance.
    Raises:
        ValueError: if there is no row, one is not finite, or the level is not within (0, 1).
    """
    check_level(level)
    if len(pnl) == 0 or not np.isfinite(pnl).all():
        raise ValueError(f"pnl: {len(pnl)} rows, all of them must be finite and one is the least")
    mean, sd = float(pnl.mean()), float(pnl.std())
    if sd <= 1e-12 * float(np.abs(pnl).max()):
        return CornishFisherReason.NO_VARIANCE
    scores = (pnl - mean) / sd
    skewness, excess = float(np.mean(scores**3)), float(np.mean(scores**4)) - 3.0
    if not in_domain(skewness, excess):
        return CornishFisherReason.OUTSIDE_DOMAIN
    z = float(ndtri(1.0 - level))
    quantile = cornish_fisher_quantile(z, skewness, excess)
    return TailRisk(level, -mean - sd * quantile, -mean - sd * tail_mean(z, skewness, excess), len(pnl))


def tail_mean(z: float, skewness: float, excess_kurtosis: float) -> float:
    """Mean of the bent quantile below z, in closed form.

    Hermite polynomials integrate to the next lower one: the integral of He_n phi up to z is -He_{n-1}(z) phi(z); and
    the expansion is z + S He_2/6 + K He_3/24 - S^2 (2 He_3 + He_1)/36.
    """
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    mass = 0.5 * math.erfc(-z / math.sqrt(2.0))
    upper = (1.0 + skewness * z / 6.0 + excess_kurtosis * (z * z - 1.0) / 24.0
             - skewness**2 * (2.0 * (z * z - 1.0) + 1.0) / 36.0)
    return -density * upper / mass
