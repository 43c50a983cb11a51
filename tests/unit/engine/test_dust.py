"""Dust that has grown to an order is sold, and nothing that cannot be sold is tried for ever (F34)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from bot.domain.events import InstrumentsChanged, OperatorAction
from bot.domain.instrument import Instrument
from bot.domain.values import DUST, NS_PER_MINUTE, NS_PER_S, Nanos, Owner
from bot.engine import orders_desk
from bot.engine.turn import Turn
from bot.execution.pair_moves import WantedOrder
from tests.unit.engine.driving import ALPHA, PERP, SPOT, T0, Drive
from tests.unit.engine.test_lifecycle import COARSE, coarsened


def coarse_for_a_while(of: Instrument, from_minute: float, to_minute: float) -> Drive:
    """A venue that makes an instrument's grid ten times coarser, and takes it back."""
    there, back = (Nanos(T0 + int(at * NS_PER_MINUTE)) for at in (from_minute, to_minute))
    drive = Drive(extra=[InstrumentsChanged(there, of.venue, (msgspec.structs.replace(of, **COARSE),)),
                         InstrumentsChanged(back, of.venue, (of,))])
    drive.script.events = [coarsened(event, of, there) if event.at_ns < back else event
                           for event in drive.script.events]
    return drive


@pytest.mark.parametrize("of", [SPOT, PERP], ids=lambda each: each.symbol)
def test_F34_dust_that_a_finer_grid_turns_into_lots_is_closed(of: Instrument) -> None:
    """Parked under the coarse grid, closed under the fine one; books and venue agree to the last digit."""
    drive = coarse_for_a_while(of, 60.5, 120.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(0.1)
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("dust_parked").run(0.2)
    parked = drive.engine.ledger.quantity(of.id, DUST)
    assert abs(parked) >= of.lot_size
    tries = [order for order in drive.orders if order.order.intent.owner == DUST]
    assert tries == []
    drive.run(1.5)
    sold = [order for order in drive.orders if order.order.intent.owner == DUST]
    assert [order.order.intent.instrument for order in sold] == [of.id]
    assert abs(drive.engine.ledger.quantity(of.id, DUST)) < of.lot_size
    assert drive.residual() == 0
    assert not drive.engine.state.modes.venue_reasons(ALPHA)


def test_F34_a_kill_that_holds_sells_no_dust_and_the_resume_looks_again() -> None:
    """HALTED as ordered: what is held stays."""
    drive = coarse_for_a_while(SPOT, 60.5, 120.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(0.1)
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("dust_parked").run(0.05)
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(1.5)
    assert [order for order in drive.orders if order.order.intent.owner == DUST] == []
    drive.control(OperatorAction.RESUME)
    drive.run(0.05)
    assert [order for order in drive.orders if order.order.intent.owner == DUST]


def test_F34_what_nobody_takes_is_tried_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause is twice the last, up to a quarter of an hour."""
    real, times = orders_desk.place, []

    def place(turn: Turn, owner: Owner, wanted: WantedOrder, parent_id: str, lots_step: int = 1) -> bool:
        if owner != DUST:
            return real(turn, owner, wanted, parent_id, lots_step)
        times.append(turn.now_ns)
        return False

    monkeypatch.setattr(orders_desk, "place", place)
    drive = coarse_for_a_while(SPOT, 60.5, 120.5)
    drive.run_to_note("pair_opened").run_to_note("rules_changed").run(0.1)
    drive.control(OperatorAction.FLATTEN)
    drive.run_to_note("dust_parked").run(5.0)
    pauses = [(late - early) / NS_PER_S for early, late in pairwise(times)]
    assert pauses[:4] == pytest.approx([pauses[0] * 2**k for k in range(4)], rel=0.05)
    assert max(pauses) == pytest.approx(900.0, abs=1.0)
    assert drive.engine.ledger.quantity(SPOT.id, DUST) > SPOT.lot_size
