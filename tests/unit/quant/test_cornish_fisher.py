"""The expansion against published values, its domain against Maillard's and a search for a falling stretch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from bot.quant.cornish_fisher import (
    CornishFisherReason,
    cornish_fisher_quantile,
    cornish_fisher_var_es,
    in_domain,
    tail_mean,
)
from bot.quant.tail_risk import TailRisk, normal_var_es


@pytest.mark.parametrize(("probability", "skewness", "excess", "published"), [
    (0.9, 0.1, 0.0, 1.292868), (0.9, 0.1, 1.0, 1.220374), (0.9, 0.1, -1.0, 1.365363),
    (0.99, 0.1, 0.0, 2.396116), (0.99, 0.1, 1.0, 2.629904), (0.01, 0.1, 1.0, -2.482841), (0.5, 1.0, 0.0, -0.1666667),
])
def test_quantiles_of_a_published_library(probability: float, skewness: float, excess: float, published: float) -> None:
    """mir.stat's documented values."""
    assert cornish_fisher_quantile(stats.norm.ppf(probability), skewness, excess) == pytest.approx(published, abs=1e-6)


def test_the_domains_edges_are_maillards() -> None:
    """Without skewness K reaches from 0 to 8; no K helps beyond |S| = 6 (sqrt(2) - 1) = 2.485."""
    assert in_domain(0.0, 0.0)
    assert in_domain(0.0, 8.0)
    assert not in_domain(0.0, 8.001)
    assert not in_domain(0.0, -0.001)
    edge = 6 * (math.sqrt(2) - 1)
    kurtoses = np.linspace(0, 20, 4001)
    assert any(in_domain(edge - 0.01, k) for k in kurtoses)
    assert any(in_domain(-edge + 0.01, k) for k in kurtoses)
    assert not any(in_domain(edge + 0.001, k) for k in kurtoses)
    assert not in_domain(1.0, 8.0 / 6.0)  # the square term vanishes, the linear one does not


@pytest.mark.parametrize("skewness", [-2.0, -0.8, 0.0, 0.5, 1.5])
@pytest.mark.parametrize("excess", [-1.0, 0.5, 1.0, 3.0, 6.0, 9.0, 25.0])
def test_inside_the_domain_the_quantile_never_falls_and_outside_it_does(skewness: float, excess: float) -> None:
    """Brute force over a wide grid of z."""
    z = np.linspace(-60, 60, 200_001)
    bent = np.array(cornish_fisher_quantile(z, skewness, excess))  # type: ignore[arg-type]
    assert in_domain(skewness, excess) == bool((np.diff(bent) >= -1e-9).all())


@pytest.mark.parametrize(("skewness", "excess"), [(0.0, 0.0), (-0.5, 2.0), (0.4, 3.0)])
def test_the_tail_mean_is_the_integral_of_the_quantile(skewness: float, excess: float) -> None:
    """Closed form against numerical integration over z."""
    z = stats.norm.ppf(0.025)
    whole = integrate.quad(lambda x: cornish_fisher_quantile(x, skewness, excess) * stats.norm.pdf(x), -12, z)[0]
    assert tail_mean(z, skewness, excess) == pytest.approx(whole / 0.025, rel=1e-7)


@pytest.mark.parametrize(("law", "within"), [
    (stats.t(30, loc=0.001, scale=0.02), 0.01), (stats.logistic(loc=-0.01, scale=0.03), 0.05),
])
def test_moderate_tails_are_nearly_met(law: Any, within: float) -> None:
    """Excess kurtosis 0.23 and 1.2: VaR and ES within 1 and 5 % of the law's own; the normal's ES is too small."""
    pnl = law.ppf((np.arange(100_000) + 0.5) / 100_000)
    tail = cornish_fisher_var_es(pnl, 0.99)
    assert isinstance(tail, TailRisk)
    below = integrate.quad(lambda x: x * law.pdf(x), -np.inf, law.ppf(0.01))[0] / 0.01
    assert (tail.var, tail.es) == pytest.approx((-law.ppf(0.01), -below), rel=within)
    assert normal_var_es(law.mean(), law.std(), 0.99).es < -below * 0.98


def test_crypto_like_rows_are_refused_with_a_reason() -> None:
    """Student t with 3 degrees of freedom has far more kurtosis than the expansion bears."""
    pnl = np.random.default_rng(1).standard_t(3, size=1500)
    assert cornish_fisher_var_es(pnl, 0.99) is CornishFisherReason.OUTSIDE_DOMAIN


def test_a_constant_series_and_bad_input_are_refused() -> None:
    """No variance is a reason; no rows, unknown rows or no level are mistakes."""
    assert cornish_fisher_var_es(np.full(50, 0.1), 0.99) is CornishFisherReason.NO_VARIANCE
    for pnl, level in ((np.array([]), 0.99), (np.array([np.nan]), 0.99), (np.ones(3), 1.0)):
        with pytest.raises(ValueError, match=r"rows|level"):
            cornish_fisher_var_es(pnl, level)
