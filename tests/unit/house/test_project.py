"""The project's own files: locks, launcher, gate."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.house.branch_gate import branch_counts, verdict
from tests.unit.house.source_tree import REPO

LOCKS = ("requirements.lock", "requirements-dev.lock")


def _pins(lock: str) -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", (REPO / lock).read_text("utf-8"), re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_hashes_everything(lock: str) -> None:
    """Locks work behind any index: no URL, a hash for each pin."""
    text = (REPO / lock).read_text("utf-8")
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.partition("=")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    """What the tests run with is what users run with."""
    run, dev = (_pins(lock) for lock in LOCKS)
    assert {name: pins for name, pins in run.items() if dev.get(name) != pins} == {}


@pytest.mark.parametrize("name", ["ccxt", "msgspec", "numpy", "websockets"])
def test_the_lock_is_what_is_installed(name: str) -> None:
    """A resolver that picks another version than the lock is noticed."""
    assert importlib.metadata.version(name) in _pins("requirements.lock")[name]


def test_every_direct_dependency_is_locked() -> None:
    """Nothing in pyproject.toml is missing from the lock."""
    wanted = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {re.split(r"[><=]", entry)[0] for entry in wanted}
    assert names <= set(_pins("requirements.lock"))


def test_the_version_is_told_once() -> None:
    """The package and the distribution carry one version."""
    import bot

    assert tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]["version"] == bot.__version__


def _launcher(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name in ("evenkeel", *LOCKS):
        shutil.copy2(REPO / name, folder / name)
    return folder


def _launch(folder: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "evenkeel"), *args], cwd="/", env=os.environ | env, capture_output=True, text=True, check=False,
    )


def test_the_launcher_refuses_an_interpreter_that_is_none(tmp_path: Path) -> None:
    """A wrong EVENKEEL_PYTHON is one clear line and no half-made folder."""
    folder = _launcher(tmp_path)
    done = _launch(folder, {"EVENKEEL_PYTHON": "/nonexistent/python"}, "version")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "evenkeel: EVENKEEL_PYTHON=/nonexistent/python is not a Python 3.11 or newer",
    ]
    assert not (folder / ".venv").exists()
    assert not (folder / ".installing").exists()


def test_the_launcher_passes_arguments_on_unchanged(tmp_path: Path) -> None:
    """Spaces and quotes in arguments and in the path survive; PYTHONPATH and home are the checkout's."""
    folder = _launcher(tmp_path)
    fake = folder / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$PYTHONPATH" "$EVENKEEL_HOME"\n', "utf-8")
    fake.chmod(0o755)
    lock = (folder / "requirements.lock").read_bytes()
    told = subprocess.run(["cksum"], input=lock, capture_output=True, check=True).stdout.decode().strip()
    (folder / ".venv" / ".evenkeel-run").write_text(f"{told.replace(' ', '-')}\n{sys.executable}\n", "utf-8")
    done = _launch(folder, {"EVENKEEL_HOME": "", "EVENKEEL_PYTHON": ""}, "run", "--config", "my file's.toml")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "-P", "-m", "bot", "run", "--config", "my file's.toml", str(folder), str(folder / "var"),
    ]


def test_the_gate_counts_branches_of_pure_layers_only() -> None:
    """Uncovered branches of the shell do not count; those of a pure layer do, and none at all is not a pass."""
    files = {
        "bot/domain/values.py": {"summary": {"covered_branches": 9, "num_branches": 10}},
        "bot/runtime/live.py": {"summary": {"covered_branches": 0, "num_branches": 90}},
    }
    counts = branch_counts(files, ["domain", "risk"])
    assert counts == {"domain": (9, 10), "risk": (0, 0)}
    assert verdict(counts, 90)[0]
    assert not verdict(counts, 91)[0]
    assert not verdict({"domain": (0, 0)}, 0.1)[0]
