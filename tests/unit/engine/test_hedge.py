"""The beta hedge as an owner: opened to the band's edge, held there, cut by limits, closed with everything else."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import Alert, SubmitOrder, Transfer
from bot.domain.events import Fill, ForcedFill, InstrumentsChanged, OperatorAction, VenueConnection
from bot.domain.values import (
    DUST,
    HEDGE,
    NS_PER_HOUR,
    NS_PER_MINUTE,
    NS_PER_S,
    OVERLAY,
    Coin,
    Nanos,
    Owner,
    Side,
    Wallet,
)
from bot.engine import lifecycle_desk
from bot.engine.book_beta import exposure_usd, open_base, price_of
from bot.engine.engine import Engine
from bot.engine.exposure import exposure_of
from bot.engine.hedge_room import held_usd, room_of
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.portfolio.attribution import Sleeve
from bot.portfolio.hedge_legs import HedgeRecord
from bot.risk.governor_params import GovernorParams
from bot.risk.modes import Mode
from bot.risk.params import RiskLimits
from bot.strategy.hedge import HedgeParams
from bot.strategy.params import CarryParams
from tests.unit.engine.driving import ALPHA, BETA, PERP, PERP_B, SPOT, T0, TWO_VENUES, Drive, session

WIDE = GovernorParams(es_limit_share=0.5, stress_loss_max_pct=50.0, young_days=0)
"""Tail and stress leave the hedge to its own caps: twelve days of history would cut it before they bind."""
EQUITY = 20_000.0
DEAR = "0.0000001"
"""Funding too poor for any pair."""


def params(target: float = 0.3, **changes: object) -> EngineParams:
    hedge = msgspec.structs.replace(HedgeParams(target_beta=target), **changes)
    return EngineParams(hedge=hedge, governor=WIDE)


def alone(target: float = 0.3, **changes: object) -> Drive:
    """A market that pays no pair: the hedge is all there is."""
    return Drive(params=params(target, **changes), rates=lambda minute: DEAR)


def held(drive: Drive) -> Decimal:
    return drive.engine.ledger.quantity(PERP.id, HEDGE)


def last(drive: Drive) -> HedgeRecord:
    record = drive.records[-1].hedge
    assert record is not None
    return record


def hedge_orders(drive: Drive) -> list[SubmitOrder]:
    return [order for order in drive.orders if order.order.intent.owner == HEDGE]


# ------------------------------------------------------------------------------------------------ to the band's edge


def test_a_target_beta_opens_the_hedge_to_the_bands_edge_and_no_order_follows() -> None:
    """0.3 +- 0.05 on 20,000 USD: 5,000 USD of a coin of beta 1, in slices; after that it stays."""
    drive = Drive(params=params()).run(6.0)
    first = drive.records[0].hedge
    assert first is not None
    assert (first.reason, first.instrument, first.held_usd) == ("to_edge", PERP.id, 0.0)
    assert first.beta_after == pytest.approx(0.25, abs=1e-3)
    assert float(held(drive)) * 1_000.0 == pytest.approx(0.25 * EQUITY, rel=1e-3)
    assert {record.hedge.reason for record in drive.records[1:] if record.hedge is not None} == {"in_band"}
    assert last(drive).inside
    assert [order.order.intent.purpose for order in hedge_orders(drive)] == ["open", "open"]
    assert drive.residual() == 0


def test_a_book_of_pairs_is_neutral_and_needs_no_hedge() -> None:
    """Both legs of a coin at one price: what is left is lots, and the answer is shown."""
    drive = Drive(params=EngineParams()).run_to_note("pair_opened").run(5.0)
    assert last(drive).reason == "in_band"
    assert last(drive).beta_after == pytest.approx(0.0, abs=1e-3)
    assert hedge_orders(drive) == []
    assert drive.engine.view().hedge is not None


def test_a_short_target_is_sold() -> None:
    """Minus 0.3: the hedge is short, the edge is at minus 0.25."""
    drive = alone(-0.3).run(2.0)
    assert float(held(drive)) * 1_000.0 == pytest.approx(-0.25 * EQUITY, rel=1e-3)
    assert last(drive).beta_after == pytest.approx(-0.25, abs=1e-3)


def test_what_drifts_out_of_the_band_is_brought_to_its_edge_and_no_further() -> None:
    """The price falls by a third: the long hedge is worth less, and what is missing is bought."""
    bold = msgspec.structs.replace(params(), risk=RiskLimits(daily_loss_stop_pct=20.0))
    drive = Drive(params=bold, rates=lambda minute: DEAR, prices=lambda minute: 1_000.0 if minute < 90 else 700.0)
    drive.run(3.0)
    assert last(drive).beta_after == pytest.approx(0.25, abs=2e-3)
    assert float(held(drive)) > 6.5
    drive.run(2.0)
    assert last(drive).reason == "in_band"


def test_a_switched_off_hedge_is_closed_and_the_beta_still_told() -> None:
    """What an older configuration opened does not stay for ever."""
    drive = alone().run(2.0)
    off = Engine.restore(params(enabled=False), drive.engine.snapshot())
    drive.engine = off
    drive.run(2.0)
    assert held(drive) == 0
    assert last(drive).reason == "switched_off"
    assert last(drive).beta_after is not None


def test_with_nothing_left_to_hedge_the_hedge_goes() -> None:
    """Target 0 and no exposure: what an old target left is closed, also inside the band."""
    drive = alone(0.1).run(2.0)
    assert float(held(drive)) == pytest.approx(1.0, abs=0.01)
    drive.engine = Engine.restore(params(0.0), drive.engine.snapshot())
    drive.run(2.0)
    assert held(drive) == 0
    assert "nothing_to_hedge" in {record.hedge.reason for record in drive.records if record.hedge is not None}
    assert drive.engine.state.hedge.legs == {}


def test_a_book_of_true_net_beta_is_hedged_to_the_edge_stays_there_and_is_closed_on_a_kill() -> None:
    """5,000 USD long that no leg covers, a quarter of the equity: the hedge is short what is beyond the band."""
    drive = alone().run(2.0)
    ledger = drive.engine.ledger
    ledger.move_owner(PERP.id, HEDGE, OVERLAY, held(drive))
    drive.engine = Engine.restore(params(0.0), drive.engine.snapshot())
    drive.run(1.2)
    opened = next(record.hedge for record in drive.records if record.hedge is not None
                  and record.hedge.target_beta == 0.0 and record.hedge.reason == "to_edge")
    assert opened.exposure_usd == pytest.approx(5_000.0, rel=1e-3)
    assert opened.beta_before == pytest.approx(0.25, abs=1e-3)
    assert float(held(drive)) * 1_000.0 == pytest.approx(-0.2 * EQUITY, rel=2e-3)
    drive.run(4.0)
    assert last(drive).beta_after == pytest.approx(0.05, abs=1e-3)
    assert (last(drive).reason, last(drive).inside) == ("in_band", True)
    assert drive.engine.ledger.net(PERP.id) == drive.engine.ledger.quantity(PERP.id, OVERLAY) + held(drive)
    drive.control(OperatorAction.KILL)
    drive.run(0.2)
    assert held(drive) == 0
    assert drive.residual() == 0


# ----------------------------------------------------------------------------------------------------------- caps


def test_its_own_cap_bounds_it() -> None:
    """At most a tenth of the equity, however large the gap."""
    drive = alone(1.0, notional_share_max=0.1).run(3.0)
    assert float(held(drive)) * 1_000.0 <= 0.1 * EQUITY
    assert (last(drive).reason, last(drive).cap) == ("capped", "notional_share_max")
    assert last(drive).cap_usd == pytest.approx(0.1 * EQUITY, rel=1e-2)
    assert last(drive).inside is False


def test_the_tail_cuts_it_and_the_cut_is_on_record() -> None:
    """Default limits and no history: the soft limit on expected shortfall leaves less than the edge asks."""
    drive = Drive(params=EngineParams(hedge=HedgeParams(target_beta=0.3)), rates=lambda minute: DEAR).run(3.0)
    assert 0.0 < float(held(drive)) * 1_000.0 < 0.25 * EQUITY * 0.9
    assert last(drive).reason == "es_soft"
    governed = drive.records[0].governor
    assert governed is not None
    cut = governed.cuts[-1]
    assert (cut.limit, cut.pair) == ("es_soft", HEDGE)
    assert cut.value > cut.allowed
    assert governed.es_usd == pytest.approx(cut.allowed, rel=1e-2)
    told = [row for row in drive.engine.state.governor.cuts if row.cut.pair == HEDGE]
    assert len(told) == 1, "the same limit leaves the same every hour: said once"


def test_tail_and_stress_hold_its_leg() -> None:
    """The figures of the book are those with the hedge, and it has its part of the shortfall."""
    drive = Drive(params=params()).run(2.0)
    state = drive.engine.state.governor
    assert state.hedge_usd == pytest.approx(0.25 * EQUITY, rel=1e-2)
    assert state.parts[HEDGE] == pytest.approx(0.15 * 0.25 * EQUITY, rel=1e-3), "a leg alone, of unknown history"
    assert sum(state.parts.values()) == pytest.approx(state.es_usd, rel=1e-6)
    crash = next(row for row in state.stress if row.name.startswith("2020"))
    assert crash.pnl_usd < -0.4 * 0.2 * EQUITY
    sheet = drive.engine.risk_sheet()
    assert sheet.beta is not None
    assert sheet.beta.inside
    assert ("BTC", 1.0, 0.0) in sheet.beta.coins
    assert {row.limit for row in sheet.limits} >= {"hedge_notional", "es"}
    assert sheet.tail is not None


def test_collateral_comes_from_the_spot_wallet_before_anything_opens() -> None:
    """1,000 USD of collateral carry 1,667: the rest is brought over, and the first order waits for it."""
    drive = Drive(params=params(0.9), rates=lambda minute: DEAR, usd=0)
    drive.exchange.deposit(T0, ALPHA, Wallet.SPOT, Decimal(19_000), "s")
    drive.exchange.deposit(T0, ALPHA, Wallet.FUTURES, Decimal(1_000), "f")
    drive.run(2.0)
    moved = next(command for command in drive.commands if isinstance(command, Transfer))
    assert (moved.wallet_from, moved.wallet_to) == (Wallet.SPOT, Wallet.FUTURES)
    commands = drive.commands
    first = next(place for place, each in enumerate(commands) if isinstance(each, SubmitOrder))
    assert commands.index(moved) < first
    assert last(drive).inside
    assert drive.residual() == 0


def test_it_goes_where_its_collateral_is() -> None:
    """No cash at the first venue, neither as collateral nor beside it: the other one carries the hedge."""
    drive = Drive(instruments=TWO_VENUES, params=params(), rates=lambda minute: DEAR, usd=0)
    drive.exchange.deposit(T0, BETA, Wallet.SPOT, Decimal(100), "s")
    drive.run(1.5)
    assert {order.order.intent.venue for order in hedge_orders(drive)} == {BETA}
    assert last(drive).inside


# ------------------------------------------------------------------------------------------------- operators, modes


@pytest.mark.parametrize("action", [OperatorAction.KILL, OperatorAction.FLATTEN])
def test_kill_and_flatten_close_it_and_it_stays_closed(action: OperatorAction) -> None:
    """Flat with everything else, proven by the venue, and not opened again in the hours after."""
    drive = Drive(params=params()).run(2.0)
    drive.control(action)
    drive.run(3.0)
    assert held(drive) == 0
    assert drive.engine.state.hedge.legs == {}
    assert drive.exchange.flat(ALPHA) or action is OperatorAction.FLATTEN
    assert drive.engine.ledger.attribution_of_sleeve(Sleeve.HEDGE).fees < 0
    assert drive.residual() == 0
    after = [order for order in hedge_orders(drive) if not order.order.intent.reduces_owner
             and order.order.approved_at_ns > T0 + 2 * NS_PER_HOUR]
    assert after == []


def test_a_kill_is_not_verified_before_the_hedge_is_gone() -> None:
    """Half way through its slices: the kill closes what there is, then the venue shows flat."""
    drive = alone(0.9).run_to_note("hedge_started").run(0.01)
    assert drive.engine.state.hedge.legs[PERP.id].parent is not None
    drive.control(OperatorAction.KILL)
    drive.run_to_note("kill_verified_flat")
    assert held(drive) == 0
    assert drive.exchange.flat(ALPHA)


def test_a_kill_latched_while_we_were_down_closes_a_hedge_that_a_hold_had_kept() -> None:
    """Without any pair the hedge is what is held."""
    drive = alone().run(2.0)
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(0.01)
    assert held(drive) > 0
    drive.hand_in(session(drive.instruments, at_ns=drive.now, epoch=2, latch="kill by operator: now", resumed=True,
                          trade_from_ns=0))
    drive.run(1.0)
    assert held(drive) == 0


def test_kill_hold_keeps_what_is_held() -> None:
    """Its slices end, nothing is closed, and no decision moves it while HALTED."""
    drive = alone(0.9).run_to_note("hedge_started").run(0.02)
    before = held(drive)
    drive.control(OperatorAction.KILL_HOLD)
    drive.run(2.0)
    assert drive.engine.state.modes.mode() is Mode.HALTED
    assert held(drive) == before > 0
    assert last(drive).reason == "halted"
    assert last(drive).beta_after == pytest.approx(float(before) * 1_000 / EQUITY, abs=1e-3)


def test_a_pause_ends_its_opening_and_lets_it_only_come_nearer_zero() -> None:
    """What is missing is not bought in REDUCE_ONLY; resumed it goes on."""
    drive = alone(0.9).run_to_note("hedge_started").run(0.02)
    drive.control(OperatorAction.PAUSE)
    drive.run(2.0)
    paused = held(drive)
    assert 0 < float(paused) * 1_000.0 < 0.8 * EQUITY
    assert last(drive).reason == "reduce_only"
    drive.control(OperatorAction.RESUME)
    drive.run(2.0)
    assert last(drive).inside
    assert held(drive) > paused


def test_in_reduce_only_a_hedge_that_is_too_large_still_shrinks() -> None:
    """The price doubles while paused: the hedge is brought back to the band."""
    drive = Drive(params=params(), rates=lambda minute: DEAR,
                  prices=lambda minute: 1_000.0 if minute < 130 else 2_000.0)
    drive.run(2.0)
    before = held(drive)
    drive.control(OperatorAction.PAUSE)
    drive.run(2.0)
    assert 0 < held(drive) < before
    assert last(drive).inside


def test_the_drawdown_stop_closes_it() -> None:
    """The stop is the account's: pairs and hedge leave alike."""
    limits = RiskLimits(drawdown_stop_pct=3.0, daily_loss_stop_pct=20.0)
    drive = Drive(params=msgspec.structs.replace(params(), risk=limits), rates=lambda minute: DEAR,
                  prices=lambda minute: 1_000.0 if minute < 100 else 800.0).run(3.0)
    assert "drawdown" in drive.alerts
    assert held(drive) == 0


