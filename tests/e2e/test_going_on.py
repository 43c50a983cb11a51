"""An account that is days old goes on at once, at the demo's pace."""

from __future__ import annotations

from pathlib import Path

from tests.daemon_process import BotProcess, bot, document


def test_an_old_account_goes_on_without_waiting_for_its_past(tmp_path: Path) -> None:
    """Paced time begins where the record ends: three days in, the clock moves and a stop is obeyed within seconds."""
    home = tmp_path / "home"
    first = bot("run", "--home", home, "--for", "3d", "--account", "main", "--json")
    assert first.returncode == 0, first.stderr[-2000:]
    assert document(first)["period"]["days"] == 3.0
    with BotProcess(home, "--account", "main", "--speed", "600") as again:
        begun = again.wait_until(lambda status: status["mode"] == "RUN", "the mode RUN")["at_ns"]
        again.wait_until(lambda status: status["at_ns"] > begun, "a clock that moves")
        again.verb("stop")
        assert again.ended(within_s=30) == 0
