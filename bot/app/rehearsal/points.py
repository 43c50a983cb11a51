"""Where to die: a plan of kill points and power cuts drawn from a seed over the places that a stretch visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bot.runtime.crash_points import CrashAt
from bot.venues.simulated.streams import Streams


class Kind(msgspec.Struct, frozen=True):
    """One kind of death and how many of a hundred are of it."""

    name: str
    place: str
    share: int
    delay_us_max: int = 0
    """Above 0: so much later at most, while a write or a sync is under way."""
    latched: bool = False
    """The kill switch is set in the same session."""
    fresh: bool = False
    """The very first session of an account."""
    twice: bool = False
    """The next process dies too, while it recovers."""


KILLS: Final = (
    Kind("between commit and send", "before_order", 27),
    Kind("between send and answer", "after_order", 13),
    Kind("between send and answer", "before_answer", 13),
    Kind("inside a commit", "before_commit", 9, delay_us_max=4_000),
    Kind("before a commit", "before_commit", 4),
    Kind("after a commit", "after_commit", 5),
    Kind("inside the venue's commit", "before_books", 5, delay_us_max=4_000),
    Kind("after the venue's commit", "after_books", 4),
    Kind("after an answer, not committed", "after_answer", 3),
    Kind("inside a snapshot", "before_snapshot", 3, delay_us_max=6_000),
    Kind("after a snapshot", "after_snapshot", 1),
    Kind("inside the kill latch", "before_latch", 2, delay_us_max=4_000, latched=True),
    Kind("after the kill latch", "after_latch", 3, latched=True),
    Kind("in the first session", "before_commit", 3, delay_us_max=4_000, fresh=True),
    Kind("again while it recovers", "before_order", 5, twice=True),
)
CUTS: Final = (
    Kind("journal commit", "commit", 50),
    Kind("venue's commit", "books", 25),
    Kind("snapshot", "snapshot", 12),
    Kind("kill latch", "latch", 8, latched=True),
    Kind("journal commit of the first session", "commit", 5, fresh=True),
)
"""`place` is what is written while the power goes: between its `before_` and its `after_`."""
_FRESH_VISITS: Final = 12
_RECOVERING_VISITS: Final = 3


class Point(msgspec.Struct, frozen=True):
    """One death to rehearse."""

    number: int
    stage: int
    kind: Kind
    at: CrashAt
    again: CrashAt | None = None

    def __str__(self) -> str:
        fresh = " of a fresh account" if self.kind.fresh else ""
        return f"stage {self.stage}{fresh} {self.at}" + (f" then {self.again}" if self.again else "")


def kill_points(count: int, visits: tuple[Mapping[str, int], ...], seed: int) -> tuple[Point, ...]:
    """`count` kill points over the stages; equal arguments give equal points."""
    streams = Streams(seed)
    return tuple(_kill(streams, number, kind, visits) for number, kind in enumerate(_kinds(KILLS, count)))


def power_cuts(count: int, visits: tuple[Mapping[str, int], ...], seed: int) -> tuple[Point, ...]:
    """`count` power cuts; `at` is the `before_` of what is being written."""
    streams = Streams(seed)
    return tuple(_cut(streams, number, kind, visits) for number, kind in enumerate(_kinds(CUTS, count)))


def _kinds(kinds: tuple[Kind, ...], count: int) -> list[Kind]:
    """So many of each kind as its share says, the largest remainders first; spread, so that a part holds all."""
    wanted = [(kind.share * count // 100, kind.share * count % 100, kind) for kind in kinds]
    left = count - sum(whole for whole, _, _ in wanted)
    extra = sorted(range(len(kinds)), key=lambda n: (-wanted[n][1], n))[:left]
    ordered = [((i + 0.5) / total, n, kind) for n, (whole, _, kind) in enumerate(wanted)
               for total in [whole + (n in extra)] for i in range(total)]
    return [kind for _, _, kind in sorted(ordered, key=lambda row: row[:2])]


def _kill(streams: Streams, number: int, kind: Kind, visits: tuple[Mapping[str, int], ...]) -> Point:
    stage = number % len(visits)
    most = _FRESH_VISITS if kind.fresh else 1 if kind.latched else visits[stage][kind.place]
    visit = 1 + int(streams.uniform(f"visit:{kind.place}") * max(most, 1))
    delay = int(streams.uniform(f"delay:{kind.place}") * kind.delay_us_max) if kind.delay_us_max else None
    again = None
    if kind.twice:
        place = ("before_commit", "before_answer", "after_send")[int(streams.uniform("again:place") * 3)]
        again = CrashAt(place, 1 + int(streams.uniform("again:visit") * _RECOVERING_VISITS))
    return Point(number, stage, kind, CrashAt(kind.place, visit, delay), again)


def _cut(streams: Streams, number: int, kind: Kind, visits: tuple[Mapping[str, int], ...]) -> Point:
    stage, place = number % len(visits), f"before_{kind.place}"
    most = _FRESH_VISITS if kind.fresh else 1 if kind.latched else visits[stage][place]
    return Point(number, stage, kind, CrashAt(place, 1 + int(streams.uniform(f"cut:{place}") * max(most, 1))))