def test_blocked_opens_leave_it_unopened() -> None:
    """The venue is down at the decision: no order; back again the next decision opens it."""
    drive = Drive(params=params(), rates=lambda minute: DEAR)
    drive.run(0.01)
    drive.hand_in(VenueConnection(Nanos(drive.now + 1), ALPHA, False))
    drive.run(1.5)
    assert hedge_orders(drive) == []
    assert last(drive).reason == "no_instrument"
    drive.hand_in(VenueConnection(Nanos(drive.now + 1), ALPHA, True))
    drive.run(1.5)
    assert held(drive) > 0


# -------------------------------------------------------------------------------------------- restart and the venue


def test_it_survives_a_restart_and_ends_at_what_it_has() -> None:
    """Dead in the middle of its slices: the snapshot knows it, the parent ends, the next decision goes on."""
    drive = alone(0.9).run_to_note("hedge_started").run(0.02)
    before = held(drive)
    drive.engine = Engine.restore(drive.params, drive.engine.snapshot())
    drive.hand_in(session([SPOT, PERP], at_ns=drive.now + NS_PER_S, epoch=2, resumed=True, trade_from_ns=0))
    drive.run(0.1)
    assert drive.engine.state.hedge.legs[PERP.id].parent is None
    assert held(drive) == before > 0
    drive.run(2.0)
    assert last(drive).inside
    assert drive.residual() == 0


