"""The daemon as a process: how much memory it takes, what it does while nothing happens, how soon it is there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.figures import children_cpu_s, table
from tests.daemon_process import BotProcess, environment

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

IDLE_S = 60
GROWTH_DAYS = 12


def test_resident_memory_and_idle_cpu_at_the_pace_of_life(tmp_path: Path, show: Callable[[str], None]) -> None:
    """20 instruments at speed 1, no terminal; goals: below 150 MB, below 2 % of a core."""
    with BotProcess(tmp_path / "home", "--speed", "1") as process:
        process.wait_until(lambda status: bool(status["venues"]), "a running daemon")
        time.sleep(5)
        pid = process.process.pid
        before_s, began = _cpu_s(pid), time.monotonic()
        time.sleep(IDLE_S)
        share = (_cpu_s(pid) - before_s) / (time.monotonic() - began)
        resident_mb, threads = _kb(pid, "VmRSS") / 1e3, _kb(pid, "Threads")
    show(table("daemon: 20 instruments at speed 1", [
        ("", "measured", "goal"), ("resident", f"{resident_mb:.0f} MB", "150 MB"),
        (f"idle CPU over {IDLE_S} s", f"{share:.2%}", "2 %"), ("threads", f"{threads}", "")]))


def test_memory_while_days_go_by(tmp_path: Path, show: Callable[[str], None]) -> None:
    """Resident memory as simulated days pass; what still grows is what was traded and paid."""
    rows = [("share of the run", "resident MB")]
    seen: list[tuple[float, float]] = []
    with BotProcess(tmp_path / "home", "--for", f"{GROWTH_DAYS}d", "--json") as process:
        began = time.monotonic()
        while process.process.poll() is None:
            seen.append((time.monotonic() - began, _kb(process.process.pid, "VmRSS") / 1e3))
            time.sleep(0.2)
        assert process.process.returncode == 0, process.stderr[-2000:]
    for share in (0.25, 0.5, 0.75, 0.98):
        at_s = seen[-1][0] * share
        rows.append((f"{share:.0%}", f"{next(mb for when_s, mb in seen if when_s >= at_s):.0f}"))
    show(table(f"daemon: memory over {GROWTH_DAYS} simulated days", rows))


def test_how_soon_it_is_there(show: Callable[[str], None]) -> None:
    """Imports in a process of their own, less the bare interpreter; the goal is 0.5 s each."""
    bare_s = _start_s("-c", "pass")
    rows = [("", "CPU s", "beyond Python"), ("python -c pass", f"{bare_s:.2f}", "")]
    for name, words in (("import bot.app.daemon", ("-c", "import bot.app.daemon")),
                        ("evenkeel version", ("-m", "bot", "version"))):
        spent_s = _start_s(*words)
        rows.append((name, f"{spent_s:.2f}", f"{spent_s - bare_s:.2f}"))
    show(table("start", rows))


def _start_s(*words: str) -> float:
    """The least of five CPU times of a process."""
    found = []
    for _ in range(5):
        before_s = children_cpu_s()
        subprocess.run([sys.executable, *words], env=environment(), check=True, stdout=subprocess.DEVNULL)
        found.append(children_cpu_s() - before_s)
    return min(found)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kb(pid: int, name: str) -> int:
    """A number of the process' status; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
