"""The daemon is frozen, hurried, starved and cut off, as a machine does it; its record stays whole and it goes on."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app.rehearsal.audit import Account, check_killed, check_went_on
from bot.settings import load
from bot.storage.account_dir import AccountDir
from tests.daemon_process import CHECKOUT, PATIENCE_S, BotProcess, bot, environment
from tests.e2e.test_daemon_controls import EAGER, holds_hedged_pairs

WALL_STEP = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, out);
    const char *path = getenv("WALL_STEP_FILE");
    long step = 0;
    FILE *file = id == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%ld", &step) == 1) out->tv_sec += step;
        fclose(file);
    }
    return done;
}
"""
"""A wall clock that a test may set; monotonic time is left alone."""
BROKEN_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int broken(void) {
    const char *path = getenv("BROKEN_DISK_FILE");
    return path && access(path, F_OK) == 0;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    if (broken()) { errno = EROFS; return -1; }
    return real(file, data, size, at);
}

int fdatasync(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    if (broken()) { errno = EIO; return -1; }
    return real(file);
}

int open64(const char *path, int flags, ...) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if ((flags & O_CREAT) && !strstr(path, ".log") && broken()) { errno = EROFS; return -1; }
    return real(path, flags, mode);
}
"""
"""A disk that takes no write while a file exists."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Pairs open within the first simulated minutes."""
    path = tmp_path / "eager.toml"
    path.write_text(EAGER)
    return path


@pytest.fixture
def daemon(tmp_path: Path, config: Path) -> Iterator[BotProcess]:
    """A daemon at the demo's speed that holds hedged pairs."""
    with BotProcess(tmp_path / "home", "--config", config, "--speed", "600") as process:
        process.wait_until(holds_hedged_pairs, "hedged pairs")
        yield process


def events(daemon: BotProcess, name: str) -> list[dict[str, Any]]:
    """What the daemon has logged under a name."""
    rows = [json.loads(line) for line in daemon.stderr.splitlines() if line.startswith("{")]
    return [row for row in rows if row.get("event") == name]


def wait_for(seen: Callable[[], object], what: str) -> None:
    """Until it is seen."""
    until = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < until, f"never seen: {what}"
        time.sleep(0.05)


def ends_whole(daemon: BotProcess, config: Path, scratch: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """It ends in order within 20 s, and the account stands the audit of a crash."""
    daemon.wait_until(lambda status: status["mode"] == "RUN", "RUN")
    daemon.process.send_signal(number)
    assert daemon.ended(within_s=20) == 0
    assert "stop_forced" not in daemon.stderr
    account = Account(AccountDir(daemon.home, "demo", "main"), load(config, {}))
    check_killed(account, scratch)
    check_went_on(account, scratch)


def compiled(folder: Path, name: str, source: str) -> Path:
    """A library to load before all others."""
    (folder / f"{name}.c").write_text(source)
    library = folder / f"{name}.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, folder / f"{name}.c", "-ldl"], check=True)
    return library


def pause(daemon: BotProcess, seconds: float) -> None:
    """SIGSTOP for so long."""
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    daemon.process.send_signal(signal.SIGCONT)


def test_F58_F57_a_paused_process_notices_and_goes_on(daemon: BotProcess, config: Path, tmp_path: Path) -> None:
    """Half a second is a lag of the loop, three are a pause: both are said, and nothing is traded twice after."""
    pause(daemon, 0.6)
    wait_for(lambda: any(row["lag_ms"] >= 250 for row in events(daemon, "loop_lagged")), "loop_lagged")
    pause(daemon, 3.0)
    wait_for(lambda: any(row["jump_s"] > 2 for row in events(daemon, "clock_jumped")), "clock_jumped")
    ends_whole(daemon, config, tmp_path)


@pytest.mark.storm
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seconds", [10.0, 60.0, 600.0])
def test_F58_a_long_pause(daemon: BotProcess, config: Path, tmp_path: Path, seconds: float) -> None:
    """A laptop that slept: simulated time stood still meanwhile."""
    pause(daemon, seconds)
    wait_for(lambda: any(row["jump_s"] > seconds - 2 for row in events(daemon, "clock_jumped")), "clock_jumped")
    ends_whole(daemon, config, tmp_path)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler for a wall clock that can be set")
def test_F75_a_wall_clock_set_by_an_hour_moves_no_stamp(config: Path, tmp_path: Path) -> None:
    """An hour forward, two back: said, no time goes back, no funding is paid twice, no day begins anew."""
    library, step = compiled(tmp_path, "wall", WALL_STEP), tmp_path / "step"
    step.write_text("0")
    with BotProcess(tmp_path / "home", "--config", config, "--speed", "600",
                    env={"LD_PRELOAD": str(library), "WALL_STEP_FILE": str(step)}) as daemon:
        daemon.wait_until(holds_hedged_pairs, "hedged pairs")
        for seconds in (3_600, -3_600):
            step.write_text(str(seconds))
            wait_for(lambda: any(abs(row["jump_s"]) > 3_500 for row in events(daemon, "clock_jumped")), "the step")
        wait_for(lambda: any(row["jump_s"] < -7_000 for row in events(daemon, "clock_jumped")), "the step back")
        ends_whole(daemon, config, tmp_path)


def test_F65_ten_heavy_readers_do_not_lock_the_journal(daemon: BotProcess, config: Path, tmp_path: Path) -> None:
    """Long reads hold old snapshots of the file; every commit still lands."""
    journal, over = AccountDir(daemon.home, "demo", "main").journal, threading.Event()
    rows: list[int] = []

    def read() -> None:
        database = sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=30)
        while not over.is_set():
            database.execute("BEGIN")
            rows.append(sum(len(blob) for (blob,) in database.execute("SELECT blob FROM batches")))
            over.wait(0.3)
            database.execute("COMMIT")
        database.close()

    readers = [threading.Thread(target=read) for _ in range(10)]
    for reader in readers:
        reader.start()
    begun = daemon.status()["at_ns"]
    daemon.wait_until(lambda status: status["at_ns"] > begun + 900 * 10**9, "three rebalances under load")
    over.set()
    for reader in readers:
        reader.join()
    assert len(rows) >= 10
    assert events(daemon, "commit_failed") == []
    ends_whole(daemon, config, tmp_path)