def test_a_close_under_way_is_finished_after_a_restart() -> None:
    """An exit is never forgotten, and not spread over minutes anew."""
    drive = alone(0.9).run(2.0)
    drive.control(OperatorAction.FLATTEN)
    drive.run(0.001)
    drive.engine = Engine.restore(drive.params, drive.engine.snapshot())
    drive.hand_in(session([SPOT, PERP], at_ns=drive.now + NS_PER_S, epoch=2, resumed=True, trade_from_ns=0))
    drive.run(0.1)
    assert held(drive) == 0


def test_the_venue_sees_the_sum_and_books_agree() -> None:
    """A pair's short and the hedge's long on one perpetual: one net, two owners, funding split between them."""
    drive = Drive(params=params(), days=1.0).run(10.0)
    owners = dict(drive.engine.ledger.owners(PERP.id))
    assert owners[HEDGE] > 0
    assert sum(owners.values()) == drive.engine.ledger.net(PERP.id)
    assert drive.engine.ledger.attribution(HEDGE).funding < 0
    assert "books_differ" not in drive.alerts
    assert drive.residual() == 0
    shown = {row.owner for row in drive.engine.view().positions}
    assert str(HEDGE) in shown


def test_deleveraged_it_rests_at_what_is_left_until_the_next_decision() -> None:
    """The venue takes a third: no order follows at once, an hour later it is whole again."""
    drive = alone().run(2.0)
    before = held(drive)
    taken = ForcedFill(Nanos(drive.now + 1), ALPHA, PERP.id, "adl-1", Side.SELL, 2_000, 10_000, Decimal(0), "adl")
    drive.hand_in(taken)
    count = len(hedge_orders(drive))
    drive.run(0.01)
    assert held(drive) == before - 2
    assert len(hedge_orders(drive)) == count
    assert drive.engine.state.hedge.legs[PERP.id].target_base == before - 2


