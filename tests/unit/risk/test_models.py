"""A coin's models between fits: moved on by closes alone, replaced by newer ones, kept while a fit fails."""

from __future__ import annotations

import math

import msgspec
import pytest

from bot.domain.values import NS_PER_DAY, InstrumentId
from bot.quant.garch import GarchParams, next_variance
from bot.quant.garch_guards import VolatilityReason
from bot.quant.volatility import SymbolModels, VolatilityParams
from bot.risk.models import SHOCK_DAYS, CoinModels

PARAMS = VolatilityParams()
GARCH = GarchParams(model="garch_t", omega=0.2, alpha=0.1, beta=0.88, nu=5.0)
FIT = SymbolModels(symbol="BTC", garch=GARCH, loglik_per_point=-2.5, loglik_sd=1.0, points=500,
                   variance_next_pct2=9.0, data_ns=100 * NS_PER_DAY)


def coin() -> CoinModels:
    return CoinModels(instrument=InstrumentId("a:BTC/USDT:USDT"))


def fitted() -> CoinModels:
    """With a fit in use, its last close on day 100."""
    one = coin()
    one.day = 100
    one.take(FIT, [])
    return one


def test_a_fit_begins_with_its_own_forecast_and_catches_up() -> None:
    """Closes after the data of the fit move its variance; an unknown one moves it home."""
    one = coin()
    one.take(FIT, [0.05, None])
    expected = next_variance(GARCH, next_variance(GARCH, 9.0, 5.0), float("nan"))
    assert one.volatility.garch_pct2 == pytest.approx(expected)
    assert one.refused == ()


def test_a_daily_close_moves_the_variance_and_is_remembered_by_its_likelihood() -> None:
    """Once per day, in order; an older day is not taken again."""
    one = fitted()
    one.close_day(101, 0.05, 0.002, PARAMS)
    assert one.volatility.garch_pct2 == pytest.approx(next_variance(GARCH, 9.0, 5.0))
    assert len(one.logliks) == 1
    moved = one.volatility
    one.close_day(101, 0.50, 0.002, PARAMS)
    assert one.volatility == moved
    one.close_day(102, None, None, PARAMS)
    assert len(one.logliks) == 1


def test_a_fit_that_failed_leaves_the_one_in_use_and_its_reason() -> None:
    """The old model serves until it is too old; without one the failed answer's other parts are taken."""
    failed = SymbolModels(symbol="BTC", reasons=(VolatilityReason.TOO_FEW_POINTS,), data_ns=101 * NS_PER_DAY)
    one = fitted()
    one.take(failed, [])
    assert one.models == FIT
    assert one.refused == (VolatilityReason.TOO_FEW_POINTS.value,)
    fresh = coin()
    fresh.take(failed, [0.01])
    assert fresh.models == failed
    assert fresh.volatility.garch_pct2 is None


def test_an_older_answer_is_dropped_and_a_newer_one_clears_the_reason() -> None:
    """Answers may come out of order."""
    one = fitted()
    one.take(msgspec.structs.replace(FIT, data_ns=90 * NS_PER_DAY, variance_next_pct2=1.0), [])
    assert one.models == FIT
    failed = SymbolModels(symbol="BTC", reasons=(VolatilityReason.TOO_FEW_POINTS,), data_ns=101 * NS_PER_DAY)
    one.take(failed, [])
    newer = msgspec.structs.replace(FIT, data_ns=107 * NS_PER_DAY)
    one.take(newer, [])
    assert one.models == newer
    assert not one.refused
    assert one.age_days(109 * NS_PER_DAY) == pytest.approx(2.0)


def test_thirty_unlikely_days_are_a_shock() -> None:
    """Fewer days say nothing, likely ones neither, and without a fit there is nothing to be shocked by."""
    assert not coin().shocked(PARAMS)
    one = fitted()
    one.logliks = [-50.0] * (SHOCK_DAYS - 1)
    assert not one.shocked(PARAMS)
    one.logliks = [-2.5] * SHOCK_DAYS
    assert not one.shocked(PARAMS)
    one.logliks = [-50.0] * SHOCK_DAYS
    assert one.shocked(PARAMS)
    assert coin().age_days(5) is None


def test_an_old_model_gives_way_to_the_fallback() -> None:
    """Beyond two refit periods GARCH is no longer asked; the reason says so."""
    one = fitted()
    for hour in range(24 * 40):
        one.close_hour(0.005 if hour % 2 else -0.005, PARAMS)
    for day in range(101, 141):
        one.close_day(day, 0.02 if day % 2 else -0.02, 0.0004, PARAMS)
    young = one.forecast(101 * NS_PER_DAY, PARAMS, None)
    old = one.forecast(int((101 + 3 * PARAMS.refit_days) * NS_PER_DAY), PARAMS, None)
    assert "garch" in {row.source for row in young.models}
    assert "garch" not in {row.source for row in old.models}


def windowed(closes: list[float | None], hour: int = 16, before: float | None = 0.01) -> CoinModels:
    """A coin whose window from hour 8 has just ended with these hourly closes."""
    one = coin()
    one.window_hour, one.window_sigma = 8, before
    one.close_window(hour, closes, PARAMS)
    return one


def test_a_window_counts_how_far_it_went_both_ways_over_its_own_volatility() -> None:
    """Up 5 % and down 2 % from the start at a sigma of 1 %; what happened before it does not matter."""
    one = windowed([100.0, 101.0, 105.0, None, 98.0, 99.0, 100.0, 100.0, 100.0])
    assert one.barrier.windows == 2
    assert one.barrier.largest == pytest.approx((math.log(1.05) / 0.01, math.log(100 / 98) / 0.01))
    assert (one.window_hour, one.window_sigma) == (16, None)  # nothing is known of its volatility yet


def test_a_rise_alone_fell_nowhere() -> None:
    """The other way counts as a window that was not touched."""
    one = windowed([100.0, *[101.0] * 8])
    assert one.barrier.windows == 2
    assert one.barrier.largest[1] == 0.0


@pytest.mark.parametrize(("closes", "hour", "sigma"), [
    ([None, *[101.0] * 8], 16, 0.01), ([100.0, *[None] * 8], 16, 0.01), ([100.0] * 9, 24, 0.01),
    ([100.0] * 9, 16, None),
])
def test_a_window_that_is_not_known_whole_counts_for_nothing(closes: list[float | None], hour: int,
                                                             sigma: float | None) -> None:
    """No start, no hour within, hours that were slept through, no volatility at its start."""
    assert windowed(closes, hour, sigma).barrier.windows == 0


def test_the_volatility_of_a_window_is_that_of_the_caps_at_its_start() -> None:
    """1 % an hour: about 2.8 % over eight hours."""
    one = fitted()
    for hour in range(24 * 40):
        one.close_hour(0.01 if hour % 2 else -0.01, PARAMS)
    for day in range(101, 141):
        one.close_day(day, 0.02 if day % 2 else -0.02, 0.0024, PARAMS)
    one.close_window(960, [100.0] * 9, PARAMS)
    assert one.window_sigma is not None
    assert one.window_sigma >= 0.01 * math.sqrt(8) * 0.999
