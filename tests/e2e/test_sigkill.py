"""The daemon is killed with SIGKILL in a busy hour, wherever it hurts, and comes back as if nothing had happened."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bot.domain.commands import Alert, ShowTicks, SubmitOrder
from bot.domain.events import EVENT_RANK, Fill
from bot.settings import load
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from tests.daemon_process import BotProcess, bot, document, pair_states
from tests.e2e.crash_audit import Account, check_killed, check_went_on

BUSY = """
[engine]
rebalance_every_s = 300
rebalance_offset_s = 60
[engine.carry]
basis_observations_min = 1
horizon_h = 8760
entry_buffer_bps = 0.0
hurdle_annual = 0.0
risk_premium_annual = 0.0
min_hold_h = 0.0
cool_down_h = 0.0
pairs_max = 12
resize_share_min = 0.01
[engine.execution]
slice_s = 20.0
slices_max = 10
slice_usd_max = 400.0
[runtime]
snapshot_every_events = 300
"""
"""Every five minutes pairs are opened and resized in small slices: about 120 orders an hour on the embedded market."""
NAME = "main"

Point = tuple[str, float]
"""A named place of `bot/runtime/crash_points.py`, and which share of the hour's visits there comes before the kill."""

BETWEEN_COMMIT_AND_SEND: tuple[Point, ...] = (
    ("before_send", 0.02), ("before_send", 0.3), ("before_send", 0.7), ("after_commit", 0.25), ("after_commit", 0.6))
BETWEEN_SEND_AND_ANSWER: tuple[Point, ...] = (
    ("after_send", 0.1), ("after_send", 0.45), ("after_send", 0.85), ("before_answer", 0.15), ("before_answer", 0.8))
ANYWHERE: tuple[Point, ...] = (
    ("after_commit", 0.0), ("after_commit", 0.05), ("before_commit", 0.0), ("before_commit", 0.02),
    ("before_commit", 0.3), ("before_commit", 0.5), ("before_commit", 0.8), ("before_answer", 0.03),
    ("before_answer", 0.5), ("before_answer", 0.95))
STORM: tuple[Point, ...] = tuple(
    (name, share / 100) for name in ("before_commit", "after_commit", "before_send", "after_send", "before_answer")
    for share in range(7, 90, 20))


def account_in(folder: Path) -> Account:
    config = folder / "busy.toml"
    config.write_text(BUSY)
    return Account(AccountDir(folder / "home", "demo", NAME), load(config, {}))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return account_in(tmp_path)


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often the undisturbed hour comes to each place; what is chosen by share stays busy when decisions change."""
    account = account_in(tmp_path_factory.mktemp("undisturbed"))
    run(account, "1h")
    sends = answers = orders = 0
    for event, step in account.records():
        sends += sum(not isinstance(command, Alert | ShowTicks) for command in step.commands)
        orders += sum(isinstance(command, SubmitOrder) for command in step.commands)
        answers += EVENT_RANK[type(event)] == EVENT_RANK[Fill]
    assert orders >= 40, "the hour is not busy"
    with Journal.open_readonly(account.place.journal) as journal:
        commits = journal.head.row_number
    return {"before_commit": commits, "after_commit": commits, "before_send": sends, "after_send": sends,
            "before_answer": answers}


def run(account: Account, span: str, crash_at: str = "") -> int:
    """One session of the account, as fast as it goes; its exit code."""
    home = account.place.folder.parents[1]
    done = bot("run", "--home", home, "--config", home.parent / "busy.toml", "--for", span, "--account", NAME, "--json",
               env={"EVENKEEL_CRASH_AT": crash_at} if crash_at else None)
    if not crash_at:
        assert done.returncode == 0, done.stderr[-2000:]
        assert document(done)["attribution_usd"]["residual"] == "0.00"
    return done.returncode


def kill_and_go_on(account: Account, scratch: Path, visits: dict[str, int], point: Point) -> None:
    name, share = point
    assert run(account, "1h", f"{name}:{1 + int(share * visits[name])}") == -signal.SIGKILL
    check_killed(account, scratch)
    run(account, "12m")
    check_went_on(account, scratch)


@pytest.mark.parametrize("point", [*BETWEEN_COMMIT_AND_SEND, *BETWEEN_SEND_AND_ANSWER, *ANYWHERE], ids=str)
def test_a_killed_daemon_comes_back_whole(account: Account, tmp_path: Path, visits: dict[str, int], point: Point
                                          ) -> None:
    """Same state byte for byte, one create per order, no intent lost, pairs whole in time, and the venue's books."""
    kill_and_go_on(account, tmp_path, visits, point)


@pytest.mark.parametrize("again", ["before_commit:2", "before_answer:4"])
def test_killed_again_while_it_recovers(account: Account, tmp_path: Path, again: str) -> None:
    """The second death falls into the reconciliation after the first."""
    assert run(account, "1h", "after_send:66") == -signal.SIGKILL
    assert run(account, "12m", again) == -signal.SIGKILL
    check_killed(account, tmp_path)
    run(account, "12m")
    check_went_on(account, tmp_path)


def test_killed_from_outside_at_no_named_place(account: Account, tmp_path: Path) -> None:
    """At a person's pace events wait up to a second for their commit; the market gives again those that are lost."""
    home = account.place.folder.parents[1]
    with BotProcess(home, "--config", home.parent / "busy.toml", "--speed", "600") as daemon:
        daemon.wait_until(lambda status: len(pair_states(status)) >= 2, "two pairs")
        daemon.process.send_signal(signal.SIGKILL)
        assert daemon.ended() == -signal.SIGKILL
    check_killed(account, tmp_path)
    run(account, "12m")
    check_went_on(account, tmp_path)


@pytest.mark.storm
@pytest.mark.parametrize("point", STORM, ids=str)
def test_a_killed_daemon_comes_back_whole_at_many_more_points(account: Account, tmp_path: Path,
                                                              visits: dict[str, int], point: Point) -> None:
    """The same promise on a finer grid."""
    kill_and_go_on(account, tmp_path, visits, point)
