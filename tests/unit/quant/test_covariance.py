"""Covariance estimates against scikit-learn, loops that spell the formulas out, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.covariance

from bot.quant import covariance
from bot.quant.covariance import Covariance, estimate
from bot.quant.no_answer import NoAnswer


def returns_of(rows: int, assets: int, seed: int = 3) -> np.ndarray:
    """Correlated daily returns with a common factor."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((rows, 1)) * 0.02
    return np.asarray(factor * np.linspace(0.5, 1.5, assets) + rng.standard_normal((rows, assets)) * 0.015)


def good(answer: Covariance | NoAnswer) -> Covariance:
    """The estimate, or the failure's reason in the test's output."""
    assert isinstance(answer, Covariance), answer
    return answer


def test_ledoit_wolf_equals_scikit_learn() -> None:
    """The shrunk matrix and its intensity are the second library's."""
    returns = returns_of(250, 12)
    oracle = sklearn.covariance.LedoitWolf(assume_centered=True).fit(returns)
    found = good(estimate(returns, "ledoit_wolf"))
    assert found.shrinkage == pytest.approx(oracle.shrinkage_, rel=1e-9)
    assert found.matrix == pytest.approx(oracle.covariance_, rel=1e-9)


def test_oas_is_the_papers_formula_and_near_scikit_learn() -> None:
    """Equation 23 of Chen et al. as written; scikit-learn leaves 2/p out, which vanishes for many assets."""
    returns = returns_of(400, 60)
    sample = returns.T @ returns / 400
    p, n = 60, 400
    square, trace2 = np.trace(sample @ sample), np.trace(sample) ** 2
    expected = ((1 - 2 / p) * square + trace2) / ((n + 1 - 2 / p) * (square - trace2 / p))
    found = good(estimate(returns, "oas"))
    assert found.shrinkage == pytest.approx(expected)
    oracle = sklearn.covariance.OAS(assume_centered=True).fit(returns)
    assert found.shrinkage == pytest.approx(oracle.shrinkage_, rel=0.05)


def test_weighted_shrinkage_is_the_sum_written_out() -> None:
    """sum of w^2 ||r r' - S||^2 over ||S - m I||^2, row by row."""
    returns = returns_of(120, 4)
    weights = covariance.age_weights(120, 0.97)
    sample = sum(w * np.outer(r, r) for w, r in zip(weights, returns, strict=True))
    errors = sum(w**2 * np.sum((np.outer(r, r) - sample) ** 2) for w, r in zip(weights, returns, strict=True))
    expected = errors / np.sum((sample - np.trace(sample) / 4 * np.eye(4)) ** 2)
    found = good(estimate(returns, "ewma_ledoit_wolf"))
    assert found.shrinkage == pytest.approx(expected)
    assert found.effective_rows == pytest.approx(1 / np.sum(weights**2))


def test_ewma_half_life_is_23_days() -> None:
    """Decay 0.97: a row 23 days old weighs half."""
    weights = covariance.age_weights(100, 0.97)
    assert weights[-24] / weights[-1] == pytest.approx(0.5, abs=0.005)
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["ledoit_wolf", "oas"])
def test_shrinking_is_nearer_to_the_truth_than_the_sample(method: covariance.Method) -> None:
    """Averaged over draws of known truth, the shrunk estimate's squared error is smaller."""
    rng = np.random.default_rng(5)
    truth = 0.5 * np.ones((10, 10)) + 0.5 * np.eye(10)
    root = np.linalg.cholesky(truth)
    plain = shrunk = 0.0
    for _ in range(50):
        draws = rng.standard_normal((60, 10)) @ root.T
        plain += float(np.sum((good(estimate(draws, "sample")).matrix - truth) ** 2))
        shrunk += float(np.sum((good(estimate(draws, method)).matrix - truth) ** 2))
    assert shrunk < plain


def test_rescaled_keeps_correlation_and_takes_volatility() -> None:
    """D R D has the given deviations on its diagonal and the estimate's correlation beside it."""
    found = good(estimate(returns_of(200, 3), "ledoit_wolf")).matrix
    scaled = covariance.rescaled(found, np.array([0.6, 0.8, 1.2]))
    assert np.sqrt(np.diag(scaled)) == pytest.approx([0.6, 0.8, 1.2])
    assert covariance.correlation(scaled) == pytest.approx(covariance.correlation(found))
    with pytest.raises(ValueError, match="not positive"):
        covariance.correlation(np.zeros((2, 2)))


def test_a_missing_return_drops_its_row_and_is_not_zero() -> None:
    """The estimate equals the one of the complete rows."""
    returns = returns_of(200, 3)
    holed = returns.copy()
    holed[10:40, 1] = np.nan
    found = good(estimate(holed, "ledoit_wolf"))
    assert found.rows == 170
    complete = good(estimate(np.delete(returns, range(10, 40), axis=0), "ledoit_wolf"))
    assert found.matrix == pytest.approx(complete.matrix)


def test_series_that_cannot_be_judged_are_left_out_with_their_reason() -> None:
    """A constant column and a young one; the rest is estimated."""
    returns = returns_of(200, 5)
    returns[:, 1] = 0.001
    returns[:190, 3] = np.nan
    returns[:, 4] = np.nan
    found = good(estimate(returns))
    assert found.kept == (0, 2)
    assert found.left_out == ((1, "constant_series"), (3, "too_little_history"), (4, "too_little_history"))


def test_too_few_rows_are_refused_by_name() -> None:
    """No usable asset, too few shared rows, too few effective rows per asset: each has its reason."""
    returns = returns_of(200, 3)
    assert estimate(returns[:30]) == NoAnswer("no_asset", "none of 3 series can be used")
    apart = returns.copy()
    apart[:100, 0], apart[100:, 1] = np.nan, np.nan
    assert estimate(apart) == NoAnswer("too_little_history", "0 shared rows, 60 needed")
    wide = estimate(returns_of(200, 25))
    assert wide == NoAnswer("too_few_rows_per_asset", "65 effective rows for 25 assets, 3 each needed")


def test_a_singular_matrix_is_lifted_and_says_so() -> None:
    """Two copies of one series, unshrunk: the zero eigenvalue becomes the floor."""
    one = returns_of(300, 1)
    found = good(estimate(np.hstack((one, one)), "sample"))
    assert found.repaired
    assert np.linalg.eigvalsh(found.matrix)[0] == pytest.approx(1e-10 * np.trace(found.matrix), rel=1e-3)


def test_what_is_no_covariance_is_not_repaired() -> None:
    """A strongly negative eigenvalue, a NaN, no variance: refused."""
    for matrix in (np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[np.nan, 0.0], [0.0, 1.0]]), np.zeros((2, 2))):
        answer = covariance.positive_definite(matrix)
        assert isinstance(answer, NoAnswer)
        assert answer.reason == "singular_covariance"


def test_a_matrix_without_direction_is_all_target() -> None:
    """Where the sample is a multiple of the identity the target is the sample; the weight of the target is 1."""
    rows = np.vstack((np.eye(2), -np.eye(2)))
    weights = covariance.age_weights(4, 1.0)
    sample = covariance.weighted_covariance(rows, weights)
    assert covariance.ledoit_wolf_shrinkage(rows, weights, sample) == 1.0
    assert covariance.oas_shrinkage(sample, 4.0) == 1.0


def test_weights_need_a_row_and_a_decay() -> None:
    """A decay of 0 or no row is a caller's mistake."""
    with pytest.raises(ValueError, match="decay"):
        covariance.age_weights(10, 0.0)
    with pytest.raises(ValueError, match="rows"):
        covariance.age_weights(0, 0.9)
