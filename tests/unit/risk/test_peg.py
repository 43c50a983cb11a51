"""The guard over a quote currency: two samples to act, an hour of calm to forget, two distances."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.values import NS_PER_S, Nanos
from bot.risk.peg import PegGuard, PegParams, observe

PARAMS = PegParams(block_pct=0.5, close_pct=3.0, confirm_s=60.0, calm_s=600.0)


def seen(guard: PegGuard, price: str, seconds: float) -> tuple[bool, bool]:
    observe(guard, Decimal(price), Nanos(int(seconds * NS_PER_S)), PARAMS)
    return guard.blocked, guard.closing


@pytest.mark.parametrize(("price", "acts"), [
    ("0.9951", (False, False)), ("0.9950", (True, False)), ("1.0050", (True, False)), ("0.9701", (True, False)),
    ("0.9700", (True, True)), ("1.0400", (True, False)),
])
def test_F44_two_samples_a_minute_apart_block_or_close(price: str, acts: tuple[bool, bool]) -> None:
    """One odd sample does nothing; above a dollar nothing is lost, so nothing is closed."""
    guard = PegGuard()
    assert seen(guard, price, 0) == (False, False)
    assert seen(guard, price, 59) == (False, False)
    assert seen(guard, price, 60) == acts


def test_F44_a_sample_at_the_peg_in_between_begins_anew() -> None:
    """It was one odd price after all."""
    guard = PegGuard()
    seen(guard, "0.90", 0)
    seen(guard, "1.00", 30)
    assert seen(guard, "0.90", 61) == (False, False)
    assert seen(guard, "0.90", 121) == (True, True)


def test_F44_opens_come_back_after_some_time_close_to_the_peg() -> None:
    """Half of the distance counts as close; a relapse begins the time anew, and nothing is left of it at the end."""
    guard = PegGuard()
    seen(guard, "0.96", 0)
    seen(guard, "0.96", 60)
    seen(guard, "0.9975", 100)
    assert seen(guard, "0.9974", 600) == (True, True)
    seen(guard, "0.9975", 700)
    assert seen(guard, "1.0000", 1_299) == (True, True)
    assert seen(guard, "1.0000", 1_300) == (False, False)
    assert guard == PegGuard()


@pytest.mark.parametrize(("name", "value"), [
    ("block_pct", 0.05), ("block_pct", 3.0), ("close_pct", 21.0), ("confirm_s", -1.0), ("calm_s", 90_000.0),
    ("age_s_max", 30.0),
])
def test_F78_a_peg_guard_that_would_not_guard_is_refused(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=name):
        PegParams(**{name: value})