def test_its_instrument_ends_and_it_leaves_in_time() -> None:
    """Delisting is announced: the hedge is closed there and nothing opens any more."""
    drive = alone().run(2.0)
    ends = msgspec.structs.replace(PERP, delist_ns=Nanos(drive.now + 6 * NS_PER_HOUR))
    drive.hand_in(InstrumentsChanged(Nanos(drive.now + 1), ALPHA, (ends,)))
    drive.run(2.0)
    assert held(drive) == 0
    assert last(drive).reason == "no_instrument"


def test_a_new_grid_ends_its_slices_at_what_is_held() -> None:
    """Lots ten times as coarse: what is under way rests, the next decision counts in new lots."""
    drive = alone(0.9).run_to_note("hedge_started").run(0.02)
    coarse = msgspec.structs.replace(PERP, lot_size=Decimal("0.01"))
    drive.hand_in(InstrumentsChanged(Nanos(drive.now + 1), ALPHA, (coarse,)))
    drive.run(0.05)
    assert drive.engine.state.hedge.legs[PERP.id].parent is None
    drive.run(1.2)
    assert last(drive).beta_after == pytest.approx(0.85, abs=2e-3)


def test_a_pool_short_of_margin_shrinks_the_hedge_too() -> None:
    """Its price runs against it between two decisions and no cash is left to bring: it comes down in time."""
    caps = msgspec.structs.replace(WIDE.caps, touch_probability=0.1, reaction_probability=0.1)
    hedge = HedgeParams(target_beta=-2.5, notional_share_max=3.0, leverage=5.0)
    risk = RiskLimits(drawdown_stop_pct=50.0, daily_loss_stop_pct=20.0)
    bold = EngineParams(hedge=hedge, governor=msgspec.structs.replace(WIDE, caps=caps), risk=risk,
                        carry=CarryParams(leverage=5.0))
    drive = Drive(params=bold, rates=lambda minute: DEAR, usd=0,
                  prices=lambda minute: 1_000.0 * (1.0 + 0.0086 * min(max(minute - 65, 0), 50)))
    drive.exchange.deposit(T0, ALPHA, Wallet.FUTURES, Decimal(10_000), "f")
    drive.run(1.0)
    before = held(drive)
    drive.run(0.98)
    told = [dict(note.keys) for step in drive.steps for note in step.notes if note.name == "margin_reduce"]
    assert {keys["pair_id"] for keys in told} == {HEDGE}
    assert all(float(keys["value"]) < float(keys["allowed"]) for keys in told)
    assert before < held(drive) < 0, "shorter than it was"
    assert "liquidation" not in drive.alerts
    assert drive.residual() == 0


