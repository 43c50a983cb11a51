"""TWAP: cut a change of a pair's size into slices on the joint lot grid, spaced in time, fixed by a hash."""

from __future__ import annotations

import math
from decimal import Decimal

from bot.domain.values import NS_PER_S, Nanos
from bot.execution.order_ids import unit_hash
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Slice


def plan_slices(
    *,
    seed: int,
    parent_id: str,
    start_base: Decimal,
    target_base: Decimal,
    step_base: Decimal,
    clip_base: Decimal,
    min_base: Decimal,
    now_ns: Nanos,
    params: ExecutionParams,
    urgent: bool = False,
) -> tuple[Slice, ...]:
    """Cumulative sizes that run from `start_base` to `target_base`, each a whole number of steps apart.

    Args:
        seed: the run's seed; with the parent's id and the slice's number it fixes the jitter.
        start_base: hedged base quantity now.
        target_base: wanted base quantity; below start for a reduction.
        step_base: the joint lot step; above 0.
        clip_base: the most one slice should take.
        min_base: the least a slice may be (venue minimums); slices below it are merged.
        now_ns: the first slice is due now.
        params: spacing and jitter.
        urgent: no spacing.
    Returns:
        At least one slice; the last one is exactly `target_base`.
    Raises:
        ValueError: if `step_base` is not positive.
    """
    if step_base <= 0:
        raise ValueError("step_base must be positive")
    total = abs(target_base - start_base)
    sign = 1 if target_base >= start_base else -1
    steps = int(total // step_base)
    least = max(1, math.ceil(min_base / step_base))
    clip = max(least, int(clip_base // step_base))
    count = max(1, min(math.ceil(steps / clip) if steps else 1, params.slices_max, max(1, steps // least)))
    weights = [1.0 + params.size_jitter * (2 * unit_hash(seed, parent_id, n, "size") - 1) for n in range(count)]
    cuts = _cumulative_steps(weights, steps, least)
    slices: list[Slice] = []
    for n, cut in enumerate(cuts):
        jitter = params.time_jitter * (2 * unit_hash(seed, parent_id, n, "time") - 1) if n else 0.0
        due = now_ns if urgent else now_ns + int((n + jitter) * params.slice_s * NS_PER_S)
        size = target_base if n == len(cuts) - 1 else start_base + sign * cut * step_base
        earliest = slices[-1].due_ns if slices else now_ns  # jitter never turns two slices round
        slices.append(Slice(due_ns=Nanos(max(due, earliest)), cumulative_base=size))
    return tuple(slices)


def _cumulative_steps(weights: list[float], steps: int, least: int) -> list[int]:
    """Whole steps done after each slice, in proportion to the weights, no slice below `least`; ends at `steps`."""
    total = sum(weights)
    cuts: list[int] = []
    done = 0
    running = 0.0
    for weight in weights[:-1]:
        running += weight
        cut = round(steps * running / total)
        if cut - done >= least and steps - cut >= least:
            cuts.append(cut)
            done = cut
    cuts.append(steps)
    return cuts


def slice_index(slices: tuple[Slice, ...], next_slice: int, now_ns: Nanos) -> int | None:
    """The slice to work now, or None if none is due. Missed slices are not caught up: one is taken at a time."""
    if next_slice < len(slices) and slices[next_slice].due_ns <= now_ns:
        return next_slice
    return None
