"""Back-tests of VaR and ES against published worked examples, scipy, and records whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bot.quant.tail_risk import normal_var_es, student_var_es
from bot.quant.var_backtests import (
    Transitions,
    acceptance_interval,
    acerbi_szekely_1,
    acerbi_szekely_2,
    acerbi_szekely_critical,
    basel_zone,
    breaches,
    conditional_coverage,
    independence,
    kupiec,
    quantile_loss,
    transitions,
)


def test_kupiec_of_a_published_example() -> None:
    """MathWorks' varbacktest: 57 failures of 1043 days at 95 %: ratio 0.46147, p-value 0.49694."""
    test = kupiec(1043, 57, 0.05)
    assert test.statistic == pytest.approx(0.46147, abs=5e-6)
    assert test.p_value == pytest.approx(0.49694, abs=5e-6)


def test_christoffersen_of_a_published_example() -> None:
    """The same record: 932, 53, 53, 4 transitions: independence 0.25866 (0.61104), joint 0.72013 (0.69763)."""
    record = np.zeros(1043, dtype=bool)
    places = 3 + 18 * np.arange(53)
    record[places] = True
    record[places[[5, 15, 25, 35]] + 1] = True  # 57 breaches, four of them on the day after one
    counts = transitions(record)
    assert counts == Transitions(n00=932, n01=53, n10=53, n11=4)
    test = independence(counts)
    assert (test.statistic, test.p_value) == pytest.approx((0.25866, 0.61104), abs=5e-6)
    joint = conditional_coverage(record, 0.05)
    assert (joint.statistic, joint.p_value) == pytest.approx((0.72013, 0.69763), abs=5e-6)


def test_kupiecs_table_of_1995_at_one_per_cent() -> None:
    """Printed: N < 7 of 255, 1 < N < 11 of 510, 4 < N < 17 of 1000; at 255 no breach is rejected, too (5.13)."""
    assert acceptance_interval(255, 0.01) == (1, 6)
    assert acceptance_interval(510, 0.01) == (2, 10)
    assert acceptance_interval(1000, 0.01) == (5, 16)


def test_a_year_of_95_pct_var_accepts_11_to_26_breaches() -> None:
    """The seeds' case: a 95 % VaR of 10,000 is expected to be exceeded on 18 days of 365; "maximum loss" is wrong."""
    assert acceptance_interval(365, 0.05) == (11, 26)
    assert acceptance_interval(365, 0.01) == (1, 7)
    losses = np.random.default_rng(4).standard_normal(365) * 10_000 / 1.6449
    exceeded = int(breaches(losses, np.full(365, 10_000.0)).sum())
    assert 11 <= exceeded <= 26
    assert losses.min() < -15_000


def test_kupiec_matches_the_binomial_likelihoods() -> None:
    """Minus twice the log ratio of scipy's binomial probabilities."""
    for days, count, probability in ((250, 7, 0.01), (365, 0, 0.05), (100, 100, 0.05), (731, 41, 0.05)):
        law = stats.binom(days, probability).logpmf(count) - stats.binom(days, count / days).logpmf(count)
        assert kupiec(days, count, probability).statistic == pytest.approx(-2 * law, abs=1e-9)


def test_independence_matches_scipys_g_test() -> None:
    """The ratio is the G statistic of the 2 x 2 table of transitions."""
    counts = Transitions(n00=680, n01=20, n10=18, n11=6)
    expected = stats.chi2_contingency([[680, 20], [18, 6]], correction=False, lambda_="log-likelihood")
    assert independence(counts).statistic == pytest.approx(expected.statistic)
    assert independence(counts).p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("record", [[0] * 10, [1] * 10, [1], [0] * 9 + [1]])
def test_nothing_to_test_is_no_evidence_of_clusters(record: list[int]) -> None:
    """No breach, only breaches, one day, or a breach that no day follows."""
    test = independence(transitions(np.array(record, dtype=bool)))
    assert (test.statistic, test.p_value) == (0.0, 1.0)


def test_tests_reject_what_is_wrong_and_keep_what_is_right() -> None:
    """About 5 % of right records are rejected at 5 %; a VaR of half the size is, and one whose breaches cluster."""
    rng = np.random.default_rng(21)
    right = rng.random((1000, 500)) < 0.05
    rejected = np.mean([kupiec(500, int(row.sum()), 0.05).p_value < 0.05 for row in right])
    assert 0.03 < rejected < 0.08
    assert kupiec(500, int(np.sum(rng.standard_normal(500) < -1.645 / 2)), 0.05).p_value < 1e-6
    clustered = np.repeat(rng.random(100) < 0.05, 5)
    assert independence(transitions(clustered)).p_value < 1e-6


def test_basels_zones_of_250_days() -> None:
    """Green to 4, yellow to 9, red from 10."""
    zones = [basel_zone(250, count) for count in range(12)]
    assert zones == ["green"] * 5 + ["yellow"] * 5 + ["red"] * 2


