"""The governor at a decision: when it looks at all, what it leaves of targets, and what its record and sheet say."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.events import ClosesKnown, KnownCloses, ModelsFitted
from bot.domain.model_events import CoinFit
from bot.domain.values import NS_PER_DAY, Coin, Nanos
from bot.engine import models_desk
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.risk_sheet import build_sheet
from bot.engine.step import DecisionRecord
from bot.engine.turn import Turn
from bot.quant.barrier_calibration import BarrierRecord
from bot.risk.governor_params import GovernorParams
from bot.strategy.params import CarryParams
from tests.unit.engine.driving import ALPHA, PERP, SPOT, Drive, session


def under(**limits: Any) -> EngineParams:
    """The defaults with other limits of the governor, and pairs of a tenth of equity at least."""
    return EngineParams(governor=GovernorParams(**limits), carry=CarryParams(pair_share_min=0.10))


def decided(drive: Drive, what: str) -> DecisionRecord:
    """The newest decision with such an action."""
    return next(record for record in reversed(drive.records) if any(what in action for action in record.actions))


def turn_of(engine: Engine, now_ns: int) -> Turn:
    return Turn(engine.state, engine.ledger, engine.params, Nanos(now_ns))


def held_then(**limits: Any) -> Drive:
    """A pair held at the defaults; then a new process with these limits, and its decisions."""
    drive = Drive().run_to_note("pair_opened")
    drive.run(1.0)
    drive.engine = Engine.restore(under(**limits), drive.engine.snapshot())
    drive.hand_in(session((SPOT, PERP), at_ns=drive.now + 1, epoch=2, resumed=True, trade_from_ns=0))
    return drive.run(2.0)


def test_a_new_pair_is_made_smaller_where_its_tail_would_pass_the_soft_share() -> None:
    """Two per cent of its notional without history, of a limit of 0.4 %: four fifths of that are a sixth of equity."""
    drive = Drive(params=under(es_limit_share=0.004)).run_to_note("pair_opened")
    record = decided(drive, "open")
    assert record.governor is not None
    (cut,) = record.governor.cuts
    assert cut.limit == "es_soft"
    assert cut.allowed == pytest.approx(0.8 * record.governor.es_limit_usd)
    assert cut.after_usd == pytest.approx(0.8 * 0.004 / 0.02 * 20_000, rel=1e-3)
    assert any(each.startswith("es_soft:") for each in record.binding)


def test_what_is_left_too_small_is_not_opened_and_the_limit_is_the_reason() -> None:
    """A tenth of a per cent leaves four per cent of equity, less than a pair must have."""
    drive = Drive(params=under(es_limit_share=0.001)).run(3.0)
    assert drive.orders == []
    assert any(action.startswith("pass ") and action.endswith("es_soft") for action in decided(drive, "pass").actions)


def test_a_held_book_over_its_limit_is_cut_and_every_figure_is_on_record() -> None:
    """Pro rata to nineteen twentieths of the limit; the journal's note and the sheet tell the same."""
    drive = held_then(es_limit_share=0.004)
    record = decided(drive, "shrink")
    assert record.governor is not None
    (cut,) = record.governor.cuts
    assert cut.limit == "es"
    assert cut.value > cut.allowed == pytest.approx(record.governor.es_limit_usd, abs=0.01)
    assert cut.after_usd == pytest.approx(cut.before_usd * 0.95 * cut.allowed / cut.value, rel=1e-3)
    assert "governor_cut" in drive.notes
    assert drive.engine.risk_sheet().cuts[-1].cut.limit == "es"
    assert float(drive.quantity(PERP)) < 0


def test_a_held_book_that_is_left_a_crumb_is_closed() -> None:
    """Less than half of the least size of a pair is not worth its pool."""
    drive = held_then(es_limit_share=0.001)
    assert any(action.startswith("close ") and action.endswith(": es") for action in decided(drive, "close").actions)
    assert drive.quantity(PERP) == 0


def test_a_book_that_has_not_moved_is_not_reviewed_again() -> None:
    """The gate: the hours after the opening keep the figures of its review."""
    drive = Drive().run_to_note("pair_opened").run(3.0)
    first = next(record for record in drive.records if any(action.startswith("open") for action in record.actions))
    later = drive.records[-1]
    assert first.governor is not None
    assert later.governor is not None
    assert first.governor.reviewed
    assert not later.governor.reviewed
    assert later.governor.es_usd == first.governor.es_usd


