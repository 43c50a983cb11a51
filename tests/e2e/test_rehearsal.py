"""`rehearse`: scratch copies of the daemon die by SIGKILL and by lost power, and every one comes back whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon_process import bot, complaint, document


def rehearsed(home: Path, *words: str, timeout_s: float = 280.0) -> dict[str, Any]:
    """The report of a rehearsal in which nothing broke."""
    done = bot("rehearse", *words, "--home", home, "--json", timeout_s=timeout_s)
    assert done.returncode == 0, (done.stdout, done.stderr)
    report: dict[str, Any] = document(done)
    assert report["breaches"] == []
    return report


def test_a_killed_daemon_comes_back_whole(tmp_path: Path) -> None:
    """Same state byte for byte, one create per order, no intent lost, pairs whole in time, and the venue's books."""
    home = tmp_path / "home"
    report = rehearsed(home, "--kills", "4", "--power-cuts", "2")
    assert report["kills"] + report["power_cuts"] + report["missed"] == 6
    assert report["kills"] >= 3
    assert report["power_cuts"] >= 1
    assert 4 * report["between_commit_and_send"] >= report["kills"]
    assert 4 * report["between_send_and_answer"] >= report["kills"]
    assert list(home.iterdir()) == [], "scratch accounts were left behind"


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_five_hundred_kills_and_a_hundred_power_cuts(tmp_path: Path) -> None:
    """The same promises, everywhere, over several markets."""
    report = rehearsed(tmp_path / "home", "--kills", "500", "--power-cuts", "100", timeout_s=3_500.0)
    assert report["kills"] >= 475
    assert report["power_cuts"] >= 90
    assert 4 * report["between_commit_and_send"] >= report["kills"]
    assert 4 * report["between_send_and_answer"] >= report["kills"]


def test_bad_numbers_are_one_line(tmp_path: Path) -> None:
    """Nothing to do, or more than anyone waits for."""
    nothing = bot("rehearse", "--kills", "0", "--power-cuts", "0", "--home", tmp_path)
    assert (nothing.returncode, "at least one" in complaint(nothing)) == (2, True)
    endless = bot("rehearse", "--kills", "100001", "--home", tmp_path)
    assert (endless.returncode, "100000" in complaint(endless)) == (78, True)
