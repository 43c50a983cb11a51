"""A file system of a few MiB that a test can fill; skips where this machine does not let us mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tiny_disk(folder: Path, size_mib: int) -> Iterator[Path]:
    """A tmpfs at `folder`, gone afterwards."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "tmpfs", str(folder)],
                          check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("this machine lets us mount no file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """A file that takes all space, down to the last page, whatever others write meanwhile."""
    size = 1 << 22
    with path.open("wb", buffering=0) as file:
        while size >= 512:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
