"""The loop makes one run, the same each time, and records it whole."""

from __future__ import annotations

from pathlib import Path

from bot.runtime.backtest import run_backtest
from bot.runtime.replay import RunTrace, diff_runs, replay_journal
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from tests.runtime_fakes import START_NS, FakeEngine, FakeExchange, FakeFactory, make_schedule, minute_marks


def test_two_runs_over_the_same_market_have_one_hash() -> None:
    """And another engine has another."""
    def hash_of(salt: str, every: int) -> str:
        engine = FakeEngine(every=every, salt=salt)
        return run_backtest(engine, make_schedule(minute_marks(200)), traced=True).trace_hash

    assert hash_of("", 5) == hash_of("", 5) != hash_of("", 6)


def test_orders_are_answered_and_counted() -> None:
    """Every order sent is filled by the fake, and the observer sees each event once."""
    engine, trace = FakeEngine(every=4), RunTrace()
    run = run_backtest(engine, make_schedule(minute_marks(200)), observer=trace, traced=True)
    assert engine.state.orders == engine.state.fills == len(trace.fills) > 20
    assert run.events == engine.state.events == len(trace.steps)
    assert run.trace_hash == trace.trace_hash


def test_a_recorded_run_replays_without_a_difference(tmp_path: Path) -> None:
    """And a changed engine is found out at its first different step."""
    with Journal.create(tmp_path / "journal.db", Identity(account="a", kind="sim", created_ns=START_NS)) as journal:
        run = run_backtest(FakeEngine(), make_schedule(minute_marks(5_000)), journal=journal, traced=True)
        assert journal.head.last_seq == run.events
        assert journal.verify() == []
    report = replay_journal(tmp_path / "journal.db", FakeFactory())
    assert (report.differences, report.events, report.trace_hash) == (0, run.events, run.trace_hash)
    changed = replay_journal(tmp_path / "journal.db", FakeFactory(every=7))
    assert changed.differences > 0
    assert changed.first_difference is not None
    assert changed.first_difference.place == "step"


def test_a_run_without_fills_differs_from_one_with(tmp_path: Path) -> None:
    """`diff_runs` counts steps, orders, fills and the ledger, and says where they part."""
    traces = []
    for every in (5, 5, 9):
        engine, trace = FakeEngine(every=every), RunTrace()
        run_backtest(engine, make_schedule(minute_marks(100), FakeExchange()), observer=trace)
        trace.ledger = engine.snapshot()
        traces.append(trace)
    assert diff_runs(traces[0], traces[1]) == (0, None)
    count, first = diff_runs(traces[0], traces[2])
    assert count > 10
    assert first is not None
    assert first.place == "step"


def test_progress_is_told_in_simulated_time() -> None:
    """Rising stamps, now and then."""
    stamps: list[int] = []
    run_backtest(FakeEngine(), make_schedule(minute_marks(6_000)), on_progress=stamps.append)
    assert stamps == sorted(stamps)
    assert len(stamps) >= 3
