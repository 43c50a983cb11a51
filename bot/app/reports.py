"""`report`: the report of a recorded run, made again from its journal."""

from __future__ import annotations

from pathlib import Path

from bot import __version__
from bot.app.engines import Engines
from bot.app.outcomes import exact_view
from bot.domain.errors import DataRefused
from bot.domain.events import SessionStarted
from bot.engine.engine import Engine
from bot.options import ReportOptions
from bot.research.equity_curve import RunOutcome
from bot.research.run_document import RunIdentity, RunReport
from bot.research.run_recorder import RunRecorder
from bot.research.run_report import build_report, code_hash
from bot.runtime.clock import Stopwatch
from bot.settings import Settings, config_hash
from bot.storage.journal import Journal
from bot.storage.snapshot import SnapshotStore


def run_report(settings: Settings, options: ReportOptions) -> RunReport:
    """Read a journal's record with an observer, bring an engine to its end, and report what it earned.

    The venues' own books are not in the journal: the residual is not checked, and the report says so.
    """
    path = journal_of(options)
    watch = Stopwatch()
    engines = Engines(settings.engine)
    engine, recorder = engines.create(), RunRecorder()
    start_ns, kind = 0, ""
    with Journal.open_readonly(path) as journal:
        for _, event, recorded in journal.export_kept():
            recorder.seen(event, recorded)
            if isinstance(event, SessionStarted) and not kind:
                start_ns, kind = max(event.trade_from_ns, event.at_ns), event.kind
        if kind:
            engine = engine_at_the_end(engines, journal)
    if not kind:
        raise DataRefused(f"{path}: the journal holds no session yet; run the bot first")
    ledger = engine.revalued_ledger()
    parts = ledger.attribution()
    outcome = RunOutcome(
        start_ns=start_ns, end_ns=max(engine.state.now_ns, start_ns + 1),
        start_equity_usd=f"{ledger.state.flows_usd:f}", end_equity_usd=f"{ledger.equity_usd():f}",
        attribution=exact_view(parts),
        venue_equity_change_usd=None, open_pairs=engine.view().pairs,
        wall_s=watch.wall_s(), cpu_s=watch.cpu_s(),
    )
    identity = RunIdentity(
        version=__version__, config_hash=config_hash(settings), data_hash=f"journal {path.name}",
        code_hash=code_hash(), seed=settings.engine.seed, fill_model="as recorded", kind=kind,
    )
    return build_report(recorder, identity, outcome, ())


def engine_at_the_end(engines: Engines, journal: Journal) -> Engine:
    """The engine after the last event: from the newest snapshot beside the journal, else stepped from the beginning."""
    engine, from_seq = engines.create(), 0
    for snapshot in SnapshotStore(journal.path.parent / "snapshots").newest_first():
        row = journal.row_ending_at(snapshot.seq)
        if row is not None and row.hash == snapshot.journal_hash:
            engine, from_seq = engines.restore(snapshot.engine), snapshot.seq
            break
    for _, event, _ in journal.export(from_seq + 1):
        engine.step(event)
    return engine


def journal_of(options: ReportOptions) -> Path:
    """The journal that is named, or the newest under the home folder.

    Raises:
        DataRefused: there is none.
    """
    if options.source is not None:
        return options.source / "journal.db" if options.source.is_dir() else options.source
    pattern = f"*/{options.account}/journal.db" if options.account else "*/*/journal.db"
    found = sorted(options.home.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DataRefused(f"{options.home}: no recorded run; start one with `evenkeel run`")
    return found[-1]
