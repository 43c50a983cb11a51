"""The invariants that need no venue: silent on a good day, and each of them can be broken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bot.domain.commands import SubmitOrder
from bot.domain.events import DeadlineReached, OrderUnknown
from bot.domain.values import HEDGE, NS_PER_S, Nanos
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.portfolio.pairs import PairState
from bot.risk.governor_params import GovernorParams
from bot.runtime.breaches import Breaches
from bot.runtime.invariants_engine import EngineInvariants
from bot.strategy.hedge import HedgeParams
from tests.unit.engine.driving import ALPHA, PERP, Drive


def sending() -> tuple[Drive, SubmitOrder]:
    """A drive that has just sent its first opening order."""
    drive = Drive().run(until=lambda step: any(isinstance(c, SubmitOrder) for c in step.commands))
    return drive, drive.orders[0]


def told(drive: Drive, step: Step, at_ns: int) -> set[str]:
    breaches = Breaches(1)
    EngineInvariants(breaches).seen(DeadlineReached(Nanos(at_ns)), step, drive.engine)
    return {breach.invariant for breach in breaches.kept}


def test_a_day_without_faults_breaks_none() -> None:
    """Orders were sent, and every step was looked at."""
    drive, breaches = Drive(), Breaches(1)
    own = EngineInvariants(breaches)

    def look(step: Step) -> bool:
        own.seen(drive.events[-1], step, drive.engine)
        return "pair_opened" in [note.name for note in step.notes]

    drive.run(until=look)
    assert len(drive.orders) > 2
    assert breaches.kept == []


@pytest.mark.parametrize(("change", "invariant"), [
    ({"fence": 9}, "I12"), ({"quantity_lots": 0}, "I11"), ({"limit_price_ticks": 0}, "I11"),
    ({"data_age_ns": 3_600 * NS_PER_S}, "I9"), ({"data_age_ns": -1}, "I9"), ({"quantity_lots": 10**9}, "I10"),
    ({"reduces_owner": True}, "I4"), ({"owner": "pair-nobody"}, "I15"),
])
def test_an_order_that_must_not_be_is_told(change: dict[str, Any], invariant: str) -> None:
    """One thing wrong with an otherwise good order."""
    drive, command = sending()
    intent = {name: value for name, value in change.items() if name != "fence"}
    order = msgspec.structs.replace(command.order, intent=msgspec.structs.replace(command.order.intent, **intent),
                                    fence=change.get("fence", command.order.fence))
    assert told(drive, Step(commands=(SubmitOrder(order),)), drive.now) == {invariant}


@pytest.mark.parametrize(("spoil", "invariant"), [
    (lambda state: setattr(next(iter(state.pairs.values())), "parent", None), "I15"),
    (lambda state: state.modes.venues.setdefault(ALPHA, {}).update(not_reconciled=None), "I13"),
    (lambda state: state.modes.reduce_only.update(operator=None), "I4"),
])
def test_an_opening_order_against_the_state_is_told(spoil: Callable[[Any], Any], invariant: str) -> None:
    """The state forbids what the order does."""
    drive, command = sending()
    spoil(drive.engine.state)
    assert told(drive, Step(commands=(command,)), drive.now) == {invariant}


def test_a_fill_that_falls_is_told() -> None:
    """I8: what was booked once stays booked."""
    drive, command = sending()
    breaches = Breaches(1)
    own = EngineInvariants(breaches)
    order = drive.engine.state.orders[command.order.intent.order_id]
    for lots in (5, 3):
        order.filled_lots = lots
        own.seen(OrderUnknown(drive.now, ALPHA, command.order.intent.order_id, "x"), Step(), drive.engine)
    assert [breach.invariant for breach in breaches.kept] == ["I8"]


@pytest.mark.parametrize(("state", "seconds", "found"), [
    (PairState.OPENING, 9, set()), (PairState.OPENING, 11, {"I3"}), (PairState.UNWINDING, 60, set()),
    (PairState.UNWINDING, 66, {"I3"}),
])
def test_one_leg_alone_has_its_bounds(state: PairState, seconds: int, found: set[str]) -> None:
    """I3: ten seconds to the start of unwinding, a minute (and five seconds for the alert) to a page."""
    drive, _ = sending()
    pair = drive.pair
    pair.state, pair.unhedged_since_ns, pair.paged_ns = state, drive.now, None
    assert told(drive, Step(), drive.now + seconds * NS_PER_S) == found


HEDGED = EngineParams(hedge=HedgeParams(target_beta=0.3),
                      governor=GovernorParams(es_limit_share=0.5, stress_loss_max_pct=50.0, young_days=0))


def hedging() -> tuple[Drive, SubmitOrder]:
    """A drive whose hedge has just sent its first order."""
    drive = Drive(params=HEDGED, rates=lambda minute: "0.0000001").run(
        until=lambda step: any(isinstance(c, SubmitOrder) for c in step.commands))
    return drive, drive.orders[-1]


def test_an_honest_order_of_the_hedge_breaks_none() -> None:
    """It has a parent, stays below its cap, and nothing blocks it."""
    drive, command = hedging()
    assert command.order.intent.owner == HEDGE
    assert told(drive, Step(commands=(command,)), drive.now) == set()


@pytest.mark.parametrize(("spoil", "invariant"), [
    (lambda state: setattr(next(iter(state.hedge.legs.values())), "parent", None), "I15"),
    (lambda state: state.hedge.legs.clear(), "I15"),
    (lambda state: setattr(next(iter(state.hedge.legs.values())).parent, "target_base", Decimal(-5)), "I15"),
    (lambda state: state.modes.instruments.setdefault(PERP.id, {}).update(rejects=None), "I4"),
])
def test_an_order_of_the_hedge_against_the_state_is_told(spoil: Callable[[Any], Any], invariant: str) -> None:
    """Without a parent, the other way, or where opens are blocked."""
    drive, command = hedging()
    spoil(drive.engine.state)
    assert told(drive, Step(commands=(command,)), drive.now) == {invariant}


def test_a_hedge_beyond_its_share_of_the_equity_is_told() -> None:
    """I10: whatever approved it."""
    drive, command = hedging()
    hedge = msgspec.structs.replace(HEDGED.hedge, notional_share_max=0.01)
    drive.engine.params = msgspec.structs.replace(HEDGED, hedge=hedge)
    assert told(drive, Step(commands=(command,)), drive.now) == {"I10"}


@pytest.mark.parametrize(("coarser", "found"), [(1, {"I15"}), (10, set())])
def test_F47_an_order_of_the_old_grid_counts_in_its_own_lots(coarser: int, found: set[str]) -> None:
    """Many lots are out since before the venue made them ten times larger: they are no more coins than they were."""
    drive, command = sending()
    state, name = drive.engine.state, command.order.intent.instrument
    rules = state.market.instruments[name]
    old = msgspec.structs.replace(rules, lot_size=rules.lot_size / coarser)
    state.market.former_rules[name] = [(drive.now + 1, old)]
    intent = msgspec.structs.replace(command.order.intent, quantity_lots=command.order.intent.quantity_lots * 5)
    state.orders[intent.order_id].intent = intent
    assert told(drive, Step(commands=(command,)), drive.now) == found
