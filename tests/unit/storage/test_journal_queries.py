"""History is read back in human units, newest first, each fact once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bot.control.history import read_history
from bot.domain.errors import ConfigRefused
from bot.domain.events import AccountReport, Fill, FundingPaid
from bot.domain.values import NS_PER_HOUR, Nanos, OrderId, Side
from bot.engine.step import DecisionRecord, Step
from bot.runtime.backtest import JournalBatches, run_backtest
from bot.storage import journal_queries
from bot.storage.journal import Journal
from bot.storage.journal_codec import encode_event, encode_step
from bot.storage.journal_rows import Identity
from tests.runtime_fakes import BTC, START_NS, VENUE, FakeEngine, make_schedule, minute_marks

END_NS = Nanos(START_NS + 10 * NS_PER_HOUR)
PAYMENT = FundingPaid(at_ns=END_NS, venue=VENUE, instrument=BTC, settled_ns=END_NS, amount_usd=Decimal("1.25"),
                      quantity=Decimal("-0.5"), price=Decimal(50_000), rate=Decimal("0.00005"))
TRADE = Fill(at_ns=END_NS, venue=VENUE, instrument=BTC, trade_id="late", order_id=OrderId("x"), side=Side.SELL,
             quantity_lots=20, price_ticks=500_005, fee=Decimal("0.5"), fee_in_base=False, maker=True)
REPORT = AccountReport(at_ns=Nanos(END_NS + 1), venue=VENUE, request_id="r", taken_ns=END_NS, spot_usd=Decimal(0),
                       futures_usd=Decimal(0), coins=(), positions=(), open_orders=(), fills=(TRADE,),
                       funding=(PAYMENT,), cash=(), transfers_ended=(), cursor=1)
RECORD = DecisionRecord(decision_id="d-1", at_ns=END_NS, mode="RUN", mode_reasons=(), equity_usd="100", candidates=(),
                        actions=(), binding=(), data_age_ns_max=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of the fake, then a late trade, a payment reported twice, and a decision."""
    path = tmp_path / "journal.db"
    with Journal.create(path, Identity(account="a", kind="demo", created_ns=START_NS)) as journal:
        run_backtest(FakeEngine(every=4), make_schedule(minute_marks(100)), journal=journal)
        batches = JournalBatches(journal, 1)
        for event, step in ((TRADE, Step()), (PAYMENT, Step(record=RECORD)), (REPORT, Step())):
            batches.add(event, step, encode_event(event), encode_step(step))
            batches.flush()
    return path


def test_fills_are_in_base_units_and_once_each(path: Path) -> None:
    """The late trade came twice, as a fill and in a report."""
    with Journal.open_readonly(path) as journal:
        rows = journal_queries.fills(journal, 1_000)
    assert [row.trade_id for row in rows].count("late") == 1
    late = rows[0]
    assert (late.side, late.quantity_base, late.price, late.notional_usd) == ("sell", "0.020", "50000.5", "1000.0100")
    assert [row.at_ns for row in rows] == sorted((row.at_ns for row in rows), reverse=True)
    assert len(rows) > 10


def test_funding_is_once_per_settlement(path: Path) -> None:
    """Whether the stream or a report told it."""
    rows = read_history(path, "funding", 10)
    assert len(rows) == 1
    assert rows[0]["amount_usd"] == "1.25"


def test_orders_carry_their_limit_in_prices(path: Path) -> None:
    """And the limit of rows is kept."""
    rows = read_history(path, "orders", 3)
    assert len(rows) == 3
    assert (rows[0]["limit_price"], rows[0]["quantity_base"], rows[0]["purpose"]) == ("50000.0", "0.003", "open")


def test_decisions_come_back_whole(path: Path) -> None:
    """As they were recorded."""
    with Journal.open_readonly(path) as journal:
        assert journal_queries.decisions(journal) == [RECORD]


def test_an_unknown_history_is_refused(path: Path) -> None:
    """One line that lists what there is."""
    with pytest.raises(ConfigRefused, match="orders, fills"):
        read_history(path, "secrets", 1)
