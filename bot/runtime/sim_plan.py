"""One seed's plan: which faults, deaths, operator orders and market moves, all drawn before the run begins.

Each part draws from a stream of its own, so that taking one away leaves the others as they were. The last part of the
run is free of faults: there the bot has to come back to rest.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.events import OperatorAction
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Venue
from bot.runtime.sim_profiles import Profile
from bot.venues.simulated.fault_kinds import ROWS, FaultKind, FaultRow, Shape
from bot.venues.simulated.faults import FaultPlan, Strike
from bot.venues.simulated.market.params import ALL_COINS, Scenario
from bot.venues.simulated.streams import Streams

PLACES: Final = ("before_commit", "after_commit", "between_sends", "after_send")
"""Where the process dies: the event is forgotten; nothing of it was sent; half of it was; all of it was."""
QUIET_SHARE: Final = 0.1
"""This share of the run, and `QUIET_NS_MIN` at least, is free of faults at the end."""
QUIET_NS_MIN: Final = 3 * NS_PER_HOUR
DAYS_MIN: Final = 0.25
CLOSING_NS: Final = 40 * NS_PER_MINUTE
"""So long before the end the operator stops trading for good: everything must come to rest."""
REBALANCE_NS: Final = 15 * NS_PER_MINUTE
REBALANCE_OFFSET_NS: Final = 2 * NS_PER_MINUTE
"""The simulated bot decides this often, this long past the quarter."""
BUSY_NS: Final = 5 * NS_PER_MINUTE
WAITS_NS: Final = 10 * NS_PER_MINUTE
"""An operator waits at most this long for an order to be on its way."""
_SWING_H: Final = 6
_STOPS: Final = (OperatorAction.FLATTEN, OperatorAction.PAUSE, OperatorAction.FLATTEN, OperatorAction.KILL,
                 OperatorAction.FLATTEN, OperatorAction.KILL_HOLD)

_LAST_RESUMES_S: Final = (10, 70, 190, 600, 1200)
"""After the faults have ended."""
_FINGERS: Final = (OperatorAction.FLATTEN, OperatorAction.RESUME, OperatorAction.KILL, OperatorAction.RESUME,
                   OperatorAction.PAUSE, OperatorAction.KILL_HOLD, OperatorAction.ACKNOWLEDGE)


class Death(msgspec.Struct, frozen=True, array_like=True):
    """The process dies at the first fitting step at or after `at_ns` and is started again `down_ns` later."""

    at_ns: int
    place: str
    wants_order: bool
    """Only a step that sends an order will do (any step after three hours of waiting)."""
    down_ns: int


class OperatorOrder(msgspec.Struct, frozen=True, array_like=True):
    """An operator's order at an instant."""

    at_ns: int
    action: OperatorAction
    wants_order: bool = False
    """It strikes while an order is on its way, if one leaves within the next ten minutes."""


class SimPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that will be done to the bot in one seed's run."""

    seed: int
    profile: str
    start_ns: int
    quiet_ns: int
    """From here on nothing goes wrong any more."""
    end_ns: int
    request_timeout_ms: float
    """We give up waiting for an answer after this; what is booked later is booked all the same."""
    faults: FaultPlan
    deaths: tuple[Death, ...]
    orders: tuple[OperatorOrder, ...]
    scenarios: tuple[Scenario, ...]


def draw_plan(
    seed: int, profile: Profile, days: float, start_ns: int, venues: tuple[Venue, ...], coins: tuple[str, ...]
) -> SimPlan:
    """The plan of a seed; equal arguments give equal plans.

    Raises:
        ConfigRefused: fewer days than one quiet end needs, or not a finite number of them.
    """
    if not DAYS_MIN <= days <= 3_650:
        raise ConfigRefused(f"days = {days:g}: must lie between {DAYS_MIN:g} and 3650")
    streams = Streams(seed)
    end_ns = start_ns + int(days * NS_PER_DAY)
    quiet_ns = end_ns - max(int(days * NS_PER_DAY * QUIET_SHARE), QUIET_NS_MIN)
    span = (start_ns + NS_PER_MINUTE, quiet_ns)
    strikes = (*_downs(streams, profile, span, venues), *_strikes(streams, profile, span, venues))
    crashes = tuple(strike for strike in strikes if strike.kind is FaultKind.CRASH_WITH_VENUE_DOWN)
    fingers = tuple(strike for strike in strikes if strike.kind is FaultKind.FAT_FINGER)
    strikes += tuple(Strike(FaultKind.VENUE_DOWN, s.at_ns, s.end_ns, s.venue) for s in crashes)
    return SimPlan(
        seed=seed, profile=profile.name, start_ns=start_ns, quiet_ns=quiet_ns, end_ns=end_ns,
        request_timeout_ms=round(1_000.0 + 4_000.0 * streams.uniform("timeout"), 3),
        faults=FaultPlan(rates=profile.rates, start_ns=start_ns, end_ns=quiet_ns, strikes=strikes,
                         no_validity=_no_validity(streams, venues)),
        deaths=_deaths(streams, profile, span), orders=_with_fingers(_orders(streams, profile, span, end_ns), fingers),
        scenarios=(*_scenarios(streams, profile, span, start_ns, coins), *_crashes(crashes, start_ns)),
    )


