"""Betas against statsmodels, worked numbers, and markets whose true beta is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api

from bot.quant import beta
from bot.quant.beta import Beta, Prior
from bot.quant.kalman_beta import KalmanBeta, filter_beta, kalman_beta
from bot.quant.market_beta import MarketBeta
from bot.quant.neutrality import Neutrality, days_for_half_width, neutrality
from bot.quant.no_answer import NoAnswer

RNG = np.random.default_rng(17)
MARKET = RNG.standard_t(4, 400) * 0.02
COIN = 0.0003 + 1.3 * MARKET + RNG.standard_normal(400) * 0.015


def known(answer: Beta | NoAnswer) -> Beta:
    """The estimate, or the failure's reason in the test's output."""
    assert isinstance(answer, Beta), answer
    return answer


def test_ols_over_ninety_days_equals_statsmodels_with_hac_errors() -> None:
    """Slope and Newey-West error of the second library on the same rows."""
    fit = statsmodels.api.OLS(COIN[-90:], statsmodels.api.add_constant(MARKET[-90:])).fit(
        cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": False})
    found = known(beta.ols_beta(COIN, MARKET))
    assert (found.value, found.se, found.rows) == pytest.approx((fit.params[1], fit.bse[1], 90))


def test_ewma_is_weighted_least_squares_with_robust_errors() -> None:
    """Weights that halve every 30 days: slope and HC0 error of statsmodels' WLS."""
    weights = 0.5 ** (np.arange(399, -1, -1) / 30)
    fit = statsmodels.api.WLS(COIN, statsmodels.api.add_constant(MARKET), weights=weights).fit(cov_type="HC0")
    found = known(beta.ewma_beta(COIN, MARKET))
    assert (found.value, found.se) == pytest.approx((fit.params[1], fit.bse[1]))


def test_ewma_keeps_the_age_of_what_lies_before_a_gap() -> None:
    """A month without data: older rows count as old, not as if they had just been seen."""
    holed = COIN.copy()
    holed[-30:] = np.nan
    assert known(beta.ewma_beta(holed, MARKET)).value == pytest.approx(
        known(beta.ewma_beta(COIN[:-30], MARKET[:-30])).value)
    holed[-60:-30] = COIN[-60:-30] + MARKET[-60:-30]
    whole = known(beta.ewma_beta(COIN[:-30] + np.where(np.arange(370) >= 340, MARKET[:-30], 0.0), MARKET[:-30]))
    assert known(beta.ewma_beta(holed, MARKET)).value == pytest.approx(whole.value)


def test_kalman_follows_a_beta_that_walks_better_than_ols() -> None:
    """Simulated random walk: the filtered path's error is below the 90-day regression's, and q is of the true size."""
    rng = np.random.default_rng(2)
    market = rng.standard_normal(800) * 0.03
    truth = 1.0 + np.cumsum(rng.standard_normal(800) * 0.03)
    coin = truth * market + rng.standard_normal(800) * 0.02
    found = kalman_beta(coin, market)
    assert isinstance(found, KalmanBeta)
    rolling = [known(beta.ols_beta(coin[:end], market[:end])).value for end in range(200, 800, 20)]
    at = np.arange(199, 799, 20)
    assert np.mean((found.path[at] - truth[at]) ** 2) < 0.7 * np.mean((np.array(rolling) - truth[at]) ** 2)
    assert 0.015 < math.sqrt(found.q) < 0.06
    assert math.sqrt(found.r) == pytest.approx(0.02, rel=0.1)


