"""What every benchmark needs: CPU time that other processes disturb little, and a table that a person reads.

Times are CPU seconds. `machine()` says how fast the machine was meanwhile: on a shared one a core does less per second.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_LOOP = 1_000_000


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this process, and what came out."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def best(work: Callable[[], Any], rounds: int = 3) -> float:
    """The least CPU seconds of several rounds: the one that was disturbed least."""
    return min(timed(work)[0] for _ in range(rounds))


def children_cpu_s() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine() -> str:
    """One line: what a bare Python loop costs now, and how many want to run."""
    def loop() -> int:
        total = 0
        for number in range(_LOOP):
            total += number
        return total

    each_ns = best(loop) / _LOOP * 1e9
    return (f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; a bare Python loop takes "
            f"{each_ns:.0f} ns a turn (an idle core: about 25)")


def table(title: str, rows: Sequence[tuple[str, ...]], *lines: str) -> str:
    """Aligned columns, the first to the left; the first row is the head. `lines` stand below."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    out = ["", f"== {title}"]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        out.append("   " + "   ".join(cells))
    return "\n".join([*out, *(f"   {line}" for line in lines), f"   {machine()}"])