def _no_validity(streams: Streams, venues: tuple[Venue, ...]) -> tuple[Venue, ...]:
    """In half of the worlds one venue books a create whenever it comes, however late."""
    draw = streams.uniform("no_validity") * 2 * len(venues)
    return (venues[int(draw)],) if draw < len(venues) else ()


def _instants(streams: Streams, name: str, per_day: float, span: tuple[int, int]) -> list[int]:
    """About `per_day` instants a day, sorted: the fraction of one is drawn."""
    first_ns, last_ns = span
    wanted = per_day * (last_ns - first_ns) / NS_PER_DAY
    count = int(wanted) + (streams.uniform(f"{name}:count") < wanted % 1)
    return sorted(first_ns + int(streams.uniform(name) * (last_ns - first_ns)) for _ in range(count))


def _busy(streams: Streams, name: str, instants: list[int]) -> list[int]:
    """Half of the instants are moved into the minutes after a rebalance, when orders are out."""
    found = []
    for at_ns in instants:
        within_ns = int(streams.uniform(f"{name}:busy") * BUSY_NS)
        moved_ns = at_ns - at_ns % REBALANCE_NS + REBALANCE_OFFSET_NS + within_ns
        found.append(moved_ns if streams.uniform(f"{name}:moved") < 0.5 else at_ns)
    return sorted(found)


def _downs(
    streams: Streams, profile: Profile, span: tuple[int, int], venues: tuple[Venue, ...]
) -> tuple[Strike, ...]:
    found: list[Strike] = []
    until: dict[Venue, int] = {}
    for at_ns in _busy(streams, "downs", _instants(streams, "downs", profile.venue_downs, span)):
        venue = venues[int(streams.uniform("downs:venue") * len(venues))]
        length_ns = int((5.0 + streams.uniform("downs:length") * profile.venue_down_s_max) * NS_PER_S)
        if at_ns >= until.get(venue, 0):
            until[venue] = min(at_ns + length_ns, span[1])
            found.append(Strike(FaultKind.VENUE_DOWN, at_ns, until[venue], venue))
    return tuple(found)


def _strikes(
    streams: Streams, profile: Profile, span: tuple[int, int], venues: tuple[Venue, ...]
) -> tuple[Strike, ...]:
    """Every other window and instant of the registry, each kind from streams of its own."""
    found = []
    for row in ROWS:
        if row.shape is not Shape.CHANCE and row.kind is not FaultKind.VENUE_DOWN:
            found += _of_row(streams, row, row.per_day * profile.storms, span, venues)
    return tuple(sorted(found, key=lambda strike: (strike.at_ns, strike.kind.value, strike.venue)))


def _of_row(
    streams: Streams, row: FaultRow, per_day: float, span: tuple[int, int], venues: tuple[Venue, ...]
) -> list[Strike]:
    name = f"strike:{row.kind.value}"
    least_s, most_s = row.length_s
    found: list[Strike] = []
    until: dict[Venue, int] = {}
    for at_ns in _busy(streams, name, _instants(streams, name, per_day, span)):
        venue = venues[int(streams.uniform(f"{name}:venue") * len(venues))] if row.of_venue else Venue("")
        length_s = least_s + (most_s - least_s) * streams.uniform(f"{name}:length")
        size = row.size_max * streams.uniform(f"{name}:size")
        end_ns = at_ns if row.shape is Shape.INSTANT else min(at_ns + int(length_s * NS_PER_S), span[1])
        draw = streams.uniform(f"{name}:draw")
        if at_ns >= until.get(venue, 0) and at_ns < span[1]:
            until[venue] = max(end_ns, at_ns + 1)
            found.append(Strike(row.kind, at_ns, end_ns, venue, size, draw))
    return found


