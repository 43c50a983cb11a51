"""The recorder counts what happened, each thing once, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.commands import Alert, SubmitOrder
from bot.domain.events import (
    AccountReport,
    Fill,
    ForcedFill,
    FundingPaid,
    InstrumentsChanged,
    Mark,
    Marks,
    OrderRejected,
    OrderReport,
    OrderStatus,
    RejectReason,
)
from bot.domain.instrument import Instrument, Kind
from bot.domain.orders import ApprovedOrder, OrderIntent, Refusal, TimeInForce
from bot.domain.values import Coin, InstrumentId, Nanos, OrderId, Owner, Side, Venue
from bot.engine.step import Step
from bot.research.run_recorder import RISK_EVENTS_KEPT, RunRecorder
from tests.unit.research.sample_run import START_NS, day_closed, decision, note, tell

PERP = InstrumentId("binance:BTC/USDT:USDT")
BINANCE = Venue("binance")
NOW = Nanos(START_NS)
NOTHING = Step()
INSTRUMENT = Instrument(
    id=PERP, venue=BINANCE, symbol="BTC/USDT:USDT", coin=Coin("BTC"), quote="USDT", kind=Kind.PERP,
    tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=1, notional_min_usd=Decimal(5),
    maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"))
FILL = Fill(NOW, BINANCE, PERP, "t1", OrderId("e4e1a"), Side.BUY, 100, 300_000, Decimal("1.5"), fee_in_base=False,
            maker=False)
FORCED = ForcedFill(NOW, BINANCE, PERP, "f1", Side.SELL, 40, 290_000, Decimal(1), "liquidation")
PAYMENT = FundingPaid(NOW, BINANCE, PERP, NOW, Decimal("3.10"), Decimal("-0.1"), Decimal(30_000), Decimal("0.0001"))
INTENT = OrderIntent(
    order_id=OrderId("e4e1a"), owner=Owner("pair-1"), venue=BINANCE, instrument=PERP, side=Side.BUY, quantity_lots=100,
    limit_price_ticks=300_100, time_in_force=TimeInForce.IOC, reduces_owner=False, reduce_only=False, parent_id="x",
    purpose="open", data_age_ns=0)


def account_report(
    *, fills: tuple[Fill | ForcedFill, ...] = (), funding: tuple[FundingPaid, ...] = (),
) -> AccountReport:
    """A reconciliation's answer that repeats what was streamed."""
    return AccountReport(
        NOW, BINANCE, "r", NOW, Decimal(0), Decimal(0), (), (), (), fills=fills, funding=funding, cash=(),
        transfers_ended=(), cursor=1)


def recorder_with_instrument() -> RunRecorder:
    """A recorder that knows one instrument."""
    recorder = RunRecorder()
    recorder.seen(InstrumentsChanged(NOW, BINANCE, (INSTRUMENT,)), NOTHING)
    return recorder


def test_a_fill_seen_three_times_counts_once() -> None:
    """Streamed, queried and reconciled: one trade of 0.1 x 30,000 USD."""
    recorder = recorder_with_instrument()
    recorder.seen(FILL, NOTHING)
    recorder.seen(OrderReport(NOW, BINANCE, OrderId("e4e1a"), True, 2, OrderStatus.FILLED, 100, (FILL,)), NOTHING)
    recorder.seen(account_report(fills=(FILL,)), NOTHING)
    assert (recorder.fills, recorder.traded_usd) == (1, Decimal(3_000))


def test_a_fill_known_only_from_reconciliation_counts() -> None:
    """A lost answer does not lose the trade."""
    recorder = recorder_with_instrument()
    recorder.seen(account_report(fills=(FILL,)), NOTHING)
    assert recorder.fills == 1


def test_a_fill_of_an_undeclared_instrument_makes_turnover_unknown() -> None:
    """What cannot be priced is not counted as nothing."""
    recorder = RunRecorder()
    recorder.seen(FILL, NOTHING)
    assert (recorder.fills, recorder.traded_usd) == (1, None)


def test_fills_of_one_liquidation_are_one_liquidation() -> None:
    """Two trades at one instant are one event, a third later is another; ADL is not a liquidation."""
    recorder = recorder_with_instrument()
    later = Nanos(NOW + 1)
    for event in (FORCED, msgspec.structs.replace(FORCED, trade_id="f2"),
                  msgspec.structs.replace(FORCED, trade_id="f3", at_ns=later),
                  msgspec.structs.replace(FORCED, trade_id="f4", at_ns=later, cause="adl")):
        recorder.seen(event, NOTHING)
    assert recorder.liquidations == 2
    assert recorder.risk_counts == {"liquidation": 2, "adl": 1}
    assert recorder.fills == 0


def test_a_funding_payment_counts_once_per_settlement() -> None:
    """Streamed and reconciled is one payment; the next settlement is another."""
    recorder = RunRecorder()
    recorder.seen(PAYMENT, NOTHING)
    next_payment = msgspec.structs.replace(PAYMENT, settled_ns=Nanos(NOW + 8))
    recorder.seen(account_report(funding=(PAYMENT, next_payment)), NOTHING)
    assert (recorder.funding_payments, recorder.funding_paid_usd) == (2, Decimal("6.20"))


