"""The tail of a set of pairs: parts that sum, an empty book that loses nothing, unknown history that loses the most."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.values import Coin, InstrumentId
from bot.market.panel import Panel, Series
from bot.risk.book_tail import (
    UNKNOWN_LOSS_ONE_LEG,
    UNKNOWN_LOSS_SHARE,
    BookTail,
    CoinPath,
    PairLegs,
    book_tail,
    coin_path,
)
from bot.risk.governor_params import GovernorParams

PAIRS = tuple(PairLegs(f"{name}|", Coin(name), InstrumentId(f"{name}s"), InstrumentId(f"{name}p")) for name in "AB")
ROWS = np.random.default_rng(1).standard_normal((400, 2)) * np.array([0.01, 0.02])


def panel(days: int, seed: int = 1) -> Panel:
    """Spot and perpetual of coin A, the perpetual with funding."""
    price = 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).standard_normal(days) * 0.03))
    noise = np.random.default_rng(seed + 1).standard_normal(days) * 2e-4
    spot = Series(first_day=100, closes=[float(each) for each in price], funding=[None] * days)
    perp = Series(first_day=100, closes=[float(each) for each in price * (1 + noise)], funding=[3e-4] * days)
    return Panel(series={InstrumentId("As"): spot, InstrumentId("Ap"): perp})


def test_parts_sum_to_the_whole_and_doubling_doubles() -> None:
    """Euler's split; VaR at another level is less than at a higher one."""
    tail = BookTail(PAIRS, ROWS, "", 0.975)
    one, two = tail.figures({"A|": 1_000.0, "B|": 500.0}), tail.figures({"A|": 2_000.0, "B|": 1_000.0})
    assert sum(one.by_pair.values()) == pytest.approx(one.es_usd)
    assert two.es_usd == pytest.approx(2 * one.es_usd)
    low, high = tail.at_level({"A|": 1_000.0}, 0.95), tail.at_level({"A|": 1_000.0}, 0.99)
    assert low is not None
    assert high is not None
    assert low < high


def test_an_empty_book_loses_nothing() -> None:
    """Zero is known here."""
    tail = BookTail(PAIRS, ROWS, "", 0.975)
    assert (tail.figures({}).es_usd, tail.at_level({}, 0.99), tail.shape({})) == (0.0, 0.0, [])


def test_what_has_no_history_loses_the_most_on_record() -> None:
    """A share of notional with its reason; no quantile is made up."""
    tail = BookTail(PAIRS, None, "tail_rows_min", 0.975)
    figures = tail.figures({"A|": 1_000.0, "B|": -500.0})
    assert figures.es_usd == pytest.approx(UNKNOWN_LOSS_SHARE * 1_500.0)
    assert (figures.method, figures.reason) == ("worst_on_record", "tail_rows_min")
    assert tail.at_level({"A|": 1_000.0}, 0.99) is None
    assert tail.shape({"A|": 1_000.0}) == []


def test_the_shape_of_a_losing_tail_averages_one() -> None:
    """Loss over ES of the worst rows; a tail that only gains has none."""
    shape = BookTail(PAIRS, ROWS, "", 0.975).shape({"A|": 1_000.0})
    assert np.mean(shape) == pytest.approx(1.0)
    assert BookTail(PAIRS, np.abs(ROWS), "", 0.975).shape({"A|": 1_000.0}) == []


def test_a_hedged_pair_is_scaled_as_a_hedge() -> None:
    """500 joint days: the pair's tail is that of its basis, a hundredth of the coin's."""
    known = panel(500)
    paths = {Coin("A"): coin_path(known, InstrumentId("Ap"))}
    figures = book_tail(known, PAIRS[:1], paths, GovernorParams()).figures({"A|": 100_000.0})
    assert figures.method == "fhs"
    assert 0.0 < figures.es_usd < 500.0


def test_a_basis_that_has_woken_is_seen_at_its_size_of_now() -> None:
    """The last 60 days move ten times as far: their volatility, not that of two years, makes tomorrow's ES."""
    known, woken = panel(500), panel(500)
    spot = woken.series[InstrumentId("As")].closes
    rng = np.random.default_rng(9)
    woken.series[InstrumentId("Ap")].closes[-60:] = [
        price * (1 + each) for price, each in zip(spot[-60:], (rng.standard_normal(60) * 2e-3).tolist(), strict=True)
        if price is not None]
    es = []
    for each in (known, woken):
        paths = {Coin("A"): coin_path(each, InstrumentId("Ap"))}
        es.append(book_tail(each, PAIRS[:1], paths, GovernorParams()).figures({"A|": 100_000.0}).es_usd)
    assert es[1] > 6 * es[0]


