"""The report of a run as an HTML file under the home folder; a disk that refuses it costs the file, not the result."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.output import say
from bot.research.run_document import RunReport
from bot.storage.durable_file import write_durably

if TYPE_CHECKING:
    from bot.research.risk_report import RiskReport

FOLDER = "reports"


def save_html(report: object, home: Path) -> Path | None:
    """Write `home/reports/<kind>-<from>-<to>-<inputs>.html` and say where; the same inputs give the same name.

    Returns:
        The file, or None where the document is no run report or the folder cannot be written.
    """
    if not isinstance(report, RunReport):
        return None
    from bot.research.report_html import report_html

    run = report.run
    inputs = hashlib.sha256(f"{run.config_hash} {run.data_hash} {run.code_hash} {run.seed}".encode()).hexdigest()
    name = f"{run.kind}-{report.period.start[:10]}-{report.period.end[:10]}-{inputs[:8]}.html"
    return _save(home.absolute() / FOLDER / name, report_html(report))


def save_risk_html(report: RiskReport, home: Path) -> Path | None:
    """Write `home/reports/risk-<venue>-<coins>-<from>-<to>-<data>.html` and say where; None if it cannot be written."""
    from bot.research.risk_html import day, risk_html

    name = "-".join(("risk", report.venue, *(coin.lower() for coin in report.coins), day(report.from_ns),
                     day(report.to_ns), report.data_hash[:8]))
    return _save(home.absolute() / FOLDER / f"{name}.html", risk_html(report))


def _save(file: Path, text: str) -> Path | None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, text.encode(), mode=0o644)
    except OSError as error:
        say(f"no HTML report: {error.filename or file}: {error.strerror}")
        return None
    say(f"HTML report: {file}")
    return file
