"""Each planted bug must be found: an invariant that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bot.domain.events import AnyEvent, OperatorAction, OrderUnknown, SessionStarted
from bot.domain.values import NS_PER_HOUR, NS_PER_S
from bot.engine import account_desk, control_desk, orders_desk, pairs_desk
from bot.engine.state import VenueState
from bot.engine.step import Step
from bot.engine.turn import Turn
from bot.execution import order_states, pair_plan
from bot.execution.order_states import Order, OrderState
from bot.market.funding import FundingHistory
from bot.portfolio.ledger import Ledger
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode, ModeState
from bot.runtime.sim_plan import Death, OperatorOrder, SimPlan
from bot.runtime.sim_storage import MemoryJournal
from bot.runtime.simulate import SeedTask, plan_of, run_seed
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultRates, Strike
from tests.simulation.test_sim_seeds import task

SEEDS = 6
Patch = pytest.MonkeyPatch


def timeout_taken_as_reject(patch: Patch) -> None:
    def on_unknown(order: Order, event: OrderUnknown, params: Any) -> None:
        order.state = OrderState.REJECTED

    patch.setattr(order_states, "on_unknown", on_unknown)


def resent_with_a_new_id(patch: Patch) -> None:
    real = pairs_desk.situation

    def situation(*args: Any) -> Any:
        return msgspec.structs.replace(real(*args), doubtful_lots=0, doubtful_reducing_lots=0)

    patch.setattr(pairs_desk, "situation", situation)


def absence_without_proof(patch: Patch) -> None:
    real = order_states.on_report

    def on_report(order: Order, event: Any, params: Any) -> None:
        real(order, event, params)
        if order.live and not event.found:
            order.state = OrderState.NOT_PLACED

    patch.setattr(order_states, "on_report", on_report)


def fill_applied_twice(patch: Patch) -> None:
    real = Ledger.apply_fill

    def apply_fill(self: Ledger, fill: Any, *rest: Any) -> bool:
        book = self.state.books.get(fill.instrument)
        if book is not None:
            book.trades.pop(fill.trade_id, None)
        return real(self, fill, *rest)

    patch.setattr(Ledger, "apply_fill", apply_fill)


def late_fill_dropped(patch: Patch) -> None:
    real = orders_desk.on_fill

    def on_fill(turn: Turn, fill: Any) -> None:
        order = turn.state.orders.get(fill.order_id)
        if order is None or order.state is not OrderState.SETTLING:
            real(turn, fill)

    patch.setattr(orders_desk, "on_fill", on_fill)


def cancel_error_taken_as_cancelled(patch: Patch) -> None:
    def on_cancel_failed(turn: Turn, event: Any) -> None:
        order = turn.state.orders.get(event.order_id)
        if order is not None and order.live:
            order.state = OrderState.CANCELLED
            turn.state.live_orders.pop(event.order_id, None)

    patch.setattr(orders_desk, "on_cancel_failed", on_cancel_failed)


def kill_kept_in_memory_only(patch: Patch) -> None:
    real = control_desk.on_session

    def on_session(turn: Turn, event: SessionStarted) -> None:
        turn.state.modes.lift("kill")
        real(turn, msgspec.structs.replace(event, latch=""))

    patch.setattr(control_desk, "on_session", on_session)


def opens_while_stopped(patch: Patch) -> None:
    patch.setattr(ModeState, "mode", lambda self: Mode.RUN)
    patch.setattr(ModeState, "blocks_open", lambda self, venue, instrument: "")


def opens_before_reconciliation(patch: Patch) -> None:
    patch.setattr(account_desk, "distrust", lambda turn, venue, why: None)


def reducing_order_crosses_zero(patch: Patch) -> None:
    real = orders_desk.place

    def place(turn: Turn, owner: Any, wanted: Any, parent_id: str, lots_step: int = 1) -> bool:
        more = wanted.lots + max(wanted.lots // 5, 1) if wanted.reduces_owner else wanted.lots
        return real(turn, owner, msgspec.structs.replace(wanted, lots=more), parent_id, lots_step)

    patch.setattr(orders_desk, "place", place)


def sent_before_the_commit(patch: Patch) -> None:
    def add(self: MemoryJournal, event: AnyEvent, step: Step, pair: tuple[bytes, bytes]) -> None:
        self.rows.append(pair)

    patch.setattr(MemoryJournal, "add", add)


def one_leg_is_fine(patch: Patch) -> None:
    real = pairs_desk.situation

    def situation(turn: Turn, pair: Any, leg: Any) -> Any:
        seen = real(turn, pair, leg)
        return seen if leg == pair.long_leg else msgspec.structs.replace(
            seen, quantity=-real(turn, pair, pair.long_leg).quantity)

    patch.setattr(pairs_desk, "situation", situation)


def slices_caught_up_at_once(patch: Patch) -> None:
    def slice_index(slices: Any, next_slice: int, now_ns: int) -> int | None:
        due = [place for place, each in enumerate(slices) if place >= next_slice and each.due_ns <= now_ns]
        return due[-1] if due else None

    patch.setattr(pair_plan, "slice_index", slice_index)
    patch.setattr(pair_plan, "paced", lambda parent, goal, held: goal)


def eight_hours_hard_coded(patch: Patch) -> None:
    real = FundingHistory.observe
    patch.setattr(FundingHistory, "observe", lambda self, rate, interval_h, settled_ns: real(self, rate, 8, settled_ns))
    patch.setattr(FundingHistory, "next_interval_h", 8)


def read_into_a_ban(patch: Patch) -> None:
    patch.setattr(VenueState, "reads_from_ns", 0)


def reads_never_lag(patch: Patch) -> None:
    patch.setattr(order_states, "provable_ns", lambda order, params: order.sent_ns + 5 * NS_PER_S)


def unwinding_forgotten_at_restart(patch: Patch) -> None:
    real = control_desk.on_session

    def on_session(turn: Turn, event: SessionStarted) -> None:
        real(turn, event)
        for pair in turn.state.pairs.values():
            pair.parent = None
            pair.unhedged_since_ns = None
            pair.state = PairState.HEDGED if pair.live else pair.state

    patch.setattr(control_desk, "on_session", on_session)


def stormy(work: SeedTask) -> SimPlan:
    """Pauses, bans and lagging reads all day long, and few other windows."""
    plan = plan_of(work)
    venues = sorted({strike.venue for strike in plan.faults.strikes if strike.venue})
    strikes: list[Strike] = []
    times = range(plan.start_ns + NS_PER_HOUR // 4, plan.quiet_ns - NS_PER_HOUR, NS_PER_HOUR // 4)
    for number, at_ns in enumerate(times):
        venue = venues[number % len(venues)]
        strikes.append(Strike(FaultKind.PAUSED, at_ns + 130 * NS_PER_S, at_ns + 330 * NS_PER_S))
        strikes.append(Strike(FaultKind.READ_LAG, at_ns, at_ns + NS_PER_HOUR // 8, venue, 9.5))
        strikes.append(Strike(FaultKind.BANNED, at_ns + 500 * NS_PER_S, at_ns + 800 * NS_PER_S, venue))
    return msgspec.structs.replace(plan, faults=msgspec.structs.replace(plan.faults, strikes=tuple(strikes)))


def many_deaths(work: SeedTask) -> SimPlan:
    """The process dies every ten minutes as its orders leave, and is back at once."""
    plan = plan_of(work)
    times = range(plan.start_ns + NS_PER_HOUR // 6, plan.quiet_ns, NS_PER_HOUR // 6)
    return msgspec.structs.replace(plan, deaths=tuple(Death(at, "after_send", True, NS_PER_S) for at in times))


def many_kills(work: SeedTask) -> SimPlan:
    """A kill while an order is on its way, every half hour, with trades that nobody is told of."""
    plan = plan_of(work)
    orders: list[OperatorOrder] = []
    for at_ns in range(plan.start_ns + NS_PER_HOUR // 2, plan.quiet_ns - NS_PER_HOUR, NS_PER_HOUR // 2):
        orders.append(OperatorOrder(at_ns, OperatorAction.KILL, wants_order=True))
        orders.append(OperatorOrder(at_ns + NS_PER_HOUR // 3, OperatorAction.RESUME))
    shares = {**plan.faults.rates.shares, FaultKind.DROPPED_EVENT: 0.5}
    rates = msgspec.structs.replace(plan.faults.rates, shares=shares)
    return msgspec.structs.replace(plan, orders=(*orders, *plan.orders[-6:]),
                                   faults=msgspec.structs.replace(plan.faults, rates=rates))


def legs_taken(work: SeedTask) -> SimPlan:
    """A leg is deleveraged while no venue takes a create, and the process dies half a minute into the unwinding."""
    plan = plan_of(work)
    venues = sorted({strike.venue for strike in plan.faults.strikes if strike.venue})
    strikes: list[Strike] = []
    deaths: list[Death] = []
    for at_ns in range(plan.start_ns + NS_PER_HOUR // 2, plan.quiet_ns - NS_PER_HOUR, NS_PER_HOUR // 2):
        for venue in venues:
            strikes.append(Strike(FaultKind.MAINTENANCE, at_ns - 10 * NS_PER_S, at_ns + 200 * NS_PER_S, venue))
            strikes.append(Strike(FaultKind.ADL, at_ns, at_ns, venue, 1.0, 0.5))
        deaths.append(Death(at_ns + 30 * NS_PER_S, "after_commit", False, 5 * NS_PER_S))
    faults = msgspec.structs.replace(plan.faults, strikes=tuple(strikes), rates=FaultRates.of(lost_answer=0.01))
    return msgspec.structs.replace(plan, faults=faults, deaths=tuple(deaths), orders=plan.orders[-6:])


SPECIAL: dict[Callable[[Patch], None], Callable[[SeedTask], SimPlan]] = {
    cancel_error_taken_as_cancelled: many_kills, opens_before_reconciliation: many_deaths,
    slices_caught_up_at_once: stormy, read_into_a_ban: stormy, reads_never_lag: stormy,
    unwinding_forgotten_at_restart: legs_taken,
}


@pytest.mark.parametrize(("plant", "finds"), [
    (timeout_taken_as_reject, {"R3", "I2"}),
    (resent_with_a_new_id, {"I2", "I15", "I4"}),
    (absence_without_proof, {"R3", "I2"}),
    (fill_applied_twice, {"I7", "I8", "I22"}),
    (late_fill_dropped, {"I5", "I7", "I20", "R3", "I8"}),
    (cancel_error_taken_as_cancelled, {"R3", "I8"}),
    (kill_kept_in_memory_only, {"I14", "I4"}),
    (opens_while_stopped, {"I4", "I13"}),
    (opens_before_reconciliation, {"I13"}),
    (reducing_order_crosses_zero, {"I4"}),
    (sent_before_the_commit, {"I1"}),
    (one_leg_is_fine, {"I3", "I4", "I15", "RAISED"}),
    (slices_caught_up_at_once, {"I15"}),
    (eight_hours_hard_coded, {"F39"}),
    (read_into_a_ban, {"F26"}),
    (reads_never_lag, {"R3", "I2"}),
    (unwinding_forgotten_at_restart, {"I3", "I20"}),
], ids=lambda value: getattr(value, "__name__", None))
def test_planted_bug_is_found(plant: Callable[[Patch], None], finds: set[str], monkeypatch: Patch) -> None:
    """Within a few seeds one of the invariants that speak of it is broken."""
    plant(monkeypatch)
    found: set[str] = set()
    for seed in range(SEEDS):
        work = task(seed, profile="hostile")
        plan = SPECIAL.get(plant, plan_of)(work)
        found |= {breach.invariant for breach in run_seed(work, plan=plan, until=tuple(sorted(finds))).failing}
        if found & finds:
            return
    pytest.fail(f"not found; broken were {sorted(found) or 'none'}")


@pytest.mark.storm
@pytest.mark.parametrize("special", dict.fromkeys(SPECIAL.values()), ids=lambda value: getattr(value, "__name__", None))
def test_the_plans_made_for_planted_bugs_break_nothing_without_one(special: Callable[[SeedTask], SimPlan]) -> None:
    """What such a plan finds is the bug, not the plan."""
    for seed in range(SEEDS):
        work = task(seed, profile="hostile")
        report = run_seed(work, plan=special(work))
        assert report.violations == 0, [f"{seed} {breach.invariant} {breach.text}" for breach in report.failing]