def test_F62_a_copied_account_begins_a_session_of_its_own(daemon: BotProcess, config: Path, tmp_path: Path) -> None:
    """Copied while it runs, it is what a crash would have left; the first goes on undisturbed."""
    home = tmp_path / "copied" / "home"
    shutil.copytree(daemon.home, home, ignore=shutil.ignore_patterns("*.sock", "*-shm"))
    done = bot("run", "--home", home, "--config", config, "--for", "5m", "--account", "main", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    account = Account(AccountDir(home, "demo", "main"), load(config, {}))
    check_killed(account, tmp_path)
    assert account.walk.sessions == 2
    ends_whole(daemon, config, tmp_path, signal.SIGINT)


def test_sixty_four_file_descriptors_are_enough(config: Path, tmp_path: Path) -> None:
    """What a careless service manager allows."""
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", sys.executable, "-m", "bot", "run", "--home",
         tmp_path / "home", "--config", config, "--for", "10m", "--json"],
        env=environment(), cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["attribution_usd"]["residual"] == "0.00"


MOMENTS_S = (0.0, 0.4, 1.0)
STORM_S = tuple(n / 10 for n in range(2, 40, 2))


def stopped_at(moment_s: float, config: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with BotProcess(home, "--config", config, "--speed", "600", "--account", "main") as daemon:
        wait_for(lambda: daemon.process.poll() is not None or AccountDir(home, "demo", "main").lock_file.exists(),
                 "the account's lock")
        time.sleep(moment_s)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.ended(within_s=20) == 0, daemon.stderr[-2000:]
        assert "Traceback" not in daemon.stderr
    done = bot("run", "--home", home, "--config", config, "--for", "6m", "--account", "main", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    account = Account(AccountDir(home, "demo", "main"), load(config, {}))
    check_went_on(account, tmp_path)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_F56_sigterm_at_any_moment_ends_with_0(config: Path, tmp_path: Path, moment_s: float) -> None:
    """While it opens its files, recovers, or trades: exit 0, and the next run goes on."""
    stopped_at(moment_s, config, tmp_path)


@pytest.mark.storm
@pytest.mark.parametrize("moment_s", STORM_S)
def test_F56_sigterm_at_many_more_moments(config: Path, tmp_path: Path, moment_s: float) -> None:
    """The same on a finer grid."""
    stopped_at(moment_s, config, tmp_path)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler for a disk that can be broken")
def test_F67_F79_a_disk_that_refuses_every_write_halts_and_the_kill_switch_still_works(config: Path, tmp_path: Path
                                                                                       ) -> None:
    """Commits fail: HALTED(storage). A kill is obeyed without a place to write it, all is said, and it heals."""
    library, broken = compiled(tmp_path, "disk", BROKEN_DISK), tmp_path / "broken"
    with BotProcess(tmp_path / "home", "--config", config, "--speed", "600",
                    env={"LD_PRELOAD": str(library), "BROKEN_DISK_FILE": str(broken)}) as daemon:
        daemon.wait_until(holds_hedged_pairs, "hedged pairs")
        broken.touch()
        halted = daemon.wait_until(lambda status: status["mode"] == "HALTED", "HALTED")
        assert any("storage" in reason for reason in halted["mode_reasons"])
        daemon.verb("kill", "--reason", "disk")
        daemon.wait_until(lambda status: any("kill" in reason for reason in status["mode_reasons"]), "the kill")
        wait_for(lambda: events(daemon, "kill_latch_failed"), "that the latch could not be written")
        broken.unlink()
        healed = daemon.wait_until(lambda status: not any("storage" in reason for reason in status["mode_reasons"]),
                                   "storage that works again")
        assert healed["mode"] == "HALTED", "a kill is lifted by an operator alone"
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.ended(within_s=20) == 0
    account = Account(AccountDir(daemon.home, "demo", "main"), load(config, {}))
    check_killed(account, tmp_path)
