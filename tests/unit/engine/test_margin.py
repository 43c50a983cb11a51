"""Margin and stops in the engine: top up first, shrink both legs before it is too late, stop on confirmed losses."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from bot.domain.commands import Transfer
from bot.domain.events import Mark, Marks, OperatorAction
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, Nanos, Wallet
from bot.engine import margin_desk
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.portfolio.pairs import PairState
from bot.quant.leverage_cap import CapRules
from bot.risk.governor_params import GovernorParams
from bot.risk.modes import Mode
from bot.risk.params import RiskLimits
from bot.strategy.params import CarryParams
from tests.unit.engine.driving import ALPHA, BETA, PERP, PERP_B, SPOT, T0, TWO_VENUES, Drive, Prices

LATE = GovernorParams(
    young_days=0, bucket_share_max=1.0, caps=CapRules(touch_probability=0.1, reaction_probability=0.1))
"""Caps that accept a tenth: the keeper has to act because the governor does not."""


def rising(pct_per_hour: float, until_h: float, from_h: float = 1.0) -> Prices:
    """1,000 USD, then so many per cent an hour for a while."""
    def price(minute: int) -> float:
        hours = min(max(minute / 60 - from_h, 0.0), until_h - from_h)
        return 1_000.0 * math.exp(hours * math.log1p(pct_per_hour / 100))
    return price


def margin_transfers(drive: Drive) -> list[Transfer]:
    noted = {dict(note.keys)["transfer_id"] for step in drive.steps for note in step.notes
             if note.name == "transfer_sent" and "margin" in dict(note.keys)["why"]}
    return [c for c in drive.commands if isinstance(c, Transfer) and c.transfer_id in noted]


def test_a_rise_moves_spot_cash_to_the_short_before_anything_shrinks() -> None:
    """Below 60 % of its distance at entry the pool is topped up from the venue's own spot wallet."""
    params = EngineParams(carry=CarryParams(coin_share_max=0.8), governor=LATE)
    drive = Drive(prices=rising(2, 12), params=params, usd=8_000).run()
    transfers = margin_transfers(drive)
    assert transfers
    assert {(each.wallet_from, each.wallet_to) for each in transfers} == {(Wallet.SPOT, Wallet.FUTURES)}
    assert "liquidation" not in drive.alerts
    assert drive.residual() == 0


def test_without_free_cash_both_legs_shrink_together_and_nothing_is_liquidated() -> None:
    """Below 40 % the pair is reduced; it stays whole and alive."""
    params = EngineParams(carry=CarryParams(coin_share_max=1.0), governor=LATE)
    drive = Drive(prices=rising(30, 2), params=params, usd=3_000)
    drive.exchange.deposit(T0, ALPHA, Wallet.SPOT, Decimal(2_500), "d")
    drive.run()
    told = [dict(note.keys) for step in drive.steps for note in step.notes if note.name == "margin_reduce"]
    assert told
    assert all(float(keys["value"]) < float(keys["allowed"]) == 0.40 for keys in told)
    assert "liquidation" not in drive.alerts
    first = next(iter(drive.engine.state.pairs.values()))
    assert first.state in (PairState.HEDGED, PairState.FLAT)
    assert drive.residual() == 0


def test_money_comes_from_another_venue_when_the_own_has_none() -> None:
    """Venue to venue, with a fee, into futures."""
    drive = Drive(instruments=TWO_VENUES, prices=rising(2, 15), usd=6_000, days=1).run()
    assert "liquidation" not in drive.alerts
    assert drive.residual() == 0


def test_sources_are_the_own_spot_then_other_spots_then_excess_collateral() -> None:
    """Cheapest first."""
    drive = Drive(instruments=TWO_VENUES).run(0.01)
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.now)
    found = margin_desk._sources(turn, ALPHA)
    assert [(source.venue, source.spot) for source in found] == [(ALPHA, True), (BETA, True), (BETA, False)]
    assert [source.fee_usd for source in found] == [0.0, 1.0, 1.0]


