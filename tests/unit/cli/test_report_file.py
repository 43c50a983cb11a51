"""The HTML report beside the printed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.report_file import save_html
from tests.unit.research.sample_run import long_run


def test_the_same_inputs_give_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One whole HTML file under home/reports, its path on stderr; run again it replaces itself."""
    first, again = save_html(long_run(40), tmp_path), save_html(long_run(40), tmp_path)
    assert first is not None
    assert first == again
    assert first.parent == tmp_path / "reports"
    assert list(first.parent.iterdir()) == [first]
    assert first.read_text("utf-8").endswith("</html>\n")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(first) in shown.err


def test_a_folder_that_cannot_be_written_costs_the_file_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result was printed already; the reason is one line."""
    (tmp_path / "reports").write_text("in the way")
    assert save_html(long_run(40), tmp_path) is None
    assert capsys.readouterr().err.startswith("no HTML report: ")


def test_other_documents_have_no_report(tmp_path: Path) -> None:
    """A comparison or a simulation is printed only."""
    assert save_html({"differences": 0}, tmp_path) is None
    assert not (tmp_path / "reports").exists()
