"""The record of kills: kept in order, bounded, and readable whatever happened to it."""

from __future__ import annotations

from pathlib import Path

from bot.storage.kill_record import record_kill, recorded_kills


def test_kills_are_kept_oldest_first_and_two_hundred_of_them(tmp_path: Path) -> None:
    """An account that is drilled every day for years keeps the newest."""
    path = tmp_path / "kills.jsonl"
    for number in range(203):
        record_kill(path, {"number": number})
    assert [row["number"] for row in recorded_kills(path)] == list(range(3, 203))


def test_a_line_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """Edited by hand, or another program's."""
    path = tmp_path / "kills.jsonl"
    path.write_text('{"number": 1}\nnot json\n[1]\n{"number": 2}\n')
    assert [row["number"] for row in recorded_kills(path)] == [1, 2]
    assert recorded_kills(tmp_path / "missing") == []
