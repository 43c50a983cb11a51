"""The bot as a process of its own, for tests of what a person at a terminal would see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHECKOUT = Path(__file__).resolve().parents[1]
PATIENCE_S = 150.0
"""How long a test waits for something that must come; only a test that fails ever waits so long."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a person who has set nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **(extra or {})}


def bot(*words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None,
        timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """One call of the command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *map(str, words)], env=environment(env), cwd=cwd or CHECKOUT, check=False,
        capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL,
    )


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout; fails if there is more or less."""
    return json.loads(done.stdout)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr by which a call was refused; fails if it is longer, or a traceback."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("evenkeel: "), lines
    return lines[0]


class BotProcess:
    """`run` in the background with its home folder; killed when the test ends, however it ends."""

    def __init__(self, home: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._out = home.with_name(f"{home.name}.stdout").open("ab+")
        self._err = home.with_name(f"{home.name}.stderr").open("ab+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run", "--home", str(home), *map(str, words)], env=environment(env),
            cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._out.close()
        self._err.close()

    def verb(self, name: str, *words: str) -> Any:
        """Another verb on the same home; its one JSON document."""
        done = bot(name, "--home", self.home, *words, "--json")
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        return document(done)

    def status(self) -> dict[str, Any]:
        """What `status --json` says; `running` is False while nobody listens."""
        done = bot("status", "--home", self.home, "--json")
        found: dict[str, Any] = document(done)
        return found

    def wait_until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The first status that is as wanted.

        Raises:
            AssertionError: it did not come, or the process ended first.
        """
        until = time.monotonic() + PATIENCE_S
        seen: dict[str, Any] = {}
        while time.monotonic() < until:
            ended = self.process.poll()
            assert ended is None, f"ended ({ended}) before {what}: {self.stderr[-2000:]}"
            seen = self.status()
            if seen["running"] and wanted(seen):
                return seen
        raise AssertionError(f"never seen: {what}; last status: {json.dumps(seen)[:2000]}")

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """The exit code."""
        return self.process.wait(timeout=within_s)

    @property
    def stdout(self) -> str:
        """All that it printed."""
        self._out.seek(0)
        return self._out.read().decode()

    @property
    def stderr(self) -> str:
        """All that it logged and said."""
        self._err.seek(0)
        return self._err.read().decode()


def pair_states(status: Mapping[str, Any]) -> Sequence[str]:
    """The states of the pairs that a status shows."""
    return [pair["state"] for pair in status["pairs"]]
