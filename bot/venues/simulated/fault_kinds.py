"""Every kind of fault there is: where it strikes, in which shape, and how often. A new kind is one name and one row.

A `CHANCE` is drawn at each opportunity (a request, an answer, a market event), a `WINDOW` lasts, an `INSTANT` strikes
once. Windows and instants are drawn before a run begins and stand in its plan. What a kind does is said where it
strikes: `requests` and `delivery` (the network), `blows` (a venue and our account there), and in `runtime` the market
data as we see it, the disk, the clock and the process itself.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec


class FaultKind(Enum):
    """The name of a fault; it names its random stream too, so it never changes."""

    LOST_ANSWER = "lost_answer"
    LOST_REQUEST = "lost_request"
    LATE_BOOKING = "late_booking"
    REJECTED = "rejected"
    DELAYED_ANSWER = "delayed_answer"
    DUPLICATED = "duplicated"
    DROPPED_EVENT = "dropped_event"
    READ_FAILURE = "read_failure"
    VENUE_DOWN = "venue_down"


class Shape(Enum):
    """How long a fault lasts."""

    CHANCE = "chance"
    WINDOW = "window"
    INSTANT = "instant"


class Place(Enum):
    """Where a fault strikes; for a window or an instant also who carries it out."""

    NETWORK = "network"
    """Between us and a venue."""
    ACCOUNT = "account"
    """At a venue: an instant of this place has a row in `blows.BLOWS`."""
    MARKET = "market"
    """The market data as we see it; the venue sees the true market."""
    STORAGE = "storage"
    PROCESS = "process"


class FaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind: its place, its shape, how often it strikes, how far it goes."""

    kind: FaultKind
    place: Place
    shape: Shape
    says: str
    """What happens, for people."""
    share: float = 1.0
    """CHANCE: this multiple of the profile's probability at each opportunity."""
    per_day: float = 0.0
    """WINDOW and INSTANT: so many a day in the profile `normal`; times the profile's `storms` in others."""
    length_s: tuple[float, float] = (0.0, 0.0)
    """WINDOW: least and greatest length."""
    size_max: float = 0.0
    """The most of what the kind has a size for (seconds of delay, a share, ...); drawn uniformly below it."""
    of_venue: bool = True
    """WINDOW and INSTANT: it strikes one venue; else the whole process."""


def _chance(kind: FaultKind, place: Place, says: str, *, share: float = 1.0, size_max: float = 0.0) -> FaultRow:
    return FaultRow(kind=kind, place=place, shape=Shape.CHANCE, says=says, share=share, size_max=size_max)


_CHANCES: Final = (
    _chance(FaultKind.LOST_ANSWER, Place.NETWORK, "booked, but the answer never comes: unknown after the time limit"),
    _chance(FaultKind.LOST_REQUEST, Place.NETWORK, "never booked: unknown after the time limit"),
    _chance(FaultKind.LATE_BOOKING, Place.NETWORK, "a create or cancel is booked up to `size_max` s later, within its "
            "validity", size_max=4.9),
    _chance(FaultKind.REJECTED, Place.NETWORK, "the venue is busy and says no"),
    _chance(FaultKind.DELAYED_ANSWER, Place.NETWORK, "an event towards us comes up to `size_max` s later, overtaken by "
            "others", size_max=10.0),
    _chance(FaultKind.DUPLICATED, Place.NETWORK, "an order or trade event comes twice, up to `size_max` s apart",
            size_max=10.0),
    _chance(FaultKind.DROPPED_EVENT, Place.NETWORK, "an event of the private stream never comes; the books have it",
            share=2.0),
    _chance(FaultKind.READ_FAILURE, Place.NETWORK, "a read gets no answer in time"),
)
_STRIKES: Final = (
    FaultRow(kind=FaultKind.VENUE_DOWN, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0, length_s=(5.0, 905.0),
             says="the venue cannot be reached; it goes on matching"),
)
ROWS: Final = (*_CHANCES, *_STRIKES)
"""All kinds."""
ROW_OF: Final = {row.kind: row for row in ROWS}
