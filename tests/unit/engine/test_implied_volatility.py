"""Implied volatility in the engine: it joins the largest forecast behind the caps, and goes when it is old."""

from __future__ import annotations

import pytest

from bot.domain.market_events import IMPLIED_VOLATILITY, ReferenceRate
from bot.domain.values import NS_PER_HOUR, Coin, Nanos
from bot.engine.params import EngineParams
from bot.risk.governor_params import GovernorParams
from bot.risk.leverage import CoinCaps, is_stale
from bot.risk.models import Implied
from tests.unit.engine.driving import T0, Drive

EXPECTED = EngineParams(governor=GovernorParams(implied_coins=("BTC",)))


def said(annual: float, hours: float = -1.0, name: str = f"{IMPLIED_VOLATILITY}BTC") -> ReferenceRate:
    """What is published so many hours after the start."""
    return ReferenceRate(Nanos(T0 + int(hours * NS_PER_HOUR)), name, annual)


def caps_after(*events: ReferenceRate, hours: float = 3.0, params: EngineParams | None = None) -> CoinCaps:
    """BTC's caps at the last rebalance."""
    drive = Drive(extra=events, params=params, days=4.0).run(hours)
    return drive.engine.state.caps[Coin("BTC")]


def test_a_high_one_is_the_volatility_behind_the_caps() -> None:
    """300 % a year is 15.7 % a day: more than any other model says, and the cap is lower for it."""
    plain, wild = caps_after(), caps_after(said(3.0))
    assert wild.forecast.source_cap == "implied"
    assert wild.forecast.sigma_cap_day == pytest.approx(3.0 / 365**0.5)
    assert wild.short.cap < plain.short.cap
    assert wild.forecast.sigma_size_day == plain.forecast.sigma_size_day


def test_a_low_one_changes_nothing_but_is_shown() -> None:
    """The largest counts; what is fed stands in the sheet's models all the same."""
    plain, calm = caps_after(), caps_after(said(0.001))
    assert calm.short.cap == plain.short.cap
    assert "implied" in {model.source for model in calm.forecast.models}


def test_one_that_rises_within_the_day_is_heeded_at_the_next_rebalance() -> None:
    """Caps are made anew as soon as it overtakes the volatility behind them, not at the next close."""
    assert caps_after(said(3.0, hours=1.5)).forecast.source_cap == "implied"
    assert not is_stale(caps_after(said(3.0)), Drive().run(3.0).engine.state.models.coins[Coin("BTC")], 3.0)


def test_one_that_is_expected_and_missing_or_old_is_told() -> None:
    """Its absence is a reason in the sheet; the other models serve."""
    assert "no_implied" in [reason.value for reason in caps_after(params=EXPECTED).forecast.reasons]
    assert "no_implied" not in [reason.value for reason in caps_after().forecast.reasons]
    old = caps_after(said(3.0, hours=-1.0), hours=80.0, params=EXPECTED)
    assert old.forecast.source_cap != "implied"
    assert "no_implied" in [reason.value for reason in old.forecast.reasons]


def test_it_is_no_yield_of_idle_cash() -> None:
    """The hurdle stays what it was; a yield still sets it."""
    drive = Drive(extra=(said(0.03, name="tbill_3m_usd"), said(3.0, hours=0.5))).run(1.0)
    assert drive.engine.state.market.hurdle_annual == 0.03
    assert drive.engine.state.models.implied[Coin("BTC")] == Implied(T0 + NS_PER_HOUR // 2, 3.0)
