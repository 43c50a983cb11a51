"""The embedded market's funding: the venues' premium rule, settlements, and intervals that change."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from bot.domain.instrument import Instrument
from bot.venues.simulated.market.funding import FundingState, first_funding_state, funding_day
from bot.venues.simulated.market.funding_rule import funding_rate, running_rate
from bot.venues.simulated.market.instruments import rows_of, with_interval
from bot.venues.simulated.market.listings import with_default_listings
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array

LADDER = (8, 4, 1)


def rate_of(
    premium_bps: float, *, interval_h: int = 8, cap: float = 0.003, floor: float | None = None,
    before: bool = False,
) -> float:
    """The settled rate in bp of an interval with one constant premium."""
    rates = funding_rate(
        np.full(60, premium_bps * 1e-4), interest_8h=1e-4, clamp_8h=5e-4, cap=cap,
        floor=-cap if floor is None else floor, interval_h=interval_h, cap_before_division=before, time_weighted=True)
    return float(rates[-1] * 1e4)


def perp(name: str = "alpha:BTC/USDT:USDT") -> Instrument:
    rows = rows_of(with_default_listings(EmbeddedParams()))
    return next(row.instrument for row in rows if row.instrument.id == name)


def flat_premium(*levels_bps: float) -> Array:
    """A day for one perpetual, cut into equal stretches of constant premium."""
    return np.repeat(np.array(levels_bps) * 1e-4, MINUTES_PER_DAY // len(levels_bps))[None, :]


@pytest.mark.parametrize("premium_bps", [-3.99, -1.0, 0.0, 3.3, 5.99])
def test_funding_is_exactly_the_interest_inside_the_clamp(premium_bps: float) -> None:
    """Between -4 and +6 bp of premium the rate is the interest itself, to the last bit."""
    assert rate_of(premium_bps) == 1.0


@pytest.mark.parametrize(("premium_bps", "rate_bps"), [(8.0, 3.0), (-5.0, 0.0), (-7.0, -2.0), (20.0, 15.0)])
def test_funding_beyond_the_clamp_follows_the_premium(premium_bps: float, rate_bps: float) -> None:
    """Outside the clamp the rate is the premium less (above) or plus (below) 5 bp."""
    assert rate_of(premium_bps) == pytest.approx(rate_bps, abs=1e-9)


def test_a_shorter_interval_charges_its_share() -> None:
    """An hourly rate is an eighth of the 8 h rate."""
    assert rate_of(13.0, interval_h=1) == pytest.approx(1.0, abs=1e-9)


def test_cap_binds_after_or_before_the_scaling() -> None:
    """The order matters: 400 bp per hour after scaling lets through what 400 bp per 8 h before it cuts to an eighth."""
    assert rate_of(1_000.0, interval_h=1, cap=0.04) == pytest.approx(995.0 / 8.0)
    assert rate_of(1_000.0, interval_h=1, cap=0.04, before=True) == pytest.approx(50.0)


def test_floor_may_differ_from_the_cap() -> None:
    """A venue's floor is its own parameter."""
    assert rate_of(-500.0, cap=0.003, floor=-0.02) == pytest.approx(-200.0)


def test_late_premium_counts_more_where_samples_are_weighted_by_time() -> None:
    """A premium that comes in the last half is worth three quarters of it weighted, one half in the plain mean."""
    samples = np.concatenate([np.zeros(10_000), np.full(10_000, 0.01)])
    common = {"interest_8h": 0.0, "clamp_8h": 0.0, "cap": 1.0, "floor": -1.0, "interval_h": 8}
    weighted = funding_rate(samples, **common, cap_before_division=False, time_weighted=True)  # type: ignore[arg-type]
    plain = funding_rate(samples, **common, cap_before_division=False, time_weighted=False)  # type: ignore[arg-type]
    assert float(weighted[-1]) == pytest.approx(0.0075, rel=1e-3)
    assert float(plain[-1]) == pytest.approx(0.005, rel=1e-3)


def test_the_running_estimate_never_looks_ahead() -> None:
    """Changing later samples leaves earlier estimates as they were."""
    rule = perp().funding
    assert rule is not None
    samples = np.linspace(0.0, 0.002, 480)
    changed = samples.copy()
    changed[200:] = -0.01
    assert np.array_equal(running_rate(samples, rule)[:200], running_rate(changed, rule)[:200])


def test_a_day_settles_every_interval_at_its_end() -> None:
    """8 h, 4 h and 1 h perpetuals settle 3, 6 and 24 times, the last at midnight, each with its last estimate."""
    perps = (perp(), perp("beta:XRP/USDT:USDT"), perp("gamma:BTC/USDC:USDC"))
    premium = np.vstack([flat_premium(*range(-12, 12))] * 3)
    day = funding_day(perps, premium, first_funding_state(perps), LADDER, 72)
    minutes = {row: [s.minute for s in day.settlements if s.row == row] for row in range(3)}
    assert {row: len(times) for row, times in minutes.items()} == {0: 3, 1: 6, 2: 24}
    assert all(times[-1] == MINUTES_PER_DAY for times in minutes.values())
    for settled in day.settlements:
        assert settled.rate_e8 == round(float(day.estimate[settled.row, settled.minute - 1]) * 1e8)


def test_a_rate_at_its_cap_shortens_the_interval() -> None:
    """After a settlement at the cap the next interval is the next shorter one, computed under the new rule."""
    day = funding_day((perp(),), flat_premium(500.0, 0.0, 0.0), first_funding_state((perp(),)), LADDER, 72)
    assert [(c.minute, c.interval_h) for c in day.changes] == [(480, 4)]
    assert [(s.minute, s.interval_h) for s in day.settlements] == [(480, 8), (720, 4), (960, 4), (1200, 4), (1440, 4)]
    assert day.settlements[0].rate_e8 == 300_000
    assert day.settlements[1].rate_e8 == 5_000
    assert day.end.interval_h == (4,)


def test_a_calm_market_lengthens_the_interval_again() -> None:
    """After the calm hours the interval goes one step back on its own grid, and never past the listed one."""
    shortened = FundingState(interval_h=(1,), calm_h=(0,))
    day = funding_day((perp(),), flat_premium(0.0), shortened, LADDER, 6)
    assert [(c.minute, c.interval_h) for c in day.changes] == [(480, 4), (960, 8)]
    assert day.settlements[-1].interval_h == 8
    calm = funding_day((perp(),), flat_premium(0.0), FundingState((8,), (500,)), LADDER, 6)
    assert calm.changes == ()


def test_a_change_at_midnight_is_told_the_next_day() -> None:
    """The state remembers a change of the very last settlement: its announcement belongs to the next day."""
    day = funding_day((perp(),), flat_premium(0.0, 0.0, 500.0), first_funding_state((perp(),)), LADDER, 72)
    assert day.end.changed == (0,)
    assert day.end.interval_h == (4,)


def test_a_new_interval_leaves_every_other_rule() -> None:
    """Only the interval differs between the instrument before and after the change."""
    before = perp()
    after = with_interval(before, 4)
    assert before.funding is not None
    assert after.funding is not None
    assert after.funding.interval_h == 4
    assert msgspec.structs.replace(after, funding=before.funding) == before
    assert after.funding.cap == before.funding.cap == Decimal("0.003")
