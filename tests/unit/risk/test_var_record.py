"""What a year of forecasts and outcomes does to the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.domain.values import NS_PER_DAY, Nanos
from bot.quant.tail_risk import normal_var_es
from bot.risk.var_record import RecordLimits, RecordVerdict, RiskForecast, judge_record, tail_shape

LIMITS = RecordLimits()
TAILS = {level: normal_var_es(0.0, 100.0, level) for level in (0.95, 0.975, 0.99)}
SHAPE = tail_shape(np.random.default_rng(2).standard_normal(20_000))


def record(outcomes: np.ndarray, *, scale: float = 1.0) -> list[RiskForecast]:
    """One forecast a day of a normal book with a deviation of 100 USD, `scale` times as large; NaN: no outcome yet."""
    return [RiskForecast(day_ns=Nanos(day * NS_PER_DAY), method="fhs", var_95_usd=scale * TAILS[0.95].var,
                         var_99_usd=scale * TAILS[0.99].var, es_975_usd=scale * TAILS[0.975].es,
                         var_975_usd=scale * TAILS[0.975].var, pnl_usd=None if math.isnan(pnl) else float(pnl))
            for day, pnl in enumerate(outcomes)]


def verdict(outcomes: np.ndarray, *, scale: float = 1.0, limits: RecordLimits = LIMITS) -> RecordVerdict:
    """Judged with a fixed seed."""
    return judge_record(record(outcomes, scale=scale), limits, SHAPE, np.random.default_rng(7))


def normal(days: int = 365, seed: int = 12) -> np.ndarray:
    """Outcomes as forecast."""
    return np.random.default_rng(seed).standard_normal(days) * 100.0


def test_right_forecasts_keep_their_limits() -> None:
    """Nothing rejects; all figures are there."""
    made = verdict(normal())
    assert (made.limit_factor, made.downgraded, made.reasons, made.zone) == (1.0, False, (), "green")
    assert made.expected_99 == pytest.approx(3.65)
    assert made.kupiec_p is not None
    assert made.kupiec_p > 0.05
    assert made.z2 is not None
    assert made.z2_critical is not None
    assert made.z2 > made.z2_critical


def test_forecasts_of_half_the_risk_tighten_limits_and_say_why() -> None:
    """Too many breaches, red zone, ES too small: Basel's 3 / 4."""
    made = verdict(normal(), scale=0.5)
    assert made.downgraded
    assert made.limit_factor == pytest.approx(0.75)
    assert {"var_too_low", "es_too_low", "basel_red"} <= set(made.reasons)
    assert verdict(normal(), scale=0.5, limits=RecordLimits(var_downgrade_factor=0.5)).limit_factor == 0.5


def test_forecasts_of_twice_the_risk_are_noted_not_punished() -> None:
    """No breach in 500 days is no reason to trade less."""
    limits = RecordLimits(var_record_days=1000)
    made = verdict(normal(1000), scale=2.0, limits=limits)
    assert made.reasons == ("var_too_high",)
    assert not made.downgraded


def test_breaches_in_a_row_tighten_limits_even_if_they_are_few() -> None:
    """Two pairs of neighbours in a year: four breaches of 3.65 expected, and hardly by chance."""
    outcomes = np.full(365, 10.0)
    outcomes[[100, 101, 250, 251]] = -TAILS[0.99].var - 1.0
    made = verdict(outcomes)
    assert made.reasons == ("var_breaches_cluster",)
    assert made.limit_factor == LIMITS.var_downgrade_factor


def test_the_yellow_zone_alone_takes_a_seventh() -> None:
    """8 breaches of 365 are more than expected but not enough for the tests at 1 %: 3 / 3.5."""
    outcomes = np.full(365, 10.0)
    outcomes[20::45] = -TAILS[0.99].var - 1.0
    made = verdict(outcomes)
    assert made.breaches_99 == 8
    assert made.reasons == ("basel_yellow",)
    assert made.limit_factor == pytest.approx(3 / 3.5)


def test_a_short_record_decides_nothing_and_says_so() -> None:
    """Sixty days are the least; days without an outcome do not count."""
    outcomes = normal(90)
    outcomes[40:] = math.nan
    made = verdict(outcomes, scale=0.1)
    assert (made.days, made.limit_factor, made.reasons) == (40, 1.0, ("var_record_short",))
    assert made.zone is None


def test_only_the_newest_days_count() -> None:
    """A bad year long ago is forgotten after `var_record_days`."""
    bad = np.full(200, -500.0)
    assert verdict(np.concatenate((bad, normal()))).days == 365
    assert not verdict(np.concatenate((bad, normal()))).downgraded


def test_the_same_seed_gives_the_same_verdict() -> None:
    """A replay decides as the live day did."""
    assert verdict(normal()) == verdict(normal())


def test_the_tails_shape_has_mean_one_and_must_lose() -> None:
    """Loss over ES of the worst rows."""
    assert SHAPE.mean() == pytest.approx(1.0)
    assert SHAPE.min() == pytest.approx(TAILS[0.975].var / TAILS[0.975].es, rel=0.03)
    for rows in (np.ones(5), np.full(100, 1.0)):
        with pytest.raises(ValueError, match="lose"):
            tail_shape(rows)


@pytest.mark.parametrize("change", [
    {"var_record_days_min": 10}, {"var_record_days": 2000}, {"var_test_significance": 0.5},
    {"var_downgrade_factor": 0.1},
])
def test_limits_out_of_bounds_are_refused(change: dict[str, float]) -> None:
    """Bounds in code."""
    with pytest.raises(ValueError, match="must"):
        RecordLimits(**change)  # type: ignore[arg-type]