def test_a_kill_makes_a_patient_close_urgent() -> None:
    """Flatten takes slices; a kill meanwhile takes all that is left at once."""
    drive = alone(0.9).run(2.0)
    drive.control(OperatorAction.FLATTEN)
    drive.run(0.001)
    parent = drive.engine.state.hedge.legs[PERP.id].parent
    assert parent is not None
    assert not parent.urgent
    drive.control(OperatorAction.KILL)
    drive.run(0.01)
    assert held(drive) == 0


def test_a_new_grid_hurries_a_close_and_what_is_less_than_a_lot_is_parked_and_told() -> None:
    """1.7 lots of the new size: one is sold, the rest is dust, and a person hears of it."""
    drive = alone(0.9).run(2.0)
    drive.control(OperatorAction.FLATTEN)
    drive.run(0.001)
    coarse = msgspec.structs.replace(PERP, lot_size=Decimal(10))
    drive.hand_in(InstrumentsChanged(Nanos(drive.now + 1), ALPHA, (coarse,)))
    drive.run(0.1)
    assert held(drive) == 0
    assert drive.engine.state.hedge.legs == {}
    left = drive.engine.ledger.quantity(PERP.id, DUST)
    assert 0 < left < 10
    assert "unclosable" in drive.alerts
    assert drive.residual() == 0


