"""The kill switch, set while an order is on its way, under each kind of fault alone: its bounds by the venues' clock.

Where a venue cannot be reached the bounds count from its first answer, somebody is paged, and the others are in time.
"""

from __future__ import annotations

from functools import cache

import pytest

from bot.domain.values import NS_PER_S, Venue
from bot.runtime.kill_times import CANCELS_S_MAX, FLAT_S_MAX, NONE_OPEN_S_MAX, OPENING_S_MAX
from bot.runtime.sim_plan import Death
from bot.venues.simulated.fault_kinds import ROWS, FaultRow, Shape
from tests.simulation.killing import MOMENT_NS, STRUCK, WINDOW_NS, Measured, killed, plan_with, undisturbed

SEED = 0
STORM = tuple(range(1, 25))
RESTART_S = 3.0
PAGED_S_MAX = 60.0
AGAIN_S = 40.0
"""A chance may strike the very order that was to make good for the last one; each loss has its own proof of 18 s."""
AWAY_S = (WINDOW_NS - MOMENT_NS) / NS_PER_S
"""So long after the kill a fault that lasts is over."""


@cache
def calm(seed: int) -> Measured:
    """The same hour without a fault: it says at which instant an order is on its way."""
    return killed(undisturbed(seed))


def late(found: Measured, row: FaultRow | None, *, more_s: float = 0.0, again_s: float = 0.0) -> list[str]:
    """What took longer than it may, in words; `again_s`: for what is struck by chance more than once."""
    wrong = list(found.breaches)
    if found.last_opening_s is not None and found.last_opening_s > OPENING_S_MAX:
        wrong.append(f"an opening order left {found.last_opening_s} s after the kill")
    if found.uncancelled or found.cancels_s > CANCELS_S_MAX + more_s:
        wrong.append(f"cancels: {found.cancels_s} s, {len(found.uncancelled)} never")
    for what, seconds, most_s in (("open", found.open_s, NONE_OPEN_S_MAX), ("not flat", found.unflat_s, FLAT_S_MAX)):
        for venue, last_s in seconds.items():
            allowed_s = most_s + more_s + (AWAY_S if _may_be_away(row, venue) else 0.0)
            if row is not None and row.shape is Shape.CHANCE:
                allowed_s += again_s
            if last_s > allowed_s:
                wrong.append(f"{venue} {what} until {last_s} s, allowed {allowed_s}")
    slow = found.proven_flat_s is None or found.proven_flat_s > FLAT_S_MAX + more_s
    if slow and not any(after_s <= PAGED_S_MAX + more_s for after_s, _ in found.pages):
        wrong.append(f"proven flat after {found.proven_flat_s} s and nobody was paged in time")
    if found.proven_flat_s is None:
        wrong.append("never proven flat")
    if found.mode != "HALTED":
        wrong.append(f"the mode is {found.mode}")
    return wrong


def _may_be_away(row: FaultRow | None, venue: Venue) -> bool:
    """Whether a lasting fault may keep this venue from answering."""
    return row is not None and row.shape is Shape.WINDOW and (venue == STRUCK or not row.of_venue)


def test_without_a_fault_the_bounds_hold() -> None:
    """And there is something to be late with: an order on its way, a venue that is not flat."""
    found = calm(SEED)
    assert (found.orders_open > 0, found.held > 0) == (True, True)
    assert late(found, None) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind.value)
def test_F79_under_each_fault_the_kill_switch_keeps_its_bounds(row: FaultRow) -> None:
    """No opening order after 0.25 s, cancels out in 1 s, none open in 10 s, flat in 60 s or paged."""
    found = killed(plan_with(row, SEED, calm(SEED).at_ns))
    assert late(found, row) == [], found


@pytest.mark.parametrize("place", ["before_commit", "after_commit", "between_sends", "after_send"])
def test_F79_a_kill_outlives_the_process_that_took_it(place: str) -> None:
    """Dead at the very step of the kill, or just after: the next process is HALTED and carries it out."""
    at_ns = calm(SEED).at_ns
    for after_s in (0.0, 1.0):
        death = Death(at_ns + int(after_s * NS_PER_S), place, False, int(RESTART_S * NS_PER_S))
        found = killed(plan_with(ROWS[0], SEED, at_ns, death=death))
        assert late(found, None, more_s=RESTART_S + 1.0) == [], (after_s, found)


@pytest.mark.storm
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind.value)
def test_F79_under_each_fault_in_many_markets(row: FaultRow) -> None:
    """The same, wherever the order of the moment is."""
    wrong = {seed: found for seed in STORM if calm(seed).at_ns
             if (found := late(killed(plan_with(row, seed, calm(seed).at_ns)), row, again_s=AGAIN_S))}
    assert wrong == {}
