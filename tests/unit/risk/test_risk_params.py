"""Limits above their caps in code are refused, each with the name of the setting and its bounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import ConfigRefused
from bot.risk.governor_params import GovernorParams
from bot.risk.params import RiskLimits
from bot.risk.stress import StressLimits
from bot.risk.var_record import RecordLimits
from bot.settings import read


@pytest.mark.parametrize(("name", "value"), [
    ("gross_leverage_max", 11.0), ("perp_leverage_max", 0.0), ("price_collar_bps", 1_001.0),
    ("daily_loss_stop_pct", 21.0), ("drawdown_stop_pct", 0.0), ("margin_last_share", 0.5), ("margin_reduce_share", 0.7),
    ("margin_top_up_share", 1.0), ("data_age_s_max", 61.0), ("read_retry_s_max", 0.5), ("read_lag_s_max", 61.0),
    ("rate_limit_wait_s", 0.5), ("venue_wait_s_max", 90_000.0), ("maintenance_wait_s", 5.0), ("reconcile_s", 5.0),
    ("notional_per_day_max_x", 1.0), ("equal_orders_max", 11), ("orders_per_minute_max", 0),
    ("round_trips_per_day_max", 0), ("passing_repeats_max", 1), ("reject_cool_down_s", 5.0),
])
def test_F78_a_limit_above_its_cap_in_code_is_refused(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=name):
        RiskLimits(**{name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("soft_share", 0.0), ("drawdown_scale_from_pct", 20.0), ("es_level", 0.9999), ("tail_days", 10),
    ("bucket_share_max", 0.0), ("leverage_floor", 2.0), ("fit_points_min", 10), ("stress_loss_max_pct", 60.0),
    ("stress_accepted", ("no_such_thing",)),
])
def test_a_governor_that_would_not_guard_is_refused(name: str, value: Any) -> None:
    """As above, for the limits of the whole book."""
    with pytest.raises((ValueError, ConfigRefused), match=name):
        GovernorParams(**{name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("stress_loss_max_pct", 0.0), ("stress_loss_max_pct", math.nan), ("stress_loss_max_pct", 51.0),
    ("margin_reduce_share", 0.6), ("margin_reduce_share", 0.0), ("margin_top_up_share", 1.0),
    ("margin_top_up_share", math.nan), ("stress_accepted", ("venue_lost", "no_such_thing")),
])
def test_stress_limits_that_limit_nothing_are_refused(name: str, value: Any) -> None:
    """A loss of nothing or of half the account, a keeper that shrinks before it tops up, a scenario nobody knows."""
    with pytest.raises(ValueError, match=name):
        StressLimits(**{name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("var_record_days", 59), ("var_record_days", 1_501), ("var_record_days_min", 29), ("var_test_significance", 0.0),
    ("var_test_significance", 0.2), ("var_test_significance", math.nan), ("var_downgrade_factor", 0.2),
    ("var_downgrade_factor", 1.01), ("var_downgrade_factor", math.nan),
])
def test_a_record_that_would_judge_nothing_is_refused(name: str, value: Any) -> None:
    """Too few days, no significance, a downgrade that loosens."""
    with pytest.raises(ValueError, match=name):
        RecordLimits(**{name: value})


@pytest.mark.parametrize("line", [
    "[engine.governor]\nstress_loss_max_pct = 80.0", '[engine.governor]\nstress_accepted = ["tea"]',
    "[engine.governor.record]\nvar_downgrade_factor = 2.0", "[engine.governor.record]\nvar_record_days_mni = 60",
])
def test_a_file_with_such_a_limit_is_one_line(tmp_path: Path, line: str) -> None:
    """The settings reader names the file and the place, as it does for every other layer."""
    path = tmp_path / "a.toml"
    path.write_text(line, "utf-8")
    with pytest.raises(ConfigRefused) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
