"""The worked example that ships with the project runs from top to bottom, and says what it said when it was written."""

from __future__ import annotations

import asyncio
import copy
import os
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tests.unit.house.source_tree import REPO

NOTEBOOK: Final = REPO / "bot" / "research" / "worked_example.ipynb"
CASES: Final = {
    "hedge-case": "-33,333,333 USD", "cut-case": "-28.3% instead of -19.7%", "blend-case": "11.600%",
    "var-case": "accepts 11 to 26",
}
"""Cells of the four claims, and a figure that each must print."""


def printed(cell: Any) -> str:
    """What a cell wrote."""
    return "".join(output.get("text", "") for output in cell.outputs)


def run(book: Any, home: Path) -> Any:
    """The notebook after a run in a kernel of its own: no network (its sockets are files), no data folder."""
    kept = {name: each for name, each in os.environ.items() if name not in ("EVENKEEL_DATA", "PYTHONPATH")}
    env = kept | {"IPYTHONDIR": str(home), "OMP_NUM_THREADS": "1"}
    client = NotebookClient(book, timeout=120, kernel_name="python3", config=Config(
        {"KernelManager": {"transport": "ipc"}, "ConnectionFileMixin": {"transport": "ipc"}}))
    return asyncio.run(client.async_execute(env=env, cwd=str(REPO)))


def test_the_worked_example_runs_and_says_what_the_file_shows(tmp_path: Path) -> None:
    """Every cell runs in order (a failed assert in one ends it) and prints what a reader of the file sees; a change of
    a model is a change of this file: `jupyter execute --inplace` writes it anew.
    """
    shipped = nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    executed = run(copy.deepcopy(shipped), tmp_path)
    now = {cell.id: printed(cell) for cell in executed.cells if cell.cell_type == "code"}
    assert all(output.output_type == "stream" and output.name == "stdout"
               for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs)
    assert {case: figure for case, figure in CASES.items() if figure not in now[case]} == {}
    assert now == {cell.id: printed(cell) for cell in shipped.cells if cell.cell_type == "code"}


def test_the_file_names_no_machine() -> None:
    """Nothing of whoever ran it last stays in it."""
    text = Path(NOTEBOOK).read_text("utf-8")
    assert str(REPO) not in text
    assert '"iopub' not in text