def test_a_limit_that_says_no_ends_the_opening_until_the_next_decision() -> None:
    """No storm of refusals: one an hour."""
    strict = msgspec.structs.replace(params(), risk=RiskLimits(order_notional_max_usd=100.0))
    drive = Drive(params=strict, rates=lambda minute: DEAR).run(3.5)
    refused = [refusal for step in drive.steps for refusal in step.refusals]
    assert {refusal.limit for refusal in refused} == {"order_notional_max_usd"}
    assert len(refused) == len(drive.records)
    assert drive.engine.state.hedge.legs == {}


def test_what_no_venue_settles_is_parked_at_the_end_of_its_market() -> None:
    """Others hold nearly the opposite: the venue's net is less than a lot, and nothing will come for it."""
    drive = alone().run(2.0)
    ledger = drive.engine.ledger
    ledger.move_owner(PERP.id, HEDGE, Owner("foreign"), held(drive) - Decimal("0.0005"))
    ledger.state.books[PERP.id].quantity = Decimal("0.0005")
    turn = turn_of(drive)
    lifecycle_desk.take_rules(turn, [msgspec.structs.replace(PERP, delist_ns=Nanos(drive.now - NS_PER_S))])
    lifecycle_desk.run_due(turn)
    assert held(drive) == 0
    assert ledger.quantity(PERP.id, DUST) == Decimal("0.0005")
    assert PERP.id not in drive.engine.state.delistings


