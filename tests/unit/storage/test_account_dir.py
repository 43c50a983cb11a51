"""One instance per account, in a folder that can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import Busy, ConfigRefused
from bot.storage.account_dir import AccountDir


def account(tmp_path: Path, name: str = "main") -> AccountDir:
    return AccountDir(tmp_path / "home", "demo", name, short_folder=tmp_path / "short").prepare()


def test_F62_a_second_instance_is_turned_away_with_the_pid(tmp_path: Path) -> None:
    """Exit code 75, and the line names who holds the account."""
    folder = account(tmp_path)
    with folder.lock():
        with pytest.raises(Busy, match=f"pid {os.getpid()}") as caught:
            folder.lock()
        assert caught.value.exit_code == 75
        assert folder.holder() == os.getpid()
    assert folder.holder() is None
    folder.lock().release()


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """The kernel frees the lock of a killed process, whatever the file says."""
    folder = account(tmp_path)
    code = ("import os,signal,sys;from pathlib import Path;from bot.storage.account_dir import AccountLock;"
            "AccountLock(Path(sys.argv[1]));os.kill(os.getpid(),signal.SIGKILL)")
    subprocess.run([sys.executable, "-c", code, str(folder.lock_file)], check=False)
    assert folder.lock_file.read_text().strip()
    with folder.lock():
        pass


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    """No path can be smuggled in through an account's name."""
    with pytest.raises(ConfigRefused):
        AccountDir(tmp_path, "demo", name)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The line says what to do."""
    (tmp_path / "home").write_text("a file where a folder should be")
    with pytest.raises(ConfigRefused, match="choose another --home"):
        account(tmp_path)


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    """The kernel takes 107 bytes; above 100 the socket moves to the short folder, one per account."""
    home = tmp_path / ("h" * 90)
    first, second = (AccountDir(home, "demo", name, short_folder=tmp_path / "s").prepare() for name in ("a", "b"))
    assert first.socket.parent == tmp_path / "s" != first.folder
    assert first.socket != second.socket
    assert first.kill_places[1] != second.kill_places[1]
    assert AccountDir(Path("/h"), "demo", "a").socket == Path("/h/demo/a/control.sock")


def test_a_runtime_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """Someone else could plant a socket there."""
    short = tmp_path / "short"
    short.mkdir()
    short.chmod(0o777)
    with pytest.raises(ConfigRefused, match="others may write"):
        account(tmp_path)


def test_folders_are_private(tmp_path: Path) -> None:
    """Mode 0700."""
    assert account(tmp_path).folder.stat().st_mode & 0o777 == 0o700
