"""How hostile a simulated day is: a profile names rates and counts, the plan of a seed draws from them."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.venues.simulated.fault_kinds import ROWS, Shape
from bot.venues.simulated.faults import FaultRates


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a day of this kind holds on average; counts are per simulated day."""

    name: str
    each: float
    """Probability of every fault of chance per opportunity; a kind's own `share` multiplies it."""
    storms: float
    """Multiplies the number of planned windows and instants (`FaultRow.per_day`)."""
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

    @property
    def rates(self) -> FaultRates:
        """The probabilities of all kinds of chance."""
        return FaultRates(shares={row.kind: min(row.share * self.each, 1.0) for row in ROWS
                                  if row.shape is Shape.CHANCE})


PROFILES: Final = (
    Profile(name="calm", each=0.001, storms=0.2, deaths=0.5, venue_downs=0.1, venue_down_s_max=300.0,
            cycles=2.0, market_moves=1.0, move_log_max=0.02),
    Profile(name="normal", each=0.01, storms=1.0, deaths=3.0, venue_downs=1.0, venue_down_s_max=900.0,
            cycles=6.0, market_moves=2.0, move_log_max=0.05),
    Profile(name="default", each=0.03, storms=2.0, deaths=8.0, venue_downs=3.0, venue_down_s_max=1200.0,
            cycles=10.0, market_moves=2.0, move_log_max=0.08),
    Profile(name="hostile", each=0.10, storms=4.0, deaths=24.0, venue_downs=8.0, venue_down_s_max=3600.0,
            cycles=14.0, market_moves=3.0, move_log_max=0.15),
    Profile(name="crash", each=0.03, storms=2.0, deaths=10.0, venue_downs=4.0, venue_down_s_max=3600.0,
            cycles=8.0, market_moves=5.0, move_log_max=0.40),
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