def test_orders_refusals_rejects_and_alerts_are_told_apart() -> None:
    """An order sent, one refused by us, one by the venue, one alert."""
    recorder = RunRecorder()
    step = Step(commands=(SubmitOrder(ApprovedOrder(INTENT, NOW, 1)), Alert("stale_data", "binance 40 s", page=False)),
                refusals=(Refusal(INTENT, "order_notional", 2.0, 1.0),))
    recorder.seen(OrderRejected(NOW, BINANCE, OrderId("e4e1b"), RejectReason.MARGIN), step)
    assert recorder.orders == 1
    assert recorder.refusals == {"order_notional": 1}
    assert recorder.rejects == {"margin": 1}
    assert [(event.name, event.text) for event in recorder.risk_events] == [("stale_data", "binance 40 s")]


def test_risk_events_are_bounded_and_their_counts_are_not() -> None:
    """A storm of alerts does not grow memory."""
    recorder = RunRecorder()
    step = Step(commands=(Alert("a", "b", page=False),))
    for _ in range(RISK_EVENTS_KEPT + 5):
        recorder.seen(PAYMENT, step)
    assert len(recorder.risk_events) == RISK_EVENTS_KEPT
    assert recorder.risk_counts["a"] == RISK_EVENTS_KEPT + 5


def test_decisions_are_counted_by_the_reason_of_each_candidate() -> None:
    """Two rebalances with three candidates."""
    recorder = RunRecorder()
    tell(recorder, START_NS, record=decision(START_NS, "carry_below_costs", "held"))
    tell(recorder, START_NS, record=decision(START_NS, "carry_below_costs"))
    assert recorder.rebalances == 2
    assert recorder.decisions == {"carry_below_costs": 2, "held": 1}


def test_idle_hours_are_kept_by_year_and_reason() -> None:
    """The hour that holds a pair counts as an hour, not as idle."""
    recorder = RunRecorder()
    tell(recorder, START_NS, note("idle_hours", at_ns=START_NS, idle="1", reason="carry_below_costs"),
         note("idle_hours", at_ns=START_NS, idle="0", reason=""))
    assert recorder.hours == {2021: 2}
    assert recorder.idle_hours == {2021: {"carry_below_costs": 1}}


def test_a_closed_pair_keeps_its_amounts_exactly_and_forgets_its_opening() -> None:
    """Amounts are decimals; a forecast the engine did not have stays unknown."""
    recorder = RunRecorder()
    tell(recorder, START_NS, note("pair_opened", pair_id="pair-1", coin="BTC", long_leg="a:B/USDT",
                                  short_leg="b:B/USDT", notional_usd="100", forecast_usd="2.5"))
    assert recorder.forecast_usd == {"pair-1": Decimal("2.5")}
    tell(recorder, START_NS, note(
        "pair_closed", pair_id="pair-1", coin="BTC", long_leg="a:B/USDT", short_leg="b:B/USDT", notional_usd="100.10",
        open_ns=1, close_ns=2, funding_usd="1.23456789", forecast_usd="", fees_usd="-0.1", net_usd="1.1",
        exit_reason="carry_gone"))
    assert recorder.forecast_usd == {}
    assert recorder.closed_pairs[0].funding_usd == Decimal("1.23456789")
    assert recorder.closed_pairs[0].forecast_usd is None


def test_a_pair_closed_again_after_a_late_fill_counts_once() -> None:
    """The newer figures are the whole ones."""
    recorder = RunRecorder()
    for at_ns, net in ((2, "1.1"), (3, "0.9")):
        tell(recorder, START_NS, note(
            "pair_closed", pair_id="pair-1", coin="BTC", long_leg="a:B/USDT", short_leg="b:B/USDT",
            notional_usd="100", open_ns=1, close_ns=at_ns, funding_usd="1", forecast_usd="", fees_usd="-0.1",
            net_usd=net, exit_reason="carry_gone"))
    assert [(pair.close_ns, pair.net_usd) for pair in recorder.closed_pairs] == [(3, Decimal("0.9"))]


def test_an_unknown_btc_price_stays_unknown() -> None:
    """An empty key is no price."""
    recorder = RunRecorder()
    tell(recorder, START_NS, day_closed(1, "100", btc=""), day_closed(2, "100", btc="50000"))
    assert [day.btc_price for day in recorder.days] == [None, Decimal(50_000)]


def test_market_events_leave_no_trace() -> None:
    """Marks, and notes the report does not need, change nothing."""
    recorder = RunRecorder()
    before = msgspec.json.encode({key: value for key, value in vars(recorder).items() if not key.startswith("_")})
    marks = Marks(NOW, BINANCE, (Mark(PERP, Decimal(30_000)),))
    recorder.seen(marks, NOTHING)
    recorder.seen(marks, Step(notes=(note("slice_sent", n=1),)))
    after = msgspec.json.encode({key: value for key, value in vars(recorder).items() if not key.startswith("_")})
    assert before == after
