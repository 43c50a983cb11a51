"""What others and the venue do to our account: each strikes once, is counted, and takes back what lasts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.events import AccountMode
from bot.domain.values import NS_PER_MINUTE, Nanos
from bot.venues.simulated.blows import strike
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Strike
from tests.unit.engine.driving import ALPHA, PERP, SPOT, Drive


@pytest.fixture
def drive() -> Drive:
    return Drive().run_to_note("pair_opened").run(0.05)


def hit(drive: Drive, kind: FaultKind, *, size: float = 100.0, draw: float = 0.0, minutes: float = 0.0) -> Strike:
    """Strike now; with a length it is struck again at its end."""
    at_ns = drive.now
    blow = Strike(kind, at_ns, at_ns + int(minutes * NS_PER_MINUTE), ALPHA, size, draw)
    assert strike(drive.exchange._desk(ALPHA), Nanos(at_ns), blow)
    return blow


def end(drive: Drive, blow: Strike) -> None:
    """The end of a window is no second strike."""
    assert not strike(drive.exchange._desk(ALPHA), Nanos(blow.end_ns), blow)


def test_a_foreign_order_rests_and_is_taken_away_again(drive: Drive) -> None:
    """F41: not ours by its name."""
    blow = hit(drive, FaultKind.FOREIGN_ORDER, minutes=5)
    (order,) = drive.exchange.account(ALPHA).open.values()
    assert not order.order_id.startswith("e4e1")
    end(drive, blow)
    assert not drive.exchange.account(ALPHA).open


@pytest.mark.parametrize("draw", [0.0, 0.999])
def test_a_trade_by_hand_is_taken_back_and_leaves_our_positions_alone(drive: Drive, draw: float) -> None:
    """F41: spot or perp; the venue counts it apart."""
    desk = drive.exchange._desk(ALPHA)
    blow = hit(drive, FaultKind.MANUAL_TRADE, minutes=5, draw=draw)
    (name,) = desk.board.foreign
    assert name in (SPOT.id, PERP.id)
    assert desk.board.foreign[name] != 0
    drive.run(0.01)
    end(drive, blow)
    assert abs(desk.board.foreign[name]) < Decimal("0.001")
    drive.run(0.1)
    assert drive.residual() == 0


@pytest.mark.parametrize(("draw", "sign"), [(0.9, 1), (0.1, -1)])
def test_cash_is_deposited_or_withdrawn(drive: Drive, draw: float, sign: int) -> None:
    """F80: no profit, no loss."""
    before = drive.exchange.equity_usd()
    hit(drive, FaultKind.CASH_MOVED, draw=draw)
    assert drive.exchange.equity_usd() - before == 100 * sign
    drive.run(0.1)
    assert drive.residual() == 0


def test_liquidation_and_adl_need_a_position_to_strike() -> None:
    """Nothing held, nothing struck, nothing counted."""
    empty = Drive(days=0.02).run(0.01)
    desk = empty.exchange._desk(ALPHA)
    for kind in (FaultKind.ADL, FaultKind.LIQUIDATION):
        assert not strike(desk, empty.now, Strike(kind, empty.now, empty.now, ALPHA))


def test_a_mode_and_a_key_are_set_back(drive: Drive) -> None:
    """F42, F49: what lasts ends."""
    board = drive.exchange._desk(ALPHA).board
    for kind in (FaultKind.ACCOUNT_MODE, FaultKind.KEY_REVOKED):
        blow = hit(drive, kind, minutes=5)
        assert board.account_mode != AccountMode() or board.key_refused
        end(drive, blow)
        assert board.account_mode == AccountMode()
        assert not board.key_refused


def test_F41_what_others_hold_goes_with_a_liquidation_and_is_not_taken_back(drive: Drive) -> None:
    """A short by hand beside ours: the venue closes both, and nobody buys back what is gone."""
    desk = drive.exchange._desk(ALPHA)
    blow = hit(drive, FaultKind.MANUAL_TRADE, minutes=5, draw=0.994)
    assert desk.board.foreign[PERP.id] < 0
    drive.run(0.01)
    hit(drive, FaultKind.LIQUIDATION)
    assert desk.board.foreign[PERP.id] == 0
    assert PERP.id not in desk.account.holdings.positions
    end(drive, blow)
    assert PERP.id not in desk.account.holdings.positions
    drive.run(0.1)
    assert drive.residual() == 0


def test_F41_deleveraging_takes_whole_lots_of_what_others_hold(drive: Drive) -> None:
    """A share of the whole position: theirs shrinks alike."""
    desk = drive.exchange._desk(ALPHA)
    hit(drive, FaultKind.MANUAL_TRADE, minutes=5, draw=0.994)
    before = desk.board.foreign[PERP.id]
    drive.run(0.01)
    hit(drive, FaultKind.ADL, size=0.5)
    after = desk.board.foreign[PERP.id]
    assert before < after < 0
    assert after % PERP.lot_size == 0
    assert float(after / before) == pytest.approx(0.5, abs=0.1)
