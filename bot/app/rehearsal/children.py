"""Work in forked processes: what dies, dies there, and what was prepared before the fork costs nothing again."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from bot.domain.errors import Fatal


def in_child(work: Callable[[], bytes], stderr: Path | None = None) -> tuple[int, bytes]:
    """Fork, work, wait: (exit code, or minus the signal that ended it; what the work returned).

    An error of the work is exit code 70, its traceback the result. `stderr`: where the child's own goes.

    Raises:
        Fatal: no process can be made.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        pid = os.fork()
    except OSError as error:
        raise Fatal(f"rehearsal: no process can be made ({error.strerror})") from None
    if pid == 0:
        os.close(reader)
        _child(work, writer, stderr)
    os.close(writer)
    parts = []
    with os.fdopen(reader, "rb") as pipe:
        while part := pipe.read(65_536):
            parts.append(part)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b"".join(parts)


def _child(work: Callable[[], bytes], writer: int, stderr: Path | None) -> None:
    """Never returns: the parent's stack, its buffers and its exit handlers are not ours."""
    code, result = 70, b""
    try:
        if stderr is not None:
            descriptor = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(descriptor, 2)
        result = work()
        code = 0
    finally:
        if code:
            result = traceback.format_exc().encode()
        try:
            while result:
                result = result[os.write(writer, result):]
            sys.stderr.flush()
        finally:
            os._exit(code)
