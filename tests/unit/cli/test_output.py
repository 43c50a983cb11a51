"""One JSON document on stdout, tables for people, CSV for sheets."""

from __future__ import annotations

import csv
import io
import json
import sys
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.cli.output import as_typed, cell, emit, instant, plain, write_csv
from bot.domain.errors import BotError
from tests.unit.house.source_tree import REPO


class Colour(Enum):
    """A word."""

    RED = "red"


class Row(msgspec.Struct, frozen=True):
    """A record with what JSON has no word for."""

    amount: Decimal
    colour: Colour
    at_ns: int
    parts: tuple[tuple[str, float], ...] = ()


ROW = Row(Decimal("1E+5"), Colour.RED, 1_709_251_200_000_000_000, (("net", 1.5),))


def test_json_is_one_document_with_money_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout parses as a whole; Decimals are plain strings, unknown is null, infinity a word."""
    emit({"row": ROW, "none": None, "nan": float("nan"), "inf": float("inf"), "path": Path("x")}, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "row": {"amount": "100000", "colour": "red", "at_ns": 1_709_251_200_000_000_000, "parts": [["net", 1.5]]},
        "none": None, "nan": None, "inf": "inf", "path": "x",
    }
    assert shown.err == ""


def test_integers_beyond_64_bits_survive(capsys: pytest.CaptureFixture[str]) -> None:
    """No number is cut."""
    emit({"big": 2**70}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"big": 2**70}


def test_a_value_without_a_meaning_in_json_is_a_mistake() -> None:
    """An object is not printed as its address."""
    with pytest.raises(TypeError, match="cannot print a object"):
        plain(object())


def test_a_table_shows_instants_and_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    """People read UTC and a dash for what is unknown, never 0; square brackets are text."""
    emit({"rows": [{"at_ns": ROW.at_ns, "name": "[red]x[/red]", "value": None}], "flat": "y"}, as_json=False)
    shown = capsys.readouterr().out
    assert "2024-03-01 00:00:00" in shown
    assert "[red]x[/red]" in shown
    assert "-" in shown.splitlines()[-2] or "-" in shown


@pytest.mark.parametrize(("value", "text"), [
    (None, "-"), ("", "-"), (True, "yes"), (0, "0"), (1234567.0, "1.23457e+06"), ([], "-"), ([1, None], "1, -"),
    ({"a": 1}, "a 1"),
])
def test_a_cell_says_what_is_unknown(value: Any, text: str) -> None:
    """Zero is 0 and unknown is a dash."""
    assert cell(value) == text


def test_an_unknown_instant_is_a_dash() -> None:
    """There is no time 0."""
    assert instant(None) == "-"


def test_csv_has_one_header_and_flat_cells(capsys: pytest.CaptureFixture[str]) -> None:
    """A sheet reads it back: union of the keys, nested values as JSON, unknown as empty."""
    write_csv([ROW, {"amount": "2", "extra": None}], None)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == {
        "amount": "100000", "colour": "red", "at_ns": "1709251200000000000", "parts": '[["net",1.5]]', "extra": "",
    }
    assert rows[1]["amount"] == "2"
    assert rows[1]["colour"] == ""


def test_csv_to_a_file_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout stays empty; a file that cannot be written is one line."""
    write_csv([ROW], tmp_path / "fills.csv")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "wrote 1 rows" in shown.err
    assert (tmp_path / "fills.csv").read_text("utf-8").count("\n") == 2
    with pytest.raises(BotError, match="cannot write the CSV"):
        write_csv([ROW], tmp_path / "no" / "folder.csv")


def test_commands_are_spelt_as_they_must_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a checkout's launcher `./evenkeel`, installed `evenkeel`; only what stands in backquotes."""
    assert as_typed("start one with `evenkeel run`") == "start one with `evenkeel run`"
    monkeypatch.setattr(sys, "argv", [str(REPO / "bot" / "__main__.py"), "status"])
    assert as_typed("evenkeel: start one with `evenkeel run`") == "evenkeel: start one with `./evenkeel run`"