def _deaths(streams: Streams, profile: Profile, span: tuple[int, int]) -> tuple[Death, ...]:
    found = []
    for at_ns in _instants(streams, "deaths", profile.deaths, span):
        place = PLACES[int(streams.uniform("deaths:place") * len(PLACES))]
        wants_order = streams.uniform("deaths:order") < 0.75
        longest_s = 10.0 if streams.uniform("deaths:long") < 0.6 else 900.0
        down_s = 0.5 + streams.uniform("deaths:down") * longest_s
        found.append(Death(at_ns, place, wants_order, int(down_s * NS_PER_S)))
    return tuple(found)


def _orders(streams: Streams, profile: Profile, span: tuple[int, int], end_ns: int) -> tuple[OperatorOrder, ...]:
    found: list[OperatorOrder] = []
    for at_ns in _busy(streams, "orders", _instants(streams, "orders", profile.cycles, span)):
        if found and at_ns <= found[-1].at_ns + NS_PER_MINUTE:
            continue  # still stopped: one thing at a time
        action = _STOPS[int(streams.uniform("orders:action") * len(_STOPS))]
        waits = streams.uniform("orders:wants") < 0.5
        found.append(OperatorOrder(at_ns, action, waits))
        pause_ns = int((20.0 + streams.uniform("orders:pause") * 1_200.0) * NS_PER_S) + waits * WAITS_NS
        found.append(OperatorOrder(at_ns + pause_ns, OperatorAction.RESUME))
    # whatever happened, the quiet part begins with an operator who wants to trade, and ends at rest
    found = [order for order in found if order.at_ns < span[1]]
    # an operator whose resume met nobody, because the process was down, orders it again
    found += [OperatorOrder(span[1] + after_s * NS_PER_S, OperatorAction.RESUME) for after_s in _LAST_RESUMES_S]
    last = OperatorAction.FLATTEN if streams.uniform("orders:last") < 0.5 else OperatorAction.PAUSE
    found.append(OperatorOrder(end_ns - CLOSING_NS, last))
    return tuple(found)


def _scenarios(
    streams: Streams, profile: Profile, span: tuple[int, int], start_ns: int, coins: tuple[str, ...]
) -> tuple[Scenario, ...]:
    """Premiums that swing between rich and poor, so that there is always something to trade; moves come on top."""
    day_ns = start_ns - start_ns % NS_PER_DAY
    found = []
    for hour in range(0, (span[1] - day_ns) // NS_PER_HOUR + 1, _SWING_H):
        for coin in coins:
            premium_bps = 5.0 + 20.0 * streams.uniform(f"premium:{coin}") if hour % (3 * _SWING_H) else 20.0
            if streams.uniform(f"premium:{coin}:poor") < 0.2:
                premium_bps = -15.0
            found.append(Scenario(day=hour // 24, coin=coin, log_jump=0.0, hour=float(hour % 24),
                                  duration_h=float(_SWING_H), premium_bps=premium_bps))
    for at_ns in _instants(streams, "moves", profile.market_moves, span):
        coin = (ALL_COINS, *coins)[int(streams.uniform("moves:coin") * (1 + len(coins)))]
        jump = (2 * streams.uniform("moves:jump") - 1) * profile.move_log_max
        found.append(Scenario(
            day=(at_ns - day_ns) // NS_PER_DAY, coin=coin, log_jump=jump,
            hour=(at_ns - day_ns) % NS_PER_DAY / NS_PER_HOUR,
            duration_h=0.05 + 2.0 * streams.uniform("moves:length"),
            premium_bps=(2 * streams.uniform("moves:premium") - 1) * 25.0,
        ))
    return tuple(found)


def _crashes(strikes: tuple[Strike, ...], start_ns: int) -> tuple[Scenario, ...]:
    """The market falls while a venue is away."""
    day_ns = start_ns - start_ns % NS_PER_DAY
    return tuple(
        Scenario(day=(s.at_ns - day_ns) // NS_PER_DAY, coin=ALL_COINS, log_jump=-max(s.size, 0.05),
                 hour=(s.at_ns - day_ns) % NS_PER_DAY / NS_PER_HOUR, duration_h=0.25, premium_bps=-20.0)
        for s in strikes)


def _with_fingers(orders: tuple[OperatorOrder, ...], strikes: tuple[Strike, ...]) -> tuple[OperatorOrder, ...]:
    """An operator who types one thing after another, and a minute later means it."""
    found = list(orders)
    for strike in strikes:
        turns = int(strike.draw * len(_FINGERS))
        found += [OperatorOrder(strike.at_ns + place * NS_PER_S // 5, _FINGERS[(turns + place) % len(_FINGERS)])
                  for place in range(4)]
        found.append(OperatorOrder(strike.at_ns + NS_PER_MINUTE, OperatorAction.RESUME))
    return tuple(sorted(found, key=lambda order: order.at_ns))
