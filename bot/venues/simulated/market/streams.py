"""Random streams: one per (seed, component, day), so that no draw depends on how the market is consumed.

Names are hashed by CRC-32 (not `hash`), so PYTHONHASHSEED has no part in it; numpy's global state is never touched.
numpy may change its distributions between minor versions; the locks pin numpy.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MINUTES_PER_DAY: Final = 1_440
_OFFSET: Final = 1 << 24
"""Keeps days before the start (the funding history) non-negative in the key."""


def stream(seed: int, component: str, number: int) -> np.random.Generator:
    """The stream of one component for one day (or one minute): equal keys give equal draws, all others independent."""
    key = np.random.SeedSequence([seed, crc32(component.encode()), number + _OFFSET])
    return np.random.Generator(np.random.PCG64(key))


def normals(seed: int, components: tuple[str, ...], day: int, columns: int = MINUTES_PER_DAY) -> Array:
    """Standard normal draws, shape (n_components, columns), each row from its own stream."""
    rows = np.empty((len(components), columns))
    for row, component in zip(rows, components, strict=True):
        stream(seed, component, day).standard_normal(out=row)
    return rows
