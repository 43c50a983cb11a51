"""Someone else on the account: orders, trades, positions that are not ours, and reads that disagree (F37, F41)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import CancelOrder, SubmitOrder
from bot.domain.events import OperatorAction, PositionRow
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import FOREIGN, InstrumentId, OrderId, Side
from bot.engine import foreign
from bot.engine.turn import Turn
from bot.execution.order_ids import client_order_id
from bot.portfolio.attribution import Sleeve
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode
from bot.venues.simulated.matching import arrive
from tests.unit.engine.alone import Alone, fill, names
from tests.unit.engine.driving import ALPHA, PERP, Drive


@pytest.fixture
def alone() -> Alone:
    return Alone(Drive().run_to_note("pair_opened").run(0.1))


def test_F41_a_manual_trade_is_booked_for_nobody_of_ours_and_blocks_the_venue(alone: Alone) -> None:
    """Books and venue agree, no pair is touched, nothing opens until a person has looked."""
    held = alone.drive.quantity(PERP)
    step = alone.take(fill(alone, "manual"))
    assert names(step) == ["foreign_fill"]
    assert alone.engine.ledger.quantity(PERP.id, FOREIGN) == Decimal("0.010")
    assert alone.engine.ledger.quantity(PERP.id, alone.drive.pair.pair_id) == held
    assert "foreign_fill" in alone.engine.state.modes.venue_reasons(ALPHA)
    assert names(alone.take(fill(alone, "manual", trade="x2"))) == []


def test_F41_a_trade_of_an_order_of_ours_that_is_not_on_record_is_dust_and_told(alone: Alone) -> None:
    """It carries our prefix: a record was lost, nobody broke in."""
    step = alone.take(fill(alone, client_order_id("main", 99, 1)))
    assert names(step) == ["foreign_fill"]
    assert alone.engine.ledger.quantity(PERP.id, FOREIGN) == 0


def test_F41_a_kill_leaves_what_is_foreign_and_counts_the_venue_as_flat() -> None:
    """Their position and their order stay; ours is gone, and the kill is verified."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    desk = drive.exchange._desk(ALPHA)
    theirs = OrderIntent(
        order_id=OrderId("manual-1"), owner=FOREIGN, venue=ALPHA, instrument=PERP.id, side=Side.BUY, quantity_lots=7,
        limit_price_ticks=10_100, time_in_force=TimeInForce.IOC, reduces_owner=False, reduce_only=False,
        parent_id="", purpose="manual", data_age_ns=0)
    arrive(desk, drive.now, theirs)
    resting = msgspec.structs.replace(theirs, order_id=OrderId("manual-2"), limit_price_ticks=9_000,
                                      time_in_force=TimeInForce.GTC)
    arrive(desk, drive.now, resting)
    drive.run(0.05)
    assert "foreign_fill" in drive.engine.state.modes.venue_reasons(ALPHA)
    drive.control(OperatorAction.KILL)
    drive.run_to_note("kill_verified_flat")
    assert drive.pair.state is PairState.FLAT
    assert drive.engine.ledger.quantity(PERP.id, FOREIGN) == Decimal("0.007")
    assert list(drive.exchange.account(ALPHA).open) == ["manual-2"]
    assert not [c for c in drive.commands if isinstance(c, CancelOrder) and c.order_id.startswith("manual")]
    assert drive.residual() == 0


def test_F41_what_is_foreign_stands_in_a_sleeve_of_its_own(alone: Alone) -> None:
    """Its fees are not the carry's."""
    carry = alone.engine.ledger.attribution_of_sleeve(Sleeve.CARRY)
    alone.take(msgspec.structs.replace(fill(alone, "manual"), fee=Decimal(3)))
    assert alone.engine.ledger.attribution_of_sleeve(Sleeve.FOREIGN).fees == -3
    assert alone.engine.ledger.attribution_of_sleeve(Sleeve.CARRY) == carry


def test_F37_two_agreeing_reads_make_an_unexplained_position_real(alone: Alone) -> None:
    """The first is read again after 2 s; then nothing opens, a person is paged, and nothing is sold or adopted."""
    gone = alone.report(positions=())
    assert names(alone.take(gone)) == []
    step = alone.take(alone.report(positions=()))
    assert names(step) == ["books_differ"]
    assert not any(isinstance(command, SubmitOrder) for command in step.commands)
    assert alone.engine.ledger.quantity(PERP.id, alone.drive.pair.pair_id) < 0
    assert alone.engine.state.modes.mode() is Mode.RUN
    assert "books_differ" in alone.engine.state.modes.venue_reasons(ALPHA)


def position(quantity: str) -> tuple[PositionRow, ...]:
    return (PositionRow(PERP.id, Decimal(quantity), Decimal(quantity) * 1000),)


def test_F37_two_reads_that_contradict_each_other_prove_nothing_a_third_does(alone: Alone) -> None:
    """One parser's slip is read again; what never agrees moves without us."""
    assert names(alone.take(alone.report(positions=()))) == []
    assert names(alone.take(alone.report(positions=position("-9")))) == []
    assert names(alone.take(alone.report(positions=position("-8")))) == ["books_differ"]


def test_F37_an_honest_read_in_between_begins_the_count_anew(alone: Alone) -> None:
    """Empty was a slip."""
    alone.take(alone.report(positions=()))
    alone.take(alone.report())
    assert names(alone.take(alone.report(positions=()))) == []


def test_F41_a_position_in_what_is_not_traded_here_is_a_difference_and_not_flat(alone: Alone) -> None:
    """Two reads, one page."""
    other = (PositionRow(InstrumentId("alpha:XYZ/USDT:USDT"), Decimal(5), Decimal(50)),)
    held = alone.report().positions
    alone.take(alone.report(positions=(*held, *other)))
    assert names(alone.take(alone.report(positions=(*held, *other)))) == ["books_differ"]
    assert not foreign.shows_flat(Turn(alone.engine.state, alone.engine.ledger, alone.drive.params, alone.now),
                                  alone.report(positions=other))
