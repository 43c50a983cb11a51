"""The risk sheet of an account whose daemon does not run: the engine brought to where its record ends."""

from __future__ import annotations

from bot.app.engines import Engines
from bot.app.reports import engine_at_the_end, journal_of
from bot.domain.errors import DataRefused
from bot.options import ReportOptions
from bot.risk.sheet import RiskSheet
from bot.settings import Settings
from bot.storage.journal import Journal


def recorded_sheet(settings: Settings, options: ReportOptions) -> RiskSheet:
    """The sheet at the end of the newest (or the named) account's journal.

    Raises:
        DataRefused: there is no record, or no session in it.
    """
    path = journal_of(options)
    with Journal.open_readonly(path) as journal:
        engine = engine_at_the_end(Engines(settings.engine), journal)
    if not engine.state.session.epoch:
        raise DataRefused(f"{path}: the journal holds no session yet; run the bot first")
    return engine.risk_sheet()
