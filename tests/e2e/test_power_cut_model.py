"""What the rehearsed power cuts assume of SQLite, held against the system calls that it makes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon_process import CHECKOUT, environment

WORK = """
import os, sys
from pathlib import Path
from bot.storage.journal import Journal
from bot.storage.journal_rows import Batch, Identity
from bot.venues.simulated.books_file import BooksFile

folder = Path(sys.argv[1])
journal = Journal.create(folder / "journal.db", Identity(account="a", kind="demo", created_ns=1))
books = BooksFile(folder / "venue.db")
for number in range(1, 61):
    journal.append(Batch(first_seq=number, at_ns=number, fence=1, kinds=1, pairs=((os.urandom(150_000), b"s"),)))
    os.write(1, b"returned journal.db\\n")
    books.write(os.urandom(150_000), [])
    os.write(1, b"returned venue.db\\n")
"""
LOG_HEADER = 32
CALL = re.compile(r"(\w+)\(\d+<([^>]*)>(.*)")
WHERE = re.compile(r", (\d+), (\d+)\) = \d+$")
RETURNED = re.compile(r"returned (journal\.db|venue\.db)")


class Disk:
    """One database of the trace: what has been written since the last sync of each of its two files."""

    def __init__(self) -> None:
        self.unsynced = {"": 0, "-wal": 0}
        self.header_waits = False
        self.checkpoints = self.restarts = self.commits = 0

    def wrote(self, suffix: str, size: int, offset: int) -> None:
        if suffix == "-wal":
            assert not self.header_waits, "frames were written before the log's header was synced"
            if (size, offset) == (LOG_HEADER, 0):
                assert not self.unsynced[""], "the log began anew before the pages were synced"
                self.header_waits = True
                self.restarts += self.commits > 0
        elif self.commits:
            assert not self.unsynced["-wal"], "pages were written before the log's frames were synced"
            self.checkpoints += not self.unsynced[""]
        self.unsynced[suffix] += 1

    def synced(self, suffix: str) -> None:
        self.unsynced[suffix] = 0
        if suffix == "-wal":
            self.header_waits = False

    def returned(self) -> None:
        self.commits += 1
        assert not any(self.unsynced.values()), "a commit returned before all of it was synced"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_commit_writes_header_frames_and_pages_in_this_order_and_syncs_each(tmp_path: Path) -> None:
    """`images.py` tears one of three groups at a time because each is on disk before the next is begun."""
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "40", "-o", str(trace), "-e", "trace=pwrite64,fdatasync,fsync,write",
         sys.executable, "-c", WORK, str(tmp_path)],
        env=environment(), cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=120)
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr[-2000:]
    disks = {"journal.db": Disk(), "venue.db": Disk()}
    for line in trace.read_text().splitlines():
        call = CALL.search(line)
        if call is None:
            continue
        name, path, rest = call.groups()
        returned = RETURNED.search(rest) if name == "write" else None
        if returned is not None:
            disks[returned[1]].returned()
            continue
        file, _, suffix = Path(path).name.partition("-")
        if file not in disks or suffix not in ("", "wal"):
            continue
        suffix = f"-{suffix}" if suffix else ""
        where = WHERE.search(rest)
        if name == "pwrite64" and where is not None:
            disks[file].wrote(suffix, int(where[1]), int(where[2]))
        elif name in ("fdatasync", "fsync"):
            disks[file].synced(suffix)
    for disk in disks.values():
        assert (disk.commits, disk.checkpoints > 0, disk.restarts > 0) == (60, True, True)