def test_too_few_days_for_basis_and_funding_leave_the_coin_alone() -> None:
    """215 of the 230 joint days that the default asks for: the simpler method serves and says why."""
    known = panel(245)  # 30 of them start the coin's volatility
    paths = {Coin("A"): coin_path(known, InstrumentId("Ap"))}
    tail = book_tail(known, PAIRS[:1], paths, GovernorParams())
    figures = tail.figures({"A|": 100_000.0})
    assert (tail.method, figures.method, figures.reason) == ("fhs_coin", "fhs_coin", "tail_rows_min")
    assert 0.0 < figures.es_usd < 500.0
    assert tail.at_level({"A|": 100_000.0}, 0.99) is not None


def test_two_perpetuals_of_a_coin_share_its_move() -> None:
    """Without a spot leg the first perpetual stands for the coin; doubled volatility of the coin changes nothing."""
    known = panel(500)
    pair = (PairLegs("A|", Coin("A"), InstrumentId("Ap"), InstrumentId("As")),)
    path = coin_path(known, InstrumentId("Ap"))
    assert path is not None
    wild = CoinPath(path.first_day, np.append(path.sigma[:-1], 2 * path.sigma[-1]))
    calm, stirred = (book_tail(known, pair, {Coin("A"): each}, GovernorParams()).figures({"A|": 1e5}).es_usd
                     for each in (path, wild))
    assert stirred == pytest.approx(calm, rel=1e-9)


@pytest.mark.parametrize(("days", "with_path", "reason"), [(1, True, "tail_rows_min"), (500, False,
                                                                                      "tail_no_volatility")])
def test_why_there_is_no_tail(days: int, with_path: bool, reason: str) -> None:
    """Too few joint days, or no volatility of the coin."""
    known = panel(days)
    paths = {Coin("A"): coin_path(known, InstrumentId("Ap")) if with_path else None}
    figures = book_tail(known, PAIRS[:1], paths, GovernorParams()).figures({"A|": 100_000.0})
    assert (figures.method, figures.reason) == ("worst_on_record", reason)
    assert coin_path(known, InstrumentId("none")) is None


def test_covariance_is_that_of_the_scenarios_and_never_calm_without_them() -> None:
    """Per year; pairs of unknown history lose together, as much as is assumed of them in a day."""
    found = BookTail(PAIRS, ROWS, "", 0.975).covariance_annual()
    assert found == pytest.approx(365 * np.cov(ROWS.T, bias=True))
    unknown = BookTail(PAIRS, None, "tail_rows_min", 0.975).covariance_annual()
    assert unknown == pytest.approx(np.full((2, 2), 365 * UNKNOWN_LOSS_SHARE**2))


def test_a_hedge_is_a_leg_alone_long_or_short() -> None:
    """Without the other leg nothing offsets its moves: two sides are each other's mirror, and far from a pair."""
    long = PairLegs("hedge", Coin("A"), InstrumentId("Ap"), None)
    short = PairLegs("hedge", Coin("A"), None, InstrumentId("Ap"))
    book = panel(700)
    paths = {Coin("A"): coin_path(book, InstrumentId("Ap"))}
    params = GovernorParams()
    up, down = (book_tail(book, [PAIRS[0], each], paths, params) for each in (long, short))
    pair = up.figures({"A|": 1_000.0}).es_usd
    assert up.figures({"hedge": 1_000.0}).es_usd > 20 * pair
    assert down.figures({"hedge": 1_000.0}).es_usd > 20 * pair
    assert long.legs == short.legs == (InstrumentId("Ap"),)


def test_a_leg_alone_of_unknown_history_loses_more_than_a_pair() -> None:
    """What stands in is the size of a coin's worst days, not of a basis."""
    legs = [PAIRS[0], PairLegs("hedge", Coin("A"), None, InstrumentId("Ap"))]
    found = BookTail(legs, None, "tail_rows_min", 0.975).figures({"A|": 1_000.0, "hedge": 1_000.0})
    assert found.by_pair == {"A|": 1_000.0 * UNKNOWN_LOSS_SHARE, "hedge": 1_000.0 * UNKNOWN_LOSS_ONE_LEG}
