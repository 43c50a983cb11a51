"""The parameters refuse what cannot be meant."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.errors import ConfigRefused
from bot.strategy.params import CarryParams


def test_capital_per_notional() -> None:
    """1 + 1/3 + 0.1 for spot against perp, 2/3 + 0.1 for two perps (quant reference 3.4)."""
    assert CarryParams().capital_per_notional(1) == pytest.approx(1.43333333)
    assert CarryParams().capital_per_notional(2) == pytest.approx(0.76666667)


@pytest.mark.parametrize("change", [
    {"leverage": 10.0}, {"horizon_h": 0}, {"phi_8h": 1.0}, {"coin_share_max": 0.0}, {"hurdle_annual": float("nan")},
    {"slow_half_life_h": 24.0, "forecast_half_life_h": 25.0}, {"sd_8h_bps_min": 5.0, "sd_8h_bps_max": 1.0},
])
def test_impossible_values_are_refused_by_name(change: dict[str, float]) -> None:
    """One line that names the key."""
    with pytest.raises(ConfigRefused, match=r"carry\.\w+"):
        CarryParams(**change)  # type: ignore[arg-type]


def test_unknown_keys_are_refused() -> None:
    """A misspelt key is no default."""
    with pytest.raises(msgspec.ValidationError, match="horizont"):
        msgspec.convert({"horizont_h": 10}, CarryParams)