def test_what_a_pair_and_another_hold_against_each_other_ends_among_themselves() -> None:
    """The venue's net is nothing and nothing will be settled: the pair is rid of the leg, and its other leg leaves."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    ledger, pair = drive.engine.ledger, drive.pair
    short = ledger.quantity(PERP.id, pair.pair_id)
    assert short < 0
    book = ledger.state.books[PERP.id]
    book.quantity = Decimal(0)  # another owner, left out here, is long as much
    turn = turn_of(drive)
    lifecycle_desk.take_rules(turn, [msgspec.structs.replace(PERP, delist_ns=Nanos(drive.now - NS_PER_S))])
    lifecycle_desk.run_due(turn)
    assert ledger.quantity(PERP.id, pair.pair_id) == 0
    assert ledger.quantity(PERP.id, DUST) == short
    assert pair.parent is not None
    assert pair.parent.target_base == 0
    assert pair.parent.urgent
    assert PERP.id not in drive.engine.state.delistings


def test_a_settlement_that_does_not_come_is_told() -> None:
    """Held a quarter of an hour after the end of its market: a person is paged, and it is looked for again."""
    drive = alone().run(2.0)
    ended = msgspec.structs.replace(PERP, delist_ns=Nanos(drive.now - 3_600 * NS_PER_S))
    turn = turn_of(drive)
    lifecycle_desk.take_rules(turn, [ended])
    drive.engine.state.delistings[PERP.id] = Nanos(drive.now)
    lifecycle_desk.run_due(turn)
    assert any(isinstance(each, Alert) and each.name == "settlement_missing" for each in turn.commands)
    assert drive.engine.state.delistings[PERP.id] > drive.now
    assert held(drive) > 0


def test_a_venue_that_is_down_says_what_of_the_hedge_is_there() -> None:
    """The page names the stake."""
    drive = alone().run(2.0)
    drive.hand_in(VenueConnection(Nanos(drive.now + 1), ALPHA, False))
    drive.run(0.1)
    texts = [each.text for each in drive.commands if isinstance(each, Alert) and each.name == "venue_down"]
    assert "(hedge)" in texts[0]


def test_a_trade_of_the_hedge_that_nobody_expects_makes_a_leg_of_it_and_is_closed() -> None:
    """Its leg was over when an order of it filled after all (R3, F17)."""
    drive = alone().run(2.0)
    order = hedge_orders(drive)[0].order.intent
    drive.control(OperatorAction.FLATTEN)
    drive.run(0.5)
    assert drive.engine.state.hedge.legs == {}
    late = Fill(Nanos(drive.now + 1), ALPHA, PERP.id, "late-1", order.order_id, Side.BUY, 300, 10_000, Decimal(0),
                False, False)
    step = drive.engine.step(late)
    sent = [each.order.intent for each in step.commands if isinstance(each, SubmitOrder)]
    assert [(each.owner, each.side, each.quantity_lots, each.reduces_owner) for each in sent] == [
        (HEDGE, Side.SELL, 300, True)]


def test_room_ends_where_nothing_is_known() -> None:
    """Without a cap for the coin, or a mark at the venue, there is none; each says why."""
    drive = alone().run(0.5)
    turn = turn_of(drive)
    known = room_of(turn, PERP.id, 1.0)
    assert (known.limit, known.notional_usd > 0.0) == ("collateral", True)
    caps = drive.engine.state.caps.pop(Coin("BTC"))
    assert room_of(turn, PERP.id, 1.0).limit == "volatility_unknown"
    assert math.isnan(held_usd(turn, PERP_B.id))
    drive.engine.state.caps[Coin("BTC")] = caps
    drive.run(1.5)
    del drive.engine.state.market.marks[PERP.id]
    without = room_of(turn_of(drive), PERP.id, 1.0)
    assert (without.limit, without.notional_usd) == ("collateral", 0.0)


# ------------------------------------------------------------------------------------------------------ instruments


def test_a_clearly_better_instrument_takes_over_one_after_the_other() -> None:
    """Funding of 8 bp per 8 h on the long hedge's perpetual: it moves to the venue that pays next to nothing."""
    drive = Drive(instruments=TWO_VENUES, params=params(), rates=lambda minute: DEAR if minute < 480 else "0.003",
                  days=2.0)
    drive.run(3.0)
    before = next(iter(drive.engine.state.hedge.legs))
    drive.run()
    assert before == PERP.id
    assert drive.engine.ledger.quantity(PERP.id, HEDGE) == 0
    assert drive.engine.ledger.quantity(PERP_B.id, HEDGE) > 0
    worst = max(abs(float(record.hedge.beta_before or 0.0)) for record in drive.records if record.hedge is not None)
    assert worst < 0.36, "never both at once"
    assert drive.residual() == 0