def test_a_pool_with_a_missing_mark_is_not_known_and_becomes_no_reference() -> None:
    """R7: nothing is decided on half a picture."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.now)
    venue = drive.engine.state.venues[ALPHA]
    drive.engine.state.market.marks.clear()
    venue.reference_distance = None
    margin_desk.check_pool(turn, venue)
    assert (venue.reference_distance, turn.commands) == (None, [])
    assert margin_desk.pool_of(turn, ALPHA).distance is None


def test_a_daily_loss_blocks_opens_until_the_next_day() -> None:
    """Two samples a minute apart; lifted at 00 UTC."""
    params = EngineParams(risk=RiskLimits(daily_loss_stop_pct=0.01))
    drive = Drive(days=1.3, params=params).run(23.9)
    assert "daily_loss" in drive.alerts
    assert drive.engine.state.modes.mode() is Mode.REDUCE_ONLY
    assert drive.pair.state is PairState.HEDGED
    drive.run(1.0)
    assert drive.engine.state.modes.mode() is Mode.RUN


def test_an_operator_who_resumes_after_a_daily_loss_starts_the_day_anew() -> None:
    """The next look would else set the same stop again."""
    params = EngineParams(risk=RiskLimits(daily_loss_stop_pct=0.01))
    drive = Drive(params=params).run(12.0)
    assert "daily_loss" in drive.alerts
    drive.control(OperatorAction.RESUME)
    drive.run(10 / 3600)
    assert drive.engine.state.modes.mode() is Mode.RUN
    assert drive.engine.state.stops.day_start_usd == drive.engine.ledger.equity_usd()


def test_a_drawdown_closes_all_pairs_and_latches_until_resume() -> None:
    """Confirmed, paged, flat; an operator decides when it goes on."""
    params = EngineParams(risk=RiskLimits(drawdown_stop_pct=0.02, daily_loss_stop_pct=20.0))
    drive = Drive(params=params).run_to_note("pair_closed")
    assert drive.pair.exit_reason == "drawdown"
    told = [dict(note.keys) for step in drive.steps for note in step.notes if note.name == "mode_changed"]
    stop = next(keys for keys in told if keys.get("limit") == "drawdown_stop_pct")
    assert float(stop["value"]) > float(stop["allowed"]) == 0.02
    drive.run(30 / 3600)
    assert "drawdown" in drive.alerts
    assert drive.engine.state.modes.mode() is Mode.REDUCE_ONLY
    drive.control(OperatorAction.RESUME)
    drive.run(0.01)
    assert drive.engine.state.modes.mode() is Mode.RUN


def test_marks_of_a_venue_without_positions_ask_for_nothing() -> None:
    """No pool, no reference, no deadline of its own."""
    drive = Drive(rates=lambda minute: "0.00001").run(0.5)
    assert not margin_desk.due(Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.now), ALPHA)
    assert drive.engine.state.venues[ALPHA].reference_distance is None


def test_marks_of_an_unknown_venue_are_folded_and_ignored() -> None:
    """A feed may show more than is traded."""
    drive = Drive().run(0.01)
    step = drive.engine.step(Marks(drive.now, BETA, (Mark(PERP_B.id, Decimal(1_000)),)))
    assert step.commands == ()
    assert drive.engine.state.market.marks[PERP_B.id].mark == 1_000


def test_equity_of_the_futures_wallet_is_cash_and_unrealised_at_the_newest_mark() -> None:
    """The short loses what the mark gains."""
    drive = Drive().run_to_note("pair_opened").run(0.1)
    turn = Turn(drive.engine.state, drive.engine.ledger, drive.params, drive.now)
    before = margin_desk.pool_of(turn, ALPHA)
    held = -float(drive.quantity(PERP))
    drive.engine.step(Marks(Nanos(drive.now + NS_PER_S), ALPHA, (Mark(PERP.id, Decimal(1_010)),)))
    pool = margin_desk.pool_of(turn, ALPHA)
    assert pool.equity_usd == pytest.approx(before.equity_usd - held * 10)
    assert pool.notional_usd == pytest.approx(held * 1_010)
    assert pool.maintenance_usd == pytest.approx(held * 1_010 * 0.005)


def test_a_view_shows_pairs_limits_and_money_and_changes_nothing() -> None:
    """What status prints adds up, and looking leaves the state byte for byte."""
    drive = Drive().run_to_note("pair_opened").run(9.0)
    before = drive.engine.snapshot()
    view = drive.engine.view()
    assert drive.engine.snapshot() == before
    (pair,) = view.pairs
    assert (pair.state, pair.coin, pair.unhedged_s) == ("hedged", "BTC", 0.0)
    assert pair.short_leg.liquidation_distance_pct is not None
    assert pair.long_leg.liquidation_distance_pct is None
    assert Decimal(pair.funding_usd) > 0
    assert pair.forecast_annual_pct is not None
    assert pair.next_funding_ns == T0 + 16 * 60 * NS_PER_MINUTE
    parts = view.attribution
    total = sum(Decimal(getattr(parts, name)) for name in ("price", "basis", "funding", "fees", "slippage", "borrow"))
    assert abs(total - Decimal(parts.total)) <= Decimal("0.03")
    assert {limit.limit for limit in view.limits} == {
        "gross_leverage_max", "drawdown_stop_pct", "daily_loss_stop_pct", "margin_distance_alpha", "data_age_s_max"}
    assert {row.instrument for row in view.positions} == {SPOT.id, PERP.id}
    assert view.venues[0].margin_used_pct is not None


def test_a_view_of_an_engine_that_has_seen_nothing_is_empty_and_honest() -> None:
    """No equity, no percentages, no venues."""
    view = Engine(EngineParams()).view()
    assert (view.equity_usd, view.net_pct, view.limits, view.venues, view.last_decision_ns) == ("0.00", 0.0, (), (),
                                                                                              None)


def test_a_view_while_opening_shows_the_orders_that_are_out() -> None:
    """One order, sent, of the pair that opens."""
    drive = Drive().run_to_note("parent_started")
    view = drive.engine.view()
    (order,) = view.orders_open
    assert (order.state, order.purpose, order.owner) == ("sent", "open", drive.pair.pair_id)
    assert view.pairs[0].state == "opening"
    assert view.pairs[0].reason == "carry_clears_costs"