def test_kalman_interval_covers_the_truth() -> None:
    """Over many simulated walks the last beta lies within two of its errors about 95 % of the time."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        market = rng.standard_normal(250) * 0.03
        truth = 1.2 + np.cumsum(rng.standard_normal(250) * 0.02)
        found = kalman_beta(truth * market + rng.standard_normal(250) * 0.02, market)
        assert isinstance(found, KalmanBeta)
        hits += abs(found.value - truth[-1]) < 2 * found.se
    assert hits >= 49


def test_kalman_of_a_steady_beta_is_least_squares() -> None:
    """Where beta does not move, q goes to zero and the filter averages all rows."""
    rng = np.random.default_rng(8)
    market = rng.standard_normal(600) * 0.03
    coin = 0.9 * market + rng.standard_normal(600) * 0.01
    found = kalman_beta(coin, market)
    assert isinstance(found, KalmanBeta)
    assert found.value == pytest.approx(known(beta.ols_beta(coin, market, 600)).value, abs=0.02)
    assert math.sqrt(found.q) < 0.005


def test_kalman_variances_maximise_the_likelihood() -> None:
    """The Gaussian likelihood, written out with q and r free, is not higher anywhere near."""
    rng = np.random.default_rng(4)
    market = rng.standard_normal(300) * 0.03
    coin = (1.0 + np.cumsum(rng.standard_normal(300) * 0.04)) * market + rng.standard_normal(300) * 0.02
    found = kalman_beta(coin, market)
    assert isinstance(found, KalmanBeta)
    y, x = coin - coin.mean(), market - market.mean()
    start = float(x[:20] @ y[:20] / (x[:20] @ x[:20]))

    def likelihood(q: float, r: float) -> float:
        b, p, total = start, r / float(x[:20] @ x[:20]), 0.0
        for y_t, x_t in zip(y[20:], x[20:], strict=True):
            p += q
            f = x_t**2 * p + r
            total -= 0.5 * (math.log(2 * math.pi * f) + (y_t - x_t * b) ** 2 / f)
            k = p * x_t / f
            b, p = b + k * (y_t - x_t * b), p * (1 - k * x_t)
        return total

    best = likelihood(found.q, found.r)
    assert found.log_likelihood == pytest.approx(best)
    for up, over in ((1.1, 1.0), (0.9, 1.0), (1.0, 1.05), (1.0, 0.95)):
        assert likelihood(found.q * up, found.r * over) < best


def test_filter_is_the_reference_recursion() -> None:
    """Two steps by hand: P += q, K = P x / (x^2 P + r), b += K (y - x b), P *= 1 - K x."""
    rows = filter_beta(np.array([2.0, 1.0]), np.array([1.0, 2.0]), q=0.5, r=1.0, start=1.0, start_variance=0.5)
    # first: P = 1, K = 1/2, b = 1.5, P = 1/2; second: P = 1, K = 2/5, b = 1.5 + 0.4 (1 - 3) = 0.7, P = 0.2
    assert rows == pytest.approx(np.array([[1.5, 0.5], [0.7, 0.2]]))


def test_vasicek_weighs_by_precision() -> None:
    """Estimate 1.6 +- 0.3, prior 1 +- 0.25: 0.0625 / 0.1525 = 41 % of the way, 1.2459."""
    found = beta.shrunk(Beta(1.6, 0.3, 90, "ewma"), Prior(1.0, 0.25))
    assert found.value == pytest.approx((1.6 / 0.09 + 1.0 / 0.0625) / (1 / 0.09 + 1 / 0.0625))
    assert found.value == pytest.approx(1.2459, abs=1e-4)
    assert found.se == pytest.approx(1 / math.sqrt(1 / 0.09 + 1 / 0.0625))
    assert found.method == "ewma_vasicek"


def test_vasicek_with_equal_errors_is_the_mean_of_both() -> None:
    """As sure of the one as of the other: half way."""
    assert beta.shrunk(Beta(2.0, 0.25, 90, "ols"), Prior(1.0, 0.25)).value == pytest.approx(1.5)


def test_shrinking_to_peers_lowers_the_error_at_sixty_days() -> None:
    """Betas drawn around 1.2: shrunk estimates miss them by clearly less (mean square) than raw ones."""
    rng = np.random.default_rng(1)
    market = rng.standard_normal(60) * 0.03
    truth = rng.normal(1.2, 0.25, 40)
    coins = truth[:, None] * market + rng.standard_normal((40, 60)) * 0.06
    raw = [known(beta.ols_beta(each, market, 60)) for each in coins]
    prior = beta.cross_section_prior(tuple(raw))
    better = [beta.shrunk(each, prior) for each in raw]

    def miss(of: list[Beta]) -> float:
        return float(np.mean([(each.value - b) ** 2 for each, b in zip(of, truth, strict=True)]))

    assert prior.mean == pytest.approx(1.2, abs=0.15)
    assert prior.sd == pytest.approx(0.25, abs=0.12)
    assert miss(better) < 0.7 * miss(raw)


def test_a_prior_needs_peers_and_a_spread() -> None:
    """Four betas say nothing (the reference's prior stands); equal ones do not prove that all betas are equal."""
    peers = tuple(Beta(1.0, 0.3, 90, "ols") for _ in range(5))
    assert beta.cross_section_prior(peers[:4]) == Prior(1.15, 0.25, 0)
    assert beta.cross_section_prior(peers[:4], Prior(0.9, 0.3)) == Prior(0.9, 0.3)
    assert beta.cross_section_prior(peers) == Prior(1.0, 0.1, 5)


def test_dimson_recovers_the_beta_of_a_series_stamped_half_a_day_late() -> None:
    """Half of each day's move arrives the day after: the same-day slope is half of 1.4, the sum is all of it."""
    rng = np.random.default_rng(6)
    market = rng.standard_normal(2_000) * 0.03
    late = 0.7 * market + 0.7 * np.roll(market, 1) + rng.standard_normal(2_000) * 0.01
    assert known(beta.ols_beta(late[1:], market[1:], 1_999)).value == pytest.approx(0.7, abs=0.03)
    found = known(beta.dimson_beta(late[1:], market[1:]))
    assert found.value == pytest.approx(1.4, abs=0.03)
    assert abs(found.value - 1.4) < 3 * found.se


def test_dimson_equals_statsmodels_with_robust_errors() -> None:
    """Sum of three slopes and its HC1 error."""
    holed = COIN.copy()
    holed[50] = np.nan
    design = np.column_stack((MARKET[:-2], MARKET[1:-1], MARKET[2:]))
    keep = np.isfinite(holed[1:-1])
    fit = statsmodels.api.OLS(holed[1:-1][keep], statsmodels.api.add_constant(design[keep])).fit(cov_type="HC1")
    test = fit.t_test(np.array([0.0, 1.0, 1.0, 1.0]))
    found = known(beta.dimson_beta(holed, MARKET))
    assert found.value == pytest.approx(float(test.effect[0]))
    assert found.se == pytest.approx(float(np.squeeze(test.sd)))


def test_reading_is_ewma_shrunk_and_alarms_when_beta_moves() -> None:
    """A steady coin is calm; one whose beta doubled in the last weeks raises the alarm."""
    calm = beta.beta_reading(COIN, MARKET)
    assert (calm.reason, calm.alarm, calm.beta.method) == ("estimated", False, "ewma_vasicek")
    assert calm.raw is not None
    assert calm.beta == beta.shrunk(calm.raw, Prior())
    rng = np.random.default_rng(3)
    market = rng.standard_normal(300) * 0.03
    moved = np.where(np.arange(300) < 270, 0.5, 2.5) * market + rng.standard_normal(300) * 0.005
    assert beta.beta_reading(moved, market).alarm


def test_the_market_has_beta_one_and_a_young_coin_the_prior() -> None:
    """The one is known, the other believed: its error is the prior's spread, its reason says so."""
    assert beta.beta_reading(MARKET, MARKET).beta.value == 1.0
    assert beta.beta_reading(MARKET, MARKET).beta.se == 0.0
    young = beta.beta_reading(COIN[:10], MARKET[:10], Prior(1.2, 0.3))
    assert (young.beta, young.raw, young.reason) == (Beta(1.2, 0.3, 0, "prior"), None, "too_little_history")
    short = beta.beta_reading(COIN[:30], MARKET[:30])
    assert short.kalman is None
    assert not short.alarm
    gap = np.full(90, np.nan)
    still = beta.beta_reading(np.append(COIN[:200], gap), np.append(MARKET[:200], MARKET[:90]), half_life_days=200.0)
    assert still.ols is None


def test_a_books_beta_is_the_weighted_sum() -> None:
    """Half a unit of 1.0 +- 0 against 0.4 of 1.25 +- 0.1: nothing left, known to 0.04."""
    book = beta.book_beta(np.array([0.5, -0.4]), (Beta(1.0, 0.0, 90, "ewma"), Beta(1.25, 0.1, 60, "ewma")))
    assert (book.value, book.se, book.rows) == pytest.approx((0.0, 0.04, 60))
    assert book.interval == pytest.approx((-0.0784, 0.0784))


def test_what_cannot_be_estimated_has_a_reason() -> None:
    """Too few rows, a market that stands still, spans that mean nothing; shapes are the caller's mistake."""
    flat = np.full(400, 0.01)
    answers = [
        beta.ols_beta(COIN[:10], MARKET[:10]), beta.ols_beta(COIN, flat), beta.ewma_beta(COIN[:10], MARKET[:10]),
        beta.ewma_beta(COIN, flat), beta.ewma_beta(COIN, MARKET, 0.0), beta.dimson_beta(COIN[:20], MARKET[:20]),
        beta.dimson_beta(COIN, flat), beta.dimson_beta(COIN, MARKET, lags=-1),
        beta.dimson_beta(np.where(np.arange(400) % 20 == 0, COIN, np.nan), MARKET),
        kalman_beta(COIN[:39], MARKET[:39]), kalman_beta(COIN, flat),
    ]
    assert [answer.reason if isinstance(answer, NoAnswer) else answer for answer in answers] == [
        "too_little_history", "market_does_not_move", "too_little_history", "market_does_not_move", "out_of_range",
        "too_little_history", "market_does_not_move", "out_of_range", "too_little_history", "too_little_history",
        "market_does_not_move",
    ]
    late_start = np.concatenate((np.zeros(20), np.tile([0.02, -0.02], 40)))
    late = kalman_beta(late_start, late_start)
    assert isinstance(late, NoAnswer)
    assert late.detail == "the market's first returns are constant"
    for call in (beta.ewma_beta, beta.dimson_beta, kalman_beta):
        with pytest.raises(ValueError, match="shape"):
            call(COIN, MARKET[1:])


def test_neutrality_needs_267_days_for_two_hundredths() -> None:
    """Residual volatility a sixth of the market's: (1.96 / (6 x 0.02))^2."""
    assert days_for_half_width(0.01, 0.06, 0.02) == 267


def test_a_neutral_book_is_proven_by_enough_days_only() -> None:
    """The same book: undecided after 40 days, neutral after 3,000; one with beta 0.3 is found out."""
    rng = np.random.default_rng(9)
    market = rng.standard_normal(3_000) * 0.03
    book = rng.standard_normal(3_000) * 0.006
    long, short = neutrality(book, market), neutrality(book[:40], market[:40])
    off = neutrality(book + 0.3 * market, market)
    assert isinstance(long, Neutrality)
    assert isinstance(short, Neutrality)
    assert isinstance(off, Neutrality)
    assert (long.verdict, short.verdict, off.verdict) == ("neutral", "undecided", "not_neutral")
    assert long.days_needed == days_for_half_width(float(np.std(book, ddof=1)) * math.sqrt(1 - long.r_squared),
                                                   float(np.std(market, ddof=1)), 0.05)
    assert off.r_squared == pytest.approx(float(np.corrcoef(book + 0.3 * market, market)[0, 1]) ** 2)
    assert neutrality(book + 0.3 * market, market, target=0.3).beta == off.beta  # type: ignore[union-attr]


def test_neutrality_of_nothing_is_unknown() -> None:
    """Too few days, or a half-width that is none; a book that never moves is neutral."""
    for answer, reason in ((neutrality(COIN[:10], MARKET[:10]), "too_little_history"),
                           (neutrality(COIN, MARKET, half_width=0.0), "out_of_range")):
        assert isinstance(answer, NoAnswer)
        assert answer.reason == reason
    idle = neutrality(np.zeros(400), MARKET)
    assert isinstance(idle, Neutrality)
    assert (idle.verdict, idle.r_squared, idle.days_needed) == ("neutral", 0.0, 0)
    assert isinstance(idle.beta, MarketBeta)
