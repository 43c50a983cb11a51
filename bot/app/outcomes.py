"""From a run that has ended to its report: the venues' own equity against our books."""

from __future__ import annotations

from typing import Any

from bot import __version__
from bot.app.worlds import World
from bot.domain.values import MONEY
from bot.engine.engine import Engine
from bot.engine.view import AttributionView
from bot.portfolio.attribution import Attribution
from bot.research.equity_curve import RunOutcome
from bot.research.run_document import RunIdentity, RunReport
from bot.research.run_recorder import RunRecorder
from bot.research.run_report import build_report, code_hash
from bot.runtime.clock import Stopwatch
from bot.settings import Settings, config_hash


def report_of(
    settings: Settings, world: World, engine: Engine, recorder: RunRecorder, watch: Stopwatch, *, kind: str
) -> RunReport:
    """The report of a run, its residual taken between two independent sets of books at the same prices."""
    ledger = engine.revalued_ledger()
    parts = ledger.attribution()
    change = MONEY.subtract(world.exchange.equity_usd(), ledger.state.flows_usd)
    outcome = RunOutcome(
        start_ns=world.start_ns, end_ns=max(_end_ns(world, engine), world.start_ns + 1),
        start_equity_usd=f"{ledger.state.flows_usd:f}", end_equity_usd=f"{ledger.equity_usd():f}",
        attribution=exact_view(parts),
        venue_equity_change_usd=f"{change:f}", open_pairs=engine.view().pairs, wall_s=watch.wall_s(),
        cpu_s=watch.cpu_s(),
    )
    identity = RunIdentity(
        version=__version__, config_hash=config_hash(settings), data_hash=world.data_hash, code_hash=code_hash(),
        seed=settings.engine.seed, fill_model=world.fill_model, kind=kind,
    )
    rows: list[Any] = list(world.coverage)
    return build_report(recorder, identity, outcome, rows)


def _end_ns(world: World, engine: Engine) -> int:
    """Where the period ends: the last answers come a little later and belong to it."""
    now_ns = engine.state.now_ns
    return now_ns if world.end_ns is None else min(now_ns, world.end_ns)


def exact_view(parts: Attribution) -> AttributionView:
    """The attribution to the last digit, as reports need it; `status` shows cents."""
    return AttributionView(
        price=f"{parts.price:f}", basis=f"{parts.basis:f}", funding=f"{parts.funding:f}", fees=f"{parts.fees:f}",
        slippage=f"{parts.slippage:f}", borrow=f"{parts.borrow:f}", total=f"{parts.total:f}",
    )
