"""The daemon as a person starts it, killed with SIGKILL, comes back as if nothing had happened.

The storm of deaths is `rehearse` (test_rehearsal.py); here the process is the command itself.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.app.rehearsal.audit import Account, check_killed, check_went_on
from bot.app.rehearsal.stage import NAME, account_in
from bot.settings import load
from tests.daemon_process import CHECKOUT, BotProcess, bot, complaint, document, environment, pair_states
from tests.e2e.test_crash_audit import BUSY


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """No account yet, and a configuration beside it that trades at once."""
    (tmp_path / "busy.toml").write_text(BUSY)
    return tmp_path / "home"


def run(home: Path, span: str, crash_at: str = "") -> int:
    """One session of the account, as fast as it goes; its exit code."""
    done = bot("run", "--home", home, "--config", home.parent / "busy.toml", "--for", span, "--account", NAME, "--json",
               env={"EVENKEEL_CRASH_AT": crash_at} if crash_at else None)
    if not crash_at:
        assert done.returncode == 0, done.stderr[-2000:]
        assert document(done)["attribution_usd"]["residual"] == "0.00"
    return done.returncode


def killed_account_goes_on(home: Path, scratch: Path) -> None:
    """Both audits around the next session."""
    account = Account(account_in(home), load(home.parent / "busy.toml", {}))
    check_killed(account, scratch)
    run(home, "6m")
    check_went_on(account, scratch)


@pytest.mark.parametrize("point", ["before_order:17", "after_order:24", "before_books:30+700"])
def test_a_killed_daemon_comes_back_whole(home: Path, tmp_path: Path, point: str) -> None:
    """Same state byte for byte, one create per order, no intent lost, pairs whole in time, and the venue's books."""
    assert run(home, "8m", point) == -signal.SIGKILL
    killed_account_goes_on(home, tmp_path)


CALLS = (*(("fdatasync", number) for number in (3, 9, 25, 50, 75, 100, 125, 150)),
         *(("pwrite64", number) for number in (1, 40, 120, 250, 400, 550, 700, 850, 1_000)),
         *(("rename", number) for number in (1, 2, 3)))


@pytest.mark.storm
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(("call", "number"), CALLS)
def test_killed_in_the_system_call_itself(home: Path, tmp_path: Path, call: str, number: int) -> None:
    """SIGKILL as the n-th write, sync or rename of a thread is made: no hook of ours is in the way."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", f"trace={call}", "-e",
         f"inject={call}:signal=SIGKILL:when={number}", sys.executable, "-m", "bot", "run", "--home", home, "--config",
         home.parent / "busy.toml", "--for", "8m", "--account", NAME, "--json"],
        env=environment(), cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=240)
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    killed_account_goes_on(home, tmp_path)


def test_killed_again_while_it_recovers(home: Path, tmp_path: Path) -> None:
    """The second death falls into the reconciliation after the first."""
    assert run(home, "8m", "after_order:40") == -signal.SIGKILL
    assert run(home, "8m", "before_answer:2") == -signal.SIGKILL
    killed_account_goes_on(home, tmp_path)


def test_killed_from_outside_at_no_named_place(home: Path, tmp_path: Path) -> None:
    """At a person's pace events wait up to a second for their commit; the market gives again those that are lost."""
    words = ("--config", home.parent / "busy.toml", "--speed", "600", "--account", NAME)
    with BotProcess(home, *words) as daemon:
        daemon.wait_until(lambda status: len(pair_states(status)) >= 2, "two pairs")
        daemon.process.send_signal(signal.SIGKILL)
        assert daemon.ended() == -signal.SIGKILL
    killed_account_goes_on(home, tmp_path)


def test_crash_points_are_for_rehearsals_alone(home: Path) -> None:
    """A paper account cannot be made to kill itself by a forgotten variable."""
    config = home.parent / "paper.toml"
    config.write_text('[account]\nkind = "paper"\n')
    refused = bot("run", "--home", home, "--config", config, "--for", "1m", env={"EVENKEEL_CRASH_AT": "before_send:1"})
    assert refused.returncode == 78
    assert "paper" in complaint(refused)
