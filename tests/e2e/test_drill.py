"""`drill`: the kill switch is tried before it is needed, and what it took stays with the account."""

from __future__ import annotations

from pathlib import Path

from tests.daemon_process import BotProcess, bot, complaint, document
from tests.e2e.test_daemon_controls import EAGER, holds_hedged_pairs


def test_a_drill_on_a_scratch_account_is_measured_and_shown(tmp_path: Path) -> None:
    """An order was on its way; every bound held, also over a restart; doctor names the drill; nothing else is left."""
    drilled = bot("drill", "--home", tmp_path, "--json")
    found = document(drilled)
    assert (drilled.returncode, found["passed"], found["late"]) == (0, True, [])
    assert found["orders_open"] >= 1
    assert found["pairs_held"] >= 1
    assert found["survives_restart"] is True
    assert found["last_opening_s"] is None
    assert found["cancels_sent_s"] <= 1.0
    assert 0 < found["none_open_s"] <= 10.0
    assert 0 < found["flat_s"] <= 60.0
    checks = {row["check"]: row for row in document(bot("doctor", "--home", tmp_path, "--json"))["findings"]}
    assert checks["kill switch demo/main"]["verdict"] == "good"
    assert "all bounds held" in checks["kill switch demo/main"]["text"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kills.jsonl"]


def test_a_drill_of_the_demo_itself(tmp_path: Path) -> None:
    """Asked for by a typed word (off a terminal: --yes), it kills the running account, and `status` shows the times."""
    home, config = tmp_path / "home", tmp_path / "eager.toml"
    config.write_text(EAGER)
    with BotProcess(home, "--config", config, "--speed", "600") as daemon:
        daemon.wait_until(holds_hedged_pairs, "hedged pairs")
        unasked = bot("drill", "--really", "--home", home)
        assert (unasked.returncode, "--yes" in complaint(unasked)) == (2, True)
        found = daemon.verb("drill", "--really", "--yes")
        assert (found["passed"], found["drill"], found["late"]) == (True, True, [])
        seen = daemon.status()
        assert seen["mode"] == "HALTED"
        assert seen["last_kill"]["flat_s"] == found["flat_s"]
        daemon.verb("stop")
        assert daemon.ended() == 0


def test_a_drill_of_what_does_not_run_is_one_line(tmp_path: Path) -> None:
    """There is nothing to kill."""
    done = bot("drill", "--really", "--yes", "--home", tmp_path)
    assert (done.returncode, "no daemon runs" in complaint(done)) == (1, True)