@pytest.mark.parametrize(("days", "count", "probability"), [(0, 0, 0.01), (10, 11, 0.01), (10, -1, 0.01), (10, 1, 1.0)])
def test_counts_that_make_no_sense_are_refused(days: int, count: int, probability: float) -> None:
    """More breaches than days, or a probability that is none."""
    with pytest.raises(ValueError, match=r"breaches|level"):
        kupiec(days, count, probability)


def test_an_unknown_outcome_is_refused() -> None:
    """NaN compares false with everything: it would count as a quiet day."""
    with pytest.raises(ValueError, match="finite"):
        breaches(np.array([1.0, math.nan]), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="shape"):
        breaches(np.array([1.0]), np.array([1.0, 1.0]))


def test_acerbi_szekely_statistics_by_hand() -> None:
    """Losses 3 and 1.5 against VaR 1 and ES 2: Z1 = 1 - (1.5 + 0.75) / 2, Z2 = 1 - 2.25 / (4 x 0.25)."""
    pnl, var, es = np.array([-3.0, 0.5, -1.5, 2.0]), np.ones(4), np.full(4, 2.0)
    assert acerbi_szekely_1(pnl, var, es) == pytest.approx(1 - 1.125)
    assert acerbi_szekely_2(pnl, var, es, 0.25) == pytest.approx(1 - 2.25)
    assert acerbi_szekely_1(np.ones(4), var, es) is None
    assert acerbi_szekely_2(np.ones(4), var, es, 0.25) == 1.0


def tail_sizes(nu: float, probability: float, size: int = 100_000) -> np.ndarray:
    """Losses over ES given a breach, of a unit-variance t; normal for infinity."""
    tail = student_var_es(0.0, 1.0, nu, 1 - probability) if math.isfinite(nu) else normal_var_es(0, 1, 1 - probability)
    law = stats.t(nu, scale=math.sqrt((nu - 2) / nu)) if math.isfinite(nu) else stats.norm()
    losses: np.ndarray = -law.ppf((np.arange(size) + 0.5) / size * probability)
    return losses / tail.es


def critical(nu: float, days: int, probability: float, significance: float, trials: int = 30_000) -> float:
    """By simulation under that law."""
    return acerbi_szekely_critical(tail_sizes(nu, probability), days, probability, significance,
                                   np.random.default_rng(3), trials)


def test_critical_values_of_acerbi_and_szekely() -> None:
    """T = 250, 2.5 %: -0.70 at 5 %, -1.8 at 0.01 % for the normal; -0.71, -0.74, -0.82 for t(10), t(5), t(3)."""
    assert critical(math.inf, 250, 0.025, 0.05) == pytest.approx(-0.70, abs=0.015)
    assert critical(math.inf, 250, 0.025, 1e-4, 150_000) == pytest.approx(-1.8, abs=0.1)
    assert critical(10.0, 250, 0.025, 0.05) == pytest.approx(-0.71, abs=0.015)
    assert critical(5.0, 250, 0.025, 0.05) == pytest.approx(-0.74, abs=0.015)
    assert critical(3.0, 250, 0.025, 0.05) == pytest.approx(-0.82, abs=0.02)


def test_critical_values_of_other_lengths_match_published_ones() -> None:
    """MathWorks' esbacktest, T = 1966: at 1 % -0.34639 normal, -0.42986 t(3); at 5 % of a 95 % ES t(10) -0.1625."""
    assert critical(math.inf, 1966, 0.025, 0.01) == pytest.approx(-0.346, abs=0.008)
    assert critical(3.0, 1966, 0.025, 0.01) == pytest.approx(-0.430, abs=0.015)
    assert critical(10.0, 1966, 0.05, 0.05) == pytest.approx(-0.163, abs=0.008)


def test_es_that_is_too_small_is_found() -> None:
    """Twenty records of t(3) judged by a normal of the same variance: Z2 falls below its critical value in most."""
    rng, tail = np.random.default_rng(15), normal_var_es(0.0, 1.0, 0.975)
    bound, found = critical(math.inf, 730, 0.025, 0.05), 0
    for _ in range(20):
        pnl = rng.standard_t(3, size=730) / math.sqrt(3.0) * 1.3
        found += acerbi_szekely_2(pnl, np.full(730, tail.var), np.full(730, tail.es), 0.025) < bound
    assert found >= 15


def test_quantile_loss_is_least_at_the_true_quantile() -> None:
    """And equals the pinball by its definition."""
    pnl = np.random.default_rng(6).standard_normal(20_000)
    losses = [quantile_loss(pnl, np.full(len(pnl), var), 0.01) for var in (1.5, 2.0, 2.326, 2.7, 3.5)]
    assert int(np.argmin(losses)) == 2
    assert quantile_loss(np.array([-3.0, 1.0]), np.array([2.0, 2.0]), 0.1) == pytest.approx((0.9 * 1 + 0.1 * 3) / 2)