# ------------------------------------------------------------------------------------------------- the book's beta


def turn_of(drive: Drive) -> Turn:
    return Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.engine.state.now_ns)


def test_a_leg_alone_counts_after_an_hour_not_before() -> None:
    """What is being made whole is the pair's own business; what stays open is an exposure of the book."""
    drive = Drive(params=EngineParams()).run_to_note("pair_opened").run(0.2)
    ledger, pair = drive.engine.ledger, drive.pair
    quantity = ledger.quantity(SPOT.id, pair.pair_id)
    ledger.move_owner(PERP.id, pair.pair_id, Owner("foreign"), ledger.quantity(PERP.id, pair.pair_id))
    pair.unhedged_since_ns = Nanos(drive.now - NS_PER_MINUTE)
    assert exposure_usd(turn_of(drive)) == 0.0
    pair.unhedged_since_ns = Nanos(drive.now - NS_PER_HOUR)
    assert exposure_usd(turn_of(drive)) == pytest.approx(float(quantity) * 1_000.0, rel=1e-3)
    assert open_base(turn_of(drive)) == {Coin("BTC"): quantity}


def test_an_unknown_beta_or_price_is_no_zero() -> None:
    """Without closes of the market, or any price of the coin, the exposure is not known."""
    drive = Drive(params=params(benchmark="ETH")).run_to_note("pair_opened").run(0.2)
    pair = drive.pair
    ledger = drive.engine.ledger
    ledger.move_owner(PERP.id, pair.pair_id, Owner("foreign"), ledger.quantity(PERP.id, pair.pair_id))
    pair.unhedged_since_ns = Nanos(drive.now - 2 * NS_PER_HOUR)
    turn = turn_of(drive)
    assert exposure_usd(turn) is None
    assert price_of(turn, Coin("DOGE")) is None
    drive.run(1.0)
    assert last(drive).reason == "beta_unknown"
    assert last(drive).beta_after is None


@pytest.mark.parametrize(("least_usd", "lots"), [("5", 5), ("5.2", 6), ("0.9", 1), ("26", 26)])
def test_the_smallest_order_is_rounded_up_to_what_the_venue_takes(least_usd: str, lots: int) -> None:
    """Lots of one dollar: below 5.2 USD the venue refuses, so six it is; an order shrunk to five would never fill."""
    drive = alone().run_to_note("hedge_started")
    rules = msgspec.structs.replace(PERP, notional_min_usd=Decimal(least_usd), lots_min=1)
    drive.engine.state.market.instruments[PERP.id] = rules
    intent = msgspec.structs.replace(hedge_orders(drive)[0].order.intent, limit_price_ticks=10_000)
    assert exposure_of(turn_of(drive), intent).lots_least == lots
