"""`tests/COVERAGE.md` names what exists and leaves nothing out."""

from __future__ import annotations

import ast
import re

from tests.unit.house.source_tree import REPO

TABLE = (REPO / "tests" / "COVERAGE.md").read_text("utf-8")
ROWS = {cells[0]: cells for cells in ([cell.strip() for cell in line.strip("|").split("|")]
                                      for line in TABLE.splitlines() if re.match(r"\| [FI]\d", line))}


def functions_of(path: str) -> set[str]:
    """The functions of a file; none if it does not exist."""
    file = REPO / path
    if not file.is_file():
        return set()
    return {node.name for node in ast.parse(file.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_failure_and_invariant_has_one_row() -> None:
    """F01-F90 and I1-I22, each once, with tests or a reason."""
    wanted = [f"F{number:02d}" for number in range(1, 91)] + [f"I{number}" for number in range(1, 23)]
    assert list(ROWS) == wanted
    assert len(re.findall(r"^\| [FI]\d", TABLE, re.MULTILINE)) == len(wanted)
    assert [name for name, cells in ROWS.items() if not cells[2] and not cells[3]] == []


def test_every_test_that_is_named_exists() -> None:
    """A renamed test is renamed here too."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE)
    assert len(named) > 100
    known = {path: functions_of(path) for path, _ in named}
    assert [f"{path}::{name}" for path, name in named if name not in known[path]] == []
