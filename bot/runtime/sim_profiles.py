"""How hostile a simulated day is: a profile names rates and counts, the plan of a seed draws from them."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.venues.simulated.faults import FaultRates


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a day of this kind holds on average; counts are per simulated day."""

    name: str
    rates: FaultRates
    deaths: float
    """The process dies so often: a third before a commit, the rest after it, before, between or after sends."""
    venue_downs: float
    """A venue cannot be reached, for `venue_down_s_max` at most."""
    venue_down_s_max: float
    cycles: float
    """An operator stops trading (pause, flatten, kill, kill --hold) and resumes it later."""
    market_moves: float
    """Planted moves of single coins, with a swing of the premium."""
    move_log_max: float
    """Largest planted log-price move."""


def _rates(each: float, **others: float) -> FaultRates:
    return FaultRates(lost_answer=each, lost_request=each, late_booking=each, rejected=each, delayed_answer=each,
                      duplicated=each, dropped_event=2 * each, read_failure=each, **others)


PROFILES: Final = (
    Profile(name="calm", rates=_rates(0.001), deaths=0.5, venue_downs=0.1, venue_down_s_max=300.0, cycles=2.0,
            market_moves=1.0, move_log_max=0.02),
    Profile(name="normal", rates=_rates(0.01), deaths=3.0, venue_downs=1.0, venue_down_s_max=900.0, cycles=6.0,
            market_moves=2.0, move_log_max=0.05),
    Profile(name="default", rates=_rates(0.03), deaths=8.0, venue_downs=3.0, venue_down_s_max=1200.0, cycles=10.0,
            market_moves=2.0, move_log_max=0.08),
    Profile(name="hostile", rates=_rates(0.10, late_booking_s_max=4.9), deaths=24.0, venue_downs=8.0,
            venue_down_s_max=3600.0, cycles=14.0, market_moves=3.0, move_log_max=0.15),
    Profile(name="crash", rates=_rates(0.03), deaths=10.0, venue_downs=4.0, venue_down_s_max=3600.0, cycles=8.0,
            market_moves=5.0, move_log_max=0.40),
)
"""All profiles, mildest first but for the crash day."""


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigRefused: there is none; names those there are.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise ConfigRefused(f"profile {name!r}: unknown; there are {', '.join(p.name for p in PROFILES)}")