def test_equity_that_has_moved_by_more_than_a_tenth_asks_for_a_review() -> None:
    """Sizes alone do not say how much of the account they are."""
    drive = Drive().run_to_note("pair_opened").run(1.0)
    drive.engine.state.governor.equity_usd *= 1.2
    drive.run(1.0)
    governor = drive.records[-1].governor
    assert governor is not None
    assert governor.reviewed


def test_a_sheet_of_an_account_without_equity_or_positions_is_empty_and_calm() -> None:
    """Nothing is held: no tail, no shares, and nothing unknown that would frighten."""
    sheet = build_sheet(turn_of(Engine(EngineParams()), 1))
    assert (sheet.tail, sheet.limits, sheet.verdict) == (None, (), "ok")


def test_the_sheet_is_as_bad_as_its_worst_line() -> None:
    """Over a limit: hard. Beyond its soft share, or not known: soft; a hard one is never softened."""
    drive = Drive().run_to_note("pair_opened").run(1.0)
    state = drive.engine.state.governor
    states = []
    for es_usd in (0.9 * state.es_limit_usd, None, 1.1 * state.es_limit_usd):
        state.es_usd = es_usd
        sheet = build_sheet(turn_of(drive.engine, drive.now))
        states.append((sheet.verdict, next(row.state for row in sheet.limits if row.limit == "es")))
    assert states == [("soft", "soft"), ("soft", "unknown"), ("hard", "hard")]


def test_a_leg_without_a_price_is_left_out_of_the_shares() -> None:
    """What cannot be valued is told by the margin rows, not made up here."""
    drive = Drive().run_to_note("pair_opened").run(1.0)
    whole = {row.scope: row.value for row in drive.engine.risk_sheet().limits if row.limit == "coin_share"}
    del drive.engine.state.market.quotes[PERP.id]
    less = {row.scope: row.value
            for row in build_sheet(turn_of(drive.engine, drive.now)).limits if row.limit == "coin_share"}
    assert 0 < (less["BTC"] or 0.0) < (whole["BTC"] or 0.0)


def history(days: int, at_ns: int) -> ClosesKnown:
    """A quiet past of the perp."""
    last = at_ns // NS_PER_DAY
    daily = tuple(1_000.0 + place % 2 for place in range(days))
    nothing: tuple[float | None, ...] = (None,) * days
    hours = tuple(1_000.0 + place % 2 for place in range(24 * 10))
    known = KnownCloses(PERP.id, last - days + 1, daily, nothing, nothing, nothing, nothing, last * 24 - len(hours) + 1,
                        hours)
    return ClosesKnown(Nanos(at_ns), ALPHA, (known,))


@pytest.mark.parametrize(("windows", "kept"), [(5_000, True), (2, False)])
def test_public_history_does_not_forget_the_windows_that_were_counted(windows: int, kept: bool) -> None:
    """It reaches back some weeks of hours; a longer count of our own stays, a shorter one gives way."""
    drive = Drive().run_to_note("pair_opened")
    own = drive.engine.state.models.coins[Coin("BTC")]
    own.barrier = BarrierRecord(windows, (9.0,))
    models_desk.on_closes_known(turn_of(drive.engine, drive.now), history(100, drive.now))
    fresh = drive.engine.state.models.coins[Coin("BTC")]
    assert fresh is not own
    assert (fresh.barrier == own.barrier) is kept
    assert kept or fresh.barrier.windows > 2


def test_history_of_what_has_no_perpetual_models_nothing() -> None:
    """Closes of an unknown kind of series leave the coin without models."""
    engine = Engine(EngineParams())
    drive = Drive()
    engine.state.market.instruments.update({PERP.id: PERP})
    empty = KnownCloses(PERP.id, 1, (), (), (), (), (), 24, ())
    models_desk.on_closes_known(turn_of(engine, drive.now), ClosesKnown(Nanos(1), ALPHA, (empty,)))
    assert engine.state.models.coins == {}


def test_a_fit_of_a_coin_that_is_gone_is_left_out() -> None:
    """Its instruments may have been delisted while the worker fitted."""
    drive = Drive().run_to_note("pair_opened")
    turn = turn_of(drive.engine, drive.now)
    turn.state.models.request_id = "m1-9"
    models_desk.on_fitted(turn, ModelsFitted(at_ns=drive.now, request_id="m1-9", stamp_ns=0,
                                             fits=(CoinFit(Coin("GONE"), b""),)))
    assert [dict(note.keys)["coins"] for note in turn.notes if note.name == "models_fitted"] == [""]
    assert turn.state.models.request_id == ""
