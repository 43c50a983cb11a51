"""A coin's beta from the panel: known truth is found, the market's own is one, and too few days say so."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.values import InstrumentId
from bot.market.panel import Panel, Series
from bot.quant.beta import PRIOR_MEAN, PRIOR_SD
from bot.risk.coin_beta import coin_beta

MARKET, COIN = InstrumentId("Mp"), InstrumentId("Cp")


def panel(days: int, beta: float, funding: float = 0.0) -> Panel:
    """A market of 3 % a day and a coin that follows it with little of its own."""
    noise = np.random.default_rng(5)
    market = noise.standard_normal(days) * 0.03
    coin = beta * market + noise.standard_normal(days) * 0.002

    def series(returns: np.ndarray, rates: list[float | None]) -> Series:
        closes = 100.0 * np.cumprod(np.concatenate(([1.0], 1.0 + returns)))
        return Series(first_day=100, closes=[float(each) for each in closes], funding=[None, *rates])

    return Panel(series={MARKET: series(market, [0.0] * days), COIN: series(coin, [funding] * days)})


@pytest.mark.parametrize("beta", [0.6, 1.15, 1.9])
def test_a_known_beta_is_found(beta: float) -> None:
    """A tight estimate is hardly moved by the prior."""
    found = coin_beta(panel(240, beta), COIN, MARKET)
    assert found.value == pytest.approx(beta, abs=0.03)
    assert found.method == "ewma_vasicek"


def test_steady_funding_moves_no_beta() -> None:
    """It is a constant of the return."""
    plain, paying = (coin_beta(panel(240, 1.3, rate), COIN, MARKET) for rate in (0.0, 3e-4))
    assert paying.value == pytest.approx(plain.value, abs=1e-4)


def test_the_market_is_its_own_measure() -> None:
    """One, without error."""
    found = coin_beta(panel(5, 1.0), MARKET, MARKET)
    assert (found.value, found.se) == (1.0, 0.0)


def test_too_few_days_give_the_prior_with_its_spread() -> None:
    """Nothing is made of ten days."""
    found = coin_beta(panel(10, 3.0), COIN, MARKET)
    assert (found.value, found.se, found.method) == (PRIOR_MEAN, PRIOR_SD, "prior")
